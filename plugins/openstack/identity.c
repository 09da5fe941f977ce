/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the forms of Keystone's documents, v2.0 and v3.  Any thread, one at a time for an object; blocks on nothing.
 */
#include "plugins/openstack/identity.h"

#include <errno.h>
#include <glib.h>

#include "plugins/openstack/walk.h"
#include "wire/sample_time.h"

/* ------------------------------------------------------------------ configuration */

enum method { METHOD_PASSWORD, METHOD_TOKEN, METHOD_CREDENTIAL };

static const struct {
	const char *type;
	enum method method;
	enum identity_version version; /* NONE: any */
} types[] = {
	{ "password", METHOD_PASSWORD, IDENTITY_NONE },
	{ "v2password", METHOD_PASSWORD, IDENTITY_V2 },
	{ "v3password", METHOD_PASSWORD, IDENTITY_V3 },
	{ "password-ceilometer-legacy", METHOD_PASSWORD, IDENTITY_NONE },
	{ "token", METHOD_TOKEN, IDENTITY_NONE },
	{ "v2token", METHOD_TOKEN, IDENTITY_V2 },
	{ "v3token", METHOD_TOKEN, IDENTITY_V3 },
	{ "v3applicationcredential", METHOD_CREDENTIAL, IDENTITY_V3 },
};

static size_t type_index(const struct openstack_conf *c)
{
	const char *type = c->auth_type && *c->auth_type ? c->auth_type : "password";
	size_t i = 0;

	while (i < G_N_ELEMENTS(types) && strcmp(types[i].type, type) != 0) {
		i++;
	}
	return i;
}

static bool is_set(const char *text)
{
	return text && *text;
}

static const char *first(const char *a, const char *b)
{
	return is_set(a) ? a : is_set(b) ? b : NULL;
}

static const char *user_name(const struct openstack_conf *c)
{
	return first(c->username, c->old_username);
}

static const char *project_id(const struct openstack_conf *c)
{
	return first(c->project_id, c->old_tenant_id);
}

static const char *project_name(const struct openstack_conf *c)
{
	return first(c->project_name, c->old_tenant_name);
}

static const char *password(const struct openstack_conf *c)
{
	return first(c->password, c->old_password);
}

/* Whether something is said that only v3 can hear. */
static bool needs_v3(const struct openstack_conf *c)
{
	return is_set(c->user_domain_id) || is_set(c->user_domain_name) ||
	       is_set(c->project_domain_id) || is_set(c->project_domain_name) ||
	       is_set(c->domain_id) || is_set(c->domain_name) || is_set(c->default_domain_id) ||
	       is_set(c->default_domain_name) || is_set(c->system_scope) || is_set(c->trust_id) ||
	       is_set(c->user_id);
}

static enum identity_version version_of_url(const char *url)
{
	if (g_str_has_suffix(url, "/v3") || g_str_has_suffix(url, "/v3/")) {
		return IDENTITY_V3;
	}
	return g_str_has_suffix(url, "/v2.0") || g_str_has_suffix(url, "/v2.0/") ? IDENTITY_V2
										 : IDENTITY_NONE;
}

/* The option that is missing, or NULL. */
static const char *missing(const struct openstack_conf *c, enum method method)
{
	switch (method) {
	case METHOD_TOKEN:
		return is_set(c->token) ? NULL : "token";
	case METHOD_CREDENTIAL:
		if (!is_set(c->credential_secret)) {
			return "application_credential_secret";
		}
		if (is_set(c->credential_id)) {
			return NULL;
		}
		if (!is_set(c->credential_name)) {
			return "application_credential_id";
		}
		return first(user_name(c), c->user_id) ? NULL : "username";
	case METHOD_PASSWORD:
		break;
	}
	if (!first(user_name(c), c->user_id)) {
		return "username";
	}
	return password(c) ? NULL : "password";
}

int identity_check(const struct openstack_conf *c, enum identity_version *ret_version,
		   struct vmt_error *error)
{
	const char *url = first(c->auth_url, c->old_auth_url), *lack;
	size_t type = type_index(c);

	if (!url) {
		return vmt_error_set(error, -EINVAL,
				     "[service_credentials] auth_url: is missing; write Keystone's "
				     "address, as http://HOST:5000/v3");
	}
	if (type == G_N_ELEMENTS(types)) {
		return vmt_error_set(error, -ENOTSUP,
				     "[service_credentials] auth_type: '%s' is not known here; "
				     "write password, token or v3applicationcredential",
				     c->auth_type);
	}
	lack = missing(c, types[type].method);
	if (lack) {
		return vmt_error_set(error, -EINVAL,
				     "[service_credentials] %s: is missing; auth_type %s needs it",
				     lack, types[type].type);
	}
	*ret_version = version_of_url(url);
	if (*ret_version == IDENTITY_NONE) {
		*ret_version = types[type].version;
	} else if (types[type].version != IDENTITY_NONE && types[type].version != *ret_version) {
		return vmt_error_set(error, -EINVAL,
				     "[service_credentials] auth_type: %s does not go with "
				     "auth_url %s",
				     types[type].type, url);
	}
	return 0;
}

/* ------------------------------------------------------------------ requests */

static void put_member(struct json_writer *w, const char *key, const char *value)
{
	json_key(w, key);
	json_put_text(w, value);
}

/* "domain": {"name": …}; what nobody says is Keystone's own first one. */
static void put_domain(struct json_writer *w, const struct openstack_conf *c, const char *id,
		       const char *name)
{
	if (!is_set(id) && !is_set(name)) {
		id = c->default_domain_id;
		name = c->default_domain_name;
	}
	json_key(w, "domain");
	json_begin_object(w);
	if (is_set(id) || !is_set(name)) {
		put_member(w, "id", is_set(id) ? id : "default");
	} else {
		put_member(w, "name", name);
	}
	json_end_object(w);
}

static void put_user(struct json_writer *w, const struct openstack_conf *c, bool with_password)
{
	json_key(w, "user");
	json_begin_object(w);
	if (is_set(c->user_id)) {
		put_member(w, "id", c->user_id);
	} else {
		put_member(w, "name", user_name(c));
		put_domain(w, c, c->user_domain_id, c->user_domain_name);
	}
	if (with_password) {
		put_member(w, "password", password(c));
	}
	json_end_object(w);
}

static void put_identity(struct json_writer *w, const struct openstack_conf *c, enum method method)
{
	static const char *const names[] = { [METHOD_PASSWORD] = "password",
					     [METHOD_TOKEN] = "token",
					     [METHOD_CREDENTIAL] = "application_credential" };

	json_key(w, "identity");
	json_begin_object(w);
	json_key(w, "methods");
	json_begin_array(w);
	json_put_text(w, names[method]);
	json_end_array(w);
	json_key(w, names[method]);
	json_begin_object(w);
	if (method == METHOD_PASSWORD) {
		put_user(w, c, true);
	} else if (method == METHOD_TOKEN) {
		put_member(w, "id", c->token);
	} else {
		if (is_set(c->credential_id)) {
			put_member(w, "id", c->credential_id);
		} else {
			put_member(w, "name", c->credential_name);
			put_user(w, c, false);
		}
		put_member(w, "secret", c->credential_secret);
	}
	json_end_object(w);
	json_end_object(w);
}

static void put_project(struct json_writer *w, const struct openstack_conf *c)
{
	json_key(w, "project");
	json_begin_object(w);
	if (project_id(c)) {
		put_member(w, "id", project_id(c));
	} else {
		put_member(w, "name", project_name(c));
		put_domain(w, c, c->project_domain_id, c->project_domain_name);
	}
	json_end_object(w);
}

static void put_scope(struct json_writer *w, const struct openstack_conf *c)
{
	bool project = project_id(c) || project_name(c);

	if (!project && !is_set(c->system_scope) && !is_set(c->domain_id) &&
	    !is_set(c->domain_name) && !is_set(c->trust_id)) {
		return; /* as Keystone has it of the user */
	}
	json_key(w, "scope");
	json_begin_object(w);
	if (is_set(c->trust_id)) {
		json_key(w, "OS-TRUST:trust");
		json_begin_object(w);
		put_member(w, "id", c->trust_id);
		json_end_object(w);
	} else if (is_set(c->system_scope)) {
		json_key(w, "system");
		json_begin_object(w);
		json_key(w, c->system_scope);
		json_put_bool(w, true);
		json_end_object(w);
	} else if (project) {
		put_project(w, c);
	} else {
		put_domain(w, c, c->domain_id, c->domain_name);
	}
	json_end_object(w);
}

static void put_v2(struct json_writer *w, const struct openstack_conf *c, enum method method)
{
	if (project_id(c)) {
		put_member(w, "tenantId", project_id(c));
	} else if (project_name(c)) {
		put_member(w, "tenantName", project_name(c));
	}
	if (method == METHOD_TOKEN) {
		json_key(w, "token");
		json_begin_object(w);
		put_member(w, "id", c->token);
	} else {
		json_key(w, "passwordCredentials");
		json_begin_object(w);
		put_member(w, "username", user_name(c));
		put_member(w, "password", password(c));
	}
	json_end_object(w);
}

void identity_put_request(const struct openstack_conf *c, enum identity_version version,
			  struct buf *out)
{
	enum method method = types[type_index(c)].method;
	struct json_writer w;

	json_writer_init(&w, out);
	json_begin_object(&w);
	json_key(&w, "auth");
	json_begin_object(&w);
	if (version == IDENTITY_V2) {
		put_v2(&w, c, method);
	} else {
		put_identity(&w, c, method);
		if (method != METHOD_CREDENTIAL) {
			put_scope(&w, c);
		}
	}
	json_end_object(&w);
	json_end_object(&w);
}

/* ------------------------------------------------------------------ versions */

struct versions {
	bool v2, v3;
};

static void note_version(struct json_reader *r, struct arena *arena, struct versions *v)
{
	const char *id = NULL, *status = NULL;

	while (walk_key(r)) {
		if (json_is(r, "id")) {
			id = walk_text(r, arena);
		} else if (json_is(r, "status")) {
			status = walk_text(r, arena);
		} else {
			walk_skip(r);
		}
	}
	if (id && g_strcmp0(status, "experimental") != 0) {
		v->v3 |= g_str_has_prefix(id, "v3");
		v->v2 |= g_str_has_prefix(id, "v2");
	}
}

/* {"versions": {"values": [{…}, …]}}, {"versions": [{…}, …]} or {"version": {…}}; no deeper than the reader goes. */
static void note_versions(struct json_reader *r, struct arena *arena, struct versions *v)
{
	while (walk_key(r)) {
		enum json_event event;

		if (json_is(r, "version")) {
			if (walk_into(r, JSON_OBJECT)) {
				note_version(r, arena, v);
			}
			continue;
		}
		if (!json_is(r, "versions") && !json_is(r, "values")) {
			walk_skip(r);
			continue;
		}
		event = json_next(r);
		if (event == JSON_OBJECT) {
			note_versions(r, arena, v);
		} else if (event == JSON_ARRAY) {
			while (walk_object(r)) {
				note_version(r, arena, v);
			}
		} else {
			json_skip(r, event);
		}
	}
}

int identity_read_versions(const struct openstack_conf *conf, const char *json, size_t len,
			   enum identity_version *ret_version, struct vmt_error *error)
{
	struct arena *arena = arena_new(1024);
	struct versions v = { false, false };
	struct json_reader r;

	json_reader_init(&r, json, len);
	if (walk_into(&r, JSON_OBJECT)) {
		note_versions(&r, arena, &v);
	}
	arena_free(arena);
	if (json_next(&r) != JSON_END) {
		return vmt_error_set(error, -EBADMSG, "the answer is not JSON: %s",
				     r.error ? r.error : "more than one value");
	}
	if (v.v3) {
		*ret_version = IDENTITY_V3;
	} else if (v.v2 && !needs_v3(conf)) {
		*ret_version = IDENTITY_V2;
	} else {
		return vmt_error_set(error, -EPROTONOSUPPORT,
				     "the answer names no version of Keystone's that fits the "
				     "configuration; write one into auth_url");
	}
	return 0;
}

/* ------------------------------------------------------------------ tokens */

struct token_reader {
	struct json_reader r;
	struct identity_token *token;
	size_t cap;
	const char *issued, *expires;
};

static void add_endpoint(struct token_reader *t, const struct identity_endpoint *e)
{
	struct identity_token *token = t->token;

	if (!e->type || !e->interface || !e->url || token->endpoints == IDENTITY_ENDPOINTS) {
		return;
	}
	if (token->endpoints == t->cap) {
		struct identity_endpoint *old = token->endpoint;

		t->cap = t->cap ? 2 * t->cap : 32;
		token->endpoint = ARENA_ARRAY(token->arena, struct identity_endpoint, t->cap);
		for (size_t i = 0; i < token->endpoints; i++) {
			token->endpoint[i] = old[i];
		}
	}
	token->endpoint[token->endpoints++] = *e;
}

/* One of v3's or three of v2.0's.  The service's type may still come. */
static void read_endpoint(struct token_reader *t)
{
	static const struct {
		const char *key, *interface;
	} old[] = { { "publicURL", "public" },
		    { "internalURL", "internal" },
		    { "adminURL", "admin" } };
	struct arena *arena = t->token->arena;
	struct identity_endpoint e = { .type = "" };
	const char *region = NULL, *url[G_N_ELEMENTS(old)] = { NULL };

	while (walk_key(&t->r)) {
		if (json_is(&t->r, "interface")) {
			e.interface = walk_text(&t->r, arena);
		} else if (json_is(&t->r, "url")) {
			e.url = walk_text(&t->r, arena);
		} else if (json_is(&t->r, "region_id")) {
			e.region = walk_text(&t->r, arena);
		} else if (json_is(&t->r, "region")) {
			region = walk_text(&t->r, arena);
		} else {
			size_t i = 0;

			while (i < G_N_ELEMENTS(old) && !json_is(&t->r, old[i].key)) {
				i++;
			}
			if (i < G_N_ELEMENTS(old)) {
				url[i] = walk_text(&t->r, arena);
			} else {
				walk_skip(&t->r);
			}
		}
	}
	e.region = e.region ? e.region : region;
	add_endpoint(t, &e);
	for (size_t i = 0; i < G_N_ELEMENTS(old); i++) {
		e.interface = old[i].interface;
		e.url = url[i];
		add_endpoint(t, &e);
	}
}

static void read_endpoints(struct token_reader *t)
{
	if (walk_into(&t->r, JSON_ARRAY)) {
		while (walk_object(&t->r)) {
			read_endpoint(t);
		}
	}
}

static void read_service(struct token_reader *t)
{
	size_t from = t->token->endpoints;
	const char *type = NULL;

	while (walk_key(&t->r)) {
		if (json_is(&t->r, "type")) {
			type = walk_text(&t->r, t->token->arena);
		} else if (json_is(&t->r, "endpoints")) {
			read_endpoints(t);
		} else {
			walk_skip(&t->r);
		}
	}
	for (size_t i = from; i < t->token->endpoints; i++) {
		t->token->endpoint[i].type = type ? type : "";
	}
}

static void read_services(struct token_reader *t)
{
	if (walk_into(&t->r, JSON_ARRAY)) {
		while (walk_object(&t->r)) {
			read_service(t);
		}
	}
}

/* The members of v3's "token" and of v2.0's "access" and its "token"; no deeper than the reader goes. */
static void read_members(struct token_reader *t)
{
	struct arena *arena = t->token->arena;
	bool found = false;

	while (walk_key(&t->r)) {
		if (json_is(&t->r, "expires_at") || json_is(&t->r, "expires")) {
			t->expires = walk_text(&t->r, arena);
		} else if (json_is(&t->r, "issued_at")) {
			t->issued = walk_text(&t->r, arena);
		} else if (json_is(&t->r, "id")) {
			t->token->id = walk_text(&t->r, arena);
		} else if (json_is(&t->r, "catalog") || json_is(&t->r, "serviceCatalog")) {
			read_services(t);
		} else if (!found && json_is(&t->r, "token")) {
			found = true;
			if (walk_into(&t->r, JSON_OBJECT)) {
				read_members(t);
			}
		} else {
			walk_skip(&t->r);
		}
	}
}

static int64_t lifetime(const struct token_reader *t)
{
	int64_t from, to;

	if (!t->issued || !t->expires || sample_time_parse(t->issued, 0, &from) < 0 ||
	    sample_time_parse(t->expires, 0, &to) < 0) {
		return -1;
	}
	return MAX(to - from, 0);
}

int identity_read_token(const char *json, size_t len, struct identity_token *ret_token,
			struct vmt_error *error)
{
	struct token_reader t = { .token = ret_token };
	bool found = false;

	*ret_token = (struct identity_token){ .arena = arena_new(0), .lifetime_ns = -1 };
	json_reader_init(&t.r, json, len);
	if (walk_into(&t.r, JSON_OBJECT)) {
		while (walk_key(&t.r)) {
			if (!json_is(&t.r, "token") && !json_is(&t.r, "access")) {
				walk_skip(&t.r);
			} else if (walk_into(&t.r, JSON_OBJECT)) {
				found = true;
				read_members(&t);
			}
		}
	}
	if (json_next(&t.r) != JSON_END) {
		return vmt_error_set(error, -EBADMSG, "the answer is not JSON: %s",
				     t.r.error ? t.r.error : "more than one value");
	}
	if (!found) {
		return vmt_error_set(error, -EBADMSG, "the answer has no token");
	}
	ret_token->lifetime_ns = lifetime(&t);
	return 0;
}

void identity_token_fini(struct identity_token *token)
{
	arena_free(token->arena);
	*token = (struct identity_token){ 0 };
}

/* "publicURL" is "public", too. */
static bool is_interface(const char *have, const char *wanted)
{
	size_t n = strlen(wanted);

	if (g_str_has_suffix(wanted, "URL")) {
		n -= 3;
	}
	return strncmp(have, wanted, n) == 0 && have[n] == '\0';
}

const char *identity_find(const struct identity_token *token, const char *type,
			  const char *interface, const char *region)
{
	for (size_t i = 0; i < token->endpoints; i++) {
		const struct identity_endpoint *e = &token->endpoint[i];

		if (strcmp(e->type, type) == 0 &&
		    is_interface(e->interface, is_set(interface) ? interface : "public") &&
		    (!is_set(region) || g_strcmp0(e->region, region) == 0)) {
			return e->url;
		}
	}
	return NULL;
}

/* ------------------------------------------------------------------ users, projects, domains */

static void read_object(struct json_reader *r, struct identity_object *o)
{
	while (walk_key(r)) {
		if (json_is(r, "name")) {
			o->name = walk_text(r, o->arena);
		} else if (json_is(r, "domain_id")) {
			o->domain_id = walk_text(r, o->arena);
		} else if (json_is(r, "enabled")) {
			enum json_event event = json_next(r);

			o->enabled = event != JSON_FALSE;
			json_skip(r, event);
		} else {
			walk_skip(r);
		}
	}
}

int identity_read_object(const char *json, size_t len, const char *kind,
			 struct identity_object *ret_object, struct vmt_error *error)
{
	bool found = false;
	struct json_reader r;

	*ret_object = (struct identity_object){ .arena = arena_new(256), .enabled = true };
	json_reader_init(&r, json, len);
	if (walk_into(&r, JSON_OBJECT)) {
		while (walk_key(&r)) {
			if (!json_is(&r, kind)) {
				walk_skip(&r);
			} else if (walk_into(&r, JSON_OBJECT)) {
				found = true;
				read_object(&r, ret_object);
			}
		}
	}
	if (json_next(&r) != JSON_END) {
		return vmt_error_set(error, -EBADMSG, "the answer is not JSON: %s",
				     r.error ? r.error : "more than one value");
	}
	return found ? 0 : vmt_error_set(error, -EBADMSG, "the answer has no %s", kind);
}

void identity_object_fini(struct identity_object *object)
{
	arena_free(object->arena);
	*object = (struct identity_object){ 0 };
}

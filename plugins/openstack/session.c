/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the token.  One thread at a time; blocks on the network, until the deadline.  Passwords and tokens are in no
 * message: of what Keystone answers to a request for a token only the status is told.
 */
#include "plugins/openstack/session.h"

#include <errno.h>
#include <glib.h>

#include "base/clock.h"
#include "plugins/openstack/identity.h"
#include "wire/json_path.h"

#define TOKEN_MARGIN_NS (30 * NS_PER_S)
#define TOKEN_LIFETIME_NS (300 * NS_PER_S) /* where Keystone does not say */

struct session {
	struct openstack_conf conf; /* texts are its own */
	struct http *http;
	struct http_answer answer;
	enum identity_version version; /* NONE: Keystone has to be asked */
	char *auth_url; /* without a '/' at its end */
	char *header; /* "X-Auth-Token: …"; NULL: not logged in */
	struct identity_token token;
	char *endpoint; /* found last */
	int64_t until_ns; /* monotonic: log in again from then on */
	uint64_t requests;
};

/* ------------------------------------------------------------------ life */

/* Every text of a conf. */
static const char **text_at(struct openstack_conf *c, size_t i)
{
	const char **texts[] = { &c->auth_type,
				 &c->auth_url,
				 &c->username,
				 &c->user_id,
				 &c->user_domain_id,
				 &c->user_domain_name,
				 &c->password,
				 &c->project_id,
				 &c->project_name,
				 &c->project_domain_id,
				 &c->project_domain_name,
				 &c->domain_id,
				 &c->domain_name,
				 &c->default_domain_id,
				 &c->default_domain_name,
				 &c->system_scope,
				 &c->trust_id,
				 &c->credential_id,
				 &c->credential_name,
				 &c->credential_secret,
				 &c->token,
				 &c->old_username,
				 &c->old_password,
				 &c->old_tenant_id,
				 &c->old_tenant_name,
				 &c->old_cacert,
				 &c->old_auth_url,
				 &c->old_region,
				 &c->old_interface,
				 &c->region,
				 &c->interface,
				 &c->cafile,
				 &c->certfile,
				 &c->keyfile,
				 &c->compute,
				 &c->image };

	return i < G_N_ELEMENTS(texts) ? texts[i] : NULL;
}

static char *without_slash(const char *url)
{
	char *text = g_strdup(url);
	size_t n = strlen(text);

	while (n > 0 && text[n - 1] == '/') {
		text[--n] = '\0';
	}
	return text;
}

int session_new(const struct openstack_conf *conf, struct session **ret_session,
		struct vmt_error *error)
{
	enum identity_version version = IDENTITY_NONE;
	struct http *http = NULL;
	struct session *s;
	const char **text;
	int ret = identity_check(conf, &version, error);

	if (ret == 0) {
		ret = http_new(conf, &http, error);
	}
	if (ret < 0) {
		return ret;
	}
	s = g_new0(struct session, 1);
	s->conf = *conf;
	for (size_t i = 0; (text = text_at(&s->conf, i)) != NULL; i++) {
		*text = *text && **text ? g_strdup(*text) : NULL;
	}
	s->http = http;
	s->version = version;
	s->auth_url = without_slash(s->conf.auth_url ? s->conf.auth_url : s->conf.old_auth_url);
	http_answer_init(&s->answer);
	*ret_session = s;
	return 0;
}

static void free_secret(char *text)
{
	if (text) {
		explicit_bzero(text, strlen(text));
		g_free(text);
	}
}

static void drop_token(struct session *s)
{
	free_secret(s->header);
	s->header = NULL;
	identity_token_fini(&s->token);
}

void session_free(struct session *s)
{
	const char **text;

	if (!s) {
		return;
	}
	drop_token(s);
	for (size_t i = 0; (text = text_at(&s->conf, i)) != NULL; i++) {
		free_secret((char *)(uintptr_t)*text);
	}
	http_answer_fini(&s->answer);
	http_free(s->http);
	g_free(s->auth_url);
	g_free(s->endpoint);
	g_free(s);
}

bool session_is(const struct session *s, const struct openstack_conf *conf)
{
	struct openstack_conf a = s->conf, b = *conf;
	const char **text;
	bool same = a.insecure == b.insecure && a.timeout_ns == b.timeout_ns;

	for (size_t i = 0; same && (text = text_at(&a, i)) != NULL; i++) {
		const char *other = *text_at(&b, i);

		same = g_strcmp0(*text, other && *other ? other : NULL) == 0;
	}
	return same;
}

void session_wake(struct session *s)
{
	http_wake(s->http);
}

uint64_t session_requests(const struct session *s)
{
	return s->requests;
}

int64_t session_retry_after(const struct session *s)
{
	return s->answer.retry_after_ns;
}

/* ------------------------------------------------------------------ what an answer means */

static const struct {
	long status;
	int ret;
	const char *text;
} known[] = {
	{ 300, -EPROTO, "several versions are there; write one into the address" },
	{ 400, -EPROTO, "bad request" },
	{ 401, -EACCES, "not authorised; check [service_credentials]" },
	{ 403, -EACCES, "forbidden; the account needs the role that may see all projects" },
	{ 404, -ENOENT, "not found" },
	{ 408, -EAGAIN, "request timeout" },
	{ 413, -EAGAIN, "over limit" },
	{ 429, -EAGAIN, "too many requests" },
	{ 500, -EREMOTEIO, "internal server error" },
	{ 502, -EREMOTEIO, "bad gateway" },
	{ 503, -EAGAIN, "service unavailable" },
	{ 504, -EREMOTEIO, "gateway timeout" },
};

static const char *const messages[] = { "error.message",        "itemNotFound.message",
					"badRequest.message",   "forbidden.message",
					"unauthorized.message", "overLimit.message",
					"computeFault.message", "message" };

/* The far side's own words: one line of printable text, cut. */
static void add_message(const struct http_answer *a, struct buf *out)
{
	struct buf text = BUF_INIT;

	for (size_t i = 0; i < G_N_ELEMENTS(messages) && text.len == 0; i++) {
		json_path_text(a->body.data, a->body.len, messages[i], &text);
	}
	buf_cut(&text, MIN(text.len, (size_t)160));
	if (text.len > 0) {
		buf_puts(out, ": ");
	}
	for (size_t i = 0; i < text.len; i++) {
		buf_putc(out, text.data[i] >= 0x20 && text.data[i] < 0x7f ? text.data[i] : ' ');
	}
	buf_fini(&text);
}

static int refused(const struct http_answer *a, const char *url, bool with_message,
		   struct vmt_error *error)
{
	struct buf text = BUF_INIT;
	const char *what = NULL;
	int ret = -EREMOTEIO;

	for (size_t i = 0; i < G_N_ELEMENTS(known); i++) {
		if (known[i].status == a->status) {
			what = known[i].text;
			ret = known[i].ret;
		}
	}
	if (with_message) {
		add_message(a, &text);
	}
	vmt_error_set(error, ret, "%s: HTTP status %ld%s%s%s%s", url, a->status, what ? " (" : "",
		      what ? what : "", what ? ")" : "", text.data);
	buf_fini(&text);
	return ret;
}

static bool is_good(const struct http_answer *a)
{
	return a->status >= 200 && a->status < 300;
}

/* ------------------------------------------------------------------ logging in */

static int ask(struct session *s, const struct http_request *request, const struct vmt_call *call,
	       struct vmt_error *error)
{
	s->requests++;
	return http_ask(s->http, request, call, &s->answer, error);
}

/* Which version Keystone has, where the address does not say: its root answers with 300. */
static int find_version(struct session *s, const struct vmt_call *call, struct vmt_error *error)
{
	struct vmt_error why;
	char *root = g_strconcat(s->auth_url, "/", NULL);
	struct http_request request = { .url = root };
	int ret = ask(s, &request, call, error);

	if (ret == 0 && !is_good(&s->answer) && s->answer.status != 300) {
		ret = refused(&s->answer, root, true, error);
	}
	if (ret == 0) {
		ret = identity_read_versions(&s->conf, s->answer.body.data, s->answer.body.len,
					     &s->version, &why);
		if (ret < 0) {
			vmt_error_set(error, ret, "%s: %s", root, why.text);
		}
	}
	if (ret == 0) {
		char *url =
			g_strconcat(s->auth_url, s->version == IDENTITY_V3 ? "/v3" : "/v2.0", NULL);

		g_free(s->auth_url);
		s->auth_url = url;
	}
	g_free(root);
	return ret;
}

static int take_token(struct session *s, const char *url, struct vmt_error *error)
{
	struct identity_token token;
	struct vmt_error why;
	const char *id;
	int64_t lifetime;
	int ret = identity_read_token(s->answer.body.data, s->answer.body.len, &token, &why);

	id = s->version == IDENTITY_V3 ? s->answer.subject_token : token.id;
	if (ret == 0 && (!id || !*id || strpbrk(id, "\r\n"))) {
		ret = vmt_error_set(&why, -EBADMSG, "the answer has no token");
	}
	if (ret < 0) {
		identity_token_fini(&token);
		return vmt_error_set(error, ret, "%s: %s", url, why.text);
	}
	lifetime = token.lifetime_ns < 0 ? TOKEN_LIFETIME_NS : token.lifetime_ns;
	s->header = g_strconcat("X-Auth-Token: ", id, NULL);
	s->token = token;
	s->until_ns = clock_monotonic() + MAX(lifetime - TOKEN_MARGIN_NS, 0);
	return 0;
}

static int log_in(struct session *s, const struct vmt_call *call, struct vmt_error *error)
{
	static const char *const headers[] = { "Content-Type: application/json", NULL };
	struct http_request request = { .headers = headers };
	struct buf body = BUF_INIT;
	char *url;
	int ret = s->version == IDENTITY_NONE ? find_version(s, call, error) : 0;

	drop_token(s);
	if (ret < 0) {
		return ret;
	}
	url = g_strconcat(s->auth_url, s->version == IDENTITY_V3 ? "/auth/tokens" : "/tokens",
			  NULL);
	identity_put_request(&s->conf, s->version, &body);
	request.url = url;
	request.body = body.data;
	request.body_len = body.len;
	ret = ask(s, &request, call, error);
	explicit_bzero(body.data, body.cap);
	buf_fini(&body);
	if (ret == 0 && !is_good(&s->answer)) {
		ret = refused(&s->answer, url, false, error);
		ret = ret == -ENOENT ? -EPROTO : ret;
	} else if (ret == 0) {
		ret = take_token(s, url, error);
	}
	g_free(url);
	return ret;
}

static int have_token(struct session *s, const struct vmt_call *call, struct vmt_error *error)
{
	return s->header && clock_monotonic() < s->until_ns ? 0 : log_in(s, call, error);
}

/* ------------------------------------------------------------------ services */

static const char *wanted_interface(const struct session *s)
{
	return s->conf.interface ? s->conf.interface : s->conf.old_interface;
}

static const char *wanted_region(const struct session *s)
{
	return s->conf.region ? s->conf.region : s->conf.old_region;
}

int session_endpoint(struct session *s, const char *type, const struct vmt_call *call,
		     const char **ret_url, struct vmt_error *error)
{
	const char *interface = wanted_interface(s), *region = wanted_region(s), *url;
	int ret = have_token(s, call, error);

	if (ret < 0) {
		return ret;
	}
	url = identity_find(&s->token, type, interface, region);
	if (!url) {
		return vmt_error_set(error, -ENOENT,
				     "%s: the catalogue has no %s address of type %s%s%s; check "
				     "[service_types], interface and region_name",
				     s->auth_url, interface ? interface : "public", type,
				     region ? " in region " : "", region ? region : "");
	}
	g_free(s->endpoint);
	s->endpoint = without_slash(url);
	*ret_url = s->endpoint;
	return 0;
}

int session_identity(struct session *s, const struct vmt_call *call, const char **ret_url,
		     struct vmt_error *error)
{
	const char *url;
	char *root;
	int ret = have_token(s, call, error);

	if (ret < 0) {
		return ret;
	}
	url = identity_find(&s->token, "identity", wanted_interface(s), wanted_region(s));
	root = without_slash(url ? url : s->auth_url);
	if (g_str_has_suffix(root, "/v3")) {
		root[strlen(root) - strlen("/v3")] = '\0';
	} else if (g_str_has_suffix(root, "/v2.0")) {
		root[strlen(root) - strlen("/v2.0")] = '\0';
	}
	g_free(s->endpoint);
	s->endpoint = g_strconcat(root, "/v3", NULL);
	g_free(root);
	*ret_url = s->endpoint;
	return 0;
}

int session_get(struct session *s, const char *url, const char *const *headers,
		const struct vmt_call *call, const struct http_answer **ret_answer,
		struct vmt_error *error)
{
	const char *lines[8] = { NULL };
	struct http_request request = { .url = url, .headers = lines };
	int ret = 0;
	size_t n = 1;

	for (; headers && *headers && n < G_N_ELEMENTS(lines) - 1; headers++) {
		lines[n++] = *headers;
	}
	for (int attempt = 0; attempt < 2; attempt++) {
		ret = have_token(s, call, error);
		if (ret < 0) {
			return ret == -ENOENT ? -EPROTO : ret;
		}
		lines[0] = s->header;
		ret = ask(s, &request, call, error);
		if (ret < 0 || s->answer.status != 401) {
			break;
		}
		drop_token(s);
	}
	if (ret == 0 && !is_good(&s->answer)) {
		ret = refused(&s->answer, url, true, error);
	}
	*ret_answer = &s->answer;
	return ret;
}

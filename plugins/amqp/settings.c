/* SPDX-License-Identifier: Apache-2.0 */
/* From options to settings.  Main thread; blocks on nothing. */
#include "plugins/amqp/settings.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "plugins/amqp/options.h"

static const struct vmt_option rows[] = { RABBIT_ROWS, { .name = NULL } };

/* ---- options in a transport URL's query */

static int set_bool(bool *v, const char *text)
{
	static const char *const yes[] = { "", "1", "true", "yes", "on", NULL };
	static const char *const no[] = { "0", "false", "no", "off", NULL };
	char *lower = g_ascii_strdown(text, -1);
	int ret = g_strv_contains(yes, lower) ? 1 : g_strv_contains(no, lower) ? 0 : -EINVAL;

	g_free(lower);
	if (ret >= 0) {
		*v = ret;
	}
	return MIN(ret, 0);
}

static int set_int(int64_t *v, const struct vmt_option *o, const char *text)
{
	gint64 n;

	if (!g_ascii_string_to_signed(text, 10, o->min, o->max, &n, NULL)) {
		return -EINVAL;
	}
	*v = n;
	return 0;
}

static int set_option(struct rabbit_conf *c, const struct vmt_option *o, const char *text)
{
	void *at = (char *)c + o->offset;

	switch (o->type) {
	case VMT_OPT_BOOL:
		return set_bool(at, text);
	case VMT_OPT_INT:
		return set_int(at, o, text);
	case VMT_OPT_STRING:
		*(const char **)at = text;
		return 0;
	default:
		return -EINVAL;
	}
}

static const struct vmt_option *find_option(const char *name)
{
	for (const struct vmt_option *o = rows; o->name; o++) {
		if ((o->flags & VMT_OPT_URL) &&
		    (strcmp(o->name, name) == 0 ||
		     (o->deprecated && strcmp(o->deprecated, name) == 0))) {
			return o;
		}
	}
	return NULL;
}

/* What oslo.messaging knows and nothing here depends on is passed over, as a misspelt key is there. */
static int apply_query(struct rabbit_conf *c, const struct vmt_pair *query, struct vmt_error *error)
{
	for (; query && query->key; query++) {
		const struct vmt_option *o = find_option(query->key);

		if (!o) {
			vmt_log(VMT_LOG_INFO, "transport URL: option %s has no effect here",
				query->key);
		} else if (set_option(c, o, query->value) < 0) {
			return vmt_error_set(error, -EINVAL,
					     "transport URL: %s: '%s' will not do; see "
					     "virtmeter.conf(5)",
					     query->key, query->value);
		}
	}
	return 0;
}

/* ---- hosts */

static void add_host(GString *out, const char *host, const char *user, const char *password)
{
	g_string_append(out, out->len ? "," : "");
	g_string_append_uri_escaped(out, user, NULL, false);
	g_string_append_c(out, ':');
	g_string_append_uri_escaped(out, password, NULL, false);
	g_string_append_c(out, '@');
	g_string_append(out, host);
}

static const char *either(const char *a, const char *b, const char *def)
{
	return a && a[0] ? a : b && b[0] ? b : def;
}

/* rabbit_host and its like; with none of them the broker of this host. */
static int transport_of_options(const struct rabbit_conf *c, struct transport *ret,
				struct vmt_error *error)
{
	const char *user = either(c->user, c->old_user, "guest");
	const char *password = either(c->password, c->old_password, "guest");
	const char *const *hosts = c->hosts && c->hosts[0] ? c->hosts : c->old_hosts;
	const char *one = either(c->host, c->old_host, "localhost");
	int port = (int)(c->host && c->host[0] ? c->port : c->old_port);
	GString *authority = g_string_new(NULL);
	char *text;
	int code;

	if (hosts && hosts[0]) {
		for (; *hosts; hosts++) {
			add_host(authority, *hosts, user, password);
		}
	} else {
		bool v6 = strchr(one, ':') && one[0] != '[';

		text = g_strdup_printf("%s%s%s:%d", v6 ? "[" : "", one, v6 ? "]" : "", port);
		add_host(authority, text, user, password);
		g_free(text);
	}
	code = transport_of(authority->str, either(c->vhost, c->old_vhost, "/"), ret, error);
	if (code == 0 && strcmp(either(c->vhost, c->old_vhost, "/"), "/") != 0) {
		g_free(ret->vhost);
		ret->vhost = g_strdup(either(c->vhost, c->old_vhost, "/"));
	}
	explicit_bzero(authority->str, authority->len);
	g_string_free(authority, TRUE);
	return code;
}

static void add_local_host(struct transport *t)
{
	t->host[0] = (struct transport_host){ g_strdup("guest"), g_strdup("guest"),
					      g_strdup("localhost"), TRANSPORT_PORT };
	t->hosts = 1;
}

static int find_transport(const struct rabbit_conf *c, const char *authority, const char *path,
			  const char *transport_url, struct transport *ret, struct vmt_error *error)
{
	int code;

	if (authority && authority[0]) {
		return transport_of(authority, path, ret, error);
	}
	if (!transport_url || !transport_url[0]) {
		transport_url = c->transport_url;
	}
	if (!transport_url || !transport_url[0]) {
		return transport_of_options(c, ret, error);
	}
	code = transport_parse(transport_url, ret, error);
	if (code == 0 && ret->hosts == 0) {
		add_local_host(ret);
	}
	return code;
}

/* ---- all of it */

static int check_login(struct amqp_settings *s, struct vmt_error *error)
{
	static const char *const plain[] = { "AMQPLAIN", "PLAIN", NULL };
	const char *method = either(s->conf.login, s->conf.old_login, "AMQPLAIN");

	s->external = g_ascii_strcasecmp(method, "EXTERNAL") == 0;
	for (size_t i = 0; plain[i]; i++) {
		if (g_ascii_strcasecmp(method, plain[i]) == 0) {
			return 0;
		}
	}
	return s->external
		       ? 0
		       : vmt_error_set(error, -EINVAL,
				       "rabbit_login_method %s: not spoken here; write AMQPLAIN, "
				       "PLAIN or EXTERNAL",
				       method);
}

static int merge(struct amqp_settings *s, struct vmt_error *error)
{
	const struct rabbit_conf *c = &s->conf;

	s->ssl = c->ssl || c->old_ssl;
	s->ha = c->ha || c->old_ha;
	s->quorum = c->quorum;
	s->durable = c->durable || c->old_durable || c->quorum;
	s->auto_delete = c->auto_delete || c->old_auto_delete;
	s->quorum_delivery_limit = c->quorum_delivery_limit;
	s->quorum_length = c->quorum_length;
	s->quorum_bytes = c->quorum_bytes;
	s->heartbeat_s = (int)c->heartbeat_s;
	s->heartbeat_rate = (int)MAX(c->heartbeat_rate, 1);
	s->window = (unsigned)MAX(c->window, 1);
	s->exchange = g_strdup(either(c->control_exchange, NULL, "ceilometer"));
	s->tls = (struct tls_options){
		.version = either(c->ssl_version, c->old_ssl_version, NULL),
		.ca_file = either(c->ssl_ca, c->old_ssl_ca, NULL),
		.cert_file = either(c->ssl_cert, c->old_ssl_cert, NULL),
		.key_file = either(c->ssl_key, c->old_ssl_key, NULL),
		.verify = c->ssl_verify,
		.verify_host = c->ssl_verify_host,
	};
	if (s->quorum && s->ha) {
		return vmt_error_set(error, -EINVAL,
				     "rabbit_quorum_queue and rabbit_ha_queues exclude each other; "
				     "leave one of them out");
	}
	if (strlen(s->exchange) > 255 || strlen(s->transport.vhost) > 255) {
		return vmt_error_set(error, -EINVAL,
				     "control_exchange or virtual host longer than 255 bytes");
	}
	return s->ssl ? tls_check(&s->tls, error) : 0;
}

int amqp_settings_make(const struct rabbit_conf *conf, const char *authority, const char *path,
		       const char *transport_url, struct amqp_settings **ret,
		       struct vmt_error *error)
{
	struct amqp_settings *s = g_new0(struct amqp_settings, 1);
	int code;

	s->conf = *conf;
	code = find_transport(conf, authority, path, transport_url, &s->transport, error);
	if (code == 0) {
		code = apply_query(&s->conf, s->transport.query, error);
	}
	if (code == 0) {
		code = check_login(s, error);
	}
	if (code == 0) {
		code = merge(s, error);
	}
	if (code < 0) {
		amqp_settings_free(s);
		return code;
	}
	*ret = s;
	return 0;
}

void amqp_settings_free(struct amqp_settings *s)
{
	if (s) {
		transport_fini(&s->transport);
		g_free(s->exchange);
		g_free(s);
	}
}

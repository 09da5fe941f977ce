/* SPDX-License-Identifier: Apache-2.0 */
/* Transport URLs.  Any thread; blocks on nothing. */
#include "plugins/amqp/transport.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

/* Percent-decoded copy; NULL for '%' without two digits, and for a zero byte. */
static char *decoded(const char *p, size_t n)
{
	char *out = g_malloc(n + 1);
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		char c = p[i];

		if (c == '%') {
			int high = i + 2 < n ? g_ascii_xdigit_value(p[i + 1]) : -1;
			int low = i + 2 < n ? g_ascii_xdigit_value(p[i + 2]) : -1;

			c = high < 0 || low < 0 ? '\0' : (char)(high << 4 | low);
			i += 2;
		}
		if (c == '\0') {
			g_free(out);
			return NULL;
		}
		out[k++] = c;
	}
	out[k] = '\0';
	return out;
}

static int wrong(struct vmt_error *error, const char *what)
{
	return vmt_error_set(error, -EINVAL,
			     "transport URL: %s; write rabbit://user:password@host:5672/vhost",
			     what);
}

static int parse_port(const char *p, size_t n, int *ret_port)
{
	int port = 0;

	if (n == 0) {
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		if (!g_ascii_isdigit(p[i]) || port > 65535) {
			return -EINVAL;
		}
		port = port * 10 + (p[i] - '0');
	}
	if (port < 1 || port > 65535) {
		return -EINVAL;
	}
	*ret_port = port;
	return 0;
}

/* "host", "host:port", "[address]:port" */
static int parse_address(struct transport_host *h, const char *p, size_t n, struct vmt_error *error)
{
	const char *host = p, *end = p + n, *close, *colon;
	size_t len = n;

	h->port = TRANSPORT_PORT;
	if (n > 0 && p[0] == '[') {
		close = memchr(p, ']', n);
		if (!close || (close + 1 < end && close[1] != ':')) {
			return wrong(error, "'[' without ']' around an IPv6 address");
		}
		host = p + 1;
		len = (size_t)(close - host);
		colon = close + 1 < end ? close + 1 : NULL;
	} else {
		colon = memchr(p, ':', n);
		len = colon ? (size_t)(colon - p) : n;
	}
	if (colon && parse_port(colon + 1, (size_t)(end - colon - 1), &h->port) < 0) {
		return wrong(error, "a port that is not a number from 1 to 65535");
	}
	h->host = decoded(host, len);
	return h->host ? 0 : wrong(error, "'%' without two hexadecimal digits in a host");
}

static int parse_user(struct transport_host *h, const char *p, size_t n)
{
	const char *colon = n ? memchr(p, ':', n) : NULL;
	size_t user = colon ? (size_t)(colon - p) : n;

	h->user = decoded(p, user);
	h->password = colon ? decoded(colon + 1, n - user - 1) : g_strdup("");
	return h->user && h->password ? 0 : -EINVAL;
}

static int parse_host(struct transport_host *h, const char *p, size_t n, struct vmt_error *error)
{
	const char *at = memrchr(p, '@', n);
	size_t user = at ? (size_t)(at - p) : 0;
	size_t skip = at ? user + 1 : 0;

	if (parse_user(h, p, user) < 0) {
		return wrong(error, "'%' without two hexadecimal digits in a user or password");
	}
	return parse_address(h, p + skip, n - skip, error);
}

static int parse_hosts(struct transport *t, const char *p, struct vmt_error *error)
{
	while (*p) {
		size_t n = strcspn(p, ",");

		if (n > 0 && t->hosts == TRANSPORT_HOSTS) {
			return wrong(error, "more than 64 hosts");
		}
		if (n > 0 && parse_host(&t->host[t->hosts++], p, n, error) < 0) {
			return -EINVAL;
		}
		p += n + (p[n] == ',');
	}
	return 0;
}

static int parse_query(struct transport *t, const char *p, struct vmt_error *error)
{
	size_t count = 0;

	while (*p) {
		size_t n = strcspn(p, "&"), key;
		const char *equal = memchr(p, '=', n);
		char *name, *value;

		key = equal ? (size_t)(equal - p) : n;
		if (n > 0 && count == TRANSPORT_KEYS) {
			return wrong(error, "more than 64 parts in its query");
		}
		if (n > 0) {
			name = decoded(p, key);
			value = equal ? decoded(equal + 1, n - key - 1) : g_strdup("");
			t->query[count++] =
				(struct vmt_pair){ name ? name : g_strdup(""), value, false };
			if (!name || !value) {
				return wrong(error,
					     "'%' without two hexadecimal digits in its query");
			}
		}
		p += n + (p[n] == '&');
	}
	return 0;
}

static void transport_init(struct transport *t)
{
	*t = (struct transport){ .host = g_new0(struct transport_host, TRANSPORT_HOSTS),
				 .query = g_new0(struct vmt_pair, TRANSPORT_KEYS + 1) };
}

int transport_of(const char *authority, const char *path, struct transport *ret,
		 struct vmt_error *error)
{
	struct transport t;
	int code;

	transport_init(&t);
	code = parse_hosts(&t, authority, error);
	if (code < 0) {
		transport_fini(&t);
		return code;
	}
	path += path[0] == '/';
	t.vhost = g_strdup(path[0] ? path : "/");
	*ret = t;
	return 0;
}

int transport_parse(const char *text, struct transport *ret, struct vmt_error *error)
{
	const char *sep = strstr(text, "://"), *rest, *path, *query;
	char *authority, *decoded_path;
	int code;

	if (!sep) {
		return wrong(error, "no ://");
	}
	if (!(sep - text == 6 && g_ascii_strncasecmp(text, "rabbit", 6) == 0) &&
	    !(sep - text >= 5 && g_ascii_strncasecmp(text, "kombu", 5) == 0)) {
		return wrong(error, "only the drivers rabbit and kombu are spoken here");
	}
	rest = sep + 3;
	path = rest + strcspn(rest, "/?");
	query = path + strcspn(path, "?");
	decoded_path = decoded(path, (size_t)(query - path));
	if (!decoded_path) {
		return wrong(error, "'%' without two hexadecimal digits in its virtual host");
	}
	authority = g_strndup(rest, (gsize)(path - rest));
	code = transport_of(authority, decoded_path, ret, error);
	if (code == 0 && *query) {
		code = parse_query(ret, query + 1, error);
		if (code < 0) {
			transport_fini(ret);
		}
	}
	explicit_bzero(authority, strlen(authority));
	g_free(authority);
	g_free(decoded_path);
	return code;
}

void transport_fini(struct transport *t)
{
	if (!t) {
		return;
	}
	for (size_t i = 0; i < t->hosts; i++) {
		struct transport_host *h = &t->host[i];

		g_free(h->user);
		g_free(h->host);
		if (h->password) {
			explicit_bzero(h->password, strlen(h->password));
			g_free(h->password);
		}
	}
	for (struct vmt_pair *q = t->query; q && q->key; q++) {
		g_free((char *)q->key);
		g_free((char *)q->value);
	}
	g_free(t->host);
	g_free(t->query);
	g_free(t->vhost);
	*t = (struct transport){ 0 };
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Taking URLs apart.  Any thread; blocks on nothing. */
#include "conf/url.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/utf8.h"

struct item {
	const char *raw; /* "key=value" as written */
	size_t size, key; /* bytes of all, of the key */
	const char *name, *value; /* decoded */
	bool secret, taken;
};

struct url {
	struct vmt_url url;
	struct arena *arena;
	const char *before,
		*between; /* raw: what stands before and after a password, without query */
	bool has_password, has_query;
	struct item *item;
	size_t items;
	struct vmt_pair *query; /* what was not taken; ends with key NULL */
};

/* Raw text, not ended by a zero. */
struct span {
	const char *p;
	size_t n;
};

static const char *const secret_words[] = { "password", "passwd", "secret", "token", "passphrase" };

static bool names_secret(const char *name)
{
	char *lower = g_ascii_strdown(name, -1);
	bool found = false;

	for (size_t i = 0; i < G_N_ELEMENTS(secret_words); i++) {
		found = found || strstr(lower, secret_words[i]);
	}
	g_free(lower);
	return found;
}

/* Percent-decoding; NULL with a reason. */
static const char *decode(struct url *u, struct span in, bool plus, const char *what,
			  struct vmt_error *error)
{
	char *out = arena_alloc(u->arena, in.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < in.n; i++) {
		char c = in.p[i];

		if (c == '%') {
			int high = i + 2 < in.n ? g_ascii_xdigit_value(in.p[i + 1]) : -1;
			int low = i + 2 < in.n ? g_ascii_xdigit_value(in.p[i + 2]) : -1;

			if (high < 0 || low < 0) {
				vmt_error_set(error, 0,
					      "URL: '%%' without two hexadecimal digits in its %s; "
					      "write %%25 for a percent sign",
					      what);
				return NULL;
			}
			c = (char)(high << 4 | low);
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		if (c == '\0') {
			vmt_error_set(error, 0, "URL: a zero byte in its %s; leave it out", what);
			return NULL;
		}
		out[n++] = c;
	}
	out[n] = '\0';
	if (!utf8_valid(out, n)) {
		vmt_error_set(error, 0, "URL: its %s is not UTF-8", what);
		return NULL;
	}
	return out;
}

static void make_text(struct url *u)
{
	struct buf out = BUF_INIT;

	buf_puts(&out, u->before);
	buf_puts(&out, u->has_password ? "****" : "");
	buf_puts(&out, u->between);
	buf_puts(&out, u->has_query ? "?" : "");
	for (size_t i = 0; i < u->items; i++) {
		const struct item *it = &u->item[i];

		buf_puts(&out, i ? "&" : "");
		if (it->secret && it->key < it->size) {
			buf_add(&out, it->raw, it->key);
			buf_puts(&out, "=****");
		} else {
			buf_add(&out, it->raw, it->size);
		}
	}
	u->url.text = arena_strndup(u->arena, out.data, out.len);
	buf_fini(&out);
}

static int parse_port(struct url *u, struct span s, struct vmt_error *error)
{
	int port = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (!g_ascii_isdigit(s.p[i]) || port > 65535) {
			port = -1;
			break;
		}
		port = port * 10 + (s.p[i] - '0');
	}
	if (s.n > 0 && (port < 1 || port > 65535)) {
		return vmt_error_set(error, -EINVAL,
				     "URL: port %.*s; write a number from 1 to 65535",
				     (int)MIN(s.n, 32), s.p);
	}
	u->url.port = port;
	return 0;
}

/* "host", "host:port", "[v6]:port" */
static int parse_host(struct url *u, struct span s, struct vmt_error *error)
{
	struct span host = s, port = { s.p + s.n, 0 };
	const char *colon;

	if (s.n > 0 && s.p[0] == '[') {
		const char *close = memchr(s.p, ']', s.n);

		if (!close || (close + 1 < s.p + s.n && close[1] != ':')) {
			return vmt_error_set(
				error, -EINVAL,
				"URL: '[' without ']' around an IPv6 address; write [::1]:4952");
		}
		host = (struct span){ s.p + 1, (size_t)(close - s.p) - 1 };
		if (close + 1 < s.p + s.n) {
			port = (struct span){ close + 2, (size_t)(s.p + s.n - close) - 2 };
		}
	} else if ((colon = memchr(s.p, ':', s.n)) != NULL) {
		host.n = (size_t)(colon - s.p);
		port = (struct span){ colon + 1, s.n - host.n - 1 };
		if (memchr(port.p, ':', port.n)) {
			return vmt_error_set(error, -EINVAL,
					     "URL: more than one ':' in its host; "
					     "write an IPv6 address as [::1]");
		}
	}
	u->url.host = decode(u, host, false, "host", error);
	return u->url.host ? parse_port(u, port, error) : -EINVAL;
}

static int parse_user(struct url *u, struct span s, struct vmt_error *error)
{
	const char *colon = memchr(s.p, ':', s.n);
	struct span user = { s.p, colon ? (size_t)(colon - s.p) : s.n };

	u->url.user = decode(u, user, false, "user name", error);
	if (!u->url.user) {
		return -EINVAL;
	}
	if (colon) {
		struct span password = { colon + 1, s.n - user.n - 1 };

		u->url.password = decode(u, password, false, "password", error);
		return u->url.password ? 0 : -EINVAL;
	}
	return 0;
}

static int parse_item(struct url *u, struct span s, struct vmt_error *error)
{
	struct item *it = &u->item[u->items];
	const char *equal = memchr(s.p, '=', s.n);
	size_t key = equal ? (size_t)(equal - s.p) : s.n;

	*it = (struct item){ .raw = arena_strndup(u->arena, s.p, s.n), .size = s.n, .key = key };
	it->name = decode(u, (struct span){ s.p, key }, true, "query", error);
	if (!it->name) {
		return -EINVAL;
	}
	it->value =
		equal ? decode(u, (struct span){ equal + 1, s.n - key - 1 }, true, "query", error)
		      : "";
	if (!it->value) {
		return -EINVAL;
	}
	it->secret = names_secret(it->name);
	u->items++;
	return 0;
}

static void list_query(struct url *u)
{
	size_t n = 0;

	for (size_t i = 0; i < u->items; i++) {
		if (!u->item[i].taken) {
			u->query[n++] =
				(struct vmt_pair){ u->item[i].name, u->item[i].value, false };
		}
	}
	u->query[n] = (struct vmt_pair){ NULL, NULL, false };
}

static int parse_query(struct url *u, const char *text, struct vmt_error *error)
{
	size_t count = 1;

	for (const char *p = text; *p; p++) {
		count += *p == '&';
	}
	if (count > URL_QUERY_MAX) {
		return vmt_error_set(error, -E2BIG, "URL: more than %d parts in its query",
				     URL_QUERY_MAX);
	}
	u->item = arena_array(u->arena, sizeof(u->item[0]), count);
	u->query = arena_array(u->arena, sizeof(u->query[0]), count + 1);
	while (*text) {
		size_t n = strcspn(text, "&");

		if (n > 0 && parse_item(u, (struct span){ text, n }, error) < 0) {
			return -EINVAL;
		}
		text += n + (text[n] == '&');
	}
	list_query(u);
	return 0;
}

/* Of a list of hosts: each password as ****; who reads the list takes it apart. */
static void hide_passwords(struct url *u, struct span all, struct span s)
{
	const char *end = s.p + s.n;
	struct buf out = BUF_INIT;

	buf_add(&out, all.p, (size_t)(s.p - all.p));
	for (const char *p = s.p; p < end;) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		size_t n = (size_t)((comma ? comma : end) - p);
		const char *at = memrchr(p, '@', n);
		const char *colon = at ? memchr(p, ':', (size_t)(at - p)) : NULL;

		if (colon) {
			buf_add(&out, p, (size_t)(colon + 1 - p));
			buf_puts(&out, "****");
			buf_add(&out, at, n - (size_t)(at - p));
		} else {
			buf_add(&out, p, n);
		}
		p += n;
		if (comma) {
			buf_putc(&out, *p++);
		}
	}
	buf_add(&out, end, (size_t)(all.p + all.n - end));
	u->before = arena_strndup(u->arena, out.data, out.len);
	buf_fini(&out);
}

/* What stands between "://" and the path. */
static int parse_authority(struct url *u, struct span all, struct span s, struct vmt_error *error)
{
	const char *at = memrchr(s.p, '@', s.n);
	struct span host = s;

	u->before = arena_strndup(u->arena, all.p, all.n);
	u->between = "";
	u->url.authority = arena_strndup(u->arena, s.p, s.n);
	if (memchr(s.p, ',', s.n)) {
		u->url.host = "";
		hide_passwords(u, all, s);
		return 0;
	}
	if (at) {
		struct span user = { s.p, (size_t)(at - s.p) };
		const char *colon = memchr(user.p, ':', user.n);

		host = (struct span){ at + 1, s.n - user.n - 1 };
		if (parse_user(u, user, error) < 0) {
			return -EINVAL;
		}
		if (colon) {
			u->has_password = true;
			u->before = arena_strndup(u->arena, all.p, (size_t)(colon + 1 - all.p));
			u->between = arena_strndup(u->arena, at, (size_t)(all.p + all.n - at));
		}
	}
	return parse_host(u, host, error);
}

/* `text` has "://" at `sep`. */
static int parse(struct url *u, const char *text, size_t sep, struct vmt_error *error)
{
	const char *rest = text + sep + 3;
	size_t authority = strcspn(rest, "/?");
	size_t path = strcspn(rest + authority, "?");
	struct span all = { text, sep + 3 + authority + path };
	int ret;

	u->url.scheme = g_ascii_strdown(text, (gssize)sep);
	u->has_query = rest[authority + path] == '?';
	ret = parse_authority(u, all, (struct span){ rest, authority }, error);
	if (ret < 0) {
		return ret;
	}
	u->url.path = decode(u, (struct span){ rest + authority, path }, false, "path", error);
	if (!u->url.path) {
		return -EINVAL;
	}
	ret = parse_query(u, u->has_query ? rest + authority + path + 1 : "", error);
	if (ret == 0) {
		u->url.query = u->query;
		make_text(u);
	}
	return ret;
}

/* Faults of the text as a whole; the length of the scheme. */
static int scheme_length(const char *text, struct vmt_error *error)
{
	size_t n = 0, all = strnlen(text, URL_MAX + 1);

	if (all == 0 || all > URL_MAX) {
		return vmt_error_set(error, -EINVAL,
				     all ? "URL: longer than %d bytes"
					 : "URL: empty; write scheme://..., at most %d bytes",
				     URL_MAX);
	}
	for (size_t i = 0; i < all; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f) {
			return vmt_error_set(error, -EINVAL,
					     "URL: a control character; write it as %%%02x",
					     (unsigned char)text[i]);
		}
	}
	if (!utf8_valid(text, all)) {
		return vmt_error_set(error, -EINVAL, "URL: not UTF-8");
	}
	while (g_ascii_isalnum(text[n]) || (n > 0 && text[n] && strchr("+-._", text[n]))) {
		n++;
	}
	if (n == 0 || g_ascii_isdigit(text[0]) || (text[n] && strncmp(text + n, "://", 3) != 0)) {
		return vmt_error_set(error, -EINVAL,
				     "URL: no scheme; write scheme://..., as in "
				     "file:///var/log/samples.json?json");
	}
	if (strchr(text, '#')) {
		return vmt_error_set(error, -EINVAL, "URL: a '#'; write %%23 for it");
	}
	return (int)n;
}

int url_parse(const char *text, struct url **ret_url, struct vmt_error *error)
{
	struct url *u;
	char *whole;
	int sep = scheme_length(text, error), ret;

	if (sep < 0) {
		return sep;
	}
	u = g_new0(struct url, 1);
	u->arena = arena_new(1024);
	whole = text[sep] ? g_strdup(text) : g_strconcat(text, "://", NULL);
	ret = parse(u, whole, (size_t)sep, error);
	g_free(whole);
	if (ret < 0) {
		url_free(u);
		return ret;
	}
	*ret_url = u;
	return 0;
}

void url_free(struct url *u)
{
	if (u) {
		g_free((char *)u->url.scheme);
		arena_free(u->arena);
		g_free(u);
	}
}

const struct vmt_url *url_get(const struct url *u)
{
	return &u->url;
}

const char *url_take(struct url *u, const char *key, bool secret)
{
	const char *value = NULL;

	for (size_t i = 0; i < u->items; i++) {
		struct item *it = &u->item[i];

		if (!it->taken && strcmp(it->name, key) == 0) {
			value = it->value;
			it->taken = true;
			it->secret = it->secret || secret;
		}
	}
	if (value) {
		list_query(u);
		make_text(u);
	}
	return value;
}

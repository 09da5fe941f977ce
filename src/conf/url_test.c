/* SPDX-License-Identifier: Apache-2.0 */
/* URLs taken apart. */
#include "conf/url.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

static struct url *parse(const char *text)
{
	struct url *u = NULL;
	struct vmt_error error = { "" };

	if (url_parse(text, &u, &error) < 0) {
		g_test_message("%s: %s", text, error.text);
	}
	g_assert_nonnull(u);
	return u;
}

static void test_parts(void)
{
	static const struct {
		const char *in, *text, *scheme, *user, *password, *host, *path;
		int port;
	} rows[] = {
		{ "file:///var/log/a%20b?json", "file:///var/log/a%20b?json", "file", NULL, NULL,
		  "", "/var/log/a b", 0 },
		{ "rpc", "rpc://", "rpc", NULL, NULL, "", "", 0 },
		{ "meter_publisher://", "meter_publisher://", "meter_publisher", NULL, NULL, "", "",
		  0 },
		{ "UDP://Host:4952", "UDP://Host:4952", "udp", NULL, NULL, "Host", "", 4952 },
		{ "udp://[::1]:4952/", "udp://[::1]:4952/", "udp", NULL, NULL, "::1", "/", 4952 },
		{ "udp://[fe80::1%25eth0]", "udp://[fe80::1%25eth0]", "udp", NULL, NULL,
		  "fe80::1%eth0", "", 0 },
		{ "udp://h:", "udp://h:", "udp", NULL, NULL, "h", "", 0 },
		{ "postgresql://me:p%40ss:w@db:5432/m?x=1", "postgresql://me:****@db:5432/m?x=1",
		  "postgresql", "me", "p@ss:w", "db", "/m", 5432 },
		{ "http://me@h/", "http://me@h/", "http", "me", NULL, "h", "/", 0 },
		{ "http://me:@h/", "http://me:****@h/", "http", "me", "", "h", "/", 0 },
		{ "http://a@b:p@h/", "http://a@b:****@h/", "http", "a@b", "p", "h", "/", 0 },
		{ "tcp://h?api_token=abc&y&Password=1", "tcp://h?api_token=****&y&Password=****",
		  "tcp", NULL, NULL, "h", "", 0 },
		{ "sqlite:////x//y", "sqlite:////x//y", "sqlite", NULL, NULL, "", "//x//y", 0 },
		{ "file:///x?a=/b?c", "file:///x?a=/b?c", "file", NULL, NULL, "", "/x", 0 },
		{ "http://h/a@b:c", "http://h/a@b:c", "http", NULL, NULL, "h", "/a@b:c", 0 },
		{ "rpc://u:p@h1:5671,v:q%2F@[::1]:1,h3/vh?ssl=1",
		  "rpc://u:****@h1:5671,v:****@[::1]:1,h3/vh?ssl=1", "rpc", NULL, NULL, "", "/vh",
		  0 },
		{ "rpc://u:a@b:c@h,h:99999", "rpc://u:****@h,h:99999", "rpc", NULL, NULL, "", "",
		  0 },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct url *u = parse(rows[i].in);
		const struct vmt_url *v = url_get(u);

		g_assert_cmpstr(v->text, ==, rows[i].text);
		g_assert_cmpstr(v->scheme, ==, rows[i].scheme);
		g_assert_cmpstr(v->user, ==, rows[i].user);
		g_assert_cmpstr(v->password, ==, rows[i].password);
		g_assert_cmpstr(v->host, ==, rows[i].host);
		g_assert_cmpstr(v->path, ==, rows[i].path);
		g_assert_cmpint(v->port, ==, rows[i].port);
		g_assert_true(strstr(rows[i].in, v->authority) || !strchr(rows[i].in, ':'));
		url_free(u);
	}
	url_free(NULL);
}

static void test_query(void)
{
	struct url *u = parse("x://h?b=1&a&b=2+3&&k%3d=%26&c=");
	const struct vmt_pair *q = url_get(u)->query;
	static const char *const keys[] = { "b", "a", "b", "k=", "c" };
	static const char *const values[] = { "1", "", "2 3", "&", "" };

	for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
		g_assert_cmpstr(q[i].key, ==, keys[i]);
		g_assert_cmpstr(q[i].value, ==, values[i]);
	}
	g_assert_null(q[G_N_ELEMENTS(keys)].key);
	g_assert_cmpstr(url_take(u, "b", false), ==, "2 3"); /* the last */
	g_assert_null(url_take(u, "b", false));
	g_assert_cmpstr(url_get(u)->query[0].key, ==, "a");
	g_assert_cmpstr(url_take(u, "k=", true), ==, "&");
	g_assert_cmpstr(url_get(u)->text, ==, "x://h?b=1&a&b=2+3&k%3d=****&c=");
	g_assert_cmpstr(url_get(u)->query[1].key, ==, "c");
	g_assert_null(url_get(u)->query[2].key);
	url_free(u);
	u = parse("x://h");
	g_assert_nonnull(url_get(u)->query);
	g_assert_null(url_get(u)->query[0].key);
	url_free(u);
}

static void test_refused(void)
{
	static const struct {
		const char *in, *word; /* of the reason */
	} rows[] = {
		{ "", "empty" },
		{ "/var/log/x", "no scheme" },
		{ "file:/var/log/x", "no scheme" },
		{ "://x", "no scheme" },
		{ "1x://h", "no scheme" },
		{ "udp://h:0", "port 0" },
		{ "udp://h:65536", "port 65536" },
		{ "udp://h:4952x", "port 4952x" },
		{ "udp://h:99999999999999999999", "port" },
		{ "udp://::1:4952", "[::1]" },
		{ "udp://[::1", "']'" },
		{ "udp://[::1]x", "']'" },
		{ "file:///a%2", "hexadecimal" },
		{ "file:///a%zz", "hexadecimal" },
		{ "file:///a%00b", "zero byte" },
		{ "file:///a\nb", "control character" },
		{ "file:///\xff", "UTF-8" },
		{ "file:///%ff", "UTF-8" },
		{ "pg://me:a#b@h/", "%23" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct url *u = NULL;
		struct vmt_error error = { "" };

		g_assert_cmpint(url_parse(rows[i].in, &u, &error), ==, -EINVAL);
		g_assert_null(u);
		g_assert_nonnull(strstr(error.text, rows[i].word));
	}
}

static void test_bounds(void)
{
	char *text = g_malloc(URL_MAX + 8);
	struct url *u = NULL;
	struct vmt_error error;

	memset(text, 'a', URL_MAX + 1);
	memcpy(text, "x://", 4);
	text[URL_MAX + 1] = '\0';
	g_assert_cmpint(url_parse(text, &u, &error), ==, -EINVAL);
	text[URL_MAX] = '\0';
	g_assert_cmpint(url_parse(text, &u, &error), ==, 0);
	url_free(u);
	memset(text + 4, '&', 600);
	text[4] = '?';
	text[604] = '\0';
	g_assert_cmpint(url_parse(text, &u, &error), ==, -E2BIG);
	g_free(text);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/conf/url/parts", test_parts);
	g_test_add_func("/conf/url/query", test_query);
	g_test_add_func("/conf/url/refused", test_refused);
	g_test_add_func("/conf/url/bounds", test_bounds);
	return g_test_run();
}

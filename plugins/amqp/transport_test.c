/* SPDX-License-Identifier: Apache-2.0 */
/* Transport URLs, by the rules of oslo.messaging (its TransportURL.parse). */
#include "plugins/amqp/transport.h"

#include <errno.h>
#include <glib.h>

struct good {
	const char *url;
	const char *hosts; /* "user/password@host:port " each */
	const char *vhost, *query;
};

static const struct good goods[] = {
	{ "rabbit://", "", "/", "" },
	{ "rabbit://me:pw@h1:5671,you@h2/vh?ssl=1&ssl_ca_file=/a%20b",
	  "me/pw@h1:5671 you/@h2:5672 ", "vh", "ssl=1 ssl_ca_file=/a b " },
	{ "kombu+memory://h", "/@h:5672 ", "/", "" },
	{ "RABBIT://a%40b:p%3aw%2f@[::1]:1,[fe80::1]//", "a@b/p:w/@::1:1 /@fe80::1:5672 ", "/",
	  "" },
	{ "rabbit://u:p@x@h/", "u/p@x@h:5672 ", "/", "" },
	{ "rabbit://,h1,,h2,/%2Fx", "/@h1:5672 /@h2:5672 ", "/x", "" },
	{ "rabbit://h?heartbeat_rate", "/@h:5672 ", "/", "heartbeat_rate= " },
};

static void test_good(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(goods); i++) {
		GString *hosts = g_string_new(NULL), *query = g_string_new(NULL);
		struct vmt_error error = { "" };
		struct transport t;

		g_test_message("%s", goods[i].url);
		g_assert_cmpint(transport_parse(goods[i].url, &t, &error), ==, 0);
		for (size_t k = 0; k < t.hosts; k++) {
			g_string_append_printf(hosts, "%s/%s@%s:%d ", t.host[k].user,
					       t.host[k].password, t.host[k].host, t.host[k].port);
		}
		for (const struct vmt_pair *q = t.query; q->key; q++) {
			g_string_append_printf(query, "%s=%s ", q->key, q->value);
		}
		g_assert_cmpstr(hosts->str, ==, goods[i].hosts);
		g_assert_cmpstr(t.vhost, ==, goods[i].vhost);
		g_assert_cmpstr(query->str, ==, goods[i].query);
		g_string_free(hosts, TRUE);
		g_string_free(query, TRUE);
		transport_fini(&t);
	}
}

static void test_bad(void)
{
	static const char *const bad[] = {
		"h:5672",
		"qpid://h",
		"zmq://h",
		"rabbit://h:0",
		"rabbit://h:65536",
		"rabbit://h:x",
		"rabbit://[::1",
		"rabbit://[::1]x",
		"rabbit://u:hide%2@h",
		"rabbit://u%zz:hide@h",
		"rabbit://h/%0",
		"rabbit://h?a=%",
		"rabbit://u:hide%00@h",
		"rabbit://h/%00",
		"",
	};

	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		struct vmt_error error = { "" };
		struct transport t;

		g_assert_cmpint(transport_parse(bad[i], &t, &error), ==, -EINVAL);
		g_test_message("%s: %s", bad[i], error.text);
		g_assert_true(g_str_has_prefix(error.text, "transport URL: "));
		g_assert_null(strstr(error.text, "hide"));
	}
}

static void test_bounds(void)
{
	GString *many = g_string_new("rabbit://h");
	struct vmt_error error = { "" };
	struct transport t;

	for (int i = 1; i < TRANSPORT_HOSTS; i++) {
		g_string_append(many, ",h");
	}
	g_assert_cmpint(transport_parse(many->str, &t, &error), ==, 0);
	g_assert_cmpuint(t.hosts, ==, TRANSPORT_HOSTS);
	transport_fini(&t);
	g_string_append(many, ",h");
	g_assert_cmpint(transport_parse(many->str, &t, &error), ==, -EINVAL);
	g_string_assign(many, "rabbit://h/?");
	for (int i = 0; i <= TRANSPORT_KEYS; i++) {
		g_string_append(many, "k=v&");
	}
	g_assert_cmpint(transport_parse(many->str, &t, &error), ==, -EINVAL);
	g_string_free(many, TRUE);
	transport_fini(NULL);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/amqp/transport/good", test_good);
	g_test_add_func("/amqp/transport/bad", test_bad);
	g_test_add_func("/amqp/transport/bounds", test_bounds);
	return g_test_run();
}

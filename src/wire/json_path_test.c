/* SPDX-License-Identifier: Apache-2.0 */
/* Values by their paths. */
#include "wire/json_path.h"

#include <glib.h>

static const char json[] =
	"{\"name\": \"a \\\"b\\\"\", \"flavor\": {\"name\": \"m1\", \"ram\": 512, \"x\": 0.50, \"n\": {}},"
	" \"flavorx\": 1, \"a.b\": \"dots\", \"a\": {\"b\": \"second\"}, \"l\": [[1, 2], {\"k\": \"v\"}, null],"
	" \"yes\": true, \"no\": false, \"none\": null, \"\": \"empty\", \"s\": \"true\"}";

static bool is(const char *path, const char *value)
{
	return json_path_is(json, sizeof json - 1, path, value);
}

static void test_is(void)
{
	g_assert_true(is("name", "a \"b\""));
	g_assert_true(is("flavor.name", "m1"));
	g_assert_true(is("flavor.ram", "512"));
	g_assert_true(is("flavor.x", "0.50"));
	g_assert_true(is("a.b", "dots"));
	g_assert_true(is("a.b", "second"));
	g_assert_true(is("l[0][1]", "2"));
	g_assert_true(is("l[1].k", "v"));
	g_assert_true(is("l[2]", "null"));
	g_assert_true(is("yes", "True"));
	g_assert_true(is("no", "false"));
	g_assert_true(is("none", "None"));
	g_assert_true(is("s", "true"));
	g_assert_true(is("", "empty"));
	g_assert_false(is("flavor", "m1"));
	g_assert_false(is("flavor.n", ""));
	g_assert_false(is("flavor.name", "m"));
	g_assert_false(is("flavor.name.x", "m1"));
	g_assert_false(is("l[0]", "1"));
	g_assert_false(is("s", "TRUE"));
	g_assert_false(is("yes", "1"));
	g_assert_false(json_path_is("not json", 8, "a", "b"));
	g_assert_false(json_path_is("", 0, "a", "b"));
}

static void test_text(void)
{
	struct buf out = BUF_INIT;

	buf_puts(&out, "<");
	g_assert_true(json_path_text(json, sizeof json - 1, "a.b", &out));
	g_assert_cmpstr(out.data, ==, "<dots");
	g_assert_true(json_path_text(json, sizeof json - 1, "flavor.ram", &out));
	g_assert_true(json_path_text(json, sizeof json - 1, "yes", &out));
	g_assert_cmpstr(out.data, ==, "<dots512true");
	g_assert_false(json_path_text(json, sizeof json - 1, "none", &out));
	g_assert_false(json_path_text(json, sizeof json - 1, "flavor", &out));
	g_assert_false(json_path_text(json, sizeof json - 1, "nothing", &out));
	g_assert_cmpstr(out.data, ==, "<dots512true");
	buf_fini(&out);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/wire/json-path/is", test_is);
	g_test_add_func("/wire/json-path/text", test_text);
	return g_test_run();
}

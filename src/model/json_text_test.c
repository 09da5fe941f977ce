/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of JSON text: escapes, and which foreign text counts as JSON.
 */
#include "model/json_text.h"

#include <glib.h>
#include <string.h>

static void test_escapes(void)
{
	struct buf out = BUF_INIT;

	json_add(&out, "a\"b\\c\n\t\r\b\f\x01\x1f/ \x7f caf\xc3\xa9");
	g_assert_cmpstr(out.data, ==,
			"\"a\\\"b\\\\c\\n\\t\\r\\b\\f\\u0001\\u001f/ \x7f caf\xc3\xa9\"");
	buf_reset(&out);
	json_add_string(&out, "a\0b", 3);
	g_assert_cmpstr(out.data, ==, "\"a\\u0000b\"");
	buf_reset(&out);
	json_add(&out, NULL);
	json_add_int(&out, INT64_MIN);
	json_add_uint(&out, UINT64_MAX);
	g_assert_cmpstr(out.data, ==, "null-922337203685477580818446744073709551615");
	buf_reset(&out);
	json_add(&out, "");
	g_assert_cmpstr(out.data, ==, "\"\"");
	buf_fini(&out);
}

static void test_valid(void)
{
	static const char *const good[] = { "0",
					    "-0.5e+10",
					    " [1, 2,\t{\"a\":null}] ",
					    "\"\\u00e9\\n\"",
					    "{}",
					    "[]",
					    "true",
					    "false",
					    "null",
					    "1E3",
					    "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]" };
	static const char *const bad[] = { "",
					   " ",
					   "01",
					   "1.",
					   "-",
					   "+1",
					   ".5",
					   "1e",
					   "\"a",
					   "\"\\x\"",
					   "\"\\u12g4\"",
					   "[1,]",
					   "{\"a\"}",
					   "{\"a\":1,}",
					   "{a:1}",
					   "[1 2]",
					   "1 2",
					   "nul",
					   "NaN",
					   "\"\n\"",
					   "[",
					   "{",
					   "]",
					   "\"\\",
					   "[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]" };

	for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
		g_assert_true(json_valid(good[i], strlen(good[i]), JSON_DEPTH));
	}
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		if (json_valid(bad[i], strlen(bad[i]), JSON_DEPTH)) {
			g_error("taken for JSON: %s", bad[i]);
		}
	}
	g_assert_true(json_valid("12x", 2, 0)); /* the length counts, not a zero */
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/model/json/escapes", test_escapes);
	g_test_add_func("/model/json/valid", test_valid);
	return g_test_run();
}

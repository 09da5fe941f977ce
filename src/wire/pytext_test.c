/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Python's literals, as CPython 3.11.7 wrote them; Python 2's by their rules.  One thread.
 */
#include "wire/pytext.h"

#include <errno.h>
#include <glib.h>

static const struct {
	const char *text;
	size_t n;
	const char *str, *bytes;
} strings[] = {
	{ "", 0, "''", "b''" },
	{ "abc", 3, "'abc'", "b'abc'" },
	{ "it's", 4, "\"it's\"", "b\"it's\"" },
	{ "dq\"x", 4, "'dq\"x'", "b'dq\"x'" },
	{ "both'\"", 6, "'both\\'\"'", "b'both\\'\"'" },
	{ "a\\b", 3, "'a\\\\b'", "b'a\\\\b'" },
	{ "tab\011\015\n", 6, "'tab\\t\\r\\n'", "b'tab\\t\\r\\n'" },
	{ "\000\037\177", 3, "'\\x00\\x1f\\x7f'", "b'\\x00\\x1f\\x7f'" },
	{ "caf\303\251", 5, "'caf\303\251'", "b'caf\\xc3\\xa9'" },
	{ "\344\272\221", 3, "'\344\272\221'", "b'\\xe4\\xba\\x91'" },
	{ "\360\237\230\200", 4, "'\360\237\230\200'", "b'\\xf0\\x9f\\x98\\x80'" },
	{ "\302\240\302\255", 4, "'\\xa0\\xad'", "b'\\xc2\\xa0\\xc2\\xad'" },
	{ "\342\200\213\342\200\250\343\200\200", 9, "'\\u200b\\u2028\\u3000'",
	  "b'\\xe2\\x80\\x8b\\xe2\\x80\\xa8\\xe3\\x80\\x80'" },
	{ "\356\200\200", 3, "'\\ue000'", "b'\\xee\\x80\\x80'" },
	{ "\363\240\200\201\364\217\277\277", 8, "'\\U000e0001\\U0010ffff'",
	  "b'\\xf3\\xa0\\x80\\x81\\xf4\\x8f\\xbf\\xbf'" },
	{ "\303\277\304\200", 4, "'\303\277\304\200'", "b'\\xc3\\xbf\\xc4\\x80'" },
	{ "\315\270", 2, "'\\u0378'", "b'\\xcd\\xb8'" },
};

static const struct {
	const char *json, *text;
} values[] = {
	{ "{}", "{}" },
	{ "[]", "[]" },
	{ "null", "None" },
	{ "{\"a\": [1, 2.50, -0.0, 1e5, 1E400, -0, {\"b\": {}, \"c\": []}], "
	  "\"d\": \"it's \\ud83d\\ude00\\n\"}",
	  "{'a': [1, 2.5, -0.0, 100000.0, inf, 0, {'b': {}, 'c': []}], "
	  "'d': \"it's \360\237\230\200\\n\"}" },
	{ "12345678901234567890123", "12345678901234567890123" },
	{ "[[], [[]], {\"k\": [true, false]}]", "[[], [[]], {'k': [True, False]}]" },
	{ "\"\\u00e9\\\"\\/\"", "'\303\251\"/'" },
	{ " {\"x\" : 1 , \"y\":[ ] } ", "{'x': 1, 'y': []}" },
	{ "1e16", "1e+16" },
	{ "0.1", "0.1" },
};

static void check(struct buf *b, const char *expected)
{
	g_assert_cmpstr(b->data, ==, expected);
	g_assert_cmpuint(b->len, ==, strlen(expected));
	buf_reset(b);
}

static void test_strings(void)
{
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < G_N_ELEMENTS(strings); i++) {
		pytext_add(&b, strings[i].text, strings[i].n, PYTEXT_STR);
		check(&b, strings[i].str);
		pytext_add(&b, strings[i].text, strings[i].n, PYTEXT_BYTES);
		check(&b, strings[i].bytes);
		pytext_add(&b, strings[i].text, strings[i].n, PYTEXT_PY2_STR);
		check(&b, strings[i].bytes + 1);
	}
	pytext_add(&b, "caf\303\251 \344\272\221 \360\237\230\200 it's\n\177", 21,
		   PYTEXT_PY2_UNICODE);
	check(&b, "u\"caf\\xe9 \\u4e91 \\U0001f600 it's\\n\\x7f\"");
	buf_fini(&b);
}

/* The worst of each kind, many times: the room holds. */
static void test_room(void)
{
	static const char *const worst[] = { "\001",         "'",
					     "\"'",          "\304\200",
					     "\342\200\213", "\364\217\277\277" };
	struct buf b = BUF_INIT, in = BUF_INIT;

	for (size_t i = 0; i < G_N_ELEMENTS(worst); i++) {
		for (int n = 0; n < 50; n++) {
			for (int form = 0; form < PYTEXT_FORMS; form++) {
				char *at = g_malloc(PYTEXT_ROOM(in.len));

				g_assert_cmpuint(pytext_put(at, in.data, in.len, form), <=,
						 PYTEXT_ROOM(in.len));
				g_free(at);
			}
			buf_puts(&in, worst[i]);
		}
		buf_reset(&in);
	}
	buf_fini(&b);
	buf_fini(&in);
}

static void test_json(void)
{
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < G_N_ELEMENTS(values); i++) {
		g_assert_cmpint(pytext_add_json(&b, values[i].json, strlen(values[i].json),
						PYTEXT_STR),
				==, 0);
		check(&b, values[i].text);
	}
	buf_puts(&b, "kept");
	g_assert_cmpint(pytext_add_json(&b, "{\"a\": [1, ", 10, PYTEXT_STR), ==, -EBADMSG);
	check(&b, "kept");
	buf_fini(&b);
}

static void test_python2(void)
{
	static const char json[] =
		"{\"k\": \"v\", \"o\": {\"i\": \"\\u00e9\"}, \"n\": [9223372036854775807, "
		"9223372036854775808, -9223372036854775808, -9223372036854775809, "
		"0.1]}";
	struct buf b = BUF_INIT;

	pytext_add_json(&b, json, sizeof(json) - 1, PYTEXT_PY2_UNICODE);
	check(&b, "{'k': u'v', 'o': {u'i': u'\\xe9'}, 'n': [9223372036854775807, "
		  "9223372036854775808L, -9223372036854775808, -9223372036854775809L, 0.1]}");
	pytext_add_json(&b, json, sizeof(json) - 1, PYTEXT_PY2_STR);
	check(&b, "{'k': 'v', 'o': {'i': '\\xc3\\xa9'}, 'n': [9223372036854775807, "
		  "9223372036854775808L, -9223372036854775808, -9223372036854775809L, 0.1]}");
	buf_fini(&b);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/pytext/strings", test_strings);
	g_test_add_func("/pytext/room", test_room);
	g_test_add_func("/pytext/json", test_json);
	g_test_add_func("/pytext/python2", test_python2);
	return g_test_run();
}

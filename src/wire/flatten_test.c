/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text that signatures cover.  Signatures themselves, of whole messages, are in signature_test.c; here is
 * what one sees in the text.  One thread.
 */
#include "wire/flatten.h"

#include <errno.h>
#include <glib.h>

static struct flatten f;
static struct buf out = BUF_INIT;

static void check(enum flatten_dialect dialect, const char *json, const char *expected)
{
	char *copy = g_memdup2(json, strlen(json)); /* exact, for the sanitizer */

	buf_reset(&out);
	buf_puts(&out, "before");
	g_assert_cmpint(flatten_json(&f, copy, strlen(json), dialect, &out), ==, 0);
	g_assert_cmpstr(out.data + 6, ==, expected);
	g_free(copy);
}

static void check_all(const char *json, const char *expected)
{
	for (int d = 0; d < FLATTEN_DIALECTS; d++) {
		check((enum flatten_dialect)d, json, expected);
	}
}

static void refused(enum flatten_dialect dialect, const char *json, int status)
{
	buf_reset(&out);
	buf_puts(&out, "before");
	g_assert_cmpint(flatten_json(&f, json, strlen(json), dialect, &out), ==, status);
	g_assert_cmpstr(out.data, ==, "before");
}

static void test_order(void)
{
	check_all("{}", "");
	check_all("{\"b\": \"x\", \"a\": 1}", "a1bx");
	check_all("{\"a\":{\"b\":{\"c\":1},\"a\":\"z\"},\"a:b\":\"flat\",\"z\":{}}",
		  "a:aza:b:c1a:bflat");
	check_all("{\"a\":1,\"message_signature\":\"dead\",\"m\":{\"message_signature\":\"kept\"}}",
		  "a1m:message_signaturekept");
	check_all("{\"ab\":1,\"a\":2,\"\":3,\"aa\":4,\"b\":5}", "3a2aa4ab1b5");
	check_all("{\"a\":1,\"b\":2,\"a\":3,\"a\":4}", "a4b2");
	check_all("{\"a\":{\"x\":1},\"a\":{\"y\":2}}", "a:y2");
	check_all("{\"\\u0062\":\"\\n\\u0041\",\"a\":\"\\\"\"}", "a\"b\nA");
	check(FLATTEN_PY3,
	      "{\"nom\":\"caf\303\251\",\"\344\272\221\":\"v\",\"k\303\251y\":{\"x\":1}}",
	      "k\303\251y:x1nomcaf\303\251\344\272\221v");
}

static void test_scalars(void)
{
	static const char json[] =
		"{\"n\":null,\"t\":true,\"f\":false,\"i\":-7,\"z\":-0,\"big\":18446744073709551616,\"f1\":0.1,"
		"\"f2\":1.0,\"f3\":1e22,\"f4\":0.30000000000000004,\"f5\":1234567.8901234567,\"f6\":1e-07,"
		"\"f7\":100000000000000000.0,\"f8\":100000000000.0,\"s\":\"\"}";

	check(FLATTEN_PY3, json,
	      "big18446744073709551616fFalsef10.1f21.0f31e+22f40.30000000000000004"
	      "f51234567.8901234567f61e-07f71e+17f8100000000000.0i-7nNonestTruez0");
	check(FLATTEN_PY2, json,
	      "big18446744073709551616fFalsef10.1f21.0f31e+22f40.3"
	      "f51234567.89012f61e-07f71e+17f81e+11i-7nNonestTruez0");
	check(FLATTEN_PY3, "{\"a\":NaN,\"b\":-Infinity,\"c\":Infinity}", "ananb-infcinf");
}

static void test_lists(void)
{
	static const char json[] =
		"{\"l\":[\"vda\",\"vdb\"],\"e\":[],\"m\":[1,2.5,null,true,\"it's\",\"dq\\\"x\",\"both'\\\"\",\"a\\\\b\","
		"\"tab\\t\",\"caf\303\251\"],\"n\":[[\"x\"],[]]}";

	check(FLATTEN_PY3, json,
	      "e[]l[b'vda', b'vdb']m[1, 2.5, None, True, b\"it's\", b'dq\"x', b'both\\'\"', b'a\\\\b', "
	      "b'tab\\t', b'caf\\xc3\\xa9']n[[b'x'], []]");
	check(FLATTEN_PY2, json,
	      "e[]l['vda', 'vdb']m[1, 2.5, None, True, \"it's\", 'dq\"x', 'both\\'\"', 'a\\\\b', "
	      "'tab\\t', 'caf\\xc3\\xa9']n[['x'], []]");
	check(FLATTEN_PY2_2014_2_0, json,
	      "e[]l['vda', 'vdb']m['1', '2.5', 'None', 'True', \"it's\", 'dq\"x', 'both\\'\"', 'a\\\\b', "
	      "'tab\\t', 'caf\\xc3\\xa9']n[\"[u'x']\", '[]']");
	/* floats and long integers inside */
	check(FLATTEN_PY3, "{\"a\":[0.30000000000000004,9223372036854775808]}",
	      "a[0.30000000000000004, 9223372036854775808]");
	check(FLATTEN_PY2, "{\"a\":[0.30000000000000004,9223372036854775808]}",
	      "a[0.30000000000000004, 9223372036854775808L]");
	check(FLATTEN_PY2_2014_2_0,
	      "{\"a\":[0.30000000000000004,9223372036854775808,[0.30000000000000004]]}",
	      "a['0.3', '9223372036854775808', '[0.30000000000000004]']");
}

static void test_objects_in_lists(void)
{
	static const char links[] = "{\"links\":[{\"rel\":\"bookmark\",\"href\":\"http://n/1\"}],"
				    "\"d\":[{\"b\":1,\"a\":{\"y\":\"2\",\"x\":null}}]}";
	/* dictionaries of CPython 2.7, 64 bits, as it printed them */
	static const char letters[] = "{\"k\":[{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5}]}";
	static const char words[] = "{\"k\":[{\"one\":1,\"two\":2,\"three\":3}]}";

	check(FLATTEN_PY3, links,
	      "d[{b'a': {b'x': None, b'y': b'2'}, b'b': 1}]"
	      "links[{b'href': b'http://n/1', b'rel': b'bookmark'}]");
	check(FLATTEN_PY2_2014_2_0, "{\"links\":[{\"rel\":\"bookmark\",\"href\":\"http://n/1\"}]}",
	      "links[\"{u'href': u'http://n/1', u'rel': u'bookmark'}\"]");
	check(FLATTEN_PY2, letters, "k[{'a': 1, 'c': 3, 'b': 2, 'e': 5, 'd': 4}]");
	check(FLATTEN_PY2, words, "k[{'three': 3, 'two': 2, 'one': 1}]");
}

/* A dictionary that grows several times loses and repeats nothing. */
static void test_large_dictionary(void)
{
	enum { KEYS = 60000 };
	struct buf json = BUF_INIT;
	GHashTable *seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

	buf_puts(&json, "{\"k\":[{");
	for (int i = 0; i < KEYS; i++) {
		buf_printf(&json, "%s\"key-%d\":0", i ? "," : "", i);
	}
	buf_puts(&json, "}]}");
	buf_reset(&out);
	g_assert_cmpint(flatten_json(&f, json.data, json.len, FLATTEN_PY2, &out), ==, 0);
	g_assert_cmpmem(out.data, 3, "k[{", 3);
	for (size_t i = 3, from = 3; i < out.len; i++) {
		if (out.data[i] == ',' || out.data[i] == '}') {
			g_assert_true(g_hash_table_add(seen, g_strndup(out.data + from, i - from)));
			from = i + 2;
		}
	}
	g_assert_cmpuint(g_hash_table_size(seen), ==, KEYS);
	g_hash_table_destroy(seen);
	buf_fini(&json);
}

static void test_refused(void)
{
	struct buf json = BUF_INIT;
	char *digits = g_strnfill(1200, '9');

	refused(FLATTEN_PY3, "", -EBADMSG);
	refused(FLATTEN_PY3, "[]", -EBADMSG);
	refused(FLATTEN_PY3, "1", -EBADMSG);
	refused(FLATTEN_PY3, "{\"a\":1", -EBADMSG);
	refused(FLATTEN_PY3, "{\"a\":1}x", -EBADMSG);
	/* names of 2014.2.0; values and names inside lists may be anything */
	refused(FLATTEN_PY2_2014_2_0, "{\"a\":1,\"\303\251\":1}", -EILSEQ);
	refused(FLATTEN_PY2_2014_2_0, "{\"a\":1,\"\303\251\":{\"x\":1}}", -EILSEQ);
	check(FLATTEN_PY2_2014_2_0, "{\"a\":\"\303\251\",\"\303\251\":{},\"b\":[{\"\303\251\":1}]}",
	      "a\303\251b[\"{u'\\\\xe9': 1}\"]");
	/* numbers */
	buf_printf(&json, "{\"a\":%s.0}", digits);
	refused(FLATTEN_PY3, json.data, -ERANGE);
	buf_reset(&json);
	buf_printf(&json, "{\"a\":[%s.0]}", digits);
	refused(FLATTEN_PY2, json.data, -ERANGE);
	/* a long name before many values */
	buf_reset(&json);
	buf_puts(&json, "{\"a\":0,\"");
	for (int i = 0; i < 100000; i++) {
		buf_putc(&json, 'n');
	}
	buf_puts(&json, "\":{");
	for (int i = 0; i < 1000; i++) {
		buf_printf(&json, "%s\"%d\":0", i ? "," : "", i);
	}
	buf_puts(&json, "}}");
	refused(FLATTEN_PY3, json.data, -E2BIG);
	/* very many values */
	buf_reset(&json);
	buf_puts(&json, "{\"a\":[0");
	for (int i = 0; i < 1 << 18; i++) {
		buf_puts(&json, ",0");
	}
	buf_puts(&json, "]}");
	refused(FLATTEN_PY3, json.data, -E2BIG);
	g_free(digits);
	buf_fini(&json);
}

int main(int argc, char **argv)
{
	int status;

	g_test_init(&argc, &argv, NULL);
	flatten_init(&f);
	g_test_add_func("/flatten/order", test_order);
	g_test_add_func("/flatten/scalars", test_scalars);
	g_test_add_func("/flatten/lists", test_lists);
	g_test_add_func("/flatten/objects-in-lists", test_objects_in_lists);
	g_test_add_func("/flatten/large-dictionary", test_large_dictionary);
	g_test_add_func("/flatten/refused", test_refused);
	status = g_test_run();
	flatten_fini(&f);
	flatten_fini(NULL);
	buf_fini(&out);
	return status;
}

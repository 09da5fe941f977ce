/* SPDX-License-Identifier: Apache-2.0 */
/*
 * msgpack from JSON, against the specification of msgpack (forms and limits).  One thread.
 */
#include "wire/pack.h"

#include <errno.h>
#include <glib.h>

static void check(const char *json, bool raw, const void *expected, size_t n)
{
	struct buf out = BUF_INIT;

	buf_puts(&out, "#");
	g_test_message("%.60s", json);
	g_assert_cmpint(pack_json(&out, json, strlen(json), raw), ==, 0);
	g_assert_cmpmem(out.data + 1, out.len - 1, expected, n);
	buf_fini(&out);
}

static void test_values(void)
{
	const struct {
		const char *json, *bytes;
		size_t n;
	} values[] = {
		{ "null", "\xc0", 1 },
		{ "true", "\xc3", 1 },
		{ "false", "\xc2", 1 },
		{ "127", "\x7f", 1 },
		{ "128", "\xcc\x80", 2 },
		{ "256", "\xcd\x01\x00", 3 },
		{ "65536", "\xce\x00\x01\x00\x00", 5 },
		{ "4294967296", "\xcf\x00\x00\x00\x01\x00\x00\x00\x00", 9 },
		{ "18446744073709551615", "\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9 },
		{ "-1", "\xff", 1 },
		{ "-33", "\xd0\xdf", 2 },
		{ "-129", "\xd1\xff\x7f", 3 },
		{ "-9223372036854775808", "\xd3\x80\x00\x00\x00\x00\x00\x00\x00", 9 },
		{ "1.0", "\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00", 9 },
		{ "[1, [], {}]", "\x93\x01\x90\x80", 4 },
		{ "{\"a\": \"b\", \"c\": {\"d\": null}}",
		  "\x82\xa1\x61\xa1\x62\xa1\x63\x81\xa1\x64\xc0", 11 },
		{ "\"\\u00e9\\n\"", "\xa3\xc3\xa9\n", 4 },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(values); i++) {
		check(values[i].json, false, values[i].bytes, values[i].n);
		check(values[i].json, true, values[i].bytes, values[i].n);
	}
}

/* 32 characters: str8, which the older msgpack does not know. */
static void test_raw(void)
{
	const char *json = "\"0123456789abcdef0123456789abcdef\"";

	check(json, false,
	      "\xd9\x20"
	      "0123456789abcdef0123456789abcdef",
	      34);
	check(json, true,
	      "\xda\x00\x20"
	      "0123456789abcdef0123456789abcdef",
	      35);
}

static void test_refused(void)
{
	const struct {
		const char *json;
		int status;
	} values[] = {
		{ "[1, 18446744073709551616]", -ERANGE },
		{ "[1, -9223372036854775809]", -ERANGE },
		{ "{\"a\": [1, 2", -EBADMSG },
		{ "[1, NaN]", -EBADMSG },
		{ "", -EBADMSG },
		{ "1 2", -EBADMSG },
	};
	struct buf out = BUF_INIT;

	buf_puts(&out, "kept");
	for (size_t i = 0; i < G_N_ELEMENTS(values); i++) {
		g_assert_cmpint(pack_json(&out, values[i].json, strlen(values[i].json), false), ==,
				values[i].status);
		g_assert_cmpstr(out.data, ==, "kept");
	}
	buf_fini(&out);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/pack/values", test_values);
	g_test_add_func("/pack/raw", test_raw);
	g_test_add_func("/pack/refused", test_refused);
	return g_test_run();
}

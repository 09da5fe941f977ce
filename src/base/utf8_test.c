/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8: what is well-formed, and what becomes of the rest.  One thread.
 */
#include "base/utf8.h"

#include <glib.h>
#include <virtmeter/plugin.h>

#define BAD "\xef\xbf\xbd"

/* The last three are examples of the Unicode standard, section 3.9. */
static const struct {
	const char *in, *out;
	size_t bad;
} cases[] = {
	{ "", "", 0 },
	{ "instance-0000002a", "instance-0000002a", 0 },
	{ "h\xc3\xa9ros \xe2\x82\xac \xf0\x9f\x98\x80 done",
	  "h\xc3\xa9ros \xe2\x82\xac \xf0\x9f\x98\x80 done", 0 },
	{ "\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80", "\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80",
	  0 },
	{ "a\xff"
	  "b",
	  "a" BAD "b", 1 },
	{ "0123456789\xc3", "0123456789" BAD, 1 },
	{ "\xe2\x82", BAD, 1 },
	{ "\xc0\xaf\xe0\x80\xbf\xf0\x81\x82"
	  "A",
	  BAD BAD BAD BAD BAD BAD BAD BAD "A", 8 },
	{ "\xed\xa0\x80\xed\xbf\xbf\xed\xaf"
	  "A",
	  BAD BAD BAD BAD BAD BAD BAD BAD "A", 8 },
	{ "\xe1\x80\xe2\xf0\x91\x92\xf1\xbf"
	  "A",
	  BAD BAD BAD BAD "A", 4 },
};

static void test_cases(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct buf b = BUF_INIT;
		size_t n = strlen(cases[i].in);

		g_assert_cmpint(utf8_valid(cases[i].in, n), ==, cases[i].bad == 0);
		g_assert_cmpuint(utf8_repair(cases[i].in, n, &b), ==, cases[i].bad);
		g_assert_cmpstr(b.data, ==, cases[i].out);
		g_assert_true(utf8_valid(b.data, b.len));
		buf_fini(&b);
	}
}

/* Against GLib's own judgement, on noise that is nearly UTF-8. */
static void test_noise(void)
{
	static const unsigned char some[] = { 'a',  0x80, 0xbf, 0xc2, 0xe0, 0xa0,
					      0xed, 0x9f, 0xf0, 0x90, 0xf4, 0x8f };
	GRand *r = g_rand_new_with_seed(7);

	for (int i = 0; i < 200000; i++) {
		char p[12];
		size_t n = (size_t)g_rand_int_range(r, 0, 12);

		for (size_t k = 0; k < n; k++) {
			p[k] = (char)some[g_rand_int_range(r, 0, sizeof(some))];
		}
		g_assert_cmpint(utf8_valid(p, n), ==, g_utf8_validate_len(p, n, NULL));
	}
	g_rand_free(r);
}

static void test_cut(void)
{
	static const char text[] = "a\xe2\x82\xac"
				   "b\xf0\x9f\x98\x80";

	for (size_t n = 0; n <= sizeof(text) - 1; n++) {
		size_t cut = utf8_cut(text, n);

		g_assert_true(utf8_valid(text, cut));
		g_assert_cmpuint(n - cut, <, 4);
	}
	g_assert_cmpuint(utf8_cut(text, 4), ==, 4);
	g_assert_cmpuint(utf8_cut(text, 3), ==, 1);
}

static void test_error(void)
{
	struct vmt_error e = { "untouched" };
	char *longer = g_strnfill(508, 'x');

	g_assert_cmpint(vmt_error_set(&e, -5, "%s: %s\n", "disk vda", "no\nsuch"), ==, -5);
	g_assert_cmpstr(e.text, ==, "disk vda: no such ");
	g_assert_cmpint(vmt_error_set(NULL, -7, "nobody reads"), ==, -7);
	vmt_error_set(&e, 0, "%s\xf0\x9f\x98\x80", longer); /* 512 with 511 of room */
	g_assert_cmpstr(e.text, ==, longer);
	g_free(longer);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/utf8/cases", test_cases);
	g_test_add_func("/utf8/noise", test_noise);
	g_test_add_func("/utf8/cut", test_cut);
	g_test_add_func("/error/text", test_error);
	return g_test_run();
}

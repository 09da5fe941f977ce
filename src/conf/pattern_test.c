/* SPDX-License-Identifier: Apache-2.0 */
/* The truth table of meter patterns (Ceilometer, verified there by running), and our own names. */
#include "conf/pattern.h"

#include <glib.h>
#include <string.h>

static const char *const names[] = { "cpu", "disk.read.bytes", "network.incoming.bytes",
				     "instance:m1.tiny", "memory.usage" };

static size_t length(const char *const *list)
{
	size_t n = 0;

	while (list[n]) {
		n++;
	}
	return n;
}

static const struct {
	const char *list[4];
	const char *match; /* Y or n for each of `names` */
} table[] = {
	{ { "*" }, "YYYYY" },
	{ { "cpu" }, "Ynnnn" },
	{ { "!cpu" }, "nYYYY" },
	{ { "*", "!cpu" }, "nYYYY" },
	{ { "!cpu", "!disk.*" }, "nnYYY" },
	{ { "disk.*" }, "nYnnn" },
	{ { "!disk.*" }, "YnYYY" },
	{ { "*.bytes" }, "nYYnn" },
	{ { "*.bytes", "cpu" }, "YYYnn" },
	{ { "*.bytes", "!disk.*" }, "nnYnn" },
	{ { "*.bytes", "*" }, "YYYYY" },
	{ { "*", "!*" }, "nnnnn" },
	{ { "!*" }, "nnnnn" },
	{ { "cpu", "cpu" }, "Ynnnn" },
	{ { "instance:*" }, "nnnYn" },
	{ { "instance:m1.tiny" }, "nnnYn" },
	{ { "c?u" }, "Ynnnn" },
	{ { "[cd]pu" }, "Ynnnn" },
	{ { "[!cd]*" }, "nnYYY" },
	{ { "CPU" }, "nnnnn" },
};

static void test_table(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
		for (unsigned juno = 0; juno < 2; juno++) {
			const char *reason = NULL;
			size_t at;
			struct pattern *p = pattern_new(table[i].list, length(table[i].list),
							juno ? PATTERN_JUNO : 0, &reason, &at);

			g_assert_nonnull(p);
			for (size_t n = 0; n < G_N_ELEMENTS(names); n++) {
				bool want = table[i].match[n] == 'Y';

				/* Juno looks at instance:m1.tiny as instance:* */
				if (juno && strcmp(table[i].list[0], "instance:m1.tiny") == 0) {
					want = false;
				}
				g_test_message("%s %s", table[i].list[0], names[n]);
				g_assert_cmpint(pattern_match(p, names[n]), ==, want);
			}
			pattern_free(p);
		}
	}
}

static void refuse(const char *const *list, const char *want, size_t want_at)
{
	const char *reason = NULL;
	size_t at = 99;

	g_assert_null(pattern_new(list, length(list), 0, &reason, &at));
	g_assert_cmpstr(reason, ==, want);
	g_assert_cmpuint(at, ==, want_at);
}

static void test_errors(void)
{
	refuse((const char *[]){ "cpu", "!memory.usage", NULL },
	       "Both included and excluded meters specified", 0);
	refuse((const char *[]){ "disk.*", "!disk.read.*", NULL },
	       "Both included and excluded meters specified", 0);
	refuse((const char *[]){ "*", "cpu", NULL }, "Included meters specified with wildcard", 1);
	refuse((const char *[]){ "*", "disk.*", NULL }, "Included meters specified with wildcard",
	       1);
	refuse((const char *[]){ NULL }, "No meters specified", 0);
	refuse((const char *[]){ "cpu", "", NULL }, "Empty meter pattern", 1);
	refuse((const char *[]){ "!", NULL }, "Empty meter pattern", 0);
}

/* Neither `*` nor an exclusion brings in a meter of our own. */
static void test_own(void)
{
	static const struct {
		const char *list[4], *name;
		bool want;
	} own[] = {
		{ { "*" }, "vm.cpu.wait", false },
		{ { "!cpu" }, "vm.cpu.wait", false },
		{ { "v*" }, "vm.cpu.wait", false },
		{ { "vm.*" }, "vm.cpu.wait", true },
		{ { "vm.*" }, "cpu", false },
		{ { "*", "vm.cpu.*" }, "vm.cpu.wait", true },
		{ { "*", "vm.cpu.*" }, "cpu", true },
		{ { "*", "vm.cpu.*" }, "vm.outcome", false },
		{ { "!cpu", "vm.*" }, "memory", true },
		{ { "!cpu", "vm.*" }, "cpu", false },
		{ { "vm.*", "!vm.outcome" }, "vm.outcome", false },
		{ { "vm.*", "!vm.outcome" }, "vm.cpu.wait", true },
		{ { "cpu", "vm.*", "!vm.outcome" }, "cpu", true },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(own); i++) {
		const char *reason = NULL;
		size_t at;
		struct pattern *p = pattern_new(own[i].list, length(own[i].list), 0, &reason, &at);

		g_assert_nonnull(p);
		g_assert_cmpint(pattern_match(p, own[i].name), ==, own[i].want);
		pattern_free(p);
	}
	pattern_free(NULL);
}

/* Answers of Python 3.11's fnmatch.fnmatchcase() for the same patterns and texts. */
static void test_glob(void)
{
	static const char *const texts[] = {
		"",   "a",   "b", "ab", "abc", "aaab", "ax",
		"dx", "-",   "]", "[",  "[a",  "!",    "^",
		"\\", "\\a", "*", "?",  "a.b", "axb",  "disk.read.bytes",
		"é",  "aé",  "e", "A",  "aab", "z9",   "c",
		"[!", "[]"
	};
	static const struct {
		const char *glob, *match; /* for each of `texts` */
	} rows[] = {
		{ "*", "YYYYYYYYYYYYYYYYYYYYYYYYYYYYYY" },
		{ "", "Ynnnnnnnnnnnnnnnnnnnnnnnnnnnnn" },
		{ "a", "nYnnnnnnnnnnnnnnnnnnnnnnnnnnnn" },
		{ "?", "nYYnnnnnYYYnYYYnYYnnnYnYYnnYnn" },
		{ "?\?", "nnnYnnYYnnnYnnnYnnnnnnYnnnYnYY" },
		{ "a*", "nYnYYYYnnnnnnnnnnnYYnnYnnYnnnn" },
		{ "*a", "nYnnnnnnnnnYnnnYnnnnnnnnnnnnnn" },
		{ "*a*", "nYnYYYYnnnnYnnnYnnYYYnYnnYnnnn" },
		{ "a*b*c", "nnnnYnnnnnnnnnnnnnnnnnnnnnnnnn" },
		{ "a*a*a*b", "nnnnnYnnnnnnnnnnnnnnnnnnnnnnnn" },
		{ "[abc]", "nYYnnnnnnnnnnnnnnnnnnnnnnnnYnn" },
		{ "[a-c]x", "nnnnnnYnnnnnnnnnnnnnnnnnnnnnnn" },
		{ "[!a-c]x", "nnnnnnnYnnnnnnnnnnnnnnnnnnnnnn" },
		{ "[]]", "nnnnnnnnnYnnnnnnnnnnnnnnnnnnnn" },
		{ "[!]]", "nYYnnnnnYnYnYYYnYYnnnYnYYnnYnn" },
		{ "[]-a]", "nYnnnnnnnYnnnYnnnnnnnnnnnnnnnn" },
		{ "[a", "nnnnnnnnnnnYnnnnnnnnnnnnnnnnnn" },
		{ "a[", "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnn" },
		{ "[!", "nnnnnnnnnnnnnnnnnnnnnnnnnnnnYn" },
		{ "[!]", "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnn" },
		{ "[]", "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnY" },
		{ "[a-]", "nYnnnnnnYnnnnnnnnnnnnnnnnnnnnn" },
		{ "[-a]", "nYnnnnnnYnnnnnnnnnnnnnnnnnnnnn" },
		{ "[!-a]", "nnYnnnnnnYYnYYYnYYnnnYnYYnnYnn" },
		{ "[a-c-e]", "nYYnnnnnYnnnnnnnnnnnnnnYnnnYnn" },
		{ "[c-a]", "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnn" },
		{ "[c-ab]", "nnYnnnnnnnnnnnnnnnnnnnnnnnnnnn" },
		{ "[^a]", "nYnnnnnnnnnnnYnnnnnnnnnnnnnnnn" },
		{ "[[:alpha:]]", "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnY" },
		{ "\\*", "nnnnnnnnnnnnnnYYnnnnnnnnnnnnnn" },
		{ "\\a", "nnnnnnnnnnnnnnnYnnnnnnnnnnnnnn" },
		{ "[\\]]", "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnn" },
		{ "a.b", "nnnnnnnnnnnnnnnnnnYnnnnnnnnnnn" },
		{ "disk.*.bytes", "nnnnnnnnnnnnnnnnnnnnYnnnnnnnnn" },
		{ "*.*", "nnnnnnnnnnnnnnnnnnYnYnnnnnnnnn" },
		{ "[*]", "nnnnnnnnnnnnnnnnYnnnnnnnnnnnnn" },
		{ "[?]", "nnnnnnnnnnnnnnnnnYnnnnnnnnnnnn" },
		{ "é", "nnnnnnnnnnnnnnnnnnnnnYnnnnnnnn" },
		{ "?é*", "nnnnnnnnnnnnnnnnnnnnnnYnnnnnnn" },
		{ "[à-ü]", "nnnnnnnnnnnnnnnnnnnnnYnnnnnnnn" },
		{ "[!é]", "nYYnnnnnYYYnYYYnYYnnnnnYYnnYnn" },
		{ "***", "YYYYYYYYYYYYYYYYYYYYYYYYYYYYYY" },
		{ "a**b", "nnnYnYnnnnnnnnnnnnYYnnnnnYnnnn" },
		{ "[a-z]*[0-9]", "nnnnnnnnnnnnnnnnnnnnnnnnnnYnnn" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		for (size_t t = 0; t < G_N_ELEMENTS(texts); t++) {
			g_test_message("%s %s", rows[i].glob, texts[t]);
			g_assert_cmpint(pattern_glob(rows[i].glob, texts[t]), ==,
					rows[i].match[t] == 'Y');
		}
	}
}

/* Many stars take no longer than they must. */
static void test_stars(void)
{
	char glob[201], text[2001];

	for (size_t i = 0; i < 200; i += 2) {
		memcpy(glob + i, "*a", 2);
	}
	glob[199] = 'b';
	glob[200] = '\0';
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	g_assert_false(pattern_glob(glob, text));
	text[sizeof(text) - 2] = 'b';
	g_assert_true(pattern_glob(glob, text));
	/* no UTF-8, cut short at the end */
	g_assert_true(pattern_glob("?\xc3", "a\xc3"));
	g_assert_false(pattern_glob("a\xe2", "a\xe2\x82\xac"));
	g_assert_false(pattern_glob("[\xf0", "\xf0]"));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/pattern/table", test_table);
	g_test_add_func("/pattern/errors", test_errors);
	g_test_add_func("/pattern/own", test_own);
	g_test_add_func("/pattern/glob", test_glob);
	g_test_add_func("/pattern/stars", test_stars);
	return g_test_run();
}

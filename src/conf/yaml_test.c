/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the YAML tree: scalars, merge keys and refusals as PyYAML 6's safe_load has them. */
#include <errno.h>
#include <glib.h>
#include <math.h>
#include <string.h>

#include "conf/yaml_tree.h"

static struct yaml *accept(const char *text)
{
	struct problems *problems = problems_new();
	struct yaml *yaml = NULL;

	yaml_tree_parse("f.yaml", text, strlen(text), &yaml, problems);
	g_assert_cmpstr(problems_first_error(problems), ==, "");
	g_assert_nonnull(yaml);
	problems_free(problems);
	return yaml;
}

/* What Python's type() and int() said of "a: <text>"; NONE: ValueError, TypeError or OverflowError. */
#define NONE INT64_MIN
static const struct {
	const char *text;
	char type; /* i(nt), f(loat), b(ool), s(tr), n(one) */
	int64_t as_int;
} scalars[] = {
	{ "1", 'i', 1 },
	{ "0", 'i', 0 },
	{ "-5", 'i', -5 },
	{ "+7", 'i', 7 },
	{ "010", 'i', 8 },
	{ "0o10", 's', NONE },
	{ "0x1F", 'i', 31 },
	{ "0b11", 'i', 3 },
	{ "1_000", 'i', 1000 },
	{ "1:30", 'i', 90 },
	{ "190:20:30", 'i', 685230 },
	{ "09", 's', 9 },
	{ "1.5", 'f', 1 },
	{ "1.", 'f', 1 },
	{ "-.5", 's', NONE },
	{ ".5", 'f', 0 },
	{ "1e3", 's', NONE },
	{ "1.0e+3", 'f', 1000 },
	{ "1.e-2", 'f', 0 },
	{ "1_0.5", 'f', 10 },
	{ "0x", 's', NONE },
	{ "60s", 's', NONE },
	{ "tRue", 's', NONE },
	{ "y", 's', NONE },
	{ "null", 'n', NONE },
	{ "~", 'n', NONE },
	{ "'5'", 's', 5 },
	{ "\"060\"", 's', 60 },
	{ "' 60 '", 's', 60 },
	{ "60.7", 'f', 60 },
	{ "1:60", 's', NONE },
	{ "01:30", 's', NONE },
	{ ".inf", 'f', NONE },
	{ "-.INF", 'f', NONE },
	{ ".nan", 'f', NONE },
	{ "12e03", 's', NONE },
	{ "__1", 's', NONE },
	{ "1__0", 'i', 10 },
	{ "!!str 5", 's', 5 },
	{ "! 5", 's', 5 },
	{ "5_", 'i', 5 },
	{ "'1__0'", 's', NONE },
	{ "!!str", 's', NONE },
	/* a truth value is no number here, though Python has it so */
	{ "true", 'b', NONE },
	{ "Yes", 'b', NONE },
	{ "ON", 'b', NONE },
	{ "off", 'b', NONE },
};

static char type_of(const struct yaml_node *n)
{
	double number;
	bool word;

	if (n->kind == YAML_NULL) {
		return 'n';
	}
	if (yaml_is_text(n)) {
		return 's';
	}
	if (yaml_bool(n, &word)) {
		return 'b';
	}
	g_assert_true(yaml_number(n, &number));
	return strpbrk(n->text, ".") ? 'f' : 'i';
}

static void test_scalars(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(scalars); i++) {
		char *text = g_strconcat("a: ", scalars[i].text, NULL);
		struct yaml *yaml = accept(text);
		const struct yaml_node *n = yaml_get(yaml_tree_root(yaml), "a");
		int64_t value = NONE;

		g_test_message("%s", text);
		g_assert_cmpint(type_of(n), ==, scalars[i].type);
		g_assert_cmpint(yaml_int(n, &value), ==, scalars[i].as_int != NONE);
		g_assert_cmpint(value, ==, scalars[i].as_int);
		yaml_tree_free(yaml);
		g_free(text);
	}
}

static void test_numbers(void)
{
	static const struct {
		const char *text;
		double value;
	} rows[] = { { "a: 1.5", 1.5 },       { "a: 1.0e+3", 1000 },
		     { "a: 0x10", 16 },       { "a: -2.50", -2.5 },
		     { "a: .25", 0.25 },      { "a: 1_0.5", 10.5 },
		     { "a: .inf", INFINITY }, { "a: 20000000000000000000", 2e19 } };

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct yaml *yaml = accept(rows[i].text);
		double value = 0;

		g_assert_true(yaml_number(yaml_get(yaml_tree_root(yaml), "a"), &value));
		g_assert_true(value == rows[i].value);
		yaml_tree_free(yaml);
	}
}

static const char *text_of(const struct yaml_node *root, const char *map, const char *key)
{
	const struct yaml_node *n = yaml_get(yaml_get(root, map), key);

	return n ? n->text : NULL;
}

static void test_merge(void)
{
	struct yaml *yaml = accept("a: &a {x: 1, y: 2}\nb: &b {x: 3, z: 4}\n"
				   "c: {<<: [*a, *b], y: 5}\nd:\n  y: 9\n  <<: *a\ne: {'<<': 7}\n");
	const struct yaml_node *root = yaml_tree_root(yaml);

	g_assert_cmpstr(text_of(root, "c", "x"), ==, "1");
	g_assert_cmpstr(text_of(root, "c", "y"), ==, "5");
	g_assert_cmpstr(text_of(root, "c", "z"), ==, "4");
	g_assert_cmpstr(text_of(root, "d", "x"), ==, "1");
	g_assert_cmpstr(text_of(root, "d", "y"), ==, "9");
	g_assert_cmpstr(text_of(root, "e", "<<"), ==, "7"); /* quoted: a key like any other */
	yaml_tree_free(yaml);
}

static const struct {
	const char *text;
	size_t size; /* 0: strlen */
	const char *error;
} bad[] = {
	{ "a: 1\nb: 2\na: 3\n", 0,
	  "f.yaml:3:1: duplicate key 'a', first in line 1; leave one out" },
	{ "a: {b: 1, c: 2, b: 3}\n", 0, "f.yaml:1:17: duplicate key 'b', first in line 1" },
	{ "? [a]\n: 1\n", 0, "f.yaml:1:3: a list or a mapping as key" },
	{ "a: !!python/object:os.system x\n", 0, "f.yaml:1:4: a tag that is not taken here" },
	{ "a: !!binary aGFsbG8=\n", 0, "f.yaml:1:4: a tag that is not taken here" },
	{ "a: {<<: 5}\n", 0, "f.yaml:1:9: a mapping, or a list of them, is needed after '<<'" },
	{ "a: {<<: [5]}\n", 0, "f.yaml:1:10: a mapping, or a list of them, is needed after '<<'" },
	{ "a:\n\tb: 1\n", 0,
	  "f.yaml:2:1: found character that cannot start any token; indent with" },
	{ "a: 1\nb: \x01\n", 0,
	  "f.yaml:2:4: control characters are not allowed; the file is not text" },
	{ "a: \xff\n", 0, "f.yaml:1:4: invalid leading UTF-8 octet" },
	{ "a: b\0c\n", 8, "f.yaml:1:5: control characters are not allowed" },
	{ "a: \"b\\0c\"\n", 0, "f.yaml:1:4: a zero byte is in this text" },
	{ "a: [1, 2\n", 0, "f.yaml:2:1: did not find expected ',' or ']'" },
	{ "a: 'b\n", 0, "f.yaml:2:1: found unexpected end of stream" },
	{ "a: b: c\n", 0,
	  "f.yaml:1:5: mapping values are not allowed in this context; check the indentation" },
	{ "a: *b\n", 0, "f.yaml:1:4: an alias of what is not there (yet)" },
	{ "\x7f"
	  "ELF\x02\x01\x01",
	  0, "f.yaml:1:1: control characters are not allowed" },
};

static void refuse(const char *text, size_t size, const char *error)
{
	struct problems *problems = problems_new();
	struct yaml *yaml = NULL;

	g_test_message("%s", text);
	g_assert_cmpint(yaml_tree_parse("f.yaml", text, size, &yaml, problems), ==, -EINVAL);
	g_assert_null(yaml);
	g_assert_cmpuint(problems_of(problems, PROBLEM_ERROR), ==, 1);
	if (!g_str_has_prefix(problems_first_error(problems), error)) {
		g_assert_cmpstr(problems_first_error(problems), ==, error);
	}
	problems_free(problems);
}

static void test_bad(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		refuse(bad[i].text, bad[i].size ? bad[i].size : strlen(bad[i].text), bad[i].error);
	}
}

/* A key that stands twice hides no other one. */
static void test_twice(void)
{
	static const char text[] = "a: {b: 1, b: 2}\na: 3\n";
	struct problems *problems = problems_new();
	struct yaml *yaml = NULL;

	g_assert_cmpint(yaml_tree_parse("f.yaml", text, strlen(text), &yaml, problems), ==,
			-EINVAL);
	g_assert_null(yaml);
	g_assert_cmpuint(problems_count(problems), ==, 2);
	g_assert_cmpstr(problems_at(problems, 0)->text, ==,
			"f.yaml:1:11: duplicate key 'b', first in line 1; leave one out");
	g_assert_cmpstr(problems_at(problems, 1)->text, ==,
			"f.yaml:2:1: duplicate key 'a', first in line 1; leave one out");
	problems_free(problems);
}

/* Deep, wide and self-multiplying documents cost no more than the bounds. */
static void test_bounds(void)
{
	GString *text = g_string_new("a: ");

	for (int i = 0; i < 100000; i++) {
		g_string_append_c(text, '[');
	}
	refuse(text->str, text->len, "f.yaml:1:68: nested too deep");
	g_string_assign(text, "a: [");
	for (int i = 0; i < 200000; i++) {
		g_string_append(text, "1,");
	}
	refuse(text->str, text->len, "f.yaml:1:199999: too many entries");
	g_string_assign(text, "a0: &a0 {x: y}\n");
	for (int i = 1; i < 40; i++) {
		g_string_append_printf(text, "a%d: &a%d {<<: [*a%d, *a%d], b%d: *a%d}\n", i, i,
				       i - 1, i - 1, i, i - 1);
	}
	refuse(text->str, text->len, "f.yaml:");
	g_string_set_size(text, YAML_SIZE_MAX + 1);
	refuse(text->str, text->len, "f.yaml: larger than 4194304 bytes");
	g_string_free(text, TRUE);
}

/* A file cut anywhere is refused, or means something less; it never crashes. */
static void test_truncated(void)
{
	static const char whole[] = "sources:\n  - name: \"a\"\n    meters: ['*', '!cpu']\n"
				    "    x: &x {a: |\n      text\n      more\n    }\n    y: *x\n";

	for (size_t n = 0; n < sizeof(whole); n++) {
		struct problems *problems = problems_new();
		struct yaml *yaml = NULL;
		int ret = yaml_tree_parse("f.yaml", whole, n, &yaml, problems);

		g_assert_cmpint(ret == 0, ==, problems_of(problems, PROBLEM_ERROR) == 0);
		yaml_tree_free(yaml);
		problems_free(problems);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/yaml/scalars", test_scalars);
	g_test_add_func("/yaml/numbers", test_numbers);
	g_test_add_func("/yaml/merge", test_merge);
	g_test_add_func("/yaml/bad", test_bad);
	g_test_add_func("/yaml/twice", test_twice);
	g_test_add_func("/yaml/bounds", test_bounds);
	g_test_add_func("/yaml/truncated", test_truncated);
	return g_test_run();
}

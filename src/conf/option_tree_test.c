/* SPDX-License-Identifier: Apache-2.0 */
/* Option tables from YAML: paths, defaults, numbers and texts, and what is wrong with its place. */
#include "conf/option_tree.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/arena.h"

struct conf {
	int64_t size;
	const char *unit, *type;
	struct vmt_scalar scale, max;
};

static const char *const types[] = { "gauge", "delta", NULL };

static const struct vmt_option options[] = {
	{ NULL, "size", VMT_OPT_INT, offsetof(struct conf, size), "1", "", 0, 0, 100 },
	{ NULL, "target.unit", VMT_OPT_STRING, offsetof(struct conf, unit) },
	{ NULL, "target.map_to.type", VMT_OPT_STRING, offsetof(struct conf, type), NULL, "", 0, 0,
	  0, types },
	{ NULL, "target.scale", VMT_OPT_SCALAR, offsetof(struct conf, scale), "1" },
	{ NULL, "target.max", VMT_OPT_SCALAR, offsetof(struct conf, max) },
	{ NULL },
};

static struct arena *arena;

/* All that was said, a line each. */
static char *decode(const char *text, struct conf *ret_conf, int *ret)
{
	struct problems *problems = problems_new();
	GString *all = g_string_new(NULL);
	struct yaml *yaml;

	g_assert_cmpint(yaml_tree_parse("p.yaml", text, strlen(text), &yaml, problems), ==, 0);
	memset(ret_conf, 0, sizeof(*ret_conf));
	*ret = options_decode_tree(options, yaml_tree_root(yaml), arena, ret_conf, problems);
	for (size_t i = 0; i < problems_count(problems); i++) {
		g_string_append_printf(all, "%s\n", problems_at(problems, i)->text);
	}
	yaml_tree_free(yaml);
	problems_free(problems);
	return g_string_free(all, FALSE);
}

static void test_values(void)
{
	struct conf c;
	int ret;
	char *said = decode("size: 7\ntarget:\n  unit: '%'\n  scale: 0.5\n  max: '100'\n"
			    "  map_to: {type: gauge}\n",
			    &c, &ret);

	g_assert_cmpstr(said, ==, "");
	g_assert_cmpint(ret, ==, 0);
	g_assert_cmpint(c.size, ==, 7);
	g_assert_cmpstr(c.unit, ==, "%");
	g_assert_cmpstr(c.type, ==, "gauge");
	g_assert_cmpstr(c.scale.text, ==, "0.5");
	g_assert_true(c.scale.number);
	g_assert_cmpstr(c.max.text, ==, "100");
	g_assert_false(c.max.number);
	g_free(said);
	said = decode("target: ~\n", &c, &ret);
	g_assert_cmpstr(said, ==, "");
	g_assert_cmpint(c.size, ==, 1);
	g_assert_cmpstr(c.scale.text, ==, "1");
	g_assert_null(c.max.text);
	g_free(said);
}

static void test_wrong(void)
{
	struct conf c;
	int ret;
	char *said =
		decode("size: many\ntarget:\n  units: x\n  map_to: 5\n  unit: [a]\n", &c, &ret);

	g_assert_cmpstr(said, ==,
			"p.yaml:1:7: size: 'many' will not do; write a whole number\n"
			"p.yaml:3:3: unknown parameter target.units; did you mean target.unit?\n"
			"p.yaml:4:11: target.map_to should be a mapping\n"
			"p.yaml:5:9: target.unit should be a number or a text\n");
	g_assert_cmpint(ret, ==, -EINVAL);
	g_free(said);
	said = decode("- 1\n", &c, &ret);
	g_assert_cmpstr(said, ==, "p.yaml:1:1: parameters should be a mapping\n");
	g_assert_cmpint(ret, ==, -EINVAL);
	g_free(said);
}

/* A number stays as it is written, or becomes decimal; what PyYAML takes for text is text. */
static void test_number(void)
{
	static const struct {
		const char *text, *is;
		bool number;
	} cases[] = { { "1", "1", true },          { "-1.5", "-1.5", true },
		      { "1.e+3", "1.e+3", true },  { "0x10", "16", true },
		      { "010", "8", true },        { "0.5", "0.5", true },
		      { "1e3", "1e3", false },     { "'1'", "1", false },
		      { "1 + 1", "1 + 1", false }, { "volume", "volume", false } };

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct conf c;
		int ret;
		char *text = g_strdup_printf("target: {scale: %s}\n", cases[i].text);
		char *said = decode(text, &c, &ret);

		g_assert_cmpstr(said, ==, "");
		g_assert_cmpstr(c.scale.text, ==, cases[i].is);
		g_assert_true(c.scale.number == cases[i].number);
		g_free(said);
		g_free(text);
	}
}

int main(int argc, char **argv)
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	arena = arena_new(0);
	g_test_add_func("/option_tree/values", test_values);
	g_test_add_func("/option_tree/wrong", test_wrong);
	g_test_add_func("/option_tree/number", test_number);
	ret = g_test_run();
	arena_free(arena);
	return ret;
}

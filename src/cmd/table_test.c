/* SPDX-License-Identifier: Apache-2.0 */
/* Tables and command lines. */
#include "cmd/table.h"

#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/parse.h"

static const struct table_column columns[] = {
	{ .key = "name", .wide = true },
	{ .key = "count", .right = true },
	{ .key = "first_seen" },
	{ .key = "more", .json_only = true },
};

static char *render(enum table_format format, unsigned width)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	FILE *file = tmpfile();
	struct table *t;
	int c;

	t = table_new(file, format, columns, G_N_ELEMENTS(columns), width);
	table_text(t, "a long name of something");
	table_number(t, 5);
	table_text(t, NULL);
	table_raw(t, "[1]", NULL);
	table_row(t);
	table_text(t, "\xe5\xaf\x8c\"\n\xff"); /* a wide character, a quote, a newline, no UTF-8 */
	table_raw(t, "12.5", "12,5 B");
	table_printf(t, "%d/%d", 1, 2);
	table_text(t, "x");
	table_row(t);
	g_assert_cmpint(table_close(t), ==, 0);
	rewind(file);
	while ((c = getc(file)) != EOF) {
		putc(c, out);
	}
	fclose(file);
	fclose(out);
	return text;
}

static void test_text(void)
{
	char *text = render(TABLE_TEXT, 0);

	g_assert_cmpstr(text, ==,
			"NAME                       COUNT  FIRST SEEN\n"
			"a long name of something       5\n"
			"\xe5\xaf\x8c\" \xef\xbf\xbd                     12,5 B  1/2\n");
	free(text);
}

static void test_narrow(void)
{
	char *text = render(TABLE_TEXT, 30);

	g_assert_cmpstr(text, ==,
			"NAME         COUNT  FIRST SEEN\n"
			"a long n..       5\n"
			"\xe5\xaf\x8c\" \xef\xbf\xbd       12,5 B  1/2\n");
	free(text);
	text = render(TABLE_TEXT, 4); /* no narrower than it can be */
	g_assert_true(g_str_has_prefix(text, "NAME     COUNT  FIRS..\n"));
	free(text);
}

static void test_json(void)
{
	char *text = render(TABLE_JSON, 10);

	g_assert_cmpstr(
		text, ==,
		"{\"name\":\"a long name of something\",\"count\":5,\"first_seen\":null,\"more\":[1]}\n"
		"{\"name\":\"\xe5\xaf\x8c\\\"\\n\xef\xbf\xbd\",\"count\":12.5,\"first_seen\":\"1/2\",\"more\":\"x\"}\n");
	free(text);
}

static void test_full_disk(void)
{
	FILE *full = fopen("/dev/full", "w");
	struct table *t;

	if (!full) {
		g_test_skip("no /dev/full");
		return;
	}
	t = table_new(full, TABLE_TEXT, columns, 1, 0);
	table_text(t, "x");
	table_row(t);
	g_assert_cmpint(table_close(t), ==, -ENOSPC);
	fclose(full);
}

/* ---- command lines */

static char *format;

static const GOptionEntry entries[] = {
	{ "format", 0, 0, G_OPTION_ARG_STRING, &format, "table or json", "FORM" },
	{ NULL },
};

static int parse(int argc, const char *const *words, int *ret_left)
{
	char **argv = g_strdupv((char **)words), **all = g_new0(char *, argc + 1);
	int ret;

	memcpy(all, argv, (size_t)argc * sizeof(*argv));
	ret = cmd_parse(&argc, &argv, entries, "[FILE...]", "About.");
	*ret_left = argc - 1;
	for (char **p = all; *p; p++) {
		g_free(*p);
	}
	g_free(all);
	g_free(argv);
	return ret;
}

static void test_parse(void)
{
	static const char *const good[] = { "x", "--format", "json", "a", "b", NULL };
	int left;

	g_assert_cmpint(parse(5, good, &left), ==, -1);
	g_assert_cmpint(left, ==, 2);
	g_assert_cmpstr(format, ==, "json");
	g_free(format);
	format = NULL;
}

static void test_help_child(void)
{
	static const char *const help[] = { "x", "--help", NULL };
	int left;

	exit(parse(2, help, &left));
}

static void test_unknown_child(void)
{
	static const char *const bad[] = { "x", "--formt=json", NULL };
	int left;

	exit(parse(2, bad, &left));
}

static void test_help(void)
{
	g_test_trap_subprocess("/cmd/parse/help/subprocess", 0, 0);
	g_test_trap_assert_passed();
	g_test_trap_assert_stdout("*virtmeter x *FILE*About.*--format=FORM*table or json*");
}

static void test_unknown(void)
{
	g_test_trap_subprocess("/cmd/parse/unknown/subprocess", 0, 0);
	g_assert_false(g_test_trap_has_passed());
	g_test_trap_assert_stderr(
		"virtmeter x: Unknown option --formt=json (did you mean --format?); see virtmeter x "
		"--help\n");
}

static void test_format(void)
{
	enum table_format f = TABLE_JSON;

	g_assert_cmpint(cmd_format("x", NULL, &f), ==, 0);
	g_assert_cmpint(f, ==, TABLE_TEXT);
	g_assert_cmpint(cmd_format("x", "json", &f), ==, 0);
	g_assert_cmpint(f, ==, TABLE_JSON);
	g_assert_cmpint(cmd_format("x", "xml", &f), ==, -EINVAL);
	g_assert_cmpint(f, ==, TABLE_JSON);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/cmd/table/text", test_text);
	g_test_add_func("/cmd/table/narrow", test_narrow);
	g_test_add_func("/cmd/table/json", test_json);
	g_test_add_func("/cmd/table/full-disk", test_full_disk);
	g_test_add_func("/cmd/parse/line", test_parse);
	g_test_add_func("/cmd/parse/help", test_help);
	g_test_add_func("/cmd/parse/unknown", test_unknown);
	g_test_add_func("/cmd/parse/format", test_format);
	g_test_add_func("/cmd/parse/help/subprocess", test_help_child);
	g_test_add_func("/cmd/parse/unknown/subprocess", test_unknown_child);
	return g_test_run();
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the INI reader makes of files, for compare.py, which has the same options in oslo.config.
 * Usage: values FILE... [-- FILE...]...     a line of JSON for each set of files: {"group.name": value}, null where
 * there is none, {"error": true} where the value will not do; "refused" where the files will not.
 */
#include <glib.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "conf/option.h"
#include "model/json_text.h"

union value {
	bool flag;
	int64_t number;
	double real;
	const char *text;
	const char *const *list;
	const struct vmt_pair *pairs;
};

/* A table of one option each, so that one that will not do does not hide others.  `s`, `t` and `ref` are in all. */
#define ROW(group_, name_, ...)                                                                    \
	{                                                                                          \
		{ .group = group_, .name = name_, __VA_ARGS__ },                                   \
		{                                                                                  \
			.name = NULL                                                               \
		}                                                                                  \
	}
static const struct vmt_option tables[][2] = {
	ROW(NULL, "s", .type = VMT_OPT_STRING),
	ROW(NULL, "t", .type = VMT_OPT_STRING, .def = "default of t"),
	ROW(NULL, "i", .type = VMT_OPT_INT, .def = "7"),
	ROW(NULL, "f", .type = VMT_OPT_DOUBLE, .def = "0.5"),
	ROW(NULL, "b", .type = VMT_OPT_BOOL, .def = "false"),
	ROW(NULL, "l", .type = VMT_OPT_LIST, .def = "x,y"),
	ROW(NULL, "m", .type = VMT_OPT_LIST, .flags = VMT_OPT_MULTI, .def = "x,y"),
	ROW(NULL, "d", .type = VMT_OPT_DICT, .def = "x:y"),
	ROW("grp", "s", .type = VMT_OPT_STRING),
	ROW("grp", "ref", .type = VMT_OPT_STRING, .def = "$t/${grp.s}"),
	ROW("grp", "b", .type = VMT_OPT_BOOL, .def = "true"),
	ROW("grp", "new_name", .type = VMT_OPT_STRING, .def = "n", .deprecated = "old_name"),
	ROW("grp", "two_words", .type = VMT_OPT_LIST),
};

static void add_items(struct buf *out, const char *const *item)
{
	buf_putc(out, '[');
	for (size_t i = 0; item[i]; i++) {
		buf_puts(out, i ? "," : "");
		json_add(out, item[i]);
	}
	buf_putc(out, ']');
}

static void add_pairs(struct buf *out, const struct vmt_pair *pair)
{
	buf_putc(out, '{');
	for (size_t i = 0; pair[i].key; i++) {
		buf_puts(out, i ? "," : "");
		json_add(out, pair[i].key);
		buf_putc(out, ':');
		json_add(out, pair[i].value);
	}
	buf_putc(out, '}');
}

static void add_value(struct buf *out, const struct vmt_option *o, const union value *v)
{
	char number[G_ASCII_DTOSTR_BUF_SIZE];

	switch (o->type) {
	case VMT_OPT_BOOL:
		buf_puts(out, v->flag ? "true" : "false");
		break;
	case VMT_OPT_INT:
		buf_printf(out, "%" PRId64, v->number);
		break;
	case VMT_OPT_DOUBLE:
		buf_puts(out, g_ascii_dtostr(number, sizeof(number), v->real));
		break;
	case VMT_OPT_LIST:
		add_items(out, v->list);
		break;
	case VMT_OPT_DICT:
		add_pairs(out, v->pairs);
		break;
	default:
		v->text ? json_add(out, v->text) : buf_puts(out, "null");
		break;
	}
}

static void add_option(struct buf *out, const struct ini *ini, const struct vmt_option *o)
{
	struct arena *arena = arena_new(0);
	struct problems *problems = problems_new();
	union value value = { .text = NULL };
	int ret = options_decode(o, ini, NULL, NULL, arena, &value, problems);

	buf_printf(out, "%s\"%s.%s\":", out->data[out->len - 1] == '{' ? "" : ",", option_group(o),
		   o->name);
	if (ret < 0) {
		buf_puts(out, "{\"error\":true}");
	} else {
		add_value(out, o, &value);
	}
	problems_free(problems);
	arena_free(arena);
}

/* One set of files, of which NULL or "--" is the end. */
static void tell(char **files)
{
	struct ini *ini = ini_new();
	struct problems *problems = problems_new();
	struct buf out = BUF_INIT;
	int ret = 0;

	for (size_t i = 0; i < G_N_ELEMENTS(tables); i++) {
		ini_know(ini, tables[i]);
	}
	for (; *files && strcmp(*files, "--") != 0; files++) {
		ret = ini_read_file(ini, *files, problems) < 0 ? -1 : ret;
	}
	ini_read_environment(ini, (const char *const *)environ);
	if (ret < 0) {
		buf_puts(&out, "\"refused\"");
	} else {
		buf_putc(&out, '{');
		for (size_t i = 0; i < G_N_ELEMENTS(tables); i++) {
			add_option(&out, ini, tables[i]);
		}
		buf_putc(&out, '}');
	}
	puts(out.data);
	buf_fini(&out);
	problems_free(problems);
	ini_free(ini);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		tell(argv + i);
		while (i < argc && strcmp(argv[i], "--") != 0) {
			i++;
		}
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a configuration file: read, every value substituted, decoded by a table of all types. */
#include <glib.h>

#include "base/arena.h"
#include "conf/option.h"

struct conf {
	bool flag;
	int64_t number, timeout_ns;
	double ratio;
	const char *text;
	const char *const *list, *const *multi;
	const struct vmt_pair *dict;
};

#define ROW(name_, type_, member_, ...)                                                            \
	{                                                                                          \
		.name = name_, .type = type_, .offset = offsetof(struct conf, member_),            \
		__VA_ARGS__                                                                        \
	}
static const struct vmt_option options[] = {
	ROW("flag", VMT_OPT_BOOL, flag, .def = "true"),
	ROW("number", VMT_OPT_INT, number, .min = -5, .max = 5, .deprecated = "count"),
	ROW("timeout", VMT_OPT_SECONDS, timeout_ns, .def = "1"),
	ROW("ratio", VMT_OPT_DOUBLE, ratio, .group = "g"),
	ROW("text", VMT_OPT_STRING, text, .flags = VMT_OPT_SECRET),
	ROW("list", VMT_OPT_LIST, list, .def = "a"),
	ROW("dict", VMT_OPT_DICT, dict, .def = "a:$number"),
	ROW("multi", VMT_OPT_LIST, multi, .flags = VMT_OPT_MULTI),
	{ .name = NULL },
};
static const struct vmt_option *const tables[] = { options, NULL };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ini *ini = ini_new();
	struct arena *arena = arena_new(0);
	struct problems *problems = problems_new();
	struct buf out = BUF_INIT;
	struct conf conf = { 0 };

	ini_know(ini, options);
	ini_read_text(ini, "fuzz.conf", (const char *)data, size, problems);
	for (size_t i = 0; i < ini_count(ini); i++) {
		const struct ini_value *v = ini_at(ini, i);

		ini_substitute(ini, v, arena, problems);
		g_assert(ini_find(ini, v->group, v->name, NULL));
		g_assert(v->at.line > 0 && v->value_at.column > 0);
	}
	options_decode(options, ini, NULL, NULL, arena, &conf, problems);
	g_assert(conf.number >= -5 && conf.number <= 5);
	options_print(options, &conf, &out);
	options_check_unknown(ini, tables, problems);
	buf_fini(&out);
	problems_free(problems);
	arena_free(arena);
	ini_free(ini);
	return 0;
}

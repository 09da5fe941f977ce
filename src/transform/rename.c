/* SPDX-License-Identifier: Apache-2.0 */
/* Names and units by regular expression.  Called once per meter, not per sample; blocks on nothing. */
#include "transform/rename.h"

#include <glib.h>

#include <virtmeter/plugin.h>

struct map {
	GRegex *from; /* NULL: none */
	char *to, *fixed;
};

struct rename {
	struct map name, unit;
};

static void map_init(struct map *m, const struct vmt_stage *stage, const char *option,
		     const char *from, const char *to, const char *fixed)
{
	GError *error = NULL;

	m->fixed = g_strdup(fixed);
	if (!from || !to || !from[0] || !to[0]) {
		return;
	}
	m->from = g_regex_new(from, G_REGEX_OPTIMIZE, 0, &error);
	if (m->from && !g_regex_check_replacement(to, NULL, &error)) {
		g_clear_pointer(&m->from, g_regex_unref);
	}
	if (!m->from) {
		vmt_stage_warn(stage, "source.map_from.%s: \"%s\": %s; it is left out", option,
			       from, error->message);
		g_error_free(error);
		return;
	}
	m->to = g_strdup(to);
}

static void map_fini(struct map *m)
{
	g_clear_pointer(&m->from, g_regex_unref);
	g_free(m->to);
	g_free(m->fixed);
}

static char *apply(const struct map *m, const char *text)
{
	char *mapped = m->from ? g_regex_replace(m->from, text, -1, 0, m->to, 0, NULL) : NULL;

	if (mapped && mapped[0]) {
		return mapped;
	}
	g_free(mapped);
	return g_strdup(m->fixed ? m->fixed : text);
}

struct rename *rename_new(const struct rename_conf *conf, const struct vmt_stage *stage)
{
	struct rename *r = g_new0(struct rename, 1);

	map_init(&r->name, stage, "name", conf->from_name, conf->to_name, conf->name);
	map_init(&r->unit, stage, "unit", conf->from_unit, conf->to_unit, conf->unit);
	return r;
}

void rename_free(struct rename *rename)
{
	if (rename) {
		map_fini(&rename->name);
		map_fini(&rename->unit);
		g_free(rename);
	}
}

char *rename_name(const struct rename *rename, const char *name)
{
	return apply(&rename->name, name);
}

char *rename_unit(const struct rename *rename, const char *unit)
{
	return apply(&rename->unit, unit);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Names and units by regular expression.  Called once per meter, not per sample; blocks on nothing. */
#include "transform/rename.h"

#include <glib.h>
#include <stdbool.h>
#include <string.h>

#include <virtmeter/plugin.h>

struct map {
	GRegex *from; /* NULL: none */
	char *to, *fixed;
};

struct rename {
	struct map name, unit;
};

static void map_fini(struct map *m)
{
	g_clear_pointer(&m->from, g_regex_unref);
	g_free(m->to);
	g_free(m->fixed);
}

/* ---- as re.sub of Python 2 does */

/* The next reference to a group in a template: \\1, \\12, \\g<1>, \\g<name>.  Answers where to go on; NULL: there is none.
 * *ret_name is to be freed. */
static const char *next_reference(const char *p, char **ret_name)
{
	while ((p = strchr(p, '\\')) != NULL) {
		size_t n = strspn(p + 1, "0123456789");

		if (n > 0) {
			n = MIN(n, 2);
			*ret_name = g_strndup(p + 1, n);
			return p + 1 + n;
		}
		if (p[1] == 'g' && p[2] == '<') {
			n = strcspn(p + 3, ">");
			*ret_name = g_strndup(p + 3, n);
			return p + 3 + n;
		}
		p += p[1] ? 2 : 1;
	}
	return NULL;
}

/* The number of a group by its number or name; -1: there is none. */
static int group_number(const GRegex *regex, const char *name)
{
	if (g_ascii_isdigit(name[0])) {
		int number = (int)g_ascii_strtoll(name, NULL, 10);

		return number <= g_regex_get_capture_count(regex) ? number : -1;
	}
	return g_regex_get_string_number(regex, name);
}

/* Whether every group that the template names is in the expression. */
static bool has_groups(const GRegex *regex, const char *to)
{
	char *name = NULL;
	bool good = true;

	while (good && (to = next_reference(to, &name)) != NULL) {
		good = group_number(regex, name) >= 0;
		g_free(name);
	}
	return good;
}

/* Python 2 raises where a group that the template names took no part in the match. */
static bool has_matched(const struct map *m, const GMatchInfo *match)
{
	const char *at = m->to;
	char *name = NULL;
	bool good = true;

	while (good && (at = next_reference(at, &name)) != NULL) {
		int start = -1;

		good = g_match_info_fetch_pos(match, group_number(m->from, name), &start, NULL) &&
		       start >= 0;
		g_free(name);
	}
	return good;
}

/* Every match is replaced, but for an empty one right behind another.  NULL: an error of the reference, which then goes
 * on without the map. */
static char *replace(const struct map *m, const char *text)
{
	GString *out = g_string_new(NULL);
	GMatchInfo *match = NULL;
	int last = 0, start = 0, end = 0;
	bool good = true, any = false;

	g_regex_match(m->from, text, 0, &match);
	while (good && g_match_info_matches(match)) {
		g_match_info_fetch_pos(match, 0, &start, &end);
		if (!any || end > start || start > last) {
			char *with = has_matched(m, match)
					     ? g_match_info_expand_references(match, m->to, NULL)
					     : NULL;

			good = with != NULL;
			g_string_append_len(out, text + last, start - last);
			g_string_append(out, with ? with : "");
			g_free(with);
			last = end;
			any = true;
		}
		g_match_info_next(match, NULL);
	}
	g_match_info_free(match);
	g_string_append(out, text + last);
	return g_string_free(out, !good);
}

static char *apply(const struct map *m, const char *text)
{
	char *mapped = m->from ? replace(m, text) : NULL;

	if (mapped && mapped[0]) {
		return mapped;
	}
	g_free(mapped);
	return g_strdup(m->fixed ? m->fixed : text);
}

static void map_init(struct map *m, const struct vmt_stage *stage, const char *option,
		     const char *from, const char *to, const char *fixed)
{
	GError *error = NULL;

	m->fixed = g_strdup(fixed);
	if (!from || !to || !from[0] || !to[0]) {
		if ((from && from[0]) || (to && to[0])) {
			vmt_stage_warn(
				stage, "%s.%s: has no effect without %s.%s, or where that is empty",
				from && from[0] ? "source.map_from" : "target.map_to", option,
				from && from[0] ? "target.map_to" : "source.map_from", option);
		}
		return;
	}
	m->from = g_regex_new(from, G_REGEX_OPTIMIZE, 0, &error);
	if (!m->from) {
		vmt_stage_warn(stage, "source.map_from.%s: \"%s\": %s; it is left out", option,
			       from, error->message);
	} else if (!g_regex_check_replacement(to, NULL, &error)) {
		vmt_stage_warn(stage, "target.map_to.%s: \"%s\": %s; it is left out", option, to,
			       error->message);
	} else if (!has_groups(m->from, to)) {
		vmt_stage_warn(
			stage,
			"target.map_to.%s: \"%s\": names a group that source.map_from.%s does "
			"not have; it is left out",
			option, to, option);
	} else {
		m->to = g_strdup(to);
		return;
	}
	g_clear_pointer(&m->from, g_regex_unref);
	g_clear_error(&error);
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

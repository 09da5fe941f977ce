/* SPDX-License-Identifier: Apache-2.0 */
/* Meter patterns.  Immutable once made: any thread may match; blocks on nothing. */
#include "conf/pattern.h"

#include <glib.h>
#include <stdint.h>
#include <string.h>

#define OWN "vm."

struct pattern {
	unsigned flags;
	GStrv include, exclude; /* of Ceilometer's names */
	GStrv own_include, own_exclude; /* of ours */
};

static bool is_own(const char *entry)
{
	return g_str_has_prefix(entry[0] == '!' ? entry + 1 : entry, OWN);
}

/* What is wrong with the list, or NULL.  "Included" is what begins with neither '!' nor '*', so that
 * "*.bytes" may stand beside an exclusion, as in the reference; our own names do not count. */
static const char *objection(const char *const *list, size_t count, size_t *ret_at)
{
	size_t included = SIZE_MAX, excluded = SIZE_MAX, wildcard = SIZE_MAX;

	*ret_at = 0;
	for (size_t i = 0; i < count; i++) {
		if (list[i][0] == '\0' || strcmp(list[i], "!") == 0) {
			*ret_at = i;
			return "Empty meter pattern";
		}
		if (is_own(list[i])) {
			continue;
		}
		if (list[i][0] == '!') {
			excluded = i;
		} else if (list[i][0] != '*') {
			included = i;
		}
		if (strcmp(list[i], "*") == 0) {
			wildcard = i;
		}
	}
	if (count == 0) {
		return "No meters specified";
	}
	*ret_at = included == SIZE_MAX ? 0 : included;
	if (included != SIZE_MAX && excluded != SIZE_MAX) {
		return "Both included and excluded meters specified";
	}
	if (included != SIZE_MAX && wildcard != SIZE_MAX) {
		return "Included meters specified with wildcard";
	}
	return NULL;
}

/* The entries of one kind, the '!' taken off. */
static GStrv pick(const char *const *list, size_t count, bool own, bool excluded)
{
	GPtrArray *some = g_ptr_array_new();

	for (size_t i = 0; i < count; i++) {
		if (is_own(list[i]) == own && (list[i][0] == '!') == excluded) {
			g_ptr_array_add(some, g_strdup(list[i] + excluded));
		}
	}
	g_ptr_array_add(some, NULL);
	return (GStrv)g_ptr_array_free(some, FALSE);
}

struct pattern *pattern_new(const char *const *patterns, size_t count, unsigned flags,
			    const char **ret_reason, size_t *ret_at)
{
	size_t at;
	const char *reason = objection(patterns, count, &at);
	struct pattern *p;

	if (reason) {
		*ret_reason = reason;
		*ret_at = at;
		return NULL;
	}
	p = g_new0(struct pattern, 1);
	p->flags = flags;
	p->include = pick(patterns, count, false, false);
	p->exclude = pick(patterns, count, false, true);
	p->own_include = pick(patterns, count, true, false);
	p->own_exclude = pick(patterns, count, true, true);
	return p;
}

void pattern_free(struct pattern *pattern)
{
	if (!pattern) {
		return;
	}
	g_strfreev(pattern->include);
	g_strfreev(pattern->exclude);
	g_strfreev(pattern->own_include);
	g_strfreev(pattern->own_exclude);
	g_free(pattern);
}

static bool any(GStrv list, const char *name)
{
	for (size_t i = 0; list[i]; i++) {
		if (pattern_glob(list[i], name)) {
			return true;
		}
	}
	return false;
}

bool pattern_match(const struct pattern *p, const char *name)
{
	const char *colon = strchr(name, ':');
	char variable[128];

	if (g_str_has_prefix(name, OWN)) {
		return !any(p->own_exclude, name) && any(p->own_include, name);
	}
	if ((p->flags & PATTERN_JUNO) && colon && (size_t)(colon - name) < sizeof(variable) - 3) {
		g_snprintf(variable, sizeof(variable), "%.*s:*", (int)(colon - name), name);
		name = variable;
	}
	if (any(p->exclude, name)) {
		return false;
	}
	return any(p->include, name) || (!p->include[0] && p->exclude[0]);
}

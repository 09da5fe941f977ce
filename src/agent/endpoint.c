/* SPDX-License-Identifier: Apache-2.0 */
/* Which hypervisors are metered, and by what they are configured.  Main thread; blocks on nothing. */
#include "agent/endpoint.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "agent/plan.h"
#include "base/arena.h"

#define OPTION "hypervisor_inspector"

/* What follows the colon, or NULL. */
static const char *suffix_of(const char *name)
{
	const char *colon = strchr(name, ':');

	return colon ? colon + 1 : NULL;
}

static bool is_name(const char *name)
{
	size_t len =
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");

	return len > 0 && (name[len] == '\0' || (name[len] == ':' && !strchr(name + len + 1, ':') &&
						 is_name(name + len + 1)));
}

static int check(const char *const *names, const struct ini *ini, struct problems *problems)
{
	const struct ini_value *v = ini_find(ini, NULL, OPTION, NULL);
	const struct position *at = v ? &v->value_at : NULL;

	if (!names[0]) {
		problems_add(problems, PROBLEM_ERROR, at, OPTION ": names none; write libvirt");
		return -EINVAL;
	}
	for (size_t i = 0; names[i]; i++) {
		if (!is_name(names[i])) {
			problems_add(problems, PROBLEM_ERROR, at,
				     OPTION ": %s: write INSPECTOR or INSPECTOR:NAME, of letters, "
					    "digits, '_', '.' and '-'",
				     names[i]);
			return -EINVAL;
		}
		for (size_t k = 0; k < i; k++) {
			if (g_ascii_strcasecmp(names[i], names[k]) == 0) {
				problems_add(problems, PROBLEM_ERROR, at,
					     OPTION ": names %s twice; give each a name, as in "
						    "%.*s:NAME",
					     names[i], (int)strcspn(names[i], ":"), names[i]);
				return -EINVAL;
			}
		}
	}
	return 0;
}

static void make(struct endpoints *e, struct endpoint *to, const char *name, const char *discovery,
		 const struct settings *settings, const struct ini *ini)
{
	const char *suffix = suffix_of(name);

	to->name = arena_strdup(e->arena, name);
	to->inspector = arena_strndup(e->arena, name, strcspn(name, ":"));
	to->discovery =
		arena_strdup(e->arena, discovery ? discovery : plan_discovery_of(to->inspector));
	to->joined = plan_joined_of(to->discovery, settings);
	to->lookups = plan_lookups_of(to->discovery, settings, ini);
	to->ini = ini;
	if (suffix) {
		to->ini = e->own[e->owns++] = ini_overlay(ini, suffix);
	}
}

int endpoints_init(struct endpoints *e, const char *const *names, const char *discovery,
		   const struct settings *settings, const struct ini *ini,
		   struct problems *problems)
{
	size_t count = g_strv_length((char **)(uintptr_t)names);
	int ret = check(names, ini, problems);

	*e = (struct endpoints){ .arena = arena_new(1024), .own = g_new0(struct ini *, count + 1) };
	e->at = ARENA_ARRAY(e->arena, struct endpoint, count + 1);
	for (size_t i = 0; ret == 0 && i < count; i++) {
		make(e, &e->at[i], names[i], discovery, settings, ini);
		e->at[i].first = i == 0;
		e->count++;
	}
	return ret;
}

void endpoints_fini(struct endpoints *e)
{
	for (size_t i = 0; i < e->owns; i++) {
		ini_free(e->own[i]);
	}
	g_free(e->own);
	arena_free(e->arena);
	*e = (struct endpoints){ 0 };
}

static bool has_suffix(const struct endpoints *e, const char *suffix)
{
	bool has = false;

	for (size_t i = 0; i < e->count && !has; i++) {
		const char *own = suffix_of(e->at[i].name);

		has = own && g_ascii_strcasecmp(own, suffix) == 0;
	}
	return has;
}

void endpoints_vet_sections(const struct endpoints *e, const struct ini *ini,
			    struct problems *problems)
{
	for (size_t i = 0; i < ini_count(ini); i++) {
		const struct ini_value *v = ini_at(ini, i);
		const char *suffix = suffix_of(v->group);

		if (suffix && v->at.line > 0 && !has_suffix(e, suffix)) {
			problems_add(problems, PROBLEM_WARNING, &v->at,
				     "[%s] %s: " OPTION " names no INSPECTOR:%s, ignored", v->group,
				     v->name, suffix);
		}
	}
}

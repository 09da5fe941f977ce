/* SPDX-License-Identifier: Apache-2.0 */
/*
 * $name, ${group.name}, $$ and \$ in values, as oslo_config.cfg's templates have them: a name without
 * group is looked for in the value's own group, then in [DEFAULT].  What follows a '$' and is no name
 * stays as it is.  Any thread; blocks on nothing.
 */
#include <string.h>

#include "conf/ini_private.h"
#include "conf/option.h"

enum { DEPTH_MAX = 16 };

struct substitution {
	const struct ini *ini;
	const struct ini_value *value; /* the outermost: where faults are told */
	struct problems *problems;
	unsigned depth;
};

static bool expand(struct substitution *s, const char *group, const char *text, struct buf *out);

static bool is_first(char c)
{
	return c == '_' || g_ascii_isalpha(c);
}

static size_t name_length(const char *p)
{
	size_t n = 0;

	if (is_first(p[0])) {
		while (is_first(p[n]) || g_ascii_isdigit(p[n]) || p[n] == '.') {
			n++;
		}
	}
	return n;
}

static const struct vmt_option *known(const struct ini *ini, const char *group, const char *name)
{
	for (size_t i = 0; i < ini->tables->len; i++) {
		const struct vmt_option *o = g_ptr_array_index(ini->tables, i);

		for (; o->name; o++) {
			if (strcmp(option_group(o), group) == 0 && strcmp(o->name, name) == 0) {
				return o;
			}
		}
	}
	return NULL;
}

/* One name of one group: 1 found, 0 not, -1 a fault was told. */
static int lookup(struct substitution *s, const char *group, const char *name, struct buf *out)
{
	const struct vmt_option *o = known(s->ini, group, name);
	const struct ini_value *v = ini_find(s->ini, group, name, o ? o->deprecated : NULL);

	if (v) {
		return expand(s, v->group, v->text, out) ? 1 : -1;
	}
	if (o && !o->def && s->ini->host && strcmp(group, "DEFAULT") == 0 &&
	    strcmp(name, "host") == 0) {
		buf_puts(out, s->ini->host);
		return 1;
	}
	if (o) {
		return !o->def || expand(s, group, o->def, out) ? 1 : -1;
	}
	return 0;
}

static bool replace(struct substitution *s, const char *group, const char *name, size_t n,
		    struct buf *out)
{
	char *full = g_strndup(name, n);
	char *dot = strchr(full, '.');
	int found = 0;

	if (dot) {
		char *in = strncmp(full, "DEFAULT.", 8) == 0 ? g_strdup("DEFAULT")
							     : g_ascii_strdown(full, dot - full);

		found = lookup(s, in, dot + 1, out);
		g_free(in);
	} else {
		found = lookup(s, group, full, out);
		if (found == 0 && strcmp(group, "DEFAULT") != 0) {
			found = lookup(s, "DEFAULT", full, out);
		}
	}
	if (found == 0) {
		problems_add(
			s->problems, PROBLEM_ERROR, &s->value->value_at,
			"%s: $%s: no such option, or one that is not set; write $$ for a dollar sign",
			s->value->name, full);
	}
	g_free(full);
	return found > 0;
}

/* What begins with the '$' at `p`: adds its meaning, answers how much of the text it was; 0 for a
 * fault. */
static size_t dollar(struct substitution *s, const char *group, const char *p, struct buf *out)
{
	bool brace = p[1] == '{';
	size_t n = name_length(p + 1 + brace);

	if (p[1] == '$') {
		buf_putc(out, '$');
		return 2;
	}
	if (n == 0 || (brace && p[2 + n] != '}')) {
		buf_putc(out, '$');
		return 1;
	}
	if (!replace(s, group, p + 1 + brace, n, out)) {
		return 0;
	}
	return 1 + n + 2 * (size_t)brace;
}

static bool expand(struct substitution *s, const char *group, const char *text, struct buf *out)
{
	if (s->depth == DEPTH_MAX) {
		problems_add(s->problems, PROBLEM_ERROR, &s->value->value_at,
			     "%s: refers to itself, or through more than %d others; write it out",
			     s->value->name, DEPTH_MAX);
		return false;
	}
	s->depth++;
	while (*text) {
		size_t n = strcspn(text, "$\\");

		buf_add(out, text, n);
		text += n;
		if (out->len > INI_TEXT_MAX) {
			problems_add(s->problems, PROBLEM_ERROR, &s->value->value_at,
				     "%s: longer than %d bytes; shorten it", s->value->name,
				     INI_TEXT_MAX);
			return false;
		}
		if (*text == '\\') {
			buf_putc(out, text[1] == '$' ? '$' : '\\');
			text += text[1] == '$' ? 2 : 1;
		} else if (*text == '$') {
			n = dollar(s, group, text, out);
			if (n == 0) {
				return false;
			}
			text += n;
		}
	}
	s->depth--;
	return true;
}

const char *ini_substitute(const struct ini *ini, const struct ini_value *value,
			   struct arena *arena, struct problems *problems)
{
	struct substitution s = { .ini = ini, .value = value, .problems = problems };
	struct buf out = BUF_INIT;
	const char *text = NULL;

	if (!strchr(value->text, '$')) {
		return arena_strdup(arena, value->text);
	}
	if (expand(&s, value->group, value->text, &out)) {
		text = arena_strndup(arena, out.data, out.len);
	}
	buf_fini(&out);
	return text;
}

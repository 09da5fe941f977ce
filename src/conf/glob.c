/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One shell pattern against one name, as Python's fnmatch.fnmatchcase has it, which Ceilometer uses: no
 * escapes, no classes, a '[' without ']' is itself, the same in every locale.  Not fnmatch(3), which
 * differs in each of these and takes exponential time for many stars.  Any thread; blocks on nothing.
 */
#include <glib.h>
#include <string.h>

#include "conf/pattern.h"

/* The character at `p`, and where the next one begins; a byte that is no UTF-8 is a character by itself. */
static gunichar take(const char *p, const char **ret_next)
{
	gunichar c = (unsigned char)*p < 0x80 ? (gunichar)*p : g_utf8_get_char_validated(p, -1);

	if (c >= (gunichar)-2) {
		*ret_next = p + 1;
		return 0x110000 + (unsigned char)*p;
	}
	*ret_next = g_utf8_next_char(p);
	return c;
}

/* The ']' of the set that begins at `p` (a '['), or NULL when it is a plain character. */
static const char *set_end(const char *p)
{
	p++;
	p += *p == '!';
	p += *p == ']'; /* the first one belongs to the set */
	return strchr(p, ']');
}

static bool in_set(const char *p, const char *end, gunichar c)
{
	bool negated = p[1] == '!', found = false;

	p += 1 + negated;
	while (p < end) {
		gunichar low = take(p, &p), high = low;

		if (*p == '-' && p + 1 < end) {
			high = take(p + 1, &p);
		}
		found = found || (low <= c && c <= high);
	}
	return found != negated;
}

/* Whether the one element at `glob` (no star) matches the character; where the next element begins. */
static bool one(const char *glob, gunichar c, const char **ret_next)
{
	const char *end = *glob == '[' ? set_end(glob) : NULL;
	gunichar wanted;

	if (end) {
		*ret_next = end + 1;
		return in_set(glob, end, c);
	}
	wanted = take(glob, ret_next);
	return *glob == '?' || wanted == c;
}

bool pattern_glob(const char *glob, const char *text)
{
	const char *after_star = NULL, *resume = NULL; /* of the last star */

	while (*text) {
		const char *next, *after;
		gunichar c = take(text, &after);

		if (*glob == '*') {
			after_star = ++glob;
			resume = text;
		} else if (*glob && one(glob, c, &next)) {
			glob = next;
			text = after;
		} else if (after_star) {
			glob = after_star;
			take(resume, &resume);
			text = resume;
		} else {
			return false;
		}
	}
	while (*glob == '*') {
		glob++;
	}
	return *glob == '\0';
}

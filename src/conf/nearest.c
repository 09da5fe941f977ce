/* SPDX-License-Identifier: Apache-2.0 */
/* Edit distance between names.  Any thread; blocks on nothing. */
#include "conf/nearest.h"

#include <glib.h>
#include <string.h>

enum { WORD_MAX = 64 }; /* longer words are no names */

static char fold(char c)
{
	return c == '-' ? '_' : g_ascii_tolower(c);
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Optimal string alignment, row by row. */
static unsigned distance(const char *a, size_t n, const char *b, size_t m)
{
	unsigned row[3][WORD_MAX + 1];
	unsigned *before = row[0], *last = row[1], *now = row[2];

	for (size_t j = 0; j <= m; j++) {
		before[j] = last[j] = (unsigned)j;
	}
	for (size_t i = 1; i <= n; i++) {
		unsigned *spare = before;

		now[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			char x = fold(a[i - 1]), y = fold(b[j - 1]);

			now[j] = least(least(last[j], now[j - 1]) + 1, last[j - 1] + (x != y));
			if (i > 1 && j > 1 && x == fold(b[j - 2]) && fold(a[i - 2]) == y) {
				now[j] = least(now[j], before[j - 2] + 1);
			}
		}
		before = last;
		last = now;
		now = spare;
	}
	return last[m];
}

const char *conf_nearest(const char *word, const char *const *names)
{
	size_t n = strlen(word);
	const char *best = NULL;
	unsigned best_distance = 0;

	if (n == 0 || n > WORD_MAX) {
		return NULL;
	}
	for (; *names; names++) {
		size_t m = strlen(*names);
		size_t longer = n > m ? n : m;
		unsigned d;

		if (m > WORD_MAX) {
			continue;
		}
		d = distance(word, n, *names, m);
		if (d * 3 <= longer && (!best || d < best_distance)) {
			best = *names;
			best_distance = d;
		}
	}
	return best;
}

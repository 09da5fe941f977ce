/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patterns of meters, as sources of a pipeline have them: shell wildcards *, ?, [abc], [a-z], [!abc],
 * case-sensitive; a leading '!' excludes.  A name is taken when no exclusion matches it and either an
 * inclusion matches or all patterns are exclusions.
 *
 * Names that begin with "vm." are our own: only inclusions that begin with "vm." take them.
 *
 * Immutable; any thread; blocks on nothing.
 */
#ifndef CONF_PATTERN_H
#define CONF_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

struct pattern;

enum pattern_flags {
	PATTERN_JUNO = 1, /* a name with a colon is matched as "<what is before it>:*" */
};

/* Copies the patterns.  NULL when they cannot stand together: *ret_reason is a constant text
 * ("Included meters specified with wildcard"), *ret_at the index it speaks of (0 for all of them). */
struct pattern *pattern_new(const char *const *patterns, size_t count, unsigned flags,
			    const char **ret_reason, size_t *ret_at);
void pattern_free(struct pattern *pattern);

bool pattern_match(const struct pattern *pattern, const char *name);

/* One wildcard pattern, '!' not special. */
bool pattern_glob(const char *glob, const char *text);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean": the word of a list that a mistyped one most likely stood for.  Any thread. */
#ifndef CONF_NEAREST_H
#define CONF_NEAREST_H

/* The nearest of `names` (NULL-terminated) by edit distance (insert, delete, replace, swap of two
 * neighbours; case and '-'/'_' count nothing), or NULL when none is near: more than a third of its
 * letters wrong.  Of equally near ones the first. */
const char *conf_nearest(const char *word, const char *const *names);

#endif

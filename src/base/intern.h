/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Process-wide interned strings, for vocabularies that configuration bounds (meter names, units, logger
 * names): equal text, equal pointer, for ever.  Never for what comes from outside.  Any thread; a
 * known string is found without a lock.
 */
#ifndef BASE_INTERN_H
#define BASE_INTERN_H

#include <stddef.h>

const char *intern(const char *s); /* NULL for NULL */
const char *intern_n(const char *s, size_t n); /* no zero byte among the n */
size_t intern_count(void);

#endif

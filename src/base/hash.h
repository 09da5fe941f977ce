/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A 64-bit hash for tables, digests and phases: fast, well mixed, the same on every machine and in every
 * release (it is stored).  Not for security.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t hash64(const void *p, size_t n, uint64_t seed);

#endif

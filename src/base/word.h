/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eight bytes as a word, the same on every machine.  Pure; any thread.
 */
#ifndef BASE_WORD_H
#define BASE_WORD_H

#include <stdint.h>
#include <string.h>

/* The eight bytes at `p`, which need no alignment, the first of them the lowest. */
static inline uint64_t load64(const void *p)
{
	uint64_t word;

	memcpy(&word, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

#endif

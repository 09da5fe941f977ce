/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What JSON's reader and writer look for in eight bytes of a string at once.  Pure; any thread.
 */
#ifndef WIRE_JSON_WORD_H
#define WIRE_JSON_WORD_H

#include <stdint.h>

#define EVERY(byte) (UINT64_C(0x0101010101010101) * (byte))

/* 0x80 for each byte that is '"', '\\' or below a space.  Those behind the first may be marked by a borrow, too; none before
 * it is. */
static inline uint64_t json_specials(uint64_t word)
{
	uint64_t quote = word ^ EVERY('"'), slash = word ^ EVERY('\\');

	return (((word - EVERY(0x20)) & ~word) | ((quote - EVERY(1)) & ~quote) |
		((slash - EVERY(1)) & ~slash)) &
	       EVERY(0x80);
}

#endif

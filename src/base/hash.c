/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns hash64(): 16 bytes a step, folded by a 64 x 64 -> 128 bit product; the loads are little-endian
 * whatever the machine.  Any thread; blocks on nothing.
 */
#include "base/hash.h"
#include "base/word.h"

#include <string.h>

/* Odd constants without pattern: fractions of the square roots of 2, 3, 5 and 7. */
#define K0 UINT64_C(0x6a09e667f3bcc909)
#define K1 UINT64_C(0xbb67ae8584caa73b)
#define K2 UINT64_C(0x3c6ef372fe94f82b)
#define K3 UINT64_C(0xa54ff53a5f1d36f1)

__extension__ typedef unsigned __int128 wide;

static uint64_t fold(uint64_t a, uint64_t b)
{
	wide r = (wide)a * b;

	return (uint64_t)r ^ (uint64_t)(r >> 64);
}

/* Up to 16 bytes as two words; the length is mixed in elsewhere. */
static void load_tail(const unsigned char *p, size_t n, uint64_t *a, uint64_t *b)
{
	unsigned char last[16] = { 0 };

	memcpy(last, p, n);
	*a = load64(last);
	*b = load64(last + 8);
}

uint64_t hash64(const void *data, size_t n, uint64_t seed)
{
	const unsigned char *p = data;
	uint64_t h = fold(seed ^ K0, (uint64_t)n ^ K1);
	uint64_t a = 0, b = 0;
	size_t left = n;

	for (; left > 16; left -= 16, p += 16) {
		h = fold(load64(p) ^ K2 ^ h, load64(p + 8) ^ K3) + h;
	}
	if (left) {
		load_tail(p, left, &a, &b);
	}
	h ^= fold(a ^ K1 ^ h, b ^ K2);
	return fold(h ^ K3, K0 ^ (h << 32 | h >> 32));
}

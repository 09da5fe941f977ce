/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What JSON's reader looks for in 64 bytes of a string at once, a bit for each byte, the first byte's the lowest.
 * Pure; any thread.  The words' way does on every machine; where there is SSE2, which every x86-64 has, it takes a
 * third of the time.
 */
#ifndef WIRE_JSON_BLOCK_H
#define WIRE_JSON_BLOCK_H

#include "base/word.h"
#include "wire/json_word.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { JSON_BLOCK = 64 };

/* 0x80 for each byte that is 0, and for no other. */
static inline uint64_t json_zeros(uint64_t word)
{
	return ~(((word & EVERY(0x7f)) + EVERY(0x7f)) | word | EVERY(0x7f));
}

/* The marks of eight bytes as eight bits. */
static inline uint64_t json_gather(uint64_t marks)
{
	return (marks >> 7) * UINT64_C(0x0102040810204080) >> 56;
}

static inline uint64_t json_block_ends_by_words(const char *at)
{
	uint64_t bits = 0;

	for (int i = 0; i < JSON_BLOCK; i += 8) {
		uint64_t word = load64(at + i);

		bits |= json_gather(json_zeros(word ^ EVERY('"')) | json_zeros(word ^ EVERY('\\')) |
				    json_zeros(word & EVERY(0xe0)))
			<< i;
	}
	return bits;
}

static inline uint64_t json_block_escapes_by_words(const char *at)
{
	uint64_t bits = 0;

	for (int i = 0; i < JSON_BLOCK; i += 8) {
		bits |= json_gather(json_zeros(load64(at + i) ^ EVERY('\\'))) << i;
	}
	return bits;
}

#ifdef __SSE2__

/* Which bytes end a run of plain ones: '"', '\\' and those below a space. */
static inline uint64_t json_block_ends(const char *at)
{
	const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'),
		      control = _mm_set1_epi8(0x1f);
	uint64_t bits = 0;

	for (int i = 0; i < JSON_BLOCK; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(at + i));
		__m128i is = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote),
						       _mm_cmpeq_epi8(v, slash)),
					  _mm_cmpeq_epi8(_mm_min_epu8(v, control), v));

		bits |= (uint64_t)(unsigned)_mm_movemask_epi8(is) << i;
	}
	return bits;
}

/* Which bytes are '\\'. */
static inline uint64_t json_block_escapes(const char *at)
{
	const __m128i slash = _mm_set1_epi8('\\');
	uint64_t bits = 0;

	for (int i = 0; i < JSON_BLOCK; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(at + i));

		bits |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, slash)) << i;
	}
	return bits;
}

#else

static inline uint64_t json_block_ends(const char *at)
{
	return json_block_ends_by_words(at);
}

static inline uint64_t json_block_escapes(const char *at)
{
	return json_block_escapes_by_words(at);
}

#endif

#endif

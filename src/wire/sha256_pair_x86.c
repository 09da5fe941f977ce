/* SPDX-License-Identifier: Apache-2.0 */
/* By the SHA extensions of x86.  Any thread; blocks on nothing. */
#include "wire/sha256_pair.h"

#include <cpuid.h>
#include <immintrin.h>

#define SHA __attribute__((target("sha,sse4.1")))
#define SHA_INLINE SHA __attribute__((always_inline)) static inline

enum { LEAF_FEATURES = 1, LEAF_EXTENDED = 7, BIT_SHA = 1 << 29, LANES = 2, STEPS = 4 };

/* FIPS 180-4, 4.2.2 */
static const uint32_t constants[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2
};

/* The state as the instructions want it, and the sixteen words of the schedule in hand. */
struct lane {
	__m128i abef, cdgh, word[4];
};

SHA_INLINE void load(struct lane *l, const struct sha256_state *state)
{
	__m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state->word), 0xb1);
	__m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state->word + 1), 0x1b);

	l->abef = _mm_alignr_epi8(cdab, efgh, 8);
	l->cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);
}

SHA_INLINE void store(const struct lane *l, struct sha256_state *state)
{
	__m128i feba = _mm_shuffle_epi32(l->abef, 0x1b);
	__m128i dchg = _mm_shuffle_epi32(l->cdgh, 0xb1);

	_mm_storeu_si128((__m128i *)state->word, _mm_blend_epi16(feba, dchg, 0xf0));
	_mm_storeu_si128((__m128i *)state->word + 1, _mm_alignr_epi8(dchg, feba, 8));
}

/* The block's words, which are big-endian in the text. */
SHA_INLINE void take(struct lane *l, const unsigned char *text)
{
	const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);

	for (int i = 0; i < STEPS; i++) {
		l->word[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)text + i), swap);
	}
}

/* Words i to i + 3 of the schedule (i: a multiple of four, modulo 16) make way for those sixteen later. */
SHA_INLINE void extend(struct lane *l, int i)
{
	__m128i *w = l->word, last = w[(i + 3) % 4];
	__m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w[i], w[(i + 1) % 4]),
				    _mm_alignr_epi8(last, w[(i + 2) % 4], 4));

	w[i] = _mm_sha256msg2_epu32(sum, last);
}

/* Four rounds. */
SHA_INLINE void four(struct lane *l, int i, __m128i k)
{
	__m128i w = _mm_add_epi32(l->word[i], k);

	l->cdgh = _mm_sha256rnds2_epu32(l->cdgh, l->abef, w);
	l->abef = _mm_sha256rnds2_epu32(l->abef, l->cdgh, _mm_shuffle_epi32(w, 0x0e));
}

SHA_INLINE void first(struct lane l[LANES], int i)
{
	__m128i k = _mm_loadu_si128((const __m128i *)constants + i);

	four(&l[0], i, k);
	four(&l[1], i, k);
}

SHA_INLINE void later(struct lane l[LANES], int i, const uint32_t *k)
{
	__m128i four_k = _mm_loadu_si128((const __m128i *)k + i);

	extend(&l[0], i);
	extend(&l[1], i);
	four(&l[0], i, four_k);
	four(&l[1], i, four_k);
}

SHA_INLINE void rounds(struct lane l[LANES])
{
	first(l, 0);
	first(l, 1);
	first(l, 2);
	first(l, 3);
	for (const uint32_t *k = constants + 16; k < constants + 64; k += 16) {
		later(l, 0, k);
		later(l, 1, k);
		later(l, 2, k);
		later(l, 3, k);
	}
}

bool sha256_pair_here(void)
{
	unsigned a, b, c, d;

	return __get_cpuid(LEAF_FEATURES, &a, &b, &c, &d) && (c & bit_SSE4_1) && (c & bit_SSSE3) &&
	       __get_cpuid_count(LEAF_EXTENDED, 0, &a, &b, &c, &d) && (b & BIT_SHA);
}

SHA void sha256_pair(struct sha256_states *states, const unsigned char *const text[2],
		     size_t blocks)
{
	struct lane l[LANES];

	for (int j = 0; j < LANES; j++) {
		load(&l[j], &states->of[j]);
	}
	for (size_t at = 0; at < blocks * SHA256_BLOCK; at += SHA256_BLOCK) {
		struct lane before[LANES] = { l[0], l[1] };

		take(&l[0], text[0] + at);
		take(&l[1], text[1] + at);
		rounds(l);
		for (int j = 0; j < LANES; j++) {
			l[j].abef = _mm_add_epi32(l[j].abef, before[j].abef);
			l[j].cdgh = _mm_add_epi32(l[j].cdgh, before[j].cdgh);
		}
	}
	for (int j = 0; j < LANES; j++) {
		store(&l[j], &states->of[j]);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the course of activity.  Any thread; blocks on nothing.
 *
 * Time is cut into blocks of 2^37 ns (137 s).  A block's activity is as long as the block; it is shared out
 * between its halves by a random share, these between theirs, and so on: five levels, down to 4.3 s, each
 * share found again from the key, so that nothing need be remembered.
 */
#include "plugins/simulated/activity.h"

#include <math.h>

enum { BLOCK_BITS = 37, LEVELS = 5, LEAF_BITS = BLOCK_BITS - LEVELS };

#define DAY_NS (INT64_C(86400) * 1000000000)
#define POINT_NS (INT64_C(120) * 1000000000)
#define TIDE 0.4 /* by how much the day is more, the night less */
#define TURN 6.283185307179586

__extension__ typedef unsigned __int128 wide;

uint64_t activity_mix(uint64_t a, uint64_t b)
{
	wide r = (wide)(a ^ UINT64_C(0x9e6c63d0876a46b5)) * (b ^ UINT64_C(0xd1b54a32d192ed03));
	uint64_t x = (uint64_t)r ^ (uint64_t)(r >> 64);

	r = (wide)(x ^ b) * UINT64_C(0x8bb84b93962eacc9);
	return (uint64_t)r ^ (uint64_t)(r >> 64);
}

static int64_t tide(uint64_t key, int64_t t)
{
	double phase = (double)(key >> 56) / 256;
	double day = (double)(t % DAY_NS) / (double)DAY_NS;

	return t + (int64_t)floor(TIDE * (double)DAY_NS / TURN * (1 + sin(TURN * (day + phase))));
}

int64_t activity_at(uint64_t key, double spread, int64_t time_ns)
{
	uint64_t t = (uint64_t)tide(key, time_ns), block = t >> BLOCK_BITS;
	uint64_t from = block << BLOCK_BITS, off = t - from, width = UINT64_C(1) << BLOCK_BITS;
	uint64_t range = (uint64_t)(spread * 131072), node = 1;

	for (int bits = BLOCK_BITS - 1; bits >= LEAF_BITS; bits--) {
		uint64_t random = activity_mix(key + node, block) & 0xffff;
		uint64_t share = 32768 - range / 2 + (random * range >> 16); /* of 65536 */
		uint64_t left = width * share >> 16, half = UINT64_C(1) << bits;

		if (off < half) {
			width = left;
			node = 2 * node;
		} else {
			from += left;
			width -= left;
			off -= half;
			node = 2 * node + 1;
		}
	}
	return (int64_t)(from + (uint64_t)((wide)width * off >> LEAF_BITS));
}

double activity_peak(double spread)
{
	return (1 + TIDE) * pow(1 + 2 * spread, LEVELS);
}

double activity_level(uint64_t key, int64_t time_ns)
{
	uint64_t point = (uint64_t)(time_ns / POINT_NS);
	double a = (double)(activity_mix(key, point) >> 40) / (1 << 24);
	double b = (double)(activity_mix(key, point + 1) >> 40) / (1 << 24);

	return a + (b - a) * (double)(time_ns % POINT_NS) / (double)POINT_NS;
}

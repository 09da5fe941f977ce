/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hash: stable values, no dependence on alignment, mixing.  One thread.
 */
#include "base/hash.h"

#include <glib.h>
#include <string.h>

/* Written down at the first release: they are stored (phases, digests) and must never change. */
static const struct {
	const char *text;
	uint64_t seed, hash;
} vectors[] = {
	{ "", 0, UINT64_C(0xe46fb469e7acc112) },
	{ "a", 1, UINT64_C(0x8d1ef64298d2c89b) },
	{ "host-1", 2, UINT64_C(0x0483acedad01a55e) },
	{ "0123456789abcdef", 3, UINT64_C(0x7fbaa51b8c0ca608) },
	{ "0123456789abcdefg", 4, UINT64_C(0xa60bd22e0bcb3376) },
	{ "disk.device.read.bytes of instance-0000002a", 5, UINT64_C(0xdf432b9f349cd9ba) },
};

static void test_stable(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(vectors); i++) {
		uint64_t h = hash64(vectors[i].text, strlen(vectors[i].text), vectors[i].seed);

		g_assert_cmphex(h, ==, vectors[i].hash);
	}
}

static void test_unaligned(void)
{
	char space[128];

	for (size_t n = 0; n < 64; n++) {
		uint64_t first = 0;

		for (size_t at = 0; at < 16; at++) {
			memset(space, 'x', sizeof(space));
			for (size_t i = 0; i < n; i++) {
				space[at + i] = (char)i;
			}
			if (!at) {
				first = hash64(space, n, 5);
			}
			g_assert_cmphex(hash64(space + at, n, 5), ==, first);
		}
	}
}

/* Every input bit changes about half of the output bits. */
static void test_avalanche(void)
{
	for (size_t n = 1; n <= 40; n++) {
		unsigned char p[40] = { 0 };
		unsigned sum = 0;

		for (size_t bit = 0; bit < 8 * n; bit++) {
			uint64_t before = hash64(p, n, 0), change;

			p[bit / 8] ^= (unsigned char)(1 << bit % 8);
			change = before ^ hash64(p, n, 0);
			p[bit / 8] ^= (unsigned char)(1 << bit % 8);
			g_assert_cmpint(__builtin_popcountll(change), >, 8);
			sum += (unsigned)__builtin_popcountll(change);
		}
		g_assert_cmpuint(sum / (8 * n), >, 27);
		g_assert_cmpuint(sum / (8 * n), <, 37);
	}
}

static void test_no_collision(void)
{
	GHashTable *seen = g_hash_table_new(g_int64_hash, g_int64_equal);
	uint64_t *h = g_new(uint64_t, 200000);

	for (uint32_t i = 0; i < 100000; i++) {
		unsigned char zeros[64] = { 0 };

		h[2 * i] = hash64(&i, sizeof(i), 0);
		h[2 * i + 1] = hash64(zeros, i % 64, i); /* lengths and seeds count, zeros or not */
		g_assert_true(g_hash_table_add(seen, &h[2 * i]));
		g_assert_true(g_hash_table_add(seen, &h[2 * i + 1]));
	}
	g_hash_table_destroy(seen);
	g_free(h);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/hash/stable", test_stable);
	g_test_add_func("/hash/unaligned", test_unaligned);
	g_test_add_func("/hash/avalanche", test_avalanche);
	g_test_add_func("/hash/no-collision", test_no_collision);
	return g_test_run();
}

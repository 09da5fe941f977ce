/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the row numbers that are remembered: series by resource and meter, which a hash must keep apart.
 */
#include "ids.h"

enum { RESOURCES = 1000, METERS = 60 };

static uint64_t key_of(uint32_t resource, uint32_t meter)
{
	return (uint64_t)resource << 32 | meter;
}

/* Few numbers of both, but as many values as pairs: by chance 60000 of 2^32 have less than one in common. */
static void test_hash(void)
{
	GHashTable *values = g_hash_table_new(g_direct_hash, g_direct_equal);
	uint64_t key, again;

	for (uint32_t r = 1; r <= RESOURCES; r++) {
		for (uint32_t m = 1; m <= METERS; m++) {
			key = again = key_of(r, m);
			g_assert_cmpuint(pgids_series_hash(&key), ==, pgids_series_hash(&again));
			g_hash_table_add(values, GUINT_TO_POINTER(pgids_series_hash(&key)));
		}
	}
	g_assert_cmpuint(g_hash_table_size(values), >, RESOURCES * METERS - 10);
	g_hash_table_destroy(values);
}

static void add(struct pgids *ids, uint32_t resource, uint32_t meter, uint32_t id)
{
	struct pgids_series *s = g_new0(struct pgids_series, 1);

	s->key = key_of(resource, meter);
	s->id = id;
	g_hash_table_add(ids->series, s);
}

static void test_series(void)
{
	struct pgids *ids = pgids_new();

	add(ids, 3, 7, 21);
	add(ids, 7, 3, 22);
	g_assert_cmpuint(pgids_series(ids, 3, 7)->id, ==, 21);
	g_assert_cmpuint(pgids_series(ids, 7, 3)->id, ==, 22);
	g_assert_null(pgids_series(ids, 3, 3));
	pgids_series_forget(ids, 3, 7);
	g_assert_null(pgids_series(ids, 3, 7));
	g_assert_cmpuint(pgids_series(ids, 7, 3)->id, ==, 22);
	pgids_clear(ids);
	g_assert_null(pgids_series(ids, 7, 3));
	pgids_free(ids);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/publisher/postgresql/ids/hash", test_hash);
	g_test_add_func("/publisher/postgresql/ids/series", test_series);
	return g_test_run();
}

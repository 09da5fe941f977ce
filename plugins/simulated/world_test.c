/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The population: the same again, found by UUID, replaced in time.  One thread, simulated clock.
 */
#include "base/clock.h"
#include "plugins/simulated/world.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#define START (INT64_C(1767225600) * NS_PER_S)
#define DAY (86400 * NS_PER_S)

static struct world *open_world(struct simulated_conf conf)
{
	struct world *w = NULL;

	g_assert_cmpint(world_open(&conf, &w, NULL), ==, 0);
	return w;
}

static void test_again(void)
{
	struct world *a =
		open_world((struct simulated_conf){ .instances = 50, .seed = 1, .stopped = 20 });
	struct world *b =
		open_world((struct simulated_conf){ .instances = 50, .seed = 1, .stopped = 20 });
	struct world *other = open_world((struct simulated_conf){ .instances = 50, .seed = 2 });
	GHashTable *ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	struct actor x, y;
	int stopped = 0;

	for (uint32_t i = 0; i < 50; i++) {
		g_assert_cmpint(world_actor(a, i, START, &x), ==, 0);
		g_assert_cmpint(world_actor(b, i, START + DAY, &y), ==, 0);
		g_assert_cmpstr(x.id, ==, y.id);
		g_assert_cmpuint(x.epoch, ==, y.epoch);
		g_assert_true(g_hash_table_add(ids, g_strdup(x.id)));
		g_assert_true(g_uuid_string_is_valid(x.id));
		g_assert_cmpint(world_find(a, x.id, START, &y), ==, 0);
		g_assert_cmpuint(y.slot, ==, i);
		g_assert_cmpint(world_find(other, x.id, START, &y), ==, -ENOENT);
		stopped += x.stopped;
	}
	g_assert_cmpint(stopped, ==, 10);
	g_assert_cmpint(world_actor(a, 50, START, &x), ==, -ENOENT);
	g_assert_cmpint(world_find(a, "not a uuid", START, &x), ==, -ENOENT);
	g_assert_cmpint(world_next_change(a, START), ==, INT64_MAX);
	g_hash_table_destroy(ids);
	world_close(a);
	world_close(b);
	world_close(other);
	world_close(NULL);
}

static void test_churn(void)
{
	struct world *w =
		open_world((struct simulated_conf){ .instances = 10, .seed = 1, .churn = 2 });
	int64_t now = START;
	int replaced = 0;
	struct actor before, after;

	while (now < START + 3 * DAY) {
		int64_t next = world_next_change(w, now);
		int changed = 0;

		g_assert_cmpint(next, >, now);
		for (uint32_t i = 0; i < 10; i++) {
			g_assert_cmpint(world_actor(w, i, now, &before), ==, 0);
			g_assert_cmpint(world_actor(w, i, next - 1, &after), ==, 0);
			g_assert_cmpstr(before.id, ==, after.id); /* nothing in between */
			g_assert_cmpint(world_actor(w, i, next, &after), ==, 0);
			if (strcmp(before.id, after.id) != 0) {
				g_assert_cmpint(after.boot_ns, ==, next);
				g_assert_cmpint(world_find(w, before.id, next, &after), ==,
						-ENOENT);
				changed++;
			}
		}
		g_assert_cmpint(changed, >, 0);
		replaced += changed;
		now = next;
	}
	g_assert_cmpint(replaced, >=, 60);
	g_assert_cmpint(replaced, <=, 61);
	world_close(w);
}

static void test_script(void)
{
	struct world *w = open_world((struct simulated_conf){
		.instances = 5,
		.seed = 1,
		.script = "+1h restart 2; +2h..+3h gone 1; +4h..+5h stop 0" });
	struct actor before, after;

	g_assert_cmpint(world_next_change(w, START), ==, START + 3600 * NS_PER_S);
	world_actor(w, 2, START, &before);
	world_actor(w, 2, START + 3600 * NS_PER_S, &after);
	g_assert_cmpstr(before.id, ==, after.id);
	g_assert_cmpuint(before.epoch, !=, after.epoch);
	g_assert_cmpint(after.boot_ns, ==, START + 3600 * NS_PER_S);
	g_assert_cmpint(world_actor(w, 1, START + 7200 * NS_PER_S, &after), ==, -ENOENT);
	g_assert_cmpint(world_actor(w, 1, START + 3 * 3600 * NS_PER_S, &after), ==, 0);
	world_actor(w, 0, START + 4 * 3600 * NS_PER_S, &after);
	g_assert_true(after.stopped);
	world_close(w);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	clock_simulate(START, 0);
	g_test_add_func("/world/again", test_again);
	g_test_add_func("/world/churn", test_churn);
	g_test_add_func("/world/script", test_script);
	return g_test_run();
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The ring against what tooz answered (tests/golden/ring). */
#include "agent/ring.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

static void check_line(const struct ring *ring, char *const *members, const char *line)
{
	char **field = g_strsplit(line, "\t", 2);

	g_assert_nonnull(field[1]);
	g_assert_cmpstr(ring_owner(ring, field[0]), ==, members[strtoul(field[1], NULL, 10)]);
	g_strfreev(field);
}

static void test_vectors(void)
{
	char *text, **line, **members = NULL;
	struct ring *ring = NULL;
	unsigned checked = 0;

	g_assert_true(g_file_get_contents(GOLDEN "/ring/vectors.txt", &text, NULL, NULL));
	line = g_strsplit(text, "\n", 0);
	for (size_t i = 1; line[i] && line[i + 1]; i++) {
		if (g_str_has_prefix(line[i], "ring\t")) {
			g_strfreev(members);
			ring_free(ring);
			members = g_strsplit(line[i] + strlen("ring\t"), "\t", 0);
			ring = ring_new((const char *const *)members, g_strv_length(members));
		} else {
			g_assert_nonnull(ring);
			check_line(ring, members, line[i]);
			checked++;
		}
	}
	g_assert_cmpuint(checked, ==, 7 * 105);
	ring_free(ring);
	g_strfreev(members);
	g_strfreev(line);
	g_free(text);
}

static void test_members(void)
{
	static const char *const some[] = { "b", "a", "b" }, *const other[] = { "a", "b", "c" };
	struct ring *none = ring_new(NULL, 0), *two = ring_new(some, 3),
		    *three = ring_new(other, 3), *same = ring_new(other, 2);

	g_assert_null(ring_owner(none, "x"));
	g_assert_cmpuint(ring_members(none), ==, 0);
	g_assert_false(ring_has(none, "a"));
	g_assert_cmpuint(ring_members(two), ==, 2);
	g_assert_true(ring_has(two, "a"));
	g_assert_false(ring_has(two, "c"));
	g_assert_true(ring_same(two, same));
	g_assert_false(ring_same(two, three));
	ring_free(none);
	ring_free(two);
	ring_free(three);
	ring_free(same);
	ring_free(NULL);
}

/* Who leaves hands over his own alone. */
static void test_leaving(void)
{
	static const char *const all[] = { "one", "two", "three" };
	struct ring *three = ring_new(all, 3), *two = ring_new(all, 2);
	unsigned moved = 0;

	for (unsigned i = 0; i < 1000; i++) {
		char key[16];
		const char *before, *after;

		g_snprintf(key, sizeof(key), "%u", i);
		before = ring_owner(three, key);
		after = ring_owner(two, key);
		if (strcmp(before, "three") == 0) {
			moved++;
		} else {
			g_assert_cmpstr(before, ==, after);
		}
	}
	g_assert_cmpuint(moved, >, 100);
	ring_free(three);
	ring_free(two);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/ring/vectors", test_vectors);
	g_test_add_func("/ring/members", test_members);
	g_test_add_func("/ring/leaving", test_leaving);
	return g_test_run();
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arena: alignment, reuse after a reset, large pieces.  One thread.
 */
#include "base/arena.h"

#include <glib.h>
#include <string.h>

static void test_aligned(void)
{
	struct arena *a = arena_new(256);
	char *before = NULL;

	for (size_t n = 0; n < 400; n++) {
		char *p = arena_alloc(a, n);

		g_assert_nonnull(p);
		g_assert_cmpuint((uintptr_t)p % ARENA_ALIGN, ==, 0);
		g_assert_true(p != before);
		memset(p, (int)n, n);
		before = p;
	}
	arena_free(a);
}

static void work(struct arena *a)
{
	for (int i = 0; i < 100; i++) {
		arena_alloc(a, (size_t)(i * 37 % 300));
		arena_alloc(a, i % 10 ? 8 : 5000);
	}
}

static void test_steady(void)
{
	struct arena *a = arena_new(1024);
	size_t bytes;

	work(a);
	arena_reset(a);
	work(a);
	bytes = arena_bytes(a);
	g_assert_cmpuint(bytes, >, 50000);
	for (int i = 0; i < 50; i++) {
		arena_reset(a);
		work(a);
	}
	g_assert_cmpuint(arena_bytes(a), ==, bytes);
	arena_free(a);
}

static void test_packed(void)
{
	struct arena *a = arena_new(64), *again;
	char *first = arena_strdup(a, "vda"), *second = arena_strdup(a, "vdb");

	g_assert_true(second == first + 4);
	g_assert_cmpuint((uintptr_t)arena_alloc(a, 8) % ARENA_ALIGN, ==, 0);
	for (int i = 0; i < 20; i++) {
		arena_strdup(a, "no less than it was");
	}
	g_assert_cmpuint(arena_given(a), <=, arena_bytes(a));
	again = arena_new(arena_given(a));
	arena_alloc(again, arena_given(a));
	g_assert_cmpuint(arena_bytes(again), <, arena_given(a) + 64); /* one block, with its head */
	arena_reset(a);
	g_assert_cmpuint(arena_given(a), ==, 0);
	arena_strdup(a, "vda");
	g_assert_cmpuint(arena_given(a), ==, 4);
	arena_free(again);
	arena_free(a);
}

static void test_text(void)
{
	struct arena *a = arena_new(32);
	int *numbers = ARENA_ARRAY(a, int, 1000);

	for (int i = 0; i < 1000; i++) {
		g_assert_cmpint(numbers[i], ==, 0);
	}
	g_assert_cmpstr(arena_strdup(a, "tap0"), ==, "tap0");
	g_assert_null(arena_strdup(a, NULL));
	g_assert_cmpstr(arena_strndup(a, "vda1", 3), ==, "vda");
	g_assert_cmpstr(arena_printf(a, "%s-%05d", "instance", 42), ==, "instance-00042");
	g_assert_cmpmem(arena_dup(a, "abc", 3), 3, "abc", 3);
	arena_free(a);
	arena_free(NULL);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/arena/aligned", test_aligned);
	g_test_add_func("/arena/steady", test_steady);
	g_test_add_func("/arena/packed", test_packed);
	g_test_add_func("/arena/text", test_text);
	return g_test_run();
}

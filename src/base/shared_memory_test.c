/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that plugins have in common. */
#include "base/shared_memory.h"
#include <glib.h>
#include <pthread.h>

enum { THREADS = 4, NAMES = 50, BEGIN = 1000 };

static void begin(void *memory)
{
	atomic_fetch_add((atomic_int *)memory, BEGIN);
}

static void *ask(void *arg)
{
	for (int i = 0; i < NAMES; i++) {
		char name[16];
		atomic_int *count;

		g_snprintf(name, sizeof(name), "test.%d", i);
		count = vmt_shared(name, sizeof(*count), begin);
		g_assert_nonnull(count);
		g_assert_cmpint(atomic_load(count), >=, BEGIN);
		atomic_fetch_add(count, 1);
	}
	return NULL;
}

/* Begun once, the same for all who ask at once. */
static void test_threads(void)
{
	pthread_t thread[THREADS];

	for (int i = 0; i < THREADS; i++) {
		g_assert_cmpint(pthread_create(&thread[i], NULL, ask, NULL), ==, 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
	}
	for (int i = 0; i < NAMES; i++) {
		atomic_int *count;
		char name[16];

		g_snprintf(name, sizeof(name), "test.%d", i);
		count = vmt_shared(name, sizeof(*count), begin);
		g_assert_cmpint(atomic_load(count), ==, BEGIN + THREADS);
	}
}

static void test_size(void)
{
	char *memory = vmt_shared("test.size", 100, NULL);

	for (int i = 0; i < 100; i++) {
		g_assert_cmpint(memory[i], ==, 0);
	}
	g_assert_null(vmt_shared("test.size", 101, NULL));
	g_assert_true(vmt_shared("test.size", 100, NULL) == memory);
	g_assert_true(vmt_shared("test.other", 100, NULL) != memory);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/base/shared-memory/threads", test_threads);
	g_test_add_func("/base/shared-memory/size", test_size);
	return g_test_run();
}

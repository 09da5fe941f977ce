/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interned strings, from several threads too.
 */
#include "base/intern.h"
#include "base/thread.h"

#include <glib.h>
#include <string.h>

enum { WORDS = 2000, THREADS = 4 };

static void test_equal(void)
{
	char copy[] = "disk.device.usage";
	const char *a = intern("disk.device.usage");

	g_assert_true(a == intern(copy));
	g_assert_true(a != copy);
	g_assert_true(a == intern_n("disk.device.usage.more", 17));
	g_assert_cmpstr(a, ==, copy);
	g_assert_true(intern("") == intern_n("x", 0));
	g_assert_null(intern(NULL));
}

static void *intern_all(void *data)
{
	const char **got = data;
	char word[32];

	for (int i = 0; i < WORDS; i++) {
		g_snprintf(word, sizeof(word), "word-%d", i);
		got[i] = intern(word);
	}
	return NULL;
}

static void test_threads(void)
{
	const char **got = g_new(const char *, WORDS *THREADS);
	size_t before = intern_count();
	pthread_t t[THREADS];
	char word[32];

	for (int i = 0; i < THREADS; i++) {
		g_assert_cmpint(thread_start(&t[i], "intern", intern_all, got + i * WORDS), ==, 0);
	}
	for (int i = 0; i < THREADS; i++) {
		thread_join(t[i]);
	}
	for (int i = 0; i < WORDS; i++) {
		g_snprintf(word, sizeof(word), "word-%d", i);
		g_assert_cmpstr(got[i], ==, word);
		for (int k = 1; k < THREADS; k++) {
			g_assert_true(got[k * WORDS + i] == got[i]);
		}
	}
	g_assert_cmpuint(intern_count() - before, ==, WORDS);
	g_free(got);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/intern/equal", test_equal);
	g_test_add_func("/intern/threads", test_threads);
	return g_test_run();
}

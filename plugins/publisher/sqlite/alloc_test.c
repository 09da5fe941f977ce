/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In steady state a publish takes nothing from the heap: the linker leads our calls of the allocator (not
 * those of SQLite) through the counters here.
 */
#include "../fixture.h"
#include "base/clock.h"
#include "store.h"

extern const struct vmt_plugin vmt_plugin_publisher_sqlite;

static unsigned calls;

#define WRAP(result, name, parameters, arguments)                                                  \
	result __real_##name parameters;                                                           \
	result __wrap_##name parameters;                                                           \
	result __wrap_##name parameters                                                            \
	{                                                                                          \
		calls++;                                                                           \
		return __real_##name arguments;                                                    \
	}

WRAP(void *, malloc, (size_t n), (n))
WRAP(void *, calloc, (size_t n, size_t m), (n, m))
WRAP(void *, realloc, (void *p, size_t n), (p, n))
WRAP(void *, g_malloc, (gsize n), (n))
WRAP(void *, g_malloc0, (gsize n), (n))
WRAP(void *, g_realloc, (void *p, gsize n), (p, n))
WRAP(void *, g_malloc_n, (gsize n, gsize m), (n, m))
WRAP(void *, g_malloc0_n, (gsize n, gsize m), (n, m))
WRAP(void *, g_realloc_n, (void *p, gsize n, gsize m), (p, n, m))
WRAP(char *, g_strdup, (const char *s), (s))

static void test_steady(void)
{
	const struct vmt_publisher_ops *ops = vmt_plugin_publisher_sqlite.ops.publisher;
	struct store_conf conf = { .synchronous = "off",
				   .page_cache = 1024,
				   .store_message_ids = true,
				   .time_to_live = 3600 };
	char *folder = fixture_folder(), *path = g_build_filename(folder, "samples.db", NULL);
	struct vmt_url url = { .text = path, .scheme = "sqlite", .host = "", .path = path };
	struct vmt_error error;
	struct vmt_call call;
	int64_t now = clock_real();
	struct fixture f;
	void *self;

	fixture_init(&f, 300, 30);
	g_assert_cmpint(ops->open(&conf, &url, false, &self, &error), ==, 0);
	for (uint32_t cycle = 0; cycle < 8; cycle++) {
		unsigned before;

		fixture_cycle(&f, cycle, now + cycle * 10 * NS_PER_S);
		call = fixture_call(60);
		before = calls;
		g_assert_cmpint(ops->publish(self, &f.frame, 1, &call, &error), ==, 0);
		if (cycle == 0) {
			g_assert_cmpuint(calls, >, before); /* the counters count */
		} else if (cycle > 1) {
			g_assert_cmpuint(calls, ==, before);
		}
	}
	g_assert_cmpuint(((struct store *)self)->counts.stored, ==, 8 * 300 * 30);
	ops->close(self);
	fixture_fini(&f);
	g_free(path);
	fixture_remove(folder);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/sqlite/alloc/steady", test_steady);
	return g_test_run();
}

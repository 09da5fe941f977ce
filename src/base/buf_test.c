/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growable bytes.  One thread.
 */
#include "base/buf.h"

#include <glib.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void test_grow(void)
{
	struct buf b = BUF_INIT;
	char *kept;

	g_assert_cmpstr(b.data, ==, "");
	buf_reset(&b);
	buf_add(&b, NULL, 0);
	g_assert_cmpuint(b.cap, ==, 0);
	for (int i = 0; i < 10000; i++) {
		buf_putc(&b, (char)('a' + i % 26));
		g_assert_cmpuint(b.data[b.len], ==, 0);
		g_assert_cmpuint(b.len, <, b.cap);
	}
	for (int i = 0; i < 10000; i++) {
		g_assert_cmpint(b.data[i], ==, 'a' + i % 26);
	}
	kept = b.data;
	buf_reset(&b);
	buf_puts(&b, "again");
	g_assert_true(b.data == kept);
	g_assert_cmpstr(b.data, ==, "again");
	buf_fini(&b);
	g_assert_cmpstr(b.data, ==, "");
	buf_fini(NULL);
}

/* KiB that the kernel may take back of the mapping which `address` is in (proc(5), smaps, LazyFree). */
static unsigned long lazy_free(const void *address)
{
	unsigned long at = (unsigned long)address, from = 0, to = 0, kib = 0;
	FILE *f = fopen("/proc/self/smaps", "re");
	char line[512];

	g_assert_nonnull(f);
	while (fgets(line, sizeof(line), f)) {
		unsigned long n;

		if (sscanf(line, "%lx-%lx ", &from, &to) < 2 && from <= at && at < to &&
		    sscanf(line, "LazyFree: %lu", &n) == 1) {
			kib += n;
		}
	}
	fclose(f);
	return kib;
}

static void test_lend(void)
{
	enum { LARGE = 1 << 20 };
	struct buf b = BUF_INIT;

	buf_lend(&b); /* the empty one, which is nobody's */
	g_assert_true(b.data == buf_empty);
	buf_puts(&b, "small");
	buf_lend(&b);
	g_assert_cmpstr(b.data, ==, "");
	memset(buf_reserve(&b, LARGE), 'x', LARGE);
	b.len = LARGE;
	buf_lend(&b);
	g_assert_cmpuint(b.len, ==, 0);
	g_assert_cmpstr(b.data, ==, "");
	g_assert_cmpuint(b.cap, >, LARGE);
	g_assert_cmpuint(lazy_free(b.data), >=,
			 LARGE / 1024 * 3 / 4); /* the kernel notes them some at a time */
	buf_puts(&b, "used again");
	g_assert_cmpstr(b.data, ==, "used again");
	buf_fini(&b);
}

/* Lengths around the free room, where an off-by-one would overwrite. */
static void test_exact(void)
{
	for (size_t n = 0; n < 200; n++) {
		struct buf b = BUF_INIT;
		char *p;

		buf_printf(&b, "%*s", (int)n, "");
		g_assert_cmpuint(b.len, ==, n);
		buf_printf(&b, "%s%d", "x", 7);
		g_assert_cmpstr(b.data + n, ==, "x7");
		memset(buf_reserve(&b, n), 'y', n);
		buf_commit(&b, n);
		g_assert_cmpuint(b.len, ==, 2 * n + 2);
		buf_consume(&b, n);
		g_assert_true(g_str_has_prefix(b.data, "x7"));
		p = buf_steal(&b);
		g_assert_cmpuint(strlen(p), ==, n + 2);
		g_assert_cmpuint(b.len, ==, 0);
		g_free(p);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/buf/grow", test_grow);
	g_test_add_func("/buf/lend", test_lend);
	g_test_add_func("/buf/exact", test_exact);
	return g_test_run();
}

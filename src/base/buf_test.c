/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growable bytes.  One thread.
 */
#include "base/buf.h"

#include <glib.h>
#include <stdint.h>

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
	g_test_add_func("/buf/exact", test_exact);
	return g_test_run();
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of memcached: whole, in pieces, and what is none. */
#include "reply.h"

#include <errno.h>
#include <string.h>

static const char answer[] = "VALUE virtmeter:1:k 0 7 18446744073709551615\r\nab\r\ncd \r\nEND\r\n";

static void test_value(void)
{
	struct mc_reply r;
	size_t len = strlen(answer);
	ssize_t n = mc_reply_parse(answer, len, &r);

	g_assert_cmpint(n, ==, (ssize_t)(len - strlen("END\r\n")));
	g_assert_true(mc_reply_is(&r, "VALUE"));
	g_assert_cmpmem(r.key, r.key_len, "virtmeter:1:k", 13);
	g_assert_cmpmem(r.value, r.value_len, "ab\r\ncd ", 7);
	g_assert_cmpuint(r.cas, ==, UINT64_MAX);
	g_assert_cmpint(mc_reply_parse(answer + n, len - (size_t)n, &r), ==, 5);
	g_assert_true(mc_reply_is(&r, "END"));
	g_assert_null(r.value);
	/* without a number for cas, as `get` answers */
	g_assert_cmpint(mc_reply_parse("VALUE k 0 1\r\n1\r\n", 16, &r), ==, 16);
	g_assert_cmpuint(r.value_len, ==, 1);
}

static void test_pieces(void)
{
	struct mc_reply r;

	for (size_t n = 0; n < strlen(answer) - strlen("END\r\n"); n++) {
		g_assert_cmpint(mc_reply_parse(answer, n, &r), ==, 0);
	}
}

static void test_nonsense(void)
{
	static const char *const bad[] = { "\n",
					   "STORED\n",
					   "VALUE k\r\n",
					   "VALUE k 0 x\r\n",
					   "VALUE k 0 -1\r\n",
					   "VALUE k 0 70000\r\n",
					   "VALUE k 0 99999999999999999999999\r\n",
					   "VALUE k 0 1 x\r\n",
					   "VALUE k 0 1\r\n1xx" };
	char longest[REPLY_LINE + 1];
	struct mc_reply r;

	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_assert_cmpint(mc_reply_parse(bad[i], strlen(bad[i]), &r), ==, -EBADMSG);
	}
	memset(longest, 'x', sizeof(longest));
	g_assert_cmpint(mc_reply_parse(longest, REPLY_LINE - 1, &r), ==, 0);
	g_assert_cmpint(mc_reply_parse(longest, REPLY_LINE, &r), ==, -EBADMSG);
}

static void test_tell(void)
{
	char told[16];
	struct mc_reply r;

	g_assert_cmpint(mc_reply_parse("SERVER_ERROR out of memory\r\n", 28, &r), ==, 28);
	mc_reply_tell(&r, told, sizeof(told));
	g_assert_cmpstr(told, ==, "SERVER_ERROR ou");
	g_assert_cmpint(mc_reply_parse("E \x1b\xff\r\n", 6, &r), ==, 6);
	mc_reply_tell(&r, told, sizeof(told));
	g_assert_cmpstr(told, ==, "E ??");
}

static void test_list(void)
{
	GPtrArray *names = mc_list_parse("  one two\x01 one three ", 21);

	g_assert_cmpuint(names->len, ==, 2);
	g_assert_cmpstr(g_ptr_array_index(names, 0), ==, "one");
	g_assert_cmpstr(g_ptr_array_index(names, 1), ==, "three");
	g_ptr_array_unref(names);
	names = mc_list_parse("", 0);
	g_assert_cmpuint(names->len, ==, 0);
	g_ptr_array_unref(names);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/memcached/value", test_value);
	g_test_add_func("/memcached/pieces", test_pieces);
	g_test_add_func("/memcached/nonsense", test_nonsense);
	g_test_add_func("/memcached/tell", test_tell);
	g_test_add_func("/memcached/list", test_list);
	return g_test_run();
}

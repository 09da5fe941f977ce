/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of Redis: what they become, and what is beyond the bounds. */
#include "reply.h"

#include <errno.h>
#include <string.h>

#include "model/members.h"

/* The one answer in a text; NULL: it makes no sense. */
static struct rd_reply *read_text(const char *text)
{
	struct rd_reply_reader *reader = rd_reply_reader_new();
	struct rd_reply *reply = NULL;
	int ret = rd_reply_reader_feed(reader, text, strlen(text));

	if (ret == 0) {
		ret = rd_reply_reader_next(reader, &reply);
		g_assert_cmpint(ret, !=, 0);
	}
	rd_reply_reader_free(reader);
	return ret == 1 ? reply : NULL;
}

static void test_members(void)
{
	struct rd_reply *reply = read_text("*3\r\n$3\r\none\r\n$5\r\na b c\r\n$3\r\ntwo\r\n");
	struct vmt_members m;

	members_init(&m);
	g_assert_nonnull(reply);
	g_assert_cmpint(rd_reply_members(reply, &m), ==, 0);
	g_assert_cmpuint(m.names->len, ==, 2);
	g_assert_cmpstr(g_ptr_array_index(m.names, 1), ==, "two");
	rd_reply_free(reply);
	reply = read_text("*2\r\n$3\r\none\r\n:5\r\n");
	g_assert_cmpint(rd_reply_members(reply, &m), ==, -EBADMSG);
	rd_reply_free(reply);
	reply = read_text("+OK\r\n");
	g_assert_cmpint(rd_reply_members(reply, &m), ==, -EBADMSG);
	rd_reply_free(reply);
	members_fini(&m);
}

static void test_time(void)
{
	static const char *const bad[] = { "*2\r\n$1\r\n1\r\n$7\r\n1000000\r\n",
					   "*2\r\n$2\r\n-1\r\n$1\r\n1\r\n",
					   "*1\r\n$1\r\n1\r\n",
					   "*2\r\n$19\r\n9223372036854775807\r\n$1\r\n1\r\n",
					   "*2\r\n:1\r\n:1\r\n",
					   ":1\r\n",
					   "$-1\r\n" };
	struct rd_reply *reply = read_text("*2\r\n$10\r\n1784641000\r\n$6\r\n123999\r\n");

	g_assert_cmpint(rd_reply_time_ms(reply), ==, INT64_C(1784641000123));
	rd_reply_free(reply);
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		reply = read_text(bad[i]);
		g_assert_nonnull(reply);
		g_assert_cmpint(rd_reply_time_ms(reply), ==, -EBADMSG);
		rd_reply_free(reply);
	}
}

static void test_error(void)
{
	struct rd_reply *reply = read_text("-NOAUTH Authentication\x1b required.\r\n");
	char told[24];

	g_assert_cmpint(reply->type, ==, REPLY_ERROR);
	rd_reply_tell(reply, told, sizeof(told));
	g_assert_cmpstr(told, ==, "NOAUTH Authentication? ");
	rd_reply_free(reply);
}

static void test_bounds(void)
{
	struct rd_reply_reader *reader = rd_reply_reader_new();
	char many[8192];
	struct rd_reply *reply;
	int ret = 0;

	g_assert_null(read_text("*2049\r\n"));
	g_assert_null(read_text("*1073741824\r\n"));
	g_assert_null(read_text("?\r\n"));
	/* a text that never comes to its end */
	memset(many, 'x', sizeof(many));
	g_assert_cmpint(rd_reply_reader_feed(reader, "$536870912\r\n", 12), ==, 0);
	g_assert_cmpint(rd_reply_reader_next(reader, &reply), ==, 0);
	for (unsigned i = 0; i < REPLY_BYTES / sizeof(many) && ret == 0; i++) {
		ret = rd_reply_reader_feed(reader, many, sizeof(many));
	}
	g_assert_cmpint(ret, ==, -EBADMSG);
	rd_reply_reader_free(reader);
	reader = rd_reply_reader_new();
	g_assert_cmpint(rd_reply_reader_feed(reader, "$8190\r\n", 7), ==, 0);
	memcpy(many + 8190, "\r\n", 2);
	g_assert_cmpint(rd_reply_reader_feed(reader, many, sizeof(many)), ==, 0);
	g_assert_cmpint(rd_reply_reader_next(reader, &reply), ==, -EBADMSG);
	rd_reply_reader_free(reader);
	rd_reply_reader_free(NULL);
	rd_reply_free(NULL);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/redis/members", test_members);
	g_test_add_func("/redis/time", test_time);
	g_test_add_func("/redis/error", test_error);
	g_test_add_func("/redis/bounds", test_bounds);
	return g_test_run();
}

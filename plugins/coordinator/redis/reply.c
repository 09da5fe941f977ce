/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns hiredis's reader, with objects of ours: its own ones take whatever size the far side claims.  The thread of the
 * connection; blocks on nothing.
 */
#include "reply.h"

#include <errno.h>
#include <hiredis/read.h>
#include <string.h>

#include "base/clock.h"

struct rd_reply_reader {
	redisReader *reader;
	size_t fed; /* bytes since the last answer */
};

static struct rd_reply *reply_new(const redisReadTask *task, enum reply_type type)
{
	struct rd_reply *r = g_new0(struct rd_reply, 1);
	struct rd_reply *parent = task->parent ? task->parent->obj : NULL;

	r->type = type;
	if (parent) {
		g_ptr_array_add(parent->elements, r);
	}
	return r;
}

static enum reply_type type_of(const redisReadTask *task)
{
	return task->type == REDIS_REPLY_ERROR    ? REPLY_ERROR
	       : task->type == REDIS_REPLY_STATUS ? REPLY_STATUS
						  : REPLY_STRING;
}

static void *make_string(const redisReadTask *task, char *text, size_t len)
{
	struct rd_reply *r;

	if (len > REPLY_TEXT) {
		return NULL;
	}
	r = reply_new(task, type_of(task));
	r->text = g_malloc(len + 1);
	if (len > 0) {
		memcpy(r->text, text, len);
	}
	r->text[len] = '\0';
	r->len = len;
	return r;
}

static void free_reply(void *reply)
{
	rd_reply_free(reply);
}

/* The type of the count differs by hiredis's version: see make_array_fn. */
static void *make_array(const redisReadTask *task, size_t elements)
{
	struct rd_reply *r;

	if (elements > REPLY_ELEMENTS) {
		return NULL;
	}
	r = reply_new(task, REPLY_ARRAY);
	r->elements = g_ptr_array_new_with_free_func(free_reply);
	return r;
}

static void *make_array_int(const redisReadTask *task, int elements)
{
	return elements < 0 ? NULL : make_array(task, (size_t)elements);
}

static void *make_integer(const redisReadTask *task, long long value)
{
	struct rd_reply *r = reply_new(task, REPLY_INTEGER);

	r->integer = value;
	return r;
}

static void *make_nil(const redisReadTask *task)
{
	return reply_new(task, REPLY_NIL);
}

void rd_reply_free(struct rd_reply *reply)
{
	if (!reply) {
		return;
	}
	if (reply->elements) {
		g_ptr_array_unref(reply->elements);
	}
	g_free(reply->text);
	g_free(reply);
}

/* Types that a client has to ask for (RESP3) have no function: hiredis makes nothing of them. */
static redisReplyObjectFunctions functions = {
	.createString = make_string,
	.createArray = _Generic(((redisReplyObjectFunctions *)NULL)->createArray,
				void *(*)(const redisReadTask *, int)
				: make_array_int, default
				: make_array),
	.createInteger = make_integer,
	.createNil = make_nil,
	.freeObject = free_reply,
};

struct rd_reply_reader *rd_reply_reader_new(void)
{
	struct rd_reply_reader *r = g_new0(struct rd_reply_reader, 1);

	r->reader = redisReaderCreateWithFunctions(&functions);
	g_assert(r->reader);
	return r;
}

void rd_reply_reader_free(struct rd_reply_reader *reader)
{
	if (reader) {
		redisReaderFree(reader->reader);
		g_free(reader);
	}
}

int rd_reply_reader_feed(struct rd_reply_reader *r, const char *data, size_t len)
{
	r->fed += len;
	return r->fed > REPLY_BYTES || redisReaderFeed(r->reader, data, len) != REDIS_OK ? -EBADMSG
											 : 0;
}

int rd_reply_reader_next(struct rd_reply_reader *r, struct rd_reply **ret_reply)
{
	void *reply = NULL;

	if (redisReaderGetReply(r->reader, &reply) != REDIS_OK) {
		return -EBADMSG;
	}
	if (!reply) {
		return 0;
	}
	r->fed = 0;
	*ret_reply = reply;
	return 1;
}

/* ---- what they say */

int rd_reply_members(const struct rd_reply *reply, struct vmt_members *members)
{
	if (reply->type != REPLY_ARRAY) {
		return -EBADMSG;
	}
	for (guint i = 0; i < reply->elements->len; i++) {
		const struct rd_reply *r = g_ptr_array_index(reply->elements, i);

		if (r->type != REPLY_STRING) {
			return -EBADMSG;
		}
		(void)vmt_members_add(members, r->text, r->len);
	}
	return 0;
}

static int64_t number_at(const struct rd_reply *reply, guint i)
{
	const struct rd_reply *r = g_ptr_array_index(reply->elements, i);
	guint64 value;

	if (r->type != REPLY_STRING ||
	    !g_ascii_string_to_unsigned(r->text, 10, 0, INT64_MAX / 2000, &value, NULL)) {
		return -EBADMSG;
	}
	return (int64_t)value;
}

int64_t rd_reply_time_ms(const struct rd_reply *reply)
{
	int64_t s, us;

	if (reply->type != REPLY_ARRAY || reply->elements->len != 2) {
		return -EBADMSG;
	}
	s = number_at(reply, 0);
	us = number_at(reply, 1);
	return s < 0 || us < 0 || us >= 1000000 ? -EBADMSG : s * 1000 + us / 1000;
}

void rd_reply_tell(const struct rd_reply *reply, char *out, size_t size)
{
	size_t n = 0;

	for (; reply->text && n < reply->len && n + 1 < size; n++) {
		out[n] = reply->text[n] >= ' ' && reply->text[n] <= '~' ? reply->text[n] : '?';
	}
	out[n] = '\0';
}

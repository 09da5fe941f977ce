/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of Redis: hiredis takes the protocol apart, and what it finds becomes these, within bounds.  One thread at a
 * time; blocks on nothing.
 */
#ifndef REDIS_REPLY_H
#define REDIS_REPLY_H

#include <glib.h>
#include <virtmeter/plugin.h>

enum {
	REPLY_ELEMENTS = 2048, /* of a list */
	REPLY_TEXT = 4096, /* bytes of a text */
	REPLY_BYTES = 1 << 20, /* of an answer as it comes in */
};

enum reply_type { REPLY_STRING, REPLY_STATUS, REPLY_ERROR, REPLY_INTEGER, REPLY_NIL, REPLY_ARRAY };

struct rd_reply {
	enum reply_type type;
	char *text; /* of a string, status, error; zero-terminated, may hold zeros */
	size_t len;
	int64_t integer;
	GPtrArray *elements; /* struct rd_reply *, of an array */
};

struct rd_reply_reader;

struct rd_reply_reader *rd_reply_reader_new(void);
void rd_reply_reader_free(struct rd_reply_reader *reader); /* NULL is fine */
/* 0, or -EBADMSG: what came in makes no sense, or is beyond the bounds; the reader is of no use any more. */
int rd_reply_reader_feed(struct rd_reply_reader *reader, const char *data, size_t len);
/* 1 with an answer, which is the caller's; 0: more bytes are needed; -EBADMSG. */
int rd_reply_reader_next(struct rd_reply_reader *reader, struct rd_reply **ret_reply);
void rd_reply_free(struct rd_reply *reply); /* NULL is fine */

/* Who is in the list; -EBADMSG when it is none.  Names that no member has are left out. */
int rd_reply_members(const struct rd_reply *reply, struct vmt_members *members);
/* TIME's answer in milliseconds, or -EBADMSG. */
int64_t rd_reply_time_ms(const struct rd_reply *reply);
/* The text of an error in printable ASCII, cut to fit. */
void rd_reply_tell(const struct rd_reply *reply, char *out, size_t size);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames: batches that travel together, counted by references, and their byte form.  A frame is
 * made by one thread through a frame_builder (model/batch.h), is immutable from then on, is read by
 * any number of publisher threads, and goes back to its pool with the last reference.
 */
#ifndef MODEL_FRAME_H
#define MODEL_FRAME_H

#include "base/buf.h"

#include <virtmeter/plugin.h>

#include <stdatomic.h>

struct frame_pool;
struct resource;
struct resource_head;

/* What became of a frame. */
struct frame_fate {
	bool lost; /* somebody could not deliver all of it */
	uint32_t repeats, conflicts; /* rows that a store had already; of several stores the most */
};

typedef void (*frame_gone_fn)(void *context, const struct frame_fate *fate);

struct frame {
	struct vmt_frame public; /* first; the log writes `sequence` before others see it */
	size_t rows; /* of all batches */
	/* private */
	atomic_uint refs;
	struct frame_pool *pool;
	struct frame *next; /* in the pool */
	struct vmt_batch *batch;
	size_t batches_cap;
	/* Columns of all batches, one after the other. */
	const struct vmt_resource **resource;
	uint32_t *index; /* of the row's resource in `used` */
	union vmt_num *value;
	uint8_t *kind; /* used where a batch has kinds */
	int64_t *time, *mono; /* used where a batch has times */
	size_t rows_cap;
	uint8_t (*id)[16]; /* used where a batch has ids */
	size_t ids_cap;
	uint32_t *message; /* used where a batch has messages */
	size_t messages_cap;
	struct resource **used; /* one reference on each */
	uint32_t *used_head; /* of each: its head's place in `head` */
	size_t used_count, used_cap;
	struct resource_head **head; /* kept by the resources */
	size_t heads, heads_cap;
	struct arena *names; /* meter names that are not constants */
	/* who is told when nobody has it any more; NULL: nobody */
	frame_gone_fn gone;
	void *gone_context;
	atomic_bool lost;
	_Atomic uint32_t repeats, conflicts;
};

/* Frames to use again; at most `idle` are kept while nobody needs them.  Any thread; a mutex for a
 * moment. */
struct frame_pool *frame_pool_new(unsigned idle);
/* Frames still out keep what they need and go when they are released. */
void frame_pool_free(struct frame_pool *p);
/* Frees the idle ones that it keeps for the next cycle.  Any thread. */
void frame_pool_trim(struct frame_pool *p);

struct frame *frame_ref(struct frame *f);
void frame_unref(struct frame *f);

/* Who is told, once, when nobody has the frame any more, on the thread of whoever had it last and perhaps under the
 * log's lock: it must be short and may not call the log.  Before the frame is handed on. */
void frame_watch(struct frame *f, frame_gone_fn gone, void *context);
/* Something of it was dropped that was to be delivered.  Any thread; NULL is fine. */
void frame_lose(struct frame *f);
/* A store had so many of its rows already.  Any thread. */
void frame_absorb(struct frame *f, uint64_t repeats, uint64_t conflicts);

static inline struct frame *frame_of(const struct vmt_frame *f)
{
	return (struct frame *)(uintptr_t)f;
}

/* Rows of the batches that go to the publisher `bit`. */
uint64_t frame_rows_for(const struct vmt_frame *f, uint64_t bit);

/* Bytes of memory that the frame keeps busy, resources left out: for the bounds of queues. */
size_t frame_bytes(const struct frame *f);

/* These rows as a frame of their own, with one reference: same samples, same ids, same sequence.  NULL when
 * there are none.  The resources are shared. */
struct frame *frame_part(struct frame_pool *pool, const struct frame *frame,
			 const struct vmt_rows *rows, size_t count);

/* ---- byte form (doc/formats.md, "Frame") */

enum {
	FRAME_HEADER = 24, /* bytes before the body: magic, version, length, checksum */
	FRAME_VERSION = 1,
	FRAME_BATCHES = 1 << 16, /* at most, in a frame that is read */
};
#define FRAME_MAX (UINT32_C(256) << 20) /* bytes of a frame that is read */

/* Adds the frame's byte form to `out`.  -EFBIG past FRAME_MAX, `out` as before. */
int frame_encode(const struct frame *f, struct buf *out);

/* Length of the whole frame that begins with these FRAME_HEADER bytes: > 0, or -EBADMSG when it is
 * no frame of a version we know, -EFBIG past FRAME_MAX. */
int64_t frame_length(const void *header);

/* Reads one whole frame of exactly `len` bytes.  Counts and lengths are checked against what is
 * left before anything is allocated.  -EBADMSG with the reason in `error` for bytes that are not
 * what frame_encode() writes. */
int frame_decode(struct frame_pool *pool, const void *bytes, size_t len, struct frame **ret_frame,
		 struct vmt_error *error);

#endif

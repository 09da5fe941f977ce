/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the twins of the log share: cursors, and handing frames to their publishers.  Owns one struct
 * wait; whoever calls may block on it only in spool_next, until its deadline, and on the disk where the
 * log is durable.
 */
#include "spool/spool.h"

#include <assert.h>
#include <errno.h>
#include <glib.h>
#include <string.h>

#define LOG_NAME "queue"
#include "base/clock.h"
#include "base/log.h"
#include "base/wait.h"
#include "model/frame.h"
#include "spool/ledger_file.h"
#include "spool/twin.h"

#define READ_AGAIN_NS NS_PER_S /* after a failed read */
enum { READ_TRIES = 5 };

static const char *const reason_names[SPOOL_REASONS] = {
	[SPOOL_OVERFLOW] = "overflow", [SPOOL_EXPIRED] = "expired", [SPOOL_REFUSED] = "refused",
	[SPOOL_FAILED] = "failed",     [SPOOL_RETRIES] = "retries", [SPOOL_DAMAGED] = "damaged",
	[SPOOL_SHUTDOWN] = "shutdown", [SPOOL_REMOVED] = "removed", [SPOOL_DISCARDED] = "discarded",
};

const char *spool_reason_name(enum spool_reason reason)
{
	assert(reason < SPOOL_REASONS);
	return reason_names[reason];
}

static int reason_find(const char *name)
{
	for (int i = 0; i < SPOOL_REASONS; i++) {
		if (strcmp(reason_names[i], name) == 0) {
			return i;
		}
	}
	return -1;
}

void spool_ledger_take(struct spool_ledger *ledger, const char *name, uint64_t samples)
{
	int reason = reason_find(name);

	if (strcmp(name, "produced") == 0) {
		ledger->produced = samples;
	} else if (strcmp(name, "confirmed") == 0) {
		ledger->confirmed = samples;
	} else if (reason >= 0) {
		ledger->dropped[reason] = samples;
	}
}

struct spool *spool_new(const struct spool_twin *twin, const struct spool_limits *limits)
{
	struct spool *s = g_new0(struct spool, 1);

	s->twin = twin;
	if (limits) {
		s->limits = *limits;
	}
	wait_init(&s->wait);
	return s;
}

struct spool *spool_new_memory(const struct spool_limits *limits)
{
	assert(limits->frames > 0);
	return spool_new(&spool_memory, limits);
}

struct spool *spool_new_null(void)
{
	return spool_new(&spool_null, NULL);
}

bool spool_is_durable(const struct spool *spool)
{
	return spool->durable;
}

void spool_free(struct spool *spool)
{
	if (!spool) {
		return;
	}
	if (spool->twin->close) {
		spool->twin->close(spool);
	}
	backlog_clear(spool);
	for (unsigned c = 0; c < SPOOL_CURSORS; c++) {
		frame_unref(spool->cursor[c].frame);
		g_free(spool->cursor[c].name);
		g_free(spool->cursor[c].url);
	}
	ledger_file_close(spool->ledgers); /* frames that go are counted there */
	wait_fini(&spool->wait);
	g_free(spool);
}

/* ---- cursors */

void spool_reserve(struct spool *spool, const char *url)
{
	wait_lock(&spool->wait);
	for (unsigned c = 0; c < SPOOL_CURSORS; c++) {
		struct spool_cursor *cursor = &spool->cursor[c];

		if (cursor->used && !cursor->attached && strcmp(cursor->url, url) == 0) {
			cursor->reserved = true;
			break;
		}
	}
	wait_unlock(&spool->wait);
}

/* "SINK/SCHEME/" of a name. */
static size_t family(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? (size_t)(slash - name) + 1 : 0;
}

/* How well what a cursor was fits a publisher; 0: not at all. */
static unsigned fits(const struct spool_cursor *c, const struct spool_publisher *p)
{
	size_t n = family(p->name);

	if (!c->used || c->attached) {
		return 0;
	}
	if (strcmp(c->url, p->url) == 0) {
		return 3;
	}
	if (c->reserved) {
		return 0;
	}
	if (strcmp(c->name, p->name) == 0) {
		return 2;
	}
	return n > 0 && family(c->name) == n && strncmp(c->name, p->name, n) == 0 ? 1 : 0;
}

/* A number for a publisher: what fits best, else a free one, else one that nothing is queued for. */
static int choose(const struct spool *s, const struct spool_publisher *p)
{
	unsigned best = 0;
	int choice = -ENOSPC;

	for (unsigned c = 0; s->durable && c < SPOOL_CURSORS; c++) {
		unsigned fit = fits(&s->cursor[c], p);

		if (fit > best) {
			best = fit;
			choice = (int)c;
		}
	}
	for (unsigned c = 0; choice < 0 && c < SPOOL_CURSORS; c++) {
		choice = s->cursor[c].used ? choice : (int)c;
	}
	for (unsigned c = 0; choice < 0 && s->durable && c < SPOOL_CURSORS; c++) {
		const struct spool_cursor *old = &s->cursor[c];

		choice = !old->attached && old->ledger.queued == 0 ? (int)c : choice;
	}
	return choice;
}

static void set_publisher(struct spool_cursor *c, const struct spool_publisher *publisher)
{
	g_free(c->name);
	g_free(c->url);
	c->name = g_strdup(publisher->name);
	c->url = g_strdup(publisher->url);
	c->shape = publisher->shape;
	c->max_messages = publisher->max_messages;
	c->changed = true;
}

void spool_cursor_change(struct spool *spool, unsigned cursor,
			 const struct spool_publisher *publisher)
{
	wait_lock(&spool->wait);
	set_publisher(&spool->cursor[cursor], publisher);
	wait_unlock(&spool->wait);
}

int spool_cursor_add(struct spool *spool, const struct spool_publisher *publisher)
{
	int ret;

	wait_lock(&spool->wait);
	ret = choose(spool, publisher);
	if (ret >= 0) {
		struct spool_cursor *c = &spool->cursor[ret];
		bool known = c->used && fits(c, publisher) > 0, old = c->used;

		if (!known) {
			g_free(c->name);
			g_free(c->url);
			*c = (struct spool_cursor){ .used = true, .wiped = old };
		}
		set_publisher(c, publisher);
		c->attached = true;
		c->finished = c->reserved = false;
	}
	wait_unlock(&spool->wait);
	return ret;
}

void spool_cursor_finish(struct spool *spool, unsigned cursor)
{
	assert(cursor < SPOOL_CURSORS);
	wait_lock(&spool->wait);
	spool->cursor[cursor].finished = true;
	wait_unlock(&spool->wait);
	wait_wake(&spool->wait);
}

void spool_cursor_settle(struct spool *spool, unsigned cursor, enum spool_reason reason)
{
	struct spool_cursor *c = &spool->cursor[cursor];

	assert(cursor < SPOOL_CURSORS);
	wait_lock(&spool->wait);
	c->finished = true;
	c->taken = 0;
	frame_unref(c->frame);
	c->frame = NULL;
	if (!spool->durable) {
		backlog_forget(spool, cursor, reason);
	}
	wait_unlock(&spool->wait);
	if (spool->twin->settled) {
		spool->twin->settled(spool, cursor);
	}
}

void spool_cursor_remove(struct spool *spool, unsigned cursor)
{
	struct spool_cursor *c = &spool->cursor[cursor];

	assert(cursor < SPOOL_CURSORS);
	wait_lock(&spool->wait);
	assert(c->finished && !c->taken && (spool->durable || c->ledger.queued == 0));
	c->attached = false;
	c->used = spool->durable && c->ledger.produced > 0;
	wait_unlock(&spool->wait);
}

/* ---- frames */

void spool_append(struct spool *spool, struct frame *frame)
{
	spool->twin->append(spool, frame);
	wait_wake(&spool->wait);
}

/* With the lock held: waits for an entry and takes it; NULL at the deadline or the end. */
static struct spool_entry *wait_for_entry(struct spool *s, unsigned cursor, int64_t deadline_ns)
{
	struct spool_cursor *c = &s->cursor[cursor];
	struct spool_entry *e;

	while (!(e = backlog_oldest(s, cursor))) {
		bool hidden = c->ledger.queued > 0; /* a frame is being written */

		if ((c->finished && !hidden) || wait_until(&s->wait, deadline_ns) == -ETIMEDOUT) {
			return NULL;
		}
	}
	c->taken = e->sequence;
	if (e->frame) {
		c->frame = frame_ref(e->frame);
	}
	return e;
}

/* Reads the taken frame from the disk; what cannot be read after some tries is dropped. */
static void read_frame(struct spool *s, unsigned cursor, int64_t deadline_ns)
{
	struct spool_cursor *c = &s->cursor[cursor];
	struct frame *frame = NULL;
	struct spool_entry *e;
	int ret = -EIO;

	for (unsigned i = 0; i < READ_TRIES; i++) {
		ret = s->twin->load(s, c->taken, &frame);
		if (ret == 0 || ret == -EBADMSG || ret == -ENOENT) {
			break;
		}
		wait_sleep(READ_AGAIN_NS);
	}
	wait_lock(&s->wait);
	e = backlog_find(s, c->taken);
	if (ret == 0 && backlog_share(e, cursor)->samples ==
				frame_rows_for(&frame->public, UINT64_C(1) << cursor)) {
		c->frame = frame;
	} else {
		frame_unref(frame); /* NULL, or another one than was counted */
		c->taken = 0;
		log_error("queue: %u samples for %s cannot be read back; they are dropped",
			  backlog_share(e, cursor)->samples, c->url);
		backlog_drop(s, e, cursor, SPOOL_DAMAGED);
	}
	wait_unlock(&s->wait);
}

const struct frame *spool_next(struct spool *spool, unsigned cursor, int64_t deadline_ns)
{
	struct spool_cursor *c = &spool->cursor[cursor];

	while (!c->frame) {
		struct spool_entry *e;

		wait_lock(&spool->wait);
		e = wait_for_entry(spool, cursor, deadline_ns);
		wait_unlock(&spool->wait);
		if (!e) {
			return NULL;
		}
		if (!c->frame) {
			read_frame(spool, cursor, deadline_ns);
		}
	}
	return c->frame;
}

bool spool_backlog(struct spool *spool, unsigned cursor)
{
	bool more;

	wait_lock(&spool->wait);
	more = spool->cursor[cursor].ledger.queue_frames > 1;
	wait_unlock(&spool->wait);
	return more;
}

void spool_settle_frame(struct spool *spool, unsigned cursor, const struct spool_result *result)
{
	struct spool_cursor *c = &spool->cursor[cursor];
	struct spool_entry *e;

	wait_lock(&spool->wait);
	assert(c->frame);
	e = backlog_find(spool, c->taken);
	assert(e);
	c->taken = 0;
	frame_unref(c->frame);
	c->frame = NULL;
	backlog_settle(spool, e, cursor, result);
	wait_unlock(&spool->wait);
	if (spool->twin->settled) {
		spool->twin->settled(spool, cursor);
	}
}

/* The cursor's samples of the frame in its hand. */
static uint64_t in_hand(struct spool *spool, unsigned cursor)
{
	const struct frame *frame = spool->cursor[cursor].frame;

	assert(frame);
	return frame_rows_for(&frame->public, UINT64_C(1) << cursor);
}

void spool_confirm(struct spool *spool, unsigned cursor)
{
	spool_settle_frame(spool, cursor,
			   &(struct spool_result){ .confirmed = in_hand(spool, cursor) });
}

void spool_drop(struct spool *spool, unsigned cursor, enum spool_reason reason)
{
	spool_settle_frame(spool, cursor,
			   &(struct spool_result){ .dropped = in_hand(spool, cursor),
						   .reason = reason });
}

void spool_ledger(struct spool *spool, unsigned cursor, struct spool_ledger *ret_ledger)
{
	assert(cursor < SPOOL_CURSORS);
	wait_lock(&spool->wait);
	*ret_ledger = spool->cursor[cursor].ledger;
	wait_unlock(&spool->wait);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a durable log: what an earlier process left becomes the queue and the ledgers again.  Main
 * thread; blocks on the disk.  Only the entries are read, not the frames.  Dead letters are made here
 * too, on their publisher's thread.
 */
#include "spool/durable.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define LOG_NAME "queue"
#include "base/clock.h"
#include "base/log.h"
#include "model/frame.h"
#include "spool/ledger_file.h"

/* No log comes that far by counting; what says so is damaged. */
#define SEQUENCE_MAX (UINT64_C(1) << 62)

enum {
	SOURCES_MAX = 1024, /* URLs of receivers that are remembered */
	REJECTED_BYTES = 4 << 20, /* that wait to be written */
};

/* ---- reading what is there */

static int take_cursor(void *context, const struct disk_cursor *cursor)
{
	struct spool *s = context;
	struct spool_cursor *c = &s->cursor[cursor->id];

	c->used = c->finished = true;
	c->name = g_strdup(cursor->name);
	c->url = g_strdup(cursor->url);
	return 0;
}

static int take_ledger(void *context, unsigned cursor, const char *name, uint64_t samples)
{
	spool_ledger_take(&((struct spool *)context)->cursor[cursor].ledger, name, samples);
	return 0;
}

static int take_source(void *context, const struct disk_cursor *cursor)
{
	GPtrArray *sources = ((struct spool *)context)->durable->sources;
	guint i = cursor->id - DISK_SOURCES;

	if (i < SOURCES_MAX) {
		g_ptr_array_set_size(sources, (gint)MAX(sources->len, i + 1));
		g_free(sources->pdata[i]);
		sources->pdata[i] = g_strdup(cursor->url);
	}
	return 0;
}

/* Entries come by sequence, which the queue relies on: one that has none is removed. */
static int take_entry(void *context, const struct disk_entry *entry)
{
	struct spool *s = context;
	struct spool_entry e = {
		.sequence = entry->sequence,
		.bytes = entry->bytes,
		.time_ns = entry->time_ns,
		.audience = entry->audience,
		.pending = entry->pending,
		.flags = ENTRY_STORED,
	};

	if (e.sequence == 0 || e.sequence > SEQUENCE_MAX) {
		e.pending = 0;
		durable_changed(s, &e);
		return 0;
	}
	for (unsigned c = 0; c < SPOOL_CURSORS; c++) {
		if (!s->cursor[c].used) {
			e.pending &= ~(UINT64_C(1) << c);
		}
	}
	s->sequence = MAX(s->sequence, e.sequence);
	if (e.pending) {
		backlog_push(s, &e, entry->shares);
	} else {
		durable_changed(s, &e);
	}
	return 0;
}

/* The queue was counted as produced a second time when it was pushed: what the disk says holds, as long
 * as it adds up. */
static void check_ledgers(struct spool *s)
{
	for (unsigned c = 0; c < SPOOL_CURSORS; c++) {
		struct spool_ledger *l = &s->cursor[c].ledger;
		uint64_t sum = l->confirmed + l->queued, said = l->produced - l->queued;

		for (unsigned r = 0; r < SPOOL_REASONS; r++) {
			sum += l->dropped[r];
		}
		s->cursor[c].changed = said != sum;
		if (said != sum && s->cursor[c].used) {
			log_error("queue %s: %s: the ledger said %" G_GUINT64_FORMAT
				  " samples produced, its parts are %" G_GUINT64_FORMAT
				  "; counted on from those",
				  s->durable->dir, s->cursor[c].url, said, sum);
		}
		l->produced = sum;
		if (sum == 0) { /* never used: the number is free */
			s->cursor[c].used = s->cursor[c].changed = false;
		}
	}
}

void durable_count_letters(struct spool *s)
{
	for (unsigned c = 0; c < SPOOL_CURSORS; c++) {
		uint64_t letters = 0, samples = 0;

		if (s->cursor[c].used &&
		    disk_letters_count(s->durable->disk, c, &letters, &samples, NULL) == 0) {
			wait_lock(&s->wait);
			s->cursor[c].ledger.dead_letters = samples;
			wait_unlock(&s->wait);
		}
	}
}

static int read_all(struct spool *s, struct vmt_error *error)
{
	struct disk *disk = s->durable->disk;
	int ret = disk_sequence(disk, &s->sequence, error);

	s->sequence = s->sequence > SEQUENCE_MAX ? 0 : s->sequence;
	ret = ret ? ret : disk_cursors(disk, take_cursor, s, error);
	ret = ret ? ret : disk_sources(disk, take_source, s, error);
	ret = ret ? ret : disk_ledgers(disk, take_ledger, s, error);
	ret = ret ? ret : disk_entries(disk, take_entry, s, error);
	return ret;
}

/* ---- open */

static struct durable *durable_new(const char *dir, struct frame_pool *pool)
{
	struct durable *d = g_new0(struct durable, 1);

	d->dir = g_strdup(dir);
	d->pool = pool;
	pthread_mutex_init(&d->lock, NULL);
	buf_init(&d->bytes);
	buf_init(&d->again);
	d->inserts = g_array_new(FALSE, FALSE, sizeof(struct spool_entry));
	d->changes = g_array_new(FALSE, FALSE, sizeof(struct durable_change));
	d->writing_changes = g_array_new(FALSE, FALSE, sizeof(struct durable_change));
	d->letters = g_array_new(FALSE, FALSE, sizeof(struct durable_letter));
	g_array_set_clear_func(d->letters, durable_letter_clear);
	d->sources = g_ptr_array_new_with_free_func(g_free);
	d->writing_letters = g_array_new(FALSE, FALSE, sizeof(struct durable_letter));
	g_array_set_clear_func(d->writing_letters, durable_letter_clear);
	return d;
}

static void forget_all(struct spool *s)
{
	backlog_clear(s);
	for (unsigned c = 0; c < SPOOL_CURSORS; c++) {
		g_free(s->cursor[c].name);
		g_free(s->cursor[c].url);
		s->cursor[c] = (struct spool_cursor){ .used = false };
	}
	s->sequence = 0;
	s->durable->changes->len = 0;
	g_ptr_array_set_size(s->durable->sources, 0);
}

static int open_and_read(struct spool *s, struct vmt_error *error)
{
	struct durable *d = s->durable;
	int ret = disk_open(d->dir, DISK_WRITE, &d->disk, error);

	if (ret == 0) {
		ret = read_all(s, error);
	}
	if (ret < 0) {
		disk_close(d->disk);
		d->disk = NULL;
		forget_all(s);
	}
	return ret;
}

int spool_open(const char *dir, const struct spool_limits *limits, struct frame_pool *pool,
	       struct spool **ret_spool, struct vmt_error *error)
{
	struct spool *s = spool_new(&spool_durable, limits);
	char *aside = NULL;
	int ret;

	assert(limits->frames > 0);
	s->durable = durable_new(dir, pool);
	ret = open_and_read(s, error);
	if (ret == -EBADMSG && disk_put_aside(dir, &aside, error) == 0) {
		log_error("%s; it is put aside as %s, and a new queue begun", error->text, aside);
		ret = open_and_read(s, error);
	}
	g_free(aside);
	if (ret < 0) {
		s->twin = &spool_memory; /* nothing to close */
		durable_free(s->durable);
		s->durable = NULL;
		spool_free(s);
		return ret;
	}
	check_ledgers(s);
	durable_count_letters(s);
	s->durable->dead_bytes =
		limits->dead_bytes + 1; /* not known: looked at with the next letter */
	*ret_spool = s;
	return 0;
}

/* ---- dead letters */

void spool_dead_letter(struct spool *s, unsigned cursor, const struct vmt_rows *rows, size_t count,
		       const char *reason, const void *message, size_t len)
{
	struct spool_cursor *c = &s->cursor[cursor];
	struct durable_letter l = { .reason = g_strdup(reason) };
	struct buf bytes = BUF_INIT;
	struct frame *part;

	if (!s->durable) {
		g_free(l.reason);
		return;
	}
	assert(c->frame);
	part = frame_part(s->durable->pool, c->frame, rows, count);
	if (part && frame_encode(part, &bytes) == 0) {
		l.frame = g_memdup2(bytes.data, bytes.len);
	}
	l.message = message ? g_memdup2(message, len) : NULL;
	l.letter = (struct disk_letter){ .time_ns = clock_real(),
					 .cursor = cursor,
					 .samples = part ? part->rows : 0,
					 .reason = l.reason,
					 .frame = l.frame,
					 .frame_len = bytes.len,
					 .message = l.message,
					 .message_len = len };
	wait_lock(&s->wait);
	c->ledger.dead_letters += l.letter.samples;
	g_array_append_val(s->durable->letters, l);
	wait_unlock(&s->wait);
	buf_fini(&bytes);
	frame_unref(part);
}

int spool_source_add(struct spool *s, const char *url)
{
	GPtrArray *sources;
	guint i = 0;

	if (!s->durable) {
		return -ENOTSUP;
	}
	sources = s->durable->sources;
	wait_lock(&s->wait);
	while (i < sources->len && sources->pdata[i] && strcmp(sources->pdata[i], url) != 0) {
		i++;
	}
	if (i == sources->len && i < SOURCES_MAX) {
		g_ptr_array_add(sources, NULL);
	}
	if (i < sources->len && !sources->pdata[i]) {
		sources->pdata[i] = g_strdup(url);
	}
	wait_unlock(&s->wait);
	return i < SOURCES_MAX ? DISK_SOURCES + (int)i : -ENOSPC;
}

int spool_reject(struct spool *s, unsigned source, uint64_t samples, const char *reason,
		 const void *message, size_t len)
{
	struct durable *d = s->durable;
	struct durable_letter l = { .reason = NULL };
	uint64_t bytes = len + DISK_LETTER_BYTES;
	int ret = 0;

	assert(d && source >= DISK_SOURCES);
	wait_lock(&s->wait);
	if (d->rejected_bytes > 0 && d->rejected_bytes + bytes > REJECTED_BYTES) {
		ret = -ENOBUFS;
	} else {
		d->rejected_bytes += bytes;
		l.source = g_strdup(d->sources->pdata[source - DISK_SOURCES]);
	}
	wait_unlock(&s->wait);
	if (ret < 0) {
		return ret;
	}
	l.reason = g_strdup(reason);
	l.message = message ? g_memdup2(message, len) : NULL;
	l.letter = (struct disk_letter){ .time_ns = clock_real(),
					 .cursor = source,
					 .samples = samples,
					 .reason = l.reason,
					 .message = l.message,
					 .message_len = len };
	wait_lock(&s->wait);
	g_array_append_val(d->letters, l);
	wait_unlock(&s->wait);
	return 0;
}

int spool_commit(struct spool *s)
{
	int ret = 0;

	if (s->durable) {
		pthread_mutex_lock(&s->durable->lock);
		ret = durable_write(s, 0);
		pthread_mutex_unlock(&s->durable->lock);
	}
	return ret;
}

/* ---- counters of others */

atomic_uint_fast64_t *spool_counters(struct spool *s, const char *name, bool *ret_left)
{
	struct vmt_error error = { .text = "" };
	atomic_uint_fast64_t *counters;

	if (!s->durable || s->ledgers_failed) {
		return NULL;
	}
	if (!s->ledgers && ledger_file_open(s->durable->dir, &s->ledgers, &error) < 0) {
		s->ledgers_failed = true;
		log_warn("%s; what receivers and pipelines count is not kept over a restart",
			 error.text);
		return NULL;
	}
	counters = ledger_file_slot(s->ledgers, name, ret_left);
	if (!counters) {
		log_warn("queue %s: ledgers is full; what %s counts is not kept over a restart",
			 s->durable->dir, name);
	}
	return counters;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The durable twin of the log: the queue, written through to DIR/spool.db.
 *
 * One transaction a frame: the frame, what was confirmed or dropped since the last one, and the ledgers
 * that go with it, so that whatever transaction was the last, what is on the disk adds up.  While the
 * disk fails, frames stay in memory and are written with the next one.  Runs on the pipeline's thread
 * (append) and on the publishers' (load, settled); either may block on the disk, nobody else does.
 */
#include "spool/durable.h"

#include <errno.h>
#include <string.h>

#define LOG_NAME "queue"
#include "base/clock.h"
#include "base/log.h"
#include "model/frame.h"

#define SHED_BYTES (UINT64_C(1) << 20) /* dropped at a time on a full disk, at least */
#define TELL_NS (60 * NS_PER_S) /* removed dead letters are told of so often */
#define SETTLE_NS (NS_PER_S / 5) /* confirmations are gathered for so long at most */

/* ---- what is to be written; with the log's lock */

void durable_changed(struct spool *s, const struct spool_entry *e)
{
	struct durable_change change = { e->sequence, e->pending };

	if (e->flags & (ENTRY_STORED | ENTRY_WRITING | ENTRY_TRIED)) {
		g_array_append_val(s->durable->changes, change);
	}
}

void durable_letter_clear(void *letter)
{
	struct durable_letter *l = letter;

	g_free(l->reason);
	g_free(l->source);
	g_free(l->frame);
	g_free(l->message);
}

/* What a write takes with it, beside the arrays of struct durable. */
struct extent {
	bool frames; /* those that are not stored, too */
	uint64_t sequence;
	struct spool_cursor cursor[SPOOL_CURSORS]; /* copies; `changed`: to be written */
	char *name[SPOOL_CURSORS], *url[SPOOL_CURSORS];
};

/* Frames that are not stored, and what the ledgers are without them when they are left out. */
static void gather_frames(struct spool *s, struct extent *x)
{
	GArray *inserts = s->durable->inserts;

	for (uint32_t i = s->length; i-- > 0;) {
		struct spool_entry *e = backlog_at(s, i);

		if (e->flags & ENTRY_STORED) {
			continue; /* an older one may still wait */
		}
		if (x->frames) {
			e->flags |= ENTRY_WRITING;
			g_array_append_val(inserts, *e);
			frame_ref(e->frame);
			if (e->many) {
				struct spool_entry *copy = &g_array_index(
					inserts, struct spool_entry, inserts->len - 1);

				copy->many = g_memdup2(e->many, 64 * sizeof(*e->many));
			}
			continue;
		}
		for (unsigned c = 0; c < SPOOL_CURSORS; c++) {
			if (e->pending >> c & 1) {
				x->cursor[c].ledger.produced -= backlog_share(e, c)->samples;
			}
		}
	}
}

static void move_all(GArray *to, GArray *from)
{
	if (from->len) {
		g_array_append_vals(to, from->data, from->len);
		from->len = 0;
	}
}

static void gather(struct spool *s, struct extent *x)
{
	struct durable *d = s->durable;

	move_all(d->writing_changes, d->changes);
	move_all(d->writing_letters, d->letters);
	x->sequence = s->sequence;
	for (unsigned c = 0; c < SPOOL_CURSORS; c++) {
		x->cursor[c] = s->cursor[c];
		x->cursor[c].changed = s->cursor[c].used && s->cursor[c].changed;
		x->name[c] = x->cursor[c].changed ? g_strdup(s->cursor[c].name) : NULL;
		x->url[c] = x->cursor[c].changed ? g_strdup(s->cursor[c].url) : NULL;
		s->cursor[c].changed = false;
	}
	gather_frames(s, x);
}

/* After the write: what was written is not to be written again. */
static void settle_extent(struct spool *s, struct extent *x, bool written)
{
	struct durable *d = s->durable;

	for (guint i = 0; i < d->inserts->len; i++) {
		struct spool_entry *copy = &g_array_index(d->inserts, struct spool_entry, i);
		struct spool_entry *e = backlog_find(s, copy->sequence);

		if (e) {
			e->flags &= ~(unsigned)(ENTRY_HIDDEN | ENTRY_WRITING);
			e->flags |= written ? ENTRY_STORED : ENTRY_TRIED;
		}
	}
	for (unsigned c = 0; c < SPOOL_CURSORS; c++) {
		/* without the frames not even the ledger is all that it was */
		s->cursor[c].changed |= x->cursor[c].changed && !(written && x->frames);
		s->cursor[c].wiped &= !(x->cursor[c].changed && written);
		g_free(x->name[c]);
		g_free(x->url[c]);
	}
}

/* ---- writing; with the twin's lock */

static int write_frames(struct durable *d, uint64_t fresh, struct vmt_error *error)
{
	int ret = 0;

	/* they were gathered youngest first */
	for (guint i = d->inserts->len; ret == 0 && i-- > 0;) {
		struct spool_entry *e = &g_array_index(d->inserts, struct spool_entry, i);
		struct disk_entry entry = { .sequence = e->sequence,
					    .time_ns = e->time_ns,
					    .audience = e->audience,
					    .pending = e->pending,
					    .shares = e->many ? e->many : e->few };
		struct buf *bytes = e->sequence == fresh ? &d->bytes : &d->again;

		if (e->sequence != fresh) {
			buf_reset(&d->again);
			ret = frame_encode(e->frame, &d->again);
		}
		if (ret == 0) {
			ret = disk_add(d->disk, &entry, bytes->data, bytes->len, error);
		}
	}
	return ret;
}

static int write_ledger(struct disk *disk, unsigned c, const struct extent *x,
			struct vmt_error *error)
{
	const struct disk_cursor cursor = { c, x->name[c], x->url[c] };
	const struct spool_ledger *l = &x->cursor[c].ledger;
	int ret = x->cursor[c].wiped ? disk_remove_cursor(disk, c, error) : 0;

	ret = ret ? ret : disk_set_cursor(disk, &cursor, error);
	ret = ret ? ret : disk_set_ledger(disk, c, "produced", l->produced, error);
	ret = ret ? ret : disk_set_ledger(disk, c, "confirmed", l->confirmed, error);
	for (unsigned r = 0; ret == 0 && r < SPOOL_REASONS; r++) {
		ret = disk_set_ledger(disk, c, spool_reason_name(r), l->dropped[r], error);
	}
	return ret;
}

static int write_changes(struct durable *d, struct vmt_error *error)
{
	int ret = 0;

	for (guint i = 0; ret == 0 && i < d->writing_changes->len; i++) {
		const struct durable_change *c =
			&g_array_index(d->writing_changes, struct durable_change, i);

		ret = c->pending ? disk_set_pending(d->disk, c->sequence, c->pending, error)
				 : disk_remove(d->disk, c->sequence, error);
	}
	return ret;
}

static int write_letter(struct disk *disk, const struct durable_letter *l, struct vmt_error *error)
{
	const struct disk_cursor source = { l->letter.cursor, "receiver", l->source };
	int ret = l->source ? disk_set_cursor(disk, &source, error) : 0;

	return ret < 0 ? ret : disk_add_letter(disk, &l->letter, error);
}

/* Making room looks at every letter: when it has to be, then for an eighth more. */
static int write_letters(struct spool *s, uint64_t *ret_trimmed, struct vmt_error *error)
{
	struct durable *d = s->durable;
	uint64_t most = s->limits.dead_bytes;
	int ret = 0;

	for (guint i = 0; ret == 0 && i < d->writing_letters->len; i++) {
		const struct durable_letter *l =
			&g_array_index(d->writing_letters, struct durable_letter, i);

		d->dead_bytes += l->letter.frame_len + l->letter.message_len + DISK_LETTER_BYTES;
		ret = write_letter(d->disk, l, error);
	}
	if (ret == 0 && d->writing_letters->len > 0 && d->dead_bytes > most) {
		ret = disk_trim_letters(d->disk, most - most / 8, ret_trimmed, error);
		d->dead_bytes = ret < 0 ? d->dead_bytes : most - most / 8;
	}
	return ret;
}

/* The letters are written. */
static void forget_letters(struct durable *d)
{
	for (guint i = 0; i < d->writing_letters->len; i++) {
		const struct durable_letter *l =
			&g_array_index(d->writing_letters, struct durable_letter, i);

		d->rejected_bytes -= l->source ? l->letter.message_len + DISK_LETTER_BYTES : 0;
	}
	g_array_set_size(d->writing_letters, 0);
}

static void tell_trimmed(struct spool *s, uint64_t trimmed)
{
	struct durable *d = s->durable;
	int64_t now_ns = clock_monotonic();

	if (trimmed > 0) {
		durable_count_letters(s);
	}
	d->trimmed += trimmed;
	if (d->trimmed > 0 && (!d->trimmed_ns || now_ns - d->trimmed_ns >= TELL_NS)) {
		log_warn("%" G_GUINT64_FORMAT
			 " samples of the oldest dead letters were removed to make room",
			 d->trimmed);
		d->trimmed = 0;
		d->trimmed_ns = now_ns;
	}
}

static int write_parts(struct spool *s, const struct extent *x, uint64_t fresh,
		       uint64_t *ret_trimmed, struct vmt_error *error)
{
	struct durable *d = s->durable;
	int ret = write_changes(d, error);

	ret = ret ? ret : write_frames(d, fresh, error);
	for (unsigned c = 0; ret == 0 && c < SPOOL_CURSORS; c++) {
		ret = x->cursor[c].changed ? write_ledger(d->disk, c, x, error) : 0;
	}
	ret = ret ? ret : disk_set_sequence(d->disk, x->sequence, error);
	return ret ? ret : write_letters(s, ret_trimmed, error);
}

static void clear_inserts(GArray *inserts)
{
	for (guint i = 0; i < inserts->len; i++) {
		struct spool_entry *e = &g_array_index(inserts, struct spool_entry, i);

		frame_unref(e->frame);
		g_free(e->many);
	}
	g_array_set_size(inserts, 0);
}

/* One transaction, with or without the frames that are not stored. */
static int write_once(struct spool *s, uint64_t fresh, bool frames, struct vmt_error *error)
{
	struct extent *x = g_new0(struct extent, 1);
	struct durable *d = s->durable;
	uint64_t trimmed = 0;
	int ret;

	x->frames = frames;
	wait_lock(&s->wait);
	gather(s, x);
	wait_unlock(&s->wait);
	ret = disk_begin(d->disk, error);
	ret = ret ? ret : write_parts(s, x, fresh, &trimmed, error);
	ret = ret ? ret : disk_commit(d->disk, error);
	if (ret < 0) {
		disk_abort(d->disk);
	} else {
		g_array_set_size(d->writing_changes, 0);
	}
	wait_lock(&s->wait);
	if (ret == 0) {
		forget_letters(d);
	}
	settle_extent(s, x, ret == 0);
	wait_unlock(&s->wait);
	wait_wake(&s->wait);
	clear_inserts(d->inserts);
	d->written_ns = clock_monotonic();
	g_free(x);
	tell_trimmed(s, ret == 0 ? trimmed : 0);
	return ret;
}

/* The disk is full: first the reserve, then the oldest samples give their place. */
static int write_on_full_disk(struct spool *s, uint64_t fresh, struct vmt_error *error)
{
	struct durable *d = s->durable;
	uint64_t freed;
	int ret = -ENOSPC;

	if (disk_release_reserve(d->disk)) {
		ret = write_once(s, fresh, true, error);
	}
	while (ret == -ENOSPC) {
		wait_lock(&s->wait);
		freed = backlog_shed(s, MAX(d->bytes.len, SHED_BYTES));
		wait_unlock(&s->wait);
		if (freed == 0 || write_once(s, 0, false, error) < 0) {
			break;
		}
		ret = write_once(s, fresh, true, error);
	}
	return ret;
}

/* Holds what cannot be written within the bound of memory. */
static void bound_memory(struct spool *s)
{
	uint64_t bytes = 0;

	wait_lock(&s->wait);
	for (uint32_t i = s->length; i-- > 0;) {
		struct spool_entry *e = backlog_at(s, i);

		if (e->flags & ENTRY_STORED) {
			continue;
		}
		bytes += e->bytes;
		for (unsigned c = 0; c < SPOOL_CURSORS && bytes > s->limits.memory_bytes; c++) {
			bool last = e->pending == UINT64_C(1) << c;

			if ((e->pending >> c & 1) && s->cursor[c].taken != e->sequence) {
				backlog_drop(s, e, c, SPOOL_OVERFLOW);
				if (last) {
					break;
				}
			}
		}
	}
	wait_unlock(&s->wait);
}

int durable_write(struct spool *s, uint64_t fresh)
{
	struct durable *d = s->durable;
	struct vmt_error error = { .text = "" };
	int ret = write_once(s, fresh, true, &error);

	if (ret == -ENOSPC) {
		ret = write_on_full_disk(s, fresh, &error);
	}
	if (ret < 0) {
		bound_memory(s);
		log_error("%s; samples are held in memory meanwhile", error.text);
	} else if (d->failing) {
		log_info("queue %s: is written to again", d->dir);
	}
	d->failing = ret < 0;
	return ret;
}

/* ---- the twin's operations */

/* Frames that are on the disk and can be read back are held in memory only as far as its bound allows. */
static void page_out(struct spool *s)
{
	uint64_t bytes = 0;

	for (uint32_t i = s->length; i-- > 0;) {
		struct spool_entry *e = backlog_at(s, i);

		if (!e->frame) {
			break;
		}
		bytes += e->bytes;
		if (bytes > s->limits.memory_bytes && (e->flags & ENTRY_STORED)) {
			frame_unref(e->frame);
			e->frame = NULL;
		}
	}
}

static void durable_append(struct spool *s, struct frame *frame)
{
	struct durable *d = s->durable;
	struct spool_entry e = { .frame = frame, .flags = ENTRY_HIDDEN, .time_ns = clock_real() };
	int ret;

	pthread_mutex_lock(&d->lock);
	wait_lock(&s->wait);
	e.sequence = frame->public.sequence = ++s->sequence;
	e.audience = backlog_audience(s, frame);
	wait_unlock(&s->wait);
	if (!e.audience) {
		frame_unref(frame);
		pthread_mutex_unlock(&d->lock);
		return;
	}
	buf_reset(&d->bytes);
	ret = frame_encode(frame, &d->bytes);
	if (ret < 0) {
		log_error("a cycle of more than %u bytes cannot be queued; it is dropped",
			  FRAME_MAX);
	}
	e.bytes = d->bytes.len;
	wait_lock(&s->wait);
	e.audience = e.pending = backlog_audience(s, frame);
	if (e.audience) {
		backlog_make_room(s, frame, e.bytes, e.audience);
		backlog_push(s, &e, NULL);
		for (unsigned c = 0; ret < 0 && c < SPOOL_CURSORS; c++) {
			if (e.audience >> c & 1) {
				backlog_drop(s, backlog_find(s, e.sequence), c, SPOOL_OVERFLOW);
			}
		}
	} else {
		frame_unref(frame);
	}
	wait_unlock(&s->wait);
	if (e.audience) {
		durable_write(s, e.sequence);
	}
	wait_lock(&s->wait);
	page_out(s);
	wait_unlock(&s->wait);
	disk_shrink(d->disk, NULL);
	pthread_mutex_unlock(&d->lock);
}

static int durable_load(struct spool *s, uint64_t sequence, struct frame **ret_frame)
{
	struct durable *d = s->durable;
	struct vmt_error error = { .text = "" };
	struct buf bytes = BUF_INIT;
	int ret;

	pthread_mutex_lock(&d->lock);
	ret = disk_body(d->disk, sequence, &bytes, &error);
	pthread_mutex_unlock(&d->lock);
	if (ret == 0) {
		ret = frame_decode(d->pool, bytes.data, bytes.len, ret_frame, &error);
	}
	buf_fini(&bytes);
	if (ret < 0) {
		log_error("%s", error.text);
	}
	return ret;
}

/* Confirmations of a backlog are written a few at a time, the last ones at once. */
static void durable_settled(struct spool *s, unsigned cursor)
{
	struct durable *d = s->durable;
	bool last;

	wait_lock(&s->wait);
	last = s->cursor[cursor].ledger.queue_frames == 0 || s->cursor[cursor].finished;
	wait_unlock(&s->wait);
	pthread_mutex_lock(&d->lock);
	if (last || clock_monotonic() - d->written_ns >= SETTLE_NS) {
		durable_write(s, 0);
	}
	pthread_mutex_unlock(&d->lock);
}

void durable_free(struct durable *d)
{
	disk_close(d->disk);
	buf_fini(&d->bytes);
	buf_fini(&d->again);
	g_array_unref(d->inserts);
	g_array_unref(d->writing_changes);
	g_array_unref(d->writing_letters);
	g_array_unref(d->changes);
	g_array_unref(d->letters);
	g_ptr_array_unref(d->sources);
	pthread_mutex_destroy(&d->lock);
	g_free(d->dir);
	g_free(d);
}

/* What could not be written is lost with the process: that is counted. */
static void durable_close(struct spool *s)
{
	struct durable *d = s->durable;

	pthread_mutex_lock(&d->lock);
	if (durable_write(s, 0) < 0) {
		struct vmt_error error;

		wait_lock(&s->wait);
		for (uint32_t i = 0; i < s->length;) {
			struct spool_entry *e = backlog_at(s, i);
			uint32_t length = s->length;

			for (unsigned c = 0; c < SPOOL_CURSORS && s->length == length; c++) {
				if (!(e->flags & ENTRY_STORED) && (e->pending >> c & 1)) {
					backlog_drop(s, e, c, SPOOL_SHUTDOWN);
				}
			}
			i += s->length < length ? 0 : 1;
		}
		wait_unlock(&s->wait);
		write_once(s, 0, true, &error);
	}
	pthread_mutex_unlock(&d->lock);
	durable_free(d);
}

const struct spool_twin spool_durable = {
	.append = durable_append,
	.load = durable_load,
	.settled = durable_settled,
	.close = durable_close,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `virtmeter spool ls|verify|export|drop DIR`: looks at and mends a durable log while nothing runs on it.
 * Main thread; blocks on the disk and on the output.
 */
#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cmd/cmd.h"
#include "cmd/parse.h"
#include "cmd/table.h"
#include "model/frame.h"
#include "model/json_text.h"
#include "spool/disk.h"
#include "spool/spool.h"
#include "wire/sample.h"
#include "wire/sample_time.h"

/* What is known of a publisher's cursor. */
struct cursor {
	bool used;
	char *name, *url;
	struct spool_ledger ledger; /* `queued` and what begins with queue_ from the entries */
	uint64_t letters;
	int64_t oldest_ns; /* INT64_MAX: nothing queued */
};

struct job {
	char *format_name, *publisher;
	gboolean dead;
	enum table_format format;
	struct disk *disk;
	struct frame_pool *pool;
	struct cursor cursor[SPOOL_CURSORS];
	uint64_t chosen; /* cursors, as bits */
	GHashTable *sources; /* receivers' numbers → URLs, the chosen ones */
	struct buf bytes, line;
	struct vmt_error error;
	uint64_t frames, samples, faults;
	GArray *entries; /* struct disk_entry, shares left out; for drop */
	struct table *table;
};

static int fail(const struct job *j)
{
	fprintf(stderr, "virtmeter spool: %s\n", j->error.text);
	return CMD_FAILED;
}

static int close_table(struct table *table)
{
	int ret = table_close(table);

	if (ret < 0) {
		fprintf(stderr, "virtmeter spool: %s\n", g_strerror(-ret));
	}
	return ret < 0 ? CMD_FAILED : CMD_OK;
}

/* ---- reading */

static int take_cursor(void *context, const struct disk_cursor *cursor)
{
	struct job *j = context;
	struct cursor *c = &j->cursor[cursor->id];

	c->used = true;
	c->name = g_strdup(cursor->name);
	c->url = g_strdup(cursor->url);
	c->oldest_ns = INT64_MAX;
	if (!j->publisher || strcmp(j->publisher, cursor->url) == 0) {
		j->chosen |= UINT64_C(1) << cursor->id;
	}
	return 0;
}

static int take_source(void *context, const struct disk_cursor *cursor)
{
	struct job *j = context;

	if (!j->publisher || strcmp(j->publisher, cursor->url) == 0) {
		g_hash_table_insert(j->sources, GUINT_TO_POINTER(cursor->id),
				    g_strdup(cursor->url));
	}
	return 0;
}

static int take_ledger(void *context, unsigned cursor, const char *name, uint64_t samples)
{
	spool_ledger_take(&((struct job *)context)->cursor[cursor].ledger, name, samples);
	return 0;
}

static int take_entry(void *context, const struct disk_entry *e)
{
	struct job *j = context;
	size_t share = 0;

	for (unsigned i = 0; i < SPOOL_CURSORS; i++) {
		struct cursor *c = &j->cursor[i];

		if (e->pending >> i & 1) {
			c->ledger.queued += e->shares[share].samples;
			c->ledger.queue_frames++;
			c->ledger.queue_bytes += e->bytes;
			c->oldest_ns = MIN(c->oldest_ns, e->time_ns);
		}
		share += e->audience >> i & 1;
	}
	g_array_append_val(j->entries, *e);
	return 0;
}

static int read_all(struct job *j)
{
	int ret = disk_cursors(j->disk, take_cursor, j, &j->error);

	ret = ret ? ret : disk_sources(j->disk, take_source, j, &j->error);
	ret = ret ? ret : disk_ledgers(j->disk, take_ledger, j, &j->error);
	ret = ret ? ret : disk_entries(j->disk, take_entry, j, &j->error);
	for (unsigned c = 0; ret == 0 && c < SPOOL_CURSORS; c++) {
		ret = disk_letters_count(j->disk, c, &j->cursor[c].letters,
					 &j->cursor[c].ledger.dead_letters, &j->error);
	}
	if (ret == 0 && j->publisher && !j->chosen && !g_hash_table_size(j->sources)) {
		ret = vmt_error_set(&j->error, -ENOENT,
				    "%s: no publisher of that URL; `virtmeter spool ls` shows them",
				    j->publisher);
	}
	return ret;
}

static uint64_t dropped(const struct spool_ledger *l)
{
	uint64_t sum = 0;

	for (unsigned r = 0; r < SPOOL_REASONS; r++) {
		sum += l->dropped[r];
	}
	return sum;
}

/* ---- ls */

static const struct table_column cursor_columns[] = {
	{ .key = "publisher", .wide = true },
	{ .key = "name", .json_only = true },
	{ .key = "produced", .right = true },
	{ .key = "confirmed", .right = true },
	{ .key = "queued", .right = true },
	{ .key = "dropped", .right = true },
	{ .key = "frames", .right = true },
	{ .key = "queue_bytes", .title = "BYTES", .right = true },
	{ .key = "oldest" },
	{ .key = "dead_letters", .title = "DEAD", .right = true },
};

static const struct table_column letter_columns[] = {
	{ .key = "id", .right = true },
	{ .key = "time" },
	{ .key = "by" },
	{ .key = "publisher", .title = "URL" },
	{ .key = "samples", .right = true },
	{ .key = "bytes", .right = true },
	{ .key = "reason", .wide = true },
};

static void put_time(struct table *table, int64_t time_ns)
{
	char text[SAMPLE_TIME_MAX];

	if (time_ns == INT64_MAX) {
		table_text(table, NULL);
		return;
	}
	sample_time_format(time_ns, VMT_PROFILE_26, text);
	table_text(table, text);
}

static void put_dropped(struct job *j, const struct spool_ledger *l)
{
	char shown[24];
	bool first = true;

	buf_reset(&j->line);
	buf_putc(&j->line, '{');
	for (unsigned r = 0; r < SPOOL_REASONS; r++) {
		if (l->dropped[r]) {
			buf_printf(&j->line, "%s\"%s\":%" PRIu64, first ? "" : ",",
				   spool_reason_name(r), l->dropped[r]);
			first = false;
		}
	}
	buf_putc(&j->line, '}');
	g_snprintf(shown, sizeof(shown), "%" PRIu64, dropped(l));
	table_raw(j->table, j->line.data, shown);
}

static int list_cursors(struct job *j)
{
	j->table = table_new(stdout, j->format, cursor_columns, G_N_ELEMENTS(cursor_columns), 0);
	for (unsigned i = 0; i < SPOOL_CURSORS; i++) {
		const struct cursor *c = &j->cursor[i];

		if (!(j->chosen >> i & 1)) {
			continue;
		}
		table_text(j->table, c->url);
		table_text(j->table, c->name);
		table_number(j->table, (long long)c->ledger.produced);
		table_number(j->table, (long long)c->ledger.confirmed);
		table_number(j->table, (long long)c->ledger.queued);
		put_dropped(j, &c->ledger);
		table_number(j->table, (long long)c->ledger.queue_frames);
		table_number(j->table, (long long)c->ledger.queue_bytes);
		put_time(j->table, c->oldest_ns);
		table_number(j->table, (long long)c->ledger.dead_letters);
		table_row(j->table);
	}
	return close_table(j->table);
}

/* Who refused it. */
static const char *letter_by(const struct disk_letter *l)
{
	return l->cursor >= DISK_SOURCES ? "receiver" : "publisher";
}

/* The URL of the publisher or receiver of a letter that was chosen, or NULL. */
static const char *letter_url(const struct job *j, const struct disk_letter *l)
{
	if (l->cursor >= DISK_SOURCES) {
		return g_hash_table_lookup(j->sources, GUINT_TO_POINTER(l->cursor));
	}
	return j->chosen >> l->cursor & 1 ? j->cursor[l->cursor].url : NULL;
}

static int list_letter(void *context, const struct disk_letter *l)
{
	struct job *j = context;
	const char *url = letter_url(j, l);

	if (url) {
		table_number(j->table, (long long)l->id);
		put_time(j->table, l->time_ns);
		table_text(j->table, letter_by(l));
		table_text(j->table, url);
		table_number(j->table, (long long)l->samples);
		table_number(j->table, (long long)l->message_len);
		table_text(j->table, l->reason);
		table_row(j->table);
	}
	return 0;
}

static int run_ls(struct job *j)
{
	int ret;

	if (!j->dead) {
		return list_cursors(j);
	}
	j->table = table_new(stdout, j->format, letter_columns, G_N_ELEMENTS(letter_columns), 0);
	ret = disk_letters(j->disk, list_letter, j, &j->error);
	return close_table(j->table) == CMD_OK && ret == 0 ? CMD_OK : fail(j);
}

/* ---- verify */

static void fault(struct job *j, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void fault(struct job *j, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	j->faults++;
}

static void verify_entry(struct job *j, const struct disk_entry *e)
{
	struct vmt_error error = { "" };
	struct frame *frame;

	if (disk_body(j->disk, e->sequence, &j->bytes, &error) < 0) {
		fault(j, "frame %" PRIu64 ": %s", e->sequence, error.text);
	} else if (frame_decode(j->pool, j->bytes.data, j->bytes.len, &frame, &error) < 0) {
		fault(j, "frame %" PRIu64 ": %s", e->sequence, error.text);
	} else {
		j->frames++;
		j->samples += frame->rows;
		frame_unref(frame);
	}
}

static int verify_letter(void *context, const struct disk_letter *l)
{
	struct vmt_error error = { "" };
	struct job *j = context;
	struct frame *frame = NULL;

	if (l->frame && frame_decode(j->pool, l->frame, l->frame_len, &frame, &error) < 0) {
		fault(j, "dead letter %" PRIu64 ": %s", l->id, error.text);
	} else {
		j->frames++;
		j->samples += l->frame ? frame->rows : l->samples;
		frame_unref(frame);
	}
	return 0;
}

static int run_verify(struct job *j)
{
	if (disk_check(j->disk, &j->error) < 0) {
		fault(j, "%s", j->error.text);
	}
	for (guint i = 0; !j->dead && i < j->entries->len; i++) {
		verify_entry(j, &g_array_index(j->entries, struct disk_entry, i));
	}
	if (j->dead && disk_letters(j->disk, verify_letter, j, &j->error) < 0) {
		fault(j, "%s", j->error.text);
	}
	for (unsigned i = 0; i < SPOOL_CURSORS; i++) {
		const struct spool_ledger *l = &j->cursor[i].ledger;

		if (l->produced != l->confirmed + l->queued + dropped(l)) {
			fault(j,
			      "%s: produced %" PRIu64 " is not confirmed %" PRIu64
			      " + queued %" PRIu64 " + dropped %" PRIu64,
			      j->cursor[i].url, l->produced, l->confirmed, l->queued, dropped(l));
		}
	}
	if (j->faults == 0) {
		printf("ok: %" PRIu64 " %s, %" PRIu64 " samples\n", j->frames,
		       j->dead ? "dead letters" : "frames", j->samples);
	}
	return j->faults ? CMD_FAILED : CMD_OK;
}

/* ---- export */

/* The frame's samples for these publishers, as objects with `between` them. */
static void add_samples(struct job *j, const struct frame *frame, uint64_t bits, char between)
{
	struct sample_encoder encoder;
	bool first = true;

	sample_encoder_init(&encoder, SAMPLE_JSON, (enum vmt_profile)frame->public.profile);
	for (size_t b = 0; b < frame->public.count; b++) {
		const struct vmt_batch *batch = &frame->public.batch[b];

		if (!(batch->publishers & bits)) {
			continue;
		}
		sample_encoder_batch(&encoder, batch);
		for (uint32_t r = 0; r < batch->count; r++) {
			if (!first) {
				buf_putc(&j->line, between);
			}
			first = false;
			sample_encoder_row(&encoder, r, &j->line);
		}
	}
	sample_encoder_fini(&encoder);
}

static int write_line(struct job *j)
{
	buf_putc(&j->line, '\n');
	if (fwrite(j->line.data, 1, j->line.len, stdout) != j->line.len) {
		return vmt_error_set(&j->error, -EIO, "stdout: %s", g_strerror(errno));
	}
	return 0;
}

static int export_entry(struct job *j, const struct disk_entry *e)
{
	struct vmt_error error = { "" };
	struct frame *frame;
	int ret = 0;

	if (!(e->pending & j->chosen)) {
		return 0;
	}
	if (disk_body(j->disk, e->sequence, &j->bytes, &error) < 0 ||
	    frame_decode(j->pool, j->bytes.data, j->bytes.len, &frame, &error) < 0) {
		fprintf(stderr, "virtmeter spool: frame %" PRIu64 ": %s; left out\n", e->sequence,
			error.text);
		j->faults++;
		return 0;
	}
	buf_reset(&j->line);
	add_samples(j, frame, e->pending & j->chosen, '\n');
	if (j->line.len) {
		ret = write_line(j);
	}
	frame_unref(frame);
	return ret;
}

/* An object a letter: why, the samples, and the message as text, or in base64 where it is none. */
static int export_letter(void *context, const struct disk_letter *l)
{
	struct vmt_error error = { "" };
	struct job *j = context;
	const char *url = letter_url(j, l);
	char time[SAMPLE_TIME_MAX], *text;
	struct frame *frame;

	if (!url) {
		return 0;
	}
	buf_reset(&j->line);
	sample_time_format(l->time_ns, VMT_PROFILE_26, time);
	buf_printf(&j->line,
		   "{\"id\":%" PRIu64 ",\"time\":\"%s\",\"by\":\"%s\",\"publisher\":", l->id, time,
		   letter_by(l));
	json_add(&j->line, url);
	buf_puts(&j->line, ",\"reason\":");
	json_add(&j->line, l->reason);
	buf_puts(&j->line, ",\"samples\":[");
	if (l->frame && frame_decode(j->pool, l->frame, l->frame_len, &frame, &error) == 0) {
		add_samples(j, frame, UINT64_MAX, ',');
		frame_unref(frame);
	}
	buf_putc(&j->line, ']');
	if (l->message && !memchr(l->message, 0, l->message_len) &&
	    g_utf8_validate(l->message, (gssize)l->message_len, NULL)) {
		text = g_strndup(l->message, l->message_len);
		buf_puts(&j->line, ",\"message\":");
		json_add(&j->line, text);
		g_free(text);
	} else if (l->message) {
		text = g_base64_encode(l->message, l->message_len);
		buf_printf(&j->line, ",\"message_base64\":\"%s\"", text);
		g_free(text);
	}
	buf_putc(&j->line, '}');
	return write_line(j);
}

static int run_export(struct job *j)
{
	int ret = 0;

	if (j->dead) {
		ret = disk_letters(j->disk, export_letter, j, &j->error);
	}
	for (guint i = 0; !j->dead && ret == 0 && i < j->entries->len; i++) {
		ret = export_entry(j, &g_array_index(j->entries, struct disk_entry, i));
	}
	if (ret == 0 && fflush(stdout) != 0) {
		ret = vmt_error_set(&j->error, -errno, "stdout: %s", g_strerror(errno));
	}
	if (ret < 0) {
		return fail(j);
	}
	return j->faults ? CMD_FAILED : CMD_OK;
}

/* ---- drop */

static int drop_letters(struct job *j)
{
	GHashTableIter iter;
	gpointer source;
	int ret = 0;

	for (unsigned c = 0; ret == 0 && c < SPOOL_CURSORS; c++) {
		if (j->chosen >> c & 1) {
			j->samples += j->cursor[c].ledger.dead_letters;
			ret = disk_remove_letters(j->disk, (int)c, &j->error);
		}
	}
	g_hash_table_iter_init(&iter, j->sources);
	while (ret == 0 && g_hash_table_iter_next(&iter, &source, NULL)) {
		uint64_t letters, samples = 0;

		ret = disk_letters_count(j->disk, GPOINTER_TO_UINT(source), &letters, &samples,
					 &j->error);
		j->samples += samples;
		ret = ret ? ret
			  : disk_remove_letters(j->disk, (int)GPOINTER_TO_UINT(source), &j->error);
	}
	return ret;
}

static int drop_entries(struct job *j)
{
	int ret = 0;

	for (guint i = 0; ret == 0 && i < j->entries->len; i++) {
		const struct disk_entry *e = &g_array_index(j->entries, struct disk_entry, i);
		uint64_t pending = e->pending & ~j->chosen;

		if (pending == 0) {
			ret = disk_remove(j->disk, e->sequence, &j->error);
		} else if (pending != e->pending) {
			ret = disk_set_pending(j->disk, e->sequence, pending, &j->error);
		}
	}
	for (unsigned c = 0; ret == 0 && c < SPOOL_CURSORS; c++) {
		const struct spool_ledger *l = &j->cursor[c].ledger;

		if (j->chosen >> c & 1) {
			j->samples += l->queued;
			ret = disk_set_ledger(j->disk, c, spool_reason_name(SPOOL_REMOVED),
					      l->dropped[SPOOL_REMOVED] + l->queued, &j->error);
		}
	}
	return ret;
}

static int run_drop(struct job *j)
{
	int ret = disk_begin(j->disk, &j->error);

	if (ret == 0) {
		ret = j->dead ? drop_letters(j) : drop_entries(j);
	}
	ret = ret ? ret : disk_commit(j->disk, &j->error);
	if (ret < 0) {
		disk_abort(j->disk);
		return fail(j);
	}
	printf("%" PRIu64 " samples dropped\n", j->samples);
	return CMD_OK;
}

/* ---- the command */

static const struct {
	const char *name;
	int (*run)(struct job *job);
} actions[] = {
	{ "ls", run_ls },
	{ "verify", run_verify },
	{ "export", run_export },
	{ "drop", run_drop },
};

static int run_job(struct job *j, const char *dir, int (*run)(struct job *job))
{
	int ret = disk_open(dir, DISK_READ, &j->disk, &j->error);

	j->pool = frame_pool_new(1);
	j->sources = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	j->entries = g_array_new(FALSE, FALSE, sizeof(struct disk_entry));
	buf_init(&j->bytes);
	buf_init(&j->line);
	ret = ret ? ret : read_all(j);
	ret = ret < 0 ? fail(j) : run(j);
	disk_close(j->disk);
	for (unsigned c = 0; c < SPOOL_CURSORS; c++) {
		g_free(j->cursor[c].name);
		g_free(j->cursor[c].url);
	}
	g_array_unref(j->entries);
	g_hash_table_unref(j->sources);
	frame_pool_free(j->pool);
	buf_fini(&j->bytes);
	buf_fini(&j->line);
	return ret;
}

int cmd_spool(int argc, char **argv)
{
	struct job j = { .publisher = NULL };
	const GOptionEntry entries[] = {
		{ "dead", 'd', 0, G_OPTION_ARG_NONE, &j.dead,
		  "Dead letters: what publishers were refused for good, and what receivers rejected",
		  NULL },
		{ "publisher", 'p', 0, G_OPTION_ARG_STRING, &j.publisher,
		  "Only what is of the publisher, or receiver, of this URL, as ls shows it",
		  "URL" },
		{ "format", 'f', 0, G_OPTION_ARG_STRING, &j.format_name, "table or json, for ls",
		  "FORMAT" },
		{ NULL, 0, 0, 0, NULL, NULL, NULL },
	};
	int ret = cmd_parse(
		&argc, &argv, entries, "ls|verify|export|drop DIR",
		"Looks at and mends a durable queue (queue_dir) while nothing runs on it: ls "
		"shows who\nwaits for what, verify reads everything, export prints the samples "
		"as lines of JSON,\ndrop removes them, counted as removed.");
	size_t i = 0;

	if (ret < 0 && cmd_format("spool", j.format_name, &j.format) < 0) {
		ret = CMD_USAGE;
	}
	if (ret < 0 && argc != 3) {
		ret = cmd_usage("spool", "write: virtmeter spool ls|verify|export|drop DIR");
	}
	while (ret < 0 && i < G_N_ELEMENTS(actions) && strcmp(actions[i].name, argv[1]) != 0) {
		i++;
	}
	if (ret < 0) {
		ret = i < G_N_ELEMENTS(actions)
			      ? run_job(&j, argv[2], actions[i].run)
			      : cmd_usage("spool",
					  "%s: no such action; there are ls, verify, export, drop",
					  argv[1]);
	}
	g_free(j.publisher);
	g_free(j.format_name);
	return ret;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `virtmeter samples`, `resources` and `meters`: what is in a store, as a table, lines of JSON, or CSV.
 * Main thread; blocks on the store and on the output.
 */
#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/uuid.h"
#include "cmd/ask.h"
#include "cmd/cmd.h"
#include "cmd/table.h"
#include "wire/json.h"
#include "wire/pynum.h"
#include "wire/sample_time.h"

enum { TERMINAL_ROWS = 100, CELLS_MOST = 16, TABLE_MOST = 8, NUMBER = 40 };

/* What can be shown of a row. */
enum cell {
	CELL_NAME,
	CELL_TYPE,
	CELL_UNIT,
	CELL_VOLUME,
	CELL_USER,
	CELL_USER_NAME,
	CELL_PROJECT,
	CELL_PROJECT_NAME,
	CELL_RESOURCE,
	CELL_TIME,
	CELL_FIRST,
	CELL_LAST,
	CELL_METADATA,
	CELL_SOURCE,
	CELL_ID,
	CELL_MONO,
	CELL_MESSAGE_ID, /* the same as CELL_ID; left out where there is none */
	CELLS
};

struct column {
	enum cell cell;
	const char *key; /* JSON, CSV */
};

/* One of the three commands. */
struct listing {
	const char *name, *about;
	struct column column[CELLS_MOST];
	size_t columns;
	struct table_column title[TABLE_MOST];
	enum cell shown[TABLE_MOST]; /* in the table */
	size_t titles;
	int (*ask)(const struct cmd_store *store, const struct vmt_query *query, vmt_row_fn row,
		   void *context, struct vmt_error *error);
};

/* The text of a cell; NULL is null.  `raw`: JSON as it is. */
struct value {
	const char *text;
	bool raw;
};

struct output {
	const struct listing *listing;
	enum ask_form form;
	struct table *table;
	struct buf line, metadata;
	uint64_t rows;
};

static const char *const type_names[] = { "cumulative", "gauge", "delta" };

/* ------------------------------------------------------------------ cells */

struct texts {
	char number[NUMBER], mono[NUMBER], id[UUID_TEXT];
	char time[SAMPLE_TIME_MAX], first[SAMPLE_TIME_MAX], last[SAMPLE_TIME_MAX];
};

static void put_number(char *out, enum vmt_kind kind, union vmt_num value)
{
	size_t n = kind == VMT_DOUBLE   ? pynum_double(out, value.d)
		   : kind == VMT_UINT64 ? pynum_uint(out, value.u)
					: pynum_int(out, value.i);

	out[n] = '\0';
}

static const char *put_time(char *out, int64_t time_ns)
{
	sample_time_format(time_ns, VMT_PROFILE_26, out);
	return out;
}

/* All cells of a row; they hold until the next one. */
static void fill(struct output *o, const struct vmt_store_row *row, struct texts *t,
		 struct value value[CELLS])
{
	const struct vmt_resource *r = row->resource;

	buf_reset(&o->metadata);
	buf_add(&o->metadata, r->meta_head, r->meta_head_len);
	buf_add(&o->metadata, r->meta_tail, r->meta_tail_len);
	put_number(t->number, row->kind, row->value);
	value[CELL_NAME].text = row->name;
	value[CELL_TYPE].text = (size_t)row->type < G_N_ELEMENTS(type_names) ? type_names[row->type]
									     : NULL;
	value[CELL_UNIT].text = row->unit;
	value[CELL_VOLUME] = (struct value){ t->number, true };
	value[CELL_USER].text = r->user_id;
	value[CELL_USER_NAME].text = r->user_name;
	value[CELL_PROJECT].text = r->project_id;
	value[CELL_PROJECT_NAME].text = r->project_name;
	value[CELL_RESOURCE].text = r->id;
	value[CELL_TIME].text = put_time(t->time, row->time_ns);
	value[CELL_FIRST].text = put_time(t->first, row->first_ns);
	value[CELL_LAST].text = put_time(t->last, row->last_ns);
	value[CELL_METADATA] = (struct value){ o->metadata.data, true };
	value[CELL_SOURCE].text = r->source;
	if (row->message_id) {
		uuid_format(row->message_id, t->id);
		value[CELL_ID].text = value[CELL_MESSAGE_ID].text = t->id;
	}
	if (row->mono_ns != INT64_MIN) {
		put_number(t->mono, VMT_DOUBLE, (union vmt_num){ .d = (double)row->mono_ns / 1e9 });
		value[CELL_MONO] = (struct value){ t->mono, true };
	}
}

/* ------------------------------------------------------------------ forms */

static void put_json(struct output *o, const struct value value[CELLS])
{
	struct json_writer w;

	json_writer_init(&w, &o->line);
	json_begin_object(&w);
	for (size_t i = 0; i < o->listing->columns; i++) {
		const struct value *v = &value[o->listing->column[i].cell];

		if (!v->text && o->listing->column[i].cell == CELL_MESSAGE_ID) {
			continue;
		}
		json_key(&w, o->listing->column[i].key);
		if (v->raw) {
			json_put_raw(&w, v->text, strlen(v->text));
		} else {
			json_put_text(&w, v->text);
		}
	}
	json_end_object(&w);
	buf_putc(&o->line, '\n');
}

/* A line of CSV; the titles where `value` is NULL. */
static void put_csv(struct output *o, const struct value *value)
{
	for (size_t i = 0; i < o->listing->columns; i++) {
		const struct column *c = &o->listing->column[i];

		if (i) {
			buf_putc(&o->line, ',');
		}
		ask_csv(&o->line, value ? value[c->cell].text : c->key);
	}
	buf_puts(&o->line, "\r\n");
}

static int write_line(struct output *o)
{
	size_t n = fwrite(o->line.data, 1, o->line.len, stdout);
	bool whole = n == o->line.len;

	buf_reset(&o->line);
	return whole ? 0 : -EIO;
}

static int on_row(void *context, const struct vmt_store_row *row)
{
	struct output *o = context;
	struct value value[CELLS] = { { NULL, false } };
	struct texts texts;

	fill(o, row, &texts, value);
	o->rows++;
	switch (o->form) {
	case ASK_JSON:
		put_json(o, value);
		return write_line(o);
	case ASK_CSV:
		put_csv(o, value);
		return write_line(o);
	default:
		for (size_t i = 0; i < o->listing->titles; i++) {
			table_text(o->table, value[o->listing->shown[i]].text);
		}
		table_row(o->table);
		return 0;
	}
}

static void output_init(struct output *o, const struct listing *listing, enum ask_form form)
{
	*o = (struct output){ .listing = listing, .form = form };
	buf_init(&o->line);
	buf_init(&o->metadata);
	if (form == ASK_TABLE) {
		o->table = table_new(stdout, TABLE_TEXT, listing->title, listing->titles, 0);
	} else if (form == ASK_CSV) {
		put_csv(o, NULL);
		write_line(o);
	}
}

/* 0, or -errno of the output. */
static int output_fini(struct output *o)
{
	int code = o->table ? table_close(o->table) : 0;

	if (fflush(stdout) == EOF && code == 0) {
		code = -errno;
	}
	buf_fini(&o->line);
	buf_fini(&o->metadata);
	return code;
}

/* ------------------------------------------------------------------ running */

static int show(const struct listing *listing, const struct cmd_store *store, struct ask *a)
{
	bool terminal = a->form == ASK_TABLE && isatty(STDOUT_FILENO);
	struct vmt_error error = { "" };
	struct output output;
	int code, closed, status;

	if (!a->limited && terminal) {
		a->query.limit = TERMINAL_ROWS;
	}
	output_init(&output, listing, a->form);
	code = listing->ask(store, &a->query, on_row, &output, &error);
	closed = output_fini(&output);
	status = ask_status(listing->name, code, closed, &error);
	if (status == CMD_OK && !a->limited && terminal && output.rows >= TERMINAL_ROWS) {
		fprintf(stderr, "the first %d; more with --limit\n", TERMINAL_ROWS);
	}
	if (status == CMD_OK && a->form == ASK_TABLE && output.rows == 0) {
		ask_nothing(listing->name, store);
	}
	return status;
}

static int run(const struct listing *listing, int argc, char **argv)
{
	static const GOptionEntry none[] = { { NULL, 0, 0, 0, NULL, NULL, NULL } };
	struct cmd_store store;
	struct ask a;
	int status = ask_parse(&a, listing->name, listing->about, none, &argc, &argv);

	if (status < 0) {
		status = ask_open(&a, listing->name, &store);
	}
	if (status < 0) {
		status = show(listing, &store, &a);
		cmd_store_close(&store);
	}
	ask_fini(&a);
	return status;
}

/* ------------------------------------------------------------------ the three */

static int ask_samples(const struct cmd_store *store, const struct vmt_query *query, vmt_row_fn row,
		       void *context, struct vmt_error *error)
{
	return store->ops->samples(store->self, query, row, context, error);
}

static int ask_resources(const struct cmd_store *store, const struct vmt_query *query,
			 vmt_row_fn row, void *context, struct vmt_error *error)
{
	return store->ops->resources(store->self, query, row, context, error);
}

static int ask_meters(const struct cmd_store *store, const struct vmt_query *query, vmt_row_fn row,
		      void *context, struct vmt_error *error)
{
	return store->ops->meters(store->self, query, row, context, error);
}

static const struct listing samples = {
	.name = "samples",
	.about = "The samples in a store, newest first.",
	.columns = 15,
	.column = { { CELL_NAME, "name" },
		    { CELL_TYPE, "type" },
		    { CELL_UNIT, "unit" },
		    { CELL_VOLUME, "volume" },
		    { CELL_USER, "user_id" },
		    { CELL_USER_NAME, "user_name" },
		    { CELL_PROJECT, "project_id" },
		    { CELL_PROJECT_NAME, "project_name" },
		    { CELL_RESOURCE, "resource_id" },
		    { CELL_TIME, "timestamp" },
		    { CELL_METADATA, "resource_metadata" },
		    { CELL_SOURCE, "source" },
		    { CELL_ID, "id" },
		    { CELL_MONO, "monotonic_time" },
		    { CELL_MESSAGE_ID, "message_id" } },
	.titles = 6,
	.title = { { .key = "timestamp", .title = "TIME" },
		   { .key = "resource_id", .title = "RESOURCE", .wide = true },
		   { .key = "name", .title = "METER" },
		   { .key = "volume", .title = "VOLUME", .right = true },
		   { .key = "unit", .title = "UNIT" },
		   { .key = "type", .title = "TYPE" } },
	.shown = { CELL_TIME, CELL_RESOURCE, CELL_NAME, CELL_VOLUME, CELL_UNIT, CELL_TYPE },
	.ask = ask_samples,
};

static const struct listing resources = {
	.name = "resources",
	.about = "The resources in a store, the one seen last first.",
	.columns = 9,
	.column = { { CELL_RESOURCE, "resource_id" },
		    { CELL_SOURCE, "source" },
		    { CELL_USER, "user_id" },
		    { CELL_USER_NAME, "user_name" },
		    { CELL_PROJECT, "project_id" },
		    { CELL_PROJECT_NAME, "project_name" },
		    { CELL_FIRST, "first_sample_timestamp" },
		    { CELL_LAST, "last_sample_timestamp" },
		    { CELL_METADATA, "metadata" } },
	.titles = 5,
	.title = { { .key = "resource_id", .title = "RESOURCE", .wide = true },
		   { .key = "project_id", .title = "PROJECT", .wide = true },
		   { .key = "user_id", .title = "USER", .wide = true },
		   { .key = "first_sample_timestamp", .title = "FIRST SAMPLE" },
		   { .key = "last_sample_timestamp", .title = "LAST SAMPLE" } },
	.shown = { CELL_RESOURCE, CELL_PROJECT, CELL_USER, CELL_FIRST, CELL_LAST },
	.ask = ask_resources,
};

static const struct listing meters = {
	.name = "meters",
	.about = "Which meters there are in a store, of which resources.",
	.columns = 9,
	.column = { { CELL_NAME, "name" },
		    { CELL_TYPE, "type" },
		    { CELL_UNIT, "unit" },
		    { CELL_RESOURCE, "resource_id" },
		    { CELL_USER, "user_id" },
		    { CELL_USER_NAME, "user_name" },
		    { CELL_PROJECT, "project_id" },
		    { CELL_PROJECT_NAME, "project_name" },
		    { CELL_SOURCE, "source" } },
	.titles = 6,
	.title = { { .key = "name", .title = "METER" },
		   { .key = "type", .title = "TYPE" },
		   { .key = "unit", .title = "UNIT" },
		   { .key = "resource_id", .title = "RESOURCE", .wide = true },
		   { .key = "project_id", .title = "PROJECT", .wide = true },
		   { .key = "user_id", .title = "USER", .wide = true } },
	.shown = { CELL_NAME, CELL_TYPE, CELL_UNIT, CELL_RESOURCE, CELL_PROJECT, CELL_USER },
	.ask = ask_meters,
};

int cmd_samples(int argc, char **argv)
{
	return run(&samples, argc, argv);
}

int cmd_resources(int argc, char **argv)
{
	return run(&resources, argc, argv);
}

int cmd_meters(int argc, char **argv)
{
	return run(&meters, argc, argv);
}

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
#include "builtin.h"
#include "cmd/cmd.h"
#include "cmd/parse.h"
#include "cmd/store.h"
#include "cmd/table.h"
#include "wire/json.h"
#include "wire/pynum.h"
#include "wire/sample_time.h"

enum { TERMINAL_ROWS = 100, CELLS_MOST = 16, TABLE_MOST = 8, NUMBER = 40 };

enum form { FORM_TABLE, FORM_JSON, FORM_CSV };

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
	enum form form;
	struct table *table;
	struct buf line, metadata;
	uint64_t rows;
};

struct arguments {
	char **config_files, **config_dirs, **meters, **metadata;
	char *store, *resource, *project, *user, *start, *end, *format;
	gint64 limit; /* -1: not given */
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

/* A field of CSV (RFC 4180): in quotes where it has to be. */
static void put_field(struct buf *out, const char *text)
{
	if (!text || !text[strcspn(text, "\",\r\n")]) {
		buf_puts(out, text ? text : "");
		return;
	}
	buf_putc(out, '"');
	for (; *text; text++) {
		if (*text == '"') {
			buf_putc(out, '"');
		}
		buf_putc(out, *text);
	}
	buf_putc(out, '"');
}

/* A line of CSV; the titles where `value` is NULL. */
static void put_csv(struct output *o, const struct value *value)
{
	for (size_t i = 0; i < o->listing->columns; i++) {
		const struct column *c = &o->listing->column[i];

		if (i) {
			buf_putc(&o->line, ',');
		}
		put_field(&o->line, value ? value[c->cell].text : c->key);
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
	case FORM_JSON:
		put_json(o, value);
		return write_line(o);
	case FORM_CSV:
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

static void output_init(struct output *o, const struct listing *listing, enum form form)
{
	*o = (struct output){ .listing = listing, .form = form };
	buf_init(&o->line);
	buf_init(&o->metadata);
	if (form == FORM_TABLE) {
		o->table = table_new(stdout, TABLE_TEXT, listing->title, listing->titles, 0);
	} else if (form == FORM_CSV) {
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

/* ------------------------------------------------------------------ arguments */

/* The query, without the lists that `pairs` and `meters` hold.  -1, or the exit status. */
static int take_times(const struct listing *listing, const struct arguments *a,
		      struct vmt_query *query)
{
	const struct {
		const char *option, *text;
		int64_t *time_ns;
	} times[] = {
		{ "--start", a->start, &query->start_ns },
		{ "--end", a->end, &query->end_ns },
	};
	int64_t now = vmt_clock_real();

	for (size_t i = 0; i < G_N_ELEMENTS(times); i++) {
		if (times[i].text && sample_time_parse(times[i].text, now, times[i].time_ns)) {
			return cmd_usage(listing->name,
					 "%s: '%s' is no time; write 2026-07-21T13:56:12Z,"
					 " or -1h for an hour ago",
					 times[i].option, times[i].text);
		}
	}
	if (a->start && a->end && query->start_ns >= query->end_ns) {
		return cmd_usage(listing->name, "--end: '%s' is not after --start '%s'", a->end,
				 a->start);
	}
	return -1;
}

/* `key=value` into a list of pairs, which is to be freed with free_pairs(). */
static int take_metadata(const struct listing *listing, const struct arguments *a,
			 struct vmt_pair **ret_pairs)
{
	guint count = a->metadata ? g_strv_length(a->metadata) : 0;
	struct vmt_pair *pairs = g_new0(struct vmt_pair, count + 1);

	*ret_pairs = pairs;
	for (guint i = 0; i < count; i++) {
		const char *equals = strchr(a->metadata[i], '=');

		if (!equals || equals == a->metadata[i]) {
			return cmd_usage(listing->name,
					 "--metadata: '%s' will not do; write key=value, as in"
					 " flavor.name=m1.small",
					 a->metadata[i]);
		}
		pairs[i].key = g_strndup(a->metadata[i], (gsize)(equals - a->metadata[i]));
		pairs[i].value = equals + 1;
	}
	return -1;
}

static void free_pairs(struct vmt_pair *pairs)
{
	for (struct vmt_pair *p = pairs; p && p->key; p++) {
		g_free((char *)p->key);
	}
	g_free(pairs);
}

static int take_form(const struct listing *listing, const struct arguments *a, enum form *ret_form)
{
	static const char *const words[] = { "table", "json", "csv" };

	for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
		if (g_strcmp0(a->format ? a->format : words[0], words[i]) == 0) {
			*ret_form = (enum form)i;
			return -1;
		}
	}
	return cmd_usage(listing->name, "--format: '%s' will not do; write table, json or csv",
			 a->format);
}

static int parse(const struct listing *listing, int *argc, char ***argv, struct arguments *a)
{
	const GOptionEntry entries[] = {
		{ "store", 's', 0, G_OPTION_ARG_STRING, &a->store, "store to read (as configured)",
		  "URL" },
		{ "meter", 'm', 0, G_OPTION_ARG_STRING_ARRAY, &a->meters,
		  "only meters that match, may be repeated", "PATTERN" },
		{ "resource", 'r', 0, G_OPTION_ARG_STRING, &a->resource, "only this resource",
		  "ID" },
		{ "project", 'p', 0, G_OPTION_ARG_STRING, &a->project, "only of this project",
		  "ID" },
		{ "user", 'u', 0, G_OPTION_ARG_STRING, &a->user, "only of this user", "ID" },
		{ "metadata", 'M', 0, G_OPTION_ARG_STRING_ARRAY, &a->metadata,
		  "only with this in the metadata, may be repeated", "KEY=VALUE" },
		{ "start", 0, 0, G_OPTION_ARG_STRING, &a->start,
		  "only from this time on: ISO 8601, or -1h", "TIME" },
		{ "end", 0, 0, G_OPTION_ARG_STRING, &a->end, "only before this time", "TIME" },
		{ "limit", 'n', 0, G_OPTION_ARG_INT64, &a->limit,
		  "at most so many, 0 for all (100 for a table on a terminal, else all)", "N" },
		{ "format", 'f', 0, G_OPTION_ARG_STRING, &a->format, "table, json or csv",
		  "FORMAT" },
		{ "config-file", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &a->config_files,
		  "configuration file, may be repeated, the last wins", "FILE" },
		{ "config-dir", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &a->config_dirs,
		  "folder whose *.conf are read, by name", "DIR" },
		{ NULL, 0, 0, 0, NULL, NULL, NULL },
	};
	int status = cmd_parse(argc, argv, entries, NULL, listing->about);

	if (status >= 0) {
		return status;
	}
	if (*argc > 1) {
		return cmd_usage(listing->name, "'%s' is not expected", (*argv)[1]);
	}
	if (a->limit < -1) {
		return cmd_usage(listing->name,
				 "--limit: %" G_GINT64_FORMAT " will not do; write a number"
				 " from 0",
				 a->limit);
	}
	return -1;
}

static void arguments_fini(struct arguments *a)
{
	char *texts[] = { a->store, a->resource, a->project, a->user, a->start, a->end, a->format };

	g_strfreev(a->config_files);
	g_strfreev(a->config_dirs);
	g_strfreev(a->meters);
	g_strfreev(a->metadata);
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_free(texts[i]);
	}
}

/* ------------------------------------------------------------------ running */

static int show(const struct listing *listing, const struct cmd_store *store,
		struct vmt_query *query, enum form form, bool given)
{
	bool terminal = form == FORM_TABLE && isatty(STDOUT_FILENO);
	struct vmt_error error = { "" };
	struct output output;
	int code, closed;

	if (!given && terminal) {
		query->limit = TERMINAL_ROWS;
	}
	output_init(&output, listing, form);
	code = listing->ask(store, query, on_row, &output, &error);
	closed = output_fini(&output);
	if (code < 0 && error.text[0]) {
		fprintf(stderr, "virtmeter %s: %s\n", listing->name, error.text);
		return CMD_FAILED;
	}
	if (code < 0 || closed < 0) {
		fprintf(stderr, "virtmeter %s: standard output: %s\n", listing->name,
			g_strerror(closed < 0 ? -closed : -code));
		return CMD_FAILED;
	}
	if (!given && terminal && output.rows >= TERMINAL_ROWS) {
		fprintf(stderr, "the first %d; more with --limit\n", TERMINAL_ROWS);
	}
	return CMD_OK;
}

static int run_query(const struct listing *listing, const struct arguments *a)
{
	const struct ini_search search = cmd_search(a->config_files, a->config_dirs);
	struct vmt_query query = {
		.meters = (const char *const *)a->meters,
		.resource = a->resource,
		.project = a->project,
		.user = a->user,
		.start_ns = INT64_MIN,
		.end_ns = INT64_MAX,
		.limit = a->limit > 0 ? (uint64_t)a->limit : 0,
	};
	struct vmt_pair *pairs = NULL;
	struct cmd_store store;
	struct vmt_error error;
	enum form form = FORM_TABLE;
	int status = take_times(listing, a, &query);

	if (status < 0) {
		status = take_form(listing, a, &form);
	}
	if (status < 0) {
		status = take_metadata(listing, a, &pairs);
	}
	query.metadata = pairs;
	if (status < 0 && cmd_store_open(builtin_plugins, &search, a->store, &store, &error)) {
		fprintf(stderr, "virtmeter %s: %s\n", listing->name, error.text);
		status = CMD_FAILED;
	}
	if (status < 0) {
		status = show(listing, &store, &query, form, a->limit >= 0);
		cmd_store_close(&store);
	}
	free_pairs(pairs);
	return status;
}

static int run(const struct listing *listing, int argc, char **argv)
{
	struct arguments a = { .limit = -1 };
	int status = parse(listing, &argc, &argv, &a);

	if (status < 0) {
		status = run_query(listing, &a);
	}
	arguments_fini(&a);
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `virtmeter statistics`: what the samples in a store come to, per meter, group and period, as a table, lines of
 * JSON, or CSV.  Main thread; blocks on the store and on the output.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/aggregate.h"
#include "cmd/ask.h"
#include "cmd/cmd.h"
#include "cmd/parse.h"
#include "cmd/table.h"
#include "wire/json.h"
#include "wire/pynum.h"
#include "wire/sample_time.h"

enum { TERMINAL_ROWS = 100, NUMBER = 40, CELLS_MOST = 32 };

_Static_assert((int)NUMBER >= (int)SAMPLE_TIME_MAX, "room for a time");

#define NO_PERIOD G_MININT64 /* not given */
#define PERIOD_MOST INT64_C(3155760000) /* seconds: a hundred years */

/* What --aggregate may name, in the order in which it is shown. */
enum figure { COUNT, LEAST, MOST, AVG, SUM, STDDEV, FIRST, LAST, INCREASE, RATE, FIGURES };

static const struct {
	const char *name, *title;
	bool table; /* in a table unless --aggregate says what to show */
} figures[FIGURES] = {
	[COUNT] = { "count", "COUNT", true },
	[LEAST] = { "min", "MIN", true },
	[MOST] = { "max", "MAX", true },
	[AVG] = { "avg", "AVG", true },
	[SUM] = { "sum", "SUM", true },
	[STDDEV] = { "stddev", "STDDEV", false },
	[FIRST] = { "first", "FIRST", false },
	[LAST] = { "last", "LAST", false },
	[INCREASE] = { "increase", "INCREASE", true },
	[RATE] = { "rate", "RATE", true },
};

struct command {
	struct ask ask;
	char *groupby, *aggregate; /* as given */
	gint64 period; /* seconds; 0: all of the time */
	char **groups; /* full names, NULL-terminated */
	bool shown[FIGURES];
};

struct output {
	const struct command *command;
	struct table *table;
	struct buf line;
	uint64_t rows, limit; /* limit 0: none */
};

/* ------------------------------------------------------------------ figures */

static void put_number(char out[NUMBER], struct aggregate_number n)
{
	size_t len = n.kind == VMT_DOUBLE   ? pynum_double(out, n.value.d)
		     : n.kind == VMT_UINT64 ? pynum_uint(out, n.value.u)
					    : pynum_int(out, n.value.i);

	out[len] = '\0';
}

static void put_double(char out[NUMBER], double value)
{
	put_number(out, (struct aggregate_number){ VMT_DOUBLE, { .d = value } });
}

/* As JSON; NULL is null. */
static const char *figure(const struct statistic *s, enum figure which, char out[NUMBER])
{
	const struct aggregate_number *whole[FIGURES] = {
		[LEAST] = &s->min,   [MOST] = &s->max,  [SUM] = &s->sum,
		[FIRST] = &s->first, [LAST] = &s->last, [INCREASE] = &s->increase,
	};
	const double *real[FIGURES] = { [AVG] = &s->avg, [STDDEV] = &s->stddev, [RATE] = &s->rate };

	if ((which == INCREASE || which == RATE) && !s->increased) {
		return NULL;
	}
	if (whole[which]) {
		put_number(out, *whole[which]);
	} else if (real[which]) {
		put_double(out, *real[which]);
	} else {
		g_snprintf(out, NUMBER, "%" G_GUINT64_FORMAT, (guint64)s->count);
	}
	return out;
}

/* For people: six digits are enough of what is not whole. */
static const char *short_figure(const struct statistic *s, enum figure which, char out[NUMBER])
{
	const char *text = figure(s, which, out);
	double value;

	if (text && strpbrk(text, ".e")) {
		value = g_ascii_strtod(text, NULL);
		g_ascii_formatd(out, NUMBER, value >= 1e6 || value <= -1e6 ? "%.0f" : "%.6g",
				value);
	}
	return text;
}

/* ------------------------------------------------------------------ forms */

static void put_time(struct json_writer *w, const char *key, int64_t time_ns)
{
	char text[SAMPLE_TIME_MAX];

	sample_time_format(time_ns, VMT_PROFILE_26, text);
	json_key(w, key);
	json_put_text(w, text);
}

static void put_json(struct output *o, const struct statistic *s)
{
	const struct command *c = o->command;
	struct json_writer w;
	char text[NUMBER];

	json_writer_init(&w, &o->line);
	json_begin_object(&w);
	json_key(&w, "name");
	json_put_text(&w, s->name);
	json_key(&w, "unit");
	json_put_text(&w, s->unit);
	json_key(&w, "groupby");
	if (c->groups[0]) {
		json_begin_object(&w);
		for (size_t i = 0; c->groups[i]; i++) {
			json_key(&w, c->groups[i]);
			json_put_text(&w, s->group[i]);
		}
		json_end_object(&w);
	} else {
		json_put_null(&w);
	}
	json_key(&w, "period");
	json_put_int(&w, c->period);
	put_time(&w, "period_start", s->start_ns);
	put_time(&w, "period_end", s->end_ns);
	json_key(&w, "duration");
	json_put_double(&w, (double)(s->last_ns - s->first_ns) / 1e9);
	put_time(&w, "duration_start", s->first_ns);
	put_time(&w, "duration_end", s->last_ns);
	for (size_t i = 0; i < FIGURES; i++) {
		if (c->shown[i]) {
			const char *number = figure(s, (enum figure)i, text);

			json_key(&w, figures[i].name);
			json_put_raw(&w, number ? number : "null", number ? strlen(number) : 4);
		}
	}
	json_end_object(&w);
	buf_putc(&o->line, '\n');
}

/* A line of CSV; the titles where `s` is NULL. */
static void put_csv(struct output *o, const struct statistic *s)
{
	static const char *const times[] = { "period_start", "period_end", "duration_start",
					     "duration_end" };
	const int64_t at[] = { s ? s->start_ns : 0, s ? s->end_ns : 0, s ? s->first_ns : 0,
			       s ? s->last_ns : 0 };
	const struct command *c = o->command;
	char text[NUMBER]; /* a number, or a time, which is shorter */

	ask_csv(&o->line, s ? s->name : "name");
	buf_putc(&o->line, ',');
	ask_csv(&o->line, s ? s->unit : "unit");
	for (size_t i = 0; c->groups[i]; i++) {
		buf_putc(&o->line, ',');
		ask_csv(&o->line, s ? s->group[i] : c->groups[i]);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(times); i++) {
		buf_putc(&o->line, ',');
		if (s) {
			sample_time_format(at[i], VMT_PROFILE_26, text);
		}
		ask_csv(&o->line, s ? text : times[i]);
	}
	for (size_t i = 0; i < FIGURES; i++) {
		if (c->shown[i]) {
			buf_putc(&o->line, ',');
			ask_csv(&o->line, s ? figure(s, (enum figure)i, text) : figures[i].name);
		}
	}
	buf_puts(&o->line, "\r\n");
}

static void put_row(struct output *o, const struct statistic *s)
{
	const struct command *c = o->command;
	char time[SAMPLE_TIME_MAX], text[NUMBER];

	sample_time_format(s->start_ns, VMT_PROFILE_26, time);
	table_text(o->table, time);
	table_text(o->table, s->name);
	for (size_t i = 0; c->groups[i]; i++) {
		table_text(o->table, s->group[i]);
	}
	for (size_t i = 0; i < FIGURES; i++) {
		if (c->shown[i]) {
			const char *number = short_figure(s, (enum figure)i, text);

			table_text(o->table, number ? number : "-");
		}
	}
	table_text(o->table, s->unit);
	table_row(o->table);
}

static int write_line(struct output *o)
{
	bool whole = fwrite(o->line.data, 1, o->line.len, stdout) == o->line.len;

	buf_reset(&o->line);
	return whole ? 0 : -EIO;
}

static int on_statistic(void *context, const struct statistic *s)
{
	struct output *o = context;

	if (o->limit && o->rows >= o->limit) {
		return 0;
	}
	o->rows++;
	if (o->table) {
		put_row(o, s);
		return 0;
	}
	if (o->command->ask.form == ASK_JSON) {
		put_json(o, s);
	} else {
		put_csv(o, s);
	}
	return write_line(o);
}

/* The columns of the table into `column`; their number. */
static size_t columns(const struct command *c, struct table_column column[CELLS_MOST])
{
	size_t n = 0;

	column[n++] = (struct table_column){ .key = "start", .title = "START" };
	column[n++] = (struct table_column){ .key = "name", .title = "METER" };
	for (size_t i = 0; c->groups[i]; i++) {
		column[n++] = (struct table_column){ .key = c->groups[i], .wide = true };
	}
	for (size_t i = 0; i < FIGURES; i++) {
		if (c->shown[i]) {
			column[n++] = (struct table_column){ .key = figures[i].name,
							     .title = figures[i].title,
							     .right = true };
		}
	}
	column[n++] = (struct table_column){ .key = "unit", .title = "UNIT" };
	return n;
}

/* ------------------------------------------------------------------ arguments */

/* Words between commas, to be freed: "" is one of them, NULL none. */
static char **fields(const char *text)
{
	static const char *const empty[] = { "", NULL };

	return !text   ? g_new0(char *, 1)
	       : *text ? g_strsplit(text, ",", -1)
		       : g_strdupv((char **)(uintptr_t)empty);
}

static int take_groups(struct command *c, const char *name)
{
	char **words = fields(c->groupby);
	guint count = g_strv_length(words);

	c->groups = words;
	if (count > AGGREGATE_GROUPS_MOST) {
		return cmd_usage(name, "--groupby: %u fields are too many; %d are possible", count,
				 AGGREGATE_GROUPS_MOST);
	}
	for (guint i = 0; i < count; i++) {
		char *id = g_strconcat(words[i], "_id", NULL);

		/* resource for resource_id; Ceilometer's resource_metadata for metadata */
		if (!strchr(words[i], '.') && aggregate_groups(id)) {
			g_free(words[i]);
			words[i] = g_steal_pointer(&id);
		} else if (g_str_has_prefix(words[i], "resource_metadata.")) {
			char *full = words[i];

			words[i] = g_strdup(full + strlen("resource_"));
			g_free(full);
		}
		g_free(id);
		if (!aggregate_groups(words[i])) {
			return cmd_usage(
				name,
				"--groupby: there is no field '%s'; write resource, project,"
				" user, source, project_name, user_name or metadata.KEY",
				words[i]);
		}
	}
	return -1;
}

static int take_figures(struct command *c, const char *name)
{
	char **words = c->aggregate ? fields(c->aggregate) : NULL;
	int status = -1;

	for (size_t i = 0; i < FIGURES; i++) {
		c->shown[i] = words ? g_strv_contains((const char *const *)words, figures[i].name)
				    : c->ask.form != ASK_TABLE || figures[i].table;
	}
	for (char **w = words; w && *w && status < 0; w++) {
		bool known = false;

		for (size_t i = 0; i < FIGURES; i++) {
			known = known || strcmp(*w, figures[i].name) == 0;
		}
		if (!known) {
			status = cmd_usage(name,
					   "--aggregate: '%s' will not do; write some of count,min,"
					   "max,avg,sum,stddev,first,last,increase,rate",
					   *w);
		}
	}
	g_strfreev(words);
	return status;
}

static int parse(struct command *c, int *argc, char ***argv)
{
	const GOptionEntry more[] = {
		{ "period", 0, 0, G_OPTION_ARG_INT64, &c->period,
		  "a line for each so many seconds (default: one for all of the time)", "S" },
		{ "groupby", 'g', 0, G_OPTION_ARG_STRING, &c->groupby,
		  "a line for each resource, project, user, source, metadata.KEY", "F,…" },
		{ "aggregate", 'a', 0, G_OPTION_ARG_STRING, &c->aggregate,
		  "what to show: count,min,max,avg,sum,stddev,first,last,increase,rate", "A,…" },
		{ NULL, 0, 0, 0, NULL, NULL, NULL },
	};
	const char *name = "statistics";
	int status = ask_parse(&c->ask, name,
			       "What the samples in a store come to, per meter and period.", more,
			       argc, argv);

	if (c->period == NO_PERIOD) {
		c->period = 0;
	} else if (status < 0 && (c->period < 1 || c->period > PERIOD_MOST)) {
		status = cmd_usage(name,
				   "--period: %" G_GINT64_FORMAT
				   " will not do; write seconds from 1",
				   c->period);
	}
	if (status < 0) {
		status = take_groups(c, name);
	}
	return status < 0 ? take_figures(c, name) : status;
}

/* ------------------------------------------------------------------ running */

static int on_row(void *context, const struct vmt_store_row *row)
{
	return aggregate_add(context, row);
}

static int ask_store(struct command *c, const struct cmd_store *store, struct aggregate *a,
		     struct vmt_error *error)
{
	struct vmt_query query = c->ask.query;
	int code;

	query.limit = 0;
	query.bare = true;
	code = store->ops->samples(store->self, &query, on_row, a, error);
	if (code == -E2BIG && !error->text[0]) {
		vmt_error_set(error, code,
			      "more than %d lines; a longer --period or fewer samples make less",
			      AGGREGATE_CELLS_MOST);
	}
	return code;
}

static int show(struct command *c, const struct cmd_store *store)
{
	bool terminal = c->ask.form == ASK_TABLE && isatty(STDOUT_FILENO) && !c->ask.limited;
	int64_t start = c->ask.query.start_ns;
	struct aggregate *a = aggregate_new((const char *const *)c->groups, c->period * NS_PER_S,
					    start == INT64_MIN ? 0 : start);
	struct output o = { .command = c, .limit = terminal ? TERMINAL_ROWS : c->ask.query.limit };
	struct table_column column[CELLS_MOST];
	struct vmt_error error = { "" };
	int code = ask_store(c, store, a, &error), closed = 0, status;

	buf_init(&o.line);
	if (code == 0) {
		if (c->ask.form == ASK_TABLE) {
			o.table = table_new(stdout, TABLE_TEXT, column, columns(c, column), 0);
		} else if (c->ask.form == ASK_CSV) {
			put_csv(&o, NULL);
			code = write_line(&o);
		}
	}
	code = code ? code : aggregate_each(a, on_statistic, &o);
	closed = o.table ? table_close(o.table) : 0;
	if (fflush(stdout) == EOF && closed == 0) {
		closed = -errno;
	}
	status = ask_status("statistics", code, closed, &error);
	if (status == CMD_OK && terminal && o.rows >= TERMINAL_ROWS) {
		fprintf(stderr, "the first %d; more with --limit\n", TERMINAL_ROWS);
	}
	if (status == CMD_OK && c->ask.form == ASK_TABLE && o.rows == 0) {
		ask_nothing("statistics", store);
	}
	buf_fini(&o.line);
	aggregate_free(a);
	return status;
}

int cmd_statistics(int argc, char **argv)
{
	struct command c = { .period = NO_PERIOD };
	struct cmd_store store;
	int status = parse(&c, &argc, &argv);

	if (status < 0) {
		status = ask_open(&c.ask, "statistics", &store);
	}
	if (status < 0) {
		status = show(&c, &store);
		cmd_store_close(&store);
	}
	ask_fini(&c.ask);
	g_strfreev(c.groups);
	g_free(c.groupby);
	g_free(c.aggregate);
	return status;
}

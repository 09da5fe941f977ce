/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `virtmeter poll`: polling cycles without publishing, printed.  It is the agent with a publisher that
 * keeps nothing and a look at each cycle's samples.
 */
#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/buf.h"
#include "base/log.h"
#include "builtin.h"
#include "cmd/cmd.h"
#include "cmd/parse.h"
#include "cmd/table.h"
#include "cmd/uri.h"
#include "model/frame.h"
#include "model/snapshot.h"
#include "wire/pynum.h"
#include "wire/sample.h"

#define INTERVAL_S 10.0 /* between cycles, when none is given */

struct poll {
	char **config_files, **config_dirs, **meters, **instances;
	char *uri, *inspector, *format_name;
	double interval_s;
	gint64 cycles;
	gboolean demo, explain, debug;
	/* state */
	bool unknown; /* something on the command line means nothing */
	enum table_format format;
	bool failed;
	bool *found; /* by instance asked for */
	struct vmt_error error;
};

static const struct table_column columns[] = {
	{ .key = "resource_id", .title = "RESOURCE", .wide = true },
	{ .key = "name", .title = "METER" },
	{ .key = "volume", .title = "VOLUME", .right = true },
	{ .key = "unit", .title = "UNIT" },
	{ .key = "type", .title = "TYPE" },
	{ .key = "age_s", .title = "AGE", .right = true },
	{ .key = "read_from", .title = "FROM" },
};

#define PLAIN_COLUMNS (G_N_ELEMENTS(columns) - 2)

/* An instance asked for: by id, name or display name. */
static bool is_called(const struct vmt_instance *in, const char *word)
{
	return g_strcmp0(word, in->id) == 0 || g_strcmp0(word, in->name) == 0 ||
	       g_strcmp0(word, in->display_name) == 0;
}

/* Notes which of the instances asked for there are. */
static void look_for(struct poll *p, const struct vmt_snapshot *all)
{
	for (size_t w = 0; p->instances && p->instances[w]; w++) {
		for (size_t i = 0; all && i < all->count && !p->found[w]; i++) {
			p->found[w] = is_called(&all->instances[i], p->instances[w]);
		}
	}
}

/* Whether the row's resource is of one of the instances asked for. */
static bool wanted(const struct poll *p, const struct vmt_snapshot *all,
		   const struct vmt_resource *resource)
{
	if (!p->instances) {
		return true;
	}
	for (size_t i = 0; i < all->count; i++) {
		const struct vmt_instance *in = &all->instances[i];

		for (size_t w = 0; p->instances[w]; w++) {
			if (is_called(in, p->instances[w]) && strstr(resource->id, in->id)) {
				return true;
			}
		}
	}
	return false;
}

/* What a value was read from; of what the polling itself gives, "inspector" or "agent". */
static const char *source_of(const struct vmt_inspection *in, const char *meter, int64_t mono_ns)
{
	const struct meter_row *row = meter_find(meter);

	for (size_t i = 0; in && i < in->stamps; i++) {
		if (in->stamp[i].mono_ns == mono_ns) {
			return in->stamp[i].source;
		}
	}
	if (row && (row->level == METER_OUTCOME || row->level == METER_CALL)) {
		return "inspector";
	}
	return row && row->level == METER_HOST ? "agent" : "discovery";
}

static void add_volume(struct table *table, union vmt_num value, enum vmt_kind kind)
{
	char text[PYNUM_MAX + 1];
	size_t n = kind == VMT_DOUBLE  ? pynum_double(text, value.d)
		   : kind == VMT_INT64 ? pynum_int(text, value.i)
				       : pynum_uint(text, value.u);

	text[n] = '\0';
	table_raw(table, text, NULL);
}

static void print_table(const struct poll *p, const struct poll_cycle *cycle,
			const struct vmt_frame *frame)
{
	size_t count = p->explain ? G_N_ELEMENTS(columns) : PLAIN_COLUMNS;
	struct table *table = table_new(stdout, TABLE_TEXT, columns, count, 0);
	const struct vmt_inspection *in = poll_cycle_inspection(cycle);

	for (size_t i = 0; i < frame->count; i++) {
		const struct vmt_batch *b = &frame->batch[i];

		for (uint32_t r = 0; r < b->count; r++) {
			int64_t mono = b->monos ? b->monos[r] : b->mono_ns;

			if (!wanted(p, poll_cycle_snapshot(cycle), b->resource[r])) {
				continue;
			}
			table_text(table, b->resource[r]->id);
			table_text(table, b->name);
			add_volume(table, b->value[r], b->kinds ? b->kinds[r] : b->kind);
			table_text(table, b->unit);
			table_text(table, meter_type_name(b->type));
			if (p->explain) {
				table_printf(table, "%.3f",
					     (double)(vmt_clock_monotonic() - mono) / 1e9);
				table_text(table, source_of(in, b->name, mono));
			}
			table_row(table);
		}
	}
	table_close(table);
}

/* A sample's JSON with two keys more. */
static void add_explanation(struct buf *line, const struct vmt_inspection *in, const char *meter,
			    int64_t mono)
{
	line->len--;
	buf_printf(line, ", \"age_s\": %.3f, \"read_from\": \"%s\"}",
		   (double)(vmt_clock_monotonic() - mono) / 1e9, source_of(in, meter, mono));
}

static void print_json(const struct poll *p, const struct poll_cycle *cycle,
		       const struct vmt_frame *frame)
{
	struct sample_encoder encoder;
	struct buf line = BUF_INIT;

	sample_encoder_init(&encoder, SAMPLE_JSON, frame->profile);
	for (size_t i = 0; i < frame->count; i++) {
		const struct vmt_batch *b = &frame->batch[i];

		sample_encoder_batch(&encoder, b);
		for (uint32_t r = 0; r < b->count; r++) {
			if (!wanted(p, poll_cycle_snapshot(cycle), b->resource[r])) {
				continue;
			}
			buf_reset(&line);
			sample_encoder_row(&encoder, r, &line);
			if (p->explain) {
				add_explanation(&line, poll_cycle_inspection(cycle), b->name,
						b->monos ? b->monos[r] : b->mono_ns);
			}
			buf_putc(&line, '\n');
			fwrite(line.data, 1, line.len, stdout);
		}
	}
	sample_encoder_fini(&encoder);
	buf_fini(&line);
	fflush(stdout);
}

static void on_cycle(void *context, const struct poll_cycle *cycle, const struct frame *frame,
		     const struct poll_cycle_result *result)
{
	struct poll *p = context;

	if (result->error.text[0]) {
		p->failed = true;
		p->error = result->error;
	}
	look_for(p, poll_cycle_snapshot(cycle));
	if (frame && p->format == TABLE_JSON) {
		print_json(p, cycle, &frame->public);
	} else if (frame) {
		print_table(p, cycle, &frame->public);
	} else if (!result->error.text[0] && p->format == TABLE_TEXT && !p->unknown) {
		printf("no samples: no instance here that gives these meters\n");
	}
}

/* What is noticed on the command line is for who typed it; the rest is `virtmeter check`'s. */
static void on_problem(void *context, const struct problem *problem)
{
	struct poll *p = context;

	if (g_strcmp0(problem->at.file, PLAN_COMMAND_LINE) == 0) {
		fprintf(stderr, "virtmeter poll: %s\n", problem->text);
		p->unknown = true;
	}
}

static int parse(int argc, char **argv, struct poll *p)
{
	const GOptionEntry entries[] = {
		{ "uri", 'u', 0, G_OPTION_ARG_STRING, &p->uri,
		  "URI of the hypervisor (as configured)", "URI" },
		{ "inspector", 0, 0, G_OPTION_ARG_STRING, &p->inspector,
		  "inspector to use (as configured)", "NAME" },
		{ "meter", 'm', 0, G_OPTION_ARG_STRING_ARRAY, &p->meters,
		  "only meters that match, may be repeated (all)", "PATTERN" },
		{ "instance", 'I', 0, G_OPTION_ARG_STRING_ARRAY, &p->instances,
		  "only this instance, may be repeated (all)", "ID|NAME" },
		{ "cycles", 'n', 0, G_OPTION_ARG_INT64, &p->cycles, "polling cycles (1)", "N" },
		{ "interval", 'i', 0, G_OPTION_ARG_DOUBLE, &p->interval_s,
		  "seconds between them (10)", "S" },
		{ "format", 'f', 0, G_OPTION_ARG_STRING, &p->format_name, "table or json",
		  "FORMAT" },
		{ "explain", 'e', 0, G_OPTION_ARG_NONE, &p->explain,
		  "tell source and age of each value", NULL },
		{ "demo", 0, 0, G_OPTION_ARG_NONE, &p->demo,
		  "simulated instances instead of a hypervisor's", NULL },
		CMD_CONFIG_OPTIONS(p->config_files, p->config_dirs),
		{ "debug", 'd', 0, G_OPTION_ARG_NONE, &p->debug, "log to stderr, at level DEBUG",
		  NULL },
		{ NULL, 0, 0, 0, NULL, NULL, NULL },
	};
	int ret = cmd_parse(
		&argc, &argv, entries, NULL,
		"One polling cycle without publishing, printed: what the agent would meter here.");

	if (ret >= 0) {
		return ret;
	}
	if (argc > 1) {
		return cmd_usage("poll", "%s: unexpected word", argv[1]);
	}
	if (p->cycles < 1 || !(p->interval_s * 1e9 >= 1) || p->interval_s > 1e9) {
		return cmd_usage("poll", "--cycles and --interval take numbers above 0");
	}
	return cmd_format("poll", p->format_name, &p->format) < 0 ? CMD_USAGE : -1;
}

/* What was asked for and was in no cycle; whether there is any. */
static bool tell_missing(const struct poll *p)
{
	bool missing = false;

	for (size_t w = 0; p->instances && p->instances[w] && !p->failed; w++) {
		if (!p->found[w]) {
			fprintf(stderr,
				"virtmeter poll: no instance here is called '%s'; `virtmeter list "
				"instances` has them\n",
				p->instances[w]);
			missing = true;
		}
	}
	return missing;
}

static void poll_fini(struct poll *p)
{
	g_strfreev(p->config_files);
	g_strfreev(p->config_dirs);
	g_strfreev(p->meters);
	g_strfreev(p->instances);
	g_free(p->found);
	g_free(p->uri);
	g_free(p->inspector);
	g_free(p->format_name);
}

/* Whether the hypervisor named by --uri is of another inspector than the one asked for.  `taken`: the URI's. */
static bool contradicts(const struct poll *p, const char *taken)
{
	const char *asked = p->inspector ? p->inspector : p->demo ? "simulated" : NULL;
	size_t len = strlen(taken);

	return p->uri && asked &&
	       (strncmp(asked, taken, len) != 0 || (asked[len] && asked[len] != ':'));
}

static int run(struct poll *p)
{
	static const char *const nowhere[] = { "null://", NULL };
	char *text = NULL;
	const char *inspector = NULL;
	struct vmt_error error = { .text = "" };
	struct agent *agent;
	int status;
	struct agent_options options = {
		.plan = { .search = cmd_search(p->config_files, p->config_dirs),
			  .demo = p->demo,
			  .interval_ns = (int64_t)(p->interval_s * 1e9),
			  .meters = (const char *const *)p->meters,
			  .publishers = nowhere },
		.builtin = builtin_plugins,
		.own_plugins = builtin_plugin_folder(),
		.alone = true,
		.quiet = true,
		.cycles = (uint64_t)p->cycles,
		.on_cycle = on_cycle,
		.on_problem = on_problem,
		.context = p,
	};

	p->found = g_new0(bool, p->instances ? g_strv_length(p->instances) : 0);
	if (p->uri && uri_read(builtin_plugins, p->uri, &text, &inspector, &error) < 0) {
		return cmd_usage("poll", "--uri: %s", error.text);
	}
	if (contradicts(p, inspector ? inspector : "libvirt")) {
		g_free(text);
		return cmd_usage("poll",
				 "--uri names a hypervisor for inspector %s, %s another; "
				 "leave one of them out",
				 inspector ? inspector : "libvirt",
				 p->inspector ? "--inspector" : "--demo");
	}
	options.plan.ini_text = text;
	options.plan.inspector = p->inspector ? p->inspector : inspector;
	if (agent_new(&options, &agent, &error) < 0) {
		fprintf(stderr, "virtmeter poll: %s\n", error.text);
		g_free(text);
		return CMD_FAILED;
	}
	agent_run(agent);
	if (p->failed) {
		fprintf(stderr, "virtmeter poll: %s\n", p->error.text);
	}
	status = tell_missing(p) || p->failed ? CMD_FAILED : CMD_OK;
	if (!agent_clean(agent)) {
		fflush(NULL);
		_exit(status);
	}
	agent_free(agent);
	g_free(text);
	return status;
}

int cmd_poll(int argc, char **argv)
{
	struct poll p = { .cycles = 1, .interval_s = INTERVAL_S };
	struct log_settings quiet = { .use_stderr = true };
	int status = parse(argc, argv, &p);

	if (status < 0) {
		/* the reason of a failure is told by the command itself, once */
		quiet.level = p.debug ? VMT_LOG_DEBUG : VMT_LOG_ERROR;
		log_init(&quiet, NULL);
		status = run(&p);
		status = status == CMD_OK && p.unknown ? CMD_FAILED : status;
		log_fini();
	}
	poll_fini(&p);
	return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the command line to a query and an open store.  Main thread; blocks on reading files and on the store.
 */
#include "cmd/ask.h"

#include <stdio.h>
#include <string.h>

#include "builtin.h"
#include "cmd/cmd.h"
#include "cmd/parse.h"
#include "wire/sample_time.h"

/* -1, or the exit status. */
static int take_times(struct ask *a, const char *name)
{
	const struct {
		const char *option, *text;
		int64_t *time_ns;
	} times[] = {
		{ "--start", a->start, &a->query.start_ns },
		{ "--end", a->end, &a->query.end_ns },
	};
	int64_t now = vmt_clock_real();

	for (size_t i = 0; i < G_N_ELEMENTS(times); i++) {
		if (times[i].text && sample_time_parse(times[i].text, now, times[i].time_ns)) {
			return cmd_usage(name,
					 "%s: '%s' is no time; write 2026-07-21T13:56:12Z,"
					 " or -1h for an hour ago",
					 times[i].option, times[i].text);
		}
	}
	if (a->start && a->end && a->query.start_ns >= a->query.end_ns) {
		return cmd_usage(name, "--end: '%s' is not after --start '%s'", a->end, a->start);
	}
	return -1;
}

/* `key=value` into the list of pairs. */
static int take_metadata(struct ask *a, const char *name)
{
	guint count = a->metadata ? g_strv_length(a->metadata) : 0;

	a->pairs = g_new0(struct vmt_pair, count + 1);
	a->query.metadata = a->pairs;
	for (guint i = 0; i < count; i++) {
		const char *equals = strchr(a->metadata[i], '=');

		if (!equals || equals == a->metadata[i]) {
			return cmd_usage(name,
					 "--metadata: '%s' will not do; write key=value, as in"
					 " flavor.name=m1.small",
					 a->metadata[i]);
		}
		a->pairs[i].key = g_strndup(a->metadata[i], (gsize)(equals - a->metadata[i]));
		a->pairs[i].value = equals + 1;
	}
	return -1;
}

static int take_form(struct ask *a, const char *name)
{
	static const char *const words[] = { "table", "json", "csv" };

	for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
		if (g_strcmp0(a->format ? a->format : words[0], words[i]) == 0) {
			a->form = (enum ask_form)i;
			return -1;
		}
	}
	return cmd_usage(name, "--format: '%s' will not do; write table, json or csv", a->format);
}

static int take(struct ask *a, const char *name)
{
	int status;

	if (a->limit < -1) {
		return cmd_usage(name,
				 "--limit: %" G_GINT64_FORMAT " will not do; write a number from 0",
				 a->limit);
	}
	a->query = (struct vmt_query){
		.meters = (const char *const *)a->meters,
		.resource = a->resource,
		.project = a->project,
		.user = a->user,
		.start_ns = INT64_MIN,
		.end_ns = INT64_MAX,
		.limit = a->limit > 0 ? (uint64_t)a->limit : 0,
	};
	a->limited = a->limit >= 0;
	status = take_times(a, name);
	if (status < 0) {
		status = take_form(a, name);
	}
	return status < 0 ? take_metadata(a, name) : status;
}

int ask_parse(struct ask *a, const char *name, const char *about, const GOptionEntry *more,
	      int *argc, char ***argv)
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
		CMD_CONFIG_OPTIONS(a->config_files, a->config_dirs),
	};
	GArray *all = g_array_new(TRUE, FALSE, sizeof(GOptionEntry));
	int status;

	*a = (struct ask){ .limit = -1 };
	for (; more->long_name; more++) {
		g_array_append_val(all, *more);
	}
	g_array_append_vals(all, entries, G_N_ELEMENTS(entries));
	status = cmd_parse(argc, argv, (const GOptionEntry *)(const void *)all->data, NULL, about);
	g_array_free(all, TRUE);
	if (status < 0 && *argc > 1) {
		status = cmd_usage(name, "'%s' is not expected", (*argv)[1]);
	}
	return status < 0 ? take(a, name) : status;
}

void ask_fini(struct ask *a)
{
	char *texts[] = { a->store, a->resource, a->project, a->user, a->start, a->end, a->format };

	g_strfreev(a->config_files);
	g_strfreev(a->config_dirs);
	g_strfreev(a->meters);
	g_strfreev(a->metadata);
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_free(texts[i]);
	}
	for (struct vmt_pair *p = a->pairs; p && p->key; p++) {
		g_free((char *)p->key);
	}
	g_free(a->pairs);
}

int ask_open(const struct ask *a, const char *name, struct cmd_store *ret_store)
{
	const struct ini_search search = cmd_search(a->config_files, a->config_dirs);
	struct vmt_error error = { "" };

	if (cmd_store_open(builtin_plugins, &search, a->store, ret_store, &error)) {
		fprintf(stderr, "virtmeter %s: %s\n", name, error.text);
		return CMD_FAILED;
	}
	return -1;
}

int ask_status(const char *name, int code, int closed, const struct vmt_error *error)
{
	if (code < 0 && error->text[0]) {
		fprintf(stderr, "virtmeter %s: %s\n", name, error->text);
		return CMD_FAILED;
	}
	if (code < 0 || closed < 0) {
		fprintf(stderr, "virtmeter %s: standard output: %s\n", name,
			g_strerror(closed < 0 ? -closed : -code));
		return CMD_FAILED;
	}
	return CMD_OK;
}

void ask_csv(struct buf *out, const char *text)
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

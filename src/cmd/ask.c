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

/* A '[' that no ']' follows is most likely mistyped. */
static bool is_closed(const char *pattern)
{
	const char *p = strchr(pattern, '[');

	while (p) {
		p += 1 + (p[1] == '!');
		p += *p == ']'; /* the first one stands for itself */
		p = strchr(p, ']');
		if (!p) {
			return false;
		}
		p = strchr(p, '[');
	}
	return true;
}

static int take_meters(struct ask *a, const char *name)
{
	for (char **m = a->meters; m && *m; m++) {
		if (!is_closed(*m)) {
			return cmd_usage(name, "--meter: '%s' will not do; close its '[' by a ']'",
					 *m);
		}
	}
	return -1;
}

/* What a store can be asked for one of. */
static int take_owners(struct ask *a, const char *name)
{
	const struct {
		const char *option;
		char **given;
		const char **to;
	} owners[] = {
		{ "--resource", a->resource, &a->query.resource },
		{ "--project", a->project, &a->query.project },
		{ "--user", a->user, &a->query.user },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(owners); i++) {
		if (owners[i].given && owners[i].given[1]) {
			return cmd_usage(name, "%s: given more than once; ask for one at a time",
					 owners[i].option);
		}
		*owners[i].to = owners[i].given ? owners[i].given[0] : NULL;
	}
	return -1;
}

/* The key without what --groupby and Ceilometer's queries write before it. */
static const char *bare_key(const char *key)
{
	static const char *const prefixes[] = { "metadata.", "resource_metadata." };

	for (size_t i = 0; i < G_N_ELEMENTS(prefixes); i++) {
		if (g_str_has_prefix(key, prefixes[i])) {
			return key + strlen(prefixes[i]);
		}
	}
	return key;
}

/* `key=value` into the list of pairs. */
static int take_metadata(struct ask *a, const char *name)
{
	guint count = a->metadata ? g_strv_length(a->metadata) : 0;

	a->pairs = g_new0(struct vmt_pair, count + 1);
	a->query.metadata = a->pairs;
	for (guint i = 0; i < count; i++) {
		const char *key = bare_key(a->metadata[i]), *equals = strchr(key, '=');

		if (!equals || equals == key) {
			return cmd_usage(name,
					 "--metadata: '%s' will not do; write key=value, as in"
					 " flavor.name=m1.small",
					 a->metadata[i]);
		}
		a->pairs[i].key = g_strndup(key, (gsize)(equals - key));
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
	static int (*const takes[])(struct ask *, const char *) = {
		take_meters, take_owners, take_times, take_form, take_metadata,
	};
	int status = -1;

	a->limited = a->limit != ASK_NO_LIMIT;
	if (a->limited && a->limit < 0) {
		return cmd_usage(name,
				 "--limit: %" G_GINT64_FORMAT " will not do; write a number from 0",
				 a->limit);
	}
	a->query = (struct vmt_query){
		.meters = (const char *const *)a->meters,
		.start_ns = INT64_MIN,
		.end_ns = INT64_MAX,
		.limit = a->limit > 0 ? (uint64_t)a->limit : 0,
	};
	for (size_t i = 0; i < G_N_ELEMENTS(takes) && status < 0; i++) {
		status = takes[i](a, name);
	}
	return status;
}

int ask_parse(struct ask *a, const char *name, const char *about, const GOptionEntry *more,
	      int *argc, char ***argv)
{
	const GOptionEntry entries[] = {
		{ "store", 's', 0, G_OPTION_ARG_STRING, &a->store, "store to read (as configured)",
		  "URL" },
		{ "meter", 'm', 0, G_OPTION_ARG_STRING_ARRAY, &a->meters,
		  "only meters that match, may be repeated", "PATTERN" },
		{ "resource", 'r', 0, G_OPTION_ARG_STRING_ARRAY, &a->resource, "only this resource",
		  "ID" },
		{ "project", 'p', 0, G_OPTION_ARG_STRING_ARRAY, &a->project, "only of this project",
		  "ID" },
		{ "user", 'u', 0, G_OPTION_ARG_STRING_ARRAY, &a->user, "only of this user", "ID" },
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

	*a = (struct ask){ .limit = ASK_NO_LIMIT };
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
	char *texts[] = { a->store, a->start, a->end, a->format };
	char **lists[] = { a->config_files, a->config_dirs, a->meters, a->metadata,
			   a->resource,     a->project,     a->user };

	for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
		g_strfreev(lists[i]);
	}
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

struct newest {
	char name[256], time[SAMPLE_TIME_MAX];
};

static int on_newest(void *context, const struct vmt_store_row *row)
{
	struct newest *n = context;

	g_strlcpy(n->name, row->name, sizeof(n->name));
	sample_time_format(row->time_ns, VMT_PROFILE_26, n->time);
	return 0;
}

void ask_nothing(const char *name, const struct cmd_store *store)
{
	const struct vmt_query any = {
		.start_ns = INT64_MIN, .end_ns = INT64_MAX, .limit = 1, .bare = true
	};
	struct newest newest = { .name = "" };
	struct vmt_error error = { "" };
	int code = store->ops->samples(store->self, &any, on_newest, &newest, &error);

	if (newest.name[0]) {
		fprintf(stderr,
			"virtmeter %s: nothing matches; the store's newest sample is of %s, %s\n",
			name, newest.name, newest.time);
	} else {
		fprintf(stderr, "virtmeter %s: nothing matches%s\n", name,
			code == 0 ? "; the store has no samples yet" : "");
	}
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `virtmeter status` and `virtmeter reload`: ask the running agent or collector over its control socket.  Blocks on
 * the socket, until a deadline.
 */
#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cmd/cmd.h"
#include "cmd/parse.h"
#include "cmd/table.h"
#include "control/control.h"
#include "wire/json.h"

#define ASK_TIMEOUT_NS INT64_C(10000000000)

/* A part of the document: the document's own values, or a list of objects. */
struct part {
	char *title; /* NULL: the document itself */
	GPtrArray *rows; /* GPtrArray * of struct cell */
};

struct cell {
	char *key; /* dotted below the row's object */
	char *value;
};

struct walk {
	struct json_reader reader;
	GPtrArray *parts; /* struct part * */
	GString *unhealthy; /* why --check fails; "" when nothing does */
};

static void cell_free(void *data)
{
	struct cell *c = data;

	g_free(c->key);
	g_free(c->value);
	g_free(c);
}

static void row_free(void *data)
{
	g_ptr_array_unref(data);
}

static void part_free(void *data)
{
	struct part *p = data;

	g_free(p->title);
	g_ptr_array_unref(p->rows);
	g_free(p);
}

static struct part *part_new(struct walk *w, const char *title)
{
	struct part *p = g_new0(struct part, 1);

	p->title = g_strdup(title);
	p->rows = g_ptr_array_new_with_free_func(row_free);
	g_ptr_array_add(w->parts, p);
	return p;
}

static GPtrArray *row_new(struct part *p)
{
	GPtrArray *row = g_ptr_array_new_with_free_func(cell_free);

	g_ptr_array_add(p->rows, row);
	return row;
}

static char *token_text(const struct json_reader *r, enum json_event event)
{
	struct buf text = BUF_INIT;

	if (event == JSON_KEY || event == JSON_STRING) {
		json_text(r, &text);
	} else {
		buf_add(&text, r->span, event == JSON_NUMBER ? r->span_len : 0);
	}
	return text.len ? buf_steal(&text) : g_strdup(event == JSON_NULL ? "-" : "");
}

/* What is unhealthy, by where it stands: a counter that is not 0, a text that is not the good one. */
static const struct {
	const char *part, *key;
	const char *good;
} health[] = {
	{ "publishers", "state", "ok" },
	{ "publishers", "dropped.", "0" },
	{ "publishers", "dead_letters", "0" },
	{ "receivers", "state", "ok" },
	{ "receivers", "rejected.", "0" },
	{ "receivers", "lost", "0" },
	{ "receivers", "unkept", "0" },
	{ "pipelines", "lost", "0" },
	{ "tasks", "last_error", "" },
	{ "tasks", "lost_frames", "0" },
	{ "inspectors", "instances.stuck", "0" },
	{ "inspectors", "instances.unreachable", "0" },
	{ NULL, "discovery.last_error", "" },
	{ NULL, "discovery.joined.last_error", "" },
	{ NULL, "discovery.lookups.last_error", "" },
	{ "discoveries", "last_error", "" },
	{ "discoveries", "joined.last_error", "" },
	{ "discoveries", "lookups.last_error", "" },
	{ NULL, "coordination.last_error", "" },
};

static void judge(struct walk *w, const struct part *part, const struct cell *c)
{
	for (size_t i = 0; i < G_N_ELEMENTS(health); i++) {
		bool prefix = g_str_has_suffix(health[i].key, ".");

		if (g_strcmp0(health[i].part, part->title) == 0 &&
		    (prefix ? g_str_has_prefix(c->key, health[i].key)
			    : strcmp(c->key, health[i].key) == 0) &&
		    strcmp(c->value, health[i].good) != 0) {
			g_string_append_printf(w->unhealthy, "%s%s%s%s is %s",
					       w->unhealthy->len ? "; " : "",
					       part->title ? part->title : "",
					       part->title ? ": " : "", c->key, c->value);
		}
	}
}

static void add_cell(struct walk *w, struct part *part, GPtrArray *row, const char *key,
		     char *value)
{
	struct cell *c = g_new(struct cell, 1);

	*c = (struct cell){ .key = g_strdup(key), .value = value };
	judge(w, part, c);
	g_ptr_array_add(row, c);
}

static int object(struct walk *w, struct part *part, GPtrArray *row, const char *prefix);

/* A list: objects are rows of a part of its own; anything else (plugins that failed) is text. */
static int list(struct walk *w, const char *title)
{
	struct part *part = part_new(w, title);
	enum json_event e;

	while ((e = json_next(&w->reader)) != JSON_ARRAY_END) {
		if (e == JSON_ERROR || e == JSON_END) {
			return -EBADMSG;
		}
		if (e == JSON_OBJECT) {
			if (object(w, part, row_new(part), "") < 0) {
				return -EBADMSG;
			}
			continue;
		}
		add_cell(w, part, row_new(part), "reason", token_text(&w->reader, e));
		g_string_append_printf(w->unhealthy, "%s%s is not empty",
				       w->unhealthy->len ? "; " : "", title);
	}
	return 0;
}

/* An object's members become cells of the row; objects in it the same, with dotted keys. */
static int object(struct walk *w, struct part *part, GPtrArray *row, const char *prefix)
{
	enum json_event e;
	int ret = 0;

	while (ret == 0 && (e = json_next(&w->reader)) != JSON_OBJECT_END) {
		char *name, *key;

		if (e != JSON_KEY) {
			return -EBADMSG;
		}
		name = token_text(&w->reader, e);
		key = g_strconcat(prefix, name, NULL);
		e = json_next(&w->reader);
		if (e == JSON_OBJECT) {
			char *deeper = g_strconcat(key, ".", NULL);

			ret = object(w, part, row, deeper);
			g_free(deeper);
		} else if (e == JSON_ARRAY) {
			ret = list(w, key);
		} else if (e <= JSON_END) {
			ret = -EBADMSG;
		} else {
			add_cell(w, part, row, key, token_text(&w->reader, e));
		}
		g_free(name);
		g_free(key);
	}
	return ret;
}

static int walk_init(struct walk *w, const struct buf *document)
{
	struct part *top;

	*w = (struct walk){ .parts = g_ptr_array_new_with_free_func(part_free),
			    .unhealthy = g_string_new(NULL) };
	json_reader_init(&w->reader, document->data, document->len);
	top = part_new(w, NULL);
	if (json_next(&w->reader) != JSON_OBJECT) {
		return -EBADMSG;
	}
	return object(w, top, row_new(top), "");
}

static void walk_fini(struct walk *w)
{
	g_ptr_array_unref(w->parts);
	g_string_free(w->unhealthy, TRUE);
}

/* Every key that some row has, in the order of appearance. */
static GPtrArray *keys_of(const struct part *p)
{
	GPtrArray *keys = g_ptr_array_new();

	for (guint r = 0; r < p->rows->len; r++) {
		const GPtrArray *row = g_ptr_array_index(p->rows, r);

		for (guint c = 0; c < row->len; c++) {
			char *key = ((struct cell *)g_ptr_array_index(row, c))->key;

			if (!g_ptr_array_find_with_equal_func(keys, key, g_str_equal, NULL)) {
				g_ptr_array_add(keys, key);
			}
		}
	}
	return keys;
}

static const char *value_of(const GPtrArray *row, const char *key)
{
	for (guint c = 0; c < row->len; c++) {
		const struct cell *cell = g_ptr_array_index(row, c);

		if (strcmp(cell->key, key) == 0) {
			return cell->value;
		}
	}
	return "";
}

/* A part as "key value" lines: one object, or several with a line between. */
static void print_part(const struct part *p)
{
	GPtrArray *keys = keys_of(p);

	if (p->title) {
		printf("\n%s\n", p->title);
	}
	for (guint r = 0; r < p->rows->len; r++) {
		if (r > 0) {
			printf("\n");
		}
		for (guint k = 0; k < keys->len; k++) {
			const char *key = g_ptr_array_index(keys, k);
			const char *value = value_of(g_ptr_array_index(p->rows, r), key);

			if (value[0]) {
				printf("  %-24s %s\n", key, value);
			}
		}
	}
	if (p->rows->len == 0) {
		printf("  none\n");
	}
	g_ptr_array_unref(keys);
}

static int show(const struct buf *answer, enum table_format format, bool check)
{
	struct walk w;
	int status = CMD_OK;

	if (walk_init(&w, answer) < 0) {
		fprintf(stderr, "virtmeter status: the answer is not a status document: %.200s\n",
			answer->data);
		status = CMD_FAILED;
	} else if (format == TABLE_JSON) {
		printf("%s\n", answer->data);
	} else {
		for (guint i = 0; i < w.parts->len; i++) {
			print_part(g_ptr_array_index(w.parts, i));
		}
	}
	if (status == CMD_OK && check && w.unhealthy->len) {
		fprintf(stderr, "virtmeter status: unhealthy: %s\n", w.unhealthy->str);
		status = CMD_FAILED;
	}
	walk_fini(&w);
	return status;
}

/* Asks, and answers 0 or the exit status with the reason on stderr. */
static int ask(const char *command, const char *path, bool collector, enum control_verb verb,
	       struct buf *answer)
{
	struct vmt_error error = { .text = "" };

	if (control_ask(path, collector ? "collector" : "agent", verb, ASK_TIMEOUT_NS, answer,
			&error) < 0) {
		fprintf(stderr, "virtmeter %s: %s\n", command, error.text);
		return CMD_FAILED;
	}
	return CMD_OK;
}

int cmd_status(int argc, char **argv)
{
	char *path = NULL, *format_name = NULL;
	gboolean check = FALSE, collector = FALSE;
	const GOptionEntry entries[] = {
		{ "socket", 's', 0, G_OPTION_ARG_FILENAME, &path, "control socket of the agent",
		  "PATH" },
		{ "collector", 0, 0, G_OPTION_ARG_NONE, &collector,
		  "ask the collector instead of the agent", NULL },
		{ "check", 'c', 0, G_OPTION_ARG_NONE, &check,
		  "exit 1 if anything was dropped or is unhealthy", NULL },
		{ "format", 'f', 0, G_OPTION_ARG_STRING, &format_name, "table or json", "FORMAT" },
		{ NULL, 0, 0, 0, NULL, NULL, NULL },
	};
	struct buf answer = BUF_INIT;
	enum table_format format = TABLE_TEXT;
	int status = cmd_parse(&argc, &argv, entries, NULL, "Asks the running agent how it is.");

	if (status < 0 && argc > 1) {
		status = cmd_usage("status", "%s: unexpected word", argv[1]);
	}
	if (status < 0) {
		status = cmd_format("status", format_name, &format) < 0
				 ? CMD_USAGE
				 : ask("status", path, collector, CONTROL_STATUS, &answer);
		if (status == CMD_OK) {
			status = show(&answer, format, check);
		}
	}
	buf_fini(&answer);
	g_free(path);
	g_free(format_name);
	return status;
}

/* A line each for what the message does not say already. */
static void print_findings(const struct part *findings, const char *message, FILE *out)
{
	for (guint i = 0; i < findings->rows->len; i++) {
		const char *text = value_of(g_ptr_array_index(findings->rows, i), "text");

		if (!g_str_has_prefix(message, text)) {
			fprintf(out, "%s\n", text);
		}
	}
}

/* {"reloaded":true,"message":"…","findings":[…]} or {"error":"…"}: the text, and whether it was taken. */
static int show_reload(const struct buf *answer, enum table_format format)
{
	struct walk w;
	const GPtrArray *row;
	const char *message;
	bool taken = g_str_has_prefix(answer->data, "{\"reloaded\":true");
	FILE *out = taken ? stdout : stderr;

	if (walk_init(&w, answer) < 0) {
		fprintf(stderr, "virtmeter reload: the answer is no JSON: %.200s\n", answer->data);
		walk_fini(&w);
		return CMD_FAILED;
	}
	if (format == TABLE_JSON) {
		printf("%s\n", answer->data);
		walk_fini(&w);
		return taken ? CMD_OK : CMD_FAILED;
	}
	row = g_ptr_array_index(((struct part *)g_ptr_array_index(w.parts, 0))->rows, 0);
	message = value_of(row, "message");
	message = message[0] ? message : value_of(row, "error");
	fprintf(out, "%s%s\n", taken ? "" : "virtmeter reload: ", message);
	for (guint i = 1; i < w.parts->len; i++) { /* the findings */
		print_findings(g_ptr_array_index(w.parts, i), message, out);
	}
	walk_fini(&w);
	return taken ? CMD_OK : CMD_FAILED;
}

int cmd_reload(int argc, char **argv)
{
	char *path = NULL, *format_name = NULL;
	enum table_format format = TABLE_TEXT;
	gboolean collector = FALSE;
	const GOptionEntry entries[] = {
		{ "socket", 's', 0, G_OPTION_ARG_FILENAME, &path, "control socket of the agent",
		  "PATH" },
		{ "collector", 0, 0, G_OPTION_ARG_NONE, &collector,
		  "tell the collector instead of the agent", NULL },
		{ "format", 'f', 0, G_OPTION_ARG_STRING, &format_name, "table or json", "FORMAT" },
		{ NULL, 0, 0, 0, NULL, NULL, NULL },
	};
	struct buf answer = BUF_INIT;
	int status = cmd_parse(
		&argc, &argv, entries, NULL,
		"The running agent reads its configuration anew, and says whether it took it.");

	if (status < 0 && argc > 1) {
		status = cmd_usage("reload", "%s: unexpected word", argv[1]);
	}
	if (status < 0 && cmd_format("reload", format_name, &format) < 0) {
		status = CMD_USAGE;
	}
	if (status < 0) {
		status = ask("reload", path, collector, CONTROL_RELOAD, &answer);
		if (status == CMD_OK) {
			status = show_reload(&answer, format);
		}
	}
	buf_fini(&answer);
	g_free(path);
	g_free(format_name);
	return status;
}

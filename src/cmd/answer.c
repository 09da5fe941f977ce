/* SPDX-License-Identifier: Apache-2.0 */
/* The answer of `virtmeter check`, for people and for scripts.  Main thread; blocks on the stream only. */
#include "cmd/answer.h"

#include <string.h>

#include "cmd/cmd.h"
#include "conf/problem.h"
#include "model/json_text.h"

static const char *const levels[] = {
	[PROBLEM_NOTE] = "note", [PROBLEM_WARNING] = "warning", [PROBLEM_ERROR] = "error"
};

/* One line: `text` as it is, or the object {"KEY":"TEXT"}. */
static void tell_line(const struct answer *a, const char *key, const char *before, const char *text)
{
	struct buf line = BUF_INIT;

	if (a->format == TABLE_JSON) {
		buf_printf(&line, "{\"%s\":", key);
		json_add(&line, text);
		buf_putc(&line, '}');
	} else {
		buf_printf(&line, "%s%s", before, text);
	}
	fprintf(a->out, "%s\n", line.data);
	buf_fini(&line);
}

static void add_place(const char *key, unsigned value, struct buf *line)
{
	if (value) {
		buf_printf(line, ",\"%s\":%u", key, value);
	} else {
		buf_printf(line, ",\"%s\":null", key);
	}
}

static void tell_problem(const struct answer *a, const struct problem *p)
{
	struct buf line = BUF_INIT;

	if (a->format != TABLE_JSON) {
		fprintf(a->out, "%s\n", p->text);
		return;
	}
	buf_printf(&line, "{\"level\":\"%s\",\"file\":", levels[p->level]);
	p->at.file ? json_add(&line, p->at.file) : buf_puts(&line, "null");
	add_place("line", p->at.line, &line);
	add_place("column", p->at.column, &line);
	buf_printf(&line, ",\"failed\":%s,\"text\":", p->failed ? "true" : "false");
	json_add(&line, p->text);
	fprintf(a->out, "%s}\n", line.data);
	buf_fini(&line);
}

static void tell_verdict(const struct answer *a, bool ok, size_t errors, size_t warnings)
{
	if (a->format == TABLE_JSON) {
		fprintf(a->out, "{\"ok\":%s,\"errors\":%zu,\"warnings\":%zu}\n",
			ok ? "true" : "false", errors, warnings);
	} else if (ok) {
		fprintf(a->out, "ok\n");
	} else {
		fprintf(a->out, "errors: %zu, warnings: %zu%s\n", errors, warnings,
			a->tests_failed ? "; dry tests failed" : "");
	}
}

void answer_findings(struct answer *a)
{
	GHashTable *seen = g_hash_table_new(g_str_hash, g_str_equal);
	size_t all = 0;
	char more[80];

	for (size_t i = 0; i < ini_files(a->ini); i++) {
		tell_line(a, "read", "read ", ini_file(a->ini, i));
	}
	for (guint i = 0; i < a->yaml->len; i++) {
		tell_line(a, "read", "read ", g_ptr_array_index(a->yaml, i));
	}
	for (size_t i = 0; i < problems_count(a->problems); i++) {
		const struct problem *p = problems_at(a->problems, i);

		if (!g_hash_table_add(seen, (void *)p->text)) {
			continue; /* two plugins with one option */
		}
		tell_problem(a, p);
		a->of[p->level]++;
		a->failed = a->failed || p->failed;
	}
	for (int level = PROBLEM_NOTE; level <= PROBLEM_ERROR; level++) {
		all += problems_of(a->problems, (enum problem_level)level);
	}
	if (all > problems_count(a->problems)) {
		g_snprintf(more, sizeof(more), "%zu more, which are not shown; mend these first",
			   all - problems_count(a->problems));
		tell_line(a, "more", "", more);
		a->failed = a->failed || problems_of(a->problems, PROBLEM_ERROR) > 0;
	}
	g_hash_table_unref(seen);
}

int answer_verdict(const struct answer *a)
{
	bool ok = !a->failed && !a->tests_failed;

	tell_verdict(a, ok, a->of[PROBLEM_ERROR], a->of[PROBLEM_WARNING]);
	return ok ? CMD_OK : CMD_FAILED;
}

void answer_tests(const struct answer *a, const char *text)
{
	char **lines = g_strsplit(text, "\n", -1);

	for (char **l = lines; *l; l++) {
		if (**l) {
			tell_line(a, "test", "", *l);
		}
	}
	g_strfreev(lines);
}

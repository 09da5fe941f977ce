/* SPDX-License-Identifier: Apache-2.0 */
/* The answer of `virtmeter check`, for people and for scripts.  Main thread; blocks on the stream only. */
#include "cmd/answer.h"

#include <string.h>

#include "cmd/cmd.h"
#include "conf/problem.h"
#include "model/json_text.h"

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

static void tell_problem(const struct answer *a, const struct problem *p)
{
	struct buf line = BUF_INIT;

	if (a->format != TABLE_JSON) {
		fprintf(a->out, "%s\n", p->text);
		return;
	}
	problem_json(p, &line);
	fprintf(a->out, "%s\n", line.data);
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

void answer_files(const struct answer *a)
{
	for (size_t i = 0; i < ini_files(a->ini); i++) {
		tell_line(a, "read", "read ", ini_file(a->ini, i));
	}
	for (guint i = 0; i < a->yaml->len; i++) {
		tell_line(a, "read", "read ", g_ptr_array_index(a->yaml, i));
	}
}

/* Files in the order in which they were read, others behind them. */
static size_t rank_of(const struct answer *a, const char *file)
{
	size_t files = ini_files(a->ini);

	for (size_t i = 0; file && i < files; i++) {
		if (strcmp(ini_file(a->ini, i), file) == 0) {
			return i;
		}
	}
	for (guint i = 0; file && i < a->yaml->len; i++) {
		if (strcmp(g_ptr_array_index(a->yaml, i), file) == 0) {
			return files + i;
		}
	}
	return SIZE_MAX;
}

static int compare_places(gconstpointer a, gconstpointer b, gpointer answer)
{
	const struct problem *x = *(const struct problem *const *)a;
	const struct problem *y = *(const struct problem *const *)b;
	size_t file_x = rank_of(answer, x->at.file), file_y = rank_of(answer, y->at.file);

	if (file_x != file_y) {
		return file_x < file_y ? -1 : 1;
	}
	if (x->at.line != y->at.line) {
		return x->at.line < y->at.line ? -1 : 1;
	}
	return x->at.column < y->at.column ? -1 : x->at.column > y->at.column;
}

/* The findings that have not been told, by their places; to be freed. */
static GPtrArray *new_findings(const struct answer *a)
{
	GPtrArray *list = g_ptr_array_new();

	for (size_t i = a->told; i < problems_count(a->problems); i++) {
		g_ptr_array_add(list, (void *)(uintptr_t)problems_at(a->problems, i));
	}
	g_ptr_array_sort_with_data(list, compare_places, (void *)(uintptr_t)a);
	return list;
}

void answer_findings(struct answer *a)
{
	GHashTable *seen = g_hash_table_new(g_str_hash, g_str_equal);
	GPtrArray *findings = new_findings(a);

	for (guint i = 0; i < findings->len; i++) {
		const struct problem *p = g_ptr_array_index(findings, i);

		if (!g_hash_table_add(seen, (void *)(uintptr_t)p->text)) {
			continue; /* two plugins with one option */
		}
		tell_problem(a, p);
		a->of[p->level]++;
		a->failed = a->failed || p->failed;
	}
	a->told = problems_count(a->problems);
	g_ptr_array_unref(findings);
	g_hash_table_unref(seen);
}

/* Of how many findings only the number is kept. */
static void tell_rest(struct answer *a)
{
	size_t all = 0;
	char more[80];

	for (int level = PROBLEM_NOTE; level <= PROBLEM_ERROR; level++) {
		all += problems_of(a->problems, (enum problem_level)level);
	}
	if (all > problems_count(a->problems)) {
		g_snprintf(more, sizeof(more), "%zu more, which are not shown; mend these first",
			   all - problems_count(a->problems));
		tell_line(a, "more", "", more);
		a->failed = a->failed || problems_of(a->problems, PROBLEM_ERROR) > 0;
	}
}

int answer_verdict(struct answer *a)
{
	bool ok;

	tell_rest(a);
	ok = !a->failed && !a->tests_failed;
	tell_verdict(a, ok, a->of[PROBLEM_ERROR], a->of[PROBLEM_WARNING]);
	return ok ? CMD_OK : CMD_FAILED;
}

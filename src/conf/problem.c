/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of findings in a configuration.  Owned by whoever reads the configuration; one thread; blocks
 * on nothing.
 */
#define LOG_NAME "config"

#include "conf/problem.h"

#include <glib.h>
#include <stdarg.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/utf8.h"
#include "model/json_text.h"

enum { KEPT_MAX = 1000, LEVELS = PROBLEM_ERROR + 1 };

struct problems {
	struct arena *arena;
	GArray *list; /* struct problem */
	size_t of[LEVELS];
};

void position_print(const struct position *at, struct buf *out)
{
	if (!at || !at->file) {
		return;
	}
	buf_puts(out, at->file);
	if (at->line) {
		buf_printf(out, ":%u", at->line);
		if (at->column) {
			buf_printf(out, ":%u", at->column);
		}
	}
	buf_puts(out, ": ");
}

struct problems *problems_new(void)
{
	struct problems *p = g_new0(struct problems, 1);

	p->arena = arena_new(0);
	p->list = g_array_new(FALSE, FALSE, sizeof(struct problem));
	return p;
}

void problems_free(struct problems *p)
{
	if (p) {
		g_array_unref(p->list);
		arena_free(p->arena);
		g_free(p);
	}
}

static struct problem *add(struct problems *p, enum problem_level level, const struct position *at,
			   const char *format, va_list args) __attribute__((format(printf, 4, 0)));
static struct problem *add_note(struct problems *p, const struct position *at, const char *format,
				...) __attribute__((format(printf, 3, 4)));

static struct problem *add(struct problems *p, enum problem_level level, const struct position *at,
			   const char *format, va_list args)
{
	struct buf raw = BUF_INIT, text = BUF_INIT;
	struct problem problem = { .level = level, .failed = level == PROBLEM_ERROR };

	p->of[level]++;
	if (p->list->len >= KEPT_MAX) {
		return NULL;
	}
	problem.at = at ? *at : problem.at;
	position_print(at, &raw);
	buf_vprintf(&raw, format, args);
	utf8_repair(raw.data, raw.len, &text);
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];

		if (c < ' ' || c == 0x7f) {
			text.data[i] = ' '; /* one line, whatever the file says */
		}
	}
	problem.text = arena_strndup(p->arena, text.data, text.len);
	g_array_append_val(p->list, problem);
	buf_fini(&raw);
	buf_fini(&text);
	return &g_array_index(p->list, struct problem, p->list->len - 1);
}

void problems_add(struct problems *p, enum problem_level level, const struct position *at,
		  const char *format, ...)
{
	va_list args;

	if (p) {
		va_start(args, format);
		add(p, level, at, format, args);
		va_end(args);
	}
}

void problems_add_failed(struct problems *p, const struct position *at, const char *format, ...)
{
	struct problem *problem = NULL;
	va_list args;

	if (p) {
		va_start(args, format);
		problem = add(p, PROBLEM_WARNING, at, format, args);
		va_end(args);
	}
	if (problem) {
		problem->failed = true;
	}
}

static struct problem *add_note(struct problems *p, const struct position *at, const char *format,
				...)
{
	struct problem *problem;
	va_list args;

	va_start(args, format);
	problem = add(p, PROBLEM_NOTE, at, format, args);
	va_end(args);
	return problem;
}

void problems_add_ignored(struct problems *p, const struct position *at, const char *group,
			  const char *name)
{
	struct problem *problem;

	if (p) {
		problem = add_note(p, at, "[%s] %s: an option of Ceilometer's, without effect here",
				   group, name);
		if (problem) {
			problem->ignored = arena_printf(p->arena, "[%s] %s", group, name);
		}
	}
}

size_t problems_count(const struct problems *p)
{
	return p->list->len;
}

const struct problem *problems_at(const struct problems *p, size_t i)
{
	return &g_array_index(p->list, struct problem, i);
}

size_t problems_of(const struct problems *p, enum problem_level level)
{
	return p->of[level];
}

const char *problems_first_error(const struct problems *p)
{
	for (size_t i = 0; i < p->list->len; i++) {
		if (problems_at(p, i)->level == PROBLEM_ERROR) {
			return problems_at(p, i)->text;
		}
	}
	return "";
}

static void add_place(const char *key, unsigned value, struct buf *json)
{
	if (value) {
		buf_printf(json, ",\"%s\":%u", key, value);
	} else {
		buf_printf(json, ",\"%s\":null", key);
	}
}

void problem_json(const struct problem *p, struct buf *json)
{
	static const char *const levels[] = {
		[PROBLEM_NOTE] = "note", [PROBLEM_WARNING] = "warning", [PROBLEM_ERROR] = "error"
	};

	buf_printf(json, "{\"level\":\"%s\",\"file\":", levels[p->level]);
	p->at.file ? json_add(json, p->at.file) : buf_puts(json, "null");
	add_place("line", p->at.line, json);
	add_place("column", p->at.column, json);
	buf_printf(json, ",\"failed\":%s,\"text\":", p->failed ? "true" : "false");
	json_add(json, p->text);
	buf_putc(json, '}');
}

void problems_log(const struct problems *p, size_t from)
{
	static const enum vmt_log_level levels[LEVELS] = {
		[PROBLEM_NOTE] = VMT_LOG_INFO,
		[PROBLEM_WARNING] = VMT_LOG_WARNING,
		[PROBLEM_ERROR] = VMT_LOG_ERROR,
	};
	struct buf ignored = BUF_INIT;

	for (size_t i = from; i < p->list->len; i++) {
		const struct problem *one = problems_at(p, i);

		if (one->ignored) {
			buf_printf(&ignored, "%s%s", ignored.len ? ", " : "", one->ignored);
		} else {
			log_write(levels[one->level], LOG_NAME, "%s", one->text);
		}
	}
	if (ignored.len) {
		log_info("options without effect here: %s", ignored.data);
	}
	buf_fini(&ignored);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables for people and lines of JSON for scripts.  One thread; blocks on the stream.
 */
#include "cmd/table.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/utf8.h"
#include "model/json_text.h"

enum { GAP = 2, NARROW = 6 }; /* between columns; no column is shortened below */

struct table {
	FILE *out;
	enum table_format format;
	const struct table_column *columns;
	size_t count, at; /* columns; the next cell of the row */
	unsigned width; /* 0: no limit */
	bool bold;
	struct arena *arena;
	GPtrArray *rows; /* const char **, a text per column */
	const char **row;
	struct buf json; /* of the current row */
	int error;
};

/* ---- cells */

static unsigned text_width(const char *text)
{
	unsigned width = 0;

	for (const char *p = text; *p; p = g_utf8_next_char(p)) {
		gunichar c = g_utf8_get_char(p);

		width += g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
	}
	return width;
}

/* Valid UTF-8 without control characters. */
static const char *printable(struct table *t, const char *text)
{
	struct buf out = BUF_INIT;
	const char *copy;

	utf8_repair(text, strlen(text), &out);
	for (size_t i = 0; i < out.len; i++) {
		unsigned char c = (unsigned char)out.data[i];

		if (c < ' ' || c == 0x7f) {
			out.data[i] = ' ';
		}
	}
	copy = arena_strndup(t->arena, out.data, out.len);
	buf_fini(&out);
	return copy;
}

static void cell(struct table *t, const char *json, const char *shown)
{
	const struct table_column *column = &t->columns[t->at];

	g_assert(t->at < t->count);
	if (t->format == TABLE_JSON) {
		buf_puts(&t->json, t->at ? "," : "{");
		json_add(&t->json, column->key);
		buf_putc(&t->json, ':');
		buf_puts(&t->json, json);
	} else {
		t->row[t->at] = printable(t, shown);
	}
	t->at++;
}

void table_text(struct table *t, const char *text)
{
	struct buf json = BUF_INIT, valid = BUF_INIT;

	if (text && t->format == TABLE_JSON) {
		utf8_repair(text, strlen(text), &valid);
		json_add(&json, valid.data);
	}
	cell(t, json.len ? json.data : "null", text ? text : "");
	buf_fini(&json);
	buf_fini(&valid);
}

void table_raw(struct table *t, const char *json, const char *shown)
{
	cell(t, json, shown ? shown : json);
}

void table_printf(struct table *t, const char *format, ...)
{
	struct buf text = BUF_INIT;
	va_list args;

	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	table_text(t, text.data);
	buf_fini(&text);
}

void table_number(struct table *t, long long number)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", number);
	table_raw(t, text, NULL);
}

static void new_row(struct table *t)
{
	t->at = 0;
	buf_reset(&t->json);
	if (t->format == TABLE_TEXT) {
		t->row = arena_array(t->arena, sizeof(*t->row), t->count);
	}
}

void table_row(struct table *t)
{
	g_assert(t->at == t->count);
	if (t->format == TABLE_TEXT) {
		g_ptr_array_add(t->rows, t->row);
	} else if (fprintf(t->out, "%s}\n", t->json.data) < 0 && t->error == 0) {
		t->error = -errno;
	}
	new_row(t);
}

/* ---- the table */

static unsigned terminal_width(FILE *out)
{
	struct winsize size;

	if (!isatty(fileno(out)) || ioctl(fileno(out), TIOCGWINSZ, &size) < 0) {
		return 0;
	}
	return size.ws_col;
}

struct table *table_new(FILE *out, enum table_format format, const struct table_column *columns,
			size_t count, unsigned width)
{
	struct table *t = g_new0(struct table, 1);

	t->out = out;
	t->format = format;
	t->columns = columns;
	t->count = count;
	t->width = width ? width : terminal_width(out);
	t->bold = isatty(fileno(out));
	t->arena = arena_new(0);
	t->rows = g_ptr_array_new();
	buf_init(&t->json);
	new_row(t);
	return t;
}

static const char *title(struct table *t, size_t column)
{
	const struct table_column *c = &t->columns[column];
	char *upper;
	const char *copy;

	if (c->title) {
		return c->title;
	}
	upper = g_ascii_strup(c->key, -1);
	for (char *p = upper; *p; p++) {
		*p = *p == '_' ? ' ' : *p;
	}
	copy = arena_strdup(t->arena, upper);
	g_free(upper);
	return copy;
}

static void measure(struct table *t, unsigned *width)
{
	for (size_t c = 0; c < t->count; c++) {
		width[c] = t->columns[c].json_only ? 0 : text_width(title(t, c));
		for (size_t r = 0; width[c] && r < t->rows->len; r++) {
			const char *const *row = g_ptr_array_index(t->rows, r);
			unsigned w = text_width(row[c]);

			width[c] = w > width[c] ? w : width[c];
		}
	}
}

/* The widest column that may still give: of the wide ones first, then of all; -1: none. */
static int widest(const struct table *t, const unsigned *width)
{
	for (int any = 0; any < 2; any++) {
		int best = -1;

		for (size_t c = 0; c < t->count; c++) {
			bool may = (any || t->columns[c].wide) && !t->columns[c].right;

			if (may && width[c] > NARROW && (best < 0 || width[c] > width[best])) {
				best = (int)c;
			}
		}
		if (best >= 0) {
			return best;
		}
	}
	return -1;
}

static void fit(const struct table *t, unsigned *width)
{
	unsigned total = 0;
	int c;

	for (size_t i = 0; i < t->count; i++) {
		total += width[i] ? width[i] + GAP : 0;
	}
	total -= total ? GAP : 0;
	while (t->width && total > t->width && (c = widest(t, width)) >= 0) {
		width[c]--;
		total--;
	}
}

static void put_spaces(struct buf *line, unsigned n)
{
	while (n-- > 0) {
		buf_putc(line, ' ');
	}
}

/* At most `width` columns of the text; what was cut is shown by two dots. */
static void put_cell(struct buf *line, const char *text, unsigned width, bool right)
{
	unsigned all = text_width(text), used = 0;
	const char *p = text;

	if (all <= width) {
		put_spaces(line, right ? width - all : 0);
		buf_puts(line, text);
		put_spaces(line, right ? 0 : width - all);
		return;
	}
	while (*p) {
		gunichar c = g_utf8_get_char(p);
		unsigned w = g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;

		if (used + w > width - 2) {
			break;
		}
		used += w;
		p = g_utf8_next_char(p);
	}
	buf_add(line, text, (size_t)(p - text));
	buf_puts(line, "..");
	put_spaces(line, width - 2 - used);
}

static void put_line(struct table *t, const char *const *row, const unsigned *width, bool head)
{
	struct buf line = BUF_INIT;

	for (size_t c = 0; c < t->count; c++) {
		if (width[c]) {
			put_spaces(&line, line.len ? GAP : 0);
			put_cell(&line, row ? row[c] : title(t, c), width[c], t->columns[c].right);
		}
	}
	while (line.len && line.data[line.len - 1] == ' ') {
		line.data[--line.len] = '\0';
	}
	if (fprintf(t->out, head && t->bold ? "\x1b[1m%s\x1b[0m\n" : "%s\n", line.data) < 0 &&
	    t->error == 0) {
		t->error = -errno;
	}
	buf_fini(&line);
}

int table_close(struct table *t)
{
	int error;

	if (t->format == TABLE_TEXT && t->rows->len > 0) {
		unsigned *width = g_new0(unsigned, t->count);

		measure(t, width);
		fit(t, width);
		put_line(t, NULL, width, true);
		for (size_t r = 0; r < t->rows->len; r++) {
			put_line(t, g_ptr_array_index(t->rows, r), width, false);
		}
		g_free(width);
	}
	if (fflush(t->out) != 0 && t->error == 0) {
		t->error = -errno;
	}
	error = t->error;
	g_ptr_array_unref(t->rows);
	arena_free(t->arena);
	buf_fini(&t->json);
	g_free(t);
	return error;
}

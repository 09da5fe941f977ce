/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grammar of INI files, as oslo_config.iniparser reads them, line by line.  Every fault is told
 * and reading goes on with the next line.  One thread; blocks on nothing.
 */
#include <errno.h>
#include <string.h>

#include "base/intern.h"
#include "base/utf8.h"
#include "conf/ini_private.h"

struct parser {
	struct ini *ini;
	struct problems *problems;
	const char *group; /* NULL before the first section */
	struct position at; /* of the line being read */
	struct ini_value value; /* being collected, `name` NULL for none */
	struct buf text; /* its lines */
	int status;
};

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void complain(struct parser *p, unsigned column, const char *what)
{
	struct position at = p->at;

	at.column = column;
	problems_add(p->problems, PROBLEM_ERROR, &at, "%s", what);
	p->status = p->status ? p->status : -EINVAL;
}

/* The value collected so far is complete. */
static void flush(struct parser *p)
{
	if (!p->value.name) {
		return;
	}
	p->value.text = arena_strndup(p->ini->arena, p->text.data, p->text.len);
	if (ini_add(p->ini, &p->value) < 0) {
		complain(p, 0, "too many values; leave some out");
		p->status = -E2BIG;
	}
	p->value.name = NULL;
	buf_reset(&p->text);
}

static void section(struct parser *p, const char *line, size_t n)
{
	size_t from = 1;

	p->group = NULL;
	if (line[n - 1] != ']') {
		complain(p, 1, "section without ']' at the end of its line; write [name]");
		return;
	}
	n--;
	while (from < n && is_space(line[from])) {
		from++;
	}
	while (n > from && is_space(line[n - 1])) {
		n--;
	}
	if (n <= from) {
		complain(p, 1, "section without a name; write [name]");
		return;
	}
	p->group = ini_group_name(p->ini->arena, line + from, n - from);
}

static size_t trim(const char *line, size_t n)
{
	while (n > 0 && is_space(line[n - 1])) {
		n--;
	}
	return n;
}

static void assignment(struct parser *p, const char *line, size_t n)
{
	size_t sign = 0, from, key;

	while (sign < n && line[sign] != '=' && line[sign] != ':') {
		sign++;
	}
	if (sign == n) {
		complain(p, 1, "no '=' in the line; write key = value, begin a comment with '#'");
		return;
	}
	key = trim(line, sign);
	if (key == 0) {
		complain(p, 1, "no key before '='; write key = value");
		return;
	}
	if (!p->group) {
		complain(
			p, 1,
			"value outside of a section; write [DEFAULT] or another section before it");
		return;
	}
	for (from = sign + 1; from < n && is_space(line[from]);) {
		from++;
	}
	p->value = (struct ini_value){ .group = p->group, .source = p->ini->source, .at = p->at };
	p->value.name = ini_key_name(p->ini->arena, line, key);
	p->value.at.column = 1;
	p->value.value_at = p->at;
	if (from < n && (line[from] == '"' || line[from] == '\'') && line[n - 1] == line[from]) {
		n = n - 1 > from ? n - 1 : n; /* a quote by itself is an empty pair */
		from++;
	}
	p->value.value_at.column = (unsigned)from + 1;
	buf_add(&p->text, line + from, n > from ? n - from : 0);
}

static void continuation(struct parser *p, const char *line, size_t n)
{
	size_t from = 0;

	if (!p->value.name) {
		complain(
			p, 1,
			"the line begins with white space but continues no value; begin it in column 1");
		return;
	}
	while (from < n && is_space(line[from])) {
		from++;
	}
	buf_putc(&p->text, '\n');
	buf_add(&p->text, line + from, n - from);
}

static void one_line(struct parser *p, const char *line, size_t n)
{
	n = trim(line, n);
	if (n == 0) {
		flush(p);
		return;
	}
	if (line[0] != '#' && line[0] != ';') {
		if (memchr(line, '\0', n)) {
			complain(p, 1, "a zero byte in the line; the file is not text");
			return;
		}
		if (!utf8_valid(line, n)) {
			complain(p, 1, "the line is not UTF-8; save the file in that encoding");
			return;
		}
	}
	if (line[0] == ' ' || line[0] == '\t') {
		continuation(p, line, n);
		return;
	}
	flush(p);
	if (line[0] == '[') {
		section(p, line, n);
	} else if (line[0] != '#' && line[0] != ';') {
		assignment(p, line, n);
	}
}

int ini_parse(struct ini *ini, const char *file, const char *text, size_t size,
	      struct problems *problems)
{
	struct parser p = {
		.ini = ini, .problems = problems, .at.file = intern(file), .text = BUF_INIT
	};
	const char *end = text + size;

	if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3; /* a byte order mark */
	}
	while (text < end && p.status != -E2BIG) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((newline ? newline : end) - text);

		p.at.line++;
		one_line(&p, text, n);
		text += n + 1;
		if (!newline) {
			break;
		}
	}
	flush(&p);
	buf_fini(&p.text);
	return p.status;
}

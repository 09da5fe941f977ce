/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with a configuration: places in files, and a list of findings in the order in which they
 * were made.  A struct problems belongs to one thread at a time.
 */
#ifndef CONF_PROBLEM_H
#define CONF_PROBLEM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* A place.  `file` is interned, so a position can be copied and kept; NULL: nowhere in particular.
 * Lines and columns (bytes) count from 1; 0: none. */
struct position {
	const char *file;
	unsigned line, column;
};

/* Appends "file:line:column: ", as far as known. */
void position_print(const struct position *at, struct buf *out);

enum problem_level {
	PROBLEM_NOTE, /* worth telling: an option without effect here */
	PROBLEM_WARNING, /* it goes on without: an unknown key, a plugin that cannot be loaded */
	PROBLEM_ERROR, /* stops a start */
};

struct problem {
	enum problem_level level;
	/* `check` exits 1 for it although the agent starts: a plugin or publisher that is not there. */
	bool failed;
	const char *text; /* "file:line:column: what is wrong; what would be right", one line */
	struct position at; /* what `text` begins with, as far as known */
	const char *ignored; /* "[group] name" of an option without effect here, else NULL */
};

struct problems;

struct problems *problems_new(void);
void problems_free(struct problems *problems);

/* `at` may be NULL.  Nothing happens where `problems` is NULL.  At most 1000 are kept, the rest is
 * counted.  Control characters are replaced. */
void problems_add(struct problems *problems, enum problem_level level, const struct position *at,
		  const char *format, ...) __attribute__((format(printf, 4, 5)));
/* A warning that makes `check` exit 1. */
void problems_add_failed(struct problems *problems, const struct position *at, const char *format,
			 ...) __attribute__((format(printf, 3, 4)));
/* A note: an option of Ceilometer's that has no effect here. */
void problems_add_ignored(struct problems *problems, const struct position *at, const char *group,
			  const char *name);

size_t problems_count(const struct problems *problems); /* of those kept */
const struct problem *problems_at(const struct problems *problems, size_t i);
/* How many of that level, those not kept too. */
size_t problems_of(const struct problems *problems, enum problem_level level);
/* Text of the first error, "" when there is none: for a one-line reason. */
const char *problems_first_error(const struct problems *problems);

/* Adds {"level":"error","file":"v.conf","line":3,"column":1,"failed":false,"text":"…"}; what is not known is null. */
void problem_json(const struct problem *p, struct buf *json);

/* Logs all from the `from`-th on, options without effect as one line. */
void problems_log(const struct problems *problems, size_t from);

#endif

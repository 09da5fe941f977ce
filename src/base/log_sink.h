/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between log.c, which decides what is told, and those who shape and write it.  Only log.c calls these,
 * with its lock held.
 */
#ifndef BASE_LOG_SINK_H
#define BASE_LOG_SINK_H

#include "base/buf.h"
#include "base/log.h"

/* One event, not yet shaped.  `text` is one line of valid UTF-8. */
struct log_line {
	enum vmt_log_level level;
	int64_t time_ns; /* Unix epoch */
	const char *logger;
	const char *text;
};

/* ERROR, WARNING, INFO, DEBUG */
const char *log_level_name(enum vmt_log_level level);
/* The name under which Ceilometer's operators know a logger of ours. */
const char *log_oslo_name(const char *logger);
/* Adds the text, control characters escaped and bytes that are no UTF-8 replaced. */
void log_clean(const char *text, struct buf *out);
/* Adds the line in that form, newline included. */
void log_shape(enum log_form form, const char *date_format, const struct log_line *line,
	       struct buf *out);

struct log_file {
	char *path; /* NULL: no file */
	int fd;
	uint64_t dev, ino;
	uint64_t lost; /* lines that could not be written since the last one that could */
};

int log_file_open(struct log_file *f, const char *path); /* 0, -errno */
void log_file_close(struct log_file *f);
int log_file_reopen(struct log_file *f); /* 0, -errno: the old one stays */
void log_file_watch(struct log_file *f); /* reopens when the path leads elsewhere */
void log_file_write(struct log_file *f, const char *p, size_t n);

void log_stderr_write(const char *p, size_t n);
void log_syslog_open(const char *program, int facility);
void log_syslog_close(void);
void log_syslog_write(const struct log_line *line);

/* 0, or -errno: nobody listens there. */
int log_journal_check(const char **ret_path);
void log_journal_at(const char *path); /* for tests: another socket */
void log_journal_write(const char *program, const struct log_line *line);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logging: one line per event, to any of stderr, a file, syslog and the journal.  A file that logs
 * defines LOG_NAME before its includes and uses the macros:
 *
 *	#define LOG_NAME "agent"
 *	log_warn("libvirt %s: connect: %s; retrying in %d s", uri, why, wait);
 *
 * Subject first, consequence last, no newline.  Repeats of the same line are folded: within a window the
 * same text of the same level and logger is counted, and told as "last message repeated N times" when
 * another text comes, when the window is over, and at log_flush().
 *
 * Any thread; a line is written by its caller, who may block on the sink (a full disk, a slow pipe).
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <virtmeter/plugin.h>

enum log_form {
	LOG_FORM_PLAIN, /* 2026-07-21 13:56:12 INFO agent: text */
	LOG_FORM_OSLO, /* 2026-07-21 13:56:12.123 4242 INFO ceilometer.polling.manager [-] text */
	LOG_FORM_JSON, /* {"time":"2026-07-21T11:56:12.123Z","level":"INFO","logger":"agent",…} */
};

/* A logger (and those below it, after a dot) with a level of its own; a list of them ends with `logger`
 * NULL.  Our names and, in the oslo form, Ceilometer's both count. */
struct log_level_of {
	const char *logger;
	enum vmt_log_level level;
};

/* All zero with `level` INFO is the state before log_init(), which writes to stderr when no other sink
 * is chosen.  What it points to is copied. */
struct log_settings {
	enum vmt_log_level level;
	enum log_form form;
	bool use_stderr; /* beside other sinks too */
	const char *file; /* appended to; NULL: none */
	bool watch_file; /* open it anew when it was moved or removed (logrotate) */
	bool syslog;
	int syslog_facility; /* LOG_USER…; 0: LOG_USER */
	bool journal;
	const char *program; /* for syslog and journal; NULL: virtmeter */
	const char *date_format; /* strftime, local time; NULL: %Y-%m-%d %H:%M:%S */
	const struct log_level_of *levels; /* NULL: none */
	int64_t fold_ns; /* window of folding; 0: 60 s, negative: no folding */
};

/* Replaces the settings; a repeat still counted is told first to the old sinks.  On failure the old
 * settings hold: -errno of opening the file, -ENOTSUP: built without the journal. */
int log_init(const struct log_settings *settings, struct vmt_error *error);
/* Tells what is counted, closes all; stderr from then on. */
void log_fini(void);

/* Opens the file anew (SIGHUP, after logrotate).  0, or -errno: the old one stays in use. */
int log_reopen(void);
void log_flush(void);

/* Would a line of this level be written?  For work that is only done for the log. */
bool log_enabled(enum vmt_log_level level, const char *logger);

/* Do lines go to stderr, so that who started the program sees them? */
bool log_on_stderr(void);

void log_write(enum vmt_log_level level, const char *logger, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void log_vwrite(enum vmt_log_level level, const char *logger, const char *format, va_list args)
	__attribute__((format(printf, 3, 0), nonnull(3)));

/* The logger of vmt_log() in this thread, set around calls into a plugin; answers the one before.
 * The string is not copied.  NULL: "plugin". */
const char *log_plugin(const char *logger);

/* "error", "WARN", "warning", "info", "debug", "critical", "trace"…: 0; -EINVAL. */
int log_level_parse(const char *text, enum vmt_log_level *ret_level);

#define log_error(...) log_write(VMT_LOG_ERROR, LOG_NAME, __VA_ARGS__)
#define log_warn(...) log_write(VMT_LOG_WARNING, LOG_NAME, __VA_ARGS__)
#define log_info(...) log_write(VMT_LOG_INFO, LOG_NAME, __VA_ARGS__)
#define log_debug(...)                                                                             \
	do {                                                                                       \
		if (log_enabled(VMT_LOG_DEBUG, LOG_NAME)) {                                        \
			log_write(VMT_LOG_DEBUG, LOG_NAME, __VA_ARGS__);                           \
		}                                                                                  \
	} while (0)

#endif

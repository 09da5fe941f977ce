/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what is logged: settings, levels, the folding of repeats, and the lock under which a line is
 * written.  Any thread; blocks as long as the sinks do.
 */
#include "base/log.h"
#include "base/clock.h"
#include "base/log_sink.h"

#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#define FOLD_DEFAULT (60 * NS_PER_S)
enum { TEXT_SMALL = 1024, TEXT_MAX = 16 << 10 };

static struct {
	pthread_mutex_t lock;
	struct log_settings set; /* strings owned */
	size_t levels; /* in set.levels */
	struct log_file file;
	struct buf text, line; /* scratch */
	/* folding */
	struct buf last; /* text last written */
	const char *last_logger;
	enum vmt_log_level last_level;
	int64_t last_mono; /* when it was written */
	uint64_t repeats;
} state = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.set = { .level = VMT_LOG_INFO },
	.file = { .fd = -1 },
	.text = BUF_INIT,
	.line = BUF_INIT,
	.last = BUF_INIT,
};

/* The most talkative level of any logger: below it nothing is looked at. */
static atomic_int loudest = VMT_LOG_INFO;
static _Thread_local const char *plugin_logger;

static const struct {
	const char *name;
	enum vmt_log_level level;
} level_names[] = {
	{ "critical", VMT_LOG_ERROR },  { "fatal", VMT_LOG_ERROR },  { "error", VMT_LOG_ERROR },
	{ "warning", VMT_LOG_WARNING }, { "warn", VMT_LOG_WARNING }, { "audit", VMT_LOG_INFO },
	{ "info", VMT_LOG_INFO },       { "debug", VMT_LOG_DEBUG },  { "trace", VMT_LOG_DEBUG },
};

int log_level_parse(const char *text, enum vmt_log_level *ret_level)
{
	for (size_t i = 0; i < G_N_ELEMENTS(level_names); i++) {
		if (g_ascii_strcasecmp(text, level_names[i].name) == 0) {
			*ret_level = level_names[i].level;
			return 0;
		}
	}
	return -EINVAL;
}

/* Is `logger` that name, or below it?  Length of the match, 0: no. */
static size_t below(const char *logger, const char *name)
{
	size_t n = strlen(name);

	return strncmp(logger, name, n) == 0 && (!logger[n] || logger[n] == '.') ? n : 0;
}

/* Level of the longest name that matches.  Locked. */
static enum vmt_log_level level_of(const char *logger)
{
	const char *oslo = log_oslo_name(logger);
	enum vmt_log_level level = state.set.level;
	size_t best = 0;

	for (size_t i = 0; i < state.levels; i++) {
		const char *name = state.set.levels[i].logger;
		size_t n = MAX(below(logger, name), below(oslo, name));

		if (n > best) {
			best = n;
			level = state.set.levels[i].level;
		}
	}
	return level;
}

bool log_enabled(enum vmt_log_level level, const char *logger)
{
	bool ret;

	if ((int)level > atomic_load_explicit(&loudest, memory_order_relaxed)) {
		return false;
	}
	pthread_mutex_lock(&state.lock);
	ret = level <= level_of(logger);
	pthread_mutex_unlock(&state.lock);
	return ret;
}

static bool wants_stderr(const struct log_settings *s)
{
	return s->use_stderr || !(s->file || s->syslog || s->journal);
}

bool log_on_stderr(void)
{
	bool ret;

	pthread_mutex_lock(&state.lock);
	ret = wants_stderr(&state.set);
	pthread_mutex_unlock(&state.lock);
	return ret;
}

/* To all sinks.  Locked. */
static void emit(const struct log_line *line)
{
	const struct log_settings *s = &state.set;

	if (wants_stderr(s) || s->file) {
		buf_reset(&state.line);
		log_shape(s->form, s->date_format, line, &state.line);
	}
	if (wants_stderr(s)) {
		log_stderr_write(state.line.data, state.line.len);
	}
	if (s->file) {
		if (s->watch_file) {
			log_file_watch(&state.file);
		}
		log_file_write(&state.file, state.line.data, state.line.len);
	}
	if (s->syslog) {
		log_syslog_write(line);
	}
	if (s->journal) {
		log_journal_write(s->program ? s->program : "virtmeter", line);
	}
}

/* Tells the repeats.  Locked. */
static void tell_repeats(void)
{
	char text[64];
	struct log_line line = { .level = state.last_level,
				 .logger = state.last_logger,
				 .text = text };

	if (!state.repeats) {
		return;
	}
	snprintf(text, sizeof(text), "last message repeated %" G_GUINT64_FORMAT " times",
		 state.repeats);
	line.time_ns = clock_real();
	state.repeats = 0;
	emit(&line);
}

/* The line was only counted.  Locked. */
static bool folded(const struct log_line *line, int64_t now)
{
	int64_t window = state.set.fold_ns ? state.set.fold_ns : FOLD_DEFAULT;

	if (window < 0 || !state.last_logger || state.last_level != line->level ||
	    strcmp(state.last_logger, line->logger) != 0 ||
	    strcmp(state.last.data, line->text) != 0) {
		return false;
	}
	state.repeats++;
	if (now - state.last_mono >= window) {
		tell_repeats();
		state.last_mono = now;
	}
	return true;
}

static void forget_last(void)
{
	state.last_logger = NULL;
	state.repeats = 0;
}

static void say(enum vmt_log_level level, const char *logger, const char *text)
{
	int64_t now = clock_monotonic();
	struct log_line line = { .level = level, .logger = logger, .time_ns = clock_real() };

	pthread_mutex_lock(&state.lock);
	if (level <= level_of(logger)) {
		buf_reset(&state.text);
		log_clean(text, &state.text);
		line.text = state.text.data;
		if (!folded(&line, now)) {
			tell_repeats();
			emit(&line);
			buf_reset(&state.last);
			buf_add(&state.last, state.text.data, state.text.len);
			state.last_level = level;
			state.last_logger = g_intern_string(logger);
			state.last_mono = now;
		}
	}
	pthread_mutex_unlock(&state.lock);
}

void log_vwrite(enum vmt_log_level level, const char *logger, const char *format, va_list args)
{
	char small[TEXT_SMALL], *large;
	va_list again;
	int saved = errno, n;

	if ((int)level > atomic_load_explicit(&loudest, memory_order_relaxed)) {
		return;
	}
	va_copy(again, args);
	n = vsnprintf(small, sizeof(small), format, args);
	if (n < (int)sizeof(small)) {
		say(level, logger, n < 0 ? format : small);
	} else {
		n = MIN(n, TEXT_MAX);
		large = g_malloc((size_t)n + 1);
		vsnprintf(large, (size_t)n + 1, format, again);
		say(level, logger, large);
		g_free(large);
	}
	va_end(again);
	errno = saved;
}

void log_write(enum vmt_log_level level, const char *logger, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_vwrite(level, logger, format, args);
	va_end(args);
}

void vmt_log(enum vmt_log_level level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_vwrite(level, plugin_logger ? plugin_logger : "plugin", format, args);
	va_end(args);
}

const char *log_plugin(const char *logger)
{
	const char *before = plugin_logger;

	plugin_logger = logger;
	return before;
}

static void settings_free(struct log_settings *s, size_t levels)
{
	for (size_t i = 0; i < levels; i++) {
		g_free((char *)s->levels[i].logger);
	}
	g_free((struct log_level_of *)s->levels);
	g_free((char *)s->file);
	g_free((char *)s->program);
	g_free((char *)s->date_format);
}

/* A deep copy; answers the number of levels. */
static size_t settings_copy(const struct log_settings *from, struct log_settings *to)
{
	struct log_level_of *levels;
	size_t n = 0;

	*to = *from;
	to->file = g_strdup(from->file);
	to->program = g_strdup(from->program);
	to->date_format = g_strdup(from->date_format);
	while (from->levels && from->levels[n].logger) {
		n++;
	}
	levels = g_new0(struct log_level_of, n + 1);
	for (size_t i = 0; i < n; i++) {
		levels[i].logger = g_strdup(from->levels[i].logger);
		levels[i].level = from->levels[i].level;
	}
	to->levels = levels;
	return n;
}

/* Puts the new settings and file in place of the old.  Locked. */
static void swap_settings(const struct log_settings *settings, struct log_file *file)
{
	struct log_settings old = state.set;
	size_t old_levels = state.levels;
	int loud;

	tell_repeats();
	forget_last();
	if (old.syslog) {
		log_syslog_close();
	}
	log_file_close(&state.file);
	state.file = *file;
	state.levels = settings_copy(settings, &state.set);
	settings_free(&old, old_levels);
	if (state.set.syslog) {
		log_syslog_open(state.set.program, state.set.syslog_facility);
	}
	loud = (int)state.set.level;
	for (size_t i = 0; i < state.levels; i++) {
		loud = MAX(loud, (int)state.set.levels[i].level);
	}
	atomic_store(&loudest, loud);
}

int log_init(const struct log_settings *settings, struct vmt_error *error)
{
	struct log_file file = { .fd = -1 };
	const char *path;
	int err = settings->journal ? log_journal_check(&path) : 0;

	if (err < 0) {
		return vmt_error_set(error, err,
				     "log: no journal at %s: %s; use syslog, a file or stderr",
				     path, g_strerror(-err));
	}
	if (settings->file) {
		err = log_file_open(&file, settings->file);
		if (err < 0) {
			return vmt_error_set(
				error, err, "log file %s: %s; %s", settings->file, g_strerror(-err),
				err == -ENOENT ? "make its folder, writable for this user, or name "
						 "another file"
				: err == -EISDIR ? "name a file in it"
						 : "file and folder must be writable for this "
						   "user; mend that, or name another file");
		}
	}
	pthread_mutex_lock(&state.lock);
	swap_settings(settings, &file);
	pthread_mutex_unlock(&state.lock);
	return 0;
}

void log_fini(void)
{
	struct log_settings plain = { .level = VMT_LOG_INFO };
	struct log_file none = { .fd = -1 };

	pthread_mutex_lock(&state.lock);
	swap_settings(&plain, &none);
	g_free((struct log_level_of *)state.set.levels);
	state.set.levels = NULL;
	buf_fini(&state.text);
	buf_fini(&state.line);
	buf_fini(&state.last);
	pthread_mutex_unlock(&state.lock);
}

int log_reopen(void)
{
	int err = 0;

	pthread_mutex_lock(&state.lock);
	tell_repeats();
	if (state.set.file) {
		err = log_file_reopen(&state.file);
	}
	pthread_mutex_unlock(&state.lock);
	return err;
}

void log_flush(void)
{
	pthread_mutex_lock(&state.lock);
	tell_repeats();
	forget_last();
	pthread_mutex_unlock(&state.lock);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the forms of a log line.  Called with log.c's lock held; blocks on nothing.
 */
#include "base/clock.h"
#include "base/log_sink.h"
#include "base/utf8.h"

#include <glib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const names[] = { "ERROR", "WARNING", "INFO", "DEBUG" };

/* Loggers whose lines operators of Ceilometer look for by name. */
static const struct {
	const char *ours, *oslo;
} oslo_names[] = {
	{ "agent", "ceilometer.polling.manager" },
	{ "discovery", "ceilometer.compute.discovery" },
	{ "inspector", "ceilometer.compute.virt.inspector" },
	{ "inspector.libvirt", "ceilometer.compute.virt.libvirt.inspector" },
	{ "pipeline", "ceilometer.pipeline" },
	{ "publisher", "ceilometer.publisher" },
	{ "publisher.file", "ceilometer.publisher.file" },
	{ "service", "cotyledon" },
	{ "virtmeter", "ceilometer" },
};

const char *log_level_name(enum vmt_log_level level)
{
	return names[CLAMP((int)level, 0, (int)G_N_ELEMENTS(names) - 1)];
}

const char *log_oslo_name(const char *logger)
{
	for (size_t i = 0; i < G_N_ELEMENTS(oslo_names); i++) {
		if (strcmp(logger, oslo_names[i].ours) == 0) {
			return oslo_names[i].oslo;
		}
	}
	return logger;
}

static void escape(struct buf *out, unsigned char c)
{
	if (c == '\n') {
		buf_puts(out, "\\n");
	} else if (c == '\t') {
		buf_puts(out, "\\t");
	} else {
		buf_printf(out, "\\x%02x", c);
	}
}

void log_clean(const char *text, struct buf *out)
{
	struct buf valid = BUF_INIT;

	if (!utf8_valid(text, strlen(text))) {
		utf8_repair(text, strlen(text), &valid);
		text = valid.data;
	}
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f) {
			escape(out, (unsigned char)*text);
		} else {
			buf_putc(out, *text);
		}
	}
	buf_fini(&valid);
}

static void add_local_time(struct buf *out, int64_t time_ns, const char *format)
{
	time_t seconds = (time_t)(time_ns / NS_PER_S);
	char text[128];
	struct tm tm;

	localtime_r(&seconds, &tm);
	text[0] = '\0';
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* log_date_format is the operator's */
	if (strftime(text, sizeof(text), format ? format : "%Y-%m-%d %H:%M:%S", &tm) == 0) {
		text[0] = '\0';
	}
#pragma GCC diagnostic pop
	buf_puts(out, text);
}

static unsigned milliseconds(int64_t time_ns)
{
	return (unsigned)(time_ns % NS_PER_S / NS_PER_MS);
}

static void shape_plain(const char *date_format, const struct log_line *line, struct buf *out)
{
	add_local_time(out, line->time_ns, date_format);
	buf_printf(out, " %s %s: %s\n", log_level_name(line->level), line->logger, line->text);
}

static void shape_oslo(const char *date_format, const struct log_line *line, struct buf *out)
{
	add_local_time(out, line->time_ns, date_format);
	buf_printf(out, ".%03u %d %s %s [-] %s\n", milliseconds(line->time_ns), (int)getpid(),
		   log_level_name(line->level), log_oslo_name(line->logger), line->text);
}

/* `text` is clean: log_clean() leaves no control characters. */
static void add_json(struct buf *out, const char *key, const char *text)
{
	buf_printf(out, ",\"%s\":\"", key);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\') {
			buf_putc(out, '\\');
		}
		buf_putc(out, *text);
	}
	buf_putc(out, '"');
}

static void shape_json(const char *date_format, const struct log_line *line, struct buf *out)
{
	time_t seconds = (time_t)(line->time_ns / NS_PER_S);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	buf_printf(out, "{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03uZ\"", tm.tm_year + 1900,
		   tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		   milliseconds(line->time_ns));
	add_json(out, "level", log_level_name(line->level));
	add_json(out, "logger", line->logger);
	buf_printf(out, ",\"pid\":%d", (int)getpid());
	add_json(out, "message", line->text);
	buf_puts(out, "}\n");
}

void log_shape(enum log_form form, const char *date_format, const struct log_line *line,
	       struct buf *out)
{
	static void (*const shapes[])(const char *, const struct log_line *, struct buf *) = {
		[LOG_FORM_PLAIN] = shape_plain,
		[LOG_FORM_OSLO] = shape_oslo,
		[LOG_FORM_JSON] = shape_json,
	};

	shapes[form](date_format, line, out);
}

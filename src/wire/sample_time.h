/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The time of a sample as text.  Any thread; nothing is allocated, no time zone is asked.
 */
#ifndef WIRE_SAMPLE_TIME_H
#define WIRE_SAMPLE_TIME_H

#include <virtmeter/plugin.h>

enum { SAMPLE_TIME_MAX = 32 };

/* In UTC.  Juno: "2014-12-10T04:04:00Z"; later: "2026-07-21T13:56:12.123456", without the fraction when it
 * is zero.  What is below the last digit is cut off.  Answers the length; a zero follows. */
size_t sample_time_format(int64_t time_ns, enum vmt_profile profile,
			  char ret_text[SAMPLE_TIME_MAX]);

/* Remembers the text of the last second; else the same. */
struct sample_time {
	int64_t second; /* INT64_MIN: none */
	char text[SAMPLE_TIME_MAX]; /* up to the seconds */
};

void sample_time_init(struct sample_time *t);
size_t sample_time_put(struct sample_time *t, int64_t time_ns, enum vmt_profile profile,
		       char ret_text[SAMPLE_TIME_MAX]);

/* ISO 8601: a date, or a date, 'T' or space, hours, minutes and, if any, seconds with a fraction; then
 * nothing or "Z" for UTC, or an offset (+hh, +hhmm, +hh:mm).  Or an age before `now_ns`: "-90s", "-30m",
 * "-1h", "-2d", "-1w"; "now".  -EINVAL; -ERANGE outside the years 1678 to 2261. */
int sample_time_parse(const char *text, int64_t now_ns, int64_t *ret_time_ns);

#endif

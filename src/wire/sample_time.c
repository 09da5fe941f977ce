/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the text of times.  Any thread; blocks on nothing.
 */
#include "wire/sample_time.h"
#include "wire/pynum.h"

#include <errno.h>
#include <string.h>

#define SECOND INT64_C(1000000000)

enum { DAY = 86400 };

/* Days of the months before month 1..12, not in a leap year. */
static const int before_month[] = { 0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365 };

static bool leap(int64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days from 0001-01-01 to the first of January of `year` (>= 1). */
static int64_t days_to_year(int64_t year)
{
	int64_t past = year - 1;

	return past * 365 + past / 4 - past / 100 + past / 400;
}

static int64_t days_to_date(int64_t year, int month, int day)
{
	return days_to_year(year) + before_month[month] + (month > 2 && leap(year)) + day - 1;
}

static int days_in_month(int64_t year, int month)
{
	return before_month[month + 1] - before_month[month] + (month == 2 && leap(year));
}

static void put_pair(char *out, int64_t v)
{
	memcpy(out, pynum_pairs + 2 * v, 2);
}

/* "YYYY-MM-DDTHH:MM:SS" */
static void put_second(char *out, int64_t second)
{
	static const char form[] = "0000-00-00T00:00:00";
	int64_t day = second / DAY, rest = second % DAY, year;
	int month = 12;

	if (rest < 0) {
		rest += DAY;
		day--;
	}
	day += days_to_date(1970, 1, 1);
	year = day / 365 + 1; /* a guess, never too small */
	while (days_to_year(year) > day) {
		year--;
	}
	day -= days_to_year(year);
	while (before_month[month] + (month > 2 && leap(year)) > day) {
		month--;
	}
	day -= before_month[month] + (month > 2 && leap(year));

	memcpy(out, form, sizeof(form) - 1);
	put_pair(out, year / 100);
	put_pair(out + 2, year % 100);
	put_pair(out + 5, month);
	put_pair(out + 8, day + 1);
	put_pair(out + 11, rest / 3600);
	put_pair(out + 14, rest / 60 % 60);
	put_pair(out + 17, rest % 60);
}

void sample_time_init(struct sample_time *t)
{
	t->second = INT64_MIN;
}

size_t sample_time_put(struct sample_time *t, int64_t time_ns, enum vmt_profile profile,
		       char ret_text[SAMPLE_TIME_MAX])
{
	int64_t second = time_ns / SECOND, ns = time_ns % SECOND, us;

	if (ns < 0) {
		ns += SECOND;
		second--;
	}
	if (second != t->second) {
		memset(t->text, 0, sizeof(t->text));
		put_second(t->text, second);
		t->second = second;
	}
	memcpy(ret_text, t->text, SAMPLE_TIME_MAX);
	if (profile == VMT_PROFILE_JUNO) {
		ret_text[19] = 'Z';
		return 20;
	}
	us = ns / 1000;
	if (!us) {
		return 19;
	}
	ret_text[19] = '.';
	put_pair(ret_text + 20, us / 10000);
	put_pair(ret_text + 22, us / 100 % 100);
	put_pair(ret_text + 24, us % 100);
	return 26;
}

size_t sample_time_format(int64_t time_ns, enum vmt_profile profile, char ret_text[SAMPLE_TIME_MAX])
{
	struct sample_time t;

	sample_time_init(&t);
	return sample_time_put(&t, time_ns, profile, ret_text);
}

/* ------------------------------------------------------------------ reading */

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Exactly n digits. */
static bool read_number(const char **p, int n, int *ret_v)
{
	int v = 0;

	for (; n > 0; n--, (*p)++) {
		if (!digit(**p)) {
			return false;
		}
		v = v * 10 + (**p - '0');
	}
	*ret_v = v;
	return true;
}

static bool take(const char **p, char c)
{
	if (**p != c) {
		return false;
	}
	(*p)++;
	return true;
}

/* Fraction of a second after the point, cut to nanoseconds. */
static bool read_fraction(const char **p, int64_t *ret_ns)
{
	int64_t unit = SECOND, ns = 0;

	if (!digit(**p)) {
		return false;
	}
	for (; digit(**p); (*p)++) {
		unit /= 10;
		ns += unit * (**p - '0');
	}
	*ret_ns = ns;
	return true;
}

/* "hh:mm[:ss[.fff]]" */
static bool read_clock(const char **p, int64_t *ret_second, int64_t *ret_ns)
{
	int hour, minute, second = 0;

	if (!read_number(p, 2, &hour) || !take(p, ':') || !read_number(p, 2, &minute)) {
		return false;
	}
	if (take(p, ':')) {
		if (!read_number(p, 2, &second)) {
			return false;
		}
		if ((take(p, '.') || take(p, ',')) && !read_fraction(p, ret_ns)) {
			return false;
		}
	}
	*ret_second = hour * 3600 + minute * 60 + second;
	return hour <= 23 && minute <= 59 && second <= 60;
}

/* Nothing, "Z" or an offset, to the end of the text. */
static bool read_zone(const char *p, int64_t *ret_second)
{
	int hour, minute = 0, sign = *p == '-' ? -1 : 1;

	*ret_second = 0;
	if (*p == 'Z' || *p == 'z') {
		return !p[1];
	}
	if (*p != '+' && *p != '-') {
		return !*p;
	}
	p++;
	if (!read_number(&p, 2, &hour)) {
		return false;
	}
	if (*p) {
		take(&p, ':');
		if (!read_number(&p, 2, &minute)) {
			return false;
		}
	}
	*ret_second = sign * (hour * 3600 + minute * 60);
	return !*p && hour <= 23 && minute <= 59;
}

static int from_parts(int64_t second, int64_t ns, int64_t *ret_time_ns)
{
	int64_t v;

	if (__builtin_mul_overflow(second, SECOND, &v) || __builtin_add_overflow(v, ns, &v)) {
		return -ERANGE;
	}
	*ret_time_ns = v;
	return 0;
}

static int read_date(const char *p, int64_t *ret_time_ns)
{
	int year, month, day;
	int64_t second = 0, ns = 0, zone = 0;

	if (!read_number(&p, 4, &year) || !take(&p, '-') || !read_number(&p, 2, &month) ||
	    !take(&p, '-') || !read_number(&p, 2, &day)) {
		return -EINVAL;
	}
	if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month)) {
		return -EINVAL;
	}
	if (take(&p, 'T') || take(&p, 't') || take(&p, ' ')) {
		if (!read_clock(&p, &second, &ns) || !read_zone(p, &zone)) {
			return -EINVAL;
		}
	} else if (*p) {
		return -EINVAL;
	}
	second += (days_to_date(year, month, day) - days_to_date(1970, 1, 1)) * DAY - zone;
	return from_parts(second, ns, ret_time_ns);
}

/* After the '-'. */
static int read_age(const char *p, int64_t now_ns, int64_t *ret_time_ns)
{
	static const char letters[] = "smhdw";
	static const int seconds[] = { 1, 60, 3600, DAY, 7 * DAY };
	const char *letter;
	int64_t n = 0, age;

	if (!digit(*p)) {
		return -EINVAL;
	}
	for (; digit(*p); p++) {
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *p - '0', &n)) {
			return -ERANGE;
		}
	}
	letter = *p ? strchr(letters, *p) : NULL;
	if (!letter || p[1]) {
		return -EINVAL;
	}
	if (__builtin_mul_overflow(n, seconds[letter - letters] * SECOND, &age) ||
	    __builtin_sub_overflow(now_ns, age, &age)) {
		return -ERANGE;
	}
	*ret_time_ns = age;
	return 0;
}

int sample_time_parse(const char *text, int64_t now_ns, int64_t *ret_time_ns)
{
	if (strcmp(text, "now") == 0) {
		*ret_time_ns = now_ns;
		return 0;
	}
	if (*text == '-') {
		return read_age(text + 1, now_ns, ret_time_ns);
	}
	return read_date(text, ret_time_ns);
}

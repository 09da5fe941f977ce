/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times as text and back.  One thread.
 */
#include "wire/sample_time.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <time.h>

#define S INT64_C(1000000000)
#define NOW (INT64_C(1784642172) * S)

static void test_format(void)
{
	static const struct {
		int64_t time_ns;
		const char *juno, *later;
	} rows[] = {
		{ 0, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00" },
		{ NOW, "2026-07-21T13:56:12Z", "2026-07-21T13:56:12" },
		{ NOW + 123456789, "2026-07-21T13:56:12Z", "2026-07-21T13:56:12.123456" },
		{ NOW + 999, "2026-07-21T13:56:12Z", "2026-07-21T13:56:12" },
		{ NOW + 1000, "2026-07-21T13:56:12Z", "2026-07-21T13:56:12.000001" },
		{ 1418184240 * S, "2014-12-10T04:04:00Z", "2014-12-10T04:04:00" },
		{ 951782400 * S, "2000-02-29T00:00:00Z", "2000-02-29T00:00:00" },
		{ -1, "1969-12-31T23:59:59Z", "1969-12-31T23:59:59.999999" },
		{ INT64_MIN, "1677-09-21T00:12:43Z", "1677-09-21T00:12:43.145224" },
		{ INT64_MAX, "2262-04-11T23:47:16Z", "2262-04-11T23:47:16.854775" },
	};
	char text[SAMPLE_TIME_MAX];

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_assert_cmpuint(sample_time_format(rows[i].time_ns, VMT_PROFILE_JUNO, text), ==,
				 20);
		g_assert_cmpstr(text, ==, rows[i].juno);
		g_assert_cmpuint(sample_time_format(rows[i].time_ns, VMT_PROFILE_26, text), ==,
				 strlen(rows[i].later));
		g_assert_cmpstr(text, ==, rows[i].later);
		sample_time_format(rows[i].time_ns, VMT_PROFILE_19, text);
		g_assert_cmpstr(text, ==, rows[i].later);
	}
}

/* Every day of 600 years like the C library, and back; the kept second does not go stale. */
static void test_days(void)
{
	struct sample_time kept;
	char text[SAMPLE_TIME_MAX], expected[SAMPLE_TIME_MAX];

	sample_time_init(&kept);
	for (int64_t day = -106000; day < 106000; day++) {
		time_t second = (time_t)(day * 86400 + (day & 65535));
		int64_t again;
		struct tm tm;

		gmtime_r(&second, &tm);
		strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%SZ", &tm);
		sample_time_put(&kept, second * S, VMT_PROFILE_JUNO, text);
		g_assert_cmpstr(text, ==, expected);
		g_assert_cmpint(sample_time_parse(text, 0, &again), ==, 0);
		g_assert_cmpint(again, ==, second * S);
	}
}

static void test_parse(void)
{
	static const struct {
		const char *text;
		int64_t time_ns;
	} rows[] = {
		{ "2026-07-21T13:56:12", NOW },
		{ "2026-07-21T13:56:12Z", NOW },
		{ "2026-07-21 13:56:12z", NOW },
		{ "2026-07-21t13:56:12.5", NOW + S / 2 },
		{ "2026-07-21T13:56:12.123456+00:00", NOW + 123456000 },
		{ "2026-07-21T13:56:12.1234567891Z", NOW + 123456789 },
		{ "2026-07-21T15:56:12+02:00", NOW },
		{ "2026-07-21T08:26:12-0530", NOW },
		{ "2026-07-22T01:56:12+12", NOW },
		{ "2026-07-21T13:56", NOW - 12 * S },
		{ "2026-07-21", NOW - (13 * 3600 + 56 * 60 + 12) * S },
		{ "now", NOW },
		{ "-90s", NOW - 90 * S },
		{ "-30m", NOW - 1800 * S },
		{ "-1h", NOW - 3600 * S },
		{ "-2d", NOW - 2 * 86400 * S },
		{ "-1w", NOW - 7 * 86400 * S },
	};
	static const char *const invalid[] = {
		"",
		"-",
		"-1",
		"-h",
		"-1y",
		"-1hh",
		"1h",
		"yesterday",
		"2026",
		"2026-07",
		"2026-02-29",
		"2026-13-01",
		"2026-00-01",
		"2026-04-31",
		"2026-07-00",
		"0000-01-01",
		"2026-07-21T",
		"2026-07-21T24:00:00",
		"2026-07-21T13:60",
		"2026-07-21T13:56:61",
		"2026-07-21T13:56:12.",
		"2026-07-21T13:56:12Zx",
		"2026-07-21T13:56:12+",
		"2026-07-21T13:56:12+2",
		"2026-07-21T13:56:12+02:60",
		"2026-07-21x",
		"2026-7-21",
		" 2026-07-21",
	};
	int64_t v;

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_assert_cmpint(sample_time_parse(rows[i].text, NOW, &v), ==, 0);
		g_assert_cmpint(v, ==, rows[i].time_ns);
	}
	v = 42;
	for (size_t i = 0; i < G_N_ELEMENTS(invalid); i++) {
		g_test_message("%s", invalid[i]);
		g_assert_cmpint(sample_time_parse(invalid[i], NOW, &v), ==, -EINVAL);
	}
	g_assert_cmpint(sample_time_parse("1600-01-01", NOW, &v), ==, -ERANGE);
	g_assert_cmpint(sample_time_parse("9999-12-31T23:59:59", NOW, &v), ==, -ERANGE);
	g_assert_cmpint(sample_time_parse("-99999999999999999999s", NOW, &v), ==, -ERANGE);
	g_assert_cmpint(sample_time_parse("-99999999999w", NOW, &v), ==, -ERANGE);
	g_assert_cmpint(v, ==, 42);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/sample-time/format", test_format);
	g_test_add_func("/sample-time/days", test_days);
	g_test_add_func("/sample-time/parse", test_parse);
	return g_test_run();
}

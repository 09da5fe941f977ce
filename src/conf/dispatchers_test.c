/* SPDX-License-Identifier: Apache-2.0 */
/* Dispatchers of Ceilometer's collector as sinks. */
#include "conf/dispatchers.h"

#include <glib.h>
#include <string.h>

#define FILE_LINES                                                                                 \
	"[dispatcher_file]\nfile_path = /var/log/m %.log\nmax_bytes = 100\nbackup_count = 3\n"
#define FILE_URL "file:///var/log/m%20%25.log?format=message&max_bytes=100&backup_count=3"

/* Options and their defaults as Ceilometer 2014.2 and 8.0 (http) have them. */
static const struct {
	const char *text;
	const char *urls; /* by sinks, with blanks between */
	const char *told; /* the beginning of the last that is told */
	enum problem_level level;
} cases[] = {
	{ "", "", NULL, 0 },
	{ FILE_LINES "[dispatcher_http]\ntarget = http://h/\n", "", NULL, 0 },
	{ "[DEFAULT]\ndispatcher = database\n" FILE_LINES, "", NULL, 0 },
	{ "[DEFAULT]\ndispatcher = database\ndispatcher = file\n" FILE_LINES, FILE_URL,
	  "dispatcher file: a collector writes every sample to [dispatcher_file] file_path",
	  PROBLEM_NOTE },
	{ "[collector]\ndispatcher = file\n[dispatcher_file]\nfile_path = /m\n",
	  "file:///m?format=message&max_bytes=0&backup_count=0", "dispatcher file: a collector",
	  PROBLEM_NOTE },
	{ "[DEFAULT]\nmeter_dispatchers = database\nmeter_dispatchers = http\n[dispatcher_http]\n"
	  "target = https://u:p@h:1/x\n",
	  "https://u:p@h:1/x?form=message&batch=false&timeout=5",
	  "dispatcher http: a collector writes every sample to [dispatcher_http] target",
	  PROBLEM_NOTE },
	{ "[DEFAULT]\ndispatcher = http\ndispatcher = file\ndispatcher = http\n" FILE_LINES
	  "[dispatcher_http]\ntarget = http://h/x?a=b\ntimeout = 9\nbatch_mode = true\n"
	  "verify_ssl = /etc/a b.pem\n",
	  "http://h/x?a=b&form=message&batch=true&timeout=9&verify_ssl=/etc/a%20b.pem " FILE_URL,
	  "dispatcher file: a collector", PROBLEM_NOTE },
	{ "[DEFAULT]\ndispatcher = database\ndispatcher = gnocchi\n", "",
	  "dispatcher gnocchi: is left out", PROBLEM_WARNING },
	{ "[DEFAULT]\ndispatcher = database\ndispatcher = file\n", "",
	  "dispatcher file: without [dispatcher_file] file_path it writes nothing",
	  PROBLEM_WARNING },
	{ "[DEFAULT]\ndispatcher = database\ndispatcher = file\n[dispatcher_file]\nfile_path = m\n",
	  "", "file_path: a relative path", PROBLEM_WARNING },
	{ "[DEFAULT]\ndispatcher = database\ndispatcher = http\n[dispatcher_http]\ntarget = h:80\n",
	  "", "target: is not http:// or https://", PROBLEM_WARNING },
};

static char *urls_of(const struct polling *sinks)
{
	GString *urls = g_string_new(NULL);

	for (size_t i = 0; sinks && i < sinks->sink_count; i++) {
		g_assert_cmpuint(sinks->sinks[i].publishers.count, ==, 1);
		g_string_append_printf(urls, "%s%s", i ? " " : "",
				       sinks->sinks[i].publishers.item[0].text);
	}
	return g_string_free(urls, false);
}

static void test_sinks(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct ini *ini = ini_new();
		struct problems *problems = problems_new();
		struct settings settings;
		struct polling *sinks;
		char *urls;
		size_t n;

		g_assert_cmpint(ini_read_text(ini, "t.conf", cases[i].text, strlen(cases[i].text),
					      problems),
				==, 0);
		g_assert_cmpint(settings_read(&settings, ini, problems), ==, 0);
		g_assert_cmpint(dispatchers_read(&settings, ini, problems, &sinks), ==, 0);
		urls = urls_of(sinks);
		g_assert_cmpstr(urls, ==, cases[i].urls);
		n = problems_count(problems);
		g_assert_true((n > 0) == (cases[i].told != NULL));
		if (n > 0) {
			const struct problem *p = problems_at(problems, n - 1);

			g_assert_nonnull(strstr(p->text, cases[i].told));
			g_assert_cmpint(p->level, ==, cases[i].level);
		}
		/* the source has all samples, our own meters too */
		g_assert_true(!sinks ||
			      (sinks->source_count == 1 && sinks->sources[0].meters.count == 2 &&
			       sinks->pair_count == sinks->sink_count));
		g_free(urls);
		polling_free(sinks);
		settings_fini(&settings);
		problems_free(problems);
		ini_free(ini);
	}
}

/* A store beside them is told of where it is not among them. */
static void test_database(void)
{
	static const char text[] = "[DEFAULT]\ndispatcher = file\n" FILE_LINES;
	struct ini *ini = ini_new();
	struct problems *problems = problems_new();
	struct settings settings;
	struct polling *sinks;

	g_assert_cmpint(ini_read_text(ini, "t.conf", text, sizeof(text) - 1, problems), ==, 0);
	g_assert_cmpint(settings_read(&settings, ini, problems), ==, 0);
	g_assert_cmpint(dispatchers_read(&settings, ini, problems, &sinks), ==, 0);
	g_assert_nonnull(strstr(problems_at(problems, 0)->text, "database is not among them"));
	polling_free(sinks);
	settings_fini(&settings);
	problems_free(problems);
	ini_free(ini);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/conf/dispatchers/sinks", test_sinks);
	g_test_add_func("/conf/dispatchers/database", test_database);
	return g_test_run();
}

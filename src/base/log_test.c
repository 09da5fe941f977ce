/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines: forms, levels, folding, a file that moves.  On the simulated clock; what is written is read
 * back from a file.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/log_sink.h"
#include "base/thread.h"
#include "base/wait.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LOG_NAME "agent"

static char *folder, *path, *moved;

static void begin(struct log_settings s)
{
	g_unlink(path);
	g_unlink(moved);
	s.file = path;
	g_assert_cmpint(log_init(&s, NULL), ==, 0);
}

static void expect_at(const char *where, const char *want)
{
	char *got = NULL;

	g_assert_true(g_file_get_contents(where, &got, NULL, NULL));
	g_assert_cmpstr(got, ==, want);
	g_free(got);
}

static void expect(const char *want)
{
	log_flush();
	expect_at(path, want);
}

static void test_plain(void)
{
	begin((struct log_settings){ .level = VMT_LOG_INFO });
	log_error("libvirt %s: %s; retrying in %d s", "qemu:///system", "refused", 8);
	log_warn("two\nlines\t\x1b[31m and \xff bytes");
	log_info("third");
	log_debug("not shown");
	vmt_log(VMT_LOG_INFO, "of a plugin");
	expect("2026-07-21 13:56:12 ERROR agent: libvirt qemu:///system: refused; retrying in 8 s\n"
	       "2026-07-21 13:56:12 WARNING agent: two\\nlines\\t\\x1b[31m and \xef\xbf\xbd bytes\n"
	       "2026-07-21 13:56:12 INFO agent: third\n"
	       "2026-07-21 13:56:12 INFO plugin: of a plugin\n");
}

static void test_oslo(void)
{
	char *want =
		g_strdup_printf("2026-07-21 13:56:12.123 %d INFO ceilometer.polling.manager [-] "
				"Polling pollster cpu in the context of all\n"
				"2026-07-21 13:56:12.123 %d WARNING spool [-] full\n",
				(int)getpid(), (int)getpid());

	begin((struct log_settings){ .level = VMT_LOG_INFO, .form = LOG_FORM_OSLO });
	log_info("Polling pollster %s in the context of %s", "cpu", "all");
	log_write(VMT_LOG_WARNING, "spool", "full");
	expect(want);
	g_free(want);
}

static void test_json(void)
{
	char *want = g_strdup_printf(
		"{\"time\":\"2026-07-21T11:56:12.123Z\",\"level\":\"ERROR\","
		"\"logger\":\"agent\",\"pid\":%d,\"message\":\"say \\\"x\\\" \\\\ y\"}\n",
		(int)getpid());

	begin((struct log_settings){ .level = VMT_LOG_INFO, .form = LOG_FORM_JSON });
	log_error("say \"x\" \\ y");
	expect(want);
	g_free(want);
}

static void test_date_format(void)
{
	begin((struct log_settings){ .level = VMT_LOG_INFO, .date_format = "%d.%m. %H Uhr" });
	log_info("x");
	expect("21.07. 13 Uhr INFO agent: x\n");
}

static void test_long(void)
{
	char *long_text = g_strnfill(5000, 'x');
	char *want = g_strdup_printf("2026-07-21 13:56:12 INFO agent: %s!\n", long_text);

	begin((struct log_settings){ .level = VMT_LOG_INFO });
	log_info("%s!", long_text);
	expect(want);
	g_free(want);
	g_free(long_text);
}

static void test_levels(void)
{
	static const struct log_level_of levels[] = { { "publisher", VMT_LOG_ERROR },
						      { "publisher.file", VMT_LOG_DEBUG },
						      { "ceilometer.polling", VMT_LOG_WARNING },
						      { 0 } };
	enum vmt_log_level level;

	begin((struct log_settings){ .level = VMT_LOG_INFO, .levels = levels });
	log_write(VMT_LOG_WARNING, "publisher", "no");
	log_write(VMT_LOG_WARNING, "publisher.null", "no");
	log_write(VMT_LOG_DEBUG, "publisher.file", "yes 1");
	log_write(VMT_LOG_INFO, "publishers", "yes 2");
	log_info("no");
	log_warn("yes 3");
	g_assert_true(log_enabled(VMT_LOG_DEBUG, "publisher.file"));
	g_assert_false(log_enabled(VMT_LOG_DEBUG, "spool"));
	expect("2026-07-21 13:56:12 DEBUG publisher.file: yes 1\n"
	       "2026-07-21 13:56:12 INFO publishers: yes 2\n"
	       "2026-07-21 13:56:12 WARNING agent: yes 3\n");
	g_assert_cmpint(log_level_parse("Warn", &level), ==, 0);
	g_assert_cmpint(level, ==, VMT_LOG_WARNING);
	g_assert_cmpint(log_level_parse("loud", &level), ==, -EINVAL);
}

/* Runs last of the clock's users: it lets time pass. */
static void test_fold(void)
{
	begin((struct log_settings){ .level = VMT_LOG_INFO });
	for (int i = 0; i < 4; i++) {
		log_info("same");
	}
	log_warn("same"); /* another level */
	for (int i = 0; i < 13; i++) {
		log_error("down");
		wait_sleep(10 * NS_PER_S);
	}
	expect("2026-07-21 13:56:12 INFO agent: same\n"
	       "2026-07-21 13:56:12 INFO agent: last message repeated 3 times\n"
	       "2026-07-21 13:56:12 WARNING agent: same\n"
	       "2026-07-21 13:56:12 ERROR agent: down\n"
	       "2026-07-21 13:57:12 ERROR agent: last message repeated 6 times\n"
	       "2026-07-21 13:58:12 ERROR agent: last message repeated 6 times\n");
	begin((struct log_settings){ .level = VMT_LOG_INFO, .fold_ns = -1, .date_format = "T" });
	log_info("same");
	log_info("same");
	expect("T INFO agent: same\nT INFO agent: same\n");
	begin((struct log_settings){ .level = VMT_LOG_INFO, .date_format = "T" });
	log_info("same");
	log_info("same");
	log_fini(); /* at the end nothing stays untold */
	expect_at(path, "T INFO agent: same\nT INFO agent: last message repeated 1 times\n");
}

static void test_watch(void)
{
	begin((struct log_settings){
		.level = VMT_LOG_INFO, .watch_file = true, .date_format = "T" });
	log_info("one");
	g_assert_cmpint(g_rename(path, moved), ==, 0);
	log_info("two");
	expect_at(moved, "T INFO agent: one\n");
	expect_at(path, "T INFO agent: two\n");
	g_assert_cmpint(g_rename(path, moved), ==, 0);
	g_assert_true(g_file_set_contents(path, "made by logrotate\n", -1, NULL));
	log_info("three");
	expect("made by logrotate\nT INFO agent: three\n");
}

static void test_reopen(void)
{
	begin((struct log_settings){ .level = VMT_LOG_INFO, .date_format = "T" });
	log_info("one");
	g_assert_cmpint(g_rename(path, moved), ==, 0);
	log_info("two");
	g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
	g_assert_cmpint(log_reopen(), ==, 0);
	log_info("three");
	expect_at(moved, "T INFO agent: one\nT INFO agent: two\n");
	expect("T INFO agent: three\n");
}

static void test_bad_file(void)
{
	struct log_settings s = { .level = VMT_LOG_INFO, .file = "/nonexistent/x.log" };
	struct vmt_error e;

	begin((struct log_settings){ .level = VMT_LOG_INFO, .date_format = "T" });
	g_assert_cmpint(log_init(&s, &e), ==, -ENOENT);
	g_assert_cmpstr(
		e.text, ==,
		"log file /nonexistent/x.log: No such file or directory; make its folder, writable for this user, or name another file");
	log_info("still here");
	expect("T INFO agent: still here\n");
}

static void *log_many(void *data)
{
	for (int i = 0; i < 500; i++) {
		log_info("thread %s line %d", (const char *)data, i);
	}
	return NULL;
}

static void test_threads(void)
{
	static const char *const names[] = { "a", "b", "c" };
	pthread_t t[3];
	char *got = NULL, **lines;

	begin((struct log_settings){ .level = VMT_LOG_INFO, .date_format = "T" });
	for (int i = 0; i < 3; i++) {
		g_assert_cmpint(thread_start(&t[i], "log", log_many, (void *)names[i]), ==, 0);
	}
	for (int i = 0; i < 3; i++) {
		thread_join(t[i]);
	}
	g_assert_true(g_file_get_contents(path, &got, NULL, NULL));
	lines = g_strsplit(got, "\n", -1);
	g_assert_cmpuint(g_strv_length(lines), ==, 1501);
	for (int i = 0; i < 1500; i++) {
		g_assert_true(g_str_has_prefix(lines[i], "T INFO agent: thread "));
	}
	g_strfreev(lines);
	g_free(got);
}

/* At the other end of the journal's socket. */
static void test_journal(void)
{
	struct log_settings s = { .level = VMT_LOG_INFO,
				  .journal = true,
				  .program = "virtmeter-test" };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char *at = g_build_filename(folder, "journal", NULL), got[512] = "";
	struct vmt_error error;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	log_journal_at(at);
	g_assert_cmpint(log_init(&s, &error), ==, -ENOENT);
	g_assert_nonnull(strstr(error.text, "/journal: No such file or directory; use syslog"));
	g_strlcpy(address.sun_path, at, sizeof(address.sun_path));
	g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
	g_assert_cmpint(log_init(&s, &error), ==, 0);
	log_warn("two\nlines");
	g_assert_cmpint((int)recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT), >, 0);
	g_assert_cmpstr(got, ==,
			"PRIORITY=4\nSYSLOG_IDENTIFIER=virtmeter-test\nLOGGER=agent\n"
			"MESSAGE=agent: two\\nlines\n");
	log_fini();
	close(fd);
	g_unlink(at);
	g_free(at);
}

int main(int argc, char **argv)
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0", 1);
	tzset();
	clock_simulate(INT64_C(1784634972123) * NS_PER_MS, 0);
	folder = g_dir_make_tmp("log-test-XXXXXX", NULL);
	path = g_build_filename(folder, "x.log", NULL);
	moved = g_build_filename(folder, "x.log.1", NULL);
	g_test_add_func("/log/plain", test_plain);
	g_test_add_func("/log/oslo", test_oslo);
	g_test_add_func("/log/json", test_json);
	g_test_add_func("/log/date-format", test_date_format);
	g_test_add_func("/log/long", test_long);
	g_test_add_func("/log/levels", test_levels);
	g_test_add_func("/log/watch", test_watch);
	g_test_add_func("/log/reopen", test_reopen);
	g_test_add_func("/log/bad-file", test_bad_file);
	g_test_add_func("/log/threads", test_threads);
	g_test_add_func("/log/fold", test_fold);
	g_test_add_func("/log/journal", test_journal);
	ret = g_test_run();
	log_fini();
	g_unlink(path);
	g_unlink(moved);
	g_rmdir(folder);
	g_free(folder);
	g_free(path);
	g_free(moved);
	return ret;
}

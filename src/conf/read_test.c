/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths that are no configuration file (a FIFO, a folder, a device, 100 MB, what may not be read, bytes that are no
 * text), for each reader of configuration: a clear error, at once, with little memory.
 */
#include "conf/read.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "conf/ini.h"
#include "conf/polling.h"

enum {
	HUGE_BYTES = 100 << 20,
	GROWTH_MAX_KIB = 48 << 10, /* of this process, under a sanitizer that keeps what is freed */
	SECONDS_MAX = 10
};

static char *folder;

/* ---- the readers */

static int read_ini(const char *path, struct problems *problems)
{
	struct ini *ini = ini_new();
	int ret = ini_read_file(ini, path, problems);

	ini_free(ini);
	return ret;
}

static int read_yaml(const char *path, enum polling_role role, struct problems *problems)
{
	struct polling *polling = NULL;
	int ret = polling_read_file(path, role, &polling, problems);

	g_assert_null(polling);
	return ret;
}

static int read_polling(const char *path, struct problems *problems)
{
	return read_yaml(path, POLLING_FILE, problems);
}

static int read_pipeline(const char *path, struct problems *problems)
{
	return read_yaml(path, PIPELINE_FILE, problems);
}

/* ---- what a path may be */

static void make_fifo(const char *path)
{
	g_assert_cmpint(mkfifo(path, 0600), ==, 0);
}

static void make_folder(const char *path)
{
	g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
}

static void make_unreadable(const char *path)
{
	g_assert_true(g_file_set_contents(path, "[DEFAULT]\n", -1, NULL));
	g_assert_cmpint(g_chmod(path, 0), ==, 0);
}

static void make_huge(const char *path)
{
	g_assert_true(g_file_set_contents(path, "", 0, NULL));
	g_assert_cmpint(truncate(path, HUGE_BYTES), ==, 0);
}

static void make_binary(const char *path)
{
	g_assert_true(g_file_set_contents(path,
					  "\x7f"
					  "ELF\2\1\1\0\0\xff\xfe\n\0\x80: \1\n",
					  18, NULL));
}

static void make_endless(const char *path)
{
	g_assert_cmpint(symlink("/dev/zero", path), ==, 0);
}

static void make_circle(const char *path)
{
	g_assert_cmpint(symlink(path, path), ==, 0);
}

static void make_nothing(const char *path)
{
}

static const struct {
	const char *name;
	void (*make)(const char *path);
	int code[3]; /* of INI, polling.yaml, pipeline.yaml */
	const char *said[3];
} rows[] = {
#define ALL(code_, said_)                                                                          \
	{ code_, code_, code_ },                                                                   \
	{                                                                                          \
		said_, said_, said_                                                                \
	}
	{ "fifo", make_fifo, ALL(-EINVAL, "is not an ordinary file; name one") },
	{ "folder", make_folder, ALL(-EISDIR, "is a folder; name a file") },
	{ "unreadable", make_unreadable,
	  ALL(-EACCES, "cannot be read: permission denied; make it readable for this user") },
	{ "huge", make_huge, ALL(-EFBIG, "too large for a configuration; is it the right file?") },
	{ "endless", make_endless,
	  ALL(-EFBIG, "too large for a configuration; is it the right file?") },
	{ "circle", make_circle, ALL(-ELOOP, "Too many levels of symbolic links") },
	{ "nothing", make_nothing, ALL(-ENOENT, "there is no such file; check the path") },
	{ "binary",
	  make_binary,
	  { -EINVAL, -EINVAL, -EINVAL },
	  { "1:1: a zero byte in the line; the file is not text", "control characters",
	    "control characters" } },
};

static long peak_kib(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_maxrss;
}

/* As somebody for whom a file's mode counts. */
static uid_t become_nobody(void)
{
	uid_t before = geteuid();

	if (before == 0) {
		g_assert_cmpint(chmod(folder, 0711), ==, 0);
		g_assert_cmpint(seteuid(65534), ==, 0);
	}
	return before;
}

static void test_row(gconstpointer data)
{
	static int (*const readers[])(const char *, struct problems *) = { read_ini, read_polling,
									   read_pipeline };
	size_t row = GPOINTER_TO_SIZE(data);
	char *path = g_build_filename(folder, rows[row].name, NULL);
	int64_t begin = clock_monotonic();
	long before = peak_kib();

	rows[row].make(path);
	for (size_t i = 0; i < G_N_ELEMENTS(readers); i++) {
		struct problems *problems = problems_new();
		uid_t me = rows[row].code[0] == -EACCES ? become_nobody() : geteuid();
		int ret = readers[i](path, problems);

		g_assert_cmpint(seteuid(me), ==, 0);
		g_assert_cmpint(ret, ==, rows[row].code[i]);
		g_assert_true(g_str_has_prefix(problems_first_error(problems), path));
		g_assert_nonnull(strstr(problems_first_error(problems), rows[row].said[i]));
		g_assert_cmpuint(problems_count(problems), <=, 10);
		problems_free(problems);
	}
	g_assert_cmpint(clock_monotonic() - begin, <, SECONDS_MAX * NS_PER_S);
	g_assert_cmpint(peak_kib() - before, <, GROWTH_MAX_KIB);
	g_remove(path);
	g_free(path);
}

int main(int argc, char **argv)
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	folder = g_dir_make_tmp("read-test-XXXXXX", NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		char *name = g_strconcat("/conf/read/", rows[i].name, NULL);

		g_test_add_data_func(name, GSIZE_TO_POINTER(i), test_row);
		g_free(name);
	}
	ret = g_test_run();
	g_rmdir(folder);
	g_free(folder);
	return ret;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file publisher on a disk that fails, or in a process that dies, at the Nth call that changes the
 * disk, for every N of a short run with rotation.  The linker leads those calls through here.  A failure
 * loses no sample and repeats none; a death loses none that was confirmed, repeats at most the frame that was
 * not, and leaves no torn line behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdarg.h>
#include <unistd.h>

#include "child.h"
#include "publisher/fixture.h"
#include "wire/message_conf.h"

extern const struct vmt_plugin vmt_plugin_publisher_file;

#define OPS (vmt_plugin_publisher_file.ops.publisher)

enum { RESOURCES = 120, METERS = 6, FRAMES = 4 };

/* ------------------------------------------------------------------ the calls
 * (meson compiles with 64-bit file offsets: two of them have that in their names) */

enum fault { NONE, FAIL, FAIL_TWICE, SHORT, DIE };

static struct {
	bool on;
	enum fault fault;
	long at, count;
	bool full; /* a short write has come: the next one fails */
} disk;

ssize_t __real_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n);
int __real_ftruncate64(int fd, off_t length);
int __wrap_ftruncate64(int fd, off_t length);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);

static bool strike(void)
{
	if (!disk.on) {
		return false;
	}
	disk.count++;
	if (disk.count != disk.at && (disk.fault != FAIL_TWICE || disk.count != disk.at + 1)) {
		return false;
	}
	if (disk.fault == DIE) {
		_exit(CHILD_DIED);
	}
	errno = ENOSPC;
	return true;
}

ssize_t __wrap_write(int fd, const void *p, size_t n)
{
	if (disk.on && disk.fault == SHORT) {
		if (disk.full) {
			disk.full = false;
			errno = ENOSPC;
			return -1;
		}
		if (strike()) {
			disk.full = true;
			return __real_write(fd, p, n / 3);
		}
		return __real_write(fd, p, n);
	}
	if (disk.on && disk.fault == DIE && disk.count + 1 == disk.at) {
		(void)!__real_write(fd, p, n / 2 + 7);
		_exit(CHILD_DIED);
	}
	return strike() ? -1 : __real_write(fd, p, n);
}

int __wrap_ftruncate64(int fd, off_t length)
{
	return disk.fault != SHORT && strike() ? -1 : __real_ftruncate64(fd, length);
}

int __wrap_rename(const char *from, const char *to)
{
	return disk.fault != SHORT && strike() ? -1 : __real_rename(from, to);
}

int __wrap_open64(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list args;

	if (flags & O_CREAT) {
		va_start(args, flags);
		mode = va_arg(args, mode_t);
		va_end(args);
	}
	return disk.fault != SHORT && strike() ? -1 : __real_open64(path, flags, mode);
}

/* ------------------------------------------------------------------ a run */

static unsigned publish_all(const char *path, unsigned first, int tell)
{
	const struct {
		int64_t max_bytes, backup_count;
		const char *json, *format;
		struct message_conf message;
	} conf = { .max_bytes = 600 << 10, .backup_count = 100, .json = "" };
	struct vmt_url url = { .text = path, .scheme = "file", .host = "", .path = path };
	struct vmt_error error;
	unsigned failures = 0;
	struct fixture f;
	void *self;

	g_assert_cmpuint(vmt_plugin_publisher_file.conf_size, ==, sizeof conf);
	g_assert_cmpint(OPS->open(&conf, &url, false, &self, &error), ==, 0);
	fixture_init(&f, RESOURCES, METERS);
	for (unsigned frame = first; frame < FRAMES; frame++) {
		struct vmt_call call = fixture_call(60);
		int code;

		fixture_cycle(&f, frame, FIXTURE_TIME + frame * INT64_C(10000000000));
		for (;;) {
			disk.on = true;
			code = OPS->publish(self, &f.frame, 1, &call, &error);
			disk.on = false;
			if (code == 0) {
				break;
			}
			g_assert_cmpuint(++failures, <, 5);
		}
		if (tell >= 0) {
			g_assert_cmpint(write(tell, "+", 1), ==, 1);
		}
	}
	OPS->close(self);
	fixture_fini(&f);
	return failures;
}

/* Adds the records of one file: key is the whole line. */
static void read_lines(const char *path, GHashTable *seen, unsigned *total)
{
	char *text = NULL;
	gsize length;

	if (!g_file_get_contents(path, &text, &length, NULL)) {
		return;
	}
	g_assert_true(length == 0 || text[length - 1] == '\n');
	for (char *line = text, *end; *line; line = end + 1) {
		end = strchr(line, '\n');
		g_assert_true(g_str_has_prefix(line, "{\"name\""));
		g_assert_cmpint(end[-1], ==, '}');
		g_hash_table_add(seen, g_strndup(line, (gsize)(end - line)));
		++*total;
	}
	g_free(text);
}

/* All samples are there; answers how many are there more than once. */
static unsigned assert_all(const char *folder)
{
	GHashTable *seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	GDir *dir = g_dir_open(folder, 0, NULL);
	unsigned total = 0, distinct;

	for (const char *name; (name = g_dir_read_name(dir));) {
		char *path = g_build_filename(folder, name, NULL);

		read_lines(path, seen, &total);
		g_free(path);
	}
	g_dir_close(dir);
	distinct = g_hash_table_size(seen);
	g_assert_cmpuint(distinct, ==, RESOURCES * METERS * FRAMES);
	g_hash_table_destroy(seen);
	return total - distinct;
}

/* ------------------------------------------------------------------ tests */

static void fail_everywhere(enum fault fault, long least)
{
	unsigned struck = 0;

	disk.fault = fault;
	for (disk.at = 1;; disk.at++) {
		char *folder = fixture_folder(), *path = g_build_filename(folder, "samples", NULL);

		disk.count = 0;
		disk.full = false;
		struck += publish_all(path, 0, -1);
		g_assert_cmpuint(assert_all(folder), ==, 0);
		g_free(path);
		fixture_remove(folder);
		if (disk.count < disk.at) {
			break;
		}
	}
	g_test_message("%ld places, %u publishes failed", disk.at - 1, struck);
	g_assert_cmpint(disk.at, >, least);
	g_assert_cmpuint(struck, >=, (unsigned)least);
}

static void test_fail(void)
{
	fail_everywhere(FAIL, 15);
}

/* The way back fails as well. */
static void test_fail_twice(void)
{
	fail_everywhere(FAIL_TWICE, 15);
}

static void test_short(void)
{
	fail_everywhere(SHORT, 8);
}

static unsigned run_child(const char *path, int *ret_end)
{
	unsigned confirmed = 0;
	int fd;
	pid_t child = child_start(&fd);
	char c;

	if (child == 0) {
		disk.count = 0;
		publish_all(path, 0, fd);
		_exit(disk.count < disk.at ? CHILD_DONE : CHILD_PASSED);
	}
	while (read(fd, &c, 1) == 1) {
		confirmed++;
	}
	*ret_end = child_end(child, fd);
	return confirmed;
}

static void test_die(void)
{
	int end = CHILD_DIED;
	long places = 0;

	disk.fault = DIE;
	for (disk.at = 1; end; disk.at++) {
		char *folder = fixture_folder(), *path = g_build_filename(folder, "samples", NULL);
		unsigned confirmed = run_child(path, &end);
		long at = disk.at;

		places += end == CHILD_DIED;
		disk.at = 0;
		publish_all(path, confirmed, -1);
		g_assert_cmpuint(assert_all(folder), <=, RESOURCES * METERS);
		disk.at = at;
		g_free(path);
		fixture_remove(folder);
	}
	g_test_message("%ld places", places);
	g_assert_cmpint(places, >, 15);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/fault/file/fail", test_fail);
	g_test_add_func("/fault/file/fail-twice", test_fail_twice);
	g_test_add_func("/fault/file/short", test_short);
	g_test_add_func("/fault/file/die", test_die);
	return g_test_run();
}

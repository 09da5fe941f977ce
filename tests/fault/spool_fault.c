/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The durable log on a disk that fails or is full, and in a process that dies, at the Nth write, for every
 * N of a short run (fault_vfs.h); and on a small disk that is really full.  Whatever N was:
 *
 *     produced = received, each sample once however often it came + counted drops
 *
 * for each publisher, the ledger adds up at any moment, and nothing is lost that had been committed.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "child.h"
#include "fault_vfs.h"
#include "model/batch.h"
#include "spool/spool.h"

enum { FRAMES = 6, ROWS = 5, PUBLISHERS = 2 };

static const struct spool_publisher publishers[PUBLISHERS] = {
	{ .name = "sink/a/0", .url = "a://" },
	{ .name = "sink/b/0", .url = "b://" },
};

static struct frame_pool *pool;
static struct resource *resource;

/* What each publisher got, by frame. */
struct seen {
	bool frame[PUBLISHERS][4096];
};

static struct frame *make_frame(unsigned number, unsigned rows)
{
	struct batch_spec spec = {
		.name = "cpu", .unit = "ns", .kind = VMT_UINT64, .publishers = 3
	};
	struct frame_builder builder;
	struct frame *frame;

	frame_builder_init(&builder, pool);
	frame_begin(&builder, VMT_PROFILE_26, 1, 2);
	batch_begin(&builder, &spec, rows);
	for (unsigned r = 0; r < rows; r++) {
		batch_add(&builder, resource, (union vmt_num){ .u = number }, 1, 2);
	}
	batch_end(&builder);
	frame = frame_finish(&builder);
	frame_builder_fini(&builder);
	return frame;
}

/* The queue's folder may fail to open while the disk fails: whoever starts the agent tries again. */
static struct spool *open_log(const char *dir, uint64_t bytes)
{
	const struct spool_limits limits = {
		.frames = 100000, .bytes = bytes, .memory_bytes = 1 << 20, .dead_bytes = 1 << 20
	};
	struct vmt_error error = { "" };
	struct spool *spool = NULL;

	for (unsigned i = 0; i < 5; i++) {
		if (spool_open(dir, &limits, pool, &spool, &error) == 0) {
			break;
		}
		g_assert_cmpstr(error.text, !=, "");
		g_test_message("%s", error.text);
	}
	g_assert_nonnull(spool);
	for (int c = 0; c < PUBLISHERS; c++) {
		g_assert_cmpint(spool_cursor_add(spool, &publishers[c]), ==, c);
	}
	return spool;
}

static struct spool_ledger ledger(struct spool *spool, unsigned cursor, uint64_t *ret_dropped)
{
	struct spool_ledger l;

	spool_ledger(spool, cursor, &l);
	*ret_dropped = 0;
	for (unsigned r = 0; r < SPOOL_REASONS; r++) {
		*ret_dropped += l.dropped[r];
	}
	g_assert_cmpuint(l.produced, ==, l.confirmed + l.queued + *ret_dropped);
	return l;
}

/* Takes what is queued, up to `most` frames; tells `tell` (-1: nobody) of each before it is confirmed. */
static void receive(struct spool *spool, unsigned cursor, unsigned most, struct seen *seen,
		    int tell)
{
	const struct frame *f;

	while (most-- > 0 && (f = spool_next(spool, cursor, 0))) {
		unsigned char word[2] = { (unsigned char)cursor, (unsigned char)f->value[0].u };

		if (tell >= 0) {
			g_assert_cmpint(write(tell, word, 2), ==, 2);
		} else {
			seen->frame[cursor][f->value[0].u] = true;
		}
		spool_confirm(spool, cursor);
	}
}

static void close_log(struct spool *spool)
{
	for (unsigned c = 0; c < PUBLISHERS; c++) {
		spool_cursor_finish(spool, c);
		spool_cursor_settle(spool, c, SPOOL_SHUTDOWN);
		spool_cursor_remove(spool, c);
	}
	spool_free(spool);
}

/* Two publishers, of which one does not keep up; a restart in between. */
static void run(const char *dir, struct seen *seen, int tell)
{
	struct spool *spool = open_log(dir, 1 << 30);

	for (unsigned i = 0; i < FRAMES; i++) {
		unsigned char word[2] = { 0xff, (unsigned char)i };

		spool_append(spool, make_frame(i, ROWS));
		if (tell >= 0) {
			g_assert_cmpint(write(tell, word, 2), ==, 2);
		}
		receive(spool, 0, 10, seen, tell);
		if (i % 2) {
			receive(spool, 1, 1, seen, tell);
		}
		if (i == FRAMES / 2) {
			close_log(spool);
			spool = open_log(dir, 1 << 30);
		}
	}
	close_log(spool);
}

/* After it all, on a disk that is well: what is left is received, and everything adds up.  `deaf`: the disk
 * failed until the log was closed, which then could not write down what was delivered from memory. */
static void assert_whole(const char *dir, struct seen *seen, unsigned frames, unsigned rows,
			 bool deaf)
{
	struct spool *spool = open_log(dir, 1 << 30);

	for (unsigned c = 0; c < PUBLISHERS; c++) {
		uint64_t received = 0, dropped;
		struct spool_ledger l;

		receive(spool, c, UINT_MAX, seen, -1);
		for (unsigned i = 0; i < frames; i++) {
			received += seen->frame[c][i] ? rows : 0;
		}
		l = ledger(spool, c, &dropped);
		g_assert_cmpuint(l.queued, ==, 0);
		g_assert_cmpuint(l.produced, <=, received + dropped);
		g_assert_true(deaf || l.produced == received + dropped);
	}
	close_log(spool);
}

static char *fresh_folder(void)
{
	return g_dir_make_tmp("virtmeter-fault-XXXXXX", NULL);
}

static void empty_folder(const char *dir)
{
	GDir *d = g_dir_open(dir, 0, NULL);
	const char *name;

	while ((name = g_dir_read_name(d))) {
		char *path = g_build_filename(dir, name, NULL);

		g_unlink(path);
		g_free(path);
	}
	g_dir_close(d);
}

static void remove_folder(char *dir)
{
	empty_folder(dir);
	g_rmdir(dir);
	g_free(dir);
}

/* ---- a disk that fails */

/* `length`: so many operations fail in a row. */
static void fail_everywhere(enum fault_kind fault, long length)
{
	char *dir = fresh_folder();
	long places = 0;

	fault_disk.fault = fault;
	for (long at = 1;; at++) {
		struct seen seen = { 0 };
		bool struck;

		empty_folder(dir);
		fault_disk.at = at;
		fault_disk.last = at + length - 1;
		fault_disk.count = 0;
		run(dir, &seen, -1);
		struck = fault_disk.count >= at;
		fault_disk.at = 0;
		assert_whole(dir, &seen, FRAMES, ROWS, length > 1);
		for (unsigned c = 0; c < PUBLISHERS && length == 1; c++) {
			for (unsigned i = 0; i < FRAMES; i++) {
				g_assert_true(seen.frame[c][i]); /* one failure costs nothing */
			}
		}
		if (!struck) {
			break;
		}
		places++;
	}
	g_test_message("%ld places", places);
	g_assert_cmpint(places, >, 40);
	remove_folder(dir);
}

static void test_fail(void)
{
	fail_everywhere(FAULT_FAIL, 1);
}

static void test_fail_long(void)
{
	fail_everywhere(FAULT_FAIL, 7);
}

static void test_full(void)
{
	fail_everywhere(FAULT_FULL, 1);
}

/* ---- a process that dies */

/* What the child said before it ended; its end: 0 when there was no such place. */
static int run_child(const char *dir, struct seen *seen, bool *appended)
{
	unsigned char word[2];
	int fd;
	pid_t child = child_start(&fd);

	if (child == 0) {
		fault_disk.count = 0;
		run(dir, NULL, fd);
		_exit(fault_disk.count < fault_disk.at ? CHILD_DONE : CHILD_PASSED);
	}
	while (read(fd, word, 2) == 2) {
		if (word[0] == 0xff) {
			appended[word[1]] = true;
		} else {
			seen->frame[word[0]][word[1]] = true;
		}
	}
	return child_end(child, fd);
}

static void die_everywhere(enum fault_kind fault)
{
	char *dir = fresh_folder();
	int end = CHILD_DIED;
	long places = 0;

	fault_disk.fault = fault;
	fault_disk.last = 0;
	for (long at = 1; end; at++) {
		bool appended[FRAMES] = { false };
		struct seen seen = { 0 };

		empty_folder(dir);
		fault_disk.at = at;
		end = run_child(dir, &seen, appended);
		places += end == CHILD_DIED;
		fault_disk.at = 0;
		assert_whole(dir, &seen, FRAMES, ROWS, false);
		for (unsigned i = 0; i < FRAMES; i++) {
			g_assert_true(!appended[i] || (seen.frame[0][i] && seen.frame[1][i]));
		}
	}
	g_test_message("%ld places", places);
	g_assert_cmpint(places, >, 40);
	remove_folder(dir);
}

static void test_die(void)
{
	die_everywhere(FAULT_DIE);
}

static void test_die_torn(void)
{
	die_everywhere(FAULT_DIE_TORN);
}

/* ---- a disk that is full */

static void fill(const char *path)
{
	char block[4096] = "";
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	size_t size = sizeof(block);

	g_assert_cmpint(fd, >=, 0);
	while (size > 0) {
		if (write(fd, block, size) <= 0) {
			size /= 2;
		}
	}
	close(fd);
}

/* 16 MiB of disk, filled by somebody else while a publisher is away: the newest samples are kept, the
 * oldest dropped and counted; later there is room again. */
static void on_small_disk(const char *mount)
{
	enum { BIG = 20000, MANY = 60 };
	char *filler = g_build_filename(mount, "filler", NULL), *dir;
	struct seen seen = { 0 };
	struct spool_ledger l;
	struct spool *spool;
	uint64_t dropped;

	dir = g_build_filename(mount, "queue", NULL);
	spool = open_log(dir, 1 << 30);
	for (unsigned i = 0; i < 10; i++) {
		spool_append(spool, make_frame(i, BIG));
	}
	l = ledger(spool, 1, &dropped);
	g_assert_cmpuint(l.queued, ==, 10 * BIG);
	fill(filler);
	for (unsigned i = 10; i < MANY; i++) {
		spool_append(spool, make_frame(i, BIG));
		receive(spool, 0, 10, &seen, -1);
		fill(filler);
	}
	for (unsigned i = 0; i < MANY; i++) {
		g_assert_true(seen.frame[0][i] || i < 10); /* who keeps up loses nothing new */
	}
	l = ledger(spool, 1, &dropped);
	g_assert_cmpuint(l.produced, ==, (uint64_t)MANY * BIG);
	g_assert_cmpuint(l.dropped[SPOOL_OVERFLOW], ==, dropped);
	g_assert_cmpuint(dropped, >, 0);
	g_assert_cmpuint(l.queued, >=, 3 * BIG);
	close_log(spool);
	spool = open_log(dir, 1 << 30); /* while it is still full */
	l = ledger(spool, 1, &dropped);
	g_unlink(filler);
	spool_append(spool, make_frame(MANY, BIG));
	close_log(spool);
	assert_whole(dir, &seen, MANY + 1, BIG, false);
	g_assert_true(seen.frame[1][MANY] && seen.frame[1][MANY - 1]);
	g_free(filler);
	g_free(dir);
}

static void test_small_disk(void)
{
	char *mount_point = fresh_folder();
	int status;
	pid_t child = fork();

	if (child == 0) { /* in a mount namespace of its own, that ends with it */
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("tmpfs", mount_point, "tmpfs", 0, "size=16m") < 0) {
			_exit(77);
		}
		on_small_disk(mount_point);
		_exit(0);
	}
	g_assert_cmpint(waitpid(child, &status, 0), ==, child);
	g_assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		g_test_skip("no right to mount a small disk");
	} else {
		g_assert_cmpint(WEXITSTATUS(status), ==, 0);
	}
	remove_folder(mount_point);
}

int main(int argc, char **argv)
{
	struct resource_head *head;
	int ret;

	g_test_init(&argc, &argv, NULL);
	clock_simulate(INT64_C(1784641000) * NS_PER_S, 1000 * NS_PER_S);
	pool = frame_pool_new(4);
	head = resource_head_new(&(struct resource_owner){ .source = "openstack" }, "{", 1);
	resource = resource_new(head, "r", "}", 1);
	resource_head_unref(head);
	g_test_add_func("/fault/spool/small-disk", test_small_disk);
	fault_vfs_put();
	g_test_add_func("/fault/spool/fail", test_fail);
	g_test_add_func("/fault/spool/fail-long", test_fail_long);
	g_test_add_func("/fault/spool/full", test_full);
	g_test_add_func("/fault/spool/die", test_die);
	g_test_add_func("/fault/spool/die-torn", test_die_torn);
	ret = g_test_run();
	resource_unref(resource);
	frame_pool_free(pool);
	return ret;
}

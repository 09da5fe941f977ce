/* SPDX-License-Identifier: Apache-2.0 */
/* The file of counters: new, again, after a kill, damaged, of another version, full. */
#include "spool/ledger_file.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILE_BYTES = 512 * (1 + LEDGER_SLOTS), VERSION_AT = 8, FIRST_SLOT = 512, NAME_AT = 16 };

static char *dir, *path;

static struct ledger_file *reopen(struct ledger_file *before)
{
	struct vmt_error error = { .text = "" };
	struct ledger_file *f;

	ledger_file_close(before);
	g_assert_cmpint(ledger_file_open(dir, &f, &error), ==, 0);
	return f;
}

/* The first counter of a slot, and whether an earlier process left it. */
static atomic_uint_fast64_t *slot(struct ledger_file *f, const char *name, bool left)
{
	bool got = !left;
	atomic_uint_fast64_t *c = ledger_file_slot(f, name, &got);

	g_assert_nonnull(c);
	g_assert_cmpint(got, ==, left);
	return c;
}

static struct ledger_file *fresh(void)
{
	g_unlink(path);
	return reopen(NULL);
}

static void test_again(void)
{
	struct ledger_file *f = fresh();
	atomic_uint_fast64_t *a = slot(f, "a", false), *b = slot(f, "b", false);
	GStatBuf st;

	for (unsigned i = 0; i < LEDGER_COUNTERS; i++) {
		g_assert_cmpuint(atomic_load(&a[i]), ==, 0);
		atomic_fetch_add(&a[i], i + 1);
	}
	atomic_store(&b[0], UINT64_MAX);
	g_assert_true(slot(f, "a", false) == a); /* this process knows it already */
	g_assert_cmpint(g_stat(path, &st), ==, 0);
	g_assert_cmpint(st.st_size, ==, FILE_BYTES);
	g_assert_cmpint(st.st_blocks, >=, FILE_BYTES / 512); /* a full disk takes nothing */
	g_assert_cmpint(st.st_mode & 0777, ==, 0600);

	f = reopen(f);
	b = slot(f, "b", true);
	a = slot(f, "a", true);
	for (unsigned i = 0; i < LEDGER_COUNTERS; i++) {
		g_assert_cmpuint(atomic_load(&a[i]), ==, i + 1);
	}
	g_assert_cmpuint(atomic_load(&b[0]), ==, UINT64_MAX);
	slot(f, "a", false);
	slot(f, "c", false);
	ledger_file_close(f);
}

static void test_names(void)
{
	char *long_name = g_strnfill(1000, 'x'), *other = g_strdup(long_name);
	struct ledger_file *f = fresh();
	atomic_uint_fast64_t *one, *two;

	other[999] = 'y';
	one = slot(f, long_name, false);
	two = slot(f, other, false);
	g_assert_true(one != two && slot(f, "", false) != one);
	atomic_store(one, 7);
	f = reopen(f);
	g_assert_cmpuint(atomic_load(slot(f, long_name, true)), ==, 7);
	g_assert_cmpuint(atomic_load(slot(f, other, true)), ==, 0);
	ledger_file_close(f);
	g_free(long_name);
	g_free(other);
}

/* Whatever the process was at when it was killed, all that it counted is there. */
static void test_killed(void)
{
	struct ledger_file *f = fresh();
	int status;
	pid_t pid;

	ledger_file_close(f);
	pid = fork();
	if (pid == 0) {
		atomic_uint_fast64_t *c;

		f = reopen(NULL);
		c = slot(f, "killed", false);
		for (unsigned i = 0; i < 100000; i++) {
			atomic_fetch_add(&c[i % LEDGER_COUNTERS], 1);
		}
		kill(getpid(), SIGKILL);
	}
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	f = reopen(NULL);
	g_assert_cmpuint(atomic_load(slot(f, "killed", true)), ==, 100000 / LEDGER_COUNTERS);
	ledger_file_close(f);
}

/* ------------------------------------------------------------------ what is not as it should be */

/* With two slots that were counted in, then with `len` bytes of `bytes` at `at`, or only so long with `bytes` NULL. */
static struct ledger_file *spoilt(size_t at, const void *bytes, size_t len)
{
	struct ledger_file *f = fresh();
	char *text;
	gsize size;

	atomic_store(slot(f, "a", false), 1);
	atomic_store(slot(f, "b", false), 2);
	ledger_file_close(f);
	g_assert_true(g_file_get_contents(path, &text, &size, NULL));
	g_assert_cmpuint(at + len, <=, size);
	if (bytes) {
		memcpy(text + at, bytes, len);
	} else {
		size = at;
	}
	g_assert_true(g_file_set_contents(path, text, (gssize)size, NULL));
	g_free(text);
	return reopen(NULL);
}

static void expect_begun_anew(struct ledger_file *f)
{
	g_assert_cmpuint(atomic_load(slot(f, "a", false)), ==, 0);
	g_assert_cmpuint(atomic_load(slot(f, "b", false)), ==, 0);
	atomic_store(slot(f, "a", false), 5);
	f = reopen(f);
	g_assert_cmpuint(atomic_load(slot(f, "a", true)), ==, 5);
	ledger_file_close(f);
}

static void test_version(void)
{
	expect_begun_anew(spoilt(VERSION_AT, &(uint32_t){ LEDGER_VERSION + 1 }, 4));
	expect_begun_anew(spoilt(0, "SQLite format 3", 16));
}

static void test_cut(void)
{
	expect_begun_anew(spoilt(1, NULL, 0));
	expect_begun_anew(spoilt(FIRST_SLOT, NULL, 0));
	expect_begun_anew(spoilt(FILE_BYTES - 1, NULL, 0));
}

/* One slot's trouble is its own. */
static void test_slot(void)
{
	char full[240];
	const struct {
		const void *bytes;
		size_t at, len;
	} spots[] = { { "\xff", NAME_AT, 1 },
		      { "x", NAME_AT + 1, 1 },
		      { "\xff", 0, 1 },
		      { full, NAME_AT, sizeof(full) } };

	memset(full, 'a', sizeof(full));
	for (size_t i = 0; i < G_N_ELEMENTS(spots); i++) {
		struct ledger_file *f =
			spoilt(FIRST_SLOT + spots[i].at, spots[i].bytes, spots[i].len);

		g_assert_cmpuint(atomic_load(slot(f, "b", true)), ==, 2);
		g_assert_cmpuint(atomic_load(slot(f, "a", false)), ==, 0);
		ledger_file_close(f);
	}
}

/* Names that come and go: those of this process and the one before it keep their slots, others make room. */
static void test_full(void)
{
	struct ledger_file *f = fresh();
	char name[16];
	bool left;

	for (unsigned i = 0; i < LEDGER_SLOTS; i++) {
		g_snprintf(name, sizeof(name), "n%u", i);
		atomic_store(slot(f, name, false), 1);
	}
	g_assert_null(ledger_file_slot(f, "more", &left));
	f = reopen(f);
	g_assert_null(ledger_file_slot(f, "more", &left));
	for (unsigned i = 1; i < LEDGER_SLOTS; i++) {
		g_snprintf(name, sizeof(name), "n%u", i);
		slot(f, name, true);
	}
	f = reopen(f); /* nobody asked for n0 in the process before */
	g_assert_cmpuint(atomic_load(slot(f, "more", false)), ==, 0);
	g_assert_null(ledger_file_slot(f, "n0", &left));
	g_assert_cmpuint(atomic_load(slot(f, "n1", true)), ==, 1);
	ledger_file_close(f);
}

static void test_refused(void)
{
	struct vmt_error error = { .text = "" };
	struct ledger_file *f;

	g_unlink(path);
	g_assert_cmpint(symlink("/dev/null", path), ==, 0);
	g_assert_cmpint(ledger_file_open(dir, &f, &error), ==, -ELOOP);
	g_assert_true(strstr(error.text, dir) != NULL);
	g_unlink(path);
	g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
	g_assert_cmpint(ledger_file_open(dir, &f, NULL), ==, -EISDIR);
	g_assert_cmpint(g_rmdir(path), ==, 0);
}

int main(int argc, char **argv)
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	dir = g_dir_make_tmp("ledger-test-XXXXXX", NULL);
	path = g_build_filename(dir, "ledgers", NULL);
	g_test_add_func("/ledger/again", test_again);
	g_test_add_func("/ledger/names", test_names);
	g_test_add_func("/ledger/killed", test_killed);
	g_test_add_func("/ledger/version", test_version);
	g_test_add_func("/ledger/cut", test_cut);
	g_test_add_func("/ledger/slot", test_slot);
	g_test_add_func("/ledger/full", test_full);
	g_test_add_func("/ledger/refused", test_refused);
	ret = g_test_run();
	g_unlink(path);
	g_rmdir(dir);
	g_free(path);
	g_free(dir);
	return ret;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sqlite store where it cannot do what it is asked, or somebody else is at work on its file.
 */
#include "place.h"

static void assert_fails(struct place *p, const struct fixture *f, int expected, const char *reason)
{
	void *self = open_store(p, false);
	int code = publish(p, self, f);

	g_test_message("%s", p->error.text);
	g_assert_cmpint(code, ==, expected);
	g_assert_nonnull(strstr(p->error.text, reason));
	g_assert_true(g_str_has_prefix(p->error.text, p->text));
	g_assert_null(strchr(p->error.text, '\n'));
	OPS->close(self);
}

static void test_reasons(void)
{
	struct place p;
	struct fixture f;
	char *folder, *right;

	place_init(&p);
	fixture_init(&f, 1, 1);
	fixture_cycle(&f, 0, FIXTURE_TIME);
	right = p.path;
	p.path = g_build_filename(p.folder, "none", "samples.db", NULL);
	folder = g_path_get_dirname(p.path);
	assert_fails(&p, &f, -ENOENT, folder);
	g_assert_cmpint(access(folder, F_OK), ==, -1);
	g_file_set_contents(folder, "x", 1, NULL);
	assert_fails(&p, &f, -ENOTDIR, "name another path");
	g_free(p.path);
	p.path = g_strdup(p.folder);
	assert_fails(&p, &f, -EISDIR, "is a folder");
	g_free(p.path);
	p.path = right;
	g_file_set_contents(p.path,
			    "this is no database, but a text that is long enough to be one.....\n"
			    "this is no database, but a text that is long enough to be one.....\n",
			    -1, NULL);
	assert_fails(&p, &f, -EINVAL, "not an SQLite database");
	unlink(p.path);
	execute(p.path, "CREATE TABLE bookmarks (url)");
	assert_fails(&p, &f, -EINVAL, "another program");
	g_assert_cmpint(ask(&p, "SELECT count(*) FROM sqlite_master"), ==, 1);
	unlink(p.path);
	execute(p.path, "PRAGMA application_id = 0x766d7472; PRAGMA user_version = 99");
	assert_fails(&p, &f, -ENOTSUP, "newer virtmeter (schema 99");
	g_assert_cmpint(ask(&p, "PRAGMA user_version"), ==, 99);
	g_free(folder);
	fixture_fini(&f);
	place_fini(&p);
}

static void assert_url(struct place *p, struct vmt_url url, const char *reason)
{
	void *self = NULL;

	url.text = "sqlite:test";
	url.scheme = "sqlite";
	g_assert_cmpint(OPS->open(&p->conf, &url, false, &self, &p->error), ==, -EINVAL);
	g_assert_null(self);
	g_assert_nonnull(strstr(p->error.text, reason));
}

static void test_urls(void)
{
	const struct vmt_pair query[] = { { .key = "speed", .value = "11" }, { 0 } };
	struct place p;

	place_init(&p);
	assert_url(&p, (struct vmt_url){ .host = "var", .path = "/lib/x.db" }, "three slashes");
	assert_url(&p, (struct vmt_url){ .host = "", .path = "" }, "no file named");
	assert_url(&p, (struct vmt_url){ .host = "", .path = "/" }, "no file named");
	assert_url(&p, (struct vmt_url){ .host = "", .path = "/a", .query = query },
		   "parameter speed");
	place_fini(&p);
}

/* Reading makes no file, neither where there is none nor beside one that nobody has open. */
static void test_read_only(void)
{
	const struct vmt_query all = { 0 };
	struct vmt_call call = fixture_call(10);
	struct place p;
	struct fixture f;
	void *self = NULL;
	char *log;

	place_init(&p);
	fixture_init(&f, 2, 2);
	fixture_cycle(&f, 0, FIXTURE_TIME);
	g_assert_cmpint(try_open(&p, true, &self), ==, -ENOENT);
	g_assert_null(self);
	g_assert_nonnull(strstr(p.error.text, "--store"));
	g_assert_cmpint(access(p.path, F_OK), ==, -1);
	self = open_store(&p, false);
	must_publish(&p, self, &f);
	OPS->close(self);
	log = g_strconcat(p.path, "-wal", NULL);
	g_assert_cmpint(access(log, F_OK), ==, -1);
	self = open_store(&p, true);
	g_assert_cmpuint(count(&p, self, &all), ==, 4);
	g_assert_cmpint(OPS->publish(self, &f.frame, 1, &call, &p.error), ==, -EROFS);
	OPS->close(self);
	g_assert_cmpint(access(log, F_OK), ==, -1);
	g_free(log);
	fixture_fini(&f);
	place_fini(&p);
}

/* A reader beside a writer sees what is committed, also what comes later. */
static void test_reader_beside_writer(void)
{
	const struct vmt_query all = { 0 };
	struct place p;
	struct fixture f;
	void *writer, *reader;

	place_init(&p);
	fixture_init(&f, 2, 2);
	writer = open_store(&p, false);
	fixture_cycle(&f, 0, FIXTURE_TIME);
	must_publish(&p, writer, &f);
	reader = open_store(&p, true);
	g_assert_cmpuint(count(&p, reader, &all), ==, 4);
	fixture_cycle(&f, 1, FIXTURE_TIME + NS_PER_S);
	must_publish(&p, writer, &f);
	g_assert_cmpuint(count(&p, reader, &all), ==, 8);
	OPS->close(reader);
	OPS->close(writer);
	/* A reader that came first, when nobody had it open. */
	reader = open_store(&p, true);
	g_assert_cmpuint(count(&p, reader, &all), ==, 8);
	writer = open_store(&p, false);
	fixture_cycle(&f, 2, FIXTURE_TIME + 2 * NS_PER_S);
	must_publish(&p, writer, &f);
	g_assert_cmpuint(count(&p, reader, &all), ==, 12);
	OPS->close(reader);
	OPS->close(writer);
	fixture_fini(&f);
	place_fini(&p);
}

static void test_locked(void)
{
	struct vmt_call call;
	struct place p;
	struct fixture f;
	sqlite3 *db;
	void *self;
	int64_t start;

	place_init(&p);
	fixture_init(&f, 1, 1);
	fixture_cycle(&f, 0, FIXTURE_TIME);
	self = open_store(&p, false);
	must_publish(&p, self, &f);
	sqlite3_open(p.path, &db);
	g_assert_cmpint(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), ==, SQLITE_OK);
	start = clock_monotonic();
	call = fixture_call(0);
	call.deadline_ns = start + 200 * NS_PER_MS;
	g_assert_cmpint(OPS->publish(self, &f.frame, 1, &call, &p.error), ==, -EAGAIN);
	g_assert_nonnull(strstr(p.error.text, "locked by another process"));
	g_assert_cmpint(clock_monotonic() - start, >=, 100 * NS_PER_MS);
	g_assert_cmpint(clock_monotonic() - start, <, 5 * NS_PER_S);
	sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	sqlite3_close(db);
	fixture_cycle(&f, 1, FIXTURE_TIME + NS_PER_S);
	must_publish(&p, self, &f);
	g_assert_cmpuint(counts(self)->stored, ==, 2);
	OPS->close(self);
	fixture_fini(&f);
	place_fini(&p);
}

/* A deadline in the middle leaves nothing of the frame; the next try stores all of it. */
static void test_deadline(void)
{
	const struct vmt_query all = { 0 };
	static atomic_bool cancel;
	struct vmt_call call;
	struct place p;
	struct fixture f;
	void *self;
	int code;

	place_init(&p);
	fixture_init(&f, 500, 40);
	fixture_cycle(&f, 0, FIXTURE_TIME);
	self = open_store(&p, false);
	call = fixture_call(-1);
	g_assert_cmpint(OPS->publish(self, &f.frame, 1, &call, &p.error), ==, -ETIMEDOUT);
	call.deadline_ns = clock_monotonic() + 4 * NS_PER_MS;
	code = OPS->publish(self, &f.frame, 1, &call, &p.error);
	g_assert_cmpint(code, ==, -ETIMEDOUT);
	call = fixture_call(10);
	call.cancel = &cancel;
	atomic_store(&cancel, true);
	g_assert_cmpint(OPS->publish(self, &f.frame, 1, &call, &p.error), ==, -ECANCELED);
	g_assert_cmpuint(counts(self)->stored, ==, 0);
	must_publish(&p, self, &f);
	g_assert_cmpuint(counts(self)->stored, ==, 20000);
	g_assert_cmpuint(counts(self)->repeats, ==, 0);
	g_assert_cmpuint(count(&p, self, &all), ==, 20000);
	OPS->close(self);
	fixture_fini(&f);
	place_fini(&p);
}

/* The file was moved away: the next frame begins a new one, with all that it needs. */
static void test_moved(void)
{
	const struct vmt_query all = { 0 };
	struct place p;
	struct fixture f;
	char *other;
	void *self;

	place_init(&p);
	fixture_init(&f, 2, 2);
	self = open_store(&p, false);
	fixture_cycle(&f, 0, FIXTURE_TIME);
	must_publish(&p, self, &f);
	other = g_strconcat(p.path, ".old", NULL);
	g_assert_cmpint(rename(p.path, other), ==, 0);
	fixture_cycle(&f, 1, FIXTURE_TIME + NS_PER_S);
	must_publish(&p, self, &f);
	g_assert_cmpuint(count(&p, self, &all), ==, 4);
	OPS->close(self);
	g_free(p.path);
	p.path = other;
	g_assert_cmpint(ask(&p, "SELECT count(*) FROM point"), ==, 4);
	fixture_fini(&f);
	place_fini(&p);
}

static void test_mode(void)
{
	struct place p;
	struct fixture f;
	struct stat st;
	mode_t old = umask(0);
	void *self;

	place_init(&p);
	fixture_init(&f, 1, 1);
	fixture_cycle(&f, 0, FIXTURE_TIME);
	self = open_store(&p, false);
	must_publish(&p, self, &f);
	g_assert_cmpint(stat(p.path, &st), ==, 0);
	g_assert_cmpint(st.st_mode & 07777, ==, 0640);
	OPS->close(self);
	umask(old);
	OPS->close(NULL);
	fixture_fini(&f);
	place_fini(&p);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/sqlite/reasons", test_reasons);
	g_test_add_func("/sqlite/urls", test_urls);
	g_test_add_func("/sqlite/read-only", test_read_only);
	g_test_add_func("/sqlite/reader-beside-writer", test_reader_beside_writer);
	g_test_add_func("/sqlite/locked", test_locked);
	g_test_add_func("/sqlite/deadline", test_deadline);
	g_test_add_func("/sqlite/moved", test_moved);
	g_test_add_func("/sqlite/mode", test_mode);
	return g_test_run();
}

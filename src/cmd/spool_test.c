/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `virtmeter spool` on a log that two publishers left behind: what waits, what was refused, wrong words, damage,
 * a log in use.
 */
#include <sqlite3.h>

#include "base/clock.h"
#include "builtin.h"
#include "cmd/cmd_fixture.h"
#include "model/batch.h"
#include "spool/spool.h"

#define FROM_NS (INT64_C(1784641000) * NS_PER_S) /* 2026-07-21T13:36:40 */

const struct vmt_plugin *const builtin_plugins[] = { NULL };

const char *builtin_plugin_folder(void)
{
	return "";
}

static const struct spool_publisher first = { .name = "out/rpc/0", .url = "rpc://one" },
				    second = { .name = "out/udp/0", .url = "udp://two" };
static struct frame_pool *pool;
static struct spool *spool;

/* `rows` samples of cpu with values from `from` on. */
static struct frame *make_frame(uint64_t bits, unsigned rows, unsigned from)
{
	struct batch_spec spec = {
		.name = "cpu", .unit = "ns", .kind = VMT_UINT64, .publishers = bits
	};
	struct resource_head *head =
		resource_head_new(&(struct resource_owner){ .source = "openstack" }, "{", 1);
	struct resource *resource = resource_new(head, "r", "}", 1);
	struct frame_builder builder;
	struct frame *frame;

	frame_builder_init(&builder, pool);
	frame_begin(&builder, VMT_PROFILE_26, FROM_NS, 2);
	batch_begin(&builder, &spec, rows);
	for (unsigned r = 0; r < rows; r++) {
		batch_add(&builder, resource, (union vmt_num){ .u = from + r }, FROM_NS, 2);
	}
	batch_end(&builder);
	frame = frame_finish(&builder);
	frame_builder_fini(&builder);
	resource_unref(resource);
	resource_head_unref(head);
	return frame;
}

static void log_open(void)
{
	const struct spool_limits limits = {
		.frames = 100, .bytes = 1 << 30, .memory_bytes = 1 << 20, .dead_bytes = 1 << 20
	};
	struct vmt_error error = { "" };
	char *dir = path_of("queue");

	g_assert_cmpint(spool_open(dir, &limits, pool, &spool, &error), ==, 0);
	g_free(dir);
}

/* Three frames of 2 samples for both: the first has confirmed one, and was refused one; the second none. */
static void begin(void)
{
	const struct vmt_rows row = { 0, 1, 1 };

	folder = g_dir_make_tmp("spool-test-XXXXXX", NULL);
	pool = frame_pool_new(2);
	log_open();
	g_assert_cmpint(spool_cursor_add(spool, &first), ==, 0);
	g_assert_cmpint(spool_cursor_add(spool, &second), ==, 1);
	for (unsigned i = 0; i < 3; i++) {
		spool_append(spool, make_frame(3, 2, 10 * i));
	}
	g_assert_nonnull(spool_next(spool, 0, 0));
	spool_dead_letter(spool, 0, &row, 1, "too large", "{\"a\": 1}", 8);
	spool_settle_frame(spool, 0, &(struct spool_result){ .confirmed = 1, .refused = 1 });
	for (unsigned c = 0; c < 2; c++) {
		spool_cursor_finish(spool, c);
		spool_cursor_settle(spool, c, SPOOL_SHUTDOWN);
		spool_cursor_remove(spool, c);
	}
	spool_free(spool);
}

static void end(void)
{
	const char *const names[] = { "queue/lock",
				      "queue/reserve",
				      "queue/spool.db",
				      "queue/spool.db-journal",
				      "queue",
				      "out",
				      "err",
				      "" };

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		char *path = path_of(names[i]);

		g_remove(path);
		g_free(path);
	}
	g_assert_false(g_file_test(folder, G_FILE_TEST_EXISTS));
	g_free(folder);
	frame_pool_free(pool);
}

static void change(const char *sql)
{
	char *path = path_of("queue/spool.db");
	sqlite3 *db;

	g_assert_cmpint(sqlite3_open(path, &db), ==, SQLITE_OK);
	g_assert_cmpint(sqlite3_exec(db, sql, NULL, NULL, NULL), ==, SQLITE_OK);
	sqlite3_close(db);
	g_free(path);
}

/* How often `part` is in what the command prints, which succeeds. */
static unsigned printed(const char *words, const char *part)
{
	struct said said;
	unsigned n = 0;

	run(cmd_spool, words, &said);
	g_test_message("%s%s", said.out, said.err);
	g_assert_cmpint(said.status, ==, 0);
	g_assert_cmpstr(said.err, ==, "");
	for (const char *at = said.out; (at = strstr(at, part)) != NULL; at++) {
		n++;
	}
	g_free(said.out);
	g_free(said.err);
	return n;
}

#define SECOND "{\"publisher\":\"udp://two\",\"name\":\"out/udp/0\",\"produced\":6,\"confirmed\":0,"

static void test_ls(void)
{
	begin();
	g_assert_cmpuint(
		printed("spool ls -f json queue",
			"{\"publisher\":\"rpc://one\",\"name\":\"out/rpc/0\",\"produced\":6,"
			"\"confirmed\":1,\"queued\":4,\"dropped\":{\"refused\":1},\"frames\":2,"),
		==, 1);
	g_assert_cmpuint(printed("spool ls -f json queue", SECOND), ==, 1);
	g_assert_cmpuint(printed("spool ls -f json -p udp://two queue", "\"publisher\""), ==, 1);
	g_assert_cmpuint(printed("spool ls -f json -p udp://two queue", SECOND), ==, 1);
	g_assert_cmpuint(printed("spool ls queue", "PUBLISHER"), ==, 1);
	g_assert_cmpuint(printed("spool ls -f json --dead queue",
				 "{\"id\":1,\"time\":\"2026-07-21T13:36:40"),
			 ==, 1);
	g_assert_cmpuint(printed("spool ls -f json --dead queue",
				 "\"publisher\":\"rpc://one\",\"samples\":1,\"bytes\":8,"
				 "\"reason\":\"too large\"}"),
			 ==, 1);
	g_assert_cmpuint(printed("spool ls -f json --dead -p udp://two queue", "id"), ==, 0);
	end();
}

static void test_export(void)
{
	begin();
	g_assert_cmpuint(printed("spool export queue", "\"name\": \"cpu\""), ==, 6);
	g_assert_cmpuint(printed("spool export -p rpc://one queue", "\"name\": \"cpu\""), ==, 4);
	g_assert_cmpuint(printed("spool export -p rpc://one queue", "\"volume\": 21"), ==, 1);
	g_assert_cmpuint(printed("spool export -p rpc://one queue", "\"volume\": 0"), ==, 0);
	g_assert_cmpuint(printed("spool export --dead queue", "\"volume\": 1,"), ==, 1);
	g_assert_cmpuint(printed("spool export --dead queue", "\"message\":\"{\\\"a\\\": 1}\"}\n"),
			 ==, 1);
	g_assert_cmpuint(printed("spool export --dead -p udp://two queue", "volume"), ==, 0);
	end();
}

static void test_drop(void)
{
	begin();
	expect(cmd_spool, "spool drop -p udp://two queue", 0, "6 samples dropped\n", "");
	g_assert_cmpuint(printed("spool ls -f json -p udp://two queue",
				 "\"queued\":0,\"dropped\":{\"removed\":6},\"frames\":0"),
			 ==, 1);
	g_assert_cmpuint(printed("spool export queue", "cpu"), ==, 4); /* the other's */
	expect(cmd_spool, "spool drop --dead queue", 0, "1 samples dropped\n", "");
	g_assert_cmpuint(printed("spool export --dead queue", "volume"), ==, 0);
	expect(cmd_spool, "spool drop queue", 0, "4 samples dropped\n", "");
	expect(cmd_spool, "spool verify queue", 0, "ok: 0 frames, 0 samples\n", "");
	end();
}

static void test_verify(void)
{
	struct said said;

	begin();
	expect(cmd_spool, "spool verify queue", 0, "ok: 3 frames, 6 samples\n", "");
	expect(cmd_spool, "spool verify --dead queue", 0, "ok: 1 dead letters, 1 samples\n", "");
	change("UPDATE body SET frame = x'00' WHERE sequence = 2;"
	       "UPDATE ledger SET samples = 7 WHERE cursor = 1 AND name = 'produced';"
	       "UPDATE dead SET frame = x'00'");
	run(cmd_spool, "spool verify queue", &said);
	g_assert_cmpint(said.status, ==, 1);
	g_assert_true(g_str_has_prefix(said.out, "frame 2: "));
	g_assert_nonnull(strstr(said.out, "\nudp://two: produced 7 is not confirmed 0 + queued 6 + "
					  "dropped 0\n"));
	g_free(said.out);
	g_free(said.err);
	run(cmd_spool, "spool verify --dead queue", &said);
	g_assert_cmpint(said.status, ==, 1);
	g_assert_true(g_str_has_prefix(said.out, "dead letter 1: "));
	g_free(said.out);
	g_free(said.err);
	run(cmd_spool, "spool export queue", &said); /* the rest, and what is left out */
	g_assert_cmpint(said.status, ==, 1);
	g_assert_true(g_str_has_prefix(said.err, "virtmeter spool: frame 2: "));
	g_assert_nonnull(strstr(said.out, "\"volume\": 21"));
	g_free(said.out);
	g_free(said.err);
	end();
}

/* What receivers rejected stands beside what publishers were refused. */
static void test_rejected(void)
{
	begin();
	log_open();
	g_assert_cmpint(spool_source_add(spool, "udp://0.0.0.0:4952"), ==, 64);
	g_assert_cmpint(spool_reject(spool, 64, 3, "shape, type", "\xff{", 2), ==, 0);
	spool_free(spool);
	g_assert_cmpuint(printed("spool ls -f json --dead queue",
				 "\"by\":\"publisher\",\"publisher\":\"rpc://one\",\"samples\":1,"),
			 ==, 1);
	g_assert_cmpuint(printed("spool ls -f json --dead queue",
				 "\"by\":\"receiver\",\"publisher\":\"udp://0.0.0.0:4952\","
				 "\"samples\":3,\"bytes\":2,\"reason\":\"shape, type\"}"),
			 ==, 1);
	g_assert_cmpuint(printed("spool ls -f json queue", "udp://0.0.0.0"), ==, 0);
	g_assert_cmpuint(printed("spool export --dead queue",
				 "\"by\":\"receiver\",\"publisher\":\"udp://0.0.0.0:4952\","
				 "\"reason\":\"shape, type\",\"samples\":[],"
				 "\"message_base64\":\"/3s=\"}"),
			 ==, 1);
	expect(cmd_spool, "spool verify --dead queue", 0, "ok: 2 dead letters, 4 samples\n", "");
	expect(cmd_spool, "spool drop --dead -p udp://0.0.0.0:4952 queue", 0, "3 samples dropped\n",
	       "");
	expect(cmd_spool, "spool verify --dead queue", 0, "ok: 1 dead letters, 1 samples\n", "");
	end();
}

static void wrong(const char *words, int status, const char *reason)
{
	struct said said;

	run(cmd_spool, words, &said);
	g_test_message("%s: %s", words, said.err);
	g_assert_cmpint(said.status, ==, status);
	g_assert_cmpstr(said.out, ==, "");
	g_assert_true(g_str_has_prefix(said.err, "virtmeter"));
	g_assert_nonnull(strstr(said.err, reason));
	g_assert_true(strchr(said.err, '\n') == said.err + strlen(said.err) - 1);
	g_free(said.out);
	g_free(said.err);
}

static void test_wrong_words(void)
{
	begin();
	wrong("spool", 2, "write: virtmeter spool ls|verify|export|drop DIR");
	wrong("spool ls", 2, "write: virtmeter spool");
	wrong("spool ls queue more", 2, "write: virtmeter spool");
	wrong("spool list queue", 2, "list: no such action; there are ls, verify, export, drop");
	wrong("spool ls --format xml queue", 2, "xml");
	wrong("spool ls --deda queue", 2, "--deda");
	wrong("spool ls -p rpc://oen queue", 1,
	      "rpc://oen: no publisher of that URL; `virtmeter "
	      "spool ls` shows them");
	wrong("spool drop -p rpc://oen queue", 1, "no publisher of that URL");
	wrong("spool ls nowhere", 1, "queue nowhere: there is no queue here");
	g_assert_cmpuint(printed("spool export queue", "cpu"), ==, 6); /* nothing is lost by it */
	log_open();
	wrong("spool drop queue", 1, "in use by process");
	spool_free(spool);
	change("PRAGMA user_version = 9");
	wrong("spool verify queue", 1, "written by a newer virtmeter (version 9");
	end();
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	clock_simulate(FROM_NS, 1000 * NS_PER_S);
	g_test_add_func("/cmd/spool/ls", test_ls);
	g_test_add_func("/cmd/spool/export", test_export);
	g_test_add_func("/cmd/spool/drop", test_drop);
	g_test_add_func("/cmd/spool/verify", test_verify);
	g_test_add_func("/cmd/spool/rejected", test_rejected);
	g_test_add_func("/cmd/spool/wrong-words", test_wrong_words);
	return g_test_run();
}

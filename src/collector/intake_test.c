/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From messages to what became of them, through a pipeline and a log in memory; the test is the publisher.
 */
#include "collector/intake.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/wait.h"
#include "model/frame.h"
#include "pipeline/pipeline.h"
#include "spool/disk.h"
#include "spool/spool.h"

#define SAMPLE(name_)                                                                              \
	"{\"source\": \"s\", \"counter_name\": \"" name_                                           \
	"\", \"counter_type\": \"gauge\", \"counter_unit\": \"B\", \"counter_volume\": 1, "        \
	"\"user_id\": null, \"project_id\": null, \"resource_id\": \"r\", "                        \
	"\"timestamp\": \"2020-01-01T00:00:00\", \"resource_metadata\": {}, "                      \
	"\"message_id\": \"0b3f1b9e-6609-11f1-8f0a-525400abcdef\"}"

static const struct spool_publisher publisher = { .name = "sink/test/0", .url = "test://" };

static const char *secret = ""; /* of the benches to come */

struct bench {
	struct frame_pool *pool;
	struct spool *spool;
	struct pipeline_runner *runner;
	struct pipeline_set *set;
	struct intake *intake;
	unsigned cursor;
};

static struct spool *new_spool(const char *dir, struct frame_pool *pool)
{
	const struct spool_limits limits = {
		.frames = 1000, .bytes = 64 << 20, .memory_bytes = 64 << 20, .dead_bytes = 64 << 20
	};
	struct spool *spool;

	if (!dir) {
		return spool_new_memory(&limits);
	}
	g_assert_cmpint(spool_open(dir, &limits, pool, &spool, NULL), ==, 0);
	return spool;
}

/* One that shares all of the bench with its own. */
static struct intake *new_intake(const struct bench *b)
{
	const struct intake_parts parts = { .read = { .secret = secret, .bytes_max = 1 << 20 },
					    .pool = b->pool,
					    .spool = b->spool,
					    .runner = b->runner,
					    .profile = VMT_PROFILE_26,
					    .name = "test://" };
	struct intake *in = intake_new(&parts);

	g_assert_nonnull(in);
	intake_set_pipelines(in, b->set);
	return in;
}

/* `dir`: of a durable log; NULL: one in memory. */
static void bench_init_at(struct bench *b, const char *dir)
{
	const char *pattern = "cpu", *reason;
	size_t at;
	struct pattern *match = pattern_new(&pattern, 1, 0, &reason, &at);
	struct pipeline *pipeline;

	b->pool = frame_pool_new(2);
	b->spool = new_spool(dir, b->pool);
	b->cursor = (unsigned)spool_cursor_add(b->spool, &publisher);
	b->runner = pipeline_runner_new(b->spool, b->pool);
	pipeline = pipeline_new("p", match, UINT64_C(1) << b->cursor, match,
				(void (*)(void *))pattern_free);
	b->set = pipeline_set_new(&pipeline, 1);
	b->intake = new_intake(b);
}

static void bench_init(struct bench *b)
{
	bench_init_at(b, NULL);
}

static void bench_fini(struct bench *b)
{
	intake_free(b->intake);
	pipeline_runner_free(b->runner);
	pipeline_set_unref(b->set);
	spool_cursor_finish(b->spool, b->cursor);
	spool_cursor_settle(b->spool, b->cursor, SPOOL_SHUTDOWN);
	spool_free(b->spool);
	frame_pool_free(b->pool);
}

static int hand_over(struct bench *b, const char *text, uint64_t tag)
{
	return vmt_intake_message(intake_public(b->intake), VMT_MESSAGE_JSON, text, strlen(text),
				  tag);
}

static void flush(struct bench *b)
{
	vmt_intake_flush(intake_public(b->intake));
	while (!pipeline_runner_idle(b->runner)) {
		wait_sleep(NS_PER_MS);
	}
}

static size_t settled(struct bench *b, struct vmt_settled *ret, size_t max)
{
	return vmt_intake_settled(intake_public(b->intake), ret, max);
}

static bool readable(struct bench *b)
{
	struct pollfd p = { .fd = vmt_intake_fd(intake_public(b->intake)), .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

static void next_frame(struct bench *b)
{
	g_assert_nonnull(spool_next(b->spool, b->cursor, clock_monotonic() + NS_PER_S));
}

static struct intake_ledger ledger(struct bench *b)
{
	struct intake_ledger l;
	uint64_t rejected = 0;

	intake_ledger(b->intake, &l);
	for (int i = 0; i < MESSAGE_REJECTS; i++) {
		rejected += l.rejected[i];
	}
	g_assert_cmpuint(l.received, ==,
			 l.accepted + l.duplicates + l.conflicts + l.returned + l.pending +
				 l.interrupted + rejected);
	return l;
}

/* Two messages become one frame; they are settled when the publisher has it, not before. */
static void test_stored(void)
{
	struct vmt_settled s[4];
	struct bench b;

	bench_init(&b);
	g_assert_cmpint(hand_over(&b, SAMPLE("cpu"), 7), ==, 0);
	g_assert_cmpint(hand_over(&b, "[" SAMPLE("cpu") ", " SAMPLE("cpu") ", {}]", 8), ==, 0);
	g_assert_false(intake_idle(b.intake));
	flush(&b);
	g_assert_cmpuint(settled(&b, s, 4), ==, 0);
	g_assert_false(readable(&b));
	g_assert_cmpuint(ledger(&b).pending, ==, 3);
	next_frame(&b);
	g_assert_cmpuint(settled(&b, s, 4), ==, 0);
	spool_confirm(b.spool, b.cursor);
	g_assert_true(readable(&b));
	g_assert_false(intake_idle(b.intake));
	g_assert_cmpuint(settled(&b, s, 1), ==, 1);
	g_assert_true(readable(&b));
	g_assert_cmpuint(settled(&b, s + 1, 3), ==, 1);
	g_assert_false(readable(&b));
	g_assert_true(intake_idle(b.intake));
	g_assert_cmpuint(s[0].tag, ==, 7);
	g_assert_cmpuint(s[1].tag, ==, 8);
	g_assert_false(s[0].again || s[1].again);
	g_assert_cmpuint(ledger(&b).accepted, ==, 3);
	g_assert_cmpuint(ledger(&b).rejected[REJECT_SHAPE], ==, 1);
	g_assert_cmpuint(ledger(&b).messages, ==, 2);
	bench_fini(&b);
}

/* While a frame is under way, what the far side keeps until it is settled gathers; what it does not keep goes at once. */
static void test_gathers(void)
{
	struct vmt_settled s[4];
	struct bench b;

	bench_init(&b);
	for (uint64_t tag = 1; tag <= 3; tag++) {
		g_assert_cmpint(hand_over(&b, SAMPLE("cpu"), tag), ==, 0);
		flush(&b);
	}
	g_assert_cmpuint(spool_next(b.spool, b.cursor, 0)->rows, ==, 1);
	g_assert_false(readable(&b));
	spool_confirm(b.spool, b.cursor);
	g_assert_true(readable(&b));
	g_assert_cmpuint(settled(&b, s, 4), ==, 1);
	flush(&b);
	g_assert_cmpuint(spool_next(b.spool, b.cursor, 0)->rows, ==, 2);

	g_assert_cmpint(hand_over(&b, SAMPLE("cpu"), 0), ==, 0);
	flush(&b);
	g_assert_cmpint(hand_over(&b, SAMPLE("cpu"), 4), ==, 0);
	flush(&b);
	spool_confirm(b.spool, b.cursor);
	g_assert_cmpuint(settled(&b, s, 4), ==, 2);
	g_assert_cmpuint(spool_next(b.spool, b.cursor, 0)->rows, ==, 1); /* 4 still waits */
	intake_close(b.intake);
	flush(&b);
	spool_confirm(b.spool, b.cursor);
	g_assert_cmpuint(spool_next(b.spool, b.cursor, 0)->rows, ==, 1);
	spool_confirm(b.spool, b.cursor);
	g_assert_cmpuint(settled(&b, s, 4), ==, 1);
	g_assert_true(intake_idle(b.intake));
	bench_fini(&b);
}

/* What a publisher could not take comes again; what it refused for good does not, nor what nobody wants, nor what
 * cannot be read. */
static void test_ways(void)
{
	struct vmt_settled s;
	struct bench b;

	bench_init(&b);
	g_assert_cmpint(hand_over(&b, SAMPLE("cpu"), 1), ==, 0);
	flush(&b);
	next_frame(&b);
	spool_drop(b.spool, b.cursor, SPOOL_RETRIES);
	g_assert_cmpuint(settled(&b, &s, 1), ==, 1);
	g_assert_true(s.tag == 1 && s.again);
	g_assert_cmpuint(ledger(&b).returned, ==, 1);

	g_assert_cmpint(hand_over(&b, SAMPLE("cpu"), 2), ==, 0);
	flush(&b);
	next_frame(&b);
	spool_settle_frame(b.spool, b.cursor, &(struct spool_result){ .refused = 1 });
	g_assert_cmpuint(settled(&b, &s, 1), ==, 1);
	g_assert_true(s.tag == 2 && !s.again);

	g_assert_cmpint(hand_over(&b, SAMPLE("other"), 3), ==, 0);
	flush(&b);
	g_assert_cmpuint(settled(&b, &s, 1), ==, 1);
	g_assert_true(s.tag == 3 && !s.again);
	g_assert_cmpuint(ledger(&b).accepted, ==, 2);

	g_assert_cmpint(hand_over(&b, "poison", 4), ==, 0);
	g_assert_true(readable(&b));
	g_assert_cmpuint(settled(&b, &s, 1), ==, 1);
	g_assert_true(s.tag == 4 && !s.again);
	g_assert_cmpuint(ledger(&b).rejected[REJECT_FORMAT], ==, 1);
	g_assert_cmpuint(ledger(&b).unkept, ==, 1); /* there is no log for it */
	g_assert_cmpuint(ledger(&b).dead_letters, ==, 0);
	g_assert_true(intake_idle(b.intake));
	bench_fini(&b);
}

/* What a store says it had already is counted by itself; the rows of a frame know their messages. */
static void test_absorbed(void)
{
	const struct frame *f;
	const struct vmt_batch *batch;
	struct bench b;

	bench_init(&b);
	g_assert_cmpint(hand_over(&b, "[" SAMPLE("cpu") ", " SAMPLE("cpu") "]", 0), ==, 0);
	g_assert_cmpint(hand_over(&b, "poison", 0), ==, 0);
	g_assert_cmpint(hand_over(&b, SAMPLE("cpu"), 0), ==, 0);
	g_assert_cmpint(hand_over(&b, SAMPLE("cpu"), 0), ==, 0);
	flush(&b);
	f = spool_next(b.spool, b.cursor, clock_monotonic() + NS_PER_S);
	g_assert_nonnull(f);
	batch = f->public.batch;
	g_assert_cmpmem(batch->messages, batch->count * sizeof(uint32_t),
			((uint32_t[]){ 0, 0, 1, 2 }), 4 * sizeof(uint32_t));
	frame_absorb(frame_of(&f->public), 2, 1);
	spool_confirm(b.spool, b.cursor);
	g_assert_cmpuint(ledger(&b).accepted, ==, 1);
	g_assert_cmpuint(ledger(&b).duplicates, ==, 2);
	g_assert_cmpuint(ledger(&b).conflicts, ==, 1);
	bench_fini(&b);
}

/* So much is under way and no more; once there is room again, the receiver is told. */
static void test_full(void)
{
	struct vmt_settled s[4];
	struct bench b;
	unsigned n = 0;

	bench_init(&b);
	while (hand_over(&b, SAMPLE("cpu"), 0) == 0) {
		flush(&b);
		g_assert_cmpuint(++n, <, 1000);
	}
	g_assert_cmpuint(n, >, 8);
	g_assert_cmpuint(ledger(&b).received, ==, n);
	g_assert_cmpint(hand_over(&b, SAMPLE("cpu"), 0), ==, -EAGAIN);
	g_assert_false(readable(&b));
	next_frame(&b);
	spool_confirm(b.spool, b.cursor);
	g_assert_true(readable(&b));
	g_assert_cmpuint(settled(&b, s, 4), ==, 0);
	g_assert_false(readable(&b));
	g_assert_cmpint(hand_over(&b, SAMPLE("cpu"), 0), ==, 0);
	g_assert_false(vmt_intake_closing(intake_public(b.intake)));
	intake_close(b.intake);
	g_assert_true(vmt_intake_closing(intake_public(b.intake)) && readable(&b));
	bench_fini(&b); /* with frames under way, which come back later */
}

/* ------------------------------------------------------------------ dead letters */

/* What a letter should be; reason NULL: the end. */
struct letter {
	const char *reason, *message;
	uint64_t samples;
	size_t len;
};

static int look_at_letter(void *context, const struct disk_letter *l)
{
	const struct letter **next = context, *wanted = (*next)++;

	g_assert_cmpstr(l->reason, ==, wanted->reason);
	g_assert_cmpuint(l->samples, ==, wanted->samples);
	g_assert_cmpuint(l->message_len, ==, wanted->len);
	if (wanted->message) {
		g_assert_cmpmem(l->message, l->message_len, wanted->message, wanted->len);
	}
	return 0;
}

static void check_letters(const char *dir, const struct letter *wanted)
{
	struct disk *disk;

	g_assert_cmpint(disk_open(dir, DISK_READ, &disk, NULL), ==, 0);
	g_assert_cmpint(disk_letters(disk, look_at_letter, &wanted, NULL), ==, 0);
	g_assert_null(wanted->reason);
	disk_close(disk);
}

static void remove_folder(char *dir)
{
	static const char *const names[] = { "ledgers", "lock", "reserve", "spool.db",
					     "spool.db-journal" };

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		char *path = g_build_filename(dir, names[i], NULL);

		g_unlink(path);
		g_free(path);
	}
	g_assert_cmpint(g_rmdir(dir), ==, 0);
	g_free(dir);
}

/* A message that was rejected, or a part of it, is kept with its bytes before it is settled. */
static void test_letters(void)
{
	static const char partly[] = "[" SAMPLE("cpu") ", {}, {\"counter_name\": 1}]";
	char *dir = g_dir_make_tmp("intake-test-XXXXXX", NULL), *big = g_malloc0(3 << 20);
	const struct letter wanted[] = {
		{ "format", "poison\0!", 1, 8 },
		{ "shape, type", partly, 2, strlen(partly) },
		{ "size", NULL, 1, INTAKE_LETTER },
		{ "size", NULL, 1, 0 },
		{ 0 },
	};
	struct vmt_settled s[4];
	struct vmt_intake *public;
	struct bench b;

	bench_init_at(&b, dir);
	public = intake_public(b.intake);
	g_assert_cmpint(vmt_intake_message(public, VMT_MESSAGE_JSON, "poison\0!", 8, 1), ==, 0);
	g_assert_cmpuint(settled(&b, s, 4), ==, 0);
	g_assert_false(intake_idle(b.intake) || readable(&b));
	vmt_intake_flush(public);
	g_assert_true(readable(&b));
	g_assert_cmpuint(settled(&b, s, 4), ==, 1);
	g_assert_true(s[0].tag == 1 && !s[0].again && intake_idle(b.intake));

	g_assert_cmpint(hand_over(&b, partly, 2), ==, 0);
	flush(&b);
	g_assert_cmpuint(settled(&b, s, 4), ==, 0);
	next_frame(&b);
	spool_confirm(b.spool, b.cursor);
	g_assert_cmpuint(settled(&b, s, 4), ==, 1);
	g_assert_true(s[0].tag == 2 && !s[0].again);

	g_assert_cmpint(vmt_intake_message(public, VMT_MESSAGE_JSON, big, 3 << 20, 0), ==, 0);
	g_assert_cmpint(vmt_intake_message(public, VMT_MESSAGE_JSON, NULL, SIZE_MAX, 0), ==, 0);
	g_assert_cmpuint(ledger(&b).dead_letters, ==, 5);
	g_assert_cmpuint(ledger(&b).unkept, ==, 0);
	bench_fini(&b);
	check_letters(dir, wanted);
	remove_folder(dir);
	g_free(big);
}

/* Datagrams come faster than a disk writes: what is too much is counted, and nobody waits.  Who waits for an answer
 * loses none. */
static void test_letters_bounds(void)
{
	char *dir = g_dir_make_tmp("intake-test-XXXXXX", NULL), *big = g_malloc0(1 << 20);
	uint64_t before;
	struct bench b;

	bench_init_at(&b, dir);
	for (unsigned i = 0; i < 20; i++) {
		g_assert_cmpint(vmt_intake_message(intake_public(b.intake), VMT_MESSAGE_JSON, big,
						   1 << 20, 0),
				==, 0);
	}
	before = ledger(&b).unkept;
	g_assert_cmpuint(before, >, 0);
	g_assert_cmpuint(ledger(&b).dead_letters, ==, 20 - before);
	for (unsigned i = 0; i < 20; i++) {
		g_assert_cmpint(vmt_intake_message(intake_public(b.intake), VMT_MESSAGE_JSON, big,
						   1 << 20, 7 + i),
				==, 0);
	}
	g_assert_cmpuint(ledger(&b).unkept, ==, before);
	bench_fini(&b);
	remove_folder(dir);
	g_free(big);
}

/* ------------------------------------------------------------------ over restarts */

static void take_some(const char *dir)
{
	struct bench b;

	bench_init_at(&b, dir);
	g_assert_cmpint(hand_over(&b, "[" SAMPLE("cpu") ", " SAMPLE("cpu") ", {}]", 1), ==, 0);
	flush(&b);
	next_frame(&b);
	spool_confirm(b.spool, b.cursor);
	g_assert_cmpint(hand_over(&b, "[" SAMPLE("cpu") ", " SAMPLE("cpu") "]", 2), ==, 0);
	flush(&b);
	g_assert_cmpint(hand_over(&b, SAMPLE("cpu"), 3), ==, 0);
	vmt_intake_lost(intake_public(b.intake), 4);
	g_assert_cmpuint(ledger(&b).pending, ==, 3);
	kill(getpid(), SIGKILL);
}

/* The ledger goes on where a killed process left it; what that one had begun only is interrupted, once. */
static void test_killed(void)
{
	char *dir = g_dir_make_tmp("intake-test-XXXXXX", NULL);
	struct bench b;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		take_some(dir);
	}
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	bench_init_at(&b, dir);
	for (unsigned i = 0; i < 2; i++) {
		struct intake_ledger l = ledger(&b);

		g_assert_cmpuint(l.messages, ==, 3 + i);
		g_assert_cmpuint(l.received, ==, 6 + i);
		g_assert_cmpuint(l.accepted, ==, 2);
		g_assert_cmpuint(l.rejected[REJECT_SHAPE], ==, 1);
		g_assert_cmpuint(l.dead_letters, ==, 1);
		g_assert_cmpuint(l.lost, ==, 4);
		g_assert_cmpuint(l.interrupted, ==, 3);
		g_assert_cmpuint(l.pending, ==, i);
		g_assert_cmpint(hand_over(&b, SAMPLE("cpu"), 4), ==, 0);
	}
	g_assert_cmpuint(ledger(&b).pending, ==, 2);
	bench_fini(&b); /* what nobody handed on is interrupted, too */
	bench_init_at(&b, dir);
	g_assert_cmpuint(ledger(&b).interrupted, ==, 5);
	g_assert_cmpuint(ledger(&b).pending, ==, 0);
	bench_fini(&b);
	remove_folder(dir);
}

/* Workers of one receiver count in the ledger that a durable log keeps for it; else each has its own. */
static void test_workers(void)
{
	char *dir = g_dir_make_tmp("intake-test-XXXXXX", NULL);

	for (unsigned durable = 0; durable < 2; durable++) {
		struct bench b;
		struct intake *other;
		struct intake_ledger l;

		bench_init_at(&b, durable ? dir : NULL);
		other = new_intake(&b);
		g_assert_true(intake_same_ledger(b.intake, other) == durable);
		g_assert_cmpint(hand_over(&b, SAMPLE("cpu"), 1), ==, 0);
		intake_ledger(other, &l);
		g_assert_cmpuint(l.received, ==, durable);
		g_assert_cmpuint(l.interrupted, ==, 0);
		intake_free(other);
		bench_fini(&b);
	}
	remove_folder(dir);
}

/* ------------------------------------------------------------------ on the simulated clock, from here on */

/* How many lines of the log tell of refused samples, and the number in the last of them. */
static unsigned lines_told(const char *path, uint64_t *ret_last)
{
	char *text = NULL, *at;
	unsigned n = 0;

	log_flush();
	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	for (at = strstr(text, "test://: "); at; at = strstr(at, "test://: ")) {
		at += strlen("test://: ");
		*ret_last = g_ascii_strtoull(at, NULL, 10);
		n++;
	}
	g_free(text);
	return n;
}

static void expect_told(const char *path, unsigned lines, uint64_t last)
{
	uint64_t got = 0;

	g_assert_cmpuint(lines_told(path, &got), ==, lines);
	g_assert_cmpuint(got, ==, last);
}

static void reject(struct bench *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		g_assert_cmpint(hand_over(b, "poison", 0), ==, 0);
	}
}

/* As the receiver's thread does: it flushes every second. */
static void pass(struct bench *b, unsigned seconds)
{
	for (unsigned i = 0; i < seconds; i++) {
		wait_sleep(NS_PER_S);
		vmt_intake_flush(intake_public(b->intake));
	}
}

/* Whether the log has the words that Ceilometer's operators look for. */
static bool told_forged(const char *path)
{
	char *text = NULL;
	bool told;

	log_flush();
	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	told = strstr(text, "WARNING collector: message signature invalid, discarding message: "
			    "test://: 1 samples refused") != NULL;
	g_free(text);
	return told;
}

/* The first of a burst at once, the others as a sum: when nothing came for 10 s, after a minute, and at the end. */
static void test_told(void)
{
	char *dir = g_dir_make_tmp("intake-test-XXXXXX", NULL);
	char *path = g_build_filename(dir, "log", NULL);
	struct bench b;

	clock_simulate(INT64_C(1795390000) * NS_PER_S, 0);
	g_assert_cmpint(log_init(&(struct log_settings){ .level = VMT_LOG_INFO,
							 .file = path,
							 .fold_ns = -1 },
				 NULL),
			==, 0);
	bench_init(&b);
	reject(&b, 500);
	expect_told(path, 1, 1);
	pass(&b, 9);
	expect_told(path, 1, 1);
	pass(&b, 1);
	expect_told(path, 2, 499);
	pass(&b, 600);
	expect_told(path, 2, 499);

	for (unsigned i = 0; i < 60; i++) { /* one that lasts */
		reject(&b, 2);
		pass(&b, 1);
	}
	expect_told(path, 4, 119);
	reject(&b, 3);
	intake_free(b.intake);
	b.intake = NULL;
	expect_told(path, 5, 3);
	bench_fini(&b);
	g_assert_false(told_forged(path));
	secret = "s3cret";
	bench_init(&b);
	secret = "";
	g_assert_cmpint(hand_over(&b, SAMPLE("cpu"), 0), ==, 0);
	g_assert_true(told_forged(path));
	bench_fini(&b);
	log_fini();
	g_unlink(path);
	g_rmdir(dir);
	g_free(path);
	g_free(dir);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/intake/stored", test_stored);
	g_test_add_func("/intake/gathers", test_gathers);
	g_test_add_func("/intake/ways", test_ways);
	g_test_add_func("/intake/absorbed", test_absorbed);
	g_test_add_func("/intake/full", test_full);
	g_test_add_func("/intake/letters", test_letters);
	g_test_add_func("/intake/letters-bounds", test_letters_bounds);
	g_test_add_func("/intake/killed", test_killed);
	g_test_add_func("/intake/workers", test_workers);
	g_test_add_func("/intake/told", test_told);
	return g_test_run();
}

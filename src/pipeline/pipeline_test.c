/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of routing: which batches go where, the ledger of a pipeline, and the thread that does it. */
#include "pipeline/pipeline.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/intern.h"
#include "base/thread.h"
#include "base/wait.h"
#include "model/batch.h"
#include "pipeline/route.h"
#include "pipeline/sink.h"
#include "spool/spool.h"
#include "transform/out.h"

static const struct spool_publisher any = { .name = "sink/test/0", .url = "test://" };
static struct frame_pool *pool;
static struct resource *resource;
static unsigned released;

static void release(void *owner)
{
	released++;
	pattern_free(owner);
}

static struct pipeline *make_pipeline(const char *name, const char *pattern, uint64_t publishers)
{
	const char *reason;
	size_t at;
	struct pattern *match = pattern_new(&pattern, 1, 0, &reason, &at);

	g_assert_nonnull(match);
	return pipeline_new(name, match, publishers, match, release);
}

static void add_batch(struct frame_builder *builder, const char *name, unsigned rows)
{
	struct batch_spec spec = { .name = name, .unit = "x", .kind = VMT_UINT64 };

	batch_begin(builder, &spec, rows);
	for (unsigned r = 0; r < rows; r++) {
		batch_add(builder, resource, (union vmt_num){ .u = r }, 1, 2);
	}
	batch_end(builder);
}

/* 3 samples of cpu, 2 of disk.read.bytes, 1 of vm.outcome. */
static struct frame *make_frame(void)
{
	struct frame_builder builder;
	struct frame *frame;

	frame_builder_init(&builder, pool);
	frame_begin(&builder, VMT_PROFILE_26, 1, 2);
	add_batch(&builder, "cpu", 3);
	add_batch(&builder, "disk.read.bytes", 2);
	add_batch(&builder, "vm.outcome", 1);
	frame = frame_finish(&builder);
	frame_builder_fini(&builder);
	return frame;
}

static void test_route(void)
{
	struct pipeline *pipelines[] = { make_pipeline("all", "*", 1),
					 make_pipeline("cpu", "cpu", 6),
					 make_pipeline("own", "vm.*", 8) };
	struct pipeline_set *set = pipeline_set_new(pipelines, 3);
	struct pipeline_ledger l;
	struct frame *f = make_frame();
	struct frame_builder builder;

	frame_builder_init(&builder, pool);
	released = 0;
	for (int i = 0; i < 2; i++) { /* the second time from the cache */
		g_assert_null(pipeline_route(set, f, &builder));
		g_assert_cmpuint(f->public.batch[0].publishers, ==, 7);
		g_assert_cmpuint(f->public.batch[1].publishers, ==, 1);
		g_assert_cmpuint(f->public.batch[2].publishers, ==, 8);
	}
	pipeline_ledger(pipelines[0], &l);
	g_assert_cmpuint(l.in, ==, 12);
	g_assert_cmpuint(l.out, ==, 10);
	g_assert_cmpuint(l.filtered, ==, 2);
	pipeline_ledger(pipelines[1], &l);
	g_assert_cmpuint(l.out, ==, 6);
	g_assert_cmpuint(l.in, ==, l.out + l.filtered + l.consumed - l.made);
	g_assert_true(pipeline_set_takes(set, "disk.read.bytes"));
	pipeline_set_unref(set);
	g_assert_cmpuint(released, ==, 3);
	frame_unref(f);
}

static void test_runner(void)
{
	struct spool *spool =
		spool_new_memory(&(struct spool_limits){ .frames = 1000, .bytes = 1 << 30 });
	struct pipeline_runner *runner = pipeline_runner_new(spool, pool);
	struct pipeline *one = make_pipeline("cpu", "cpu", 1);
	struct pipeline_set *set = pipeline_set_new(&one, 1);
	struct spool_ledger l;

	g_assert_cmpint(spool_cursor_add(spool, &any), ==, 0);
	for (int i = 0; i < 100; i++) {
		g_assert_cmpint(pipeline_runner_submit(runner, make_frame(), set), ==, 0);
	}
	pipeline_set_unref(set); /* frames under way keep it */
	pipeline_runner_free(runner);
	spool_ledger(spool, 0, &l);
	g_assert_cmpuint(l.produced, ==, 300);
	/* in the order they were handed in */
	for (uint64_t i = 1; i <= 100; i++) {
		g_assert_cmpuint(spool_next(spool, 0, 0)->public.sequence, ==, i);
		spool_confirm(spool, 0);
	}
	spool_cursor_finish(spool, 0);
	spool_free(spool);
}

/* What needs no transformer and no disk is in the log at once, without another thread's doing. */
static void test_at_once(void)
{
	struct spool *spool =
		spool_new_memory(&(struct spool_limits){ .frames = 1000, .bytes = 1 << 30 });
	struct pipeline_runner *runner = pipeline_runner_new(spool, pool);
	struct pipeline *one = make_pipeline("cpu", "cpu", 1);
	struct pipeline_set *set = pipeline_set_new(&one, 1);
	struct spool_ledger l;

	g_assert_cmpint(spool_cursor_add(spool, &any), ==, 0);
	for (uint64_t i = 1; i <= 100; i++) {
		g_assert_cmpint(pipeline_runner_submit(runner, make_frame(), set), ==, 0);
		spool_ledger(spool, 0, &l);
		g_assert_cmpuint(l.produced, ==, 3 * i);
		g_assert_true(pipeline_runner_idle(runner));
	}
	pipeline_set_unref(set);
	pipeline_runner_free(runner);
	spool_cursor_finish(spool, 0);
	spool_free(spool);
}

struct hand {
	struct pipeline_runner *runner;
	struct pipeline_set *set;
};

static void *hand_in(void *arg)
{
	const struct hand *h = arg;

	for (int i = 0; i < 100; i++) {
		g_assert_cmpint(pipeline_runner_submit(h->runner, make_frame(), h->set), ==, 0);
	}
	return NULL;
}

/* Of many at a time each has its turn. */
static void test_together(void)
{
	struct spool *spool =
		spool_new_memory(&(struct spool_limits){ .frames = 1000, .bytes = 1 << 30 });
	struct pipeline_runner *runner = pipeline_runner_new(spool, pool);
	struct pipeline *one = make_pipeline("cpu", "cpu", 1);
	struct hand h = { .runner = runner, .set = pipeline_set_new(&one, 1) };
	struct spool_ledger l;
	pthread_t thread[2];

	g_assert_cmpint(spool_cursor_add(spool, &any), ==, 0);
	for (size_t i = 0; i < G_N_ELEMENTS(thread); i++) {
		g_assert_cmpint(thread_start(&thread[i], "hand", hand_in, &h), ==, 0);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(thread); i++) {
		thread_join(thread[i]);
	}
	pipeline_set_unref(h.set);
	pipeline_runner_free(runner);
	spool_ledger(spool, 0, &l);
	g_assert_cmpuint(l.produced, ==, 600);
	spool_cursor_finish(spool, 0);
	spool_free(spool);
}

/* ------------------------------------------------------------------ what transformers hold */

/* Holds samples until there are six of them; nothing is made. */
static int keeper_open(const void *conf, const struct vmt_stage *stage, void **ret_self,
		       struct vmt_error *error)
{
	*ret_self = g_new0(uint64_t, 1);
	return 0;
}

static int keeper_handle(void *self, const struct vmt_batch *in, struct vmt_transform *out,
			 struct vmt_error *error)
{
	*(uint64_t *)self += in->count;
	transform_hold(out, *(const uint64_t *)self);
	return 0;
}

static int keeper_flush(void *self, struct vmt_transform *out, struct vmt_error *error)
{
	uint64_t *held = self;

	*held = *held < 6 ? *held : 0;
	transform_hold(out, *held);
	return 0;
}

static const struct vmt_option keeper_options[] = { { .name = NULL } };
static const struct vmt_transformer_ops keeper_ops = {
	.open = keeper_open,
	.handle = keeper_handle,
	.flush = keeper_flush,
	.close = g_free,
};
static const struct vmt_plugin keeper = {
	.abi = VMT_ABI,
	.ns = VMT_TRANSFORMER,
	.name = "keeper",
	.version = "1",
	.help = "",
	.options = keeper_options,
	.ops.transformer = &keeper_ops,
};

/* Two pipelines with one sink, and a log; one frame brings it 3 samples. */
struct keeping {
	struct frame_pool *pool;
	struct spool *spool;
	struct registry *registry;
	struct pipeline *pipeline[2];
	struct pipeline_set *set;
	struct frame_builder builder;
};

static void keeping_init(struct keeping *k, const char *dir)
{
	static const struct vmt_plugin *const builtin[] = { &keeper, NULL };
	const struct spool_limits limits = {
		.frames = 10, .bytes = 1 << 20, .memory_bytes = 1 << 20, .dead_bytes = 1 << 20
	};
	const struct pipeline_transformer transformer = { .name = "keeper" };
	const struct pipeline_sink conf = { .name = "s",
					    .transformer_count = 1,
					    .transformers = &transformer };
	const struct sink_settings settings = { .profile = VMT_PROFILE_26, .source = "openstack" };
	struct problems *problems = problems_new();
	struct sink *sink;

	k->pool = frame_pool_new(1);
	g_assert_cmpint(spool_open(dir, &limits, k->pool, &k->spool, NULL), ==, 0);
	k->registry = registry_new(builtin);
	g_assert_cmpint(sink_open(k->registry, &conf, &settings, problems, &sink), ==, 0);
	for (unsigned i = 0; i < 2; i++) {
		k->pipeline[i] = make_pipeline("p", "cpu", 1);
		pipeline_keep(k->pipeline[i], k->spool, i);
		pipeline_set_sink(k->pipeline[i], sink);
	}
	sink_unref(sink);
	problems_free(problems);
	k->set = pipeline_set_new(k->pipeline, 2);
	frame_builder_init(&k->builder, k->pool);
}

static void keeping_fini(struct keeping *k)
{
	frame_builder_fini(&k->builder);
	pipeline_set_unref(k->set);
	spool_free(k->spool);
	registry_free(k->registry);
	frame_pool_free(k->pool);
}

static void route_one(struct keeping *k)
{
	struct frame *f = make_frame();

	g_assert_null(pipeline_route(k->set, f, &k->builder));
	frame_unref(f);
}

static void expect_held(struct keeping *k, uint64_t frames, uint64_t held, uint64_t lost)
{
	struct pipeline_ledger l;

	for (unsigned i = 0; i < 2; i++) { /* of a sink that both have, the first tells */
		pipeline_ledger(k->pipeline[i], &l);
		g_assert_cmpuint(l.in, ==, 6 * frames);
		g_assert_cmpuint(l.in, ==, l.out + l.filtered + l.consumed - l.made);
		g_assert_cmpuint(l.consumed, ==, i ? 0 : 3 * frames);
		g_assert_cmpuint(l.held, ==, i ? 0 : held);
		g_assert_cmpuint(l.lost, ==, i ? 0 : lost);
	}
}

/* What was held when a process was killed is lost, and counted by the next one, once. */
static void test_keep(void)
{
	static const char *const files[] = { "ledgers", "lock", "reserve", "spool.db",
					     "spool.db-journal" };
	char *dir = g_dir_make_tmp("pipeline-test-XXXXXX", NULL);
	struct keeping k;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		keeping_init(&k, dir);
		route_one(&k);
		pipeline_settle(k.set);
		expect_held(&k, 1, 3, 0);
		kill(getpid(), SIGKILL);
	}
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

	keeping_init(&k, dir);
	expect_held(&k, 1, 0, 3);
	route_one(&k);
	expect_held(&k, 2, 3, 3); /* at once, before the frame is settled */
	pipeline_settle(k.set);
	route_one(&k);
	expect_held(&k, 3, 3, 3); /* what was made of it is not in the log yet */
	pipeline_settle(k.set);
	expect_held(&k, 3, 0, 3);
	keeping_fini(&k);

	keeping_init(&k, dir); /* after an orderly end there is nothing to close */
	expect_held(&k, 3, 0, 3);
	route_one(&k);
	keeping_fini(&k); /* and what is held then goes with the transformers */
	keeping_init(&k, dir);
	expect_held(&k, 4, 0, 6);
	keeping_fini(&k);
	for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
		char *path = g_build_filename(dir, files[i], NULL);

		g_unlink(path);
		g_free(path);
	}
	g_assert_cmpint(g_rmdir(dir), ==, 0);
	g_free(dir);
}

int main(int argc, char **argv)
{
	struct resource_head *head;
	int ret;

	g_test_init(&argc, &argv, NULL);
	pool = frame_pool_new(4);
	head = resource_head_new(&(struct resource_owner){ .source = "openstack" }, "{", 1);
	resource = resource_new(head, "r", "}", 1);
	resource_head_unref(head);
	g_test_add_func("/pipeline/route", test_route);
	g_test_add_func("/pipeline/runner", test_runner);
	g_test_add_func("/pipeline/at_once", test_at_once);
	g_test_add_func("/pipeline/together", test_together);
	g_test_add_func("/pipeline/keep", test_keep);
	ret = g_test_run();
	resource_unref(resource);
	frame_pool_free(pool);
	return ret;
}

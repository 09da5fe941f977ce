/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of building frames: columns that appear only where rows differ, references, recycling.
 */
#include "base/uuid.h"
#include "model/batch.h"

#include <glib.h>
#include <string.h>

static struct resource *resource(const char *id)
{
	struct resource_head *h =
		resource_head_new(&(struct resource_owner){ .source = "s" }, "{\"a\":1", 6);
	struct resource *r = resource_new(h, id, "}", 1);

	resource_head_unref(h);
	return r;
}

static void begin(struct frame_builder *b, const char *name)
{
	struct batch_spec spec = {
		.name = name, .unit = "B", .type = VMT_GAUGE, .kind = VMT_UINT64, .publishers = 3
	};

	batch_begin(b, &spec, 100);
}

static union vmt_num number(uint64_t u)
{
	return (union vmt_num){ .u = u };
}

static void test_single_values(void)
{
	struct frame_pool *pool = frame_pool_new(2);
	struct frame_builder b;
	struct resource *x = resource("x"), *y = resource("y");
	const struct vmt_batch *batch;
	uint8_t id[16], next[16];
	struct frame *f;

	frame_builder_init(&b, pool);
	frame_begin(&b, VMT_PROFILE_19, 1000, 10);
	begin(&b, "one");
	batch_add(&b, x, number(5), 2000, 20);
	batch_add(&b, y, number(6), 2000, 20);
	g_assert_cmpuint(batch_end(&b), ==, 2);
	begin(&b, "none");
	g_assert_cmpuint(batch_end(&b), ==, 0);
	begin(&b, batch_text(&b, "two"));
	batch_add(&b, y, number(7), 1000, 10);
	batch_end(&b);
	f = frame_finish(&b);
	g_assert_nonnull(f);
	g_assert_cmpuint(f->public.count, ==, 2);
	g_assert_cmpuint(f->public.profile, ==, VMT_PROFILE_19);
	g_assert_cmpuint(f->rows, ==, 3);
	batch = &f->public.batch[0];
	g_assert_cmpstr(batch->name, ==, "one");
	g_assert_cmpstr(batch->unit, ==, "B");
	g_assert_cmpuint(batch->count, ==, 2);
	g_assert_cmpint(batch->time_ns, ==, 2000);
	g_assert_cmpint(batch->mono_ns, ==, 20);
	g_assert_null(batch->times);
	g_assert_null(batch->monos);
	g_assert_null(batch->kinds);
	g_assert_cmpstr(batch->resource[1]->id, ==, "y");
	g_assert_cmpuint(batch->value[1].u, ==, 6);
	g_assert_cmpstr(f->public.batch[1].name, ==, "two");
	g_assert_cmpuint(f->public.batch[1].value[0].u, ==, 7);
	vmt_batch_id(batch, 1, id);
	uuid1_add(batch->id, 1, next);
	g_assert_cmpmem(id, 16, next, 16);
	g_assert_true(memcmp(f->public.batch[1].id, id, 16) != 0);
	g_assert_cmpuint(frame_rows_for(&f->public, 2), ==, 3);
	g_assert_cmpuint(frame_rows_for(&f->public, 4), ==, 0);
	frame_unref(f);
	resource_unref(x);
	resource_unref(y);
	frame_builder_fini(&b);
	frame_pool_free(pool);
}

/* Times, monotonic times and kinds that differ from some row on. */
static void test_columns(void)
{
	static const int64_t time[] = { 5, 5, 6, 5 }, mono[] = { 1, 1, 1, 2 };
	struct frame_pool *pool = frame_pool_new(2);
	struct frame_builder b;
	struct resource *x = resource("x");
	const struct vmt_batch *batch;
	struct frame *f;

	frame_builder_init(&b, pool);
	frame_begin(&b, VMT_PROFILE_26, 9, 9);
	begin(&b, "before");
	batch_add(&b, x, number(1), 9, 9);
	batch_end(&b);
	begin(&b, "times");
	for (int i = 0; i < 4; i++) {
		batch_add_kind(&b, x, number((uint64_t)i), i == 3 ? VMT_DOUBLE : VMT_UINT64,
			       time[i], mono[i]);
	}
	batch_end(&b);
	begin(&b, "kind");
	batch_add_kind(&b, x, number(1), VMT_INT64, 9, 9);
	batch_add(&b, x, number(1), 9, 9);
	batch_end(&b);
	f = frame_finish(&b);
	batch = &f->public.batch[1];
	g_assert_nonnull(batch->times);
	g_assert_nonnull(batch->monos);
	g_assert_nonnull(batch->kinds);
	for (int i = 0; i < 4; i++) {
		g_assert_cmpint(batch->times[i], ==, time[i]);
		g_assert_cmpint(batch->monos[i], ==, mono[i]);
		g_assert_cmpint(batch->kinds[i], ==, i == 3 ? VMT_DOUBLE : VMT_UINT64);
		g_assert_cmpuint(batch->value[i].u, ==, i);
	}
	g_assert_null(f->public.batch[0].times);
	g_assert_null(f->public.batch[2].kinds);
	g_assert_cmpint(f->public.batch[2].kind, ==, VMT_INT64);
	frame_unref(f);
	resource_unref(x);
	frame_pool_free(pool);
}

/* One reference per resource and frame; the frame keeps what it refers to. */
static void test_references(void)
{
	struct frame_pool *pool = frame_pool_new(1);
	struct frame_builder a, b;
	struct resource *x = resource("x");
	struct frame *f, *g;

	frame_builder_init(&a, pool);
	frame_builder_init(&b, pool);
	frame_begin(&a, VMT_PROFILE_26, 0, 0);
	frame_begin(&b, VMT_PROFILE_26, 0, 0);
	begin(&a, "a");
	begin(&b, "b");
	for (int i = 0; i < 10; i++) { /* two frames at once: they take the mark from each other */
		batch_add(&a, x, number(1), 0, 0);
		batch_add(&b, x, number(1), 0, 0);
	}
	batch_end(&a);
	batch_end(&b);
	f = frame_finish(&a);
	g = frame_finish(&b);
	for (uint32_t i = 0; i < 10; i++) {
		g_assert_true(f->used[f->index[i]] == x);
		g_assert_true(g->used[g->index[i]] == x);
	}
	resource_unref(x); /* ours; the frames' stay */
	g_assert_cmpstr(f->public.batch[0].resource[9]->id, ==, "x");
	frame_unref(frame_ref(f));
	frame_pool_free(pool); /* before its frames: they still work */
	frame_unref(f);
	g_assert_cmpstr(g->public.batch[0].resource[9]->id, ==, "x");
	frame_unref(g);
}

static void test_recycles(void)
{
	struct frame_pool *pool = frame_pool_new(1);
	struct frame_builder b;
	struct resource *x = resource("x");
	struct frame *f, *first = NULL;

	frame_builder_init(&b, pool);
	for (int i = 0; i < 3; i++) {
		frame_begin(&b, VMT_PROFILE_26, 0, 0);
		begin(&b, "a");
		for (int j = 0; j < 50; j++) {
			batch_add(&b, x, number((uint64_t)j), 0, 0);
		}
		batch_end(&b);
		f = frame_finish(&b);
		g_assert_cmpuint(f->used_count, ==, 1);
		g_assert_cmpuint(f->public.count, ==, 1);
		g_assert_true(!first || f == first);
		first = f;
		frame_unref(f);
	}
	frame_begin(&b, VMT_PROFILE_26, 0, 0);
	g_assert_null(frame_finish(&b)); /* no rows, no frame */
	frame_begin(&b, VMT_PROFILE_26, 0, 0);
	frame_builder_fini(&b);
	frame_builder_fini(NULL);
	frame_unref(NULL);
	resource_unref(x);
	frame_pool_free(pool);
	frame_pool_free(NULL);
}

static void on_gone(void *context, const struct frame_fate *fate)
{
	*(int *)context += fate->lost ? 100 : 1;
	g_assert_cmpuint(fate->repeats, ==, fate->lost ? 7 : 0);
	g_assert_cmpuint(fate->conflicts, ==, fate->lost ? 2 : 0);
}

/* Told once, with the last reference; a frame that comes from the pool again tells nobody of before. */
static void test_watch(void)
{
	struct frame_pool *pool = frame_pool_new(2);
	struct resource *x = resource("x");
	struct frame_builder b;
	int told = 0;

	frame_builder_init(&b, pool);
	for (int round = 0; round < 3; round++) {
		struct frame *f;

		frame_begin(&b, VMT_PROFILE_19, 1000, 10);
		begin(&b, "one");
		batch_add(&b, x, number(5), 2000, 20);
		batch_end(&b);
		f = frame_finish(&b);
		if (round < 2) {
			frame_watch(f, on_gone, &told);
		}
		frame_ref(f);
		if (round == 1) {
			frame_lose(f);
			frame_absorb(f, 7, 1); /* of several stores the most */
			frame_absorb(f, 3, 2);
		}
		frame_unref(f);
		g_assert_cmpint(told, ==, round == 0 ? 0 : round == 1 ? 1 : 101);
		frame_unref(f);
		g_assert_cmpint(told, ==, round == 0 ? 1 : 101);
	}
	frame_builder_fini(&b);
	resource_unref(x);
	frame_pool_free(pool);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/model/frame/single-values", test_single_values);
	g_test_add_func("/model/frame/columns", test_columns);
	g_test_add_func("/model/frame/references", test_references);
	g_test_add_func("/model/frame/recycles", test_recycles);
	g_test_add_func("/model/frame/watch", test_watch);
	return g_test_run();
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transformer accumulator: keeps samples until there are as many as `size`, then lets all go on at the end
 * of that cycle, as they were.  On the pipeline thread; blocks on nothing.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/arena.h"
#include "transform/out.h"
#include "transform/rows.h"

struct accumulator_conf {
	int64_t size;
};

static const struct vmt_option options[] = {
	{ .name = "size",
	  .type = VMT_OPT_INT,
	  .offset = offsetof(struct accumulator_conf, size),
	  .def = "1",
	  .min = INT64_MIN / 2,
	  .max = 1000000,
	  .help = "Samples to wait for; below 1: none, all go on at once" },
	{ .name = NULL },
};

/* A batch that was kept; its columns lie in the arena, a reference on each resource. */
struct kept {
	struct vmt_batch batch;
	struct kept *next;
};

struct accumulator {
	int64_t size;
	struct arena *arena; /* emptied when all has gone on */
	struct kept *first, **end;
	uint64_t count;
};

static int accumulator_open(const void *conf, const struct vmt_stage *stage, void **ret_self,
			    struct vmt_error *error)
{
	struct accumulator *a = g_new0(struct accumulator, 1);

	a->size = ((const struct accumulator_conf *)conf)->size;
	a->arena = arena_new(0);
	a->end = &a->first;
	*ret_self = a;
	return 0;
}

static const void *column(struct accumulator *a, const void *from, size_t size, uint32_t count)
{
	return from ? arena_dup(a->arena, from, size * count) : NULL;
}

static void keep(struct accumulator *a, const struct vmt_batch *in)
{
	struct kept *k = ARENA_NEW(a->arena, struct kept);
	struct vmt_batch *b = &k->batch;

	*b = *in;
	b->name = arena_strdup(a->arena, in->name);
	b->unit = arena_strdup(a->arena, in->unit);
	b->derived = arena_strdup(a->arena, in->derived);
	b->resource = column(a, in->resource, sizeof(*in->resource), in->count);
	b->value = column(a, in->value, sizeof(*in->value), in->count);
	b->kinds = column(a, in->kinds, 1, in->count);
	b->times = column(a, in->times, sizeof(*in->times), in->count);
	b->monos = column(a, in->monos, sizeof(*in->monos), in->count);
	b->ids = column(a, in->ids, sizeof(*in->ids), in->count);
	for (uint32_t i = 0; i < in->count; i++) {
		vmt_resource_ref(in->resource[i]);
	}
	*a->end = k;
	a->end = &k->next;
	a->count += in->count;
}

static void empty(struct accumulator *a)
{
	a->first = NULL;
	a->end = &a->first;
	a->count = 0;
	arena_reset(a->arena);
}

static int accumulator_handle(void *self, const struct vmt_batch *in, struct vmt_transform *out,
			      struct vmt_error *error)
{
	struct accumulator *a = self;

	if (a->size < 1) {
		vmt_transform_pass(out, in);
	} else {
		keep(a, in);
		transform_hold(out, a->count);
	}
	return 0;
}

static const void *move(struct vmt_transform *out, const void *from, size_t size, uint32_t count)
{
	return from ? memcpy(vmt_transform_alloc(out, size * count), from, size * count) : NULL;
}

static int accumulator_flush(void *self, struct vmt_transform *out, struct vmt_error *error)
{
	struct accumulator *a = self;

	if (a->count == 0 || a->count < (uint64_t)a->size) {
		return 0;
	}
	for (const struct kept *k = a->first; k; k = k->next) {
		struct vmt_batch b = k->batch;

		b.resource = move(out, b.resource, sizeof(*b.resource), b.count);
		b.value = move(out, b.value, sizeof(*b.value), b.count);
		b.kinds = move(out, b.kinds, 1, b.count);
		b.times = move(out, b.times, sizeof(*b.times), b.count);
		b.monos = move(out, b.monos, sizeof(*b.monos), b.count);
		b.ids = move(out, b.ids, sizeof(*b.ids), b.count);
		vmt_transform_pass(out, &b);
		for (uint32_t i = 0; i < b.count; i++) {
			vmt_transform_release(out, b.resource[i]);
		}
	}
	empty(a);
	transform_hold(out, 0);
	return 0;
}

static void accumulator_close(void *self)
{
	struct accumulator *a = self;

	if (!a) {
		return;
	}
	for (const struct kept *k = a->first; k; k = k->next) {
		for (uint32_t i = 0; i < k->batch.count; i++) {
			vmt_resource_unref(k->batch.resource[i]);
		}
	}
	arena_free(a->arena);
	g_free(a);
}

static const struct vmt_transformer_ops ops = {
	.open = accumulator_open,
	.handle = accumulator_handle,
	.flush = accumulator_flush,
	.close = accumulator_close,
};

VMT_PLUGIN(transformer, accumulator) = {
	.abi = VMT_ABI,
	.ns = VMT_TRANSFORMER,
	.name = "accumulator",
	.version = "1",
	.help = "Keeps samples until there are enough of them",
	.options = options,
	.conf_size = sizeof(struct accumulator_conf),
	.ops.transformer = &ops,
};

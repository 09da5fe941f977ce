/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns frames and their pool.  A frame keeps its arrays from use to use.  Any thread; blocks on
 * nothing but the pool's mutex for a moment.
 */
#include "model/frame.h"
#include "base/arena.h"
#include "model/frame_private.h"
#include "model/resource.h"

#include <glib.h>
#include <pthread.h>

struct frame_pool {
	pthread_mutex_t lock;
	struct frame *idle;
	unsigned idle_count, idle_max;
	size_t refs; /* the owner's, and one per frame that is out */
};

struct frame_pool *frame_pool_new(unsigned idle)
{
	struct frame_pool *p = g_new0(struct frame_pool, 1);

	pthread_mutex_init(&p->lock, NULL);
	p->idle_max = idle;
	p->refs = 1;
	return p;
}

static void frame_free(struct frame *f)
{
	g_free(f->batch);
	g_free(f->resource);
	g_free(f->index);
	g_free(f->value);
	g_free(f->kind);
	g_free(f->time);
	g_free(f->mono);
	g_free(f->id);
	g_free(f->message);
	g_free(f->used);
	g_free(f->used_head);
	g_free(f->head);
	arena_free(f->names);
	g_free(f);
}

/* Drops a reference of the pool, called with its lock held. */
static void release(struct frame_pool *p)
{
	bool last = --p->refs == 0;

	pthread_mutex_unlock(&p->lock);
	if (last) {
		pthread_mutex_destroy(&p->lock);
		g_free(p);
	}
}

/* Frees the idle ones.  The lock held. */
static void drop_idle(struct frame_pool *p)
{
	while (p->idle) {
		struct frame *f = p->idle;

		p->idle = f->next;
		frame_free(f);
	}
	p->idle_count = 0;
}

void frame_pool_free(struct frame_pool *p)
{
	if (!p) {
		return;
	}
	pthread_mutex_lock(&p->lock);
	drop_idle(p);
	p->idle_max = 0;
	release(p);
}

void frame_pool_trim(struct frame_pool *p)
{
	pthread_mutex_lock(&p->lock);
	drop_idle(p);
	pthread_mutex_unlock(&p->lock);
}

struct frame *frame_pool_take(struct frame_pool *p)
{
	struct frame *f;

	pthread_mutex_lock(&p->lock);
	f = p->idle;
	if (f) {
		p->idle = f->next;
		p->idle_count--;
	}
	p->refs++;
	pthread_mutex_unlock(&p->lock);
	if (!f) {
		f = g_new0(struct frame, 1);
		f->names = arena_new(1024);
		f->pool = p;
	}
	f->next = NULL;
	atomic_init(&f->refs, 1);
	return f;
}

struct frame *frame_ref(struct frame *f)
{
	atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
	return f;
}

void frame_watch(struct frame *f, frame_gone_fn gone, void *context)
{
	f->gone = gone;
	f->gone_context = context;
	atomic_store_explicit(&f->lost, false, memory_order_relaxed);
	atomic_store_explicit(&f->repeats, 0, memory_order_relaxed);
	atomic_store_explicit(&f->conflicts, 0, memory_order_relaxed);
}

static void raise_to(_Atomic uint32_t *count, uint64_t value)
{
	uint32_t most = (uint32_t)MIN(value, UINT32_MAX), now = atomic_load(count);

	while (now < most && !atomic_compare_exchange_weak(count, &now, most)) {
	}
}

void frame_absorb(struct frame *f, uint64_t repeats, uint64_t conflicts)
{
	raise_to(&f->repeats, repeats);
	raise_to(&f->conflicts, conflicts);
}

void frame_lose(struct frame *f)
{
	if (f) {
		atomic_store_explicit(&f->lost, true, memory_order_relaxed);
	}
}

void frame_unref(struct frame *f)
{
	struct frame_pool *p;
	struct frame_fate fate;
	frame_gone_fn gone;
	void *context;
	bool keep;

	if (!f || atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1) {
		return;
	}
	for (size_t i = 0; i < f->used_count; i++) {
		resource_unref(f->used[i]);
	}
	gone = f->gone;
	context = f->gone_context;
	fate = (struct frame_fate){
		.lost = atomic_load_explicit(&f->lost, memory_order_relaxed),
		.repeats = atomic_load_explicit(&f->repeats, memory_order_relaxed),
		.conflicts = atomic_load_explicit(&f->conflicts, memory_order_relaxed),
	};
	f->gone = NULL;
	f->used_count = 0;
	f->heads = 0;
	f->rows = 0;
	f->public = (struct vmt_frame){ 0 };
	arena_reset(f->names);
	p = f->pool;
	pthread_mutex_lock(&p->lock);
	keep = p->idle_count < p->idle_max;
	if (keep) {
		f->next = p->idle;
		p->idle = f;
		p->idle_count++;
	}
	release(p);
	if (!keep) {
		frame_free(f);
	}
	if (gone) {
		gone(context, &fate);
	}
}

/* A capacity of at least `need` that grows by half. */
static size_t grown(size_t cap, size_t need)
{
	return need > cap + cap / 2 ? need : cap + cap / 2;
}

void frame_reserve(struct frame *f, size_t batches, size_t rows)
{
	if (batches > f->batches_cap) {
		f->batches_cap = grown(f->batches_cap, batches > 64 ? batches : 64);
		f->batch = g_renew(struct vmt_batch, f->batch, f->batches_cap);
	}
	if (rows > f->rows_cap) {
		f->rows_cap = grown(f->rows_cap, rows);
		f->resource = g_renew(const struct vmt_resource *, f->resource, f->rows_cap);
		f->index = g_renew(uint32_t, f->index, f->rows_cap);
		f->value = g_renew(union vmt_num, f->value, f->rows_cap);
		f->kind = g_renew(uint8_t, f->kind, f->rows_cap);
		f->time = g_renew(int64_t, f->time, f->rows_cap);
		f->mono = g_renew(int64_t, f->mono, f->rows_cap);
	}
}

void frame_reserve_ids(struct frame *f)
{
	if (f->ids_cap < f->rows_cap) {
		f->ids_cap = f->rows_cap;
		f->id = g_realloc_n(f->id, f->ids_cap, sizeof(*f->id));
	}
}

void frame_reserve_messages(struct frame *f)
{
	if (f->messages_cap < f->rows_cap) {
		f->messages_cap = f->rows_cap;
		f->message = g_renew(uint32_t, f->message, f->messages_cap);
	}
}

size_t frame_use(struct frame *f, struct resource *r, uint32_t head)
{
	if (f->used_count == f->used_cap) {
		f->used_cap = grown(f->used_cap, 64);
		f->used = g_renew(struct resource *, f->used, f->used_cap);
		f->used_head = g_renew(uint32_t, f->used_head, f->used_cap);
	}
	f->used[f->used_count] = r;
	f->used_head[f->used_count] = head;
	return f->used_count++;
}

size_t frame_use_head(struct frame *f, struct resource_head *h)
{
	if (f->heads == f->heads_cap) {
		f->heads_cap = grown(f->heads_cap, 64);
		f->head = g_renew(struct resource_head *, f->head, f->heads_cap);
	}
	f->head[f->heads] = h;
	return f->heads++;
}

void frame_point(struct frame *f)
{
	size_t row = 0;

	for (size_t i = 0; i < f->public.count; i++) {
		struct vmt_batch *b = &f->batch[i];

		b->resource = f->resource + row;
		b->value = f->value + row;
		b->kinds = b->kinds ? f->kind + row : NULL;
		b->times = b->times ? f->time + row : NULL;
		b->monos = b->monos ? f->mono + row : NULL;
		b->ids = b->ids ? (const uint8_t(*)[16])f->id + row : NULL;
		b->messages = b->messages ? f->message + row : NULL;
		row += b->count;
	}
	f->public.batch = f->batch;
}

uint64_t frame_rows_for(const struct vmt_frame *f, uint64_t bit)
{
	uint64_t rows = 0;

	for (size_t i = 0; i < f->count; i++) {
		rows += f->batch[i].publishers & bit ? f->batch[i].count : 0;
	}
	return rows;
}

size_t frame_bytes(const struct frame *f)
{
	size_t row = sizeof(*f->resource) + sizeof(*f->index) + sizeof(*f->value) +
		     sizeof(*f->kind) + sizeof(*f->time) + sizeof(*f->mono);

	return sizeof(*f) + f->batches_cap * sizeof(*f->batch) + f->rows_cap * row +
	       f->ids_cap * sizeof(*f->id) + f->messages_cap * sizeof(*f->message) +
	       f->used_cap * (sizeof(*f->used) + sizeof(*f->used_head)) +
	       f->heads_cap * sizeof(*f->head) + arena_bytes(f->names);
}

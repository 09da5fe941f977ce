/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routing of frames.  pipeline_route runs on the pipeline thread only, which therefore owns each
 * pipeline's cache of matched names; the counters are read by others and are atomic.
 */
#include "pipeline/pipeline.h"

#include <assert.h>
#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/thread.h"
#include "base/wait.h"
#include "model/frame.h"
#include "pipeline/route.h"
#include "spool/spool.h"

#define WAITING_MAX 256 /* frames between the polling tasks and the log */
#define CACHE_MAX 4096 /* names remembered per pipeline */

/* Of all pipelines of one name, one after the other. */
struct counters {
	atomic_uint refs;
	atomic_uint_fast64_t out, filtered;
};

struct pipeline {
	atomic_uint refs;
	char *name;
	const struct pattern *match;
	uint64_t publishers;
	void *owner; /* of `match` */
	void (*release)(void *owner);
	GHashTable *cache; /* interned name → 1: taken, 2: not */
	struct counters *counters;
};

struct pipeline_set {
	atomic_uint refs;
	size_t count;
	struct pipeline *pipeline[];
};

struct pipeline_item {
	struct frame *frame;
	struct pipeline_set *set;
};

struct pipeline_runner {
	struct spool *spool;
	pthread_t thread;
	struct wait wait;
	/* below: under `wait` */
	struct pipeline_item item[WAITING_MAX];
	unsigned head, length;
	bool busy, ending;
};

struct pipeline *pipeline_new(const char *name, const struct pattern *match, uint64_t publishers,
			      void *owner, void (*release)(void *owner))
{
	struct pipeline *p = g_new0(struct pipeline, 1);

	atomic_init(&p->refs, 1);
	p->name = g_strdup(name);
	p->match = match;
	p->publishers = publishers;
	p->owner = owner;
	p->release = release;
	p->cache = g_hash_table_new(NULL, NULL);
	p->counters = g_new0(struct counters, 1);
	atomic_init(&p->counters->refs, 1);
	return p;
}

static void counters_unref(struct counters *counters)
{
	if (atomic_fetch_sub(&counters->refs, 1) == 1) {
		g_free(counters);
	}
}

void pipeline_continue(struct pipeline *pipeline, const struct pipeline *before)
{
	counters_unref(pipeline->counters);
	pipeline->counters = before->counters;
	atomic_fetch_add(&pipeline->counters->refs, 1);
}

struct pipeline *pipeline_ref(struct pipeline *pipeline)
{
	atomic_fetch_add(&pipeline->refs, 1);
	return pipeline;
}

void pipeline_unref(struct pipeline *pipeline)
{
	if (!pipeline || atomic_fetch_sub(&pipeline->refs, 1) != 1) {
		return;
	}
	g_hash_table_destroy(pipeline->cache);
	counters_unref(pipeline->counters);
	pipeline->release(pipeline->owner);
	g_free(pipeline->name);
	g_free(pipeline);
}

const char *pipeline_name(const struct pipeline *pipeline)
{
	return pipeline->name;
}

void pipeline_ledger(struct pipeline *pipeline, struct pipeline_ledger *ret_ledger)
{
	uint64_t out = atomic_load(&pipeline->counters->out);
	uint64_t filtered = atomic_load(&pipeline->counters->filtered);

	/* `in` is counted as the sum, so that the equation holds at any moment it is looked at. */
	*ret_ledger =
		(struct pipeline_ledger){ .in = out + filtered, .out = out, .filtered = filtered };
}

struct pipeline_set *pipeline_set_new(struct pipeline *const *pipelines, size_t count)
{
	struct pipeline_set *set = g_malloc0(sizeof(*set) + count * sizeof(set->pipeline[0]));

	atomic_init(&set->refs, 1);
	set->count = count;
	for (size_t i = 0; i < count; i++) {
		set->pipeline[i] = pipelines[i];
	}
	return set;
}

struct pipeline_set *pipeline_set_ref(struct pipeline_set *set)
{
	atomic_fetch_add(&set->refs, 1);
	return set;
}

void pipeline_set_unref(struct pipeline_set *set)
{
	if (!set || atomic_fetch_sub(&set->refs, 1) != 1) {
		return;
	}
	for (size_t i = 0; i < set->count; i++) {
		pipeline_unref(set->pipeline[i]);
	}
	g_free(set);
}

bool pipeline_set_takes(const struct pipeline_set *set, const char *meter)
{
	for (size_t i = 0; i < set->count; i++) {
		if (pattern_match(set->pipeline[i]->match, meter)) {
			return true;
		}
	}
	return false;
}

/* Names of batches are interned, so the pointer is the key. */
static bool takes(struct pipeline *p, const char *name)
{
	uintptr_t known = (uintptr_t)g_hash_table_lookup(p->cache, name);

	if (known == 0) {
		if (g_hash_table_size(p->cache) >= CACHE_MAX) {
			g_hash_table_remove_all(p->cache);
		}
		known = pattern_match(p->match, name) ? 1 : 2;
		g_hash_table_insert(p->cache, (void *)(uintptr_t)name, (void *)known);
	}
	return known == 1;
}

void pipeline_route(struct pipeline_set *set, struct frame *frame)
{
	struct vmt_batch *batch = frame->batch;
	size_t count = frame->public.count;

	for (size_t b = 0; b < count; b++) {
		batch[b].publishers = 0;
		for (size_t i = 0; i < set->count; i++) {
			struct pipeline *p = set->pipeline[i];

			if (takes(p, batch[b].name)) {
				batch[b].publishers |= p->publishers;
				atomic_fetch_add(&p->counters->out, batch[b].count);
			} else {
				atomic_fetch_add(&p->counters->filtered, batch[b].count);
			}
		}
	}
}

/* The next item, or false when the thread is to end. */
static bool take(struct pipeline_runner *r, struct pipeline_item *ret_item)
{
	bool got = false;

	wait_lock(&r->wait);
	r->busy = false;
	while (r->length == 0 && !r->ending) {
		wait_until(&r->wait, INT64_MAX);
	}
	if (r->length > 0) {
		*ret_item = r->item[r->head];
		r->head = (r->head + 1) % WAITING_MAX;
		r->length--;
		r->busy = got = true;
	}
	wait_unlock(&r->wait);
	return got;
}

static void *runner_main(void *arg)
{
	struct pipeline_runner *r = arg;
	struct pipeline_item item;

	while (take(r, &item)) {
		pipeline_route(item.set, item.frame);
		pipeline_set_unref(item.set);
		spool_append(r->spool, item.frame);
	}
	return NULL;
}

struct pipeline_runner *pipeline_runner_new(struct spool *spool)
{
	struct pipeline_runner *r = g_new0(struct pipeline_runner, 1);

	r->spool = spool;
	wait_init(&r->wait);
	if (thread_start(&r->thread, "pipeline", runner_main, r) < 0) {
		wait_fini(&r->wait);
		g_free(r);
		return NULL;
	}
	return r;
}

int pipeline_runner_submit(struct pipeline_runner *runner, struct frame *frame,
			   struct pipeline_set *set)
{
	int ret = -EAGAIN;

	wait_lock(&runner->wait);
	if (runner->length < WAITING_MAX) {
		runner->item[(runner->head + runner->length++) % WAITING_MAX] =
			(struct pipeline_item){ .frame = frame, .set = pipeline_set_ref(set) };
		ret = 0;
	}
	wait_unlock(&runner->wait);
	if (ret == 0) {
		wait_wake(&runner->wait);
	}
	return ret;
}

bool pipeline_runner_idle(struct pipeline_runner *runner)
{
	bool idle;

	wait_lock(&runner->wait);
	idle = runner->length == 0 && !runner->busy;
	wait_unlock(&runner->wait);
	return idle;
}

void pipeline_runner_free(struct pipeline_runner *runner)
{
	if (!runner) {
		return;
	}
	wait_lock(&runner->wait);
	runner->ending = true;
	wait_unlock(&runner->wait);
	wait_wake(&runner->wait);
	thread_join(runner->thread);
	wait_fini(&runner->wait);
	g_free(runner);
}

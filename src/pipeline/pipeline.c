/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routing of frames.  Whoever has the runner's turn routes: the pipeline thread, or a thread that hands in a frame while
 * there is nothing else to do.  The turn guards each pipeline's cache of matched names and the sinks; the counters are
 * read by others and are atomic.
 */
#include "pipeline/pipeline.h"

#include <assert.h>
#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define LOG_NAME "pipeline"
#include "base/log.h"
#include "base/thread.h"
#include "base/wait.h"
#include "model/batch.h"
#include "pipeline/route.h"
#include "pipeline/sink.h"
#include "spool/ledger_file.h"
#include "spool/spool.h"

#define WAITING_MAX 256 /* frames between the polling tasks and the log */
#define CACHE_MAX 4096 /* names remembered per pipeline */

/* Places in the durable log's file, too: a change is another LEDGER_VERSION. */
enum { OUT, FILTERED, CONSUMED, MADE, KEPT, FREED, LOST, COUNTERS };
static_assert((int)COUNTERS <= (int)LEDGER_COUNTERS, "a slot has room for them");

/* Of all pipelines of one name, one after the other.  They only grow: what transformers hold now is KEPT - FREED - LOST. */
struct counters {
	atomic_uint refs;
	char *name;
	atomic_uint_fast64_t *at; /* `own`, or the durable log's */
	atomic_uint_fast64_t own[COUNTERS];
};

struct pipeline {
	atomic_uint refs;
	char *name;
	const struct pattern *match;
	uint64_t publishers;
	void *owner; /* of `match` */
	void (*release)(void *owner);
	struct sink *sink; /* its transformers; NULL: none */
	GHashTable *cache; /* name → 1: taken, 2: not */
	struct counters *counters;
};

struct pipeline_set {
	atomic_uint refs;
	size_t count;
	struct pipeline *pipeline[];
};

struct pipeline_item {
	struct frame *frame; /* NULL: instances to forget */
	struct pipeline_set *set;
	uint64_t *instances;
	size_t count;
};

struct pipeline_runner {
	struct spool *spool;
	struct frame_builder builder; /* of whoever has the turn */
	pthread_t thread;
	struct wait wait;
	/* below: under `wait` */
	struct pipeline_item item[WAITING_MAX];
	unsigned head, length;
	bool busy; /* somebody has the turn */
	bool ending;
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
	p->cache = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	p->counters = g_new0(struct counters, 1);
	atomic_init(&p->counters->refs, 1);
	p->counters->name = g_strdup(name);
	p->counters->at = p->counters->own;
	return p;
}

static void counters_unref(struct counters *counters)
{
	if (atomic_fetch_sub(&counters->refs, 1) == 1) {
		g_free(counters->name);
		g_free(counters);
	}
}

static void add(const struct counters *c, unsigned counter, uint64_t samples)
{
	atomic_fetch_add(&c->at[counter], samples);
}

/* In this order, as others count meanwhile: never below 0. */
static uint64_t held(const struct counters *c)
{
	uint64_t gone = atomic_load(&c->at[LOST]) + atomic_load(&c->at[FREED]);
	uint64_t kept = atomic_load(&c->at[KEPT]);

	return kept - MIN(gone, kept);
}

static void tell_lost(const struct counters *c, uint64_t samples, const char *with)
{
	log_warn("pipeline %s: %" G_GUINT64_FORMAT
		 " samples that transformers held are lost with %s",
		 c->name, samples, with);
}

void pipeline_keep(struct pipeline *pipeline, struct spool *spool, unsigned n)
{
	char *name = n ? g_strdup_printf("pipeline %s#%u", pipeline->name, n)
		       : g_strdup_printf("pipeline %s", pipeline->name);
	struct counters *c = pipeline->counters;
	bool left = false;
	atomic_uint_fast64_t *at = spool_counters(spool, name, &left);
	uint64_t samples;

	g_free(name);
	c->at = at ? at : c->own;
	samples = left ? held(c) : 0;
	if (samples > 0) {
		add(c, LOST, samples);
		tell_lost(c, samples, "the process before this one");
	}
}

void pipeline_continue(struct pipeline *pipeline, const struct pipeline *before)
{
	counters_unref(pipeline->counters);
	pipeline->counters = before->counters;
	atomic_fetch_add(&pipeline->counters->refs, 1);
}

void pipeline_set_sink(struct pipeline *pipeline, struct sink *sink)
{
	pipeline->sink = sink ? sink_ref(sink) : NULL;
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
	sink_unref(pipeline->sink);
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
	const struct counters *c = pipeline->counters;
	/* In the order against that of counting, so that `in`, which is the sum, never falls below 0. */
	uint64_t made = atomic_load(&c->at[MADE]), consumed = atomic_load(&c->at[CONSUMED]);
	uint64_t out = atomic_load(&c->at[OUT]), filtered = atomic_load(&c->at[FILTERED]);

	*ret_ledger = (struct pipeline_ledger){ .in = out + filtered + consumed - made,
						.out = out,
						.filtered = filtered,
						.consumed = consumed,
						.made = made,
						.held = held(c),
						.lost = atomic_load(&c->at[LOST]) };
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

/* Names that hold a flavor's name live with their frame only, so the text is the key. */
static bool takes(struct pipeline *p, const char *name)
{
	uintptr_t known = (uintptr_t)g_hash_table_lookup(p->cache, name);

	if (known == 0) {
		if (g_hash_table_size(p->cache) >= CACHE_MAX) {
			g_hash_table_remove_all(p->cache);
		}
		known = pattern_match(p->match, name) ? 1 : 2;
		g_hash_table_insert(p->cache, g_strdup(name), (void *)known);
	}
	return known == 1;
}

/* ---- a frame's way through the transformers */

struct route {
	struct pipeline_set *set;
	struct frame_builder *builder; /* its frame is begun with the first batch */
	const struct frame *frame;
	struct pipeline *pipeline; /* whose sink is at work */
};

static void take_made(void *context, const struct vmt_batch *batch)
{
	struct route *r = context;

	if (!r->builder->frame) {
		frame_begin(r->builder, (enum vmt_profile)r->frame->public.profile, batch->time_ns,
			    INT64_MIN);
	}
	batch_copy(r->builder, batch, r->pipeline->publishers);
}

/* `out` before `consumed` before `made`: see pipeline_ledger(). */
static void count(struct pipeline *p, const struct sink_counts *c)
{
	add(p->counters, OUT, c->out);
	add(p->counters, CONSUMED, c->consumed);
	add(p->counters, MADE, c->made);
}

/* Through the transformers; once, however many sources of the set lead there. */
static void transform(struct route *r, struct pipeline *p, const struct vmt_batch *batch,
		      uint64_t mark)
{
	struct sink_counts counts = { 0 };

	if (*sink_mark(p->sink) == mark) {
		add(p->counters, FILTERED, batch->count);
		return;
	}
	*sink_mark(p->sink) = mark;
	r->pipeline = p;
	sink_take(p->sink, batch, take_made, r, &counts);
	count(p, &counts);
}

/* Whether the pipeline is the first of the set with that sink. */
static bool leads(const struct pipeline_set *set, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (set->pipeline[k]->sink == set->pipeline[i]->sink) {
			return false;
		}
	}
	return set->pipeline[i]->sink != NULL;
}

/* ---- what transformers hold */

/* The sink's transformers are gone. */
static void state_gone(void *context, uint64_t samples)
{
	struct counters *c = context;

	add(c, LOST, samples);
	if (samples > 0 && c->at != c->own) { /* not of a dry run */
		tell_lost(c, samples, "their state");
	}
	counters_unref(c);
}

/* From now on the sink's are counted at this pipeline. */
static void count_here(struct pipeline *p, struct sink_note *note)
{
	struct counters *before = note->context;

	if (before == p->counters) {
		return;
	}
	atomic_fetch_add(&p->counters->refs, 1);
	add(p->counters, KEPT, note->held);
	note->context = p->counters;
	note->ended = state_gone;
	if (before) {
		add(before, FREED, note->held);
		counters_unref(before);
	}
}

/* Samples that came to be held are counted before those that brought them are settled, and those that are not any more
 * once (`settled`) what was made of them is in the log: a process that is killed in between counts some too many. */
static void count_held(struct pipeline *p, bool settled)
{
	struct sink_note *note = sink_note(p->sink);
	uint64_t now = sink_held(p->sink);

	count_here(p, note);
	if (now > note->held) {
		add(p->counters, KEPT, now - note->held);
		note->held = now;
	} else if (settled && now < note->held) {
		add(p->counters, FREED, note->held - now);
		note->held = now;
	}
}

static void flush(struct route *r, bool end)
{
	for (size_t i = 0; i < r->set->count; i++) {
		struct pipeline *p = r->set->pipeline[i];
		struct sink_counts counts = { 0 };

		if (!leads(r->set, i)) {
			continue;
		}
		r->pipeline = p;
		sink_flush(p->sink, take_made, r, &counts);
		count(p, &counts);
		if (end) {
			count_held(p, false);
			sink_end(p->sink);
		}
	}
}

/* Whether both come of one pollster, which makes a meter, or one per flavor ("instance:m1.tiny"). */
static bool same_pollster(const char *a, const char *b)
{
	size_t n = strcspn(a, ":");

	return a[n] == ':' && strncmp(a, b, n + 1) == 0;
}

struct frame *pipeline_route(struct pipeline_set *set, struct frame *frame,
			     struct frame_builder *builder)
{
	static atomic_uint_fast64_t marks; /* different for each batch */
	struct route r = { .set = set, .builder = builder, .frame = frame };
	struct vmt_batch *batch = frame->batch;
	size_t count = frame->public.count;

	for (size_t b = 0; b < count; b++) {
		uint64_t mark = atomic_fetch_add(&marks, 1) + 1;

		batch[b].publishers = 0;
		for (size_t i = 0; i < set->count; i++) {
			struct pipeline *p = set->pipeline[i];

			if (!takes(p, batch[b].name)) {
				add(p->counters, FILTERED, batch[b].count);
			} else if (p->sink) {
				transform(&r, p, &batch[b], mark);
			} else {
				batch[b].publishers |= p->publishers;
				add(p->counters, OUT, batch[b].count);
			}
		}
		/* 2014.2 flushed after each pollster */
		if (frame->public.profile == VMT_PROFILE_JUNO && b + 1 < count &&
		    !same_pollster(batch[b].name, batch[b + 1].name)) {
			flush(&r, false);
		}
	}
	flush(&r, true);
	return builder->frame ? frame_finish(builder) : NULL;
}

void pipeline_settle(struct pipeline_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		if (leads(set, i)) {
			count_held(set->pipeline[i], true);
		}
	}
}

static void forget(struct pipeline_set *set, const uint64_t *instances, size_t count)
{
	for (size_t i = 0; i < set->count; i++) {
		if (leads(set, i)) {
			sink_forget(set->pipeline[i]->sink, instances, count);
		}
	}
}

/* The next item, and the turn for it; false when the thread is to end. */
static bool take(struct pipeline_runner *r, struct pipeline_item *ret_item)
{
	bool got = false;

	wait_lock(&r->wait);
	while (r->busy || (r->length == 0 && !r->ending)) {
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

static void end_turn(struct pipeline_runner *r)
{
	bool more;

	wait_lock(&r->wait);
	r->busy = false;
	more = r->length > 0 || r->ending;
	wait_unlock(&r->wait);
	if (more) {
		wait_wake(&r->wait);
	}
}

/* With the turn. */
static void run(struct pipeline_runner *r, const struct pipeline_item *item)
{
	struct frame *made = NULL;

	if (item->frame) {
		made = pipeline_route(item->set, item->frame, &r->builder);
		spool_append(r->spool, item->frame);
	} else {
		forget(item->set, item->instances, item->count);
		g_free(item->instances);
	}
	if (made) {
		spool_append(r->spool, made);
	}
	pipeline_settle(item->set);
	pipeline_set_unref(item->set);
}

static void *runner_main(void *arg)
{
	struct pipeline_runner *r = arg;
	struct pipeline_item item;

	while (take(r, &item)) {
		run(r, &item);
		end_turn(r);
	}
	return NULL;
}

struct pipeline_runner *pipeline_runner_new(struct spool *spool, struct frame_pool *pool)
{
	struct pipeline_runner *r = g_new0(struct pipeline_runner, 1);

	r->spool = spool;
	frame_builder_init(&r->builder, pool);
	wait_init(&r->wait);
	if (thread_start(&r->thread, "pipeline", runner_main, r) < 0) {
		wait_fini(&r->wait);
		g_free(r);
		return NULL;
	}
	return r;
}

/* Whether the set has no transformers. */
static bool is_plain(const struct pipeline_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		if (set->pipeline[i]->sink) {
			return false;
		}
	}
	return true;
}

/* `at_once`: it takes moments, so that the caller does it, rather than wake the thread for it, if it is its turn. */
static int submit(struct pipeline_runner *runner, const struct pipeline_item *item, bool at_once)
{
	bool mine = false;
	int ret = -EAGAIN;

	wait_lock(&runner->wait);
	if (at_once && runner->length == 0 && !runner->busy) {
		pipeline_set_ref(item->set);
		runner->busy = mine = true;
		ret = 0;
	} else if (runner->length < WAITING_MAX) {
		pipeline_set_ref(item->set);
		runner->item[(runner->head + runner->length++) % WAITING_MAX] = *item;
		ret = 0;
	}
	wait_unlock(&runner->wait);
	if (mine) {
		run(runner, item);
		end_turn(runner);
	} else if (ret == 0) {
		wait_wake(&runner->wait);
	}
	return ret;
}

int pipeline_runner_submit(struct pipeline_runner *runner, struct frame *frame,
			   struct pipeline_set *set)
{
	/* A durable log's disk may be slow. */
	bool at_once = is_plain(set) && !spool_is_durable(runner->spool);

	return submit(runner, &(struct pipeline_item){ .frame = frame, .set = set }, at_once);
}

void pipeline_runner_forget(struct pipeline_runner *runner, struct pipeline_set *set,
			    const uint64_t *instances, size_t count)
{
	struct pipeline_item item = { .set = set, .count = count };

	if (is_plain(set)) {
		return;
	}
	item.instances = g_memdup2(instances, count * sizeof(*instances));
	if (submit(runner, &item, false) < 0) {
		g_free(item.instances);
	}
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
	frame_builder_fini(&runner->builder);
	wait_fini(&runner->wait);
	g_free(runner);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One publisher's thread.  It may block on the log, until there is a frame, and inside the publisher,
 * until the attempt's deadline.  The struct wait guards what others look at or change: state, error,
 * the time of leaving.
 */
#include "pipeline/outlet.h"

#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <string.h>

#define LOG_NAME "publisher"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/wait.h"
#include "model/delivery.h"
#include "model/frame.h"

static const struct backoff_limits limits = { NS_PER_S, 60 * NS_PER_S };

struct outlet {
	char *url; /* for the main thread */
	struct spool *spool;
	unsigned cursor;
	uint64_t bit;
	pthread_t thread;
	/* the thread's own */
	struct outlet_parts parts; /* its URL is owned */
	struct vmt_delivery delivery;
	int64_t failures; /* of the frame in hand */
	uint64_t overflow; /* samples dropped over the bound that were told */
	/* any thread's */
	atomic_bool cancel;
	struct wait wait;
	/* below: under `wait` */
	enum outlet_state state;
	char last_error[sizeof(((struct vmt_error *)0)->text)];
	uint64_t repeats, conflicts;
	int64_t leave_ns; /* INT64_MAX: not leaving */
	enum spool_reason abort_reason;
	bool done;
	struct outlet_parts next; /* while wanted > used; its URL is owned */
	uint64_t wanted, used; /* generation of the parts */
};

static void note(struct outlet *o, enum outlet_state state, const char *error)
{
	wait_lock(&o->wait);
	o->state = state;
	if (error) {
		g_strlcpy(o->last_error, error, sizeof(o->last_error));
	}
	wait_unlock(&o->wait);
}

static int64_t leave_time(struct outlet *o)
{
	int64_t t;

	wait_lock(&o->wait);
	t = o->leave_ns;
	wait_unlock(&o->wait);
	return t;
}

/* Waits `pause_ns`, or until leaving (where nothing can be lost, not even for the time that is left), or
 * until there is another publisher. */
static void rest(struct outlet *o, int64_t pause_ns)
{
	int64_t until = clock_monotonic() + pause_ns;
	bool durable = spool_is_durable(o->spool);

	wait_lock(&o->wait);
	while (clock_monotonic() < MIN(until, o->leave_ns) && o->wanted == o->used &&
	       !(durable && o->leave_ns != INT64_MAX)) {
		wait_until(&o->wait, MIN(until, o->leave_ns));
	}
	wait_unlock(&o->wait);
}

/* The publisher to use from now on; true when it is another one than before. */
static bool take_over(struct outlet *o)
{
	const char *old = NULL;
	bool other;

	wait_lock(&o->wait);
	other = o->wanted > o->used;
	if (other) {
		old = o->parts.url;
		o->parts = o->next;
		o->used = o->wanted;
		o->failures = 0;
	}
	wait_unlock(&o->wait);
	g_free((char *)(uintptr_t)old);
	return other;
}

static bool is_replaced(struct outlet *o)
{
	bool replaced;

	wait_lock(&o->wait);
	replaced = o->wanted > o->used;
	wait_unlock(&o->wait);
	return replaced;
}

/* Longer by a fifth at most, differently for each outlet and attempt. */
static int64_t jitter(const struct outlet *o, int64_t backoff_ns)
{
	int64_t now = clock_monotonic();

	return backoff_spread(backoff_ns, 0, backoff_ns / 5,
			      hash64(&now, sizeof(now), (uint64_t)(uintptr_t)o));
}

/* Tells the log what became of the frame; what is neither confirmed nor refused is dropped for
 * `reason`, or, with -1, confirmed. */
static void settle(struct outlet *o, int reason)
{
	struct vmt_delivery *d = &o->delivery;
	struct spool_result result = { .confirmed = d->confirmed, .refused = d->refused };
	uint64_t rest = d->total - d->confirmed - d->refused;

	if (reason < 0) {
		result.confirmed += rest;
	} else {
		result.dropped = rest;
		result.reason = (enum spool_reason)reason;
	}
	for (size_t i = 0; i < d->letters; i++) {
		const struct delivery_letter *l = &d->letter[i];

		spool_dead_letter(o->spool, o->cursor, d->row + l->first_row, l->rows, l->reason,
				  l->len ? d->bytes.data + l->at : NULL, l->len);
	}
	spool_settle_frame(o->spool, o->cursor, &result);
	delivery_end(d);
	o->failures = 0;
}

/* Whether the policy gives the frame up after another failure, and for what reason it is dropped. */
static bool gives_up(struct outlet *o, enum spool_reason *ret_reason)
{
	const struct policy *p = &o->parts.policy;

	o->failures++;
	if (p->kind == POLICY_DROP) {
		*ret_reason = SPOOL_FAILED;
		return true;
	}
	*ret_reason = SPOOL_RETRIES;
	return p->kind == POLICY_DEFAULT && !spool_is_durable(o->spool) &&
	       o->failures >= p->max_retry;
}

/* Refused rows are an error that stays: one line for all of them. */
static void tell_refused(struct outlet *o, uint64_t before)
{
	const struct vmt_delivery *d = &o->delivery;
	char text[sizeof(o->last_error)];

	if (d->refused == before) {
		return;
	}
	g_snprintf(text, sizeof(text), "%s: %" G_GUINT64_FORMAT " samples refused: %s",
		   o->parts.url, d->refused - before, d->letter[d->letters - 1].reason);
	log_error("%s; they are dropped", text);
	note(o, OUTLET_OK, text);
}

static uint64_t unsettled(const struct outlet *o)
{
	return o->delivery.total - o->delivery.confirmed - o->delivery.refused;
}

/* In Ceilometer's words, which monitoring looks for: the frame waits, and may have pushed out others. */
static void tell_failed(struct outlet *o, int64_t backoff_ns)
{
	struct spool_ledger ledger;
	char what[80] = "";

	if (o->failures == 1) {
		g_snprintf(what, sizeof(what),
			   "Failed to publish %" G_GUINT64_FORMAT " samples, queue them: ",
			   unsettled(o));
	}
	log_warn("%s%s; retrying in %" G_GINT64_FORMAT " s", what, o->last_error,
		 backoff_ns / NS_PER_S);
	spool_ledger(o->spool, o->cursor, &ledger);
	if (ledger.dropped[SPOOL_OVERFLOW] > o->overflow) {
		log_warn("Publisher max local_queue length is exceeded, dropping %" G_GUINT64_FORMAT
			 " oldest samples",
			 ledger.dropped[SPOOL_OVERFLOW] - o->overflow);
	}
	o->overflow = ledger.dropped[SPOOL_OVERFLOW];
}

static void count_absorbed(struct outlet *o, const struct frame *frame)
{
	const struct vmt_delivery *d = &o->delivery;

	if (d->repeats || d->conflicts) {
		frame_absorb(frame_of(&frame->public), d->repeats, d->conflicts);
		wait_lock(&o->wait);
		o->repeats += d->repeats;
		o->conflicts += d->conflicts;
		wait_unlock(&o->wait);
	}
}

/* One attempt.  0: settled, else the errno to retry for. */
static int attempt(struct outlet *o, const struct frame *frame)
{
	struct vmt_call call = { .deadline_ns = MIN(clock_monotonic() + o->parts.timeout_ns,
						    leave_time(o)),
				 .cancel = &o->cancel,
				 .delivery = &o->delivery };
	struct vmt_error error = { .text = "" };
	enum spool_reason reason;
	uint64_t refused;
	int ret;

	delivery_begin(&o->delivery, &frame->public, o->bit);
	refused = o->delivery.refused;
	ret = o->parts.ops->publish(o->parts.self, &frame->public, o->bit, &call, &error);
	if (ret < 0 && error.text[0] == '\0') {
		vmt_error_set(&error, ret, "%s: %s", o->parts.url, g_strerror(-ret));
	}
	if (ret >= 0) {
		note(o, OUTLET_OK, NULL);
		tell_refused(o, refused);
		count_absorbed(o, frame);
		settle(o, -1);
		return 0;
	}
	if (is_replaced(o)) { /* the other publisher's try comes first */
		note(o, OUTLET_RETRYING, error.text);
		return ret;
	}
	if (ret == -EBADMSG) {
		log_error("%s; these samples are dropped", error.text);
		note(o, OUTLET_OK, error.text);
		delivery_refuse_rest(&o->delivery, error.text);
		settle(o, SPOOL_REFUSED);
		return 0;
	}
	tell_refused(o, refused);
	note(o, OUTLET_RETRYING, error.text);
	/* a call cut short by leaving is none of the far side's failures */
	if (clock_monotonic() < leave_time(o) && gives_up(o, &reason)) {
		log_error("Failed to publish %" G_GUINT64_FORMAT " samples, dropping them: %s",
			  unsettled(o), error.text);
		settle(o, (int)reason);
		return 0;
	}
	return ret;
}

/* What is left when the thread ends stays in a durable log; else it is dropped, and rows that arrived are
 * confirmed all the same. */
static void settle_all(struct outlet *o)
{
	if (o->delivery.frame && !spool_is_durable(o->spool)) {
		settle(o, (int)o->abort_reason);
	}
	spool_cursor_settle(o->spool, o->cursor, o->abort_reason);
}

/* A backlog is not poured out at once over a far side that has just come back. */
static void pace(struct outlet *o, uint64_t rows, int64_t began_ns)
{
	double due_ns;

	if (o->parts.backlog_rate <= 0 || !spool_backlog(o->spool, o->cursor)) {
		return;
	}
	due_ns = (double)rows / o->parts.backlog_rate * (double)NS_PER_S;
	rest(o, MAX(began_ns + (int64_t)due_ns - clock_monotonic(), 0));
}

/* Whether nothing more is to be tried: time is up, or what is queued is safe and the far side away. */
static bool is_over(struct outlet *o, bool failed)
{
	int64_t leave = leave_time(o);

	return clock_monotonic() >= leave ||
	       (failed && leave != INT64_MAX && spool_is_durable(o->spool));
}

static void *outlet_run(void *arg)
{
	struct outlet *o = arg;
	int64_t backoff_ns = 0;
	const struct frame *frame;
	bool over = false;

	while (!over && !atomic_load(&o->cancel) &&
	       (frame = spool_next(o->spool, o->cursor, INT64_MAX))) {
		uint64_t rows = frame_rows_for(&frame->public, o->bit);
		int64_t began_ns = clock_monotonic();
		bool failed;

		if (take_over(o)) {
			backoff_ns = 0;
		}
		failed = attempt(o, frame) < 0;
		over = is_over(o, failed);
		if (!failed) {
			backoff_ns = 0;
			pace(o, rows, began_ns);
		} else if (!over && !is_replaced(o)) {
			backoff_ns = MAX(backoff_next(backoff_ns, &limits), o->delivery.pause_ns);
			tell_failed(o, backoff_ns);
			rest(o, jitter(o, backoff_ns));
			over = is_over(o, true);
		}
	}
	settle_all(o);
	wait_lock(&o->wait);
	o->done = true;
	wait_unlock(&o->wait);
	return NULL;
}

static struct outlet *outlet_alloc(const char *url)
{
	struct outlet *o = g_new0(struct outlet, 1);

	o->url = g_strdup(url);
	o->leave_ns = INT64_MAX;
	o->abort_reason = SPOOL_SHUTDOWN;
	delivery_init(&o->delivery);
	wait_init(&o->wait);
	return o;
}

/* What the log has to know of a publisher. */
static struct spool_publisher publisher_of(const struct outlet_parts *parts)
{
	struct spool_publisher publisher = {
		.name = parts->name,
		.url = parts->url,
		.max_messages = (uint64_t)parts->policy.max_queue_length,
		.shape = { .mixed = true },
	};

	if (parts->ops->shape) {
		parts->ops->shape(parts->self, &publisher.shape);
	}
	return publisher;
}

int outlet_new(struct spool *spool, const struct outlet_parts *parts, struct outlet **ret_outlet)
{
	struct outlet *o;
	const struct spool_publisher publisher = publisher_of(parts);
	int cursor = spool_cursor_add(spool, &publisher), ret;

	if (cursor < 0) {
		return cursor;
	}
	o = outlet_alloc(parts->url);
	o->spool = spool;
	o->parts = *parts;
	o->parts.url = g_strdup(parts->url);
	o->cursor = (unsigned)cursor;
	o->bit = UINT64_C(1) << cursor;
	ret = thread_start(&o->thread, "publish", outlet_run, o);
	if (ret < 0) {
		o->bit = 0;
		spool_cursor_finish(spool, o->cursor);
		spool_cursor_remove(spool, o->cursor);
		outlet_free(o);
		return ret;
	}
	*ret_outlet = o;
	return 0;
}

struct outlet *outlet_new_failed(const char *url, const char *reason)
{
	struct outlet *o = outlet_alloc(url);

	o->state = OUTLET_FAILED;
	o->done = true;
	g_strlcpy(o->last_error, reason, sizeof(o->last_error));
	return o;
}

uint64_t outlet_replace(struct outlet *o, const struct outlet_parts *parts)
{
	const struct spool_publisher publisher = publisher_of(parts);
	const char *unused = NULL;
	uint64_t generation;

	spool_cursor_change(o->spool, o->cursor, &publisher);
	g_free(o->url);
	o->url = g_strdup(parts->url);
	wait_lock(&o->wait);
	if (o->wanted > o->used) {
		unused = o->next.url;
	}
	o->next = *parts;
	o->next.url = g_strdup(parts->url);
	generation = ++o->wanted;
	wait_unlock(&o->wait);
	wait_wake(&o->wait);
	g_free((char *)(uintptr_t)unused);
	return generation;
}

uint64_t outlet_generation(struct outlet *outlet)
{
	uint64_t used;

	wait_lock(&outlet->wait);
	used = outlet->used;
	wait_unlock(&outlet->wait);
	return used;
}

const char *outlet_url(const struct outlet *outlet)
{
	return outlet->url;
}

uint64_t outlet_bit(const struct outlet *outlet)
{
	return outlet->bit;
}

void outlet_status(struct outlet *outlet, struct outlet_status *ret_status)
{
	*ret_status = (struct outlet_status){ .state = OUTLET_OK };
	wait_lock(&outlet->wait);
	ret_status->state = outlet->state;
	g_strlcpy(ret_status->last_error, outlet->last_error, sizeof(ret_status->last_error));
	ret_status->repeats = outlet->repeats;
	ret_status->conflicts = outlet->conflicts;
	wait_unlock(&outlet->wait);
	if (outlet->bit) {
		spool_ledger(outlet->spool, outlet->cursor, &ret_status->ledger);
	}
}

void outlet_leave(struct outlet *outlet, int64_t deadline_ns)
{
	wait_lock(&outlet->wait);
	outlet->leave_ns = deadline_ns;
	wait_unlock(&outlet->wait);
	wait_wake(&outlet->wait);
	if (outlet->bit) {
		spool_cursor_finish(outlet->spool, outlet->cursor);
	}
}

bool outlet_done(struct outlet *outlet)
{
	bool done;

	wait_lock(&outlet->wait);
	done = outlet->done;
	wait_unlock(&outlet->wait);
	return done;
}

void outlet_abort(struct outlet *outlet, enum spool_reason reason)
{
	wait_lock(&outlet->wait);
	outlet->abort_reason = reason;
	wait_unlock(&outlet->wait);
	atomic_store(&outlet->cancel, true);
	outlet_leave(outlet, INT64_MIN);
}

void outlet_free(struct outlet *outlet)
{
	if (!outlet) {
		return;
	}
	if (outlet->bit) {
		thread_join(outlet->thread);
		spool_cursor_remove(outlet->spool, outlet->cursor);
	}
	delivery_fini(&outlet->delivery);
	wait_fini(&outlet->wait);
	g_free((char *)(uintptr_t)outlet->parts.url);
	if (outlet->wanted > outlet->used) {
		g_free((char *)(uintptr_t)outlet->next.url);
	}
	g_free(outlet->url);
	g_free(outlet);
}

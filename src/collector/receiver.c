/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One receiver's thread.  It blocks inside the receiver, until the deadline of the call, and in the pause after a
 * failure.  The struct wait guards what others look at.
 */
#include "collector/receiver.h"

#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <string.h>

#define LOG_NAME "collector"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/wait.h"
#include "model/json_text.h"

#define CALL_NS NS_PER_S /* of one call */

static const struct backoff_limits limits = { NS_PER_S, 60 * NS_PER_S };

struct receiver {
	char *url;
	const struct vmt_receiver_ops *ops;
	void *self;
	struct intake *intake;
	pthread_t thread;
	bool started;
	atomic_bool cancel, leaving;
	struct wait wait;
	/* below: under `wait` */
	bool failing, quiet, done;
	char last_error[sizeof(((struct vmt_error *)0)->text)];
};

static void note(struct receiver *r, const struct vmt_error *error)
{
	wait_lock(&r->wait);
	r->failing = error != NULL;
	if (error) {
		g_strlcpy(r->last_error, error->text, sizeof(r->last_error));
	}
	wait_unlock(&r->wait);
}

/* Waits, or until it is to leave. */
static void rest(struct receiver *r, int64_t pause_ns)
{
	int64_t until = clock_monotonic() + pause_ns;

	wait_lock(&r->wait);
	while (!atomic_load(&r->leaving) && !atomic_load(&r->cancel) &&
	       wait_until(&r->wait, until) == 0) {
	}
	wait_unlock(&r->wait);
}

/* One call.  Answers how long to pause after it. */
static int64_t receive(struct receiver *r, int64_t backoff_ns)
{
	struct vmt_call call = { .deadline_ns = clock_monotonic() + CALL_NS, .cancel = &r->cancel };
	struct vmt_error error = { .text = "" };
	int ret = r->ops->receive(r->self, intake_public(r->intake), &call, &error);

	vmt_intake_flush(intake_public(r->intake));
	if (ret >= 0) {
		note(r, NULL);
		return 0;
	}
	if (!error.text[0]) {
		vmt_error_set(&error, ret, "%s: %s", r->url, g_strerror(-ret));
	}
	note(r, &error);
	if (atomic_load(&r->cancel) || atomic_load(&r->leaving)) {
		return limits.first_ns;
	}
	backoff_ns = backoff_next(backoff_ns, &limits);
	log_warn("%s; trying again in %" G_GINT64_FORMAT " s", error.text, backoff_ns / NS_PER_S);
	return backoff_ns;
}

/* Leaving, and all it took is settled; a receiver that does not work has nobody to settle with. */
static bool is_over(struct receiver *r, bool leaving, bool failed)
{
	if (leaving) {
		wait_lock(&r->wait);
		r->quiet = true;
		wait_unlock(&r->wait);
	}
	return atomic_load(&r->cancel) || (leaving && (failed || intake_idle(r->intake)));
}

static void *receiver_run(void *arg)
{
	struct receiver *r = arg;
	int64_t backoff_ns = 0;
	bool over = false;

	while (!over) {
		bool leaving =
			atomic_load(&r->leaving); /* this call is the first after it, or later */

		backoff_ns = receive(r, backoff_ns);
		over = is_over(r, leaving, backoff_ns > 0);
		if (backoff_ns > 0 && !over) {
			rest(r, backoff_ns);
		}
	}
	wait_lock(&r->wait);
	r->quiet = r->done = true;
	wait_unlock(&r->wait);
	return NULL;
}

int receiver_new(const struct receiver_parts *parts, struct receiver **ret_receiver)
{
	struct intake_parts intake = parts->intake;
	struct receiver *r = g_new0(struct receiver, 1);

	intake.name = parts->url;
	r->intake = intake_new(&intake);
	if (!r->intake) {
		g_free(r);
		return -ENOTSUP;
	}
	r->url = g_strdup(parts->url);
	r->ops = parts->ops;
	r->self = parts->self;
	atomic_init(&r->cancel, false);
	atomic_init(&r->leaving, false);
	wait_init(&r->wait);
	r->quiet = r->done = true;
	*ret_receiver = r;
	return 0;
}

void receiver_set_pipelines(struct receiver *receiver, struct pipeline_set *set)
{
	intake_set_pipelines(receiver->intake, set);
}

int receiver_start(struct receiver *r)
{
	int ret;

	if (r->started) {
		return 0;
	}
	r->quiet = r->done = false;
	ret = thread_start(&r->thread, "receive", receiver_run, r);
	r->started = ret == 0;
	r->quiet = r->done = ret < 0;
	return ret;
}

void receiver_leave(struct receiver *r)
{
	atomic_store(&r->leaving, true);
	intake_close(r->intake);
	wait_wake(&r->wait);
}

void receiver_abort(struct receiver *r)
{
	atomic_store(&r->cancel, true);
	receiver_leave(r);
}

bool receiver_quiet(struct receiver *r)
{
	bool quiet;

	wait_lock(&r->wait);
	quiet = r->quiet;
	wait_unlock(&r->wait);
	return quiet;
}

bool receiver_done(struct receiver *r)
{
	bool done;

	wait_lock(&r->wait);
	done = r->done;
	wait_unlock(&r->wait);
	return done;
}

void receiver_free(struct receiver *r)
{
	if (!r) {
		return;
	}
	if (r->started) {
		receiver_abort(r);
		thread_join(r->thread);
	}
	intake_free(r->intake);
	wait_fini(&r->wait);
	g_free(r->url);
	g_free(r);
}

const char *receiver_url(const struct receiver *r)
{
	return r->url;
}

uint64_t receiver_received(struct receiver *r)
{
	struct intake_ledger l;

	intake_ledger(r->intake, &l);
	return l.received;
}

/* ------------------------------------------------------------------ status */

static void add_number(struct buf *json, const char *key, uint64_t value)
{
	buf_printf(json, ",\"%s\":%" G_GUINT64_FORMAT, key, value);
}

static void add_ledger(struct intake_ledger *sum, const struct intake_ledger *l)
{
	sum->messages += l->messages;
	sum->received += l->received;
	sum->accepted += l->accepted;
	sum->duplicates += l->duplicates;
	sum->conflicts += l->conflicts;
	sum->returned += l->returned;
	sum->pending += l->pending;
	sum->interrupted += l->interrupted;
	for (int i = 0; i < MESSAGE_REJECTS; i++) {
		sum->rejected[i] += l->rejected[i];
	}
	sum->lost += l->lost;
	sum->dead_letters += l->dead_letters;
	sum->unkept += l->unkept;
}

/* Who has trouble comes before who had some, and that one before who had none. */
static void find_trouble(struct receiver *const *workers, size_t count, bool *ret_failing,
			 char *ret_error, size_t size)
{
	*ret_failing = false;
	ret_error[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		struct receiver *r = workers[i];

		wait_lock(&r->wait);
		if ((r->failing && !*ret_failing) || !ret_error[0]) {
			g_strlcpy(ret_error, r->last_error, size);
		}
		*ret_failing |= r->failing;
		wait_unlock(&r->wait);
	}
}

void receiver_status(struct receiver *const *workers, size_t count, struct buf *json)
{
	struct intake_ledger l = { .received = 0 };
	char last_error[sizeof(workers[0]->last_error)];
	const char *comma = "";
	bool failing;

	for (size_t i = 0; i < count; i++) {
		struct intake_ledger one;

		if (i > 0 && intake_same_ledger(workers[0]->intake, workers[i]->intake)) {
			continue; /* that of the first is of all */
		}
		intake_ledger(workers[i]->intake, &one);
		add_ledger(&l, &one);
	}
	find_trouble(workers, count, &failing, last_error, sizeof(last_error));
	buf_puts(json, "{\"url\":");
	json_add(json, workers[0]->url);
	buf_printf(json, ",\"state\":\"%s\"", failing ? "retrying" : "ok");
	buf_puts(json, ",\"last_error\":");
	json_add(json, last_error);
	add_number(json, "workers", count);
	add_number(json, "messages", l.messages);
	add_number(json, "received", l.received);
	add_number(json, "accepted", l.accepted);
	add_number(json, "duplicates", l.duplicates);
	add_number(json, "returned", l.returned);
	add_number(json, "pending", l.pending);
	add_number(json, "interrupted", l.interrupted);
	buf_puts(json, ",\"rejected\":{");
	for (int i = 0; i < MESSAGE_REJECTS; i++) {
		if (l.rejected[i]) {
			buf_printf(json, "%s\"%s\":%" G_GUINT64_FORMAT, comma,
				   message_reject_name((enum message_reject)i), l.rejected[i]);
			comma = ",";
		}
	}
	if (l.conflicts) {
		buf_printf(json, "%s\"conflict\":%" G_GUINT64_FORMAT, comma, l.conflicts);
	}
	buf_putc(json, '}');
	add_number(json, "lost", l.lost);
	add_number(json, "dead_letters", l.dead_letters);
	add_number(json, "unkept", l.unkept);
	buf_putc(json, '}');
}

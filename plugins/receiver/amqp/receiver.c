/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns a connection that consumes.  The receiver's thread, but for open and close; blocks on the broker, a little
 * beyond the deadline of the call where the broker does not answer, after which the connection is given up.
 */
#include "receiver.h"

#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/thread.h"
#include "base/uuid.h"
#include "plugins/amqp/consume.h"
#include "plugins/amqp/entities.h"

#define GRACE_NS                                                                                   \
	(20 * NS_PER_S) /* for the broker's answers, when a call begins to connect at its end */
#define SLICE_NS                                                                                   \
	NS_PER_S /* the longest wait: librabbitmq sends heartbeats only when it is called */
enum { TAG_BITS = 48, TURN = 64 };

/* Before what could not be stored goes back. */
static const struct backoff_limits pauses = { NS_PER_S, 60 * NS_PER_S };

struct amqp_receiver {
	enum receiver_kind kind;
	const struct receiver_conf *conf;
	char *url; /* for messages */
	char *host;
	struct amqp_settings *settings;
	struct link *link;
	struct entities entities;
	struct consume consume;
	uint64_t generation; /* of the connection: tags of one before mean nothing */
	GArray *back; /* uint64_t: tags of messages that could not be stored, which go back at the end of `pause` */
	struct backoff pause; /* zeroed when something was stored */
};

/* ------------------------------------------------------------------ queues */

static int consume_one(struct amqp_receiver *r, const char *queue, const char *exchange,
		       const char *key, struct vmt_error *error)
{
	int ret = entities_queue(&r->entities, queue, exchange, key, error);

	return ret < 0 ? ret : consume_queue(&r->consume, queue, r->conf->exclusive, error);
}

/* Of this process: its receivers share one queue of a fanout exchange, so that what goes to all servers comes here once. */
static char server_id[UUID_TEXT];

static void make_server_id(void)
{
	unsigned char id[16];

	uuid1_block(1, id);
	uuid_format(id, server_id);
}

static int consume_fanout(struct amqp_receiver *r, struct vmt_error *error)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const char *topic = r->conf->rpc_topic;
	char *exchange = g_strdup_printf("%s_fanout", topic), *queue;
	int ret;

	pthread_once(&once, make_server_id);
	queue = g_strdup_printf("%s_fanout_%s", topic, server_id);
	ret = entities_fanout(&r->entities, exchange, queue, error);
	ret = ret < 0 ? ret : consume_queue(&r->consume, queue, r->conf->exclusive, error);
	g_free(exchange);
	g_free(queue);
	return ret;
}

static int consume_casts(struct amqp_receiver *r, struct vmt_error *error)
{
	const char *topic = r->conf->rpc_topic, *exchange = r->settings->exchange;
	char *own = g_strdup_printf("%s.%s", topic, r->host);
	int ret = entities_exchange(&r->entities, exchange, error);

	ret = ret < 0 ? ret : consume_one(r, topic, exchange, topic, error);
	ret = ret < 0 ? ret : consume_one(r, own, exchange, own, error);
	g_free(own);
	return ret < 0 ? ret : consume_fanout(r, error);
}

static int consume_topic(struct amqp_receiver *r, const char *topic, struct vmt_error *error)
{
	const char *const only[] = { r->settings->exchange, NULL };
	const char *const *exchanges = r->conf->exchanges[0] ? r->conf->exchanges : only;
	char *queue = g_strdup_printf("%s.sample", topic);
	int ret = 0;

	for (size_t i = 0; exchanges[i] && ret == 0; i++) {
		ret = entities_exchange(&r->entities, exchanges[i], error);
		ret = ret < 0 ? ret
			      : entities_queue(&r->entities, queue, exchanges[i], queue, error);
	}
	ret = ret < 0 ? ret : consume_queue(&r->consume, queue, r->conf->exclusive, error);
	g_free(queue);
	return ret;
}

static int consume_notifications(struct amqp_receiver *r, struct vmt_error *error)
{
	int ret = consume_topic(r, r->conf->notifier_topic, error);

	for (size_t i = 0; r->conf->topics[i] && ret == 0; i++) {
		if (strcmp(r->conf->topics[i], r->conf->notifier_topic) != 0) {
			ret = consume_topic(r, r->conf->topics[i], error);
		}
	}
	return ret;
}

/* Connects and consumes, unless it does. */
static int begin(struct amqp_receiver *r, struct vmt_error *error)
{
	int ret = link_open(r->link, error);

	if (ret <= 0) {
		return ret;
	}
	r->generation++;
	g_array_set_size(r->back, 0); /* the broker has them all again */
	ret = consume_begin(&r->consume, (unsigned)r->conf->prefetch, error);
	if (ret == 0) {
		ret = r->kind == RECEIVER_RPC ? consume_casts(r, error)
					      : consume_notifications(r, error);
	}
	if (ret < 0) {
		link_close(r->link);
	}
	return ret;
}

/* ------------------------------------------------------------------ messages */

/* It could not be stored.  Given back, the broker would send it again at once; so it is kept for a while, the longer the
 * more often, and no more than the prefetch comes meanwhile. */
static void keep_back(struct amqp_receiver *r, uint64_t tag)
{
	if (r->back->len == 0) {
		backoff_fail(&r->pause, &pauses, clock_monotonic());
		vmt_log(VMT_LOG_WARNING,
			"%s: a publisher could not take what came; it goes back to the broker in %d s",
			r->url, (int)(r->pause.pause_ns / NS_PER_S));
	}
	g_array_append_val(r->back, tag);
}

/* Gives back what has been kept for long enough; all of it, when there is no time any more. */
static int give_back(struct amqp_receiver *r, bool closing, struct vmt_error *error)
{
	int ret = 0;

	if (r->back->len == 0 || (!closing && clock_monotonic() < r->pause.until_ns)) {
		return 0;
	}
	for (guint i = 0; i < r->back->len && ret == 0; i++) {
		ret = consume_answer(&r->consume, g_array_index(r->back, uint64_t, i), true, error);
	}
	g_array_set_size(r->back, 0);
	return ret;
}

static int answer_one(struct amqp_receiver *r, uint64_t tag, bool again, struct vmt_error *error)
{
	if (again) {
		keep_back(r, tag);
		return 0;
	}
	if (r->back->len == 0) {
		r->pause = (struct backoff){ 0 };
	}
	return consume_answer(&r->consume, tag, false, error);
}

/* Answers what was settled. */
static int answer(struct amqp_receiver *r, struct vmt_intake *out, struct vmt_error *error)
{
	struct vmt_settled settled[TURN];
	size_t n;
	int ret = 0;

	while (ret == 0 && (n = vmt_intake_settled(out, settled, TURN)) > 0) {
		for (size_t i = 0; i < n && ret == 0; i++) {
			uint64_t tag = settled[i].tag & ((UINT64_C(1) << TAG_BITS) - 1);

			if (settled[i].tag >> TAG_BITS == (r->generation & 0xffff)) {
				ret = answer_one(r, tag, settled[i].again, error);
			}
		}
	}
	return ret;
}

/* Hands over what comes in, a turn's worth: 1: there may be more; 0: nothing is there; -EAGAIN: the intake is full
 * and a message stays in hand; another -errno: the connection is closed. */
static int hand_over(struct amqp_receiver *r, struct vmt_intake *out, struct vmt_error *error)
{
	struct consume *c = &r->consume;
	int ret = 0;

	for (unsigned i = 0; i < TURN && (ret = consume_take(c, error)) == 1; i++) {
		uint64_t tag = (r->generation & 0xffff) << TAG_BITS | c->tag;
		bool kept = c->size <= c->limit;

		if (vmt_intake_message(out, VMT_MESSAGE_JSON, kept ? c->body.data : NULL,
				       kept ? (size_t)c->size : SIZE_MAX, tag) < 0) {
			return -EAGAIN;
		}
		consume_done(c);
	}
	return ret;
}

static void wait_for_input(struct amqp_receiver *r, struct vmt_intake *out, bool reading,
			   int64_t deadline_ns)
{
	struct pollfd p[] = { { .fd = vmt_intake_fd(out), .events = POLLIN },
			      { .fd = reading ? consume_socket(&r->consume) : -1,
				.events = POLLIN } };
	int64_t wait_ns = CLAMP(deadline_ns - clock_monotonic(), 0, SLICE_NS);

	thread_block_begin();
	(void)poll(p, G_N_ELEMENTS(p), (int)(wait_ns / NS_PER_MS) + 1);
	thread_block_end();
}

/* One turn: answers, then messages; waits when there are neither. */
static int turn(struct amqp_receiver *r, struct vmt_intake *out, int64_t deadline_ns,
		struct vmt_error *error)
{
	bool closing = vmt_intake_closing(out);
	int ret = answer(r, out, error);

	ret = ret < 0 ? ret : give_back(r, closing, error);
	if (ret == 0 && !closing) {
		ret = hand_over(r, out, error);
	}
	if (ret == 0 || ret == -EAGAIN) {
		vmt_intake_flush(out);
		wait_for_input(r, out, ret == 0 && !closing,
			       r->back->len ? MIN(deadline_ns, r->pause.until_ns) : deadline_ns);
	}
	return ret == -EAGAIN ? 0 : MIN(ret, 0);
}

int amqp_receiver_receive(void *self, struct vmt_intake *out, const struct vmt_call *call,
			  struct vmt_error *error)
{
	static const atomic_bool never;
	struct amqp_receiver *r = self;
	/* the end of our call is not that of the connection */
	const struct vmt_call longer = { .deadline_ns = call->deadline_ns + GRACE_NS,
					 .cancel = &never };
	int ret = link_begin(r->link, &longer, error);

	if (ret < 0) {
		return ret;
	}
	r->consume.limit = vmt_intake_limit(out);
	if (!vmt_intake_closing(out) || consume_socket(&r->consume) >= 0) {
		ret = begin(r, error);
		while (ret == 0 && !atomic_load(call->cancel) &&
		       clock_monotonic() < call->deadline_ns) {
			ret = turn(r, out, call->deadline_ns, error);
			if (vmt_intake_closing(out)) {
				break; /* the host looks whether all is settled */
			}
		}
	}
	link_end(r->link);
	return ret;
}

/* ------------------------------------------------------------------ the object */

static void on_settled(void *arg, const struct inflight_message *m, enum inflight_fate fate)
{
	/* nothing is sent */
}

int amqp_receiver_open(enum receiver_kind kind, const struct receiver_conf *conf,
		       const struct vmt_url *url, void **ret_self, struct vmt_error *error)
{
	const char *own = kind == RECEIVER_NOTIFICATIONS ? conf->notification_url : NULL;
	struct amqp_receiver *r = g_new0(struct amqp_receiver, 1);
	int ret;

	r->kind = kind;
	r->conf = conf;
	r->url = g_strdup(url->text);
	r->back = g_array_new(false, false, sizeof(uint64_t));
	r->host = g_strdup(conf->host && conf->host[0] ? conf->host : g_get_host_name());
	consume_init(&r->consume, NULL, 0);
	if (url->query && url->query[0].key) {
		ret = vmt_error_set(error, -EINVAL, "%s: unknown parameter %s", url->text,
				    url->query[0].key);
	} else {
		ret = amqp_settings_make(&conf->rabbit, url->authority, url->path, own,
					 &r->settings, error);
	}
	if (ret < 0) {
		amqp_receiver_close(r);
		return ret;
	}
	r->link = link_new(r->settings, "virtmeter-collector", on_settled, r);
	r->consume.link = r->link;
	r->entities = (struct entities){ .link = r->link, .settings = r->settings, .url = r->url };
	*ret_self = r;
	return 0;
}

bool amqp_receiver_shared(const void *self)
{
	return !((const struct amqp_receiver *)self)->conf->exclusive;
}

void amqp_receiver_close(void *self)
{
	struct amqp_receiver *r = self;

	if (r) {
		link_free(r->link);
		amqp_settings_free(r->settings);
		consume_fini(&r->consume);
		g_array_unref(r->back);
		g_free(r->host);
		g_free(r->url);
		g_free(r);
	}
}

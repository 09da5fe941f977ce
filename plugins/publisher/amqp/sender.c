/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the sending of frames.  The publisher's thread; blocks on the broker until the deadline of the call.
 *
 * A frame is sent as messages of one batch each, the next one while those before are not yet confirmed.  What
 * the broker has confirmed is told at once, so that an attempt that fails midway repeats the rest only.
 */
#include "sender.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "sender_private.h"
#include "wire/message.h"

enum { FRAMING = 1024 }; /* bytes of a message beside its samples, at most */

static const char too_large[] = "larger than the broker takes (its max_message_size)";

/* ---- what became of messages */

static void on_settled(void *arg, const struct inflight_message *m, enum inflight_fate fate)
{
	struct sender *s = arg;

	switch (fate) {
	case INFLIGHT_CONFIRMED:
		vmt_delivery_confirm(s->delivery, m->rows, m->count);
		break;
	case INFLIGHT_NACKED:
		s->nacked++;
		break;
	case INFLIGHT_RETURNED:
		s->returned++;
		break;
	case INFLIGHT_OVERSIZED: /* sent again in smaller parts, if it has any */
		if (m->count == 1 && m->rows[0].count == 1) {
			vmt_delivery_refuse(s->delivery, m->rows, m->count, too_large, NULL, 0);
		}
		break;
	}
}

static void refuse(struct sender *s, const char *why, const char *bytes, size_t n)
{
	const struct vmt_rows *rows = s->message->rows;
	size_t count = s->message->count;

	vmt_log(VMT_LOG_ERROR, "%s: a message of ours is not sent: %s", s->url, why);
	vmt_delivery_refuse(s->delivery, rows, count, why, bytes, n);
}

/* ---- messages */

static bool has_time(const struct sender *s, const struct vmt_call *call)
{
	return !atomic_load(call->cancel) && clock_monotonic() < call->deadline_ns;
}

/* One copy of the message in hand: 0; 1: it will not do, no copy of it is sent; -errno. */
static int send_copy(struct sender *s, const char *key, const char *event, bool main)
{
	const struct envelope_copy copy = { .event = event, .time_ns = clock_real() };
	size_t n;
	const char *body = envelope_close(&s->envelope, &copy, &n);

	if (n > SENDER_BODY_MAX) {
		refuse(s, "larger than 100 MiB", NULL, 0);
		return 1;
	}
	if (s->limit > 0 && n > s->limit && s->filled == 1) {
		refuse(s, too_large, body, n);
		return 1;
	}
	return link_publish(s->link, s->message, s->settings->exchange, key, body, n, main,
			    s->error);
}

/* The event_type of a notification, the method of a cast. */
static const char *main_event(const struct sender *s)
{
	const struct sender_conf *c = s->conf;

	switch (s->envelope.kind) {
	case ENVELOPE_POLLING:
		return "telemetry.polling";
	case ENVELOPE_CAST:
		return c->target;
	case ENVELOPE_NOTIFIER:
		break;
	}
	return s->profile == VMT_PROFILE_JUNO ? c->rpc_topic : c->notifier_topic;
}

/* A second time by the meter's name: another key for a cast, another event for a notification. */
static int send_meter_copies(struct sender *s, const char *meter)
{
	bool cast = s->envelope.kind == ENVELOPE_CAST;
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < s->keys; i++) {
		buf_reset(&s->meter_key);
		buf_reset(&s->meter_event);
		buf_puts(&s->meter_key, s->key[i]);
		buf_puts(&s->meter_event, main_event(s));
		buf_printf(cast ? &s->meter_key : &s->meter_event, ".%s", meter);
		if (s->meter_key.len <= SENDER_KEY) {
			ret = send_copy(s, s->meter_key.data, s->meter_event.data, false);
		}
	}
	return ret;
}

/* Sends the message in hand, if there is any. */
static int flush(struct sender *s, const char *meter)
{
	int ret = 0;

	if (!s->message || s->filled == 0) {
		return 0;
	}
	message_encoder_finish(s->encoder);
	for (size_t i = 0; ret == 0 && i < s->keys; i++) {
		ret = send_copy(s, s->key[i], main_event(s), true);
	}
	if (ret == 0 && s->conf->per_meter_topic) {
		ret = send_meter_copies(s, meter);
	}
	link_message_end(s->link, s->message);
	s->message = NULL;
	return MIN(ret, 0);
}

static void begin(struct sender *s)
{
	s->message = link_message(s->link);
	s->filled = 0;
	envelope_begin(&s->envelope);
}

/* The last sample, of these bytes, would make the message too large: it goes to a new one.  `before`: the size
 * without it. */
static int split(struct sender *s, const struct vmt_batch *batch, size_t before, const char *p,
		 size_t n)
{
	int ret;

	message_encoder_finish(s->encoder);
	buf_reset(&s->row);
	buf_add(&s->row, p, n);
	envelope_cut(&s->envelope, before);
	ret = flush(s, batch->name);
	begin(s);
	buf_add(envelope_add(&s->envelope), s->row.data, s->row.len);
	return ret;
}

/* Encodes the row into the message in hand, or, where that would become too large, into a new one.  As
 * message_encoder_put(), which says what is no fault of the connection; *ret_sent: what sending answered. */
static int put_row(struct sender *s, const struct vmt_batch *batch, uint32_t row, int *ret_sent)
{
	size_t before, from;
	struct buf *out;
	int ret;

	*ret_sent = 0;
	if (!s->message) {
		begin(s);
	}
	before = envelope_size(&s->envelope);
	out = envelope_add(&s->envelope);
	from = out->len;
	ret = message_encoder_put(s->encoder, row, out);
	if (ret < 0) {
		envelope_cut(&s->envelope, before);
		return ret;
	}
	if (s->limit > 0 && s->filled > 0 && out->len + FRAMING > s->limit) {
		*ret_sent = split(s, batch, before, out->data + from, out->len - from);
	}
	s->filled++;
	return 0;
}

static int add_row(struct sender *s, const struct vmt_batch *batch, uint32_t index, uint32_t row)
{
	const struct vmt_rows rows = { index, row, 1 };
	int sent, ret = put_row(s, batch, row, &sent);

	if (ret == -EIO) {
		return vmt_error_set(s->error, ret, "%s: %s", s->url, message_refusal(ret));
	}
	if (ret < 0) {
		vmt_log(VMT_LOG_ERROR, "%s: sample of %s refused: %s", s->url, batch->name,
			message_refusal(ret));
		vmt_delivery_refuse(s->delivery, &rows, 1, message_refusal(ret), NULL, 0);
		return 0;
	}
	if (sent < 0) {
		return sent;
	}
	inflight_rows(s->message, index, row);
	return s->filled >= s->batch_size || envelope_size(&s->envelope) >= SENDER_SPLIT
		       ? flush(s, batch->name)
		       : 0;
}

static int send_batch(struct sender *s, uint32_t index, const struct vmt_call *call)
{
	const struct vmt_batch *batch = &s->frame->batch[index];
	int ret = 0;

	message_encoder_batch(s->encoder, batch);
	for (uint32_t row = 0; ret == 0 && row < batch->count; row++) {
		if (!vmt_delivery_settled(s->delivery, index, row)) {
			ret = add_row(s, batch, index, row);
		}
	}
	if (ret == 0) {
		ret = flush(s, batch->name);
	}
	if (ret == 0 && !has_time(s, call)) {
		ret = link_wait(s->link, 0, s->error);
	}
	return ret;
}

/* ---- an attempt */

/* By profile: the encoder, the sender's name and the context. */
static int set_up(struct sender *s, enum vmt_profile profile, struct vmt_error *error)
{
	bool juno = profile == VMT_PROFILE_JUNO;

	if (s->encoder && s->profile == profile) {
		return 0;
	}
	message_encoder_free(s->encoder);
	s->encoder =
		message_conf_encoder(&s->conf->message, envelope_form(&s->envelope), profile, NULL);
	if (!s->encoder) {
		return vmt_error_set(error, -ENOTSUP,
				     "%s: OpenSSL has no HMAC-SHA256; look at its configuration",
				     s->url);
	}
	s->profile = profile;
	g_free(s->publisher_id);
	s->publisher_id = s->envelope.kind == ENVELOPE_POLLING
				  ? g_strdup("ceilometer.polling")
				  : g_strdup_printf("%s.publisher.%s",
						    juno ? "metering" : "telemetry", s->host);
	s->envelope.publisher_id = s->publisher_id;
	s->envelope.context = s->envelope.kind == ENVELOPE_CAST ||
			      (s->envelope.kind == ENVELOPE_NOTIFIER && juno);
	return 0;
}

static int connect_and_declare(struct sender *s, struct vmt_error *error)
{
	int ret = link_open(s->link, error);

	s->declared = s->declared && ret == 0;
	if (ret >= 0 && !s->declared) {
		ret = sender_declare(s, error);
		s->declared = ret == 0;
	}
	return MIN(ret, 0);
}

static int send_frame(struct sender *s, uint64_t bit, const struct vmt_call *call)
{
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < s->frame->count; i++) {
		if (s->frame->batch[i].publishers & bit) {
			ret = send_batch(s, (uint32_t)i, call);
		}
	}
	message_encoder_finish(s->encoder);
	if (s->message) {
		link_message_end(s->link, s->message);
		s->message = NULL;
	}
	if (ret == 0) {
		ret = link_wait(s->link, 0, s->error);
	}
	if (ret == 0 && s->returned > 0) {
		s->declared = false; /* a queue that was deleted is made again */
		ret = vmt_error_set(s->error, -EAGAIN,
				    "no queue took %u messages (%s); is anybody listening?",
				    s->returned, link_returned(s->link));
	} else if (ret == 0 && s->nacked > 0) {
		ret = vmt_error_set(s->error, -EAGAIN,
				    "the broker could not keep %u messages (basic.nack)",
				    s->nacked);
	}
	return ret;
}

static bool has_rows(const struct vmt_frame *frame, uint64_t bit)
{
	for (size_t i = 0; i < frame->count; i++) {
		if ((frame->batch[i].publishers & bit) && frame->batch[i].count > 0) {
			return true;
		}
	}
	return false;
}

int sender_publish(void *self, const struct vmt_frame *frame, uint64_t bit,
		   const struct vmt_call *call, struct vmt_error *error)
{
	struct sender *s = self;
	struct vmt_error why = { "" };
	int ret;

	if (!has_rows(frame, bit)) {
		return 0;
	}
	ret = set_up(s, frame->profile, error);
	if (ret < 0) {
		return ret;
	}
	s->frame = frame;
	s->delivery = call->delivery;
	s->error = &why;
	s->returned = s->nacked = 0;
	ret = link_begin(s->link, call, &why);
	if (ret == 0) {
		do {
			s->limit = link_size_limit(s->link);
			ret = connect_and_declare(s, &why);
			if (ret == 0) {
				ret = send_frame(s, bit, call);
			}
			/* What is too large is known now: once more at once, cut to fit. */
		} while (ret < 0 && link_size_limit(s->link) != s->limit && has_time(s, call));
		link_end(s->link);
	}
	s->frame = NULL;
	s->delivery = NULL;
	return ret < 0 ? vmt_error_set(error, ret, "%s: %s", s->url, why.text) : 0;
}

/* ---- opening */

static int add_key(struct sender *s, char *key, struct vmt_error *error)
{
	if (s->keys == SENDER_TOPICS || strlen(key) > SENDER_KEY || !key[0]) {
		g_free(key);
		return vmt_error_set(error, -EINVAL,
				     "%s: topics: at most %d, of 1 to %d bytes each", s->url,
				     SENDER_TOPICS, SENDER_KEY);
	}
	s->key[s->keys++] = key;
	return 0;
}

static int add_keys(struct sender *s, struct vmt_error *error)
{
	const struct sender_conf *c = s->conf;
	const char *const fallback[] = { c->notifier_topic, NULL };
	const char *const *topics = s->envelope.kind == ENVELOPE_POLLING ? c->topics : c->topic;
	int ret = 0;

	if (s->envelope.kind == ENVELOPE_CAST) {
		return add_key(s, g_strdup(c->rpc_topic), error);
	}
	if (s->envelope.kind == ENVELOPE_POLLING && c->topic && c->topic[0]) {
		topics = c->topic;
	}
	if (!topics || !topics[0]) {
		topics = fallback;
	}
	for (; ret == 0 && *topics; topics++) {
		ret = add_key(s, g_strdup_printf("%s.sample", *topics), error);
	}
	return ret;
}

static int check_driver(struct sender *s, struct vmt_error *error)
{
	static const char *const drivers[] = { "messagingv2", "messaging", NULL };
	const char *driver = s->conf->telemetry_driver;

	if (s->conf->driver && strcmp(s->conf->driver, "rabbit") != 0 &&
	    !g_str_has_prefix(s->conf->driver, "kombu")) {
		return vmt_error_set(error, -EINVAL, "%s: driver %s: only rabbit is spoken here",
				     s->url, s->conf->driver);
	}
	if (s->envelope.kind != ENVELOPE_CAST && driver && !g_strv_contains(drivers, driver)) {
		return vmt_error_set(
			error, -EINVAL,
			"%s: telemetry_driver %s: not spoken here; write messagingv2 or "
			"messaging",
			s->url, driver);
	}
	s->envelope.bare = s->envelope.kind != ENVELOPE_CAST && driver &&
			   strcmp(driver, "messaging") == 0;
	return 0;
}

static int check_query(const struct sender *s, const struct vmt_url *url, struct vmt_error *error)
{
	if (url->query && url->query->key) {
		return vmt_error_set(error, -EINVAL,
				     "%s: unknown parameter %s; see virtmeter-amqp(7)", s->url,
				     url->query->key);
	}
	return 0;
}

/* What stands in messages beside samples. */
static int check_texts(const struct sender *s, struct vmt_error *error)
{
	const char *texts[] = { s->host, s->conf->target, s->conf->rpc_topic,
				s->conf->notifier_topic };
	bool good = true;

	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		good = good && (!texts[i] || envelope_text(texts[i]));
	}
	return good ? 0
		    : vmt_error_set(error, -EINVAL,
				    "%s: host, target or metering_topic is not UTF-8", s->url);
}

static int configure(struct sender *s, const struct vmt_url *url, struct vmt_error *error)
{
	struct vmt_error why = { "" };
	int ret = check_query(s, url, error);

	if (ret == 0) {
		ret = check_texts(s, error);
	}
	if (ret == 0) {
		ret = check_driver(s, error);
	}
	if (ret == 0) {
		ret = add_keys(s, error);
	}
	if (ret < 0) {
		return ret;
	}
	ret = amqp_settings_make(&s->conf->rabbit, url->authority, url->path,
				 s->envelope.kind == ENVELOPE_POLLING ? s->conf->notification_url
								      : NULL,
				 &s->settings, &why);
	if (ret < 0) {
		return vmt_error_set(error, ret, "%s: %s", s->url, why.text);
	}
	s->link = link_new(s->settings, "virtmeter-agent", on_settled, s);
	return 0;
}

int sender_open(enum envelope_kind kind, const struct sender_conf *conf, const struct vmt_url *url,
		bool read_only, void **ret_self, struct vmt_error *error)
{
	struct sender *s;
	int code;

	if (read_only) {
		return vmt_error_set(error, -ENOTSUP, "%s: keeps nothing that could be read",
				     url->text);
	}
	s = g_new0(struct sender, 1);
	s->conf = conf;
	s->url = g_strdup(url->text);
	envelope_init(&s->envelope);
	s->envelope.kind = kind;
	s->host = g_strdup(conf->host && conf->host[0] ? conf->host : g_get_host_name());
	s->batch_size = kind == ENVELOPE_POLLING && conf->batch_size > 0
				? (uint64_t)conf->batch_size
				: UINT64_MAX;
	buf_init(&s->row);
	buf_init(&s->meter_key);
	buf_init(&s->meter_event);
	code = configure(s, url, error);
	if (code < 0) {
		sender_close(s);
		return code;
	}
	*ret_self = s;
	return 0;
}

void sender_shape(void *self, struct vmt_message_shape *ret_shape)
{
	const struct sender *s = self;

	*ret_shape = (struct vmt_message_shape){
		.samples = s->batch_size > UINT32_MAX ? 0 : (uint32_t)s->batch_size,
		.copies = (uint32_t)(s->keys * (s->conf->per_meter_topic ? 2 : 1)),
	};
}

void sender_close(void *self)
{
	struct sender *s = self;

	if (!s) {
		return;
	}
	link_free(s->link);
	amqp_settings_free(s->settings);
	message_encoder_free(s->encoder);
	envelope_fini(&s->envelope);
	buf_fini(&s->row);
	buf_fini(&s->meter_key);
	buf_fini(&s->meter_event);
	for (size_t i = 0; i < s->keys; i++) {
		g_free(s->key[i]);
	}
	g_free(s->host);
	g_free(s->publisher_id);
	g_free(s->url);
	g_free(s);
}

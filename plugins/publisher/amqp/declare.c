/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the declaration of exchange and queues, as oslo.messaging's senders do it: a cast wants the exchange, a
 * notification also a queue for each routing key, so that messages are kept before anybody listens.
 * What is there with other properties is used as it is.  The publisher's thread; blocks on the broker.
 */
#include <amqp.h>
#include <errno.h>

#include "sender_private.h"

/* Refused for its properties: once as oslo.messaging does (not durable), then as it is. */
static int declare_exchange(struct sender *s, struct vmt_error *error)
{
	struct link_entity e = { .name = s->settings->exchange,
				 .durable = s->settings->durable,
				 .auto_delete = s->settings->auto_delete };
	int code = 0, ret = link_exchange(s->link, &e, &code, error);

	if (ret == 1 && code == AMQP_PRECONDITION_FAILED && e.durable) {
		e.durable = false;
		ret = link_exchange(s->link, &e, &code, error);
	}
	if (ret == 1 && code == AMQP_PRECONDITION_FAILED) {
		if (!s->told_exchange) {
			vmt_log(VMT_LOG_WARNING, "%s: %s; used as it is", s->url, error->text);
			s->told_exchange = true;
		}
		e.passive = true;
		ret = link_exchange(s->link, &e, &code, error);
	}
	return ret == 1 ? -EACCES : ret;
}

static amqp_table_entry_t number(const char *key, int64_t v)
{
	return (amqp_table_entry_t){ .key = amqp_cstring_bytes(key),
				     .value = { .kind = AMQP_FIELD_KIND_I64, .value.i64 = v } };
}

static amqp_table_entry_t text(const char *key, const char *v)
{
	return (amqp_table_entry_t){ .key = amqp_cstring_bytes(key),
				     .value = { .kind = AMQP_FIELD_KIND_UTF8,
						.value.bytes = amqp_cstring_bytes(v) } };
}

/* x-arguments of oslo.messaging's queues. */
static int arguments(const struct amqp_settings *s, amqp_table_entry_t entry[5])
{
	int n = 0;

	if (s->ha) {
		entry[n++] = text("x-ha-policy", "all");
	}
	if (s->quorum) {
		entry[n++] = text("x-queue-type", "quorum");
	}
	if (s->quorum && s->quorum_delivery_limit > 0) {
		entry[n++] = number("x-delivery-limit", s->quorum_delivery_limit);
	}
	if (s->quorum && s->quorum_length > 0) {
		entry[n++] = number("x-max-in-memory-length", s->quorum_length);
	}
	if (s->quorum && s->quorum_bytes > 0) {
		entry[n++] = number("x-max-in-memory-bytes", s->quorum_bytes);
	}
	return n;
}

static int declare_queue(struct sender *s, const char *name, struct vmt_error *error)
{
	amqp_table_entry_t entry[5];
	amqp_table_t table = { .entries = entry };
	struct link_entity e = { .name = name,
				 .durable = s->settings->durable,
				 .auto_delete = s->settings->auto_delete,
				 .arguments = &table };
	int code = 0, ret;

	table.num_entries = arguments(s->settings, entry);
	ret = link_queue(s->link, &e, &code, error);
	if (ret == 1 && code == AMQP_PRECONDITION_FAILED) {
		if (!s->told_queue) {
			vmt_log(VMT_LOG_WARNING, "%s: %s; used as it is", s->url, error->text);
			s->told_queue = true;
		}
		e.passive = true;
		ret = link_queue(s->link, &e, &code, error);
	}
	if (ret == 0) {
		ret = link_bind(s->link, name, s->settings->exchange, name, &code, error);
	}
	return ret == 1 ? -EACCES : ret;
}

int sender_declare(struct sender *s, struct vmt_error *error)
{
	int ret = declare_exchange(s, error);

	for (size_t i = 0; s->envelope.kind != ENVELOPE_CAST && ret == 0 && i < s->keys; i++) {
		ret = declare_queue(s, s->key[i], error);
	}
	return ret;
}

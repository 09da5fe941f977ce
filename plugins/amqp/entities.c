/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the declaration of exchanges and queues.  The connection's thread; blocks on the broker.
 */
#include "plugins/amqp/entities.h"

#include <amqp.h>
#include <errno.h>

/* Refused for its properties: once as oslo.messaging does (not durable), then as it is. */
static int declare_exchange(struct entities *s, struct link_entity *e, struct vmt_error *error)
{
	int code = 0, ret = link_exchange(s->link, e, &code, error);

	if (ret == 1 && code == AMQP_PRECONDITION_FAILED && e->durable) {
		e->durable = false;
		ret = link_exchange(s->link, e, &code, error);
	}
	if (ret == 1 && code == AMQP_PRECONDITION_FAILED) {
		if (!s->told_exchange) {
			vmt_log(VMT_LOG_WARNING, "%s: %s; used as it is", s->url, error->text);
			s->told_exchange = true;
		}
		e->passive = true;
		ret = link_exchange(s->link, e, &code, error);
	}
	return ret == 1 ? -EACCES : ret;
}

int entities_exchange(struct entities *s, const char *name, struct vmt_error *error)
{
	struct link_entity e = { .name = name,
				 .durable = s->settings->durable,
				 .auto_delete = s->settings->auto_delete };

	return declare_exchange(s, &e, error);
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

static int declare_queue(struct entities *s, struct link_entity *e, const char *exchange,
			 const char *key, struct vmt_error *error)
{
	int code = 0, ret = link_queue(s->link, e, &code, error);

	if (ret == 1 && code == AMQP_PRECONDITION_FAILED) {
		if (!s->told_queue) {
			vmt_log(VMT_LOG_WARNING, "%s: %s; used as it is", s->url, error->text);
			s->told_queue = true;
		}
		e->passive = true;
		ret = link_queue(s->link, e, &code, error);
	}
	if (ret == 0) {
		ret = link_bind(s->link, e->name, exchange, key, &code, error);
	}
	return ret == 1 ? -EACCES : ret;
}

int entities_queue(struct entities *s, const char *queue, const char *exchange, const char *key,
		   struct vmt_error *error)
{
	amqp_table_entry_t entry[5];
	amqp_table_t table = { .entries = entry };
	struct link_entity e = { .name = queue,
				 .durable = s->settings->durable,
				 .auto_delete = s->settings->auto_delete,
				 .arguments = &table };

	table.num_entries = arguments(s->settings, entry);
	return declare_queue(s, &e, exchange, key, error);
}

int entities_fanout(struct entities *s, const char *exchange, const char *queue,
		    struct vmt_error *error)
{
	struct link_entity e = { .name = exchange, .type = "fanout", .auto_delete = true },
			   q = { .name = queue, .auto_delete = true };
	int ret = declare_exchange(s, &e, error);

	return ret < 0 ? ret : declare_queue(s, &q, exchange, "", error);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What senders declare, as oslo.messaging's do it: a cast wants the exchange, a notification also a queue for each
 * routing key, so that messages are kept before anybody listens.  The publisher's thread; blocks on the broker.
 */
#include "sender_private.h"

int sender_declare(struct sender *s, struct vmt_error *error)
{
	int ret;

	s->entities.link = s->link;
	s->entities.settings = s->settings;
	s->entities.url = s->url;
	ret = entities_exchange(&s->entities, s->settings->exchange, error);
	for (size_t i = 0; s->envelope.kind != ENVELOPE_CAST && ret == 0 && i < s->keys; i++) {
		ret = entities_queue(&s->entities, s->key[i], s->settings->exchange, s->key[i],
				     error);
	}
	return ret;
}

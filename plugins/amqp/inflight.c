/* SPDX-License-Identifier: Apache-2.0 */
/* Messages on their way.  The publisher's thread; blocks on nothing. */
#include "plugins/amqp/inflight.h"

#include <errno.h>
#include <glib.h>

void inflight_init(struct inflight *f, unsigned window, inflight_fn settled, void *arg)
{
	*f = (struct inflight){ .copy = g_new0(struct inflight_copy, window),
				.window = window,
				.first = 1,
				.settled = settled,
				.arg = arg };
}

static void message_free(struct inflight_message *m)
{
	g_free(m->rows);
	g_free(m);
}

void inflight_fini(struct inflight *f)
{
	struct inflight_message *m;

	if (!f || !f->copy) {
		return;
	}
	inflight_reset(f);
	while ((m = f->free) != NULL) {
		f->free = m->next;
		message_free(m);
	}
	g_free(f->copy);
	f->copy = NULL;
}

static struct inflight_copy *copy_at(struct inflight *f, uint64_t tag)
{
	return &f->copy[tag % f->window];
}

static void recycle(struct inflight *f, struct inflight_message *m)
{
	m->next = f->free;
	f->free = m;
}

/* A copy less; the last one settles the message. */
static void release(struct inflight *f, struct inflight_message *m, bool tell)
{
	if (--m->copies > 0 || m->open) {
		return;
	}
	if (tell) {
		f->settled(f->arg, m, m->fate);
	}
	recycle(f, m);
}

void inflight_reset(struct inflight *f)
{
	for (uint64_t tag = f->first; tag < f->first + f->count; tag++) {
		struct inflight_copy *c = copy_at(f, tag);

		if (!c->settled) {
			release(f, c->message, false);
		}
	}
	f->first = 1;
	f->count = 0;
}

struct inflight_message *inflight_begin(struct inflight *f)
{
	struct inflight_message *m = f->free;

	if (m) {
		f->free = m->next;
	} else {
		m = g_new0(struct inflight_message, 1);
	}
	m->count = 0;
	m->copies = 0;
	m->open = true;
	m->fate = INFLIGHT_CONFIRMED;
	m->next = NULL;
	return m;
}

void inflight_rows(struct inflight_message *m, uint32_t batch, uint32_t row)
{
	struct vmt_rows *last = m->count ? &m->rows[m->count - 1] : NULL;

	if (last && last->batch == batch && last->first + last->count == row) {
		last->count++;
		return;
	}
	if (!m->rows || m->count == m->room) {
		m->room = m->room ? m->room * 2 : 4;
		m->rows = g_renew(struct vmt_rows, m->rows, m->room);
	}
	m->rows[m->count++] = (struct vmt_rows){ batch, row, 1 };
}

void inflight_sent(struct inflight *f, struct inflight_message *m, uint64_t hash, size_t size,
		   bool mandatory)
{
	g_assert(f->count < f->window);
	*copy_at(f, f->first + f->count) = (struct inflight_copy){
		.message = m, .hash = hash, .size = size, .mandatory = mandatory
	};
	f->count++;
	m->copies++;
}

void inflight_end(struct inflight *f, struct inflight_message *m)
{
	bool sent = m->copies > 0;

	m->copies++;
	m->open = false;
	if (sent) {
		release(f, m, true);
	} else {
		m->copies = 0;
		recycle(f, m);
	}
}

static void worsen(struct inflight_message *m, enum inflight_fate fate)
{
	if (fate > m->fate) {
		m->fate = fate;
	}
}

static void settle(struct inflight *f, struct inflight_copy *c, bool negative)
{
	c->settled = true;
	f->nacks += negative;
	if (c->returned) {
		worsen(c->message, INFLIGHT_RETURNED);
	} else if (negative) {
		worsen(c->message, INFLIGHT_NACKED);
	}
	release(f, c->message, true);
}

int inflight_ack(struct inflight *f, uint64_t tag, bool multiple, bool negative)
{
	uint64_t from = multiple ? f->first : tag, to = tag;

	if (multiple && tag == 0) {
		to = f->first + f->count - 1; /* all that are on their way */
	}
	if (from < f->first || to >= f->first + f->count ||
	    (!multiple && copy_at(f, tag)->settled)) {
		return -EPROTO;
	}
	for (uint64_t t = from; t <= to; t++) {
		if (!copy_at(f, t)->settled) {
			settle(f, copy_at(f, t), negative);
		}
	}
	while (f->count > 0 && copy_at(f, f->first)->settled) {
		f->first++;
		f->count--;
	}
	return 0;
}

int inflight_return(struct inflight *f, uint64_t hash, size_t size)
{
	for (uint64_t tag = f->first; tag < f->first + f->count; tag++) {
		struct inflight_copy *c = copy_at(f, tag);

		if (!c->settled && !c->returned && c->mandatory && c->hash == hash &&
		    c->size == size) {
			c->returned = true;
			f->returns++;
			return 0;
		}
	}
	return -EPROTO;
}

unsigned inflight_oversized(struct inflight *f, size_t size)
{
	unsigned hit = 0;

	for (uint64_t tag = f->first; tag < f->first + f->count; tag++) {
		struct inflight_copy *c = copy_at(f, tag);

		if (!c->settled && c->size == size) {
			worsen(c->message, INFLIGHT_OVERSIZED);
			c->settled = true;
			release(f, c->message, true);
			hit++;
		}
	}
	return hit;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns bells and flights.  Any thread; blocks in bell_wait() until its deadline.
 */
#include "plugins/libvirt/flight.h"

#include "base/wait.h"

#include <glib.h>
#include <stdatomic.h>

struct bell {
	atomic_uint refs;
	struct wait wait; /* guards `rung` */
	bool rung;
};

struct flight {
	atomic_uint refs;
	atomic_bool done;
	int result; /* once done */
};

struct bell *bell_new(void)
{
	struct bell *b = g_new0(struct bell, 1);

	atomic_init(&b->refs, 1);
	wait_init(&b->wait);
	return b;
}

struct bell *bell_ref(struct bell *b)
{
	atomic_fetch_add(&b->refs, 1);
	return b;
}

void bell_unref(struct bell *b)
{
	if (b && atomic_fetch_sub(&b->refs, 1) == 1) {
		wait_fini(&b->wait);
		g_free(b);
	}
}

void bell_wait(struct bell *b, int64_t deadline_ns)
{
	wait_lock(&b->wait);
	while (!b->rung && wait_until(&b->wait, deadline_ns) == 0) {
	}
	b->rung = false;
	wait_unlock(&b->wait);
}

void bell_ring(struct bell *b)
{
	if (b) {
		wait_lock(&b->wait);
		b->rung = true;
		wait_unlock(&b->wait);
		wait_wake(
			&b->wait); /* unlocked: whom it wakes has not to wait again for the lock */
		bell_unref(b);
	}
}

struct flight *flight_new(void)
{
	struct flight *f = g_new0(struct flight, 1);

	atomic_init(&f->refs, 1);
	return f;
}

struct flight *flight_ref(struct flight *f)
{
	atomic_fetch_add(&f->refs, 1);
	return f;
}

void flight_unref(struct flight *f)
{
	if (f && atomic_fetch_sub(&f->refs, 1) == 1) {
		g_free(f);
	}
}

void flight_land(struct flight *f, int result)
{
	f->result = result;
	atomic_store(&f->done, true);
}

bool flight_done(const struct flight *f, int *ret_result)
{
	bool done = atomic_load(&f->done);

	if (done) {
		*ret_result = f->result;
	}
	return done;
}

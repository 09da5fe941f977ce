/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the registration of domain events.  The callbacks run on the main thread, wherever GLib's default main
 * context is iterated, and only hand on which domain it was; they never block.
 */
#include "plugins/libvirt/events.h"
#include "plugins/libvirt/event_loop.h"

#include "base/clock.h"

#include <glib.h>
#include <pthread.h>

struct events {
	int id[16]; /* of the registrations; -1: refused */
};

/* What a callback is given: freed with its registration, which may be later than events_close(). */
struct target {
	event_fn fn;
	void *data;
	void (*release)(void *);
};

static void notify(void *opaque, virDomainPtr dom, enum event_kind kind, const char *unplugged)
{
	struct target *t = opaque;
	unsigned char uuid[VIR_UUID_BUFLEN];

	if (virDomainGetUUID(dom, uuid) == 0) {
		t->fn(t->data, uuid, kind, unplugged);
	}
}

static void target_free(void *opaque)
{
	struct target *t = opaque;

	t->release(t->data);
	g_free(t);
}

/* One callback per shape of arguments (libvirt-domain.h). */
static int on_lifecycle(virConnectPtr conn, virDomainPtr dom, int event, int detail, void *opaque)
{
	enum event_kind kind = event == VIR_DOMAIN_EVENT_STARTED    ? EVENT_STARTED
			       : event == VIR_DOMAIN_EVENT_SHUTDOWN ? EVENT_ENDING
			       : event == VIR_DOMAIN_EVENT_STOPPED  ? EVENT_ENDED
								    : EVENT_CHANGED;

	notify(opaque, dom, kind, NULL);
	return 0;
}

static void on_added(virConnectPtr conn, virDomainPtr dom, const char *alias, void *opaque)
{
	notify(opaque, dom, EVENT_CHANGED, NULL);
}

static void on_removed(virConnectPtr conn, virDomainPtr dom, const char *alias, void *opaque)
{
	notify(opaque, dom, EVENT_CHANGED, alias);
}

static void on_metadata(virConnectPtr conn, virDomainPtr dom, int type, const char *uri,
			void *opaque)
{
	notify(opaque, dom, EVENT_CHANGED, NULL);
}

static void on_block_job(virConnectPtr conn, virDomainPtr dom, const char *disk, int type,
			 int status, void *opaque)
{
	notify(opaque, dom, EVENT_CHANGED, NULL);
}

static void on_disk(virConnectPtr conn, virDomainPtr dom, const char *before, const char *after,
		    const char *alias, int reason, void *opaque)
{
	notify(opaque, dom, EVENT_CHANGED, NULL);
}

static void on_tray(virConnectPtr conn, virDomainPtr dom, const char *alias, int reason,
		    void *opaque)
{
	notify(opaque, dom, EVENT_CHANGED, NULL);
}

static void on_power(virConnectPtr conn, virDomainPtr dom, int reason, void *opaque)
{
	notify(opaque, dom, EVENT_CHANGED, NULL);
}

/* The first must be had; drivers lack some of the others. */
static const struct {
	int event;
	virConnectDomainEventGenericCallback fn;
} kinds[] = {
	{ VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle) },
	{ VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, VIR_DOMAIN_EVENT_CALLBACK(on_added) },
	{ VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, VIR_DOMAIN_EVENT_CALLBACK(on_removed) },
	{ VIR_DOMAIN_EVENT_ID_METADATA_CHANGE, VIR_DOMAIN_EVENT_CALLBACK(on_metadata) },
	{ VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2, VIR_DOMAIN_EVENT_CALLBACK(on_block_job) },
	{ VIR_DOMAIN_EVENT_ID_DISK_CHANGE, VIR_DOMAIN_EVENT_CALLBACK(on_disk) },
	{ VIR_DOMAIN_EVENT_ID_TRAY_CHANGE, VIR_DOMAIN_EVENT_CALLBACK(on_tray) },
	{ VIR_DOMAIN_EVENT_ID_PMWAKEUP, VIR_DOMAIN_EVENT_CALLBACK(on_power) },
	{ VIR_DOMAIN_EVENT_ID_PMSUSPEND, VIR_DOMAIN_EVENT_CALLBACK(on_power) },
};

G_STATIC_ASSERT(G_N_ELEMENTS(kinds) <= G_N_ELEMENTS(((struct events *)0)->id));

struct events *events_open(struct session *s, event_fn fn, void *data, void (*hold)(void *),
			   void (*release)(void *))
{
	struct events *e = g_new0(struct events, 1);

	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
		struct target *t = g_new(struct target, 1);

		*t = (struct target){ .fn = fn, .data = data, .release = release };
		hold(data);
		e->id[i] = RPC(s, virConnectDomainEventRegisterAny(s->conn, NULL, kinds[i].event,
								   kinds[i].fn, t, target_free));
		if (e->id[i] < 0) {
			target_free(t);
		}
		if (i == 0 && e->id[0] < 0) {
			g_free(e);
			return NULL;
		}
	}
	return e;
}

void events_close(virConnectPtr conn, struct events *e)
{
	for (size_t i = 0; e && i < G_N_ELEMENTS(kinds); i++) {
		if (e->id[i] >= 0) {
			virConnectDomainEventDeregisterAny(conn, e->id[i]);
		}
	}
	g_free(e);
}

/* ------------------------------------------------------------------ does the loop turn? */

#define PATIENCE_NS (1 * NS_PER_S)
#define LATELY_NS (15 * NS_PER_S) /* longer than the time between two keep-alives */

static struct {
	pthread_mutex_t lock;
	GSource *source;
	int64_t asked_ns; /* 0: the last question has been answered */
	bool alive;
} loop = { .lock = PTHREAD_MUTEX_INITIALIZER, .alive = true };

static gboolean answer(GSource *source, GSourceFunc fn, gpointer data)
{
	g_source_set_ready_time(source, -1);
	pthread_mutex_lock(&loop.lock);
	loop.asked_ns = 0;
	loop.alive = true;
	pthread_mutex_unlock(&loop.lock);
	return G_SOURCE_CONTINUE;
}

static GSourceFuncs answer_funcs = { .dispatch = answer };

bool events_loop_turns(void)
{
	int64_t now = clock_monotonic(), turned = event_loop_turned_ns();
	bool alive;

	if (turned != 0 && now - turned < LATELY_NS) {
		return true;
	}
	pthread_mutex_lock(&loop.lock);
	if (!loop.source) {
		loop.source = g_source_new(&answer_funcs, sizeof(GSource));
		g_source_attach(loop.source, NULL);
	}
	if (!loop.asked_ns) {
		loop.asked_ns = now;
		g_source_set_ready_time(loop.source, 0);
	} else if (now - loop.asked_ns > PATIENCE_NS) {
		loop.alive = false;
	}
	alive = loop.alive;
	pthread_mutex_unlock(&loop.lock);
	return alive;
}

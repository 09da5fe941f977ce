/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libvirt's domain events, on the main thread.
 */
#ifndef LIBVIRT_EVENTS_H
#define LIBVIRT_EVENTS_H

#include "plugins/libvirt/connection.h"

enum event_kind {
	EVENT_CHANGED,
	EVENT_STARTED, /* here: arrivals by migration too */
	EVENT_ENDING, /* its guest is shut down, QEMU may still be there */
	EVENT_ENDED, /* QEMU is gone, whatever the reason */
};

/* Something about the domain changed.  `unplugged`: alias of the device that is gone, or NULL. */
typedef void (*event_fn)(void *data, const uint8_t uuid[16], enum event_kind kind,
			 const char *unplugged);

struct events; /* registrations on one connection */

/* Registers for all events that can change a domain's state or XML.  `data` is counted by hold and release: one
 * reference per registration.  NULL: the driver has no lifecycle events. */
struct events *events_open(struct session *s, event_fn fn, void *data, void (*hold)(void *),
			   void (*release)(void *));
/* Before the connection is closed.  NULL is fine. */
void events_close(virConnectPtr conn, struct events *e);

/* Whether the event loop turns: without it events do not arrive.  Unless it has turned lately, as keep-alives make it do,
 * a call puts a question to it, which wakes it; false once one has not been answered for a second.  Any thread. */
bool events_loop_turns(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libvirt's event loop (virEventRegisterImpl) as one source of GLib's default main context.
 *
 * libvirt's own one makes a new GLib source, and wakes the main thread, each time that a call takes a socket over
 * or gives it back, and each time that a keep-alive moves its timeout: several turns of the main thread for every
 * call.  Here handles live in an epoll set that any thread changes without waking anybody, and a timeout that
 * moves to a later time is looked at with the next turn, or when the earlier one is over.
 */
#ifndef LIBVIRT_EVENT_LOOP_H
#define LIBVIRT_EVENT_LOOP_H

#include <stdbool.h>
#include <stdint.h>

/* Once per process, before virInitialize() and before a connection is opened; for good.  -errno: no events. */
int event_loop_register(void);

/* While it is set, no new handle of the calling thread is taken.  A connection that is opened meanwhile does without
 * events and keep-alives, and whoever calls waits for its socket alone: neither turns the loop. */
void event_loop_refuse(bool refuse);

/* When it last turned, by clock_monotonic(); 0: not yet.  The keep-alives of connections that have events make it turn
 * every few seconds.
 * Any thread. */
int64_t event_loop_turned_ns(void);

#endif

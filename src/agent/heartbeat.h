/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When each pollster last did its work, for whoever asks at a socket, as Ceilometer's agents tell it: a line
 * "POLLSTER TIME" for each, and the end.  One for the life of an agent; it may listen at another place, or at none,
 * after a reload.
 */
#ifndef AGENT_HEARTBEAT_H
#define AGENT_HEARTBEAT_H

#include <virtmeter/plugin.h>

#include <glib.h>

#include "conf/settings.h"

struct heartbeat;

struct heartbeat *heartbeat_new(void);
void heartbeat_free(struct heartbeat *heartbeat); /* NULL is fine */

/* Listens where the settings say (heartbeat_socket_dir), if they do.  -errno with the reason: at that place it cannot; it
 * listens nowhere then.  Main thread, which answers; GLib's default main context. */
int heartbeat_listen(struct heartbeat *heartbeat, const struct settings *settings,
		     struct vmt_error *error);

/* Whether it listens: else nobody needs to beat.  Any thread, likewise the next. */
bool heartbeat_on(const struct heartbeat *heartbeat);
/* These are the pollsters now, as keys, which are copied: what is known of others is dropped, and they are not heard any
 * more, though a cycle may still be on its way. */
void heartbeat_expect(struct heartbeat *heartbeat, GHashTable *pollsters);
/* `pollster` did its work at that time. */
void heartbeat_beat(struct heartbeat *heartbeat, const char *pollster, int64_t time_ns);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One hypervisor, for all who talk to it: it caps the calls that are left behind and spaces out attempts to connect.
 * Any thread.
 */
#ifndef LIBVIRT_HUB_H
#define LIBVIRT_HUB_H

#include <virtmeter/plugin.h>

enum { HUB_CAP = 6 }; /* heavy calls that hang, where nothing else is said by hub_set_cap() */

struct hub;
struct processes;
struct suspects;

/* The hub of a URI; the same one for the same arguments, counted. */
struct hub *hub_ref(const char *uri, bool read_write);
struct hub *hub_keep(struct hub *h); /* one reference more */
void hub_unref(struct hub *h); /* NULL is fine */
const char *hub_uri(const struct hub *h);
bool hub_read_write(const struct hub *h);
unsigned hub_left(struct hub *h); /* heavy calls left behind that still hang */
/* The cap for all users of the hub: the least that was asked for. */
void hub_set_cap(struct hub *h, unsigned cap);
unsigned hub_cap(struct hub *h);
/* Those who ask many monitors at once take turns: where two go through the same domains, libvirt answers the second
 * without what the first is just asking for.  Waits for the turn until then; false: it is still another's, and nothing
 * is to be ended.  Any thread. */
bool hub_turn_begin(struct hub *h, int64_t until_ns);
void hub_turn_end(struct hub *h);
/* What is known of instances that do not answer, for all users of the hub; lives as long as it. */
struct suspects *hub_suspects(struct hub *h);
/* Processes of this hypervisor's domains; NULL when it is on another host. */
struct processes *hub_processes(struct hub *h);

/* For connections.  A heavy call is left behind (1), or has come back after all (-1). */
void hub_count(struct hub *h, int change);
/* May an attempt to connect be made?  0, or the last error. */
int hub_may_connect(struct hub *h, struct vmt_error *error);
void hub_connected(struct hub *h);
/* It failed with this errno for that reason, one line: answers it, and logs when the next one comes. */
int hub_refused(struct hub *h, int err, const char *reason, struct vmt_error *error);

#endif

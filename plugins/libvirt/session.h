/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection of libvirt's and the errors of its calls.  One thread at a time.
 */
#ifndef LIBVIRT_SESSION_H
#define LIBVIRT_SESSION_H

#include <virtmeter/plugin.h>

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

struct hub;

/* A connection, as a job sees it. */
struct session {
	const char *uri; /* the hub's */
	virConnectPtr conn;
	uint64_t serial; /* another one after every connect, in the process */
	uint64_t calls; /* questions put to the hypervisor by it: see RPC() */
	/* Set by a job: called before the connection is closed, to let go of what refers to it. */
	void (*on_close)(struct session *s, void *data);
	void *data;
};

/* Counts the call.  Every call of libvirt that asks the hypervisor stands in one of these. */
#define RPC(session, call) ((session)->calls++, (call))

/* Once, before all else: libvirt's event loop on GLib's default main context, no chatter on stderr.
 * Main thread. */
void libvirt_prepare(void);

/* Connects to the hub's hypervisor where it is not connected; `events`: see caller_want_events().  Blocks without limit.
 * 0, or -errno with the reason. */
int session_open(struct session *s, struct hub *h, bool events, struct vmt_error *error);
void session_close(struct session *s); /* what is not open is fine */
/* Whether the connection is of no use any more: what remains of it, and the classes of errors that mean a lost peer. */
bool session_is_lost(const struct session *s);

/* Writes libvirt's last error of this thread, with the URI before it; answers an errno like it. */
int libvirt_error(const struct session *s, const char *what, struct vmt_error *error);

/* Whether the last error of this thread says that the driver lacks the function. */
bool libvirt_unsupported(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks OpenStack's services, for all objects of the plugin that have the same configuration: one thread, one session, one
 * list of this host's servers.  So a source with nova:// beside what is looked up, or an agent that reloads, costs
 * the controllers no list more.
 *
 * What is asked again and again is a duty, each for itself: one that fails does not stop the others.  Objects are opened
 * and closed on the main thread; polling tasks say what they want; the asker's own thread asks.
 */
#ifndef DISCOVERY_NOVA_ASKER_H
#define DISCOVERY_NOVA_ASKER_H

#include "plugins/discovery/nova/listing.h"
#include "plugins/openstack/session.h"

struct asker;

struct duty {
	/* Asks, on the asker's thread.  Locked on entry and exit, not while somebody is asked.  0, -errno with the reason;
	 * -ECANCELED soon after call->cancel. */
	int (*ask)(void *self, const struct vmt_call *call, struct vmt_error *error);
	void *self;
	/* below: the asker's, to be read while it is locked */
	bool wanted; /* until it has been done */
	bool done; /* once at least */
	int64_t due_ns; /* not before */
	int64_t asked_ns; /* when it began last; 0: never */
	uint64_t begun, ended; /* how often */
	unsigned failures; /* since it last did not */
	int ret; /* of the last time */
	struct vmt_error error; /* the same; "" after a good one */
	atomic_bool cancel;
};

/* Main thread; asks nobody.  The one of this configuration, or a new one.  -EINVAL, -ENOTSUP: nobody could log in with
 * it. */
int asker_get(const struct nova_conf *conf, struct asker **ret_asker, struct vmt_error *error);
/* Main thread.  The last one ends the thread, whatever that waits for. */
void asker_put(struct asker *asker);

/* What the thread asks with; the thread's. */
struct session *asker_session(const struct asker *asker);
struct listing *asker_listing(const struct asker *asker);

/* Main thread.  `ask` and `self` are set, all else is 0. */
void asker_add(struct asker *asker, struct duty *duty);
/* Main thread; the duty in hand is given up and waited for. */
void asker_remove(struct asker *asker, struct duty *duty);

void asker_lock(struct asker *asker);
void asker_unlock(struct asker *asker);

/* ---- all below: locked */

/* Before anything is wanted.  -errno with the reason: there is no thread. */
int asker_start(struct asker *asker, struct vmt_error *error);
/* Until a duty was done or tried, or the deadline.  As wait_until(). */
int asker_wait(struct asker *asker, int64_t deadline_ns);
/* A moment later, so that hosts with the same beat do not come together. */
void asker_want(struct asker *asker, struct duty *duty);

/* Wants the list of servers as it is now: at most once in resource_update_interval; one that was begun since the same
 * one's last call will do.  `seen` is that one's, asker_begun() at its beginning. */
void asker_want_servers(struct asker *asker, uint64_t *seen);
uint64_t asker_begun(const struct asker *asker);
/* Wants it with flavors and images, or does not any more.  One that is there without them is completed, not asked for
 * again. */
void asker_want_objects(struct asker *asker, bool on);
const struct duty *asker_servers(const struct asker *asker);

/* The last list; NULL: there is none, or (with `objects`) none with flavors and images.  *ret_version differs when it is
 * another one, and is 0 for NULL.  The caller refs what it keeps. */
struct roster *asker_roster(const struct asker *asker, bool objects, uint64_t *ret_version);
/* There was no attempt at a list with flavors and images since the first one wanted that. */
bool asker_is_new(const struct asker *asker);

#endif

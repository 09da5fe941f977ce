/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The instances of one hypervisor that do not answer, and the calls that were left behind because of them; one
 * book for all who ask that hypervisor, so that at most one call is outstanding on an instance, ever.
 *
 * An instance is a *suspect* from the moment that the kernel says its QEMU cannot answer, or libvirt that its
 * monitor is busy and does not come back, until a call on it returns, the hypervisor says that its monitor is free
 * again, or it starts anew.  While a call of ours waits for it (it is *outstanding*) that call is what finds out
 * that it answers again; a suspect without one is asked again after a pause that doubles, by itself.
 *
 * Any thread; one lock, held for moments.
 */
#ifndef LIBVIRT_SUSPECTS_H
#define LIBVIRT_SUSPECTS_H

#include "plugins/libvirt/connection.h"
#include "plugins/libvirt/process.h"

enum suspect_why {
	SUSPECT_NONE,
	SUSPECT_STOPPED, /* QEMU is stopped by a signal */
	SUSPECT_TRACED, /* by a debugger */
	SUSPECT_BLOCKED, /* it sleeps uninterruptibly in the kernel: a disk that does not answer */
	SUSPECT_HUNG, /* it runs, its monitor does not answer */
	SUSPECT_REASONS
};

struct suspect {
	uint8_t uuid[16];
	uint64_t epoch; /* of the domain (struct domain_desc) */
	enum suspect_why why;
	bool outstanding; /* a call of ours waits for it */
	int64_t since_ns; /* monotonic: when it became one */
	int64_t latency_ns; /* for how long its monitor has been busy, as last heard; 0: not known */
	int64_t probe_ns; /* when it may be asked again, if no call is outstanding */
	unsigned probes; /* made so far */
};

/* Numbers of one hypervisor. */
struct suspects_count {
	unsigned quarantined; /* suspects */
	unsigned outstanding; /* calls left behind that still hang */
	uint64_t found, cleared; /* ever */
};

struct suspects;

struct suspects *suspects_new(void);
void suspects_free(struct suspects *s); /* NULL is fine */

/* False: it is none.  *ret_suspect may be NULL. */
bool suspects_get(struct suspects *s, const uint8_t uuid[16], struct suspect *ret_suspect);
void suspects_count(struct suspects *s, struct suspects_count *ret_count);
/* A call begun then was found to hang; when the last one was begun of which that is so; 0: never. */
void suspects_hung(struct suspects *s, int64_t begun_ns);
int64_t suspects_last_hang(struct suspects *s);
/* "stopped (SIGSTOP)", …; for a person. */
const char *suspect_reason(enum suspect_why why);
enum suspect_why suspect_why_of(enum process_state state);

/* It is one now, or for another reason than before.  `flight`: the call of ours that waits for it, NULL for none;
 * takes its own reference.  True when it is new. */
bool suspects_put(struct suspects *s, const uint8_t uuid[16], uint64_t epoch, enum suspect_why why,
		  int64_t latency_ns, struct flight *flight);
/* It answers.  True when it was one; *ret_since_ns (or NULL): since when. */
bool suspects_clear(struct suspects *s, const uint8_t uuid[16], int64_t *ret_since_ns);
/* May it be asked by itself now?  True reserves it: nobody else gets true before the next pause is over. */
bool suspects_probe(struct suspects *s, const uint8_t uuid[16]);

/* Something says that it may answer again: the next suspects_probe() is true, and the pauses begin anew. */
void suspects_hope(struct suspects *s, const uint8_t uuid[16]);

/* A call was left behind that was to ask these, with that patience for each (it may be their first call). */
void suspects_leave(struct suspects *s, struct flight *flight, const uint8_t (*uuid)[16],
		    size_t count, int64_t limit_ns);
/* Strikes out the calls that have come back.  Those whose call has answered are suspects no more; where it has
 * failed they may be asked at once. */
void suspects_sweep(struct suspects *s);
/* Is it to be asked by a call that is still on its way and hangs on nobody we know?  Not for ever: a call that
 * does not come back is disregarded after its patience, or 10 s. */
bool suspects_is_pending(struct suspects *s, const uint8_t uuid[16]);
/* Whose monitors should be asked after: all suspects that hung, and all that are in calls left behind.  Answers how
 * many; *ret_uuid is the caller's to g_free(). */
size_t suspects_watched(struct suspects *s, uint8_t (**ret_uuid)[16]);
/* The call that `uuid` is in and that nobody we know holds up, with a reference, and its patience; NULL: none. */
struct flight *suspects_flight(struct suspects *s, const uint8_t uuid[16], int64_t *ret_limit_ns);

#endif

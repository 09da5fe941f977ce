/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulated hypervisor: stands in for libvirt's client library and for the libvirtd and QEMUs behind it, under the
 * plugin's own code, on the simulated clock.  It keeps to what was measured of libvirt 9.0 with QEMU 7.2:
 *
 *  - 20 workers serve all connections; questions after control info, lists and lookups have workers of their own and
 *    are always answered at once.
 *  - Statistics go domain by domain.  What needs a monitor takes the domain's job first; where another call has it,
 *    NOWAIT leaves out what needs it (a short record), others wait up to 30 s.
 *  - Who has the job of a QEMU that does not answer waits for it without limit, NOWAIT or not, and keeps the worker;
 *    closing the connection does not free it.
 *  - Control info says "occupied" with the time since the command was sent, by the wall clock.
 *  - A frozen daemon answers nothing; after 40 s (keepalive) its connections are lost; connecting to it hangs.
 *
 * It is strict: two calls of ours that wait for the same domain, or more that hang than are allowed, end the test.
 */
#ifndef SCENARIO_HYPERVISOR_H
#define SCENARIO_HYPERVISOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HYP_DOMAINS = 24, HYP_WORKERS = 20 };

enum hyp_monitor {
	HYP_ANSWERS,
	HYP_STOPPED, /* the kernel knows: SIGSTOP */
	HYP_BLOCKED, /* the kernel knows after a second: D */
	HYP_HIDDEN, /* the kernel knows nothing */
};

enum hyp_daemon { HYP_UP, HYP_FROZEN, HYP_DOWN };

/* What is true of a domain. */
struct hyp_domain {
	uint8_t uuid[16];
	char id[37];
	bool exists, runs;
	int number;
	enum hyp_monitor monitor;
	bool taken; /* somebody else's call has its job */
	int64_t start_ns; /* monotonic: its counters count from then */
	int64_t trouble_ns; /* when it last was anything but healthy */
	bool asked; /* its first, slow call is over */
};

/* All run, all answer; a call may hang on `most` domains at a time.  `events`: libvirt tells of changes. */
void hyp_open(unsigned most, bool events);
void hyp_close(void);

const struct hyp_domain *hyp_get(size_t i);
size_t hyp_find(const uint8_t uuid[16]); /* SIZE_MAX: none */
enum hyp_daemon hyp_daemon_is(void);
int64_t hyp_daemon_trouble(void); /* when it last was anything but up */
unsigned hyp_hanging(void); /* calls that wait for a monitor that does not answer */
uint64_t hyp_calls(void);

/* Faults, from any thread of the simulation. */
void hyp_set_monitor(size_t i, enum hyp_monitor monitor);
void hyp_set_taken(size_t i, bool taken);
void hyp_stop(size_t i); /* QEMU ends; the domain stays defined */
void hyp_start(size_t i); /* anew */
void hyp_remove(size_t i); /* ends, and is not defined any more */
void hyp_set_daemon(enum hyp_daemon state);
/* The next call that asks for statistics fails, with an error of libvirt's that is not the connection's. */
void hyp_fail_next(void);

#endif

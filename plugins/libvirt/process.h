/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The QEMU processes of this host, by the UUID of their domain, and what the kernel says of each: the one
 * source about a stuck instance that needs neither libvirtd nor QEMU.
 *
 * A process is found by its command line (libvirt gives QEMU "-uuid UUID"), which everybody may read and
 * which also shows processes in a PID namespace below ours.  Where /proc shows none (a remote hypervisor, a
 * container with a PID namespace of its own, hidepid) there is simply no answer.
 *
 * Any thread; one lock, held while /proc is read, which never blocks on the process.
 */
#ifndef LIBVIRT_PROCESS_H
#define LIBVIRT_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* With both it is one process for all time, though pids are used again. */
struct process {
	pid_t pid; /* in our own PID namespace */
	uint64_t start; /* clock ticks after the boot (proc(5), /proc/PID/stat, field 22) */
};

/* What its main thread, the one that answers the monitor, is doing. */
enum process_state {
	PROCESS_UNKNOWN, /* there is none that we can see */
	PROCESS_GOING,
	PROCESS_STOPPED, /* by a signal (T) */
	PROCESS_TRACED, /* by a debugger (t) */
	PROCESS_WAITING, /* uninterruptible (D), for less than a second as far as we saw */
	PROCESS_BLOCKED, /* uninterruptible, without one context switch for a second or more */
	PROCESS_STATES
};

struct processes;

/* `proc`: where /proc is; NULL for /proc. */
struct processes *processes_new(const char *proc);
void processes_free(struct processes *p); /* NULL is fine */

/* Looks for all of them anew: for when a domain was started.  A few ms with hundreds of processes. */
void processes_scan(struct processes *p);

/* The process of that domain as of the last scan; false: none, or it has ended since. */
bool processes_find(struct processes *p, const uint8_t uuid[16], struct process *ret_process);

/* What the kernel says of it now: one read of a file that is kept open. */
enum process_state processes_look(struct processes *p, const uint8_t uuid[16]);

/* Whether its monitor cannot answer in that state. */
static inline bool process_cannot_answer(enum process_state s)
{
	return s == PROCESS_STOPPED || s == PROCESS_TRACED || s == PROCESS_BLOCKED;
}

/* "stopped", "traced"…; for a person. */
const char *process_state_name(enum process_state s);

#endif

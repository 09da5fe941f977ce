/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tells that a job has come back: a bell, for who waits for several, and a flight, which outlives the job.
 * Any thread.
 */
#ifndef LIBVIRT_FLIGHT_H
#define LIBVIRT_FLIGHT_H

#include <stdbool.h>
#include <stdint.h>

struct bell;
struct flight;

struct bell *bell_new(void);
struct bell *bell_ref(struct bell *b);
void bell_unref(struct bell *b); /* NULL is fine */
/* Until it rings, or has rung since the last wait, or the deadline. */
void bell_wait(struct bell *b, int64_t deadline_ns);
void bell_ring(struct bell *b); /* takes the reference over; NULL is fine */

struct flight *flight_new(void);
struct flight *flight_ref(struct flight *f);
void flight_unref(struct flight *f); /* NULL is fine */
/* It has come back, with this result.  Once. */
void flight_land(struct flight *f, int result);
/* False: still on its way.  *ret_result: what the job answered. */
bool flight_done(const struct flight *f, int *ret_result);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who of several members owns what: a consistent hash ring with the placement of tooz's HashRing, which Ceilometer's
 * agents use, so that agents of ours share as theirs do.  Immutable once made; any thread, blocks on nothing.
 */
#ifndef AGENT_RING_H
#define AGENT_RING_H

#include <stdbool.h>
#include <stddef.h>

struct ring;

/* Of `count` members, whose names are copied; one that comes twice counts once. */
struct ring *ring_new(const char *const *members, size_t count);
void ring_free(struct ring *ring); /* NULL is fine */

/* The member whose the key is, as a string of the ring's; NULL: there are none. */
const char *ring_owner(const struct ring *ring, const char *key);
size_t ring_members(const struct ring *ring);
bool ring_has(const struct ring *ring, const char *member);
/* Whether both have the same members. */
bool ring_same(const struct ring *a, const struct ring *b);

#endif

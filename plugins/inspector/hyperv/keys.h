/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table from the keys of WMI objects to numbers.  Keys are told apart as WMI does: not by the case of letters.
 * Its memory is an arena's; the keys' texts have to stay.  Pure.
 */
#ifndef INSPECTOR_HYPERV_KEYS_H
#define INSPECTOR_HYPERV_KEYS_H

#include "base/arena.h"

enum { KEY_NONE = -1 };

struct keys {
	struct key_slot *slot;
	uint64_t mask;
};

/* Room for `count` keys. */
void keys_init(struct keys *k, struct arena *arena, size_t count);
/* The first of equal keys stays. */
void keys_put(struct keys *k, const char *key, size_t len, int number);
int keys_get(const struct keys *k, const char *key, size_t len); /* or KEY_NONE */

/* Equal for texts that differ by the case of letters alone. */
uint64_t key_hash(const char *key, size_t len);

#endif

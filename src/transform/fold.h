/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The id that many samples have together: from it the id of the one made of them is derived.  The same samples
 * in the same order, the same id.
 */
#ifndef TRANSFORM_FOLD_H
#define TRANSFORM_FOLD_H

#include <string.h>

#include "base/hash.h"

struct fold {
	uint64_t state[2]; /* zero at first */
};

static inline void fold_add(struct fold *f, const uint8_t id[16])
{
	f->state[0] = hash64(id, 16, f->state[0] + 1);
	f->state[1] = hash64(id, 16, f->state[1] ^ UINT64_C(0x9e3779b97f4a7c15));
}

static inline void fold_id(const struct fold *f, uint8_t ret_id[16])
{
	for (int i = 0; i < 16; i++) {
		ret_id[i] = (uint8_t)(f->state[i / 8] >> (8 * (i % 8)));
	}
}

#endif

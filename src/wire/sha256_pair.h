/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256's compression of two texts side by side.  A processor's instructions for it wait for each other, and while
 * those of one text wait, those of the other run.  Which file is built says the machine: sha256_pair_x86.c, or
 * sha256_pair_none.c, with which no processor can.
 */
#ifndef WIRE_SHA256_PAIR_H
#define WIRE_SHA256_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SHA256_BLOCK = 64, SHA256_WORDS = 8, SHA256_SIZE = 32 };

struct sha256_state {
	uint32_t word[SHA256_WORDS];
};

struct sha256_states {
	struct sha256_state of[2];
};

/* Whether this processor can. */
bool sha256_pair_here(void);

/* Takes `blocks` blocks of each text into its state. */
void sha256_pair(struct sha256_states *states, const unsigned char *const text[2], size_t blocks);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests: counts the calls that take memory from the heap, and what is taken, in the whole process, libraries
 * included.  Two implementations: one stands in front of the C library's functions, the other asks
 * a sanitizer, whose own stand there already.  Any thread.
 */
#ifndef MODEL_ALLOC_COUNT_H
#define MODEL_ALLOC_COUNT_H

#include <stdint.h>

/* Starts to count, from 0. */
void alloc_count_begin(void);

/* Calls since then. */
uint64_t alloc_count(void);

/* Bytes of the heap that are in use, and, as far as the C library counts them so, those that it keeps at hand: at most
 * ALLOC_SLACK more for the same use. */
uint64_t alloc_bytes(void);

enum { ALLOC_SLACK = 128 << 10 };

#endif

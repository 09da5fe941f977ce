/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UUIDs as 16 bytes in network order (RFC 9562).
 */
#ifndef BASE_UUID_H
#define BASE_UUID_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

enum { UUID_TEXT = 37 }; /* 36 characters and the zero */

/* What version-1 ids are made from.  Blocks of ids never overlap, though the clock stands or steps. */
struct uuid_clock {
	pthread_mutex_t lock;
	uint64_t next; /* 100 ns since 1582-10-15: first one not yet given */
	uint16_t sequence; /* 14 bits */
	uint8_t node[6]; /* random, multicast bit set: no host's address */
};

void uuid_clock_init(struct uuid_clock *c, uint64_t seed); /* seed 0: from the system */
void uuid_clock_fini(struct uuid_clock *c);

/* Reserves n ids, whose time fields follow each other; answers the first. */
void uuid_clock_block(struct uuid_clock *c, uint32_t n, uint8_t ret_id[16]);

/* The same from the process's own clock.  Any thread. */
void uuid1_block(uint32_t n, uint8_t ret_id[16]);

/* The id whose time field is larger by i. */
void uuid1_add(const uint8_t id[16], uint32_t i, uint8_t ret_id[16]);

/* Version 5: of a name in the name space of another UUID (RFC 9562, 5.5).  Any thread. */
void uuid5(const uint8_t space[16], const char *name, size_t len, uint8_t ret_id[16]);

/* Lower case with dashes and a zero: 37 bytes. */
void uuid_format(const uint8_t id[16], char ret_text[UUID_TEXT]);

/* The 36 characters at the front of `text`, either case.  0, -EINVAL. */
int uuid_parse(const char *text, uint8_t ret_id[16]);

/* For tables whose keys are 16 bytes of a random UUID (GHashFunc, GEqualFunc). */
unsigned uuid_key_hash(const void *id);
int uuid_key_equal(const void *a, const void *b);

#endif

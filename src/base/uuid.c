/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns UUIDs: the process's source of version-1 ids, and their text.  Any thread; a mutex for a moment.
 * In simulation the node and sequence follow from the simulated start, so that runs repeat.
 */
#include "base/uuid.h"
#include "base/clock.h"
#include "base/hash.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* 100 ns units between 1582-10-15 and 1970-01-01. */
#define UNIX_EPOCH UINT64_C(0x01b21dd213814000)
/* The clock may lag so much behind the ids given (large blocks) before it counts as set back: 10 s. */
#define LAG_MAX UINT64_C(100000000)

static struct uuid_clock process;
static pthread_once_t once = PTHREAD_ONCE_INIT;

void uuid_clock_init(struct uuid_clock *c, uint64_t seed)
{
	uint64_t r = hash64(&seed, sizeof(seed), 1);

	pthread_mutex_init(&c->lock, NULL);
	if (!seed && getrandom(&r, sizeof(r), 0) != (ssize_t)sizeof(r)) {
		uint64_t some[3] = { (uint64_t)clock_real(), (uint64_t)clock_monotonic(),
				     (uint64_t)getpid() };

		r = hash64(some, sizeof(some), 2);
	}
	c->next = 0;
	c->sequence = (uint16_t)(r >> 48) & 0x3fff;
	for (int i = 0; i < 6; i++) {
		c->node[i] = (uint8_t)(r >> (8 * i));
	}
	c->node[0] |= 1;
}

void uuid_clock_fini(struct uuid_clock *c)
{
	if (c) {
		pthread_mutex_destroy(&c->lock);
	}
}

static void put_time(uint8_t id[16], uint64_t t)
{
	id[0] = (uint8_t)(t >> 24);
	id[1] = (uint8_t)(t >> 16);
	id[2] = (uint8_t)(t >> 8);
	id[3] = (uint8_t)t;
	id[4] = (uint8_t)(t >> 40);
	id[5] = (uint8_t)(t >> 32);
	id[6] = (uint8_t)(0x10 | (t >> 56 & 0x0f));
	id[7] = (uint8_t)(t >> 48);
}

static uint64_t get_time(const uint8_t id[16])
{
	uint64_t low = (uint64_t)id[0] << 24 | (uint64_t)id[1] << 16 | (uint64_t)id[2] << 8 | id[3];
	uint64_t mid = (uint64_t)id[4] << 8 | id[5], high = (uint64_t)(id[6] & 0x0f) << 8 | id[7];

	return high << 48 | mid << 32 | low;
}

void uuid_clock_block(struct uuid_clock *c, uint32_t n, uint8_t ret_id[16])
{
	uint64_t now = (uint64_t)(clock_real() / 100) + UNIX_EPOCH, start;
	uint16_t sequence;

	pthread_mutex_lock(&c->lock);
	if (c->next > now + LAG_MAX) {
		c->sequence = (c->sequence + 1) & 0x3fff; /* the clock was set back */
		c->next = 0;
	}
	start = MAX(now, c->next);
	c->next = start + n;
	sequence = c->sequence;
	pthread_mutex_unlock(&c->lock);

	put_time(ret_id, start);
	ret_id[8] = (uint8_t)(0x80 | sequence >> 8);
	ret_id[9] = (uint8_t)sequence;
	memcpy(ret_id + 10, c->node, 6);
}

static void init_process(void)
{
	uuid_clock_init(&process, clock_is_simulated() ? (uint64_t)clock_real() | 1 : 0);
}

void uuid1_block(uint32_t n, uint8_t ret_id[16])
{
	pthread_once(&once, init_process);
	uuid_clock_block(&process, n, ret_id);
}

void uuid1_add(const uint8_t id[16], uint32_t i, uint8_t ret_id[16])
{
	uint64_t t = get_time(id) + i;

	memmove(ret_id + 8, id + 8, 8);
	put_time(ret_id, t);
}

static void free_sum(void *sum)
{
	g_checksum_free(sum);
}

static GPrivate thread_sum = G_PRIVATE_INIT(free_sum);

void uuid5(const uint8_t space[16], const char *name, size_t len, uint8_t ret_id[16])
{
	GChecksum *sum = g_private_get(&thread_sum);
	uint8_t digest[20];
	gsize size = sizeof(digest);

	if (!sum) {
		sum = g_checksum_new(G_CHECKSUM_SHA1);
		g_private_set(&thread_sum, sum);
	}
	g_checksum_reset(sum);
	g_checksum_update(sum, space, 16);
	g_checksum_update(sum, (const guchar *)name, (gssize)len);
	g_checksum_get_digest(sum, digest, &size);
	memcpy(ret_id, digest, 16);
	ret_id[6] = (uint8_t)(0x50 | (ret_id[6] & 0x0f));
	ret_id[8] = (uint8_t)(0x80 | (ret_id[8] & 0x3f));
}

#define HEX_ROW(h)                                                                                 \
	h "0" h "1" h "2" h "3" h "4" h "5" h "6" h "7" h "8" h "9" h "a" h "b" h "c" h "d" h      \
	  "e" h "f"
static const char hex[] = HEX_ROW("0") HEX_ROW("1") HEX_ROW("2") HEX_ROW("3") HEX_ROW("4")
	HEX_ROW("5") HEX_ROW("6") HEX_ROW("7") HEX_ROW("8") HEX_ROW("9") HEX_ROW("a") HEX_ROW("b")
		HEX_ROW("c") HEX_ROW("d") HEX_ROW("e") HEX_ROW("f");

/* Where the byte's two digits go. */
static const uint8_t place[16] = { 0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34 };

void uuid_format(const uint8_t id[16], char ret_text[UUID_TEXT])
{
	for (int i = 0; i < 16; i++) {
		memcpy(ret_text + place[i], hex + 2 * (size_t)id[i], 2);
	}
	ret_text[8] = ret_text[13] = ret_text[18] = ret_text[23] = '-';
	ret_text[36] = '\0';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int uuid_parse(const char *text, uint8_t ret_id[16])
{
	uint8_t id[16];

	if (strnlen(text, 36) < 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' ||
	    text[23] != '-') {
		return -EINVAL;
	}
	for (int i = 0; i < 16; i++) {
		int high = hex_digit(text[place[i]]);
		int low = hex_digit(text[place[i] + 1]);

		if (high < 0 || low < 0) {
			return -EINVAL;
		}
		id[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(ret_id, id, 16);
	return 0;
}

unsigned uuid_key_hash(const void *id)
{
	unsigned v;

	memcpy(&v, id, sizeof(v));
	return v;
}

int uuid_key_equal(const void *a, const void *b)
{
	return memcmp(a, b, 16) == 0;
}

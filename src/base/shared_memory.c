/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the memory that shared objects of one process have in common.  Any thread; blocks on
 * nothing but its lock, which is held for moments.
 */
#include "base/shared_memory.h"

#include <glib.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

struct block {
	struct block *next;
	char *name;
	size_t size;
	max_align_t data[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct block *blocks; /* under `lock` */

static struct block *find(const char *name)
{
	for (struct block *b = blocks; b; b = b->next) {
		if (strcmp(b->name, name) == 0) {
			return b;
		}
	}
	return NULL;
}

void *vmt_shared(const char *name, size_t size, void (*init)(void *memory))
{
	struct block *b;

	pthread_mutex_lock(&lock);
	b = find(name);
	if (!b) {
		b = g_malloc0(sizeof(*b) + size);
		*b = (struct block){ .next = blocks, .name = g_strdup(name), .size = size };
		if (init) {
			init(b->data);
		}
		blocks = b;
	}
	pthread_mutex_unlock(&lock);
	return b->size == size ? b->data : NULL;
}

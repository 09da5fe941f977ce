/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the interned strings of the process.  Any thread; adding takes a mutex for a moment.  Readers
 * walk a table that only ever gains entries; a table that got too full is followed by a larger one and
 * stays for readers still in it (all the old ones together are smaller than the present one).
 */
#include "base/intern.h"
#include "base/arena.h"
#include "base/hash.h"

#include <glib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

struct symbol {
	uint64_t hash;
	size_t len;
	char text[];
};

struct table {
	struct table *older;
	size_t mask;
	_Atomic(struct symbol *) slot[];
};

enum { FIRST_SLOTS = 256 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(struct table *) table;
static atomic_size_t count;
static struct arena *text;

static struct symbol *find(struct table *t, const char *s, size_t n, uint64_t hash)
{
	for (size_t i = hash & t->mask;; i = (i + 1) & t->mask) {
		struct symbol *sym = atomic_load_explicit(&t->slot[i], memory_order_acquire);

		if (!sym) {
			return NULL;
		}
		if (sym->hash == hash && sym->len == n && memcmp(sym->text, s, n) == 0) {
			return sym;
		}
	}
}

static void put(struct table *t, struct symbol *sym)
{
	size_t i = sym->hash & t->mask;

	while (atomic_load_explicit(&t->slot[i], memory_order_relaxed)) {
		i = (i + 1) & t->mask;
	}
	atomic_store_explicit(&t->slot[i], sym, memory_order_release);
}

/* Room for one more at a load of one half.  Locked. */
static struct table *roomy(void)
{
	struct table *old = atomic_load(&table), *t;
	size_t slots = old ? old->mask + 1 : 0;

	if (old && atomic_load(&count) < slots / 2) {
		return old;
	}
	slots = old ? slots * 2 : FIRST_SLOTS;
	t = g_malloc0(sizeof(*t) + slots * sizeof(t->slot[0]));
	t->older = old;
	t->mask = slots - 1;
	for (size_t i = 0; old && i <= old->mask; i++) {
		struct symbol *sym = atomic_load(&old->slot[i]);

		if (sym) {
			put(t, sym);
		}
	}
	atomic_store(&table, t);
	return t;
}

static struct symbol *add(const char *s, size_t n, uint64_t hash)
{
	struct symbol *sym;
	struct table *t;

	pthread_mutex_lock(&lock);
	t = roomy();
	sym = find(t, s, n, hash);
	if (!sym) {
		if (!text) {
			text = arena_new(4096);
		}
		sym = arena_alloc(text, sizeof(*sym) + n + 1);
		sym->hash = hash;
		sym->len = n;
		memcpy(sym->text, s, n);
		sym->text[n] = '\0';
		put(t, sym);
		atomic_fetch_add(&count, 1);
	}
	pthread_mutex_unlock(&lock);
	return sym;
}

const char *intern_n(const char *s, size_t n)
{
	uint64_t hash = hash64(s, n, 0);
	struct table *t = atomic_load_explicit(&table, memory_order_acquire);
	struct symbol *sym = t ? find(t, s, n, hash) : NULL;

	if (!sym) {
		sym = add(s, n, hash);
	}
	return sym->text;
}

const char *intern(const char *s)
{
	return s ? intern_n(s, strlen(s)) : NULL;
}

size_t intern_count(void)
{
	return atomic_load(&count);
}

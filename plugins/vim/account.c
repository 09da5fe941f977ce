/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what sessions of one account know together, in memory that the plugins of a process share.  Any thread; blocks in
 * account_enter() alone, until the call's deadline.
 */
#include "plugins/vim/account.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/shared_memory.h"
#include "base/wait.h"

#define SHARED "vim.accounts"
#define FIRST_NS (60 * NS_PER_S)
#define MOST_NS (600 * NS_PER_S)
#define SILENT_NS (10 * NS_PER_S)
#define LOOK_NS (20 * NS_PER_MS)

enum { ACCOUNTS = 64 };

/* Zeroed at first. */
struct account {
	_Atomic uint64_t key; /* 0: free */
	atomic_bool busy;
	_Atomic int64_t pause_ns, until_ns, silent_until_ns; /* times of CLOCK_MONOTONIC */
};

static uint64_t key_of(const char *address, const char *user, const char *password)
{
	uint64_t key = hash64(address, strlen(address), 1);

	key = hash64(user, strlen(user), key);
	return hash64(password, strlen(password), key) | 1;
}

struct account *account_of(const char *address, const char *user, const char *password)
{
	struct account *all = vmt_shared(SHARED, ACCOUNTS * sizeof(*all));
	uint64_t key = key_of(address, user, password);

	for (size_t i = 0; i < ACCOUNTS; i++) {
		uint64_t there = 0;

		if (atomic_compare_exchange_strong(&all[i].key, &there, key) || there == key) {
			return &all[i];
		}
	}
	return &all[key % ACCOUNTS]; /* so many there are not; at worst two wait for each other */
}

int64_t account_left_ns(const struct account *a)
{
	return MAX(atomic_load(&a->until_ns) - clock_monotonic(), 0);
}

int account_enter(struct account *a, const struct vmt_call *call)
{
	bool busy = false;

	while (!atomic_compare_exchange_strong(&a->busy, &busy, true)) {
		busy = false;
		if (atomic_load(call->cancel)) {
			return -ECANCELED;
		}
		if (clock_monotonic() >= call->deadline_ns) {
			return -ETIMEDOUT;
		}
		wait_sleep(LOOK_NS);
	}
	if (account_left_ns(a) > 0) {
		account_leave(a);
		return -EACCES;
	}
	return 0;
}

void account_leave(struct account *a)
{
	atomic_store(&a->busy, false);
}

int64_t account_refuse(struct account *a, bool account)
{
	int64_t pause_ns = atomic_load(&a->pause_ns);

	pause_ns = account ? CLAMP(pause_ns * 2, FIRST_NS, MOST_NS) : FIRST_NS;
	atomic_store(&a->pause_ns, pause_ns);
	atomic_store(&a->until_ns, clock_monotonic() + pause_ns);
	return pause_ns;
}

void account_accept(struct account *a)
{
	atomic_store(&a->pause_ns, 0);
	atomic_store(&a->until_ns, 0);
}

void account_set_silent(struct account *a)
{
	atomic_store(&a->silent_until_ns, clock_monotonic() + SILENT_NS);
}

bool account_is_silent(const struct account *a)
{
	return clock_monotonic() < atomic_load(&a->silent_until_ns);
}

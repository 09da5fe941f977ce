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
#define LOOK_NS (100 * NS_PER_MS) /* how soon a cancel is seen: nobody wakes for it */

enum { ACCOUNTS = 64 };

struct account {
	_Atomic uint64_t key; /* 0: free */
	struct wait wait; /* woken when a login is over */
	bool busy; /* a login is going on; under its lock */
	_Atomic int64_t pause_ns, until_ns, silent_until_ns; /* times of CLOCK_MONOTONIC */
};

static uint64_t key_of(const char *address, const char *user, const char *password)
{
	uint64_t key = hash64(address, strlen(address), 1);

	key = hash64(user, strlen(user), key);
	return hash64(password, strlen(password), key) | 1;
}

static void init_all(void *memory)
{
	struct account *all = memory;

	for (size_t i = 0; i < ACCOUNTS; i++) {
		wait_init(&all[i].wait);
	}
}

struct account *account_of(const char *address, const char *user, const char *password)
{
	struct account *all = vmt_shared(SHARED, ACCOUNTS * sizeof(*all), init_all);
	uint64_t key = key_of(address, user, password);

	g_assert(all); /* it has one size: shared objects of another version are not opened */
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

/* Until no login is going on.  0, -ECANCELED, -ETIMEDOUT.  Locked. */
static int await_turn(struct account *a, const struct vmt_call *call)
{
	while (a->busy) {
		int64_t now = clock_monotonic();

		if (atomic_load(call->cancel)) {
			return -ECANCELED;
		}
		if (now >= call->deadline_ns) {
			return -ETIMEDOUT;
		}
		wait_until(&a->wait, MIN(call->deadline_ns, now + LOOK_NS));
	}
	return 0;
}

int account_enter(struct account *a, const struct vmt_call *call)
{
	int err;

	wait_lock(&a->wait);
	err = await_turn(a, call);
	if (err == 0 && account_left_ns(a) > 0) {
		err = -EACCES;
	}
	if (err == 0) {
		a->busy = true;
	}
	wait_unlock(&a->wait);
	return err;
}

void account_leave(struct account *a)
{
	wait_lock(&a->wait);
	a->busy = false;
	wait_wake(&a->wait);
	wait_unlock(&a->wait);
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads: small stack, no signals, known to the simulated clock.  Any thread may call these.
 */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>

/* Starts a thread with a stack of 256 KiB (more with a sanitizer), all signals blocked, and a name
 * (its first 15 bytes are what `ps` shows).  To the simulated clock it is busy from now on.
 * 0, or -errno. */
int thread_start(pthread_t *ret, const char *name, void *(*fn)(void *), void *arg);

/* Waits for its end.  In simulation the caller counts as waiting.  Exactly once per thread. */
void thread_join(pthread_t thread);

/* Around what blocks outside of base/wait.h (a socket, a hypervisor).  The simulated time stands
 * still, but other threads run.  Hold no lock of struct wait over it. */
void thread_block_begin(void);
void thread_block_end(void);

#endif

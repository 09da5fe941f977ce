/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exponential back-off: how long to pause after a failure, twice as long after each one that follows.  Arithmetic
 * alone: whoever asks knows the time, and waits.  Times and pauses are nanoseconds, >= 0.  Any thread; blocks on
 * nothing.
 */
#ifndef BASE_BACKOFF_H
#define BASE_BACKOFF_H

#include <stdint.h>

/* 0 < first_ns <= last_ns. */
struct backoff_limits {
	int64_t first_ns, last_ns;
};

/* Zeroed: nothing has failed, and it may be tried at once. */
struct backoff {
	int64_t pause_ns; /* the last one */
	int64_t until_ns; /* when it is over, by the clock of whoever asks */
};

/* The pause that follows one of `pause_ns`, which is 0 at the first failure. */
int64_t backoff_next(int64_t pause_ns, const struct backoff_limits *limits);

/* The pause after one failure and `more` that followed it, for those who count them. */
int64_t backoff_after(uint64_t more, const struct backoff_limits *limits);

/* One more failure, at `now_ns`. */
void backoff_fail(struct backoff *b, const struct backoff_limits *limits, int64_t now_ns);

/* A time from `pause_ns` - `less_ns` on and before `pause_ns` + `more_ns`, which `random` chooses evenly, so that those
 * who failed together do not come again together. */
int64_t backoff_spread(int64_t pause_ns, int64_t less_ns, int64_t more_ns, uint64_t random);

#endif

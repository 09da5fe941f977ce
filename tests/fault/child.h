/* SPDX-License-Identifier: Apache-2.0 */
/* A process of its own for a run that is to die on the way, and that says through a pipe how far it came. */
#ifndef FAULT_CHILD_H
#define FAULT_CHILD_H

#include <sys/types.h>

/* How it may end: all done and nothing struck, struck, or all done past the place that should have struck. */
enum { CHILD_DONE = 0, CHILD_DIED = 7, CHILD_PASSED };

/* As fork(); *ret_fd: the child's end to write to, the caller's to read from. */
pid_t child_start(int *ret_fd);
/* In the caller, when all is read: one of the three ends, anything else is a failed test.  Closes `fd`. */
int child_end(pid_t child, int fd);

#endif

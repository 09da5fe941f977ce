/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters that outlive the process: DIR/ledgers, a small file that is mapped shared, so that counting is an addition in
 * memory, and what was counted when the process was killed is there for the next one.  What the kernel has not written
 * when the power is cut is not.  The file has its blocks in advance: a full disk takes nothing from who counts.
 *
 * A slot has a name and LEDGER_COUNTERS counters; what they mean is its user's, who counts only upwards, so that the file
 * is right between any two additions.  It does not know of its lock: whoever opens it holds that of DIR.  Main thread, but
 * for counting.
 */
#ifndef SPOOL_LEDGER_FILE_H
#define SPOOL_LEDGER_FILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <virtmeter/plugin.h>

enum {
	LEDGER_VERSION = 1, /* of the file, and of what counters stand for */
	LEDGER_COUNTERS = 32, /* of a slot */
	LEDGER_SLOTS = 255,
};

struct ledger_file;

/* Opens DIR/ledgers, and makes it where there is none.  What is damaged, or of another version, is told in the log and
 * begun anew.  -errno with the reason: no right to, no room. */
int ledger_file_open(const char *dir, struct ledger_file **ret_file, struct vmt_error *error);
/* The counters of that name, all 0 at first, the same ones whenever it is asked for, until the file is closed.
 * *ret_left: a process before this one counted there, and nobody has asked for it since.  NULL: all slots are taken by
 * names that this process or the one before it asked for. */
atomic_uint_fast64_t *ledger_file_slot(struct ledger_file *file, const char *name, bool *ret_left);
void ledger_file_close(struct ledger_file *file); /* NULL is fine */

#endif

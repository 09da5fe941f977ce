/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layer below SQLite (its VFS) that counts what changes the disk and lets one operation fail, or the
 * process die in it.  Syncs are not passed on: the death of a process does not lose what the kernel has.
 */
#ifndef FAULT_VFS_H
#define FAULT_VFS_H

enum fault_kind {
	FAULT_NONE,
	FAULT_FAIL, /* an I/O error */
	FAULT_FULL, /* no space */
	FAULT_DIE, /* the process dies before the operation, with status CHILD_DIED */
	FAULT_DIE_TORN, /* it dies when half of a write is done */
};

extern struct fault_disk {
	enum fault_kind fault;
	long at; /* which operation it strikes; 0: none */
	long last; /* up to which it strikes; 0: only that one */
	long count; /* operations so far */
} fault_disk;

/* From now on every database is opened through it. */
void fault_vfs_put(void);

#endif

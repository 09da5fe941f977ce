/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the file of the durable log: what disk.c and disk_open.c share. */
#ifndef SPOOL_DISK_PRIVATE_H
#define SPOOL_DISK_PRIVATE_H

#include <sqlite3.h>

#include "spool/disk.h"

enum disk_statement {
	DISK_BEGIN,
	DISK_COMMIT,
	DISK_ADD_ENTRY,
	DISK_ADD_BODY,
	DISK_SET_PENDING,
	DISK_REMOVE_ENTRY,
	DISK_REMOVE_BODY,
	DISK_GET_BODY,
	DISK_SET_LEDGER,
	DISK_SET_CURSOR,
	DISK_ADD_LETTER,
	DISK_STATEMENTS
};

struct disk {
	char *dir;
	enum disk_mode mode;
	sqlite3 *db;
	sqlite3_stmt *statement[DISK_STATEMENTS];
	int lock; /* descriptor; -1: none */
	bool reserved; /* DIR/reserve is there */
	int64_t reserve_next_ns; /* not before that is it tried to make it again */
};

/* What SQLite's last failure means; `doing` is a word for a person. */
int disk_error(struct disk *disk, const char *doing, struct vmt_error *error);
/* Makes the reserve if it is missing and there is room. */
void disk_make_reserve(struct disk *disk);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the postgresql store share.  One thread at a time (the publisher's own, or the one of a
 * command that reads).  Blocks on the server, until the deadline of the call.
 *
 *   pg.c          connection, deadlines, reasons of failures      (pg_)
 *   address.c     the URL, and names of hosts to addresses        (address_)
 *   schema.c      tables and their migrations                     (pgschema_)
 *   ids.c         row numbers of meters, resources and series     (pgids_)
 *   ids_load.c    the same, asked of the database
 *   points.c      a frame into the tables                         (pgrows_)
 *   copy.c        rows in the binary form of COPY                 (copy_)
 *   partition.c   partitions, time_to_live                        (partition_)
 *   query.c       how the statements of ../select.h are run       (pgquery_)
 *   postgresql.c  the plugin
 *
 * Several processes may write to one schema.  Who adds to anything but points holds the advisory lock of the
 * schema; who only adds points holds it shared.  Who changes what others may remember (the newest run of a series, rows
 * that are dropped) raises `generation` of the one row in `state`: what a process remembers is right as long as that is
 * the same.  What is only new raises nothing, else two writers would make each other forget for ever.
 */
#ifndef PUBLISHER_POSTGRESQL_PG_H
#define PUBLISHER_POSTGRESQL_PG_H

#include <glib.h>
#include <libpq-fe.h>

#include "../select.h"
#include "base/buf.h"
#include "options.h"

enum {
	PG_PARTITION_MINUTES = 1440,
	PG_SLOT_MINUTES =
		30, /* lie together; the microseconds of more than 35 are too many for the column */
};

/* What became of samples since the store was opened, or of those of the transaction under way. */
struct pg_counts {
	uint64_t stored; /* new points */
	uint64_t repeats; /* same key, same value: absorbed */
	uint64_t conflicts; /* same key, another value: the first was kept */
	uint64_t rejected; /* not a number */
	uint64_t direct, staged; /* frames by their way into the table */
};

struct pgids;
struct pgrows;
struct address;

struct pg {
	struct select_db select;
	struct pg_conf conf; /* its texts are ours */
	char *text; /* the URL, for messages */
	bool read_only;
	struct address *address;
	char *schema; /* quoted */
	int64_t lock; /* key of the advisory lock */

	PGconn *c; /* NULL: not connected */
	bool staging; /* the temporary table is there */
	const struct vmt_call *call; /* the running one; NULL: none */
	int64_t deadline_ns;
	char state[6]; /* SQLSTATE of the last failure; "" for none from the server */

	struct pgids *ids;
	struct pgrows *points;
	GHashTable *partitions; /* first minute → PARTITION_OWN, PARTITION_REST */
	struct pg_counts counts, delta;
	int64_t expire_ns; /* when time_to_live is looked at next */
	uint64_t asked; /* statements with parameters so far */
};

/* pg.c */

/* Begins a call (NULL: a query, which has `timeout`). */
void pg_call_begin(struct pg *p, const struct vmt_call *call);
/* Connects, and brings the schema up, if it is not connected. */
int pg_connect(struct pg *p, struct vmt_error *error);
void pg_disconnect(struct pg *p);
/* Whether there is a connection that can be used. */
bool pg_is_alive(const struct pg *p);

/* Runs one statement with parameters ($1…; NULL is null), results in binary form.  *ret_result (may be NULL)
 * is to be cleared. */
int pg_ask(struct pg *p, const char *sql, const char *const *values, int count,
	   PGresult **ret_result, struct vmt_error *error);
/* Runs statements without parameters; the last result in text form. */
int pg_run(struct pg *p, const char *sql, PGresult **ret_result, struct vmt_error *error);
/* Begins COPY … FROM STDIN; its bytes in parts, which the server works at meanwhile; its end.  What a part is
 * refused for comes at the end. */
int pg_copy_in(struct pg *p, const char *sql, struct vmt_error *error);
int pg_copy_part(struct pg *p, const struct buf *bytes, struct vmt_error *error);
int pg_copy_end(struct pg *p, struct vmt_error *error);
/* Sends a statement, whose results pg_next() gives one after the other: rows in parts or all at once.  NULL with 0:
 * no more. */
int pg_send(struct pg *p, const char *sql, const char *const *values, int count, bool parts,
	    struct vmt_error *error);
int pg_next(struct pg *p, PGresult **ret_result, struct vmt_error *error);

/* Begins COPY (…) TO STDOUT; pg_read_copy() then gives one message after the other, to be freed with PQfreemem(): 1,
 * or 0 at the end, after which the transaction goes on.  On a failure too all has been read. */
int pg_begin_copy(struct pg *p, const char *sql, struct vmt_error *error);
int pg_read_copy(struct pg *p, char **ret_bytes, int *ret_len, struct vmt_error *error);

/* An integer as it is sent, of 2, 4 or 8 bytes. */
int64_t pg_integer(const char *bytes, int len);
/* A number of a binary column of 2, 4 or 8 bytes; INT64_MIN for null. */
int64_t pg_number(const PGresult *result, int row, int column);

/* address.c: what the URL says; -EINVAL. */
int address_new(const struct vmt_url *url, const struct pg_conf *conf, struct address **ret_address,
		struct vmt_error *error);
void address_free(struct address *a); /* NULL is fine */
/* The parameters of a connection, in pairs that end with NULL, valid until the next call; may wait for name
 * servers. */
int address_parameters(struct address *a, const struct pg *p, const char *const **ret_keys,
		       const char *const **ret_values, struct vmt_error *error);

/* schema.c: the schema in the version of this program. */
int pgschema_take(struct pg *p, struct vmt_error *error);

/* points.c */
struct pgrows *pgrows_new(void);
void pgrows_free(struct pgrows *points); /* NULL is fine */
int pgrows_publish(struct pg *p, const struct vmt_frame *frame, uint64_t bit,
		   struct vmt_error *error);

/* partition.c */
enum partition { PARTITION_NONE, PARTITION_OWN, PARTITION_REST };
/* First minute of the partition of `minute`. */
int64_t partition_start(int64_t minute);
/* What is known of it. */
enum partition partition_known(const struct pg *p, int64_t start);
/* Makes it, under the lock. */
int partition_make(struct pg *p, int64_t start, struct vmt_error *error);
/* time_to_live, in transactions of its own; failures are logged. */
void partition_expire(struct pg *p);

/* query.c */
extern const struct select_ops pgquery_ops;

#endif

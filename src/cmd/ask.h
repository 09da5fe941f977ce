/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of the commands that ask a store: which store, what is asked of it, in what form the answer
 * is wanted.  Main thread.
 */
#ifndef CMD_ASK_H
#define CMD_ASK_H

#include <glib.h>

#include "base/buf.h"
#include "cmd/store.h"

#define ASK_NO_LIMIT G_MININT64

enum ask_form { ASK_TABLE, ASK_JSON, ASK_CSV };

struct ask {
	struct vmt_query query; /* `limit` is 0 unless --limit was given */
	enum ask_form form;
	bool limited; /* --limit was given */
	/* private */
	char **config_files, **config_dirs, **meters, **metadata;
	char **resource, **project, **user; /* of which one is taken */
	char *store, *start, *end, *format;
	gint64 limit; /* ASK_NO_LIMIT: not given */
	struct vmt_pair *pairs;
};

/* Parses the options that all these commands have and those of `more` (ends with an empty one).  -1: go on;
 * else the exit status.  ask_fini() in both cases. */
int ask_parse(struct ask *a, const char *name, const char *about, const GOptionEntry *more,
	      int *argc, char ***argv);
void ask_fini(struct ask *a);

/* Opens the store that is meant.  -1, or the exit status after a line on stderr. */
int ask_open(const struct ask *a, const char *name, struct cmd_store *ret_store);

/* The exit status after the store answered `code` and the output was closed with `closed` (0 or -errno each);
 * a line on stderr unless all is well. */
int ask_status(const char *name, int code, int closed, const struct vmt_error *error);

/* Says on stderr that the answer is empty, and how far the store goes. */
void ask_nothing(const char *name, const struct cmd_store *store);

/* A field of CSV (RFC 4180): in quotes where it has to be; NULL is empty. */
void ask_csv(struct buf *out, const char *text);

#endif

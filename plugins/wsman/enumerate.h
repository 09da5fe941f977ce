/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All instances of a class, page by page.  What a fault means is done here: begin again, ask for less at a time,
 * give up; what is given up is released on the server, at the next opportunity where there is no time left.
 */
#ifndef WSMAN_ENUMERATE_H
#define WSMAN_ENUMERATE_H

#include "plugins/wsman/reader.h"
#include "plugins/wsman/session.h"

enum { WSMAN_PAGES_MAX = 10000, WSMAN_EMPTY_PAGES = 3 };

struct wsman_query {
	const char *space; /* "root/virtualization/v2" */
	struct wsman_wanted wanted;
	const char *wql; /* NULL: all instances of the class */
};

struct wsman_sink {
	void (*begin)(void *context); /* forget what came: it starts again */
	wsman_item_fn item;
	void *context;
};

struct wsman_client;

int wsman_client_new(const struct wsman_conf *conf, struct wsman_client **ret,
		     struct vmt_error *error);
void wsman_client_free(struct wsman_client *c); /* accepts NULL */
struct wsman_session *wsman_client_session(struct wsman_client *c);

/* Requests sent since the client was made. */
uint64_t wsman_client_requests(const struct wsman_client *c);

/* 0: `sink` has all of them.  -ENOENT: no such class or namespace.  -EACCES, -EBUSY (quota), -EINVAL (the query),
 * -ETIMEDOUT, -ECANCELED, -EBADMSG, -EPROTO, -E2BIG, -EKEYREJECTED, -EIO: what came is not all. */
int wsman_enumerate(struct wsman_client *c, const struct wsman_query *query,
		    const struct wsman_sink *sink, const struct vmt_call *call,
		    struct vmt_error *error);

#endif

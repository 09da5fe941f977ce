/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to OpenStack's services, one at a time, over connections that are kept.  Every one ends at a deadline, or
 * when it is given up on, at once.  One thread, but for http_wake().
 */
#ifndef OPENSTACK_HTTP_H
#define OPENSTACK_HTTP_H

#include <virtmeter/plugin.h>

#include "base/buf.h"
#include "plugins/openstack/options.h"

enum { HTTP_BODY_MAX = 32 << 20 }; /* bytes of an answer */

struct http;

struct http_request {
	const char *url;
	const char *const *headers; /* "Name: value", NULL-terminated */
	const char *body; /* NULL: GET, else POST */
	size_t body_len;
};

struct http_answer {
	long status;
	struct buf body;
	char *subject_token; /* X-Subject-Token; NULL: none */
	int64_t date_ns; /* of the far side's clock; 0: it did not say */
	int64_t retry_after_ns; /* 0: it did not say */
};

/* On the main thread: -EINVAL for a file that cannot be read. */
int http_new(const struct openstack_conf *conf, struct http **ret_http, struct vmt_error *error);
void http_free(struct http *http); /* NULL is fine */

/* 0: there is an answer of whatever status; else -errno with a reason that begins with the URL.  *answer is
 * initialised before the first use and reused. */
int http_ask(struct http *http, const struct http_request *request, const struct vmt_call *call,
	     struct http_answer *answer, struct vmt_error *error);
/* The call in hand looks at its `cancel` now.  Any thread. */
void http_wake(struct http *http);

void http_answer_init(struct http_answer *answer);
void http_answer_fini(struct http_answer *answer);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests of WS-Management that are put: Enumerate, Pull, Release (DSP0226, WS-Enumeration).  Pure.
 */
#ifndef WSMAN_REQUEST_H
#define WSMAN_REQUEST_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

/* What every request says of itself. */
struct wsman_head {
	const char *to; /* the server's address */
	const char *space; /* namespace: "root/virtualization/v2" */
	const char *class_name;
	const char *message_id; /* "uuid:…", one for each request */
	int64_t max_envelope; /* bytes of the answer */
	int64_t timeout_ns; /* in which the server is to answer */
	bool namespace_selector; /* for servers that look for the namespace in a selector (OMI) */
};

/* The same address goes into an enumeration's requests from the first to the last: with a query its class is '*'.
 * `query` NULL: all instances of the class. */
void wsman_request_enumerate(struct buf *out, const struct wsman_head *head, const char *query,
			     int64_t max_elements);
void wsman_request_pull(struct buf *out, const struct wsman_head *head, bool query,
			const char *context, int64_t max_elements);
void wsman_request_release(struct buf *out, const struct wsman_head *head, bool query,
			   const char *context);

#endif

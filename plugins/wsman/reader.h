/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads answers of WS-Management servers: the instances of one class on a page, or a fault.  Takes what Windows
 * writes and what OMI writes (they differ in prefixes, in the namespace of pages, in the form of times).  The
 * other side is not trusted: no document types, no entities but the predefined ones, bounds on depth and sizes.
 */
#ifndef WSMAN_READER_H
#define WSMAN_READER_H

#include <virtmeter/plugin.h>

enum { WSMAN_PROPERTIES = 8, WSMAN_CODES = 4 };
enum { WSMAN_TEXT_MAX = 64 << 10, WSMAN_CONTEXT_MAX = 4096 };

/* What is taken of instances. */
struct wsman_wanted {
	const char *class_name; /* instances of others are left out */
	const char *const *properties; /* at most WSMAN_PROPERTIES names, and NULL */
};

/* An instance: its properties in the order of `wanted`; NULL where null, missing or an empty array.  Of an array the
 * first element; of a reference its key InstanceID, else Name. */
struct wsman_item {
	const char *value[WSMAN_PROPERTIES];
};

typedef void (*wsman_item_fn)(void *context, const struct wsman_item *item);

struct wsman_answer {
	const char *
		relates_to; /* "" when it was not there; these texts hold until the next answer is read */
	const char *context; /* of the enumeration; "" for none */
	bool response; /* it is one to Enumerate or Pull; to Release some servers have none */
	bool end; /* of the sequence */
	size_t items; /* of any class */
	bool fault;
	const char *subcode; /* without its prefix */
	const char *reason;
	uint64_t code
		[WSMAN_CODES]; /* of WSManFault and what lies in it, outermost first; 0: no more */
};

struct wsman_reader;

struct wsman_reader *wsman_reader_new(void);
void wsman_reader_free(struct wsman_reader *r); /* accepts NULL */

/* Calls `item` for each instance that is wanted; its texts hold during the call.  `wanted` NULL: none is looked at.
 * 0: *ret is filled, a fault included; -EBADMSG: not an answer, with the reason.  What was called before stands. */
int wsman_read(struct wsman_reader *r, const char *xml, size_t len,
	       const struct wsman_wanted *wanted, wsman_item_fn item, void *context,
	       struct wsman_answer *ret, struct vmt_error *error);

#endif

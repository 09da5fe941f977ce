/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a fault of a WS-Management server means, by Windows' codes and by the subcodes of the standards.  Pure.
 */
#ifndef WSMAN_FAULT_H
#define WSMAN_FAULT_H

#include "plugins/wsman/reader.h"

enum wsman_fault {
	WSMAN_FAULT_OTHER,
	WSMAN_FAULT_CONTEXT, /* the enumeration is not known any more: start it again, once */
	WSMAN_FAULT_CLASS, /* no such class or namespace */
	WSMAN_FAULT_ACCESS,
	WSMAN_FAULT_TOO_LARGE, /* ask for fewer instances at a time */
	WSMAN_FAULT_TIMEOUT, /* start again, once */
	WSMAN_FAULT_QUOTA, /* too many of this user's operations are under way: leave it alone for now */
	WSMAN_FAULT_QUERY, /* the query was not understood */
};

/* `pull`: it was the answer to a Pull or Release, where OMI says "unreachable" of a context. */
enum wsman_fault wsman_fault_of(const struct wsman_answer *answer, bool pull);

/* One line of its words for a log: subcode, code, reason. */
void wsman_fault_tell(const struct wsman_answer *answer, char *text, size_t size);

#endif

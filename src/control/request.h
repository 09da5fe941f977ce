/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may be asked over the control socket: one line with one verb.
 */
#ifndef CONTROL_REQUEST_H
#define CONTROL_REQUEST_H

#include <stddef.h>

enum control_verb { CONTROL_PING, CONTROL_RELOAD, CONTROL_STATUS, CONTROL_VERBS };

enum { CONTROL_REQUEST_MAX = 256 }; /* bytes, the newline included */

/* "ping", "reload", "status" */
const char *control_verb_name(enum control_verb verb);

/* The n bytes that came in so far.  0 and the verb; -EAGAIN: the line is not complete; -EMSGSIZE: it will
 * not be; -ENOENT: no such verb; -EBADMSG: not text. */
int control_request_parse(const char *p, size_t n, enum control_verb *ret);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an HTTP reply means for the samples of its request, and how it is told to a person.  Nothing that the
 * far side sends takes more memory than this.  One thread.
 */
#ifndef PUBLISHER_HTTP_REPLY_H
#define PUBLISHER_HTTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>

enum { REPLY_EXCERPT = 160, REPLY_BODY_MAX = 1 << 20 };

struct reply {
	long status; /* 0: none came */
	bool whole_head; /* its last, empty line came */
	size_t bytes; /* of the body */
	size_t excerpt_len;
	char excerpt[REPLY_EXCERPT + 1]; /* beginning of the body, one line of printable ASCII */
};

enum reply_verdict {
	REPLY_TAKEN,
	REPLY_LATER, /* try again */
	REPLY_SMALLER, /* too large: try again with fewer samples */
	REPLY_REFUSED, /* these samples, for good */
};

void reply_reset(struct reply *r);
/* A piece of the body.  False past REPLY_BODY_MAX bytes: enough of it. */
bool reply_body(struct reply *r, const char *p, size_t n);
enum reply_verdict reply_judge(const struct reply *r);
/* "HTTP status 503 (Service Unavailable): excerpt". */
void reply_tell(const struct reply *r, char *text, size_t size);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Far sides on loopback for the conformance of publishers: each takes what it is sent as its kind does and
 * counts the samples in it (those of fixture.h: "meter." and a digit).  A thread of its own.
 */
#ifndef CONFORMANCE_FAR_H
#define CONFORMANCE_FAR_H

enum far_kind {
	FAR_NONE,
	FAR_UDP,
	FAR_TCP, /* reads */
	FAR_HTTP, /* answers 200 */
	FAR_AMQP, /* a broker that has what is asked for, and confirms */
	FAR_POSTGRESQL, /* a server for real, of this program's own; the port is the number of a schema */
};

struct far;

/* Why there can be none of this kind here; NULL: there can. */
const char *far_missing(enum far_kind kind);

/* A port of loopback that was free a moment ago. */
int far_port(enum far_kind kind);
struct far *far_new(enum far_kind kind, int port);
/* The URL of what is sent there; to be freed. */
char *far_url(enum far_kind kind, const char *form, int port);
/* The end of what is kept for all of one kind: before, where it must not be there, and after all tests. */
void far_end(enum far_kind kind);
/* Samples so far, once they no longer grow. */
unsigned far_samples(struct far *far);
/* The publisher has closed its connection; NULL is fine. */
void far_free(struct far *far);

#endif

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
};

struct far;

/* A port of loopback that was free a moment ago. */
int far_port(enum far_kind kind);
struct far *far_new(enum far_kind kind, int port);
/* Samples so far, once they no longer grow. */
unsigned far_samples(struct far *far);
/* The publisher has closed its connection; NULL is fine. */
void far_free(struct far *far);

#endif

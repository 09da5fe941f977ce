/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A listening Unix socket that takes the place of a dead one, and never of a live one.
 */
#ifndef CONTROL_LISTEN_H
#define CONTROL_LISTEN_H

#include <stdint.h>
#include <virtmeter/plugin.h>

struct listen_socket {
	int fd; /* non-blocking */
	char *path;
	uint64_t dev, ino; /* of the path, to remove no other's */
};

/* What it is for, and what a person can do where it cannot be, in messages. */
struct listen_words {
	const char *what; /* "control socket" */
	const char *remedy; /* "name another with --socket" */
};

/* Makes the last folder of the path if it is not there; the socket gets the mode.  Errors as control_open(). */
int listen_open(struct listen_socket *s, const char *path, unsigned mode,
		const struct listen_words *words, struct vmt_error *error);
void listen_close(struct listen_socket *s);

#endif

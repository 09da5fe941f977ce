/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection to a coordinator: a socket that never blocks, over TCP or a Unix socket, perhaps with a layer (TLS) on
 * it.  Every call comes to its end with the struct vmt_call it is given.  One thread at a time.
 */
#ifndef COORDINATOR_STREAM_H
#define COORDINATOR_STREAM_H

#include <stdbool.h>
#include <sys/types.h>
#include <virtmeter/plugin.h>

struct resolver;

/* What lies between bytes and socket.  Counts, or -errno; -EAGAIN with what to poll(2) for, 0 from `read`: the end. */
struct stream_layer {
	ssize_t (*read)(void *self, void *data, size_t size, short *ret_events);
	ssize_t (*write)(void *self, const void *data, size_t size, short *ret_events);
	void (*close)(void *self);
};

struct stream {
	int fd; /* -1: closed */
	const struct stream_layer *layer; /* NULL: none */
	void *layer_self;
};

void stream_init(struct stream *s);
bool stream_is_open(const struct stream *s);
/* To the host's first address that takes it, or to the Unix socket at `path` (then `resolver` is NULL).  -errno with the
 * reason, which begins with `subject`. */
int stream_open(struct stream *s, struct resolver *resolver, const char *path, const char *subject,
		const struct vmt_call *call, struct vmt_error *error);
/* All of it.  0, or -errno; -ETIMEDOUT, -ECANCELED: `call` came to its end. */
int stream_write(struct stream *s, const void *data, size_t len, const struct vmt_call *call);
/* At least one byte, or -errno; -ECONNRESET: the far side has closed it. */
ssize_t stream_read(struct stream *s, void *data, size_t size, const struct vmt_call *call);
void stream_close(struct stream *s);

/* "timed out" in the words of a log: why a call ended as it did. */
const char *stream_reason(int code);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket: how `virtmeter status` and `virtmeter reload` speak to a running agent or
 * collector.  A Unix stream socket, mode 0660 unless configured.  A client sends one line with one verb (request.h), gets one
 * JSON object with a newline, and the connection is closed:
 *
 *	status	the status document
 *	reload	{"reloaded":true,"message":"…","findings":[…]}: errors and warnings as `virtmeter check` tells them
 *	ping	{"pong":true,"pid":4242}
 *	other	{"error":"…"}
 *
 * Root and the user that runs the service may ask all; who else the file's mode lets in may not reload.
 */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include "base/buf.h"
#include "control/request.h"

#include <stdint.h>
#include <virtmeter/plugin.h>

/* ---- the service's side; main thread, on GLib's default context; never blocks ---- */

struct control_ops {
	/* Adds the status document. */
	void (*status)(void *context, struct buf *json_out);
	/* Reads the configuration anew, and adds what came of it. */
	void (*reload)(void *context, struct buf *json_out);
};

struct control_settings {
	const char *path; /* copied; NULL: control_path(role) */
	const char *role; /* "agent", "collector" */
	const struct control_ops *ops;
	void *context;
	unsigned mode; /* of the file; 0: 0660 */
	int64_t client_timeout_ns; /* how long a client may take for all; 0: 5 s */
};

struct control;

/* Listens.  A socket that nobody answers on any more is replaced.  -EADDRINUSE: another one answers there;
 * -EEXIST: the path is no socket; -ENOENT: no place for it; else as bind(2).  Not for the simulated clock. */
int control_open(const struct control_settings *settings, struct control **ret,
		 struct vmt_error *error);
const char *control_socket_path(const struct control *control);
void control_close(struct control *control); /* removes the socket; NULL is fine */

/* Where a service of that role listens: ROLE.sock in $RUNTIME_DIRECTORY (systemd gives it), else in
 * /run/virtmeter for root, in $XDG_RUNTIME_DIR/virtmeter for others; NULL when there is none of them.  To
 * be freed with g_free(). */
char *control_path(const char *role);

/* ---- the client's side; any thread; blocks until the deadline ---- */

/* Asks and adds the answer, without the newline.  `path` NULL: wherever a service of that role answers.
 * 0; -ENOENT, -ECONNREFUSED: none is there; -EACCES; -ETIMEDOUT; -EMSGSIZE: more than 64 MiB; -EPIPE: it
 * closed without an answer. */
int control_ask(const char *path, const char *role, enum control_verb verb, int64_t timeout_ns,
		struct buf *answer, struct vmt_error *error);

/* How long the socket's name may be, the zero included. */
enum { CONTROL_PATH_MAX = 108 };

#endif

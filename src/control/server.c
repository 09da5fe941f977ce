/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the control socket and those who are connected to it.  Main thread, as sources of GLib's default
 * context; never blocks: a client that is slow waits alone, and is dropped after a while.
 */
#include "base/clock.h"
#include "control/control.h"
#include "control/listen.h"
#include "model/json_text.h"

#define LOG_NAME "control"
#include "base/log.h"

#include <errno.h>
#include <glib-unix.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS_MAX = 16, PAUSE_S = 1 };
#define TIMEOUT_DEFAULT_NS (5 * NS_PER_S)

struct client {
	struct client *next;
	struct control *control;
	int fd;
	guint watch, timeout; /* GLib's sources */
	bool may_reload;
	struct buf request, answer;
	size_t sent;
};

struct control {
	struct listen_socket socket;
	guint watch, pause; /* one of them: taking clients, or short of file descriptors */
	const struct control_ops *ops;
	void *context;
	int64_t client_timeout_ns;
	struct client *clients;
	size_t count;
};

static void client_free(struct client *cl)
{
	struct client **at = &cl->control->clients;

	while (*at != cl) {
		at = &(*at)->next;
	}
	*at = cl->next;
	cl->control->count--;
	g_source_remove(cl->timeout);
	if (cl->watch) {
		g_source_remove(cl->watch);
	}
	close(cl->fd);
	buf_fini(&cl->request);
	buf_fini(&cl->answer);
	g_free(cl);
}

static gboolean client_late(gpointer data)
{
	struct client *cl = data;

	log_debug("client took too long; dropped");
	client_free(cl);
	return G_SOURCE_CONTINUE; /* removed by client_free() */
}

/* Root, or who runs this. */
static bool is_master(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

static void add_error(struct buf *out, const char *text)
{
	buf_puts(out, "{\"error\":");
	json_add(out, text);
	buf_puts(out, "}");
}

static void do_ping(struct client *cl)
{
	buf_printf(&cl->answer, "{\"pong\":true,\"pid\":%d}", (int)getpid());
}

static void do_reload(struct client *cl)
{
	if (!cl->may_reload) {
		add_error(&cl->answer, "reload: only root and the user of the service may");
	} else {
		cl->control->ops->reload(cl->control->context, &cl->answer);
	}
}

static void do_status(struct client *cl)
{
	cl->control->ops->status(cl->control->context, &cl->answer);
}

static void make_answer(struct client *cl, int err, enum control_verb verb)
{
	static void (*const verbs[CONTROL_VERBS])(struct client *) = {
		[CONTROL_PING] = do_ping,
		[CONTROL_RELOAD] = do_reload,
		[CONTROL_STATUS] = do_status,
	};

	if (err == 0) {
		verbs[verb](cl);
	} else if (err == -EMSGSIZE) {
		add_error(&cl->answer, "the request is too long");
	} else {
		add_error(&cl->answer, "no such verb; there are ping, reload and status");
	}
	if (!cl->answer.len || cl->answer.data[cl->answer.len - 1] != '\n') {
		buf_putc(&cl->answer, '\n');
	}
}

/* Writes what the socket takes.  false: the client is done with, and freed. */
static bool client_write(struct client *cl)
{
	ssize_t n = send(cl->fd, cl->answer.data + cl->sent, cl->answer.len - cl->sent,
			 MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return true;
	}
	if (n >= 0) {
		cl->sent += (size_t)n;
	}
	if (n < 0 || cl->sent == cl->answer.len) {
		client_free(cl);
		return false;
	}
	return true;
}

static gboolean client_writable(gint fd, GIOCondition condition, gpointer data)
{
	client_write(data);
	return G_SOURCE_CONTINUE; /* client_free() removes it */
}

/* Adds what came.  1: something, 0: nothing now, -errno: it has gone. */
static int client_receive(struct client *cl)
{
	size_t room = CONTROL_REQUEST_MAX - cl->request.len;
	ssize_t n = recv(cl->fd, buf_reserve(&cl->request, room), room, MSG_DONTWAIT);

	if (n < 0) {
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	}
	if (n == 0) {
		return -EPIPE;
	}
	buf_commit(&cl->request, (size_t)n);
	return 1;
}

static gboolean client_readable(gint fd, GIOCondition condition, gpointer data)
{
	struct client *cl = data;
	enum control_verb verb = CONTROL_PING;
	int err = client_receive(cl);

	if (err < 0) {
		client_free(cl);
		return G_SOURCE_CONTINUE; /* removed by client_free() */
	}
	err = control_request_parse(cl->request.data, cl->request.len, &verb);
	if (err == -EAGAIN) {
		return G_SOURCE_CONTINUE;
	}
	make_answer(cl, err, verb);
	g_source_remove(cl->watch);
	cl->watch = 0;
	if (client_write(cl)) {
		cl->watch = g_unix_fd_add(cl->fd, G_IO_OUT, client_writable, cl);
	}
	return G_SOURCE_CONTINUE; /* this source is removed already */
}

static void client_add(struct control *c, int fd)
{
	struct client *cl = g_new0(struct client, 1);

	cl->control = c;
	cl->fd = fd;
	cl->may_reload = is_master(fd);
	buf_init(&cl->request);
	buf_init(&cl->answer);
	cl->watch = g_unix_fd_add(fd, G_IO_IN, client_readable, cl);
	cl->timeout = g_timeout_add((guint)(c->client_timeout_ns / NS_PER_MS), client_late, cl);
	cl->next = c->clients;
	c->clients = cl;
	c->count++;
}

static gboolean accept_some(gint fd, GIOCondition condition, gpointer data);

static gboolean pause_over(gpointer data)
{
	struct control *c = data;

	c->pause = 0;
	c->watch = g_unix_fd_add(c->socket.fd, G_IO_IN, accept_some, c);
	return G_SOURCE_REMOVE;
}

static gboolean accept_some(gint fd, GIOCondition condition, gpointer data)
{
	struct control *c = data;
	int new = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (new >= 0 && c->count < CLIENTS_MAX) {
		client_add(c, new);
	} else if (new >= 0) {
		close(new);
	} else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		/* Who waits makes the socket readable again at once: no turning round on it. */
		log_warn("%s: accept: %s; again in %d s", c->socket.path, g_strerror(errno),
			 PAUSE_S);
		c->watch = 0;
		c->pause = g_timeout_add_seconds(PAUSE_S, pause_over, c);
		return G_SOURCE_REMOVE;
	}
	return G_SOURCE_CONTINUE;
}

int control_open(const struct control_settings *settings, struct control **ret,
		 struct vmt_error *error)
{
	static const struct listen_words words = { "control socket", "name another with --socket" };
	char *path = settings->path ? g_strdup(settings->path) : control_path(settings->role);
	struct control *c;
	int err;

	if (!path) {
		return vmt_error_set(
			error, -ENOENT,
			"control socket: neither RUNTIME_DIRECTORY nor XDG_RUNTIME_DIR says where; "
			"name it with --socket");
	}
	if (clock_is_simulated()) {
		g_free(path);
		return vmt_error_set(error, -ENOTSUP, "control socket: not on a simulated clock");
	}
	c = g_new0(struct control, 1);
	err = listen_open(&c->socket, path, settings->mode ? settings->mode : 0660, &words, error);
	g_free(path);
	if (err < 0) {
		g_free(c);
		return err;
	}
	c->ops = settings->ops;
	c->context = settings->context;
	c->client_timeout_ns = settings->client_timeout_ns ? settings->client_timeout_ns
							   : TIMEOUT_DEFAULT_NS;
	c->watch = g_unix_fd_add(c->socket.fd, G_IO_IN, accept_some, c);
	*ret = c;
	return 0;
}

const char *control_socket_path(const struct control *c)
{
	return c->socket.path;
}

void control_close(struct control *c)
{
	if (!c) {
		return;
	}
	while (c->clients) {
		/* client_free() takes it off the list */
		client_free(c->clients); /* NOLINT(clang-analyzer-unix.Malloc) */
	}
	if (c->watch) {
		g_source_remove(c->watch);
	}
	if (c->pause) {
		g_source_remove(c->pause);
	}
	listen_close(&c->socket);
	g_free(c);
}

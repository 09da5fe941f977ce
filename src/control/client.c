/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the asking.  Any thread; blocks on the service until the deadline.
 */
#include "base/clock.h"
#include "base/wait.h"
#include "control/control.h"
#include "control/path.h"

#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <unistd.h>

#define ANSWER_MAX ((size_t)64 << 20)
#define RETRY_NS (20 * NS_PER_MS)
enum { PIECE = 16 << 10 };

/* 0, or -ETIMEDOUT, -errno. */
static int wait_for(int fd, short events, int64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = events };

	for (;;) {
		int64_t left = deadline - clock_monotonic();
		int n = left <= 0 ? 0 : poll(&p, 1, (int)MIN(left / NS_PER_MS + 1, INT32_MAX));

		if (n > 0) {
			return 0;
		}
		if (n == 0) {
			return -ETIMEDOUT;
		}
		if (errno != EINTR) {
			return -errno;
		}
	}
}

static int connect_to(const char *path, int64_t deadline, struct vmt_error *error)
{
	struct sockaddr_un address;
	int err = control_address(path, &address, error), fd;

	if (err < 0) {
		return err;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return vmt_error_set(error, -errno, "control socket: %s", g_strerror(errno));
	}
	while (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		err = errno == EAGAIN && clock_monotonic() >= deadline ? -ETIMEDOUT : -errno;
		if (err != -EAGAIN) {
			close(fd);
			return vmt_error_set(error, err, "control socket %s: %s", path,
					     g_strerror(-err));
		}
		wait_sleep(RETRY_NS); /* many are before us */
	}
	return fd;
}

/* A place that is not there, or where nobody listens any more. */
static bool nobody(int err)
{
	return err == -ENOENT || err == -ECONNREFUSED || err == -ENOTDIR;
}

static int connect_named(const char *path, const char *role, int64_t deadline,
			 struct vmt_error *error)
{
	int fd = connect_to(path, deadline, error);

	return nobody(fd)
		       ? vmt_error_set(error, fd, "no %s answers at %s; is it running?", role, path)
		       : fd;
}

static int connect_somewhere(const char *role, int64_t deadline, struct vmt_error *error)
{
	struct buf tried = BUF_INIT;
	char *path[CONTROL_PLACES];
	size_t n = control_paths(role, path);
	int fd = -ENOENT;

	for (size_t i = 0; i < n; i++) {
		if (nobody(fd)) {
			buf_printf(&tried, "%s%s", i ? " or " : "", path[i]);
			fd = connect_to(path[i], deadline, error);
		}
		g_free(path[i]);
	}
	if (nobody(fd)) {
		vmt_error_set(error, fd, "no %s answers at %s; is it running?", role, tried.data);
	}
	buf_fini(&tried);
	return fd;
}

static int send_all(int fd, const char *p, size_t n, int64_t deadline)
{
	while (n) {
		ssize_t done = send(fd, p, n, MSG_NOSIGNAL);
		int err = done < 0 ? -errno : 0;

		if (err == -EAGAIN) {
			err = wait_for(fd, POLLOUT, deadline);
		} else if (err == 0) {
			p += done;
			n -= (size_t)done;
		}
		if (err < 0 && err != -EINTR) {
			return err;
		}
	}
	return 0;
}

/* Until the service closes. */
static int receive_all(int fd, struct buf *answer, int64_t deadline)
{
	size_t before = answer->len;

	for (;;) {
		ssize_t n = recv(fd, buf_reserve(answer, PIECE), PIECE, 0);
		int err = n < 0 ? -errno : 0;

		if (n == 0) {
			return answer->len > before ? 0 : -EPIPE;
		}
		if (err == -EAGAIN) {
			err = wait_for(fd, POLLIN, deadline);
		} else if (n > 0) {
			buf_commit(answer, (size_t)n);
		}
		if (err < 0 && err != -EINTR) {
			return err;
		}
		if (answer->len - before > ANSWER_MAX) {
			return -EMSGSIZE;
		}
	}
}

int control_ask(const char *path, const char *role, enum control_verb verb, int64_t timeout_ns,
		struct buf *answer, struct vmt_error *error)
{
	int64_t deadline = clock_monotonic() + timeout_ns;
	char *line = g_strconcat(control_verb_name(verb), "\n", NULL);
	int fd = path ? connect_named(path, role, deadline, error)
		      : connect_somewhere(role, deadline, error);
	int err = fd;

	if (fd >= 0) {
		err = send_all(fd, line, strlen(line), deadline);
		if (err == 0) {
			err = receive_all(fd, answer, deadline);
		}
		close(fd);
		if (err < 0) {
			vmt_error_set(error, err, "the %s did not answer: %s", role,
				      g_strerror(-err));
		}
	}
	g_free(line);
	while (err == 0 && answer->len && answer->data[answer->len - 1] == '\n') {
		answer->data[--answer->len] = '\0';
	}
	return err;
}

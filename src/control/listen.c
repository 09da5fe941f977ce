/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the taking of a path for a listening socket.  Main thread, at start; waits a second at most, while
 * another process is at the same.
 */
#include "control/listen.h"
#include "base/clock.h"
#include "base/wait.h"
#include "control/path.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BACKLOG = 16, LOCK_TRIES = 50 };
#define LOCK_PAUSE_NS (20 * NS_PER_MS)

/* Locks the folder while the socket is looked at and replaced, so that two that start at once do not remove
 * each other's.  Answers the descriptor that holds the lock, or -1: without. */
static int lock_folder(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (int i = 0; fd >= 0 && i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
			return fd;
		}
		wait_sleep(LOCK_PAUSE_NS);
	}
	if (fd >= 0) {
		close(fd);
	}
	return -1;
}

/* Is anybody behind the socket?  0: no, it is a dead one; -EADDRINUSE; -EEXIST: no socket. */
static int probe(const struct sockaddr_un *address)
{
	struct stat st;
	int fd, err = -EADDRINUSE;

	if (lstat(address->sun_path, &st) < 0) {
		return errno == ENOENT ? 0 : -errno;
	}
	if (!S_ISSOCK(st.st_mode)) {
		return -EEXIST;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return -errno;
	}
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
	    (errno == ECONNREFUSED || errno == ENOENT)) {
		err = 0;
	}
	close(fd);
	return err;
}

/* Binds, over a dead socket too.  0, -errno. */
static int take(int fd, const struct sockaddr_un *address, unsigned mode)
{
	int err = probe(address);

	if (err < 0) {
		return err;
	}
	if (unlink(address->sun_path) < 0 && errno != ENOENT) {
		return -errno;
	}
	/* Linux makes the file with the socket's mode; what umask then took is put back. */
	if (fchmod(fd, (mode_t)mode) < 0 ||
	    bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ||
	    chmod(address->sun_path, (mode_t)mode) < 0 || listen(fd, BACKLOG) < 0) {
		return -errno;
	}
	return 0;
}

static int reason(struct vmt_error *error, int err, const struct listen_words *words,
		  const char *path)
{
	if (err == -EADDRINUSE) {
		return vmt_error_set(error, err,
				     "%s %s: a running agent answers there; stop it, or %s",
				     words->what, path, words->remedy);
	}
	if (err == -EEXIST) {
		return vmt_error_set(error, err, "%s %s: is there and no socket; remove it, or %s",
				     words->what, path, words->remedy);
	}
	return vmt_error_set(error, err, "%s %s: %s; %s", words->what, path, g_strerror(-err),
			     words->remedy);
}

static int open_at(struct listen_socket *s, const struct sockaddr_un *address, unsigned mode)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st = { 0 };
	int err;

	if (fd < 0) {
		return -errno;
	}
	err = take(fd, address, mode);
	if (err == 0 && lstat(address->sun_path, &st) < 0) {
		err = -errno;
	}
	if (err < 0) {
		close(fd);
		return err;
	}
	s->fd = fd;
	s->dev = (uint64_t)st.st_dev;
	s->ino = (uint64_t)st.st_ino;
	s->path = g_strdup(address->sun_path);
	return 0;
}

int listen_open(struct listen_socket *s, const char *path, unsigned mode,
		const struct listen_words *words, struct vmt_error *error)
{
	struct sockaddr_un address;
	int err = control_address(path, &address, error), lock;
	char *folder;

	if (err < 0) {
		return err;
	}
	folder = g_path_get_dirname(path);
	if (mkdir(folder, 0755) < 0 && errno != EEXIST) {
		err = -errno;
	}
	lock = lock_folder(folder);
	g_free(folder);
	if (err == 0) {
		err = open_at(s, &address, mode);
	}
	if (lock >= 0) {
		close(lock);
	}
	return err < 0 ? reason(error, err, words, path) : 0;
}

void listen_close(struct listen_socket *s)
{
	struct stat st;

	if (lstat(s->path, &st) == 0 && (uint64_t)st.st_dev == s->dev &&
	    (uint64_t)st.st_ino == s->ino) {
		unlink(s->path);
	}
	close(s->fd);
	g_free(s->path);
}

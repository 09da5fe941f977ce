/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns where log lines go: stderr, a file, syslog.  Called with log.c's lock held; blocks as long as
 * the kernel does on them.
 */
#include "base/log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

static int write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR) {
			continue;
		}
		if (done < 0) {
			return -errno;
		}
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

static int file_fd(const char *path, uint64_t *ret_dev, uint64_t *ret_ino)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
	struct stat st;

	if (fd < 0) {
		return -errno;
	}
	if (fstat(fd, &st) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	*ret_dev = (uint64_t)st.st_dev;
	*ret_ino = (uint64_t)st.st_ino;
	return fd;
}

int log_file_open(struct log_file *f, const char *path)
{
	struct log_file new = { 0 };

	new.fd = file_fd(path, &new.dev, &new.ino);
	if (new.fd < 0) {
		return new.fd;
	}
	new.path = g_strdup(path);
	*f = new;
	return 0;
}

void log_file_close(struct log_file *f)
{
	if (f->fd >= 0) {
		close(f->fd);
	}
	g_free(f->path);
	*f = (struct log_file){ .fd = -1 };
}

int log_file_reopen(struct log_file *f)
{
	uint64_t dev = 0, ino = 0;
	int fd = file_fd(f->path, &dev, &ino);

	if (fd < 0) {
		return fd;
	}
	close(f->fd);
	f->fd = fd;
	f->dev = dev;
	f->ino = ino;
	return 0;
}

void log_file_watch(struct log_file *f)
{
	struct stat st;

	if (stat(f->path, &st) < 0 || (uint64_t)st.st_dev != f->dev ||
	    (uint64_t)st.st_ino != f->ino) {
		log_file_reopen(f);
	}
}

void log_file_write(struct log_file *f, const char *p, size_t n)
{
	char told[64];
	int len;

	if (f->lost) {
		len = snprintf(told, sizeof(told), "(%" G_GUINT64_FORMAT " lines lost here)\n",
			       f->lost);
		if (write_all(f->fd, told, (size_t)len) < 0) {
			f->lost++;
			return;
		}
		f->lost = 0;
	}
	if (write_all(f->fd, p, n) < 0) {
		f->lost++;
	}
}

void log_stderr_write(const char *p, size_t n)
{
	write_all(STDERR_FILENO, p, n);
}

void log_syslog_open(const char *program, int facility)
{
	/* syslog keeps the pointer. */
	openlog(g_intern_string(program ? program : "virtmeter"), LOG_PID,
		facility ? facility : LOG_USER);
}

void log_syslog_close(void)
{
	closelog();
}

void log_syslog_write(const struct log_line *line)
{
	static const int priority[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

	syslog(priority[line->level], "%s: %s", line->logger, line->text);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the way to the journal: a datagram for each event, in the form that systemd's "Native Journal Protocol"
 * page states (why not by libsystemd: doc/decisions/0040).  Called with log.c's lock held; blocks as long as
 * journald's socket does.
 */
#include "base/log_sink.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

static struct sockaddr_un journal = { .sun_family = AF_UNIX,
				      .sun_path = "/run/systemd/journal/socket" };

void log_journal_at(const char *path)
{
	g_strlcpy(journal.sun_path, path, sizeof(journal.sun_path));
}

int log_journal_check(const char **ret_path)
{
	*ret_path = journal.sun_path;
	return access(journal.sun_path, W_OK) == 0 ? 0 : -errno;
}

void log_journal_write(const char *program, const struct log_line *line)
{
	static const int priority[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
	struct buf event = BUF_INIT;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd == -1) {
		return;
	}
	/* Fields whose values have no newline: line->text is one line. */
	buf_printf(&event, "PRIORITY=%d\n", priority[line->level]);
	buf_printf(&event, "SYSLOG_IDENTIFIER=%s\nLOGGER=%s\n", program, line->logger);
	buf_printf(&event, "MESSAGE=%s: %s\n", line->logger, line->text);
	while (sendto(fd, event.data, event.len, MSG_NOSIGNAL, (const struct sockaddr *)&journal,
		      sizeof(journal)) == -1 &&
	       errno == EINTR) {
	}
	buf_fini(&event);
	close(fd);
}

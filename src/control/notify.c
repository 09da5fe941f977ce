/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the words to systemd: a datagram each to the socket in $NOTIFY_SOCKET (sd_notify(3) describes them;
 * why not by libsystemd: doc/decisions/0040).  Main thread; a datagram each.
 */
#include "control/notify.h"
#include "base/clock.h"

#include <errno.h>
#include <glib.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The manager's address; 0: there is none that we could reach. */
static socklen_t manager_address(struct sockaddr_un *ret)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t n = path ? strlen(path) : 0;

	if (n < 2 || n >= sizeof(ret->sun_path) || (path[0] != '/' && path[0] != '@')) {
		return 0;
	}
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(ret->sun_path, path, n);
	if (path[0] == '@') {
		ret->sun_path[0] = '\0'; /* a name without a file */
	}
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
}

static void tell(const char *words)
{
	struct sockaddr_un address;
	socklen_t size = manager_address(&address);
	int fd;

	if (!size) {
		return;
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd == -1) {
		return;
	}
	while (sendto(fd, words, strlen(words), MSG_NOSIGNAL, (const struct sockaddr *)&address,
		      size) == -1 &&
	       errno == EINTR) {
	}
	close(fd);
}

void notify_ready(void)
{
	tell("READY=1");
}

void notify_reloading(void)
{
	char words[64];

	snprintf(words, sizeof(words), "RELOADING=1\nMONOTONIC_USEC=%" G_GINT64_FORMAT,
		 (gint64)(clock_monotonic() / NS_PER_US));
	tell(words);
}

void notify_stopping(void)
{
	tell("STOPPING=1");
}

void notify_status(const char *text)
{
	char *words = g_strconcat("STATUS=", text, NULL);

	tell(words);
	g_free(words);
}

int64_t notify_watchdog_ns(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	guint64 n = 0;

	if (!usec || !g_ascii_string_to_unsigned(usec, 10, 1, INT64_MAX / NS_PER_US, &n, NULL)) {
		return 0;
	}
	if (pid && strtoll(pid, NULL, 10) != (long long)getpid()) {
		return 0; /* meant for somebody else */
	}
	return (int64_t)n * NS_PER_US / 2;
}

void notify_watchdog(void)
{
	tell("WATCHDOG=1");
}

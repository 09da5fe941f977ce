/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The least that a metering client can cost: libvirt's own bulk call and a bare write of bytes, nothing
 * else, one thread.  The bench sets the agent's cycle beside it.  One command per line on stdin, one JSON
 * object per command on stdout:
 *
 *   call            one virConnectGetAllDomainStats of the six groups that the meters need
 *   write FILE      FILE's content, read beforehand, appended to FILE.bare in one write(2)
 *
 * Usage: limit URI SERVER-PID
 *
 * CPU times are the scheduler's, in nanoseconds; the server's are read by its process clock.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <libvirt/libvirt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define GROUPS                                                                                     \
	(VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_CPU_TOTAL | VIR_DOMAIN_STATS_BALLOON |          \
	 VIR_DOMAIN_STATS_VCPU | VIR_DOMAIN_STATS_INTERFACE | VIR_DOMAIN_STATS_BLOCK)

struct moment {
	int64_t wall, own, server;
};

static clockid_t server_clock;

static int64_t read_clock(clockid_t clock)
{
	struct timespec t = { 0 };

	if (clock_gettime(clock, &t) < 0) {
		return 0;
	}
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static struct moment now(void)
{
	return (struct moment){
		.wall = read_clock(CLOCK_MONOTONIC),
		.own = read_clock(CLOCK_PROCESS_CPUTIME_ID),
		.server = read_clock(server_clock),
	};
}

static void tell(struct moment before, const char *what, long long count)
{
	struct moment after = now();

	printf("{\"wall_ns\":%" PRId64 ",\"cpu_ns\":%" PRId64 ",\"server_ns\":%" PRId64
	       ",\"%s\":%lld}\n",
	       after.wall - before.wall, after.own - before.own, after.server - before.server, what,
	       count);
	fflush(stdout);
}

static int call(virConnectPtr conn)
{
	struct moment before = now();
	virDomainStatsRecordPtr *records = NULL;
	int n = virConnectGetAllDomainStats(conn, GROUPS, &records,
					    VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE);

	if (n < 0) {
		return -1;
	}
	virDomainStatsRecordListFree(records);
	tell(before, "domains", n);
	return 0;
}

static char *load(const char *path, size_t *ret_size)
{
	struct stat st;
	char *bytes = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && fstat(fd, &st) == 0 && (bytes = malloc((size_t)st.st_size + 1)) != NULL &&
	    read(fd, bytes, (size_t)st.st_size) == st.st_size) {
		*ret_size = (size_t)st.st_size;
	} else {
		free(bytes);
		bytes = NULL;
	}
	if (fd >= 0) {
		close(fd);
	}
	return bytes;
}

static int bare_write(const char *path)
{
	char name[4096];
	size_t size = 0;
	ssize_t written = -1;
	char *bytes = load(path, &size);
	int fd;

	snprintf(name, sizeof(name), "%s.bare", path);
	fd = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (bytes != NULL && fd >= 0) {
		struct moment before = now();

		written = write(fd, bytes, size);
		if (written == (ssize_t)size) {
			tell(before, "bytes", (long long)size);
		}
	}
	if (fd >= 0) {
		close(fd);
	}
	free(bytes);
	return written >= 0 && written == (ssize_t)size ? 0 : -1;
}

int main(int argc, char **argv)
{
	char line[4096];
	virConnectPtr conn;
	int rc = 0;

	if (argc != 3) {
		fprintf(stderr, "usage: limit URI SERVER-PID\n");
		return 2;
	}
	/* the kernel's encoding of another process's CPU clock */
	server_clock = (clockid_t)((~(unsigned)strtol(argv[2], NULL, 10) << 3) | 2);
	conn = virConnectOpenReadOnly(argv[1]);
	if (conn == NULL) {
		return 1;
	}
	while (rc == 0 && fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (strcmp(line, "call") == 0) {
			rc = call(conn);
		} else if (strncmp(line, "write ", 6) == 0) {
			rc = bare_write(line + 6);
		} else {
			rc = -1;
		}
	}
	virConnectClose(conn);
	return rc == 0 ? 0 : 1;
}

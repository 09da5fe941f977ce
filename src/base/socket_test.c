/* SPDX-License-Identifier: Apache-2.0 */
/* Connections to this machine, and waiting until a socket is ready, a deadline has come or a call is cancelled. */
#include "base/clock.h"
#include "base/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <virtmeter/plugin.h>

static atomic_bool no, yes = true;

static struct vmt_call call_for(int64_t ns, atomic_bool *cancel)
{
	return (struct vmt_call){ .deadline_ns = clock_monotonic() + ns, .cancel = cancel };
}

/* A connection stands, without blocking and tuned; refused, it leaves no descriptor. */
static void test_connect(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct addrinfo address = { .ai_family = AF_INET,
				    .ai_addr = (void *)&a,
				    .ai_addrlen = sizeof(a) };
	struct vmt_call call = call_for(60 * NS_PER_S, &no);
	socklen_t len = sizeof(a), size = sizeof(unsigned);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd, nodelay = 0;
	unsigned timeout_ms = 0;

	g_assert_cmpint(bind(listener, (void *)&a, sizeof(a)), ==, 0);
	g_assert_cmpint(listen(listener, 1), ==, 0);
	g_assert_cmpint(getsockname(listener, (void *)&a, &len), ==, 0);
	fd = socket_connect(&address, 1500, &call);
	g_assert_cmpint(fd, >=, 0);
	g_assert_cmpint(fcntl(fd, F_GETFL) & O_NONBLOCK, ==, O_NONBLOCK);
	g_assert_cmpint(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, &size), ==, 0);
	g_assert_cmpuint(timeout_ms, ==, 1500);
	g_assert_cmpint(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, &size), ==, 0);
	g_assert_cmpint(nodelay, !=, 0);
	close(fd);
	close(listener);
	g_assert_cmpint(socket_connect(&address, 0, &call), ==, -ECONNREFUSED);
	g_assert_cmpint(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), ==, listener);
	close(listener);
}

static void test_wait(void)
{
	struct vmt_call call = call_for(60 * NS_PER_S, &no), brief = call_for(NS_PER_MS, &no);
	struct vmt_call cancelled = call_for(60 * NS_PER_S, &yes);
	int ends[2];

	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
	g_assert_cmpint(socket_wait(ends[0], POLLOUT, &call), ==, 0);
	g_assert_cmpint(socket_wait(ends[0], POLLIN, &brief), ==, -ETIMEDOUT);
	g_assert_cmpint(socket_wait(ends[0], POLLIN, &cancelled), ==, -ECANCELED);
	g_assert_cmpint(write(ends[1], "x", 1), ==, 1);
	g_assert_cmpint(socket_wait(ends[0], POLLIN, &call), ==, 0);
	close(ends[0]);
	close(ends[1]);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/socket/connect", test_connect);
	g_test_add_func("/socket/wait", test_wait);
	return g_test_run();
}

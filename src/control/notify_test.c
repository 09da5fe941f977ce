/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What systemd hears: this test is at the other end of its socket.  One thread.
 */
#include "control/notify.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int manager;

static void expect(const char *want)
{
	char got[512] = "";
	ssize_t n = recv(manager, got, sizeof(got) - 1, MSG_DONTWAIT);

	g_assert_cmpint((int)n, >, 0);
	g_assert_true(g_str_has_prefix(got, want));
}

static void test_words(void)
{
	notify_ready();
	expect("READY=1");
	notify_reloading();
	expect("RELOADING=1\nMONOTONIC_USEC=");
	notify_status("5 instances");
	expect("STATUS=5 instances");
	notify_watchdog();
	expect("WATCHDOG=1");
	notify_stopping();
	expect("STOPPING=1");
}

static void test_watchdog(void)
{
	char pid[16];

	g_unsetenv("WATCHDOG_USEC");
	g_assert_cmpint(notify_watchdog_ns(), ==, 0);
	g_snprintf(pid, sizeof(pid), "%d", (int)getpid());
	g_setenv("WATCHDOG_USEC", "60000000", TRUE);
	g_setenv("WATCHDOG_PID", pid, TRUE);
	g_assert_cmpint(notify_watchdog_ns(), ==, INT64_C(30000000000));
	g_setenv("WATCHDOG_PID", "1", TRUE);
	g_assert_cmpint(notify_watchdog_ns(), ==, 0);
	g_setenv("WATCHDOG_USEC", "soon", TRUE);
	g_unsetenv("WATCHDOG_PID");
	g_assert_cmpint(notify_watchdog_ns(), ==, 0);
}

/* A socket without a file. */
static void test_abstract(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char name[64], *before = g_strdup(g_getenv("NOTIFY_SOCKET")), c = 0;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	size_t n = (size_t)g_snprintf(name, sizeof(name), "@virtmeter-test-%d", (int)getpid());

	memcpy(address.sun_path + 1, name + 1, n - 1);
	g_assert_cmpint(bind(fd, (struct sockaddr *)&address,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)),
			==, 0);
	g_setenv("NOTIFY_SOCKET", name, TRUE);
	notify_ready();
	g_assert_cmpint((int)recv(fd, &c, 1, MSG_DONTWAIT), ==, 1);
	g_assert_cmpint(c, ==, 'R');
	close(fd);
	g_setenv("NOTIFY_SOCKET", before, TRUE);
	g_free(before);
}

static void test_nobody(void)
{
	char c;

	g_unsetenv("NOTIFY_SOCKET");
	notify_ready();
	g_assert_cmpint((int)recv(manager, &c, 1, MSG_DONTWAIT), ==, -1);
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char *folder, *path;
	int ret;

	g_test_init(&argc, &argv, NULL);
	folder = g_dir_make_tmp("notify-XXXXXX", NULL);
	path = g_build_filename(folder, "n", NULL);
	g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	g_assert_cmpint(bind(manager, (struct sockaddr *)&address, sizeof(address)), ==, 0);
	g_setenv("NOTIFY_SOCKET", path, TRUE);
	g_test_add_func("/notify/words", test_words);
	g_test_add_func("/notify/watchdog", test_watchdog);
	g_test_add_func("/notify/abstract", test_abstract);
	g_test_add_func("/notify/nobody", test_nobody);
	ret = g_test_run();
	close(manager);
	g_unlink(path);
	g_rmdir(folder);
	g_free(path);
	g_free(folder);
	return ret;
}

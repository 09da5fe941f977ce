/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket, both sides: the service on the main loop, clients in a thread.
 */
#include "base/clock.h"
#include "base/loop.h"
#include "base/thread.h"
#include "base/wait.h"
#include "control/control.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static char *folder, *path;
static struct loop *loop;
static struct control *control;
static size_t filler;
static int64_t patience_ns = NS_PER_S;
/* how long a client may take */ /* bytes of the status answer */
static int reloads;

static void status(void *context, struct buf *out)
{
	buf_printf(out, "{\"role\":\"%s\",\"x\":\"", (const char *)context);
	for (size_t i = 0; i < filler; i++) {
		buf_putc(out, 'x');
	}
	buf_puts(out, "\"}");
}

static void reload(void *context, struct buf *out)
{
	reloads++;
	buf_puts(out, "{\"reloaded\":true}");
}

static const struct control_ops ops = { status, reload };

static int open_control(struct control **ret, struct vmt_error *error)
{
	struct control_settings s = { .path = path,
				      .role = "agent",
				      .ops = &ops,
				      .context = (void *)"agent",
				      .client_timeout_ns = patience_ns };

	return control_open(&s, ret, error);
}

static void *run_client(void *data)
{
	void (*fn)(void) = *(void (**)(void))data;

	fn();
	loop_quit(loop);
	return NULL;
}

/* Runs fn() in a thread while the service serves. */
static void serve(void (*fn)(void))
{
	pthread_t thread;

	loop = loop_new();
	g_assert_cmpint(open_control(&control, NULL), ==, 0);
	g_assert_cmpint(thread_start(&thread, "client", run_client, &fn), ==, 0);
	loop_run(loop);
	thread_join(thread);
	control_close(control);
	g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
	loop_free(loop);
}

static void expect(enum control_verb verb, const char *want)
{
	struct buf answer = BUF_INIT;

	g_assert_cmpint(control_ask(path, "agent", verb, 5 * NS_PER_S, &answer, NULL), ==, 0);
	g_assert_cmpstr(answer.data, ==, want);
	buf_fini(&answer);
}

static void ask_verbs(void)
{
	char *pong = g_strdup_printf("{\"pong\":true,\"pid\":%d}", (int)getpid());
	struct stat st;

	g_assert_cmpint(stat(path, &st), ==, 0);
	g_assert_cmpint(st.st_mode & 07777, ==, 0660);
	expect(CONTROL_STATUS, "{\"role\":\"agent\",\"x\":\"\"}");
	expect(CONTROL_PING, pong);
	expect(CONTROL_RELOAD, "{\"reloaded\":true}");
	g_free(pong);
}

static void test_verbs(void)
{
	serve(ask_verbs);
}

static int raw_connect(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
	g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
	return fd;
}

/* Reads until the service closes; answers the number of bytes, the first ones in `ret`. */
static size_t raw_read(int fd, char *ret, size_t room)
{
	size_t all = 0;
	char piece[4096];
	ssize_t n;

	memset(ret, 0, room);
	while ((n = recv(fd, piece, sizeof(piece), 0)) > 0) {
		if (all < room - 1) {
			memcpy(ret + all, piece, MIN((size_t)n, room - 1 - all));
		}
		all += (size_t)n;
	}
	close(fd);
	return all;
}

static void raw_expect(const char *request, const char *want)
{
	char got[256];
	int fd = raw_connect();

	g_assert_cmpint((int)send(fd, request, strlen(request), MSG_NOSIGNAL), ==,
			(int)strlen(request));
	raw_read(fd, got, sizeof(got));
	g_assert_cmpstr(got, ==, want);
}

static void ask_badly(void)
{
	char *longer = g_strnfill(CONTROL_REQUEST_MAX, 'x');

	raw_expect("dance\n", "{\"error\":\"no such verb; there are ping, reload and status\"}\n");
	raw_expect("\x02\n", "{\"error\":\"no such verb; there are ping, reload and status\"}\n");
	raw_expect(longer, "{\"error\":\"the request is too long\"}\n");
	g_free(longer);
	close(raw_connect()); /* without a word */
	expect(CONTROL_RELOAD, "{\"reloaded\":true}");
}

static void test_bad_requests(void)
{
	serve(ask_badly);
}

/* One who says nothing and one who does not read hold up nobody, and are dropped in time. */
static void ask_among_slow(void)
{
	int mute = raw_connect(), deaf = raw_connect();
	int64_t start = clock_monotonic();
	struct buf answer = BUF_INIT;
	char got[16];

	g_assert_cmpint((int)send(deaf, "status\n", 7, 0), ==, 7);
	g_assert_cmpint((int)send(mute, "sta", 3, 0), ==, 3);
	g_assert_cmpint(control_ask(path, "agent", CONTROL_STATUS, patience_ns, &answer, NULL), ==,
			0);
	g_assert_cmpint((int)recv(mute, got, 1, MSG_DONTWAIT), ==,
			-1); /* still there while others are served */
	g_assert_cmpint(errno, ==, EAGAIN);
	g_assert_cmpuint(answer.len, ==, filler + sizeof("{\"role\":\"agent\",\"x\":\"\"}") - 1);
	g_assert_cmpuint(raw_read(mute, got, sizeof(got)), ==, 0);
	g_assert_cmpint(clock_monotonic() - start, >=, patience_ns - 10 * NS_PER_MS);
	wait_sleep(100 * NS_PER_MS);
	g_assert_cmpuint(raw_read(deaf, got, sizeof(got)), <, filler); /* cut off */
	buf_fini(&answer);
}

static void test_slow_clients(void)
{
	filler = 3 << 20;
	patience_ns = 8 * NS_PER_S; /* longer than the answer takes on a busy machine */
	serve(ask_among_slow);
	patience_ns = NS_PER_S;
	filler = 0;
}

static void ask_crowd(void)
{
	int fd[40];
	char got[16];

	for (size_t i = 0; i < G_N_ELEMENTS(fd); i++) {
		fd[i] = raw_connect();
	}
	for (size_t i = 0; i < G_N_ELEMENTS(fd); i++) {
		g_assert_cmpuint(raw_read(fd[i], got, sizeof(got)), ==,
				 0); /* turned away, or dropped */
	}
	expect(CONTROL_STATUS, "{\"role\":\"agent\",\"x\":\"\"}");
}

static void test_crowd(void)
{
	serve(ask_crowd);
}

/* Somebody whom only the file's mode lets in.  The identity is the thread's own. */
static void ask_as_stranger(void)
{
	g_assert_cmpint(g_chmod(path, 0666), ==, 0);
	g_assert_cmpint((int)syscall(SYS_setresuid, -1, 65534, -1), ==, 0);
	expect(CONTROL_STATUS, "{\"role\":\"agent\",\"x\":\"\"}");
	expect(CONTROL_RELOAD, "{\"error\":\"reload: only root and the user of the service may\"}");
	g_assert_cmpint((int)syscall(SYS_setresuid, -1, 0, -1), ==, 0);
}

static void test_stranger(void)
{
	int before = reloads;

	if (geteuid() != 0) {
		g_test_skip("needs root to become somebody else");
		return;
	}
	g_assert_cmpint(g_chmod(folder, 0755), ==, 0);
	serve(ask_as_stranger);
	g_assert_cmpint(reloads, ==, before);
}

static void leave_dead_socket(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
	g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
	close(fd);
	g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
}

static void test_places(void)
{
	struct control_settings private = { .path = path, .role = "agent", .ops = &ops };
	struct control *first = NULL, *second = NULL;
	struct stat st;
	struct vmt_error e;

	leave_dead_socket();
	private.mode = 0600;
	g_assert_cmpint(control_open(&private, &first, NULL), ==, 0);
	g_assert_cmpint(stat(path, &st), ==, 0);
	g_assert_cmpint(st.st_mode & 07777, ==, 0600);
	control_close(first);
	leave_dead_socket();
	g_assert_cmpint(open_control(&first, NULL), ==, 0);
	g_assert_cmpstr(control_socket_path(first), ==, path);
	g_assert_cmpint(open_control(&second, &e), ==, -EADDRINUSE);
	g_assert_nonnull(strstr(e.text, "a running agent answers there"));
	g_assert_null(second);
	g_unlink(path); /* somebody took it away, and another came */
	g_assert_cmpint(open_control(&second, NULL), ==, 0);
	control_close(first);
	g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS)); /* not the first one's to remove */
	control_close(second);
	g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
	g_assert_true(g_file_set_contents(path, "precious", -1, NULL));
	g_assert_cmpint(open_control(&first, &e), ==, -EEXIST);
	g_assert_true(g_file_test(path, G_FILE_TEST_IS_REGULAR));
	g_unlink(path);
	control_close(NULL);
}

static void test_default_path(void)
{
	char *got, *made = g_strdup_printf("%s/new:/elsewhere", folder), *want;
	struct control_settings s = { .role = "collector", .ops = &ops };

	g_setenv("RUNTIME_DIRECTORY", made, TRUE);
	want = g_build_filename(folder, "new", "collector.sock", NULL);
	got = control_path("collector");
	g_assert_cmpstr(got, ==, want);
	g_assert_cmpint(control_open(&s, &control, NULL), ==, 0); /* makes the folder */
	g_assert_true(g_file_test(want, G_FILE_TEST_EXISTS));
	control_close(control);
	g_free(got);
	g_unsetenv("RUNTIME_DIRECTORY");
	g_setenv("XDG_RUNTIME_DIR", "/run/user/7", TRUE);
	got = control_path("agent");
	g_assert_cmpstr(got, ==,
			geteuid() ? "/run/user/7/virtmeter/agent.sock"
				  : "/run/virtmeter/agent.sock");
	g_unsetenv("XDG_RUNTIME_DIR");
	*strrchr(want, '/') = '\0';
	g_rmdir(want);
	g_free(want);
	g_free(got);
	g_free(made);
}

static void test_nobody_there(void)
{
	struct buf answer = BUF_INIT;
	char *longer = g_strnfill(200, 'x'), *said;
	struct vmt_error e;
	int64_t start;
	int fd;

	g_assert_cmpint(control_ask(path, "agent", CONTROL_PING, NS_PER_S, &answer, &e), ==,
			-ENOENT);
	said = g_strdup_printf("no agent answers at %s; is it running?", path);
	g_assert_cmpstr(e.text, ==, said);
	g_setenv("RUNTIME_DIRECTORY", folder, TRUE);
	g_assert_cmpint(control_ask(NULL, "nosuchrole", CONTROL_PING, NS_PER_S, &answer, &e), ==,
			-ENOENT);
	g_assert_nonnull(strstr(e.text, "no nosuchrole answers at "));
	g_assert_nonnull(strstr(
		e.text, "/nosuchrole.sock or /run/virtmeter/nosuchrole.sock; is it running?"));
	g_unsetenv("RUNTIME_DIRECTORY");
	leave_dead_socket();
	g_assert_cmpint(control_ask(path, "agent", CONTROL_PING, NS_PER_S, &answer, &e), ==,
			-ECONNREFUSED);
	g_assert_cmpstr(e.text, ==, said);
	g_free(said);
	g_unlink(path);
	g_assert_cmpint(control_ask(longer, "agent", CONTROL_PING, NS_PER_S, &answer, &e), ==,
			-ENAMETOOLONG);
	/* There, but its loop does not turn. */
	g_assert_cmpint(open_control(&control, NULL), ==, 0);
	start = clock_monotonic();
	g_assert_cmpint(control_ask(path, "agent", CONTROL_PING, 100 * NS_PER_MS, &answer, &e), ==,
			-ETIMEDOUT);
	g_assert_cmpint(clock_monotonic() - start, >=, 100 * NS_PER_MS);
	g_assert_cmpuint(answer.len, ==, 0);
	fd = raw_connect();
	control_close(control);
	close(fd);
	g_free(longer);
	buf_fini(&answer);
}

int main(int argc, char **argv)
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	folder = g_dir_make_tmp("control-XXXXXX", NULL);
	path = g_build_filename(folder, "agent.sock", NULL);
	g_test_add_func("/control/verbs", test_verbs);
	g_test_add_func("/control/bad-requests", test_bad_requests);
	g_test_add_func("/control/slow-clients", test_slow_clients);
	g_test_add_func("/control/crowd", test_crowd);
	g_test_add_func("/control/stranger", test_stranger);
	g_test_add_func("/control/places", test_places);
	g_test_add_func("/control/default-path", test_default_path);
	g_test_add_func("/control/nobody-there", test_nobody_there);
	ret = g_test_run();
	g_rmdir(folder);
	g_free(path);
	g_free(folder);
	return ret;
}

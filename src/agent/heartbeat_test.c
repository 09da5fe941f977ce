/* SPDX-License-Identifier: Apache-2.0 */
/* Heartbeats at their socket, in the form that Ceilometer's agents have (its own test of them: "test1 TIME\ntest2 TIME"). */
#include "agent/heartbeat.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

static char *folder;
static const char *const compute[] = { "compute", NULL }, *const both[] = { "compute", "central",
									    NULL };

static struct settings settings(const char *dir, const char *const *namespaces)
{
	return (struct settings){ .heartbeat_socket_dir = dir,
				  .polling_namespaces = namespaces,
				  .control_socket_mode = 0640 };
}

static char *path_of(const char *name)
{
	return g_build_filename(folder, name, NULL);
}

/* What it says, NULL: there is nobody. */
static char *ask(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char *path = path_of(name), text[4096] = "";
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t n = 0;
	ssize_t got;

	g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
	g_free(path);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return NULL;
	}
	while (g_main_context_iteration(NULL, FALSE)) {
	}
	while ((got = recv(fd, text + n, sizeof(text) - 1 - n, MSG_DONTWAIT)) > 0) {
		n += (size_t)got;
	}
	g_assert_cmpint(got, ==, 0); /* it was told the end */
	close(fd);
	return g_strdup(text);
}

static void expect(const char *name, const char *wanted)
{
	char *text = ask(name);

	g_assert_cmpstr(text, ==, wanted);
	g_free(text);
}

/* These are polled now: words. */
static void meters(struct heartbeat *h, const char *words)
{
	GHashTable *set = g_hash_table_new(g_str_hash, g_str_equal);
	char **list = g_strsplit(words, " ", -1);

	for (char **w = list; *w; w++) {
		g_hash_table_add(set, *w);
	}
	heartbeat_expect(h, set);
	g_hash_table_unref(set);
	g_strfreev(list);
}

static void test_form(void)
{
	struct heartbeat *h = heartbeat_new();
	struct settings s = settings(folder, compute);
	char *path = path_of("ceilometer-compute.socket");
	struct vmt_error error;
	struct stat st;

	g_assert_false(heartbeat_on(h));
	g_assert_cmpint(heartbeat_listen(h, &s, &error), ==, 0);
	g_assert_true(heartbeat_on(h));
	meters(h, "memory.usage cpu");
	g_assert_cmpint(stat(path, &st), ==, 0);
	g_assert_cmpint(st.st_mode & 07777, ==, 0640);
	expect("ceilometer-compute.socket", "");
	heartbeat_beat(h, "cpu", INT64_C(1795395113385704300));
	heartbeat_beat(h, "memory.usage", INT64_C(1795395114) * NS_PER_S);
	expect("ceilometer-compute.socket",
	       "cpu 2026-11-23T00:51:53.385704\nmemory.usage 2026-11-23T00:51:54");
	heartbeat_beat(h, "cpu", INT64_C(1795395115) * NS_PER_S);
	expect("ceilometer-compute.socket",
	       "cpu 2026-11-23T00:51:55\nmemory.usage 2026-11-23T00:51:54");
	heartbeat_free(h);
	g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
	heartbeat_free(NULL);
	g_free(path);
}

static void test_places(void)
{
	struct heartbeat *h = heartbeat_new(), *other = heartbeat_new();
	struct settings s = settings(folder, both), none = settings("", both),
			file = settings("/dev/null", both);
	struct vmt_error error;
	char *text;

	g_assert_cmpint(heartbeat_listen(h, &s, &error), ==, 0);
	meters(h, "cpu");
	heartbeat_beat(h, "cpu", NS_PER_S);
	g_assert_cmpint(heartbeat_listen(h, &s, &error), ==, 0); /* as it was */
	expect("ceilometer-central-compute.socket", "cpu 1970-01-01T00:00:01");
	g_assert_cmpint(heartbeat_listen(other, &s, &error), ==,
			-EADDRINUSE); /* not the first one's to take */
	g_assert_nonnull(strstr(error.text, "a running agent answers there"));
	g_assert_false(heartbeat_on(other));
	s.polling_namespaces = compute;
	g_assert_cmpint(heartbeat_listen(h, &s, &error), ==, 0);
	text = ask("ceilometer-central-compute.socket");
	g_assert_null(text);
	expect("ceilometer-compute.socket", "cpu 1970-01-01T00:00:01");
	g_assert_cmpint(heartbeat_listen(h, &file, &error), <, 0);
	g_assert_nonnull(strstr(error.text, "heartbeat_socket_dir /dev/null/"));
	g_assert_false(heartbeat_on(h));
	g_assert_cmpint(heartbeat_listen(h, &none, &error), ==, 0);
	g_assert_false(heartbeat_on(h));
	heartbeat_free(h);
	heartbeat_free(other);
}

/* A meter that is not polled any more has no line, whatever a cycle that was on its way says of it; others keep theirs. */
static void test_reloads(void)
{
	static const char now[] = "ceilometer-compute.socket";
	struct heartbeat *h = heartbeat_new();
	struct settings s = settings(folder, compute);
	struct vmt_error error;

	g_assert_cmpint(heartbeat_listen(h, &s, &error), ==, 0);
	meters(h, "cpu memory.usage vcpus");
	heartbeat_beat(h, "vcpus", NS_PER_S);
	heartbeat_beat(h, "cpu", 2 * NS_PER_S);
	meters(h, "cpu memory.usage");
	expect(now, "cpu 1970-01-01T00:00:02");
	heartbeat_beat(h, "vcpus", 3 * NS_PER_S);
	heartbeat_beat(h, "memory.usage", 3 * NS_PER_S);
	expect(now, "cpu 1970-01-01T00:00:02\nmemory.usage 1970-01-01T00:00:03");
	meters(h, "vcpus memory.usage");
	expect(now, "memory.usage 1970-01-01T00:00:03");
	heartbeat_beat(h, "vcpus", 4 * NS_PER_S);
	expect(now, "memory.usage 1970-01-01T00:00:03\nvcpus 1970-01-01T00:00:04");
	heartbeat_free(h);
}

int main(int argc, char **argv)
{
	int status;

	g_test_init(&argc, &argv, NULL);
	folder = g_dir_make_tmp("vm-heartbeat-XXXXXX", NULL);
	g_test_add_func("/heartbeat/form", test_form);
	g_test_add_func("/heartbeat/places", test_places);
	g_test_add_func("/heartbeat/reloads", test_reloads);
	status = g_test_run();
	g_rmdir(folder);
	g_free(folder);
	return status;
}

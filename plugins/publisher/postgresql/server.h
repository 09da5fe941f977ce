/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests and benchmarks: a PostgreSQL server of one's own in a temporary folder, reached by its socket alone.  It
 * ends with the process that started it, in whatever way that ends.  Nothing here is built into the program.
 */
#ifndef PUBLISHER_POSTGRESQL_SERVER_H
#define PUBLISHER_POSTGRESQL_SERVER_H

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct server {
	char *folder, *data, *bin, *settings;
	pid_t pid; /* 0: not running */
};

/* The server refuses to run as root: then it is somebody else. */
static inline const struct passwd *server_user(void)
{
	const struct passwd *user = geteuid() ? NULL : getpwnam("postgres");

	return geteuid() || user ? user : getpwnam("nobody");
}

static inline void server_child(gpointer data)
{
	const struct passwd *user = data;
	int null = open("/dev/null", O_RDWR);

	dup2(null, 0);
	if (user && (setgroups(0, NULL) || setgid(user->pw_gid) || setuid(user->pw_uid))) {
		_exit(126);
	}
	prctl(PR_SET_PDEATHSIG, SIGQUIT);
}

/* The newest one of Debian, or the one of the path; to be freed, NULL: there is none. */
static inline char *server_find(void)
{
	char *found = NULL, *path;

	for (int version = 12; version < 40; version++) {
		path = g_strdup_printf("/usr/lib/postgresql/%d/bin", version);
		if (access(path, X_OK) == 0) {
			g_free(found);
			found = g_steal_pointer(&path);
		}
		g_free(path);
	}
	path = found ? NULL : g_find_program_in_path("initdb");
	if (path) {
		found = g_path_get_dirname(path);
		g_free(path);
	}
	return found;
}

/* Why the test has to be left out; NULL: it has not.  With VIRTMETER_REQUIRE=1 that is a failure. */
static inline const char *server_missing(void)
{
	char *bin = server_find();
	bool missing = !bin;

	g_free(bin);
	if (missing && g_strcmp0(g_getenv("VIRTMETER_REQUIRE"), "1") == 0) {
		g_error("PostgreSQL is missing (Debian package postgresql)");
	}
	return missing ? "PostgreSQL is missing (Debian package postgresql)" : NULL;
}

static inline char *server_conninfo(const struct server *s)
{
	return g_strdup_printf("host=%s user=tester dbname=postgres", s->folder);
}

static inline void server_start(struct server *s)
{
	char *program = g_build_filename(s->bin, "postgres", NULL), *info = server_conninfo(s);
	char *line = g_strdup_printf("%s -D %s -k %s %s", program, s->data, s->folder, s->settings);
	char **argv = g_strsplit(line, " ", -1);
	GError *error = NULL;

	g_spawn_async(NULL, argv, NULL,
		      G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL |
			      G_SPAWN_STDERR_TO_DEV_NULL,
		      server_child, (gpointer)server_user(), &s->pid, &error);
	g_assert_no_error(error);
	for (int i = 0; PQping(info) != PQPING_OK; i++) {
		g_assert_cmpint(i, <, 1200);
		g_assert_cmpint(waitpid(s->pid, NULL, WNOHANG), ==, 0);
		g_usleep(50000); /* system time: until another program is there */
	}
	g_strfreev(argv);
	g_free(line);
	g_free(info);
	g_free(program);
}

/* SIGINT: connections are ended; SIGQUIT: as in a crash. */
static inline void server_stop(struct server *s, int signal)
{
	if (s->pid) {
		kill(s->pid, signal);
		while (waitpid(s->pid, NULL, 0) == -1 && errno == EINTR) {
		}
		s->pid = 0;
	}
}

/* `settings`: further words of the server's command line, "-c name=value". */
static inline void server_init(struct server *s, const char *settings)
{
	const struct passwd *user = server_user();
	const char *argv[] = { NULL,   "-D",         NULL, "-U",    "tester",    "-E",
			       "UTF8", "--locale=C", "-A", "trust", "--no-sync", NULL };
	GError *error = NULL;
	char *out = NULL, *initdb;
	int status = 0;

	memset(s, 0, sizeof *s);
	s->bin = server_find();
	s->folder = g_dir_make_tmp("virtmeter-pg-XXXXXX", NULL);
	s->data = g_build_filename(s->folder, "data", NULL);
	s->settings = g_strconcat("-c listen_addresses= -c shared_buffers=64MB -c"
				  " max_connections=30 -c log_min_messages=fatal ",
				  settings, NULL);
	g_strstrip(s->settings);
	initdb = g_build_filename(s->bin, "initdb", NULL);
	argv[0] = initdb;
	argv[2] = s->data;
	g_assert_cmpint(chmod(s->folder, 0755), ==, 0);
	if (user) {
		g_assert_cmpint(chown(s->folder, user->pw_uid, user->pw_gid), ==, 0);
	}
	g_spawn_sync("/", (char **)argv, NULL, G_SPAWN_STDERR_TO_DEV_NULL, server_child,
		     (gpointer)user, &out, NULL, &status, &error);
	g_assert_no_error(error);
	if (status) {
		g_error("initdb: %s", out);
	}
	g_free(out);
	g_free(initdb);
	server_start(s);
}

static inline void server_fini(struct server *s)
{
	const char *argv[] = { "rm", "-rf", s->folder, NULL };

	server_stop(s, SIGINT);
	g_spawn_sync("/", (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL,
		     NULL);
	g_free(s->folder);
	g_free(s->data);
	g_free(s->bin);
	g_free(s->settings);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of commands as a user meets them: in a process and a folder of their own, exit status and output.
 * Nothing here is built into the program.
 */
#ifndef CMD_CMD_FIXTURE_H
#define CMD_CMD_FIXTURE_H

#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/cmd.h"

static char *folder; /* of all of a test's files; the test makes it */

struct said {
	int status;
	char *out, *err;
};

static inline char *path_of(const char *name)
{
	return g_build_filename(folder, name, NULL);
}

static inline void put(const char *name, const char *text)
{
	char *path = path_of(name);

	g_assert_true(g_file_set_contents(path, text, -1, NULL));
	g_free(path);
}

static inline void redirect(int fd, const char *name)
{
	char *path = path_of(name);
	int to = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	g_free(path);
	g_assert_cmpint(dup2(to, fd), ==, fd);
	close(to);
}

static inline int run_here(int (*command)(int, char **), const char *words)
{
	char **argv, **copy;
	int argc, ret;

	g_assert_true(g_shell_parse_argv(words, &argc, &argv, NULL));
	copy = g_memdup2(argv,
			 sizeof(*argv) * ((size_t)argc + 1)); /* the parser moves them about */
	ret = command(argc, copy);

	g_free(copy);
	g_strfreev(argv);
	return ret;
}

static inline void run(int (*command)(int, char **), const char *words, struct said *ret)
{
	char *path;
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	g_assert_cmpint(pid, >=, 0);
	if (pid == 0) {
		g_assert_cmpint(chdir(folder), ==, 0);
		redirect(1, "out");
		redirect(2, "err");
		status = run_here(command, words);
		fflush(stdout);
		g_free(folder);
		exit(status);
	}
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	g_assert_true(WIFEXITED(status));
	ret->status = WEXITSTATUS(status);
	path = path_of("out");
	g_assert_true(g_file_get_contents(path, &ret->out, NULL, NULL));
	g_free(path);
	path = path_of("err");
	g_assert_true(g_file_get_contents(path, &ret->err, NULL, NULL));
	g_free(path);
}

static inline void expect(int (*command)(int, char **), const char *words, int status,
			  const char *out, const char *err)
{
	struct said said;

	run(command, words, &said);
	if (said.status != status) {
		g_test_message("%s%s", said.out, said.err);
	}
	g_assert_cmpint(said.status, ==, status);
	if (out) {
		g_assert_cmpstr(said.out, ==, out);
	}
	if (err) {
		g_assert_cmpstr(said.err, ==, err);
	}
	g_free(said.out);
	g_free(said.err);
}

#endif

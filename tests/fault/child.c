/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that die; see child.h.  Blocks until the child has ended. */
#include "child.h"

#include <glib.h>
#include <sys/wait.h>
#include <unistd.h>

pid_t child_start(int *ret_fd)
{
	int ends[2];
	pid_t child;

	g_assert_cmpint(pipe(ends), ==, 0);
	child = fork();
	g_assert_cmpint(child, >=, 0);
	close(ends[child ? 1 : 0]);
	*ret_fd = ends[child ? 0 : 1];
	return child;
}

int child_end(pid_t child, int fd)
{
	int status, end;

	close(fd);
	g_assert_cmpint(waitpid(child, &status, 0), ==, child);
	g_assert_true(WIFEXITED(status));
	end = WEXITSTATUS(status);
	g_assert_true(end == CHILD_DONE || end == CHILD_DIED || end == CHILD_PASSED);
	return end;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of what the kernel says of QEMU's processes: on real processes (this program once more, called as libvirt
 * calls QEMU), and on a /proc of files for what cannot be had on demand.
 */
#include "plugins/libvirt/process.h"

#include "base/clock.h"
#include "base/uuid.h"
#include "base/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define ID "0b1f5d4a-7f0e-4c55-9a39-2f6d7f3f3c11"

static uint8_t uuid[16];

/* A child that looks like a QEMU, and sleeps. */
static pid_t spawn(const char *name)
{
	const char *argv[] = { name, "-name", "guest=a", "-uuid", ID, "-S", NULL };
	int go[2];
	char byte;
	pid_t pid;

	g_assert_cmpint(pipe2(go, O_CLOEXEC), ==, 0);
	pid = fork();
	if (pid == 0) {
		execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	close(go[1]);
	g_assert_cmpint(read(go[0], &byte, 1), ==, 0); /* closed by the exec */
	close(go[0]);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
}

static enum process_state look_for(struct processes *p, enum process_state wanted)
{
	int64_t until = clock_monotonic() + 20 * NS_PER_S;
	enum process_state s;

	while ((s = processes_look(p, uuid)) != wanted && clock_monotonic() < until) {
		wait_sleep(NS_PER_MS);
	}
	return s;
}

static void test_real(void)
{
	struct processes *p = processes_new(NULL);
	struct process found;
	pid_t pid = spawn("qemu-test"), tracee;

	g_assert_false(processes_find(p, uuid, &found));
	processes_scan(p);
	g_assert_true(processes_find(p, uuid, &found));
	g_assert_cmpint(found.pid, ==, pid);
	g_assert_cmpuint(found.start, >, 0);
	g_assert_cmpint(look_for(p, PROCESS_GOING), ==, PROCESS_GOING);
	kill(pid, SIGSTOP);
	g_assert_cmpint(look_for(p, PROCESS_STOPPED), ==, PROCESS_STOPPED);
	g_assert_true(process_cannot_answer(PROCESS_STOPPED));
	kill(pid, SIGCONT);
	g_assert_cmpint(look_for(p, PROCESS_GOING), ==, PROCESS_GOING);
	g_assert_cmpint(ptrace(PTRACE_SEIZE, pid, NULL, NULL), ==, 0);
	g_assert_cmpint(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL), ==, 0);
	g_assert_cmpint(waitpid(pid, NULL, __WALL), ==, pid);
	g_assert_cmpint(look_for(p, PROCESS_TRACED), ==, PROCESS_TRACED);
	g_assert_cmpint(ptrace(PTRACE_DETACH, pid, NULL, NULL), ==, 0);
	end(pid);
	g_assert_false(processes_find(p, uuid, &found));
	g_assert_cmpint(processes_look(p, uuid), ==, PROCESS_UNKNOWN);
	/* Its successor is seen at the next scan, as another one. */
	tracee = spawn("qemu-test");
	processes_scan(p);
	g_assert_true(processes_find(p, uuid, &found));
	g_assert_cmpint(found.pid, ==, tracee);
	end(tracee);
	processes_free(p);
}

/* ------------------------------------------------------------------ a /proc of files */

static char *root;

static void put(int pid, const char *name, const char *text, gssize len)
{
	char *dir = g_strdup_printf("%s/%d", root, pid), *path = g_build_filename(dir, name, NULL);
	FILE *f;

	g_mkdir_with_parents(dir, 0755);
	f = fopen(path, "r+"); /* the same file, for whoever has it open */
	f = f ? f : fopen(path, "w");
	g_assert_nonnull(f);
	g_assert_cmpint(ftruncate(fileno(f), 0), ==, 0);
	fwrite(text, 1, len < 0 ? strlen(text) : (size_t)len, f);
	fclose(f);
	g_free(path);
	g_free(dir);
}

static void put_process(int pid, const char *name, char state)
{
	static const char words[] = "qemu\0-uuid\0" ID "\0-S";
	char *stat =
		g_strdup_printf("%d (%s) %c 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 3 0 %d 9 9\n",
				pid, name, state, 1000 + pid);

	put(pid, "cmdline", words, sizeof(words));
	put(pid, "stat", stat, -1);
	put(pid, "status",
	    "Name:\tx\nvoluntary_ctxt_switches:\t17\nnonvoluntary_ctxt_switches:\t2\n", -1);
	g_free(stat);
}

static void clear(int pid)
{
	static const char *const names[] = { "cmdline", "stat", "status" };
	char *dir = g_strdup_printf("%s/%d", root, pid);

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		char *path = g_build_filename(dir, names[i], NULL);

		g_unlink(path);
		g_free(path);
	}
	g_rmdir(dir);
	g_free(dir);
}

static void test_several(void)
{
	struct processes *p = processes_new(root);
	struct process found;

	/* A wrapper around QEMU keeps the same words; QEMU is who counts, in whichever order they come. */
	put_process(41, "qemu-system-x86", 'S');
	put_process(42, "hold) S (x", 'T');
	processes_scan(p);
	g_assert_true(processes_find(p, uuid, &found));
	g_assert_cmpint(found.pid, ==, 41);
	g_assert_cmpuint(found.start, ==, 1041);
	g_assert_cmpint(processes_look(p, uuid), ==, PROCESS_GOING);
	/* Two alike: nobody knows. */
	put_process(43, "qemu-system-x86", 'T');
	processes_scan(p);
	g_assert_false(processes_find(p, uuid, &found));
	g_assert_cmpint(processes_look(p, uuid), ==, PROCESS_UNKNOWN);
	clear(41);
	clear(43);
	processes_scan(p);
	g_assert_true(processes_find(p, uuid, &found));
	g_assert_cmpint(found.pid, ==, 42);
	clear(42);
	/* Words that are none. */
	put(44, "cmdline", "qemu\0-uuid\0", 11);
	put(44, "stat", "44", -1);
	put(45, "cmdline", "qemu\0-uuid\0" ID "0", 49);
	processes_scan(p);
	g_assert_false(processes_find(p, uuid, &found));
	clear(44);
	clear(45);
	processes_free(p);
}

static void test_blocked(void)
{
	struct processes *p = processes_new(root);

	put_process(50, "qemu-system-x86", 'D');
	processes_scan(p);
	g_assert_cmpint(processes_look(p, uuid), ==, PROCESS_WAITING);
	wait_sleep(1010 * NS_PER_MS);
	g_assert_cmpint(processes_look(p, uuid), ==, PROCESS_BLOCKED);
	/* It slept in between: that is work, not a wait. */
	put(50, "status", "Name:\tx\nvoluntary_ctxt_switches:\t18\n", -1);
	g_assert_cmpint(processes_look(p, uuid), ==, PROCESS_WAITING);
	put_process(50, "qemu-system-x86", 'S');
	g_assert_cmpint(processes_look(p, uuid), ==, PROCESS_GOING);
	put_process(50, "qemu-system-x86", 'Z');
	g_assert_cmpint(processes_look(p, uuid), ==, PROCESS_UNKNOWN);
	clear(50);
	processes_free(p);
}

int main(int argc, char **argv)
{
	int result;

	if (argc > 3 && strcmp(argv[3], "-uuid") == 0) {
		for (;;) {
			pause();
		}
	}
	g_test_init(&argc, &argv, NULL);
	g_assert_cmpint(uuid_parse(ID, uuid), ==, 0);
	root = g_dir_make_tmp("virtmeter-proc-XXXXXX", NULL);
	g_assert_nonnull(root);
	g_test_add_func("/process/real", test_real);
	g_test_add_func("/process/several", test_several);
	g_test_add_func("/process/blocked", test_blocked);
	result = g_test_run();
	g_rmdir(root);
	g_free(root);
	return result;
}

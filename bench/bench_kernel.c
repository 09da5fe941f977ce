/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What reading an instance from the kernel costs, beside bare reads of the same files: CPU of this thread, for each
 * instance.  The instances are children of this program that look like QEMU: a UUID on the command line, a thread for
 * the virtual CPU and a few others.
 */
#include "plugins/inspector/libvirt/kernel.h"
#include "plugins/libvirt/desc.h"

#include "base/clock.h"
#include "base/uuid.h"

#include <fcntl.h>
#include <glib.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { VMS = 50, ROUNDS = 100, THREADS = 5, FILES = 4 };

#define TARGET_US 60.0

struct vm {
	pid_t pid;
	struct domain_desc *desc;
	int fd[FILES]; /* of the bare reads */
};

static void *idle(void *name)
{
	pthread_setname_np(pthread_self(), name);
	for (;;) {
		pause();
	}
	return NULL;
}

/* The child: threads as a QEMU has them. */
static int pretend(void)
{
	static char names[THREADS][16] = { "CPU 0/KVM", "IO mon_iothread", "worker", "worker",
					   "vnc" };
	static char main_name[] = "qemu-bench";
	pthread_t thread;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0; i < THREADS; i++) {
		pthread_create(&thread, NULL, idle, names[i]);
	}
	return idle(main_name) != NULL;
}

static pid_t start(const char *id)
{
	pid_t pid = fork();

	if (pid == 0) {
		execl("/proc/self/exe", "qemu-bench", "-uuid", id, (char *)NULL);
		_exit(127);
	}
	return pid;
}

static struct domain_desc *describe(const uint8_t uuid[16])
{
	struct desc_source src = { .uuid = uuid,
				   .name = "bench",
				   .xml = "<domain><vcpu>1</vcpu></domain>",
				   .number = 1,
				   .time_ns = 1 };

	return desc_new(&src, NULL, NULL);
}

/* The thread of the virtual CPU: the first one that was started. */
static void open_bare(struct vm *vm)
{
	static const char *const names[FILES] = { "stat", "io", "stat", "schedstat" };
	char path[128];

	for (int i = 0; i < FILES; i++) {
		if (i < 2) {
			g_snprintf(path, sizeof(path), "/proc/%d/%s", (int)vm->pid, names[i]);
		} else {
			g_snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", (int)vm->pid,
				   (int)vm->pid, names[i]);
		}
		vm->fd[i] = open(path, O_RDONLY | O_CLOEXEC);
		g_assert_cmpint(vm->fd[i], >=, 0);
	}
}

static double read_bare(struct vm *vms)
{
	int64_t began = clock_cpu_thread();
	char text[4096];

	for (int r = 0; r < ROUNDS; r++) {
		for (int i = 0; i < VMS; i++) {
			for (int f = 0; f < FILES; f++) {
				g_assert_cmpint(pread(vms[i].fd[f], text, sizeof(text), 0), >, 0);
			}
		}
	}
	return (double)(clock_cpu_thread() - began) / 1e3 / ROUNDS / VMS;
}

static double read_ours(struct kernel *k, struct vm *vms)
{
	const unsigned groups = VMT_GROUP_CPU | VMT_GROUP_VCPU | VMT_GROUP_MEMORY |
				VMT_GROUP_PROCESS;
	struct kernel_reading reading = { .groups = 0 };
	int64_t began = clock_cpu_thread();

	for (int r = 0; r < ROUNDS; r++) {
		kernel_begin(k);
		for (int i = 0; i < VMS; i++) {
			g_assert_true(kernel_read(k, vms[i].desc, groups, &reading));
			g_assert_cmpuint(reading.vcpus, ==, 1);
		}
		kernel_end(k);
	}
	return (double)(clock_cpu_thread() - began) / 1e3 / ROUNDS / VMS;
}

int main(int argc, char **argv)
{
	struct vm vms[VMS];
	struct kernel *k;
	double bare, ours;

	if (argc == 3 && strcmp(argv[1], "-uuid") == 0) {
		return pretend();
	}
	for (int i = 0; i < VMS; i++) {
		uint8_t uuid[16];
		char id[UUID_TEXT];

		uuid1_block(1, uuid);
		uuid_format(uuid, id);
		vms[i] = (struct vm){ .pid = start(id), .desc = describe(uuid) };
	}
	g_usleep(500000); /* their threads come up */
	for (int i = 0; i < VMS; i++) {
		open_bare(&vms[i]);
	}
	k = kernel_ref("bench:///", NULL);
	read_ours(k, vms); /* ties them */
	bare = read_bare(vms);
	ours = read_ours(k, vms);
	printf("kernel reading of an instance: %.1f us of CPU, bare reads of the same files %.1f us: %.2f x "
	       "(target %.0f us: %s)\n",
	       ours, bare, ours / bare, TARGET_US, ours <= TARGET_US ? "met" : "MISSED");
	for (int i = 0; i < VMS; i++) {
		kill(vms[i].pid, SIGKILL);
		waitpid(vms[i].pid, NULL, 0);
		domain_desc_unref(vms[i].desc);
		for (int f = 0; f < FILES; f++) {
			close(vms[i].fd[f]);
		}
	}
	kernel_unref(k);
	return ours <= TARGET_US ? 0 : 1;
}

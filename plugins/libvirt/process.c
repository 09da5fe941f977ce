/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the table of QEMU processes and one open file for each (/proc/PID/task/PID/stat, which stays that process's own:
 * once it has ended, reading fails, whoever has its pid then).  Any thread; blocks on nothing but its lock.
 */
#include "plugins/libvirt/process.h"

#include "base/clock.h"
#include "base/uuid.h"
#include "base/wait.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCKED_NS (1 * NS_PER_S)

enum { CMDLINE_MAX = 64 << 10, STAT_MAX = 1024 };

struct entry {
	uint8_t uuid[16]; /* key; first */
	struct process process;
	int fd; /* of its stat; -1: several claim to be it */
	bool is_qemu; /* by its name */
	uint64_t switches; /* context switches by its own will when it was first seen in D */
	int64_t waits_ns; /* since when it has been in D; 0: it is not */
};

struct processes {
	char *proc;
	struct wait lock; /* guards the table; nobody waits on it */
	GHashTable *table; /* of struct entry, by uuid */
};

static const char *const names[PROCESS_STATES] = {
	[PROCESS_UNKNOWN] = "unknown", [PROCESS_GOING] = "going",     [PROCESS_STOPPED] = "stopped",
	[PROCESS_TRACED] = "traced",   [PROCESS_WAITING] = "waiting", [PROCESS_BLOCKED] = "blocked",
};

const char *process_state_name(enum process_state s)
{
	return names[s];
}

static void entry_free(gpointer p)
{
	struct entry *e = p;

	if (e->fd >= 0) {
		close(e->fd);
	}
	g_free(e);
}

struct processes *processes_new(const char *proc)
{
	struct processes *p = g_new0(struct processes, 1);

	p->proc = g_strdup(proc ? proc : "/proc");
	wait_init(&p->lock);
	p->table = g_hash_table_new_full(uuid_key_hash, uuid_key_equal, NULL, entry_free);
	return p;
}

void processes_free(struct processes *p)
{
	if (p) {
		g_hash_table_destroy(p->table);
		wait_fini(&p->lock);
		g_free(p->proc);
		g_free(p);
	}
}

/* Opens a file of a process; -1 when it has ended, or is not ours to see. */
static int open_of(const struct processes *p, const char *pid, const char *name)
{
	char path[256];

	if (g_snprintf(path, sizeof(path), "%s/%s/%s", p->proc, pid, name) >= (int)sizeof(path)) {
		return -1;
	}
	return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
}

/* The UUID in a command line whose words end with NUL each. */
static bool uuid_in(const char *words, size_t len, uint8_t ret_uuid[16])
{
	bool next = false;

	for (size_t at = 0; at < len;) {
		const char *word = words + at;
		size_t n = strnlen(word, len - at);

		if (next) {
			return n == UUID_TEXT - 1 && at + n < len &&
			       uuid_parse(word, ret_uuid) == 0;
		}
		next = n == 5 && memcmp(word, "-uuid", 5) == 0;
		at += n + 1;
	}
	return false;
}

/* Reads all of a small file; its length, or -1. */
static ssize_t read_whole(int fd, char *to, size_t room)
{
	size_t len = 0;
	ssize_t n;

	while (len < room - 1 && (n = pread(fd, to + len, room - 1 - len, (off_t)len)) != 0) {
		if (n < 0) {
			return -1;
		}
		len += (size_t)n;
	}
	to[len] = '\0';
	return (ssize_t)len;
}

/* Reads a file of one line: the kernel makes all of it anew for each read, one to see its end too. */
static ssize_t read_line(int fd, char *to, size_t room)
{
	ssize_t len = pread(fd, to, room - 1, 0);

	if (len > 0 && to[len - 1] != '\n') {
		return read_whole(fd, to, room);
	}
	to[MAX(len, 0)] = '\0';
	return len;
}

/* From "PID (NAME) STATE ...": NAME may hold anything, ")" too. */
static bool parse_stat(const char *text, char *ret_state, uint64_t *ret_start, bool *ret_is_qemu)
{
	const char *name = strchr(text, '('), *at = strrchr(text, ')');

	if (!name || !at || at[1] != ' ') {
		return false;
	}
	*ret_is_qemu = strncmp(name + 1, "qemu", 4) == 0 || strncmp(name + 1, "kvm", 3) == 0;
	*ret_state = at[2];
	at += 2;
	for (int field = 3; field < 22; field++) {
		at = strchr(at, ' ');
		if (!at) {
			return false;
		}
		at++;
	}
	*ret_start = g_ascii_strtoull(at, NULL, 10);
	return true;
}

/* Which of two processes with the same UUID is the domain: the one that is called QEMU (the other is a
 * wrapper around it).  Cannot it be told, then neither. */
static void add(struct processes *p, struct entry *e)
{
	struct entry *old = g_hash_table_lookup(p->table, e->uuid);

	if (old && old->is_qemu && !e->is_qemu) {
		entry_free(e);
	} else if (old && old->is_qemu == e->is_qemu) {
		entry_free(e);
		if (old->fd >= 0) {
			close(old->fd);
			old->fd = -1;
		}
	} else {
		g_hash_table_replace(p->table, e->uuid, e);
	}
}

/* Its main thread's line: the state is the same, and the kernel need not add up the other threads' times for it. */
static int open_stat(const struct processes *p, const char *pid)
{
	char name[64];
	int fd;

	g_snprintf(name, sizeof(name), "task/%s/stat", pid);
	fd = open_of(p, pid, name);
	return fd >= 0 ? fd : open_of(p, pid, "stat");
}

static void scan_one(struct processes *p, const char *pid, char *words)
{
	struct entry e = { .fd = -1 };
	char text[STAT_MAX], state;
	int fd = open_of(p, pid, "cmdline");
	ssize_t len;

	if (fd < 0) {
		return;
	}
	len = read_whole(fd, words, CMDLINE_MAX);
	close(fd);
	if (len <= 0 || !uuid_in(words, (size_t)len, e.uuid)) {
		return;
	}
	e.fd = open_stat(p, pid);
	if (e.fd < 0) {
		return;
	}
	if (read_line(e.fd, text, sizeof(text)) <= 0 ||
	    !parse_stat(text, &state, &e.process.start, &e.is_qemu) || state == 'Z') {
		close(e.fd);
		return;
	}
	e.process.pid = (pid_t)g_ascii_strtoll(pid, NULL, 10);
	add(p, g_memdup2(&e, sizeof(e)));
}

void processes_scan(struct processes *p)
{
	char *words = g_malloc(CMDLINE_MAX);
	DIR *dir = opendir(p->proc);
	struct dirent *d;

	wait_lock(&p->lock);
	g_hash_table_remove_all(p->table);
	while (dir && (d = readdir(dir))) {
		if (isdigit((unsigned char)d->d_name[0])) {
			scan_one(p, d->d_name, words);
		}
	}
	wait_unlock(&p->lock);
	if (dir) {
		closedir(dir);
	}
	g_free(words);
}

/* Its state's letter; false: it has ended. */
static bool letter_of(const struct entry *e, char *ret_letter)
{
	char text[STAT_MAX];
	uint64_t start;
	bool is_qemu;

	return e->fd >= 0 && read_line(e->fd, text, sizeof(text)) > 0 &&
	       parse_stat(text, ret_letter, &start, &is_qemu) && start == e->process.start &&
	       *ret_letter != 'Z' && *ret_letter != 'X';
}

bool processes_find(struct processes *p, const uint8_t uuid[16], struct process *ret_process)
{
	struct entry *e;
	bool found;
	char letter;

	wait_lock(&p->lock);
	e = g_hash_table_lookup(p->table, uuid);
	found = e && letter_of(e, &letter);
	if (found) {
		*ret_process = e->process;
	}
	wait_unlock(&p->lock);
	return found;
}

/* How often its main thread has gone to sleep of its own will. */
static uint64_t switches_of(const struct processes *p, const struct entry *e)
{
	static const char key[] = "\nvoluntary_ctxt_switches:";
	char text[4096], pid[16], *at;
	uint64_t n = 0;
	int fd;

	g_snprintf(pid, sizeof(pid), "%d", (int)e->process.pid);
	fd = open_of(p, pid, "status");
	if (fd < 0) {
		return 0;
	}
	if (read_whole(fd, text, sizeof(text)) > 0 && (at = strstr(text, key))) {
		n = g_ascii_strtoull(at + strlen(key), NULL, 10);
	}
	close(fd);
	return n;
}

static enum process_state judge_wait(const struct processes *p, struct entry *e)
{
	uint64_t switches = switches_of(p, e);
	int64_t now = clock_monotonic();

	if (!e->waits_ns || e->switches != switches) {
		e->waits_ns = now;
		e->switches = switches;
	}
	return now - e->waits_ns >= BLOCKED_NS ? PROCESS_BLOCKED : PROCESS_WAITING;
}

enum process_state processes_look(struct processes *p, const uint8_t uuid[16])
{
	enum process_state state = PROCESS_UNKNOWN;
	struct entry *e;
	char letter;

	wait_lock(&p->lock);
	e = g_hash_table_lookup(p->table, uuid);
	if (e && letter_of(e, &letter)) {
		if (letter == 'D') {
			state = judge_wait(p, e);
		} else {
			e->waits_ns = 0;
			state = letter == 'T'   ? PROCESS_STOPPED
				: letter == 't' ? PROCESS_TRACED
						: PROCESS_GOING;
		}
	}
	wait_unlock(&p->lock);
	return state;
}

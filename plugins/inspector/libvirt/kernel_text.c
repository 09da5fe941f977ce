/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the forms of /proc and cgroup files.  Any thread; never blocks, takes nothing from the heap.
 */
#include "plugins/inspector/libvirt/kernel_text.h"

#include "base/uuid.h"

#include <errno.h>
#include <string.h>

/* ------------------------------------------------------------------ words */

struct text {
	const char *at, *end;
};

static struct text text_of(const char *text, size_t len)
{
	return (struct text){ text, text + len };
}

static void skip_blanks(struct text *t)
{
	while (t->at < t->end && (*t->at == ' ' || *t->at == '\t' || *t->at == '\n')) {
		t->at++;
	}
}

static void skip_word(struct text *t)
{
	skip_blanks(t);
	while (t->at < t->end && *t->at != ' ' && *t->at != '\t' && *t->at != '\n') {
		t->at++;
	}
}

static bool take_digits(struct text *t, uint64_t *ret)
{
	const char *begin = t->at;
	uint64_t v = 0;

	for (; t->at < t->end && *t->at >= '0' && *t->at <= '9'; t->at++) {
		unsigned digit = (unsigned)(*t->at - '0');

		if (v > (UINT64_MAX - digit) / 10) {
			return false;
		}
		v = v * 10 + digit;
	}
	*ret = v;
	return t->at > begin;
}

static bool take_number(struct text *t, uint64_t *ret)
{
	skip_blanks(t);
	return take_digits(t, ret);
}

/* The next line without its end; false after the last. */
static bool take_line(struct text *t, struct text *ret)
{
	const char *end;

	if (t->at >= t->end) {
		return false;
	}
	end = memchr(t->at, '\n', (size_t)(t->end - t->at));
	*ret = (struct text){ t->at, end ? end : t->end };
	t->at = end ? end + 1 : t->end;
	return true;
}

/* Takes the beginning of `t` if it is `word`. */
static bool take_word(struct text *t, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(t->end - t->at) < n || memcmp(t->at, word, n) != 0) {
		return false;
	}
	t->at += n;
	return true;
}

static int put_text(const char *from, size_t n, char *ret, size_t size)
{
	if (n >= size) {
		return -E2BIG;
	}
	memcpy(ret, from, n);
	ret[n] = '\0';
	return 0;
}

/* ------------------------------------------------------------------ processes */

/* A number of the fields after the command's name, counted as proc(5) does. */
struct field {
	int number;
	size_t offset; /* in struct proc_stat, of a uint64_t */
};

static const struct field stat_fields[] = {
	{ 14, offsetof(struct proc_stat, user) },    { 15, offsetof(struct proc_stat, system) },
	{ 20, offsetof(struct proc_stat, threads) }, { 22, offsetof(struct proc_stat, start) },
	{ 24, offsetof(struct proc_stat, rss) },
};

int proc_stat_parse(const char *text, size_t len, struct proc_stat *ret)
{
	struct text t = text_of(text, len);
	struct proc_stat s = { 0 };
	const char *name_end;
	uint64_t pid, parent;
	int at = 5;

	if (!take_number(&t, &pid)) {
		return -EBADMSG;
	}
	name_end = memrchr(t.at, ')', (size_t)(t.end - t.at)); /* the name may hold any byte */
	if (!name_end) {
		return -EBADMSG;
	}
	t.at = name_end + 1;
	skip_blanks(&t);
	if (t.at >= t.end || pid > INT32_MAX) {
		return -EBADMSG;
	}
	s.pid = (int)pid;
	s.state = *t.at++;
	if (!take_number(&t, &parent) || parent > INT32_MAX) {
		return -EBADMSG;
	}
	s.parent = (int)parent;
	for (size_t i = 0; i < sizeof(stat_fields) / sizeof(stat_fields[0]); i++, at++) {
		for (; at < stat_fields[i].number; at++) {
			skip_word(&t);
		}
		if (!take_number(&t, (uint64_t *)(void *)((char *)&s + stat_fields[i].offset))) {
			return -EBADMSG;
		}
	}
	*ret = s;
	return 0;
}

int proc_schedstat_parse(const char *text, size_t len, struct proc_schedstat *ret)
{
	struct text t = text_of(text, len);
	struct proc_schedstat s;

	if (!take_number(&t, &s.run) || !take_number(&t, &s.delay)) {
		return -EBADMSG;
	}
	*ret = s;
	return 0;
}

/* "12.345678", in millionths. */
static bool take_millionths(struct text *t, uint64_t *ret)
{
	uint64_t whole, part = 0;
	int digits = 0;

	if (!take_number(t, &whole) || whole > UINT64_MAX / 1000000 - 1) {
		return false;
	}
	if (take_word(t, ".")) {
		for (; digits < 6 && t->at < t->end && *t->at >= '0' && *t->at <= '9'; digits++) {
			part = part * 10 + (uint64_t)(*t->at++ - '0');
		}
	}
	for (; digits < 6; digits++) {
		part *= 10;
	}
	*ret = whole * 1000000 + part;
	return true;
}

int proc_sched_wait_parse(const char *text, size_t len, uint64_t *ret)
{
	static const char *const names[] = { "se.statistics.wait_sum", "se.wait_sum", "wait_sum" };
	struct text t = text_of(text, len), line;
	uint64_t ns;

	while (take_line(&t, &line)) {
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			struct text rest = line;

			if (!take_word(&rest, names[i])) {
				continue;
			}
			skip_blanks(&rest);
			if (!take_word(&rest, ":") || !take_millionths(&rest, &ns)) {
				return -EBADMSG;
			}
			/* a double of milliseconds there, cut off after the multiplication */
			*ret = (uint64_t)((double)ns / 1e6 * 1e6);
			return 0;
		}
	}
	return -ENOENT;
}

/* A file of lines "NAME: NUMBER" or "NAME NUMBER". */
struct named {
	const char *name;
	uint64_t *value;
};

/* All of them must be there. */
static int take_named(const char *text, size_t len, const struct named *named, size_t count)
{
	struct text t = text_of(text, len), line;
	uint32_t found = 0;

	while (take_line(&t, &line)) {
		for (size_t i = 0; i < count; i++) {
			struct text rest = line;

			if (take_word(&rest, named[i].name)) {
				if (!take_number(&rest, named[i].value)) {
					return -EBADMSG;
				}
				found |= UINT32_C(1) << i;
			}
		}
	}
	return found == (UINT32_C(1) << count) - 1 ? 0 : -EBADMSG;
}

int proc_switches_parse(const char *text, size_t len, uint64_t *ret)
{
	uint64_t voluntary, other;
	const struct named named[] = { { "voluntary_ctxt_switches:", &voluntary },
				       { "nonvoluntary_ctxt_switches:", &other } };
	int err = take_named(text, len, named, 2);

	if (err == 0) {
		*ret = voluntary + other;
	}
	return err;
}

int proc_io_parse(const char *text, size_t len, struct proc_io *ret)
{
	struct proc_io io;
	const struct named named[] = {
		{ "rchar:", &io.read_chars },      { "wchar:", &io.write_chars },
		{ "syscr:", &io.read_calls },      { "syscw:", &io.write_calls },
		{ "read_bytes:", &io.read_bytes }, { "write_bytes:", &io.write_bytes },
	};
	int err = take_named(text, len, named, sizeof(named) / sizeof(named[0]));

	if (err == 0) {
		*ret = io;
	}
	return err;
}

int proc_cmdline_uuid(const char *text, size_t len, uint8_t ret_uuid[16])
{
	const char *end = text + len;
	bool next = false;

	for (const char *word = text; word < end;) {
		size_t n = strnlen(word, (size_t)(end - word));

		if (next) {
			return n == UUID_TEXT - 1 && uuid_parse(word, ret_uuid) == 0 ? 0 : -ENOENT;
		}
		next = n == 5 && memcmp(word, "-uuid", 5) == 0;
		word += n + 1;
	}
	return -ENOENT;
}

int proc_comm_vcpu(const char *text, size_t len, unsigned *ret)
{
	struct text t = text_of(text, len);
	uint64_t number;

	if (!take_word(&t, "CPU ") || !take_digits(&t, &number) || !take_word(&t, "/") ||
	    number > UINT16_MAX) {
		return -ENOENT;
	}
	*ret = (unsigned)number;
	return 0;
}

int proc_fdinfo_tap(const char *text, size_t len, char ret_name[PROC_IFNAME])
{
	struct text t = text_of(text, len), line;

	while (take_line(&t, &line)) {
		if (take_word(&line, "iff:")) {
			skip_blanks(&line);
			if (line.at == line.end || put_text(line.at, (size_t)(line.end - line.at),
							    ret_name, PROC_IFNAME) < 0) {
				return -EBADMSG;
			}
			return 0;
		}
	}
	return -ENOENT;
}

/* ------------------------------------------------------------------ cgroups */

/* Whether `word` is in a list parted by commas. */
static bool is_listed(const struct text *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = list->at; at < list->end;) {
		const char *comma = memchr(at, ',', (size_t)(list->end - at));
		const char *end = comma ? comma : list->end;

		if ((size_t)(end - at) == n && memcmp(at, word, n) == 0) {
			return true;
		}
		at = end + 1;
	}
	return false;
}

int proc_cgroup_path(const char *text, size_t len, const char *controller, char *ret_path,
		     size_t size)
{
	struct text t = text_of(text, len), line;
	uint64_t id;

	while (take_line(&t, &line)) {
		struct text list;
		const char *colon;

		if (!take_digits(&line, &id) || !take_word(&line, ":")) {
			return -EBADMSG;
		}
		colon = memchr(line.at, ':', (size_t)(line.end - line.at));
		if (!colon) {
			return -EBADMSG;
		}
		list = (struct text){ line.at, colon };
		if (controller ? is_listed(&list, controller) : id == 0 && list.at == list.end) {
			return put_text(colon + 1, (size_t)(line.end - colon - 1), ret_path, size);
		}
	}
	return -ENOENT;
}

/* The word with this number, from 0, of a line. */
static struct text word_at(struct text line, int number)
{
	struct text word = { line.at, line.at };

	for (int i = 0; i <= number; i++) {
		skip_blanks(&line);
		word.at = line.at;
		skip_word(&line);
		word.end = line.at;
	}
	return word;
}

static bool is_word(const struct text *word, const char *is)
{
	size_t n = strlen(is);

	return (size_t)(word->end - word->at) == n && memcmp(word->at, is, n) == 0;
}

int proc_mount_path(const char *text, size_t len, const char *controller, char *ret_path,
		    size_t size)
{
	struct text t = text_of(text, len), line;

	while (take_line(&t, &line)) {
		struct text path = word_at(line, 4), kind, options;
		const char *dash = memmem(line.at, (size_t)(line.end - line.at), " - ", 3);

		if (!dash) {
			return -EBADMSG;
		}
		line.at = dash + 3;
		kind = word_at(line, 0);
		options = word_at(line, 2);
		if (controller ? is_word(&kind, "cgroup") && is_listed(&options, controller)
			       : is_word(&kind, "cgroup2")) {
			return put_text(path.at, (size_t)(path.end - path.at), ret_path, size);
		}
	}
	return -ENOENT;
}

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

bool proc_cgroup_machine(char *path)
{
	static const char *const inner[] = { "emulator", "vcpu", "iothread" };
	char *last = strrchr(path, '/');

	for (size_t i = 0; last && i < sizeof(inner) / sizeof(inner[0]); i++) {
		if (begins(last + 1, inner[i])) {
			*last = '\0';
			break;
		}
	}
	last = strrchr(path, '/');
	if (last && strcmp(last, "/libvirt") == 0) {
		*last = '\0'; /* libvirt's part of a scope that systemd owns; restored below */
		last = strrchr(path, '/');
		if (!last || !begins(last + 1, "machine-")) {
			return false;
		}
		path[strlen(path)] = '/';
		return true;
	}
	return last && (begins(last + 1, "machine-") || begins(last + 1, "qemu-") ||
			begins(last + 1, "lxc-"));
}

int proc_cpuacct_usage_parse(const char *text, size_t len, struct proc_cgroup_cpu *ret)
{
	struct text t = text_of(text, len);

	return take_number(&t, &ret->usage) ? 0 : -EBADMSG;
}

int proc_cpuacct_stat_parse(const char *text, size_t len, uint64_t hz, struct proc_cgroup_cpu *ret)
{
	uint64_t user, system;
	const struct named named[] = { { "user ", &user }, { "system ", &system } };
	int err = take_named(text, len, named, 2);

	if (err == 0 && hz) {
		ret->user = user * (UINT64_C(1000000000) / hz);
		ret->system = system * (UINT64_C(1000000000) / hz);
	}
	return err;
}

int proc_cpu_stat_parse(const char *text, size_t len, struct proc_cgroup_cpu *ret)
{
	uint64_t usage, user, system;
	const struct named named[] = { { "usage_usec ", &usage },
				       { "user_usec ", &user },
				       { "system_usec ", &system } };
	int err = take_named(text, len, named, 3);

	if (err == 0) {
		*ret = (struct proc_cgroup_cpu){ usage * 1000, user * 1000, system * 1000 };
	}
	return err;
}

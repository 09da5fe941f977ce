/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the written form of what deltas and rates are counted from, so that they go on over a restart of the program.
 * Lines of text: the form's name, version and the boot that monotonic times are of; then for each instance
 *
 *   i ID EPOCH ENDED OF_VCPUS CPU_TIME MONO_NS
 *   d EPOCH VALUE MONO_NS (four times the two) NAME      its disks
 *   n EPOCH VALUE MONO_NS (four times the two) MAC, tab, name  its NICs; of some MAC or name alone
 *
 * Runs on the poll worker; blocks on nothing.
 */
#include "model/meter_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FORM "virtmeter-counters 1 "

static void save_devices(const struct device_list *l, char kind, struct buf *out)
{
	for (uint32_t i = 0; i < l->count; i++) {
		const struct device_slot *d = l->slot[i];

		if (strpbrk(d->key, "\t\n") || (d->name && strchr(d->name, '\n'))) {
			continue;
		}
		buf_printf(out, "%c %" PRIu64, kind, d->epoch);
		for (int k = 0; k < COUNTERS; k++) {
			buf_printf(out, " %" PRIu64 " %" PRId64, d->counter[k].value,
				   d->counter[k].mono_ns);
		}
		buf_putc(out, ' ');
		buf_puts(out, d->key);
		if (d->name) {
			buf_putc(out, '\t');
			buf_puts(out, d->name);
		}
		buf_putc(out, '\n');
	}
}

void meter_state_save(const struct meter_state *s, const char *boot, struct buf *out)
{
	GHashTableIter iter;
	gpointer value;

	buf_puts(out, FORM);
	buf_puts(out, boot);
	buf_putc(out, '\n');
	g_hash_table_iter_init(&iter, s->slots);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const struct slot *slot = value;

		if (strpbrk(slot->id, " \n")) {
			continue;
		}
		buf_printf(out, "i %s %" PRIu64 " %" PRIu64 " %d %" PRIu64 " %" PRId64 "\n",
			   slot->id, slot->epoch, slot->ended, slot->cpu_of_vcpus,
			   slot->cpu_time.value, slot->cpu_time.mono_ns);
		save_devices(&slot->disk, 'd', out);
		save_devices(&slot->nic, 'n', out);
	}
}

/* ------------------------------------------------------------------ reading */

static bool take_u64(char **at, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = g_ascii_strtoull(*at, &end, 10);
	if (errno || end == *at || **at == '-' || *end != ' ') {
		return false;
	}
	*at = end + 1;
	return true;
}

static bool take_i64(char **at, int64_t *ret)
{
	char *end;

	errno = 0;
	*ret = g_ascii_strtoll(*at, &end, 10);
	if (errno || end == *at || (*end != ' ' && *end)) {
		return false;
	}
	*at = *end ? end + 1 : end;
	return true;
}

static bool load_instance(struct meter_state *s, char *line, struct slot **ret_slot)
{
	uint64_t epoch, ended, of_vcpus, value;
	char *id = line, *at = strchr(line, ' ');
	int64_t mono_ns;

	if (!at || at == line) {
		return false;
	}
	*at++ = '\0';
	if (!take_u64(&at, &epoch) || !take_u64(&at, &ended) || !take_u64(&at, &of_vcpus) ||
	    !take_u64(&at, &value) || !take_i64(&at, &mono_ns) || *at ||
	    g_hash_table_contains(s->slots, id)) {
		return false;
	}
	*ret_slot = meter_slot_make(s, id);
	(*ret_slot)->epoch = epoch;
	(*ret_slot)->ended = ended;
	(*ret_slot)->cpu_of_vcpus = of_vcpus != 0;
	(*ret_slot)->cpu_time = (struct counter){ value, mono_ns };
	return true;
}

static bool load_device(struct device_list *l, char *at)
{
	struct counter counter[COUNTERS];
	struct device_slot *d;
	uint64_t epoch;
	char *name;

	if (!take_u64(&at, &epoch)) {
		return false;
	}
	for (int k = 0; k < COUNTERS; k++) {
		if (!take_u64(&at, &counter[k].value) || !take_i64(&at, &counter[k].mono_ns)) {
			return false;
		}
	}
	name = strchr(at, '\t');
	if (name) {
		*name++ = '\0';
	}
	if (!*at) {
		return false;
	}
	d = meter_device_make(l, at);
	d->name = g_strdup(name);
	d->epoch = epoch;
	d->restored = true;
	memcpy(d->counter, counter, sizeof(counter));
	return true;
}

int meter_state_load(struct meter_state *s, const char *boot, const char *text, size_t len)
{
	char *copy = g_strndup(text, len), *line = copy;
	char *head = g_strdup_printf(FORM "%s\n", boot);
	struct slot *slot = NULL;
	bool good = g_str_has_prefix(copy, head);
	int instances = 0;

	line += good ? strlen(head) : 0;
	while (good && *line) {
		char *end = strchr(line, '\n');

		if (!end || end - line < 3 || line[1] != ' ') {
			good = false;
			break;
		}
		*end = '\0';
		if (line[0] == 'i') {
			good = load_instance(s, line + 2, &slot);
			instances++;
		} else {
			good = slot && (line[0] == 'd' || line[0] == 'n') &&
			       load_device(line[0] == 'd' ? &slot->disk : &slot->nic, line + 2);
		}
		line = end + 1;
	}
	g_free(head);
	g_free(copy);
	if (!good) {
		g_hash_table_remove_all(s->slots);
		return -EBADMSG;
	}
	return instances;
}

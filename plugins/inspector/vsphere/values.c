/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the way from series to readings.  On the inspector's worker; never blocks.
 */
#include "plugins/inspector/vsphere/values.h"

#include "base/hash.h"

#include <glib.h>

#define BIT(counter) (1U << (counter))
#define HOST_NIC "vmnic" /* how adapters of the host are called, which Ceilometer leaves out, too */

static int counter_of(const struct counters *k, int32_t id)
{
	for (int i = 0; i < COUNTERS; i++) {
		if (k->id[i] == id) {
			return i;
		}
	}
	return COUNTERS;
}

static struct device *make(struct device **list, const char *ref, const struct vim_series *s,
			   struct arena *arena)
{
	struct device *d = ARENA_NEW(arena, struct device);

	d->device.name = arena_strndup(arena, s->instance, s->instance_len);
	d->device.version = hash64(d->device.name, s->instance_len, hash64(ref, strlen(ref), 1)) |
			    1;
	d->len = s->instance_len;
	while (*list && strcmp((*list)->device.name, d->device.name) < 0) {
		list = &(*list)->next;
	}
	d->next = *list;
	*list = d;
	return d;
}

static struct device *find(struct device **list, const char *ref, const struct vim_series *s,
			   struct arena *arena)
{
	for (struct device *d = *list; d; d = d->next) {
		if (d->len == s->instance_len &&
		    memcmp(d->device.name, s->instance, s->instance_len) == 0) {
			return d;
		}
	}
	return make(list, ref, s, arena);
}

static void take_device(struct values *v, int counter, const char *ref, uint64_t cycle,
			const struct vim_series *s, struct arena *arena)
{
	enum device_kind kind = counter_rows[counter].kind;
	struct device *d;

	if (s->instance_len == 0 ||
	    (kind == NIC && strncmp(s->instance, HOST_NIC, strlen(HOST_NIC)) == 0)) {
		return;
	}
	d = find(&v->devices[kind], ref, s, arena);
	if (d->cycle != cycle) {
		d->cycle = cycle;
		d->seen = d->said = 0;
	}
	d->seen |= BIT(counter);
	if (s->count) {
		d->said |= BIT(counter);
		d->mean[counter] = (double)s->sum / s->count;
	}
}

void values_take(struct values *v, const struct counters *k, const char *ref, uint64_t cycle,
		 const struct vim_series *s, struct arena *arena)
{
	int counter = counter_of(k, s->counter);

	if (v->cycle != cycle) {
		v->cycle = cycle;
		v->seen = v->said = 0;
	}
	if (counter == COUNTERS) {
		return;
	}
	if (counter_rows[counter].kind != NO_DEVICE) {
		take_device(v, counter, ref, cycle, s, arena);
	} else if (s->instance_len == 0) {
		v->seen |= BIT(counter);
		if (s->count) {
			v->said |= BIT(counter);
			v->mean[counter] = (double)s->sum / s->count;
		}
	}
}

/* False: there were samples, and all of them are missing. */
static bool value_of(int counter, unsigned seen, unsigned said, const double *mean, double *ret)
{
	const struct counter_row *row = &counter_rows[counter];

	if (said & BIT(counter)) {
		*ret = mean[counter] / row->divide * row->multiply;
	} else {
		*ret = 0;
	}
	return said & BIT(counter) || !(seen & BIT(counter));
}

static void put_device(const struct device *d, enum device_kind kind, unsigned asked,
		       struct vmt_device_reading *to, uint8_t stamp)
{
	double value;

	for (int i = 0; i < COUNTERS; i++) {
		if (counter_rows[i].kind == kind && asked & BIT(i) &&
		    value_of(i, d->seen, d->said, d->mean, &value)) {
			vmt_device_set_double(to, counter_rows[i].field, value, stamp);
		}
	}
}

void values_put(const struct values *v, uint64_t cycle, unsigned asked, struct vmt_inspection *out,
		size_t i, uint8_t stamp)
{
	bool now = v->cycle == cycle;
	double value;

	for (int k = 0; k < COUNTERS; k++) {
		if (counter_rows[k].kind == NO_DEVICE && asked & BIT(k) &&
		    value_of(k, now ? v->seen : 0, now ? v->said : 0, v->mean, &value)) {
			vmt_set_double(&out->reading[i], counter_rows[k].field, value, stamp);
		}
	}
	for (const struct device *d = v->devices[DISK]; d; d = d->next) {
		if (d->cycle == cycle) {
			put_device(d, DISK, asked, vmt_inspection_disk(out, i, &d->device), stamp);
		}
	}
	for (const struct device *d = v->devices[NIC]; d; d = d->next) {
		if (d->cycle == cycle) {
			put_device(d, NIC, asked, vmt_inspection_nic(out, i, &d->device), stamp);
		}
	}
}

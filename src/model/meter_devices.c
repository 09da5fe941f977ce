/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what a polling task keeps of disks and NICs from cycle to cycle: which one a reading is of, and the last values of
 * its counters.  Disks are known by name, NICs by MAC; the order in which they come means nothing.  Runs on the poll
 * worker; blocks on nothing.  Takes memory when a device is new or renamed, and only then.
 */
#include "model/meter_private.h"

#include <string.h>

enum {
	FORGET = 64 /* cycles after which a device that is not in the readings is forgotten */
};

static void device_slot_free(struct device_slot *d)
{
	if (d) {
		resource_unref(d->resource);
		g_free(d->name);
		g_free(d);
	}
}

/* What was made from its description goes. */
static void device_outdate(struct device_slot *d)
{
	resource_unref(d->resource);
	d->resource = NULL;
}

static const char *device_key(const struct vmt_device *d)
{
	return d->mac ? d->mac : d->name;
}

struct device_slot *meter_device_make(struct device_list *l, const char *key)
{
	size_t n = strlen(key) + 1;
	struct device_slot *d = g_malloc0(sizeof(*d) + n);

	memcpy(d->key, key, n);
	for (int i = 0; i < COUNTERS; i++) {
		d->counter[i] = COUNTER_NONE;
	}
	if (l->count == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 2;
		l->slot = g_renew(struct device_slot *, l->slot, l->cap);
	}
	l->slot[l->count++] = d;
	return d;
}

static struct device_slot *device_add(struct device_list *l, const struct vmt_device *device)
{
	struct device_slot *d = meter_device_make(l, device_key(device));

	d->version = device->version;
	d->epoch = device->epoch;
	return d;
}

/* The device's slot: at the position it had, else by version, else by key, else a new one.  Each
 * serves one device a cycle, so that two of one name stay apart. */
static struct device_slot *device_find(struct device_list *l, uint32_t position,
				       const struct vmt_device *device, uint64_t cycle)
{
	struct device_slot *d = NULL;

	if (position < l->count && l->slot[position]->version == device->version &&
	    l->slot[position]->cycle != cycle) {
		return l->slot[position];
	}
	for (uint32_t i = 0; i < l->count && !d; i++) {
		d = l->slot[i]->version == device->version && l->slot[i]->cycle != cycle
			    ? l->slot[i]
			    : NULL;
	}
	for (uint32_t i = 0; i < l->count && !d; i++) {
		d = l->slot[i]->cycle != cycle && strcmp(l->slot[i]->key, device_key(device)) == 0
			    ? l->slot[i]
			    : NULL;
	}
	if (!d) {
		return device_add(l, device);
	}
	if (d->version != device->version) {
		d->version = device->version;
		device_outdate(d);
	}
	return d;
}

/* All its counters begin anew. */
static void device_end(struct device_slot *d)
{
	for (int i = 0; i < COUNTERS; i++) {
		d->counter[i].value = COUNTER_ENDED;
	}
}

static bool is_behind(const struct counter *before, uint64_t now)
{
	return before->mono_ns != INT64_MIN && before->value != COUNTER_ENDED &&
	       now < before->value;
}

/* Is it another one than was there before this program's start?  How often it was plugged in since nobody
 * knows; but an interface of another name is another one, and so is one of whose counters any went back.  Where
 * nobody knows of epochs, names may change and values are no counters. */
static bool is_another(const struct device_slot *d, const struct vmt_device_reading *r,
		       const uint8_t fields[COUNTERS])
{
	if (!d->epoch || !r->device->epoch) {
		return false;
	}
	if (d->name && strcmp(d->name, r->device->name) != 0) {
		return true;
	}
	for (int i = 0; i < COUNTERS; i++) {
		if (device_has(r, fields[i]) && is_behind(&d->counter[i], r->value[fields[i]].u)) {
			return true;
		}
	}
	return false;
}

/* The first sight of a device that was there before this program's start. */
static void device_resume(struct device_slot *d, bool same_start,
			  const struct vmt_device_reading *r, const uint8_t fields[COUNTERS])
{
	d->restored = false;
	if (!same_start) {
		return; /* the other epoch tells */
	}
	if (is_another(d, r, fields)) {
		device_end(d);
	}
	d->epoch = r->device->epoch;
}

/* Those that are not there any more: what comes under their names is another device. */
static void device_miss(struct device_list *l, uint64_t cycle)
{
	for (uint32_t i = 0; i < l->count; i++) {
		struct device_slot *d = l->slot[i];

		if (d->restored && d->epoch && d->cycle != cycle) {
			d->restored = false;
			device_end(d);
		}
	}
}

/* Forgets what has not been read for long. */
static void device_prune(struct device_list *l, uint64_t cycle)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < l->count; i++) {
		if (cycle - l->slot[i]->cycle >= FORGET) {
			device_slot_free(l->slot[i]);
		} else {
			l->slot[kept++] = l->slot[i];
		}
	}
	l->count = kept;
}

/* The name is kept for the next program: see is_another(). */
static void device_name(struct device_slot *d, const struct vmt_device *device)
{
	if (device->mac && g_strcmp0(d->name, device->name) != 0) {
		g_free(d->name);
		d->name = g_strdup(device->name);
	}
}

/* Gives each device reading of instance `instance` its slot. */
static void device_map(struct device_list *l, uint32_t instance, bool same_start,
		       const struct vmt_device_reading *readings, uint32_t count, uint64_t cycle,
		       const uint8_t fields[COUNTERS], struct device_slot **map)
{
	for (uint32_t i = 0; i < count; i++) {
		struct device_slot *d = device_find(l, i, readings[i].device, cycle);

		if (d->restored) {
			device_resume(d, same_start, &readings[i], fields);
		}
		device_name(d, readings[i].device);
		d->cycle = cycle;
		d->instance = instance;
		map[i] = d;
	}
	if (l->count > count) {
		device_prune(l, cycle);
	}
}

static void map_reserve(struct device_slot ***map, size_t *cap, size_t count)
{
	if (count > *cap) {
		*cap = count + count / 8;
		*map = g_renew(struct device_slot *, *map, *cap);
	}
}

void meter_devices_take(struct meter_state *s, const struct vmt_inspection *in)
{
	map_reserve(&s->by_disk, &s->disks_cap, in->disks);
	map_reserve(&s->by_nic, &s->nics_cap, in->nics);
	for (size_t i = 0; i < in->count; i++) {
		const struct vmt_reading *r = &in->reading[i];
		struct slot *slot = s->by_instance[i];
		bool same = slot->epoch == s->snapshot->instances[i].epoch;

		if (r->disks) {
			device_map(&slot->disk, (uint32_t)i, same, in->disk + r->first_disk,
				   r->disks, s->cycle, disk_counters, s->by_disk + r->first_disk);
		}
		if (r->nics) {
			device_map(&slot->nic, (uint32_t)i, same, in->nic + r->first_nic, r->nics,
				   s->cycle, nic_counters, s->by_nic + r->first_nic);
		}
		if (r->outcome == VMT_OK) {
			device_miss(&slot->disk, s->cycle);
			device_miss(&slot->nic, s->cycle);
		}
	}
}

static void remember_device(const struct meter_state *s, const struct vmt_device_reading *r,
			    struct device_slot *d, const uint8_t fields[COUNTERS])
{
	if (meter_other_epoch(d->epoch, r->device->epoch)) {
		device_end(d); /* also those that were not read this time */
	}
	for (int i = 0; i < COUNTERS; i++) {
		if (device_has(r, fields[i])) {
			d->counter[i].value = r->value[fields[i]].u;
			d->counter[i].mono_ns = s->mono_ns[r->stamp[fields[i]] + 1];
		}
	}
	d->epoch = r->device->epoch;
}

void meter_devices_remember(const struct meter_state *s, const struct vmt_reading *r)
{
	for (uint32_t k = r->first_disk; k < r->first_disk + r->disks; k++) {
		remember_device(s, &s->in->disk[k], s->by_disk[k], disk_counters);
	}
	for (uint32_t k = r->first_nic; k < r->first_nic + r->nics; k++) {
		remember_device(s, &s->in->nic[k], s->by_nic[k], nic_counters);
	}
}

void meter_devices_outdate(struct device_list *l)
{
	for (uint32_t i = 0; i < l->count; i++) {
		device_outdate(l->slot[i]);
	}
}

void meter_devices_fini(struct device_list *l)
{
	for (uint32_t i = 0; i < l->count; i++) {
		device_slot_free(l->slot[i]);
	}
	g_free(l->slot);
	*l = (struct device_list){ 0 };
}

size_t meter_devices_bytes(const struct device_list *l)
{
	size_t n = l->cap * sizeof(*l->slot);

	for (uint32_t i = 0; i < l->count; i++) {
		n += sizeof(*l->slot[i]) + strlen(l->slot[i]->key) + 1;
		n += l->slot[i]->name ? strlen(l->slot[i]->name) + 1 : 0;
		n += l->slot[i]->resource ? resource_bytes(l->slot[i]->resource) : 0;
	}
	return n;
}

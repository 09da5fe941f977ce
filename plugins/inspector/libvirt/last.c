/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns kept readings: of a reading and its devices the values that are there, and the stamps they refer to, packed, for
 * there is one of every instance.  The inspecting thread; never blocks.
 */
#include "plugins/inspector/libvirt/last.h"

#include <glib.h>
#include <string.h>

enum { STAMPS = 16, STAMPS_STEP = 3 }; /* a reading has two or three */

/* The instance itself, then its disks, then its NICs. */
struct part {
	const struct vmt_device *device; /* NULL: the instance */
	uint64_t
		present; /* bit 1 << field; its values and stamps follow those of the part before */
};

struct last {
	struct domain_desc *desc; /* counted: the devices' descriptions are its */
	struct part *part; /* beginning of the block that the next two lie in */
	union vmt_num *value;
	uint8_t *value_stamp; /* positions in `stamp` */
	size_t size; /* of the block */
	uint32_t disks, nics;
	struct vmt_stamp *stamp;
	uint8_t stamps, stamps_cap;
	uint8_t outcome; /* enum vmt_outcome */
	bool kept; /* there is one, and it has not been given */
	struct kernel_reading *kernel; /* NULL, or groups 0: none */
};

void last_free(struct last *l)
{
	if (l) {
		domain_desc_unref(l->desc);
		g_free(l->part);
		g_free(l->stamp);
		if (l->kernel) {
			kernel_reading_fini(l->kernel);
			g_free(l->kernel);
		}
		g_free(l);
	}
}

const struct domain_desc *last_desc(const struct last *l)
{
	return l && l->kept ? l->desc : NULL;
}

/* The position of a stamp among the kept ones. */
static uint8_t keep_stamp(struct last *l, const struct vmt_stamp *stamp)
{
	for (uint8_t k = 0; k < l->stamps; k++) {
		if (l->stamp[k].mono_ns == stamp->mono_ns &&
		    l->stamp[k].time_ns == stamp->time_ns) {
			return k;
		}
	}
	if (l->stamps == l->stamps_cap && l->stamps < STAMPS) {
		l->stamps_cap += STAMPS_STEP;
		l->stamp = g_renew(struct vmt_stamp, l->stamp, l->stamps_cap);
	}
	if (l->stamps < STAMPS) {
		l->stamp[l->stamps++] = *stamp;
	}
	return (uint8_t)(l->stamps - 1);
}

/* Room for so many parts and values. */
static void reserve(struct last *l, size_t parts, size_t values)
{
	size_t size = parts * sizeof(*l->part) + values * (sizeof(*l->value) + 1);

	if (!l->part || size > l->size) {
		g_free(l->part);
		l->part = g_malloc(size);
		l->size = size;
	}
	l->value = (union vmt_num *)(l->part + parts);
	l->value_stamp = (uint8_t *)(l->value + values);
}

/* What is to be kept, one part after the other. */
struct keeping {
	struct last *last;
	const struct vmt_inspection *in;
	size_t part, value; /* the next ones */
};

static void keep_part(struct keeping *k, const struct vmt_device *device, uint64_t present,
		      const union vmt_num *value, const uint8_t *stamp)
{
	struct last *l = k->last;

	l->part[k->part++] = (struct part){ device, present };
	for (; present; present &= present - 1) {
		unsigned field = (unsigned)__builtin_ctzll(present);

		l->value[k->value] = value[field];
		l->value_stamp[k->value++] = keep_stamp(l, &k->in->stamp[stamp[field]]);
	}
}

static size_t values_of(const struct vmt_device_reading *device, uint32_t count)
{
	size_t values = 0;

	for (uint32_t i = 0; i < count; i++) {
		values += (size_t)__builtin_popcount(device[i].present);
	}
	return values;
}

static void keep_devices(struct keeping *k, const struct vmt_device_reading *device, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		keep_part(k, device[i].device, device[i].present, device[i].value, device[i].stamp);
	}
}

void last_keep(struct last **at, struct domain_desc *desc, const struct vmt_inspection *in,
	       size_t i)
{
	const struct vmt_reading *r = &in->reading[i];
	const struct vmt_device_reading *disk = in->disk + r->first_disk,
					*nic = in->nic + r->first_nic;
	struct last *l = *at ? *at : (*at = g_new0(struct last, 1));
	struct keeping k = { .last = l, .in = in };

	if (l->desc != desc) {
		domain_desc_unref(l->desc);
		l->desc = domain_desc_ref(desc);
	}
	reserve(l, (size_t)1 + r->disks + r->nics,
		(size_t)__builtin_popcountll(r->present) + values_of(disk, r->disks) +
			values_of(nic, r->nics));
	l->outcome = r->outcome;
	l->disks = r->disks;
	l->nics = r->nics;
	l->stamps = 0;
	keep_part(&k, NULL, r->present, r->value, r->stamp);
	keep_devices(&k, disk, r->disks);
	keep_devices(&k, nic, r->nics);
	l->kept = true;
	if (l->kernel) {
		l->kernel->groups = 0;
	}
}

void last_update(struct last *l, const struct kernel_reading *k)
{
	struct kernel_reading mine;

	if (!l->kernel) {
		l->kernel = g_new0(struct kernel_reading, 1);
	}
	mine = *l->kernel;
	if (k->nics > mine.nics_cap) {
		mine.nics_cap = k->nics;
		g_free(mine.nic);
		mine.nic = g_malloc(sizeof(*mine.nic) * mine.nics_cap);
	}
	*l->kernel = *k;
	l->kernel->nic = mine.nic;
	l->kernel->nics_cap = mine.nics_cap;
	if (k->nics) {
		memcpy(l->kernel->nic, k->nic, sizeof(*k->nic) * k->nics);
	}
}

/* What the kernel said later, of what was there. */
static void put_later(const struct last *l, struct vmt_inspection *out, size_t i)
{
	const struct kernel_reading *k = l->kernel;
	struct vmt_reading *r = &out->reading[i];
	uint8_t stamp;

	stamp = vmt_inspection_stamp(out, (struct vmt_stamp){ .time_ns = k->time_ns,
							      .mono_ns = k->mono_ns,
							      .source = "kernel" });
	for (const struct kernel_value *v = kernel_values; v < kernel_values + KERNEL_VALUES; v++) {
		if (k->groups & v->group && r->present >> v->field & 1) {
			vmt_set(r, v->field, kernel_value(k, v), stamp);
		}
	}
	for (uint32_t n = 0; k->groups & VMT_GROUP_NIC && r->nics == k->nics && n < r->nics; n++) {
		for (unsigned v = 0; v < KERNEL_NIC_VALUES; v++) {
			vmt_device_set(&out->nic[r->first_nic + n], v, k->nic[n][v], stamp);
		}
	}
}

/* A kept reading on its way out. */
struct giving {
	const struct last *last;
	uint8_t stamp[STAMPS]; /* of the inspection, by position in last->stamp */
	size_t value; /* the next one */
};

static void give_values(struct giving *g, uint64_t present, union vmt_num *value, uint8_t *stamp)
{
	for (; present; present &= present - 1) {
		unsigned field = (unsigned)__builtin_ctzll(present);

		value[field] = g->last->value[g->value];
		stamp[field] = g->stamp[g->last->value_stamp[g->value++]];
	}
}

static void give_device(struct giving *g, const struct part *part, struct vmt_device_reading *to)
{
	to->present = (uint32_t)part->present;
	give_values(g, part->present, to->value, to->stamp);
}

bool last_give(struct last *l, struct vmt_inspection *out, size_t i)
{
	struct vmt_reading *r = &out->reading[i];
	struct giving g = { .last = l };
	const struct part *part;

	if (!l || !l->kept) {
		return false;
	}
	for (uint8_t k = 0; k < l->stamps; k++) {
		g.stamp[k] = vmt_inspection_stamp(out, l->stamp[k]);
	}
	part = l->part;
	*r = (struct vmt_reading){ .outcome = l->outcome, .present = part->present };
	give_values(&g, part->present, r->value, r->stamp);
	for (uint32_t k = 0; k < l->disks; k++) {
		part++;
		give_device(&g, part, vmt_inspection_disk(out, i, part->device));
	}
	for (uint32_t k = 0; k < l->nics; k++) {
		part++;
		give_device(&g, part, vmt_inspection_nic(out, i, part->device));
	}
	if (l->kernel && l->kernel->groups) {
		put_later(l, out, i);
	}
	l->kept = false;
	return true;
}

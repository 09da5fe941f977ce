/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns kept readings: a copy of the reading, of its devices, and of the stamps they refer to.  The inspecting thread;
 * never blocks.
 */
#include "plugins/inspector/libvirt/last.h"

#include <glib.h>
#include <string.h>

enum { STAMPS = 16, STAMPS_STEP = 4 }; /* a reading has two or three */

struct devices {
	struct vmt_device_reading *list;
	uint32_t count, cap;
};

struct last {
	struct domain_desc *desc; /* counted: the devices' descriptions are its */
	struct vmt_reading reading; /* its stamps are positions in `stamp` */
	struct devices disk, nic;
	struct vmt_stamp *stamp;
	uint8_t stamps, stamps_cap;
	bool kept; /* there is one, and it has not been given */
	struct kernel_reading *kernel; /* NULL, or groups 0: none */
};

void last_free(struct last *l)
{
	if (l) {
		domain_desc_unref(l->desc);
		g_free(l->disk.list);
		g_free(l->nic.list);
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

static void keep_devices(struct last *l, struct devices *d, const struct vmt_device_reading *from,
			 uint32_t count, unsigned fields, const struct vmt_inspection *in)
{
	if (count > d->cap) {
		d->cap = count;
		g_free(d->list);
		d->list = g_new(struct vmt_device_reading, count);
	}
	d->count = count;
	for (uint32_t i = 0; i < count; i++) {
		d->list[i] = from[i];
		for (unsigned f = 0; f < fields; f++) {
			if (from[i].present >> f & 1) {
				d->list[i].stamp[f] = keep_stamp(l, &in->stamp[from[i].stamp[f]]);
			}
		}
	}
}

void last_keep(struct last **at, struct domain_desc *desc, const struct vmt_inspection *in,
	       size_t i)
{
	const struct vmt_reading *r = &in->reading[i];
	struct last *l = *at ? *at : (*at = g_new0(struct last, 1));

	if (l->desc != desc) {
		domain_desc_unref(l->desc);
		l->desc = domain_desc_ref(desc);
	}
	l->reading = *r;
	l->stamps = 0;
	for (unsigned f = 0; f < VMT_FIELDS; f++) {
		if (r->present >> f & 1) {
			l->reading.stamp[f] = keep_stamp(l, &in->stamp[r->stamp[f]]);
		}
	}
	keep_devices(l, &l->disk, in->disk + r->first_disk, r->disks, VMT_DISK_FIELDS, in);
	keep_devices(l, &l->nic, in->nic + r->first_nic, r->nics, VMT_NIC_FIELDS, in);
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
	const struct {
		unsigned group;
		enum vmt_field field;
		uint64_t value;
	} list[] = {
		{ VMT_GROUP_CPU, VMT_F_CPU_TIME, k->cpu },
		{ VMT_GROUP_CPU, VMT_F_CPU_USER, k->user },
		{ VMT_GROUP_CPU, VMT_F_CPU_SYSTEM, k->system },
		{ VMT_GROUP_VCPU, VMT_F_VCPU_TIME, k->vcpu_time },
		{ VMT_GROUP_VCPU, VMT_F_VCPU_WAIT, k->vcpu_wait },
		{ VMT_GROUP_VCPU, VMT_F_VCPU_DELAY, k->vcpu_delay },
		{ VMT_GROUP_PROCESS, VMT_F_IO_READ_BYTES, k->io.read_bytes },
		{ VMT_GROUP_PROCESS, VMT_F_IO_WRITE_BYTES, k->io.write_bytes },
		{ VMT_GROUP_PROCESS, VMT_F_IO_READ_CHARS, k->io.read_chars },
		{ VMT_GROUP_PROCESS, VMT_F_IO_WRITE_CHARS, k->io.write_chars },
		{ VMT_GROUP_PROCESS, VMT_F_IO_READ_CALLS, k->io.read_calls },
		{ VMT_GROUP_PROCESS, VMT_F_IO_WRITE_CALLS, k->io.write_calls },
	};
	uint8_t stamp;

	stamp = vmt_inspection_stamp(out, (struct vmt_stamp){ .time_ns = k->time_ns,
							      .mono_ns = k->mono_ns,
							      .source = "kernel" });
	for (size_t f = 0; f < G_N_ELEMENTS(list); f++) {
		if (k->groups & list[f].group && r->present >> list[f].field & 1) {
			vmt_set(r, list[f].field, list[f].value, stamp);
		}
	}
	for (uint32_t n = 0; k->groups & VMT_GROUP_NIC && r->nics == k->nics && n < r->nics; n++) {
		for (unsigned v = 0; v < KERNEL_NIC_VALUES; v++) {
			vmt_device_set(&out->nic[r->first_nic + n], v, k->nic[n][v], stamp);
		}
	}
}

static void give_device(struct vmt_device_reading *to, const struct vmt_device_reading *from,
			const uint8_t *stamp, unsigned fields)
{
	*to = *from;
	for (unsigned f = 0; f < fields; f++) {
		if (from->present >> f & 1) {
			to->stamp[f] = stamp[from->stamp[f]];
		}
	}
}

bool last_give(struct last *l, struct vmt_inspection *out, size_t i)
{
	struct vmt_reading *r = &out->reading[i];
	uint8_t stamp[STAMPS];

	if (!l || !l->kept) {
		return false;
	}
	for (uint8_t k = 0; k < l->stamps; k++) {
		stamp[k] = vmt_inspection_stamp(out, l->stamp[k]);
	}
	*r = l->reading;
	r->first_disk = r->disks = r->first_nic = r->nics = 0;
	for (unsigned f = 0; f < VMT_FIELDS; f++) {
		if (r->present >> f & 1) {
			r->stamp[f] = stamp[l->reading.stamp[f]];
		}
	}
	for (uint32_t k = 0; k < l->disk.count; k++) {
		give_device(vmt_inspection_disk(out, i, l->disk.list[k].device), &l->disk.list[k],
			    stamp, VMT_DISK_FIELDS);
	}
	for (uint32_t k = 0; k < l->nic.count; k++) {
		give_device(vmt_inspection_nic(out, i, l->nic.list[k].device), &l->nic.list[k],
			    stamp, VMT_NIC_FIELDS);
	}
	if (l->kernel && l->kernel->groups) {
		put_later(l, out, i);
	}
	l->kept = false;
	return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the rule of a disk's usage, as stated in usage.h.  The inspecting thread; never blocks.
 */
#include "plugins/inspector/libvirt/usage.h"

#include <glib.h>
#include <string.h>

#define BIT(field) (UINT32_C(1) << (field))

static const char from_info[] = "libvirt", from_stat[] = "stat";

enum place { IN_FILE, IN_DEVICE, ON_NETWORK, ELSEWHERE };

static enum place place_of(const struct domxml_disk *xml)
{
	static const struct {
		const char *type;
		enum place place;
	} rows[] = { { "file", IN_FILE }, { "block", IN_DEVICE }, { "network", ON_NETWORK } };

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		if (g_strcmp0(xml->type, rows[i].type) == 0) {
			return rows[i].place;
		}
	}
	return ELSEWHERE;
}

/* A value in the reading, or left out of it. */
static void put(struct vmt_device_reading *r, enum vmt_disk_field field, bool known, uint64_t value,
		uint8_t stamp)
{
	if (known) {
		vmt_device_set(r, field, value, stamp);
	} else {
		r->present &= ~BIT(field);
	}
}

/* What was read together has one stamp. */
static uint8_t stamp_of(struct vmt_inspection *out, int64_t time_ns, int64_t mono_ns,
			const char *source)
{
	for (size_t i = 0; i < out->stamps; i++) {
		if (out->stamp[i].mono_ns == mono_ns && out->stamp[i].source == source) {
			return (uint8_t)i;
		}
	}
	return vmt_inspection_stamp(out, (struct vmt_stamp){ .time_ns = time_ns,
							     .mono_ns = mono_ns,
							     .source = source });
}

uint8_t usage_info_stamp(const struct usage_disk *disk, struct vmt_inspection *out)
{
	return stamp_of(out, disk->info.time_ns, disk->info.mono_ns, from_info);
}

/* Whether the file has the blocks that QEMU says. */
static bool agrees(const struct usage_file *f, uint64_t physical)
{
	return f->mono_ns && !f->err && f->regular &&
	       (f->blocks == physical || (f->blocks == 0 && f->size == physical));
}

/* Whether what stat() saw is QEMU's file: proven once by the blocks in use, then by its identity. */
static bool is_proven(struct usage_disk *disk, uint64_t physical)
{
	const struct usage_file *f = &disk->file;
	bool same = f->ino == disk->ino && f->dev == disk->dev;

	if (!f->mono_ns || f->err || !f->regular) {
		return false;
	}
	if (agrees(f, physical)) {
		disk->dev = f->dev;
		disk->ino = f->ino;
		return true;
	}
	return same && disk->ino != 0;
}

static void apply_info(struct usage_disk *disk, struct vmt_device_reading *r,
		       struct vmt_inspection *out)
{
	const struct usage_info *info = &disk->info;
	uint8_t stamp = info->mono_ns ? usage_info_stamp(disk, out) : 0;

	disk->wants_info = true;
	put(r, VMT_D_ALLOCATION, info->mono_ns != 0, info->allocation, stamp);
	put(r, VMT_D_PHYSICAL, info->mono_ns != 0, info->physical, stamp);
}

bool usage_is_due(const struct usage_disk *disk, int64_t now_ns)
{
	return !disk->hung && !(disk->steady && now_ns - disk->file.mono_ns < USAGE_AGE_NS);
}

bool usage_has_moved(const struct usage_disk *disk, const struct vmt_device_reading *r)
{
	const uint32_t both = BIT(VMT_D_ALLOCATION) | BIT(VMT_D_PHYSICAL);

	return disk->steady && (r->present & both) == both &&
	       (r->value[VMT_D_ALLOCATION].u != disk->highest ||
		r->value[VMT_D_PHYSICAL].u != disk->used);
}

/* What domstats say now is compared with what they said the last time. */
static void note(struct usage_disk *disk, uint64_t highest, uint64_t used)
{
	bool same = highest == disk->highest && used == disk->used;
	bool looked = disk->file.mono_ns != disk->looked_ns;

	disk->steady = same && (disk->steady || looked) && agrees(&disk->file, used);
	disk->looked_ns = disk->file.mono_ns;
	disk->highest = highest;
	disk->used = used;
}

static void apply_file(struct usage_disk *disk, bool qcow2, struct vmt_device_reading *r,
		       struct vmt_inspection *out, uint8_t domstats)
{
	uint64_t highest = r->value[VMT_D_ALLOCATION].u, used = r->value[VMT_D_PHYSICAL].u;
	bool looked = disk->file.mono_ns != disk->looked_ns;
	uint8_t stamp;

	note(disk, highest, used);
	if (!qcow2 && highest && highest != used) {
		return; /* both as they are */
	}
	if (!is_proven(disk, used)) {
		apply_info(disk, r, out);
		if (qcow2 || highest) {
			vmt_device_set(r, VMT_D_ALLOCATION, qcow2 ? used : highest, domstats);
		}
		return;
	}
	stamp = disk->steady && !looked
			? domstats
			: stamp_of(out, disk->file.time_ns, disk->file.mono_ns, from_stat);
	if (!disk->file.blocks && used == disk->file.size) {
		used = 0; /* libvirt put the size where QEMU said 0 */
	}
	if (qcow2) {
		vmt_device_set(r, VMT_D_ALLOCATION, used, domstats);
	} else if (!highest) {
		vmt_device_set(r, VMT_D_ALLOCATION, disk->file.blocks, stamp);
	}
	vmt_device_set(r, VMT_D_PHYSICAL, disk->file.size, stamp);
}

void usage_apply(struct usage_disk *disk, const struct domxml_disk *xml,
		 struct vmt_device_reading *r, struct vmt_inspection *out, uint8_t domstats)
{
	const uint32_t both = BIT(VMT_D_ALLOCATION) | BIT(VMT_D_PHYSICAL);

	disk->wants_info = false;
	if ((r->present & both) != both) {
		apply_info(disk, r, out);
		return;
	}
	switch (place_of(xml)) {
	case IN_FILE:
		apply_file(disk, g_strcmp0(xml->format, "qcow2") == 0, r, out, domstats);
		break;
	case IN_DEVICE:
		break;
	case ON_NETWORK:
		if (!r->value[VMT_D_ALLOCATION].u) {
			r->value[VMT_D_ALLOCATION] = r->value[VMT_D_PHYSICAL];
		}
		break;
	default:
		apply_info(disk, r, out);
	}
}

void usage_apply_stopped(struct usage_disk *disk, struct vmt_device_reading *r,
			 struct vmt_inspection *out)
{
	const struct usage_info *info = &disk->info;
	uint8_t stamp;

	disk->wants_info = true;
	if (!info->mono_ns) {
		return;
	}
	stamp = usage_info_stamp(disk, out);
	vmt_device_set(r, VMT_D_CAPACITY, info->capacity, stamp);
	vmt_device_set(r, VMT_D_ALLOCATION, info->allocation, stamp);
	vmt_device_set(r, VMT_D_PHYSICAL, info->physical, stamp);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an instance to the resource_metadata of its samples, as JSON text in the form of a release
 * (profile): a head that all resources of the instance share, and a tail per resource (struct
 * vmt_resource). `name` stands in the tail, because NIC samples carry the NIC's name there.  Keys,
 * values and their rules: Ceilometer's ceilometer.compute.util of each release.  Pure functions;
 * any thread.
 *
 * What a key's value can collide with: an attribute or user key never repeats a key that the form
 * itself has or that a tail adds; it is left out then.
 */
#ifndef MODEL_METADATA_H
#define MODEL_METADATA_H

#include "base/buf.h"

#include <virtmeter/plugin.h>

struct metadata_options {
	enum vmt_profile profile;
	/* Server metadata that becomes user_metadata: keys with one of these beginnings (cut off),
	 * and these very keys; NULL-terminated or NULL.  Values are cut to `reserved_length`
	 * characters. */
	const char *const *reserved_namespace;
	const char *const *reserved_keys;
	int64_t reserved_length;
};

/* What a tail says of its resource. */
enum metadata_family {
	METADATA_PLAIN, /* nothing more */
	METADATA_CPU, /* cpu_number */
	METADATA_DISKS, /* device: list of the disks that were summed up */
	METADATA_DISK, /* disk_name */
	METADATA_NIC, /* name, mac, fref, parameters, vnic_name */
	METADATA_FAMILIES
};

/* The head of the instance's resources, '{' and the keys of its form without `name`.  In the Juno
 * form NICs have a head of their own (`nic`); in the others it is the same. */
void metadata_head(const struct vmt_instance *in, const struct metadata_options *o, bool nic,
		   struct buf *out);

/* Tails, ending in '}'. */
void metadata_tail_plain(const struct vmt_instance *in, struct buf *out);
/* `vcpus` NULL: not known, null. */
void metadata_tail_cpu(const struct vmt_instance *in, const uint64_t *vcpus, struct buf *out);
void metadata_tail_disks(const struct vmt_instance *in, const struct vmt_device_reading *disk,
			 size_t count, struct buf *out);
void metadata_tail_disk(const struct vmt_instance *in, const struct metadata_options *o,
			const struct vmt_device *disk, struct buf *out);
void metadata_tail_nic(const struct metadata_options *o, const struct vmt_device *nic,
		       struct buf *out);

/* Resource ids: of the instance it is its id; of a disk "<id>-<device>"; of a NIC the name of its
 * filter, else "<name>-<id>-<device>", with "None" for a name that is not known. */
void metadata_disk_id(const struct vmt_instance *in, const struct vmt_device *disk,
		      struct buf *out);
void metadata_nic_id(const struct vmt_instance *in, const struct vmt_device *nic, struct buf *out);

#endif

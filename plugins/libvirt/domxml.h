/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A domain's XML as a plain structure: what discovery and the inspector need of it, and nothing else.
 * Pure: no libvirt call, no network, no files.  The text is not trusted (a tenant chooses names and
 * metadata): no document type, no entities but the five of XML, caps on size and depth.
 */
#ifndef LIBVIRT_DOMXML_H
#define LIBVIRT_DOMXML_H

#include "base/arena.h"

#include <virtmeter/plugin.h>

enum {
	DOMXML_SIZE = 8 << 20, /* bytes of XML */
	DOMXML_DEPTH = 256, /* as deep as libvirt itself reads */
	DOMXML_DEVICES = 4096, /* disks, and NICs; further ones are left out */
	DOMXML_PAIRS = 1024, /* of one list; further ones are left out */
	DOMXML_TEXT = 64 << 10, /* bytes of one text; longer ones are cut */
};

struct domxml_disk {
	const char *target; /* "vda", never NULL or empty */
	const char *type; /* "file", "block", "network", "volume"…; NULL unknown */
	const char *device; /* "disk", "cdrom"…; NULL unknown */
	const char *format; /* "qcow2", "raw"…; NULL unknown */
	const char *path; /* of a local file or block device, or NULL */
	const char *alias; /* "virtio-disk0", while it runs; or NULL */
	const char *index; /* of the source, new with each plugging in; or NULL */
	bool has_source;
};

struct domxml_nic {
	const char *target; /* "tap3c1f2f57-4e", or NULL */
	const char *mac; /* or NULL */
	const char *type; /* "bridge", "ethernet", "hostdev"…; NULL unknown */
	const char *filter; /* or NULL */
	const struct vmt_pair *parameters; /* of the filter, names lower-cased; NULL for none */
	const char *interface_id; /* of the virtual port, or NULL */
	const char *port; /* type of the virtual port: "openvswitch", or NULL */
	const char *bridge; /* or NULL */
	const char *alias; /* or NULL */
};

/* Nova's <instance> element.  Strings are NULL where element, attribute or text is missing; numbers
 * are 0 then, as the reference has them. */
struct domxml_nova {
	unsigned version; /* 1 of "…/nova/1.1" */
	const char *name;
	const char *flavor, *flavor_id;
	int64_t vcpus, memory_mib, disk_gib, ephemeral_gib, swap_mib;
	bool has_extra_specs;
	const struct vmt_pair *extra_specs; /* NULL for none */
	const char *user_id, *user_name, *project_id, *project_name;
	const char *root_type, *root_id; /* "image", its id */
	bool has_image;
	const struct vmt_pair
		*image_meta; /* base_image_ref, container_format…, properties; NULL for none */
};

struct domxml {
	char id[37]; /* UUID, lower case with dashes; empty when missing or none */
	const char *name, *title, *os_type, *arch; /* NULL when missing */
	int64_t memory_kib; /* the largest it may have; -1 when missing */
	int64_t vcpus; /* current number; -1 when missing */
	bool no_balloon; /* it says that there is none */
	const struct domxml_nova *nova; /* of the newest version there is, or NULL */
	size_t disks, nics;
	const struct domxml_disk *disk; /* with a target, with or without source */
	const struct domxml_nic *nic; /* all */
};

/* Parses `len` bytes into structures in `arena`.  0; -E2BIG: larger than DOMXML_SIZE; -EBADMSG: not well
 * formed, a document type, too deep, or no <domain>; `ret` untouched then, the arena may have grown. */
int domxml_parse(const char *xml, size_t len, struct arena *arena, const struct domxml **ret,
		 struct vmt_error *error);

#endif

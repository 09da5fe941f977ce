/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resources: what samples speak of.  A resource is one immutable version of (id, owner, metadata),
 * counted by references; the part that an instance's resources have in common, the head, is shared
 * between them. Made by polling, decoding and receiving threads, dropped by whoever drops the last
 * frame: any thread.
 */
#ifndef MODEL_RESOURCE_H
#define MODEL_RESOURCE_H

#include <virtmeter/plugin.h>

#include <stdatomic.h>

/* Who the resource belongs to; the strings are copied, NULL for null but for `source`. */
struct resource_owner {
	const char *project_id, *user_id, *project_name, *user_name;
	const char *source;
	const char *instance_id; /* of the instance it is part of; NULL: not known */
};

/* Owner and the first part of the metadata ('{' and what follows). */
struct resource_head {
	atomic_uint refs;
	uint32_t text_len;
	uint64_t digest;
	uint64_t instance; /* resource_instance(), 0: not known */
	_Atomic uint64_t mark; /* as in struct resource */
	const char *project_id, *user_id, *project_name, *user_name, *source;
	const char *text;
	char bytes[];
};

struct resource {
	struct vmt_resource public; /* first */
	struct resource_head *head;
	_Atomic uint64_t mark; /* of frame_builder: which frame has it, and where */
	atomic_uint refs;
	char bytes[];
};

/* A head with one reference.  `text` begins with '{'. */
struct resource_head *resource_head_new(const struct resource_owner *owner, const char *text,
					size_t len);
struct resource_head *resource_head_ref(struct resource_head *h);
void resource_head_unref(struct resource_head *h);

/* A resource with one reference; takes a reference on `head`.  `tail` ends with '}'.  Its digest
 * follows from the content alone (hash64 over the strings), so that it is the same in every
 * process. */
struct resource *resource_new(struct resource_head *head, const char *id, const char *tail,
			      size_t tail_len);
struct resource *resource_ref(struct resource *r);
void resource_unref(struct resource *r);

/* The instance's id as vmt_resource.instance has it; never 0. */
uint64_t resource_instance(const char *id);

/* The resource around its public part. */
static inline struct resource *resource_of(const struct vmt_resource *r)
{
	return (struct resource *)(uintptr_t)r;
}

/* Bytes held from the heap by the resource itself, its head left out. */
size_t resource_bytes(const struct resource *r);
size_t resource_head_bytes(const struct resource_head *h);

#endif

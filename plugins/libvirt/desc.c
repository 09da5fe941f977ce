/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the making of domain descriptions: parsed XML, and devices with their versions and epochs.  Any
 * thread; never blocks.
 */
#include "plugins/libvirt/desc.h"

#include "base/hash.h"
#include "base/uuid.h"

#include <glib.h>
#include <string.h>

static _Atomic uint64_t versions; /* of descriptions and devices, all of the process */

struct domain_desc *domain_desc_ref(struct domain_desc *desc)
{
	atomic_fetch_add(&desc->refs, 1);
	return desc;
}

void domain_desc_unref(struct domain_desc *desc)
{
	if (desc && atomic_fetch_sub(&desc->refs, 1) == 1) {
		arena_free(desc->arena);
		g_free(desc);
	}
}

static bool same_text(const char *a, const char *b)
{
	return g_strcmp0(a, b) == 0;
}

static bool same_pairs(const struct vmt_pair *a, const struct vmt_pair *b)
{
	for (; a && b && a->key && b->key; a++, b++) {
		if (!same_text(a->key, b->key) || !same_text(a->value, b->value)) {
			return false;
		}
	}
	return (!a || !a->key) && (!b || !b->key);
}

static bool same_device(const struct vmt_device *a, const struct vmt_device *b)
{
	return same_text(a->name, b->name) && same_text(a->mac, b->mac) &&
	       same_text(a->filter, b->filter) && same_text(a->interface_id, b->interface_id) &&
	       same_text(a->bridge, b->bridge) && same_pairs(a->parameters, b->parameters);
}

static const char *alias_of(const struct domain_device *dev)
{
	return dev->disk ? dev->disk->alias : dev->nic->alias;
}

static bool is_listed(const char *name, GPtrArray *list)
{
	for (guint i = 0; name && list && i < list->len; i++) {
		if (same_text(name, g_ptr_array_index(list, i))) {
			return true;
		}
	}
	return false;
}

/* The device of that name, and MAC address, that was there before and not taken out since. */
static const struct domain_device *find_old(const struct domain_device *dev,
					    const struct domain_device *old, size_t count,
					    GPtrArray *removed)
{
	for (size_t i = 0; i < count; i++) {
		if (same_text(old[i].public.name, dev->public.name) &&
		    same_text(old[i].public.mac, dev->public.mac)) {
			return is_listed(alias_of(&old[i]), removed) ? NULL : &old[i];
		}
	}
	return NULL;
}

static uint64_t epoch_of(uint64_t domain_epoch, const struct domain_device *dev)
{
	uint64_t seed = hash64(&dev->plug, sizeof(dev->plug), domain_epoch);
	uint64_t epoch;

	if (!domain_epoch) {
		return 0;
	}
	epoch = hash64(dev->public.name, strlen(dev->public.name), seed + (dev->disk ? 1 : 2));
	return epoch ? epoch : 1;
}

/* Gives the device its epoch and version: the old ones as far as they still hold. */
static void settle(struct domain_desc *desc, struct domain_device *dev,
		   const struct domain_desc *old, GPtrArray *removed)
{
	const struct domain_device *before = NULL;

	if (old && old->epoch == desc->epoch) {
		before = dev->disk ? find_old(dev, old->disk, old->disks, removed)
				   : find_old(dev, old->nic, old->nics, removed);
		if (before) {
			dev->plug = before->plug;
		} else if (desc->epoch) {
			dev->plug = ++desc->plugs;
		}
	}
	dev->public.epoch = epoch_of(desc->epoch, dev);
	dev->public.version = before && same_device(&before->public, &dev->public)
				      ? before->public.version
				      : ++versions;
}

static void add_disks(struct domain_desc *desc, const struct domain_desc *old, GPtrArray *removed)
{
	struct domain_device *dev =
		ARENA_ARRAY(desc->arena, struct domain_device, desc->xml->disks);

	desc->disk = dev;
	for (size_t i = 0; i < desc->xml->disks; i++) {
		const struct domxml_disk *disk = &desc->xml->disk[i];

		if (disk->has_source) {
			*dev = (struct domain_device){ .public = { .name = disk->target },
						       .disk = disk };
			settle(desc, dev++, old, removed);
		}
	}
	desc->disks = (size_t)(dev - desc->disk);
}

static const struct vmt_pair no_parameters[] = { { 0 } }; /* there could be some */

static void add_nics(struct domain_desc *desc, const struct domain_desc *old, GPtrArray *removed)
{
	struct domain_device *dev = ARENA_ARRAY(desc->arena, struct domain_device, desc->xml->nics);

	desc->nic = dev;
	for (size_t i = 0; i < desc->xml->nics; i++) {
		const struct domxml_nic *nic = &desc->xml->nic[i];

		if (nic->target && *nic->target && nic->mac && *nic->mac) {
			*dev = (struct domain_device){
				.public = { .name = nic->target,
					    .mac = nic->mac,
					    .filter = nic->filter,
					    .parameters = nic->parameters ? nic->parameters
									  : no_parameters,
					    .interface_id = nic->interface_id,
					    .bridge = nic->bridge },
				.nic = nic,
			};
			settle(desc, dev++, old, removed);
		}
	}
	desc->nics = (size_t)(dev - desc->nic);
}

static uint64_t domain_epoch(const uint8_t uuid[16], int number)
{
	uint64_t epoch;

	if (number < 0) {
		return 0;
	}
	epoch = hash64(uuid, 16, (uint64_t)number);
	return epoch ? epoch : 1;
}

/* What is in the arena.  `old` and `removed` as for desc_new(). */
static void fill(struct domain_desc *desc, const struct desc_source *src,
		 const struct domain_desc *old, GPtrArray *removed)
{
	struct vmt_error error;

	desc->name = arena_strdup(desc->arena, src->name);
	if (domxml_parse(src->xml, strlen(src->xml), desc->arena, &desc->xml, &error) < 0) {
		desc->why = arena_strdup(desc->arena, error.text);
		return;
	}
	desc->plugs = old && old->epoch == desc->epoch ? old->plugs : 0;
	add_disks(desc, old, removed);
	add_nics(desc, old, removed);
}

struct domain_desc *desc_new(const struct desc_source *src, const struct domain_desc *old,
			     GPtrArray *removed)
{
	uint64_t digest = hash64(src->xml, strlen(src->xml), 0);
	struct arena *scratch, *own = NULL;
	struct domain_desc *desc;

	if (old && old->digest == digest && old->number == src->number && !removed) {
		return NULL;
	}
	desc = g_new0(struct domain_desc, 1);
	atomic_init(&desc->refs, 1);
	desc->version = ++versions;
	memcpy(desc->uuid, src->uuid, sizeof(desc->uuid));
	uuid_format(src->uuid, desc->id);
	desc->number = src->number;
	desc->epoch = domain_epoch(src->uuid, src->number);
	desc->digest = digest;
	desc->read_ns = src->time_ns;
	/* Twice: it stays for as long as the domain, so that it should take what it needs and no more. */
	scratch = src->scratch ? src->scratch : (own = arena_new(0));
	arena_reset(scratch);
	desc->arena = scratch;
	fill(desc, src, old, removed);
	desc->arena = arena_new(arena_given(scratch));
	fill(desc, src, old, removed);
	arena_free(own);
	return desc;
}

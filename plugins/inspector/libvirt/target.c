/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the table of targets.  The inspecting thread; never blocks.
 */
#include "plugins/inspector/libvirt/target.h"

#include "base/uuid.h"

#include <string.h>

static void target_free(gpointer p)
{
	struct target *target = p;

	domain_desc_unref(target->domain.desc);
	domain_desc_unref(target->before);
	last_free(target->last);
	g_free(target->disk);
	g_free(target);
}

void targets_init(struct targets *t)
{
	*t = (struct targets){ .table = g_hash_table_new_full(uuid_key_hash, uuid_key_equal, NULL,
							      target_free) };
}

void targets_fini(struct targets *t)
{
	g_hash_table_destroy(t->table);
	g_free(t->list);
}

/* The disks of this description; what is known of those that stay goes along. */
static void take_disks(struct target *target)
{
	const struct domain_desc *desc = target->domain.desc;
	struct usage_disk *disk = g_new0(struct usage_disk, desc->disks + 1);

	for (size_t i = 0; i < desc->disks; i++) {
		disk[i].version = desc->disk[i].public.version;
		for (size_t k = 0; k < target->disks; k++) {
			if (target->disk[k].version == disk[i].version) {
				disk[i] = target->disk[k];
				disk[i].hung = false; /* it may be another file now */
			}
		}
	}
	g_free(target->disk);
	target->disk = disk;
	target->disks = desc->disks;
}

void target_find(struct target *target, struct domains *domains)
{
	struct domain found = { 0 };

	domain_desc_unref(target->domain.desc);
	domains_find(domains, target->uuid, &found);
	target->domain = found;
	if (found.desc && target_is_fresh(target)) {
		target->had_rss = false;
	}
	if (found.desc && target->version != found.desc->version) {
		target->version = found.desc->version;
		target->disks_digest = target->nics_digest = 0;
		target->suspected = false;
		take_disks(target);
	}
}

static struct target *get_or_make(struct targets *t, const char *id)
{
	struct target *target;
	uint8_t uuid[16];

	if (strlen(id) != UUID_TEXT - 1 || uuid_parse(id, uuid) < 0) {
		return NULL;
	}
	target = g_hash_table_lookup(t->table, uuid);
	if (!target) {
		target = g_new0(struct target, 1);
		memcpy(target->uuid, uuid, sizeof(uuid));
		g_hash_table_insert(t->table, target->uuid, target);
	}
	return target;
}

void targets_bind(struct targets *t, const struct vmt_snapshot *instances, struct domains *domains)
{
	if (instances->count > t->cap) {
		t->cap = instances->count + instances->count / 8;
		t->list = g_renew(struct target *, t->list, t->cap);
	}
	t->count = instances->count;
	t->cycle++;
	for (size_t i = 0; i < t->count; i++) {
		struct target *target = get_or_make(t, instances->instances[i].id);

		t->list[i] = target;
		if (!target) {
			continue;
		}
		target->cycle = t->cycle;
		target->index = i;
		target->before = target->domain.desc;
		target->domain.desc = NULL;
		target_find(target, domains);
	}
}

static gboolean settle(gpointer key, gpointer value, gpointer data)
{
	struct target *target = value;
	const struct targets *t = data;

	domain_desc_unref(target->before);
	target->before = NULL;
	return target->cycle != t->cycle;
}

void targets_release(struct targets *t)
{
	g_hash_table_foreach_remove(t->table, settle, t);
}

struct target *targets_get(const struct targets *t, const uint8_t uuid[16])
{
	struct target *target = g_hash_table_lookup(t->table, uuid);

	return target && target->cycle == t->cycle ? target : NULL;
}

/* Per disk, NIC and vCPU of libvirt 9.0; the rest is some 30. */
uint32_t target_cost(const struct target *target)
{
	const struct domain_desc *desc = target->domain.desc;

	if (target->cost) {
		return target->cost;
	}
	return (uint32_t)(30 + 15 * desc->disks + 10 * desc->nics +
			  4 * (size_t)(desc->xml && desc->xml->vcpus > 0 ? desc->xml->vcpus : 1));
}

void target_answered(struct target *target, int64_t now_ns)
{
	target->epoch = target->domain.desc->epoch;
	target->answered_ns = now_ns;
}

/* Nothing but a look: is the digest another one than before? */
static bool fits(uint64_t *known, uint64_t now)
{
	bool same = !*known || !now || *known == now;

	*known = now ? now : *known;
	return same;
}

static bool has(const struct vmt_reading *reading, enum vmt_field field)
{
	return reading->present >> field & 1;
}

static bool vcpus_fit(const struct target *target, const struct vmt_reading *reading)
{
	const struct domxml *xml = target->domain.desc->xml;

	return !xml || xml->vcpus < 0 || !has(reading, VMT_F_VCPUS) ||
	       reading->value[VMT_F_VCPUS].u == (uint64_t)xml->vcpus;
}

enum vmt_outcome target_judge(struct target *target, const struct stats_note *note, int number,
			      unsigned groups, const struct vmt_reading *reading, bool *ret_fits)
{
	bool disks = fits(&target->disks_digest, note->disks),
	     nics = fits(&target->nics_digest, note->nics);
	bool partial = note->short_disks && groups & VMT_GROUP_DISK;

	*ret_fits = target->suspected || (disks && nics && number == target->domain.desc->number &&
					  vcpus_fit(target, reading));
	target->suspected = target->suspected || !*ret_fits;
	if (has(reading, VMT_F_STATE) && reading->value[VMT_F_STATE].u == VIR_DOMAIN_SHUTOFF) {
		return VMT_STOPPED;
	}
	/* A busy monitor also takes the memory of QEMU's process from us. */
	if (groups & VMT_GROUP_MEMORY) {
		partial |= target->had_rss && !has(reading, VMT_F_MEM_RSS);
		target->had_rss |= has(reading, VMT_F_MEM_RSS);
	}
	return partial ? VMT_PARTIAL : VMT_OK;
}

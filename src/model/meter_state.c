/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what a polling task keeps of instances from cycle to cycle: the last values of counters, and the resources, those
 * of devices too.  Instances are known by id; the order in which they come means nothing.  Runs on the poll worker;
 * blocks on nothing.  Takes memory when something is new or changed, and only then.
 */
#include "base/clock.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "model/json_text.h"
#include "model/meter_private.h"

#include <errno.h>
#include <string.h>

/* ------------------------------------------------------------------ instances */

static void drop(struct resource **r)
{
	resource_unref(*r);
	*r = NULL;
}

/* What was made from an instance's content goes; counters stay. */
static void slot_outdate(struct slot *slot)
{
	resource_head_unref(slot->head);
	resource_head_unref(slot->nic_head);
	slot->head = slot->nic_head = NULL;
	drop(&slot->plain);
	drop(&slot->cpu);
	drop(&slot->disks);
	meter_devices_outdate(&slot->disk);
	meter_devices_outdate(&slot->nic);
}

static void slot_free(gpointer data)
{
	struct slot *slot = data;

	slot_outdate(slot);
	meter_devices_fini(&slot->disk);
	meter_devices_fini(&slot->nic);
	g_free(slot->id);
	g_free(slot);
}

struct slot *meter_slot_make(struct meter_state *s, const char *id)
{
	struct slot *slot = g_new0(struct slot, 1);

	slot->id = g_strdup(id);
	slot->cpu_time = COUNTER_NONE;
	slot->whole_ns = INT64_MIN;
	g_hash_table_insert(s->slots, slot->id, slot);
	return slot;
}

static struct slot *slot_get(struct meter_state *s, const struct vmt_instance *in, uint64_t hash)
{
	struct slot *slot = g_hash_table_lookup(s->slots, in->id);

	if (!slot) {
		slot = meter_slot_make(s, in->id);
		slot->hash = hash;
		slot->epoch = in->epoch;
	} else if (slot->hash != hash) {
		slot_outdate(slot);
		slot->hash = hash;
	}
	return slot;
}

static int by_flavor_name(gconstpointer a, gconstpointer b, gpointer data)
{
	const struct vmt_instance *in = data;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int order = strcmp(in[x].flavor.name, in[y].flavor.name);

	return order ? order : (x > y) - (x < y);
}

static gboolean slot_gone(gpointer key, gpointer value, gpointer mark)
{
	return ((struct slot *)value)->mark != *(uint64_t *)mark;
}

/* Another snapshot: finds or makes the slots of its instances, drops those of others. */
static void take_snapshot(struct meter_state *s, const struct vmt_snapshot *snapshot)
{
	const struct snapshot *inner = snapshot_of(snapshot);

	if (snapshot->count > s->instances_cap) {
		s->instances_cap = snapshot->count + snapshot->count / 8;
		s->by_instance = g_renew(struct slot *, s->by_instance, s->instances_cap);
		s->by_flavor = g_renew(uint32_t, s->by_flavor, s->instances_cap);
	}
	s->count = snapshot->count;
	s->flavors = 0;
	for (size_t i = 0; i < snapshot->count; i++) {
		const struct vmt_instance *in = &snapshot->instances[i];

		s->by_instance[i] = slot_get(s, in, inner->hash[i]);
		s->by_instance[i]->mark = snapshot->generation;
		if (in->has_flavor && in->flavor.name) {
			s->by_flavor[s->flavors++] = (uint32_t)i;
		}
	}
	if (g_hash_table_size(s->slots) > s->count) {
		uint64_t mark = snapshot->generation;

		g_hash_table_foreach_remove(s->slots, slot_gone, &mark);
	}
	if (s->flavors) {
		g_qsort_with_data(s->by_flavor, (gint)s->flavors, sizeof(*s->by_flavor),
				  by_flavor_name, (gpointer)(uintptr_t)snapshot->instances);
	}
	s->generation = snapshot->generation;
}

/* ------------------------------------------------------------------ a cycle */

/* Times by stamp: an older value is of this cycle too, by its time; when it was read its monotonic
 * time says. */
static void take_times(struct meter_state *s, const struct vmt_inspection *in, int64_t time_ns,
		       int64_t mono_ns)
{
	s->time_ns[0] = time_ns;
	s->mono_ns[0] = mono_ns;
	for (size_t i = 0; in && i < in->stamps; i++) {
		bool older = s->one_time || in->stamp[i].mono_ns < mono_ns;

		s->time_ns[i + 1] = older ? time_ns : in->stamp[i].time_ns;
		s->mono_ns[i + 1] = in->stamp[i].mono_ns;
	}
}

/* Who was read whole, and when: at the last stamp of its reading. */
static void take_whole(struct meter_state *s, const struct vmt_inspection *in)
{
	for (size_t i = 0; i < in->count; i++) {
		const struct vmt_reading *r = &in->reading[i];

		if (r->outcome == VMT_OK) {
			s->by_instance[i]->whole_ns =
				has(r, VMT_F_STATE) ? in->stamp[r->stamp[VMT_F_STATE]].mono_ns
						    : s->now_ns;
		}
	}
}

int meter_prepare(struct meter_state *s, const struct vmt_snapshot *snapshot,
		  const struct vmt_inspection *in, int64_t time_ns, int64_t mono_ns)
{
	if (in && in->count != snapshot->count) {
		return -EINVAL;
	}
	if (snapshot->generation != s->generation) {
		take_snapshot(s, snapshot);
	}
	s->cycle++;
	s->snapshot = snapshot;
	s->in = in;
	s->now_ns = clock_monotonic();
	take_times(s, in, time_ns, mono_ns);
	if (in) {
		take_whole(s, in);
		meter_devices_take(s, in);
	}
	return 0;
}

/* A counter that begins anew while the epoch stays tells that discovery is behind: the change of
 * epoch that follows must not count as another beginning. */
static void remember_cpu(const struct meter_state *s, struct slot *slot,
			 const struct vmt_reading *r, uint64_t epoch)
{
	bool of_vcpus;
	uint64_t now;
	int stamp;

	if (!meter_cpu_time(r, &now, &of_vcpus, &stamp)) {
		return;
	}
	if (slot->cpu_time.mono_ns != INT64_MIN && of_vcpus == slot->cpu_of_vcpus &&
	    now < slot->cpu_time.value && epoch == slot->epoch) {
		slot->ended = epoch;
	}
	slot->cpu_time.value = now;
	slot->cpu_time.mono_ns = s->mono_ns[stamp + 1];
	slot->cpu_of_vcpus = of_vcpus;
	slot->epoch = epoch == slot->ended ? 0 : epoch;
}

void meter_remember(struct meter_state *s)
{
	const struct vmt_inspection *in = s->in;

	for (size_t i = 0; in && i < in->count; i++) {
		struct slot *slot = s->by_instance[i];
		const struct vmt_reading *r = &in->reading[i];

		remember_cpu(s, slot, r, s->snapshot->instances[i].epoch);
		meter_devices_remember(s, r);
	}
}

/* ------------------------------------------------------------------ resources */

static struct resource_head *make_head(struct meter_state *s, const struct vmt_instance *in,
				       bool nic)
{
	struct resource_owner owner = {
		.project_id = in->project_id,
		.user_id = in->user_id,
		.project_name = in->project_name,
		.user_name = in->user_name,
		.source = s->source,
		.instance_id = in->id,
	};

	buf_reset(&s->text);
	metadata_head(in, &s->settings.metadata, nic, &s->text);
	return resource_head_new(&owner, s->text.data, s->text.len);
}

static struct resource_head *instance_head(struct meter_state *s, size_t i)
{
	struct slot *slot = s->by_instance[i];

	if (!slot->head) {
		slot->head = make_head(s, &s->snapshot->instances[i], false);
	}
	return slot->head;
}

/* Only in Juno's form NICs have a head of their own. */
static struct resource_head *instance_nic_head(struct meter_state *s, size_t i)
{
	struct slot *slot = s->by_instance[i];

	if (s->settings.metadata.profile != VMT_PROFILE_JUNO) {
		return instance_head(s, i);
	}
	if (!slot->nic_head) {
		slot->nic_head = make_head(s, &s->snapshot->instances[i], true);
	}
	return slot->nic_head;
}

/* Valid UTF-8 whatever the inspector gave. */
static void mend(struct meter_state *s, struct buf *b)
{
	struct buf swap;

	if (utf8_valid(b->data, b->len)) {
		return;
	}
	buf_reset(&s->mended);
	utf8_repair(b->data, b->len, &s->mended);
	swap = *b;
	*b = s->mended;
	s->mended = swap;
}

/* From the id in `text` (or the instance's) and the tail in `tail`. */
static struct resource *make(struct meter_state *s, struct resource_head *head, const char *id)
{
	mend(s, &s->tail);
	if (s->final) {
		s->tail.len--;
		buf_puts(&s->tail, ",\"final\":true}");
	}
	if (!id) {
		mend(s, &s->text);
		id = s->text.data;
	}
	return resource_new(head, id, s->tail.data, s->tail.len);
}

struct resource *meter_instance_resource(struct meter_state *s, size_t i)
{
	struct slot *slot = s->by_instance[i];

	if (!slot->plain) {
		struct resource_head *head = instance_head(s, i);

		buf_reset(&s->tail);
		metadata_tail_plain(&s->snapshot->instances[i], &s->tail);
		slot->plain = make(s, head, slot->id);
	}
	return slot->plain;
}

struct resource *meter_cpu_resource(struct meter_state *s, size_t i)
{
	struct slot *slot = s->by_instance[i];
	const struct vmt_reading *r = &s->in->reading[i];
	uint64_t vcpus = has(r, VMT_F_VCPUS) ? r->value[VMT_F_VCPUS].u : UINT64_MAX;

	if (slot->cpu && slot->vcpus != vcpus) {
		drop(&slot->cpu);
	}
	if (!slot->cpu) {
		struct resource_head *head = instance_head(s, i);

		buf_reset(&s->tail);
		metadata_tail_cpu(&s->snapshot->instances[i], vcpus == UINT64_MAX ? NULL : &vcpus,
				  &s->tail);
		slot->cpu = make(s, head, slot->id);
		slot->vcpus = vcpus;
	}
	return slot->cpu;
}

struct resource *meter_disks_resource(struct meter_state *s, size_t i)
{
	struct slot *slot = s->by_instance[i];
	const struct vmt_reading *r = &s->in->reading[i];
	const struct vmt_device_reading *disk = s->in->disk + r->first_disk;
	uint64_t versions = 0;

	for (uint32_t k = 0; k < r->disks; k++) {
		versions =
			hash64(&disk[k].device->version, sizeof(disk[k].device->version), versions);
	}
	if (slot->disks && slot->disks_version != versions) {
		drop(&slot->disks);
	}
	if (!slot->disks) {
		struct resource_head *head = instance_head(s, i);

		buf_reset(&s->tail);
		metadata_tail_disks(&s->snapshot->instances[i], disk, r->disks, &s->tail);
		slot->disks = make(s, head, slot->id);
		slot->disks_version = versions;
	}
	return slot->disks;
}

struct resource *meter_disk_resource(struct meter_state *s, size_t at)
{
	struct device_slot *d = s->by_disk[at];

	if (!d->resource) {
		const struct vmt_device *device = s->in->disk[at].device;
		size_t i = d->instance;
		struct resource_head *head = instance_head(s, i);

		buf_reset(&s->text);
		buf_reset(&s->tail);
		metadata_disk_id(&s->snapshot->instances[i], device, &s->text);
		metadata_tail_disk(&s->snapshot->instances[i], &s->settings.metadata, device,
				   &s->tail);
		d->resource = make(s, head, NULL);
	}
	return d->resource;
}

struct resource *meter_nic_resource(struct meter_state *s, size_t at)
{
	struct device_slot *d = s->by_nic[at];

	if (!d->resource) {
		const struct vmt_device *device = s->in->nic[at].device;
		size_t i = d->instance;
		struct resource_head *head = instance_nic_head(s, i);

		buf_reset(&s->text);
		buf_reset(&s->tail);
		metadata_nic_id(&s->snapshot->instances[i], device, &s->text);
		metadata_tail_nic(&s->settings.metadata, device, &s->tail);
		d->resource = make(s, head, NULL);
	}
	return d->resource;
}

/* Of this host, or with `call` of a kind of call that it makes. */
static struct resource *make_host(struct meter_state *s, const char *call)
{
	struct resource_owner owner = { .source = s->source };
	struct resource_head *head;
	struct resource *made;

	buf_reset(&s->text);
	buf_puts(&s->text, "{\"host\":");
	json_add(&s->text, s->host);
	head = resource_head_new(&owner, s->text.data, s->text.len);
	buf_reset(&s->text);
	buf_puts(&s->text, s->host);
	buf_reset(&s->tail);
	if (call) {
		buf_putc(&s->text, '/');
		buf_puts(&s->text, call);
		buf_puts(&s->tail, ",\"call\":");
		json_add(&s->tail, call);
	}
	buf_putc(&s->tail, '}');
	made = make(s, head, NULL);
	resource_head_unref(head);
	return made;
}

struct resource *meter_host_resource(struct meter_state *s)
{
	if (!s->host_resource) {
		s->host_resource = make_host(s, NULL);
	}
	return s->host_resource;
}

struct resource *meter_call_resource(struct meter_state *s, size_t at)
{
	const char *name = s->in->latency[at].call;
	size_t i = 0;

	while (i < VMT_LATENCIES && s->call_name[i] && strcmp(s->call_name[i], name) != 0) {
		i++;
	}
	if (i ==
	    VMT_LATENCIES) { /* more kinds than a cycle can have: the last one's place is taken */
		i--;
		drop(&s->call[i]);
	}
	if (!s->call[i]) {
		s->call_name[i] = name;
		s->call[i] = make_host(s, name);
	}
	return s->call[i];
}

void meter_state_health(struct meter_state *s, const struct meter_health *health)
{
	s->health = *health;
	s->has_health = true;
}

void meter_state_final(struct meter_state *s)
{
	s->final = true;
}

void meter_state_one_time(struct meter_state *s, bool one)
{
	s->one_time = one;
}

void meter_outdate(struct meter_state *s)
{
	for (size_t i = 0; i < s->count; i++) {
		if (!s->only || s->only[i]) {
			slot_outdate(s->by_instance[i]);
		}
	}
}

void meter_state_only(struct meter_state *s, const uint8_t *only)
{
	s->only = only;
}

int64_t meter_state_whole(const struct meter_state *s, size_t instance)
{
	return instance < s->count ? s->by_instance[instance]->whole_ns : INT64_MIN;
}

struct resource *meter_resource(struct meter_state *s, enum metadata_family family, size_t at)
{
	switch (family) {
	case METADATA_DISK:
		return meter_disk_resource(s, at);
	case METADATA_NIC:
		return meter_nic_resource(s, at);
	case METADATA_CPU:
		return meter_cpu_resource(s, at);
	case METADATA_DISKS:
		return meter_disks_resource(s, at);
	default:
		return meter_instance_resource(s, at);
	}
}

/* ------------------------------------------------------------------ life */

struct meter_state *meter_state_new(const struct meter_settings *settings)
{
	struct meter_state *s = g_new0(struct meter_state, 1);

	s->settings = *settings;
	s->namespaces = g_strdupv((char **)(uintptr_t)settings->metadata.reserved_namespace);
	s->keys = g_strdupv((char **)(uintptr_t)settings->metadata.reserved_keys);
	s->source = g_strdup(settings->source ? settings->source : "openstack");
	s->settings.metadata.reserved_namespace = (const char *const *)s->namespaces;
	s->settings.metadata.reserved_keys = (const char *const *)s->keys;
	s->settings.source = s->source;
	s->host = g_strdup(settings->host);
	s->settings.host = s->host;
	s->slots = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, slot_free);
	buf_init(&s->text);
	buf_init(&s->tail);
	buf_init(&s->mended);
	return s;
}

void meter_state_free(struct meter_state *s)
{
	if (!s) {
		return;
	}
	g_hash_table_unref(s->slots);
	g_strfreev(s->namespaces);
	g_strfreev(s->keys);
	g_free(s->source);
	g_free(s->host);
	resource_unref(s->host_resource);
	for (size_t i = 0; i < VMT_LATENCIES; i++) {
		resource_unref(s->call[i]);
	}
	g_free(s->by_instance);
	g_free(s->by_flavor);
	g_free(s->by_disk);
	g_free(s->by_nic);
	buf_fini(&s->text);
	buf_fini(&s->tail);
	buf_fini(&s->mended);
	g_free(s);
}

static size_t slot_bytes(const struct slot *slot)
{
	const struct resource *parts[] = { slot->plain, slot->cpu, slot->disks };
	size_t n = sizeof(*slot) + strlen(slot->id) + 1;

	for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
		n += parts[i] ? resource_bytes(parts[i]) : 0;
	}
	n += slot->head ? resource_head_bytes(slot->head) : 0;
	n += slot->nic_head ? resource_head_bytes(slot->nic_head) : 0;
	return n + meter_devices_bytes(&slot->disk) + meter_devices_bytes(&slot->nic);
}

size_t meter_state_bytes(const struct meter_state *s)
{
	size_t n = sizeof(*s) +
		   s->instances_cap * (sizeof(*s->by_instance) + sizeof(*s->by_flavor)) +
		   (s->disks_cap + s->nics_cap) * sizeof(*s->by_disk) + s->text.cap + s->tail.cap +
		   s->mended.cap;
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, s->slots);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		n += slot_bytes(value);
	}
	return n;
}

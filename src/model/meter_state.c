/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what a polling task keeps of instances and devices from cycle to cycle: their resources, and
 * the last values of counters.  Instances are known by id, disks by name, NICs by MAC; the order in
 * which they come means nothing.  Runs on the poll worker; blocks on nothing.  Takes memory when
 * something is new or changed, and only then.
 */
#include "base/clock.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "model/json_text.h"
#include "model/meter_private.h"

#include <errno.h>
#include <string.h>

enum {
	FORGET = 64 /* cycles after which a device that is not in the readings is forgotten */
};

/* ------------------------------------------------------------------ devices */

static void device_slot_free(struct device_slot *d)
{
	if (d) {
		resource_unref(d->resource);
		g_free(d->name);
		g_free(d);
	}
}

static void device_list_fini(struct device_list *l)
{
	for (uint32_t i = 0; i < l->count; i++) {
		device_slot_free(l->slot[i]);
	}
	g_free(l->slot);
	*l = (struct device_list){ 0 };
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
		resource_unref(d->resource);
		d->resource = NULL;
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
	for (uint32_t i = 0; i < slot->disk.count; i++) {
		drop(&slot->disk.slot[i]->resource);
	}
	for (uint32_t i = 0; i < slot->nic.count; i++) {
		drop(&slot->nic.slot[i]->resource);
	}
}

static void slot_free(gpointer data)
{
	struct slot *slot = data;

	slot_outdate(slot);
	device_list_fini(&slot->disk);
	device_list_fini(&slot->nic);
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

static void map_reserve(struct device_slot ***map, size_t *cap, size_t count)
{
	if (count > *cap) {
		*cap = count + count / 8;
		*map = g_renew(struct device_slot *, *map, *cap);
	}
}

static void take_devices(struct meter_state *s, const struct vmt_inspection *in)
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
		take_devices(s, in);
	}
	return 0;
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
		for (uint32_t k = r->first_disk; k < r->first_disk + r->disks; k++) {
			remember_device(s, &in->disk[k], s->by_disk[k], disk_counters);
		}
		for (uint32_t k = r->first_nic; k < r->first_nic + r->nics; k++) {
			remember_device(s, &in->nic[k], s->by_nic[k], nic_counters);
		}
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

static size_t list_bytes(const struct device_list *l)
{
	size_t n = l->cap * sizeof(*l->slot);

	for (uint32_t i = 0; i < l->count; i++) {
		n += sizeof(*l->slot[i]) + strlen(l->slot[i]->key) + 1;
		n += l->slot[i]->name ? strlen(l->slot[i]->name) + 1 : 0;
		n += l->slot[i]->resource ? resource_bytes(l->slot[i]->resource) : 0;
	}
	return n;
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
	return n + list_bytes(&slot->disk) + list_bytes(&slot->nic);
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the forms of resource_metadata: one table of keys with the profiles that have them, and a
 * writer for each value.  Pure functions, run when an instance or a device changes; any thread;
 * blocks on nothing.
 */
#include "model/metadata.h"
#include "model/json_text.h"

#include <glib.h>
#include <string.h>

/* ------------------------------------------------------------------ parts */

static void add_key(struct buf *out, const char *key)
{
	char last = out->len ? out->data[out->len - 1] : ',';

	if (last != '{') {
		buf_putc(out, ',');
	}
	json_add(out, key);
	buf_putc(out, ':');
}

static void add_member(struct buf *out, const char *key, const char *value)
{
	add_key(out, key);
	json_add(out, value);
}

static void add_number(struct buf *out, const char *key, int64_t value)
{
	add_key(out, key);
	json_add_int(out, value);
}

static void add_pair(struct buf *out, const char *key, const struct vmt_pair *p)
{
	add_key(out, key);
	if (!p->raw) {
		json_add(out, p->value);
	} else if (p->value && json_valid(p->value, strlen(p->value), JSON_DEPTH)) {
		buf_puts(out, p->value);
	} else {
		json_add(out, NULL);
	}
}

static void add_pairs(struct buf *out, const struct vmt_pair *p)
{
	buf_putc(out, '{');
	for (; p && p->key; p++) {
		add_pair(out, p->key, p);
	}
	buf_putc(out, '}');
}

static void add_links(struct buf *out, const char *href)
{
	add_key(out, "links");
	buf_puts(out, "[{\"rel\":\"bookmark\",\"href\":");
	json_add(out, href);
	buf_puts(out, "}]");
}

static const char *flavor_id(const struct vmt_flavor *f)
{
	return f->id ? f->id : f->name;
}

/* ------------------------------------------------------------------ values of keys */

typedef void (*writer)(const struct vmt_instance *in, enum vmt_profile profile, struct buf *out);

static void put_display_name(const struct vmt_instance *in, enum vmt_profile profile,
			     struct buf *out)
{
	json_add(out, in->display_name);
}

static void put_id(const struct vmt_instance *in, enum vmt_profile profile, struct buf *out)
{
	json_add(out, in->id);
}

/* The flavor's id until Kilo, its name since. */
static void put_type(const struct vmt_instance *in, enum vmt_profile profile, struct buf *out)
{
	if (!in->has_flavor) {
		json_add(out, NULL);
	} else {
		json_add(out,
			 profile == VMT_PROFILE_JUNO ? flavor_id(&in->flavor) : in->flavor.name);
	}
}

static void put_host_id(const struct vmt_instance *in, enum vmt_profile profile, struct buf *out)
{
	json_add(out, in->host_id);
}

static void put_host(const struct vmt_instance *in, enum vmt_profile profile, struct buf *out)
{
	json_add(out, in->host ? in->host : "");
}

static void put_flavor(const struct vmt_instance *in, enum vmt_profile profile, struct buf *out)
{
	const struct vmt_flavor *f = &in->flavor;

	if (!in->has_flavor) {
		json_add(out, NULL);
		return;
	}
	buf_putc(out, '{');
	add_member(out, "id", flavor_id(f));
	if (f->href) {
		add_links(out, f->href);
	}
	add_member(out, "name", f->name);
	add_number(out, "vcpus", f->vcpus);
	add_number(out, "ram", f->ram_mib);
	add_number(out, "disk", f->disk_gib);
	add_number(out, "ephemeral", f->ephemeral_gib);
	if (f->has_swap) {
		add_number(out, "swap", f->swap_mib);
	}
	if (f->has_extra_specs && profile == VMT_PROFILE_26) {
		add_key(out, "extra_specs");
		add_pairs(out, f->extra_specs);
	}
	buf_putc(out, '}');
}

static void put_status(const struct vmt_instance *in, enum vmt_profile profile, struct buf *out)
{
	json_add(out, in->status);
}

static void put_state(const struct vmt_instance *in, enum vmt_profile profile, struct buf *out)
{
	json_add(out, in->state ? in->state : "");
}

static void put_task_state(const struct vmt_instance *in, enum vmt_profile profile, struct buf *out)
{
	json_add(out, in->task_state);
}

static void put_image(const struct vmt_instance *in, enum vmt_profile profile, struct buf *out)
{
	if (!in->has_image) {
		json_add(out, NULL);
		return;
	}
	buf_putc(out, '{');
	add_member(out, "id", in->image.id);
	if (in->image.href) {
		add_links(out, in->image.href);
	}
	if (in->image.name) {
		add_member(out, "name", in->image.name);
	}
	buf_putc(out, '}');
}

static void put_image_ref(const struct vmt_instance *in, enum vmt_profile profile, struct buf *out)
{
	json_add(out, in->has_image ? in->image.id : NULL);
}

static void put_image_url(const struct vmt_instance *in, enum vmt_profile profile, struct buf *out)
{
	json_add(out, in->has_image ? in->image.href : NULL);
}

static void put_image_meta(const struct vmt_instance *in, enum vmt_profile profile, struct buf *out)
{
	add_pairs(out, in->image_meta);
}

static void put_vcpus(const struct vmt_instance *in, enum vmt_profile profile, struct buf *out)
{
	json_add_int(out, in->flavor.vcpus);
}

static void put_memory(const struct vmt_instance *in, enum vmt_profile profile, struct buf *out)
{
	json_add_int(out, in->flavor.ram_mib);
}

static void put_disk(const struct vmt_instance *in, enum vmt_profile profile, struct buf *out)
{
	json_add_int(out, in->flavor.disk_gib);
}

static void put_ephemeral(const struct vmt_instance *in, enum vmt_profile profile, struct buf *out)
{
	json_add_int(out, in->flavor.ephemeral_gib);
}

/* Nova's `disk` is the root disk already; every release subtracts all the same. */
static void put_root(const struct vmt_instance *in, enum vmt_profile profile, struct buf *out)
{
	json_add_int(out, in->flavor.disk_gib - in->flavor.ephemeral_gib);
}

/* ------------------------------------------------------------------ the table */

enum {
	JUNO = 1 << VMT_PROFILE_JUNO,
	SINCE_LIBERTY = 1 << VMT_PROFILE_19 | 1 << VMT_PROFILE_26,
	SINCE_25 = 1 << VMT_PROFILE_26,
	ALL = JUNO | SINCE_LIBERTY
};

enum condition { ALWAYS, IF_FLAVOR, IF_IMAGE_META };

/* In this order; attributes come between the image and the sizes. */
static const struct key {
	const char *key;
	uint8_t profiles; /* bit set */
	uint8_t condition;
	writer put;
} keys[] = {
	{ "display_name", ALL, ALWAYS, put_display_name },
	{ "instance_id", SINCE_LIBERTY, ALWAYS, put_id },
	{ "instance_type", ALL, ALWAYS, put_type },
	{ "host", ALL, ALWAYS, put_host_id },
	{ "instance_host", SINCE_LIBERTY, ALWAYS, put_host },
	{ "flavor", ALL, ALWAYS, put_flavor },
	{ "status", ALL, ALWAYS, put_status },
	{ "state", SINCE_LIBERTY, ALWAYS, put_state },
	{ "task_state", SINCE_LIBERTY, ALWAYS, put_task_state },
	{ "image", ALL, ALWAYS, put_image },
	{ "image_ref", ALL, ALWAYS, put_image_ref },
	{ "image_ref_url", ALL, ALWAYS, put_image_url },
	{ "image_meta", SINCE_25, IF_IMAGE_META, put_image_meta },
	{ NULL, ALL, ALWAYS, NULL }, /* attributes */
	{ "vcpus", ALL, IF_FLAVOR, put_vcpus },
	{ "memory_mb", ALL, IF_FLAVOR, put_memory },
	{ "disk_gb", ALL, IF_FLAVOR, put_disk },
	{ "ephemeral_gb", ALL, IF_FLAVOR, put_ephemeral },
	{ "root_gb", ALL, IF_FLAVOR, put_root },
};

/* Keys that tails and user metadata bring. */
static const char *const tail_keys[] = { "name", "cpu_number", "device",    "disk_name",    "mac",
					 "fref", "parameters", "vnic_name", "user_metadata" };

static bool key_holds(const struct key *k, const struct vmt_instance *in, enum vmt_profile profile)
{
	if (!(k->profiles & 1u << profile)) {
		return false;
	}
	switch (k->condition) {
	case IF_FLAVOR:
		return in->has_flavor;
	case IF_IMAGE_META:
		return in->image_meta && in->image_meta->key;
	default:
		return true;
	}
}

/* Whether the form itself has the key for this instance. */
static bool form_has(const char *key, const struct vmt_instance *in, enum vmt_profile profile)
{
	for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
		if (keys[i].key && strcmp(keys[i].key, key) == 0) {
			return key_holds(&keys[i], in, profile);
		}
	}
	return false;
}

static bool in_list(const char *const *list, size_t count, const char *key)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(list[i], key) == 0) {
			return true;
		}
	}
	return false;
}

static bool attribute_shown(const char *key, const struct vmt_instance *in,
			    enum vmt_profile profile)
{
	return !in_list(tail_keys, G_N_ELEMENTS(tail_keys), key) && !form_has(key, in, profile);
}

/* ------------------------------------------------------------------ user metadata */

/* Whether resource_metadata has the key before user_metadata is added. */
static bool taken(const char *key, const struct vmt_instance *in, const struct metadata_options *o,
		  bool juno_nic)
{
	static const char *const nic[] = { "name",       "mac",         "fref",
					   "parameters", "instance_id", "instance_type" };

	if (juno_nic) {
		return in_list(nic, G_N_ELEMENTS(nic), key);
	}
	if (strcmp(key, "name") == 0 || form_has(key, in, o->profile)) {
		return true;
	}
	for (const struct vmt_pair *p = in->attributes; p && p->key; p++) {
		if (strcmp(p->key, key) == 0) {
			return attribute_shown(key, in, o->profile);
		}
	}
	return false;
}

struct user_metadata {
	const struct vmt_instance *in;
	const struct metadata_options *o;
	bool juno_nic;
	GPtrArray *key; /* new keys, owned */
	GPtrArray *pair; /* their const struct vmt_pair */
};

/* Takes the pair under `from` with dots made underscores; a later one replaces an earlier one. */
static void user_add(struct user_metadata *u, const char *from, const struct vmt_pair *p)
{
	char *key = g_strdelimit(g_strdup(from), ".", '_');

	if (taken(key, u->in, u->o, u->juno_nic)) {
		g_free(key);
		return;
	}
	for (guint i = 0; i < u->key->len; i++) {
		if (strcmp(u->key->pdata[i], key) == 0) {
			u->pair->pdata[i] = (gpointer)(uintptr_t)p;
			g_free(key);
			return;
		}
	}
	g_ptr_array_add(u->key, key);
	g_ptr_array_add(u->pair, (gpointer)(uintptr_t)p);
}

static void user_collect(struct user_metadata *u)
{
	for (const char *const *prefix = u->o->reserved_namespace; prefix && *prefix; prefix++) {
		size_t n = strlen(*prefix);

		for (const struct vmt_pair *p = u->in->metadata; p && p->key; p++) {
			if (strncmp(p->key, *prefix, n) == 0) {
				user_add(u, p->key + n, p);
			}
		}
	}
	for (const char *const *key = u->o->reserved_keys; key && *key; key++) {
		for (const struct vmt_pair *p = u->in->metadata; p && p->key; p++) {
			if (strcmp(p->key, *key) == 0) {
				user_add(u, p->key, p);
			}
		}
	}
}

/* Bytes of the first `characters` characters of valid UTF-8. */
static size_t cut(const char *s, int64_t characters)
{
	const char *p = s;

	while (*p && characters-- > 0) {
		p = g_utf8_next_char(p);
	}
	return (size_t)(p - s);
}

static void add_user_metadata(const struct vmt_instance *in, const struct metadata_options *o,
			      bool juno_nic, struct buf *out)
{
	struct user_metadata u = { .in = in, .o = o, .juno_nic = juno_nic };

	if (!in->metadata || !in->metadata->key) {
		return;
	}
	u.key = g_ptr_array_new_with_free_func(g_free);
	u.pair = g_ptr_array_new();
	user_collect(&u);
	if (u.key->len) {
		add_key(out, "user_metadata");
		buf_putc(out, '{');
		for (guint i = 0; i < u.key->len; i++) {
			const struct vmt_pair *p = u.pair->pdata[i];

			if (p->raw || !p->value) {
				add_pair(out, u.key->pdata[i], p);
			} else {
				add_key(out, u.key->pdata[i]);
				json_add_string(out, p->value, cut(p->value, o->reserved_length));
			}
		}
		buf_putc(out, '}');
	}
	g_ptr_array_unref(u.key);
	g_ptr_array_unref(u.pair);
}

/* ------------------------------------------------------------------ heads and tails */

static void add_attributes(const struct vmt_instance *in, enum vmt_profile profile, struct buf *out)
{
	for (const struct vmt_pair *p = in->attributes; p && p->key; p++) {
		if (attribute_shown(p->key, in, profile)) {
			add_pair(out, p->key, p);
		}
	}
}

void metadata_head(const struct vmt_instance *in, const struct metadata_options *o, bool nic,
		   struct buf *out)
{
	bool juno_nic = nic && o->profile == VMT_PROFILE_JUNO;

	buf_putc(out, '{');
	if (juno_nic) {
		add_member(out, "instance_id", in->id);
		add_key(out, "instance_type");
		put_type(in, o->profile, out);
		add_user_metadata(in, o, true, out);
		return;
	}
	for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
		if (!keys[i].key) {
			add_attributes(in, o->profile, out);
		} else if (key_holds(&keys[i], in, o->profile)) {
			add_key(out, keys[i].key);
			keys[i].put(in, o->profile, out);
		}
	}
	add_user_metadata(in, o, false, out);
}

static void add_name(const struct vmt_instance *in, struct buf *out)
{
	add_member(out, "name", in->name ? in->name : "");
}

void metadata_tail_plain(const struct vmt_instance *in, struct buf *out)
{
	add_name(in, out);
	buf_putc(out, '}');
}

void metadata_tail_cpu(const struct vmt_instance *in, const uint64_t *vcpus, struct buf *out)
{
	add_name(in, out);
	add_key(out, "cpu_number");
	if (vcpus) {
		json_add_uint(out, *vcpus);
	} else {
		json_add(out, NULL);
	}
	buf_putc(out, '}');
}

void metadata_tail_disks(const struct vmt_instance *in, const struct vmt_device_reading *disk,
			 size_t count, struct buf *out)
{
	add_name(in, out);
	add_key(out, "device");
	buf_putc(out, '[');
	for (size_t i = 0; i < count; i++) {
		if (i) {
			buf_putc(out, ',');
		}
		json_add(out, disk[i].device->name);
	}
	buf_puts(out, "]}");
}

void metadata_tail_disk(const struct vmt_instance *in, const struct metadata_options *o,
			const struct vmt_device *disk, struct buf *out)
{
	add_name(in, out);
	if (o->profile != VMT_PROFILE_JUNO) {
		add_member(out, "disk_name", disk->name);
	}
	buf_putc(out, '}');
}

/* Since Stein two keys of the port are always there; but for hypervisors that have no such thing as parameters. */
static void add_parameters(const struct metadata_options *o, const struct vmt_device *nic,
			   struct buf *out)
{
	bool port = o->profile != VMT_PROFILE_JUNO;

	if (!nic->parameters) {
		add_member(out, "parameters", NULL);
		return;
	}
	add_key(out, "parameters");
	buf_putc(out, '{');
	for (const struct vmt_pair *p = nic->parameters; p && p->key; p++) {
		if (!port ||
		    (strcmp(p->key, "interfaceid") != 0 && strcmp(p->key, "bridge") != 0)) {
			add_pair(out, p->key, p);
		}
	}
	if (port) {
		add_member(out, "interfaceid", nic->interface_id);
		add_member(out, "bridge", nic->bridge);
	}
	buf_putc(out, '}');
}

void metadata_tail_nic(const struct metadata_options *o, const struct vmt_device *nic,
		       struct buf *out)
{
	bool filtered = nic->filter && nic->filter[0];

	add_member(out, "name", nic->name);
	add_member(out, "mac", nic->mac);
	add_member(out, "fref", nic->filter);
	add_parameters(o, nic, out);
	if (o->profile != VMT_PROFILE_JUNO) {
		add_member(out, "vnic_name", filtered ? nic->filter : nic->name);
	}
	buf_putc(out, '}');
}

/* ------------------------------------------------------------------ ids */

void metadata_disk_id(const struct vmt_instance *in, const struct vmt_device *disk, struct buf *out)
{
	buf_printf(out, "%s-%s", in->id, disk->name);
}

void metadata_nic_id(const struct vmt_instance *in, const struct vmt_device *nic, struct buf *out)
{
	if (nic->filter && nic->filter[0]) {
		buf_puts(out, nic->filter);
	} else {
		buf_printf(out, "%s-%s-%s", in->name ? in->name : "None", in->id, nic->name);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Rosters of servers, and the way from a row to an instance.  Any thread; blocks on nothing. */
#include "plugins/discovery/nova/roster.h"

#include <string.h>

static struct server *server_at(const GHashTable *place, const GPtrArray *changed, const char *id)
{
	gpointer at = g_hash_table_lookup((GHashTable *)(uintptr_t)place, id);

	return at ? g_ptr_array_index(changed, GPOINTER_TO_UINT(at) - 1) : NULL;
}

static void add_row(struct roster *t, struct server *s)
{
	if (!s->deleted) {
		t->row[t->count++].server = server_ref(s);
	}
}

struct roster *roster_new(const struct roster *old, const GPtrArray *changed)
{
	GHashTable *place = g_hash_table_new(g_str_hash, g_str_equal); /* in `changed`, + 1 */
	struct roster *t = g_new0(struct roster, 1);

	atomic_init(&t->refs, 1);
	t->row = g_new0(struct row, (old ? old->count : 0) + changed->len + 1);
	for (guint i = 0; i < changed->len; i++) { /* of what comes twice, the last */
		struct server *s = g_ptr_array_index(changed, i);

		g_hash_table_replace(place, (gpointer)(uintptr_t)s->in.id, GUINT_TO_POINTER(i + 1));
	}
	for (size_t i = 0; old && i < old->count; i++) {
		struct server *known = old->row[i].server;
		struct server *s = server_at(place, changed, known->in.id);

		add_row(t, s ? s : known);
		g_hash_table_remove(place, known->in.id);
	}
	for (guint i = 0; i < changed->len; i++) {
		struct server *s = g_ptr_array_index(changed, i);

		if (server_at(place, changed, s->in.id) == s) {
			add_row(t, s);
		}
	}
	g_hash_table_unref(place);
	return t;
}

struct roster *roster_ref(struct roster *t)
{
	atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
	return t;
}

void roster_unref(struct roster *t)
{
	if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1) {
		return;
	}
	for (size_t i = 0; i < t->count; i++) {
		server_unref(t->row[i].server);
		flavor_unref(t->row[i].flavor);
		image_unref(t->row[i].image);
	}
	g_free(t->row);
	g_free(t);
}

/* ------------------------------------------------------------------ instances */

enum { ATTRIBUTES = 16 };

/* The server's attributes, and those that come from its image; null without one. */
static void set_attributes(const struct row *row, struct vmt_pair ret[ATTRIBUTES])
{
	const struct vmt_pair *own = row->server->in.attributes;
	size_t n = 0;

	for (; own && own->key && n < ATTRIBUTES - 3; own++) {
		ret[n++] = *own;
	}
	ret[n++] =
		(struct vmt_pair){ "kernel_id", row->image ? row->image->kernel_id : NULL, false };
	ret[n++] = (struct vmt_pair){ "ramdisk_id", row->image ? row->image->ramdisk_id : NULL,
				      false };
	ret[n] = (struct vmt_pair){ NULL, NULL, false };
}

static void list_row(const struct row *row, struct vmt_snapshot_builder *builder)
{
	struct vmt_pair attributes[ATTRIBUTES];
	struct vmt_instance in = row->server->in;

	set_attributes(row, attributes);
	in.attributes = attributes;
	if (row->flavor) {
		const char *id = in.flavor.id, *href = in.flavor.href;

		in.flavor = row->flavor->is;
		in.flavor.id = id;
		in.flavor.href = href;
	}
	if (row->image) {
		in.image.name = row->image->name;
		in.image_meta = row->image->meta;
	}
	vmt_snapshot_add(builder, &in);
}

void roster_list(const struct roster *t, bool all, struct vmt_snapshot_builder *builder)
{
	for (size_t i = 0; i < t->count; i++) {
		if (all || g_strcmp0(t->row[i].server->in.state, "error") != 0) {
			list_row(&t->row[i], builder);
		}
	}
}

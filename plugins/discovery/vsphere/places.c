/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the names.  On a worker, one at a time; blocks on the network until the call's deadline.
 */
#include "plugins/discovery/vsphere/places.h"

#include "base/clock.h"

#define OLD_NS (600 * NS_PER_S)
#define AGAIN_NS (60 * NS_PER_S)

enum { NAME, PARENT };

static const char *const paths[] = { "name", "parent", NULL };
static const struct vim_wanted wanted[] = {
	{ "HostSystem", paths },
	{ "ComputeResource", paths },
	{ "ClusterComputeResource", paths },
	{ "Folder", paths },
};

static const char *const field_paths[] = { "field", NULL };
static const struct vim_wanted wanted_fields = { "CustomFieldsManager", field_paths };

/* ------------------------------------------------------------------ what comes */

static void on_begin(void *context)
{
	struct names *n = context;

	g_hash_table_remove_all(n->coming);
	arena_reset(n->spare);
}

static void on_place(void *context, const struct vim_object *o)
{
	struct names *n = context;
	struct place *place = ARENA_NEW(n->spare, struct place);

	if (o->value[NAME]) {
		place->type = arena_strdup(n->spare, o->type);
		place->name = arena_strdup(n->spare, o->value[NAME]);
		place->parent = arena_strdup(n->spare, o->value[PARENT]);
		g_hash_table_insert(n->coming, arena_strdup(n->spare, o->id), place);
	}
}

static void on_field(void *context, unsigned path, const struct vim_element *e)
{
	struct names *n = context;

	if (e->key && e->name) {
		g_hash_table_insert(n->coming, arena_strdup(n->spare, e->key),
				    arena_strdup(n->spare, e->name));
	}
}

static struct vim_ref fields_of(const struct vim_client *c)
{
	return (struct vim_ref){ "CustomFieldsManager", vim_client_service(c)->custom_fields };
}

/* ------------------------------------------------------------------ one list */

static bool is_due(const struct names *n, const struct vim_client *c, bool missing)
{
	int64_t now = clock_monotonic();

	if (n->tried_ns && (n->failed || missing)) {
		return now - n->tried_ns > AGAIN_NS;
	}
	return !n->tried_ns || n->session != vim_client_session(c) || now - n->read_ns > OLD_NS;
}

static void take(struct names *n)
{
	GHashTable *table = n->known;
	struct arena *arena = n->arena;

	n->known = n->coming;
	n->coming = table;
	n->arena = n->spare;
	n->spare = arena;
}

/* Whether there are others now.  Until then, and when they cannot be read, the old ones hold. */
static bool refresh(struct names *n, struct vim_client *c, const char *what,
		    const struct vmt_call *call)
{
	struct vmt_error why = { .text = "" };
	int err = vim_list_read(&n->list, c, call, &why);

	n->tried_ns = clock_monotonic();
	n->failed = err < 0;
	if (err < 0) {
		vmt_log(VMT_LOG_WARNING,
			"%s; names of %s stay as they were; tried again in a minute", why.text,
			what);
		return false;
	}
	n->read_ns = n->tried_ns;
	n->session = vim_client_session(c);
	if (err > 0) {
		take(n);
	}
	return err > 0;
}

/* ------------------------------------------------------------------ both */

void places_refresh(struct places *p, struct vim_client *c, bool missing,
		    const struct vmt_call *call)
{
	if (is_due(&p->places, c, missing)) {
		p->version += refresh(&p->places, c, "hosts, clusters and folders", call);
	}
	if (vim_client_service(c)->custom_fields && is_due(&p->fields, c, false)) {
		p->version += refresh(&p->fields, c, "custom attributes", call);
	}
}

const struct place *places_find(const struct places *p, const char *ref)
{
	return ref ? g_hash_table_lookup(p->places.known, ref) : NULL;
}

const char *places_field(const struct places *p, const char *number)
{
	return g_hash_table_lookup(p->fields.known, number);
}

static void names_init(struct names *n)
{
	n->known = g_hash_table_new(g_str_hash, g_str_equal);
	n->coming = g_hash_table_new(g_str_hash, g_str_equal);
	n->arena = arena_new(16 << 10);
	n->spare = arena_new(16 << 10);
	n->list.begin = on_begin;
	n->list.remember = true;
	n->list.objects.context = n;
}

static void names_fini(struct names *n)
{
	vim_list_fini(&n->list);
	arena_free(n->arena);
	arena_free(n->spare);
	g_hash_table_destroy(n->known);
	g_hash_table_destroy(n->coming);
}

void places_init(struct places *p)
{
	*p = (struct places){
		.places.list = { .wanted = wanted,
				 .types = G_N_ELEMENTS(wanted),
				 .view = VIM_VIEW_PLACES,
				 .objects = { .paths = paths, .object = on_place } },
		.fields.list = { .wanted = &wanted_fields,
				 .types = 1,
				 .object = fields_of,
				 .objects = { .paths = field_paths, .element = on_field } },
		.version = 1,
	};
	names_init(&p->places);
	names_init(&p->fields);
}

void places_fini(struct places *p)
{
	names_fini(&p->places);
	names_fini(&p->fields);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the names.  On a worker, one at a time; blocks on the network until the call's deadline.
 */
#include "plugins/discovery/vsphere/places.h"

#include "base/clock.h"

#define OLD_NS (600 * NS_PER_S)
#define MISSING_NS (60 * NS_PER_S)

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

static void begin_places(void *context)
{
	struct places *p = context;

	g_hash_table_remove_all(p->places);
	g_hash_table_remove_all(p->names);
	arena_reset(p->arena);
}

static void begin_fields(void *context)
{
	struct places *p = context;

	g_hash_table_remove_all(p->names);
}

static void on_place(void *context, const struct vim_object *o)
{
	struct places *p = context;
	struct place *place = ARENA_NEW(p->arena, struct place);

	if (o->value[NAME]) {
		place->type = arena_strdup(p->arena, o->type);
		place->name = arena_strdup(p->arena, o->value[NAME]);
		place->parent = arena_strdup(p->arena, o->value[PARENT]);
		g_hash_table_insert(p->places, arena_strdup(p->arena, o->id), place);
	}
}

static void on_field(void *context, unsigned path, const struct vim_element *e)
{
	struct places *p = context;

	if (e->key && e->name) {
		g_hash_table_insert(p->names, arena_strdup(p->arena, e->key),
				    arena_strdup(p->arena, e->name));
	}
}

void places_refresh(struct places *p, struct vim_client *c, bool missing,
		    const struct vmt_call *call)
{
	struct vmt_error why = { .text = "" };
	int64_t age = clock_monotonic() - p->time_ns;
	int err;

	if (p->session == vim_client_session(c) && age < OLD_NS && !(missing && age > MISSING_NS)) {
		return;
	}
	err = vim_list_read(&p->list, c, call, &why);
	if (err >= 0 && vim_client_service(c)->custom_fields) {
		p->fields.object = (struct vim_ref){ "CustomFieldsManager",
						     vim_client_service(c)->custom_fields };
		err = vim_list_read(&p->fields, c, call, &why);
	}
	if (err < 0) {
		vmt_log(VMT_LOG_WARNING,
			"%s; names of hosts, clusters, folders or attributes are left out",
			why.text);
	}
	p->session = vim_client_session(c);
	p->time_ns = clock_monotonic();
	p->version++;
}

const struct place *places_find(const struct places *p, const char *ref)
{
	return ref ? g_hash_table_lookup(p->places, ref) : NULL;
}

const char *places_field(const struct places *p, const char *number)
{
	return g_hash_table_lookup(p->names, number);
}

void places_init(struct places *p)
{
	*p = (struct places){
		.list = { .wanted = wanted,
			  .types = G_N_ELEMENTS(wanted),
			  .view = VIM_VIEW_PLACES,
			  .begin = begin_places,
			  .objects = { .paths = paths, .object = on_place, .context = p } },
		.fields = { .wanted = &wanted_fields,
			    .types = 1,
			    .view = VIM_VIEWS,
			    .begin = begin_fields,
			    .objects = { .paths = field_paths,
					 .element = on_field,
					 .context = p } },
		.arena = arena_new(16 << 10),
		.places = g_hash_table_new(g_str_hash, g_str_equal),
		.names = g_hash_table_new(g_str_hash, g_str_equal),
	};
}

void places_fini(struct places *p)
{
	vim_list_fini(&p->list);
	vim_list_fini(&p->fields);
	arena_free(p->arena);
	g_hash_table_destroy(p->places);
	g_hash_table_destroy(p->names);
}

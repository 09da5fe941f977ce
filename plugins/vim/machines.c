/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the list of machines: what is asked of each, and who counts.  On a worker, one at a time.
 */
#include "plugins/vim/machines.h"

#include <errno.h>

#define NOVA "config.extraConfig[\"nvp.vm-uuid\"].value"
#define NOVA_KEY "nvp.vm-uuid"

enum path {
	POWER,
	UUID,
	TEMPLATE,
	CONNECTION,
	ID, /* or all of extraConfig */

	NAME,
	HOST,
	PARENT,
	CPUS,
	MEMORY,
	ANNOTATION,
	CUSTOM,
	PATHS
};

#define PATHS_OF(id, ...)                                                                          \
	(const char *const[])                                                                      \
	{                                                                                          \
		[POWER] = "runtime.powerState", [UUID] = "config.instanceUuid",                    \
		[TEMPLATE] = "config.template", [CONNECTION] = "runtime.connectionState",          \
		[ID] = id, __VA_ARGS__ NULL                                                        \
	}
#define DETAILS                                                                                    \
	"name", "runtime.host", "parent", "config.hardware.numCPU", "config.hardware.memoryMB",    \
		"config.annotation", "customValue",

/* By details and whole. */
static const struct vim_wanted wanted[2][2] = {
	{ { "VirtualMachine", PATHS_OF(NOVA, ) },
	  { "VirtualMachine", PATHS_OF("config.extraConfig", ) } },
	{ { "VirtualMachine", PATHS_OF(NOVA, DETAILS) },
	  { "VirtualMachine", PATHS_OF("config.extraConfig", DETAILS) } },
};

static const struct {
	const char *word;
	enum vim_power power;
} powers[] = {
	{ "poweredOn", VIM_POWER_ON },
	{ "poweredOff", VIM_POWER_OFF },
	{ "suspended", VIM_POWER_SUSPENDED },
};

/* ------------------------------------------------------------------ what comes */

static void on_begin(void *context)
{
	struct vim_machines *m = context;

	g_array_set_size(m->found, 0);
	g_array_set_size(m->pairs, 0);
	g_hash_table_remove_all(m->ids);
	arena_reset(m->spare);
	m->nova = NULL;
	m->refused = m->strange = false;
	m->twice = NULL;
}

static void on_element(void *context, unsigned path, const struct vim_element *e)
{
	struct vim_machines *m = context;
	struct vmt_pair pair = { 0 };

	if (!e->key || !e->value) {
		return;
	}
	if (path == ID && strcmp(e->key, NOVA_KEY) == 0) {
		m->nova = arena_strdup(m->spare, e->value);
	} else if (path == CUSTOM && *e->value) {
		pair.key = arena_strdup(m->spare, e->key);
		pair.value = arena_strdup(m->spare, e->value);
		g_array_append_val(m->pairs, pair);
	}
}

/* NULL for an empty text, too. */
static const char *copy(struct vim_machines *m, const char *text)
{
	return text && *text ? arena_strdup(m->spare, text) : NULL;
}

static const struct vmt_pair *custom_of(struct vim_machines *m)
{
	struct vmt_pair *pairs;
	guint n = m->pairs->len;

	if (n == 0) {
		return NULL;
	}
	pairs = ARENA_ARRAY(m->spare, struct vmt_pair, n + 1);
	memcpy(pairs, m->pairs->data, n * sizeof(*pairs));
	g_array_set_size(m->pairs, 0);
	return pairs;
}

static enum vim_power power_of(const char *word)
{
	for (size_t i = 0; word && i < G_N_ELEMENTS(powers); i++) {
		if (strcmp(powers[i].word, word) == 0) {
			return powers[i].power;
		}
	}
	return VIM_POWER_UNKNOWN;
}

/* A server that does not tell has no other. */
static bool is_away(const char *connection)
{
	return connection && *connection && strcmp(connection, "connected") != 0;
}

/* A clone made behind Nova's back has its original's id: the last one counts, as with Ceilometer. */
static void add(struct vim_machines *m, const struct vim_machine *machine)
{
	guint at = GPOINTER_TO_UINT(g_hash_table_lookup(m->ids, machine->id));

	if (at > 0) {
		m->twice = machine->id;
		g_array_index(m->found, struct vim_machine, at - 1) = *machine;
		return;
	}
	g_array_append_val(m->found, *machine);
	g_hash_table_insert(m->ids, (char *)machine->id, GUINT_TO_POINTER(m->found->len));
}

static int64_t number_of(const char *text)
{
	return text ? g_ascii_strtoll(text, NULL, 10) : 0;
}

static void on_object(void *context, const struct vim_object *o)
{
	struct vim_machines *m = context;
	const char *id = m->whole ? m->nova : o->value[ID];
	const struct vmt_pair *custom = custom_of(m);

	m->refused |= o->refused;
	m->strange |= o->unauthenticated;
	m->nova = NULL;
	id = id && *id ? id : o->value[UUID];
	if (id && *id && g_strcmp0(o->value[TEMPLATE], "true") != 0) {
		struct vim_machine machine = { .ref = arena_strdup(m->spare, o->id),
					       .power = power_of(o->value[POWER]),
					       .away = is_away(o->value[CONNECTION]) };
		char *lower = arena_strdup(m->spare, id);

		for (char *c = lower; *c; c++) {
			*c = g_ascii_tolower(*c);
		}
		machine.id = lower;
		if (m->details) {
			machine.name = copy(m, o->value[NAME]);
			machine.host = copy(m, o->value[HOST]);
			machine.parent = copy(m, o->value[PARENT]);
			machine.annotation = copy(m, o->value[ANNOTATION]);
			machine.cpus = number_of(o->value[CPUS]);
			machine.memory_mib = number_of(o->value[MEMORY]);
			machine.custom = custom;
		}
		add(m, &machine);
	}
}

/* ------------------------------------------------------------------ all of them */

static void want(struct vim_machines *m, bool whole)
{
	m->whole = whole;
	m->list.wanted = &wanted[m->details][whole];
	m->list.objects.paths = m->list.wanted->paths;
}

/* A server that does not know keyed paths says so of the call, or of each object. */
static bool is_path_unknown(const struct vim_machines *m, const struct vim_client *c, int err)
{
	const struct vim_fault *f = vim_client_fault(c);

	return !m->whole && ((err > 0 && m->refused) ||
			     (err == -EREMOTEIO && strcmp(f->type, "InvalidProperty") == 0 &&
			      strstr(f->name, "extraConfig")));
}

static int read_once(struct vim_machines *m, struct vim_client *c, const struct vmt_call *call,
		     struct vmt_error *error)
{
	int err = vim_list_read(&m->list, c, call, error);

	if (is_path_unknown(m, c, err)) {
		want(m, true);
		err = vim_list_read(&m->list, c, call, error);
	}
	return err;
}

static void take(struct vim_machines *m, const struct vim_client *c)
{
	struct arena *old = m->arena;

	m->arena = m->spare;
	m->spare = old;
	m->count = m->found->len;
	m->machine = ARENA_ARRAY(m->arena, struct vim_machine, m->count);
	if (m->count) {
		memcpy(m->machine, m->found->data, m->count * sizeof(*m->machine));
	}
	m->version++;
	if (m->twice) {
		vmt_log(VMT_LOG_WARNING,
			"%s: several machines are instance %s, as clones are; the last one is taken for it",
			vim_client_address(c), m->twice);
	}
}

int vim_machines_read(struct vim_machines *m, struct vim_client *c, const struct vmt_call *call,
		      struct vmt_error *error)
{
	int err = read_once(m, c, call, error);

	if (err > 0 && m->strange && m->found->len == 0) { /* it shows nothing to strangers */
		vim_client_lose(c);
		m->list.digest = 0;
		err = read_once(m, c, call, error);
	}
	if (err > 0) {
		take(m, c);
	}
	return err;
}

void vim_machines_init(struct vim_machines *m, bool details)
{
	*m = (struct vim_machines){
		.details = details,
		.list = { .types = 1,
			  .view = VIM_VIEW_MACHINES,
			  .begin = on_begin,
			  .remember = true,
			  .objects = { .element = on_element, .object = on_object, .context = m } },
		.arena = arena_new(64 << 10),
		.spare = arena_new(64 << 10),
		.found = g_array_new(FALSE, FALSE, sizeof(struct vim_machine)),
		.pairs = g_array_new(FALSE, FALSE, sizeof(struct vmt_pair)),
		.ids = g_hash_table_new(g_str_hash, g_str_equal),
	};
	want(m, false);
}

void vim_machines_fini(struct vim_machines *m)
{
	vim_list_fini(&m->list);
	arena_free(m->arena);
	arena_free(m->spare);
	g_array_free(m->found, TRUE);
	g_array_free(m->pairs, TRUE);
	g_hash_table_destroy(m->ids);
}

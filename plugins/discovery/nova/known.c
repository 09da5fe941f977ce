/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the tables of what was looked up.  One thread at a time, under the lock of whoever has it (lookups.c); blocks on
 * nothing.
 */
#include "plugins/discovery/nova/known.h"

#include <string.h>

struct entry {
	char *value, *domain_id;
	bool enabled;
	bool answered; /* at asked_ns */
	int64_t asked_ns, tried_ns; /* INT64_MIN: never */
	uint64_t round; /* that it was used in last */
};

struct known {
	struct known_wants wants;
	GHashTable *entries[KNOWN_KINDS]; /* char * → struct entry * */
	struct roster *servers;
	GHashTable *server; /* id → struct server *, of these */
	uint64_t round, version;
};

static void entry_free(void *data)
{
	struct entry *e = data;

	g_free(e->value);
	g_free(e->domain_id);
	g_free(e);
}

struct known *known_new(const struct known_wants *wants)
{
	struct known *k = g_new0(struct known, 1);

	k->wants = *wants;
	k->version = 1;
	k->server = g_hash_table_new(g_str_hash, g_str_equal);
	for (int kind = 0; kind < KNOWN_KINDS; kind++) {
		k->entries[kind] =
			g_hash_table_new_full(g_str_hash, g_str_equal, g_free, entry_free);
	}
	return k;
}

void known_free(struct known *k)
{
	if (!k) {
		return;
	}
	for (int kind = 0; kind < KNOWN_KINDS; kind++) {
		g_hash_table_unref(k->entries[kind]);
	}
	g_hash_table_unref(k->server);
	roster_unref(k->servers);
	g_free(k);
}

static struct entry *find(const struct known *k, enum known_kind kind, const char *key)
{
	return key ? g_hash_table_lookup(k->entries[kind], key) : NULL;
}

static const struct server *server_of(const struct known *k, const struct vmt_instance *in)
{
	return g_hash_table_lookup(k->server, in->id);
}

/* ------------------------------------------------------------------ what is used */

static struct entry *use(struct known *k, enum known_kind kind, const char *key)
{
	struct entry *e;

	if (!key || !*key) {
		return NULL;
	}
	e = find(k, kind, key);
	if (!e) {
		e = g_new0(struct entry, 1);
		e->asked_ns = e->tried_ns = INT64_MIN;
		g_hash_table_insert(k->entries[kind], g_strdup(key), e);
	}
	e->round = k->round;
	return e;
}

/* The name of a flavor that nobody has told the id of. */
static const char *flavor_without_id(const struct known *k, const struct vmt_instance *in)
{
	const struct server *s = server_of(k, in);

	return in->has_flavor && !in->flavor.id && !(s && s->in.flavor.id) ? in->flavor.name : NULL;
}

static void use_all(struct known *k, const struct vmt_instance *in)
{
	struct entry *project;

	use(k, KNOWN_FLAVOR, flavor_without_id(k, in));
	if (k->wants.names) {
		use(k, KNOWN_USER, in->user_id);
	}
	if (k->wants.names || k->wants.enabled) {
		project = use(k, KNOWN_PROJECT, in->project_id);
		if (project && k->wants.enabled) {
			use(k, KNOWN_DOMAIN, project->domain_id);
		}
	}
}

static gboolean is_unused(gpointer key, gpointer value, gpointer data)
{
	return ((struct entry *)value)->round != ((struct known *)data)->round;
}

void known_follow(struct known *k, const struct vmt_snapshot *found)
{
	k->round++;
	for (size_t i = 0; i < found->count; i++) {
		use_all(k, &found->instances[i]);
	}
	for (int kind = 0; kind < KNOWN_KINDS; kind++) {
		g_hash_table_foreach_remove(k->entries[kind], is_unused, k);
	}
}

/* ------------------------------------------------------------------ what is due */

static bool is_due(const struct known *k, const struct entry *e, int64_t now_ns, int64_t before_ns)
{
	return e->tried_ns < before_ns &&
	       (!e->answered || now_ns - e->asked_ns >= k->wants.expiry_ns);
}

const char *known_next(const struct known *k, enum known_kind kind, int64_t now_ns,
		       int64_t before_ns)
{
	const struct entry *first = NULL;
	const char *first_key = NULL;
	gpointer key, value;
	GHashTableIter i;

	g_hash_table_iter_init(&i, k->entries[kind]);
	while (g_hash_table_iter_next(&i, &key, &value)) {
		const struct entry *e = value;

		if (is_due(k, e, now_ns, before_ns) && (!first || e->tried_ns < first->tried_ns)) {
			first = e;
			first_key = key;
		}
	}
	return first_key;
}

bool known_is_due(const struct known *k, enum known_kind kind, int64_t now_ns, int64_t before_ns)
{
	return known_next(k, kind, now_ns, before_ns) != NULL;
}

GHashTable *known_all_due(const struct known *k, enum known_kind kind, int64_t now_ns)
{
	GHashTable *due = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	gpointer key, value;
	GHashTableIter i;

	g_hash_table_iter_init(&i, k->entries[kind]);
	while (g_hash_table_iter_next(&i, &key, &value)) {
		if (is_due(k, value, now_ns, INT64_MAX)) {
			g_hash_table_insert(due, g_strdup(key), NULL);
		}
	}
	return due;
}

/* ------------------------------------------------------------------ answers */

void known_set(struct known *k, enum known_kind kind, const char *key,
	       const struct known_answer *answer, int64_t now_ns)
{
	struct entry *e = find(k, kind, key);

	if (!e) {
		return; /* whoever used it has gone meanwhile */
	}
	e->tried_ns = now_ns;
	if (!answer) {
		return;
	}
	if (g_strcmp0(e->value, answer->value) != 0 ||
	    g_strcmp0(e->domain_id, answer->domain_id) != 0 ||
	    (e->answered ? e->enabled : true) != answer->enabled) {
		k->version++;
	}
	g_free(e->value);
	g_free(e->domain_id);
	e->value = g_strdup(answer->value);
	e->domain_id = g_strdup(answer->domain_id);
	e->enabled = answer->enabled;
	e->answered = true;
	e->asked_ns = now_ns;
	if (kind == KNOWN_PROJECT && k->wants.enabled) {
		use(k, KNOWN_DOMAIN, answer->domain_id);
	}
}

void known_set_servers(struct known *k, struct roster *servers)
{
	struct roster *old = k->servers;

	k->servers = servers;
	if (servers != old) {
		g_hash_table_remove_all(k->server);
		for (size_t i = 0; servers && i < servers->count; i++) {
			struct server *s = servers->row[i].server;

			g_hash_table_replace(k->server, (gpointer)(uintptr_t)s->in.id, s);
		}
		k->version++;
	}
	roster_unref(old);
}

const struct roster *known_servers(const struct known *k)
{
	return k->servers;
}

uint64_t known_version(const struct known *k)
{
	return k->version;
}

size_t known_count(const struct known *k)
{
	size_t n = k->servers ? k->servers->count : 0;

	for (int kind = 0; kind < KNOWN_KINDS; kind++) {
		n += g_hash_table_size(k->entries[kind]);
	}
	return n;
}

/* ------------------------------------------------------------------ instances */

static bool is_disabled(const struct entry *e)
{
	return e && e->answered && !e->enabled;
}

static bool is_left_out(const struct known *k, const struct vmt_instance *in)
{
	const struct entry *project = find(k, KNOWN_PROJECT, in->project_id);

	return k->wants.enabled && project &&
	       (is_disabled(project) || is_disabled(find(k, KNOWN_DOMAIN, project->domain_id)));
}

static bool has_key(const struct vmt_pair *pairs, const char *key)
{
	for (; pairs && pairs->key; pairs++) {
		if (strcmp(pairs->key, key) == 0) {
			return true;
		}
	}
	return false;
}

static bool is_empty(const struct vmt_pair *pairs)
{
	return !pairs || !pairs->key;
}

/* What Nova has, and of what was found (a vCenter's annotation and attributes) that which Nova has not; in `room`, if it
 * is of both. */
static const struct vmt_pair *merge(const struct vmt_pair *nova, const struct vmt_pair *found,
				    GArray *room)
{
	static const struct vmt_pair last;

	if (is_empty(nova) || is_empty(found)) {
		return is_empty(nova) ? found : nova;
	}
	g_array_set_size(room, 0);
	for (const struct vmt_pair *p = nova; p->key; p++) {
		g_array_append_val(room, *p);
	}
	for (const struct vmt_pair *p = found; p->key; p++) {
		if (!has_key(nova, p->key)) {
			g_array_append_val(room, *p);
		}
	}
	g_array_append_val(room, last);
	return (const struct vmt_pair *)(void *)room->data;
}

static void add_servers_own(const struct known *k, struct vmt_instance *in, GArray *room)
{
	const struct server *s = server_of(k, in);

	if (s) {
		in->metadata = merge(s->in.metadata, in->metadata, room);
		if (in->has_flavor && !in->flavor.id) {
			in->flavor.id = s->in.flavor.id;
		}
	}
}

void known_describe(const struct known *k, const struct vmt_snapshot *found,
		    struct vmt_snapshot_builder *builder)
{
	GArray *room = g_array_new(FALSE, FALSE, sizeof(struct vmt_pair));

	for (size_t i = 0; i < found->count; i++) {
		struct vmt_instance in = found->instances[i];
		const struct entry *flavor = NULL, *user, *project;

		if (is_left_out(k, &in)) {
			continue;
		}
		add_servers_own(k, &in, room);
		if (in.has_flavor && !in.flavor.id) {
			flavor = find(k, KNOWN_FLAVOR, in.flavor.name);
		}
		in.flavor.id = flavor ? flavor->value : in.flavor.id;
		user = k->wants.names ? find(k, KNOWN_USER, in.user_id) : NULL;
		project = k->wants.names ? find(k, KNOWN_PROJECT, in.project_id) : NULL;
		in.user_name = user && user->value ? user->value : in.user_name;
		in.project_name = project && project->value ? project->value : in.project_name;
		vmt_snapshot_add(builder, &in);
	}
	g_array_free(room, TRUE);
}

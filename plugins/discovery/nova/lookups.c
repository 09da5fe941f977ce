/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what was looked up.  The asker's thread asks, and blocks on the network, until a duty's deadline; describing takes
 * what is known and blocks on nothing.
 */
#include "plugins/discovery/nova/lookups.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/clock.h"
#include "plugins/discovery/nova/asking.h"
#include "plugins/discovery/nova/known.h"

enum duty_kind { FLAVORS, IDENTITIES, DUTIES };

struct lookups {
	struct asker *asker;
	bool fetch; /* Nova's list of servers, too */
	/* below: under the asker's lock */
	struct known *known;
	struct duty duty[DUTIES];
	uint64_t seen, roster; /* the list: wanted last, known last */
	uint64_t generation, version; /* what was described last */
	uint64_t told[DUTIES + 1]; /* attempts whose failure was logged; the last is the list's */
};

/* ------------------------------------------------------------------ the asker's thread */

static int ask_flavors(void *self, const struct vmt_call *call, struct vmt_error *error)
{
	struct lookups *l = self;
	GHashTable *ids = known_all_due(l->known, KNOWN_FLAVOR, clock_monotonic());
	gpointer name, id;
	GHashTableIter i;
	int ret;

	asker_unlock(l->asker);
	ret = listing_flavor_ids(asker_listing(l->asker), ids, call, error);
	asker_lock(l->asker);
	g_hash_table_iter_init(&i, ids);
	while (ret == 0 && g_hash_table_iter_next(&i, &name, &id)) {
		const struct known_answer answer = { .value = id, .enabled = true };

		known_set(l->known, KNOWN_FLAVOR, name, &answer, clock_monotonic());
	}
	g_hash_table_unref(ids);
	return ret;
}

static int ask_identity(struct lookups *l, enum known_kind kind, const char *key,
			const struct vmt_call *call, struct vmt_error *error)
{
	struct identity_object object;
	struct known_answer answer;
	char *id = g_strdup(key);
	int ret;

	asker_unlock(l->asker);
	ret = asking_identity(asker_session(l->asker), kind, id, call, &object, error);
	asker_lock(l->asker);
	answer = (struct known_answer){ object.name, object.domain_id, object.enabled };
	known_set(l->known, kind, id, ret == 0 ? &answer : NULL, clock_monotonic());
	identity_object_fini(&object);
	g_free(id);
	return ret;
}

/* One after the other; what comes of each counts at once.  The last failure. */
static int ask_identities(void *self, const struct vmt_call *call, struct vmt_error *error)
{
	struct lookups *l = self;
	int64_t began_ns = clock_monotonic();
	int ret = 0;

	for (enum known_kind kind = KNOWN_USER; kind <= KNOWN_DOMAIN; kind++) {
		const char *key;

		while ((key = known_next(l->known, kind, began_ns, began_ns)) != NULL) {
			int one = ask_identity(l, kind, key, call, error);

			ret = one < 0 ? one : ret;
			if (!asking_goes_on(one)) {
				return ret;
			}
		}
	}
	return ret;
}

/* ------------------------------------------------------------------ the polling cycle */

static bool is_due(const struct lookups *l, enum known_kind kind)
{
	return known_is_due(l->known, kind, clock_monotonic(), INT64_MAX);
}

static void want_all(struct lookups *l, bool any)
{
	if (l->fetch && any) {
		asker_want_servers(l->asker, &l->seen);
	}
	/* Nova's list says the flavors, too */
	if ((!l->fetch || known_servers(l->known) || asker_servers(l->asker)->failures > 0) &&
	    is_due(l, KNOWN_FLAVOR)) {
		asker_want(l->asker, &l->duty[FLAVORS]);
	}
	if (is_due(l, KNOWN_USER) || is_due(l, KNOWN_PROJECT) || is_due(l, KNOWN_DOMAIN)) {
		asker_want(l->asker, &l->duty[IDENTITIES]);
	}
}

/* Adds what went wrong with a duty; it is logged once for each time.  Whether a first answer is on its way. */
static bool judge(const struct duty *d, uint64_t *told, struct vmt_error *error)
{
	if (d->error.text[0] && *told != d->ended && d->ret != -ECANCELED) {
		vmt_log(VMT_LOG_WARNING,
			"nova: %s; instances are described without it until it answers",
			d->error.text);
	}
	*told = d->ended;
	if (d->error.text[0] && !strstr(error->text, d->error.text)) {
		size_t n = strlen(error->text);

		g_snprintf(error->text + n, sizeof(error->text) - n, "%s%s", n ? "; " : "",
			   d->error.text);
	}
	return d->wanted && !d->done && d->failures == 0;
}

static bool judge_all(struct lookups *l, struct vmt_error *error)
{
	bool busy = l->fetch && judge(asker_servers(l->asker), &l->told[DUTIES], error);

	for (int kind = 0; kind < DUTIES; kind++) {
		busy |= judge(&l->duty[kind], &l->told[kind], error);
	}
	return busy;
}

static void take_servers(struct lookups *l)
{
	uint64_t version;
	struct roster *roster = asker_roster(l->asker, false, &version);

	if (l->fetch && version != l->roster) {
		l->roster = version;
		known_set_servers(l->known, roster_ref(roster));
	}
}

int lookups_describe(struct lookups *l, const struct vmt_snapshot *found,
		     struct vmt_snapshot_builder *builder, bool *ret_busy, struct vmt_error *error)
{
	bool news;

	error->text[0] = '\0';
	asker_lock(l->asker);
	asker_start(l->asker, error);
	take_servers(l);
	news = l->generation != found->generation || l->version != known_version(l->known);
	if (news) {
		known_follow(l->known, found);
		l->generation = found->generation;
		l->version = known_version(l->known);
		known_describe(l->known, found, builder);
	}
	want_all(l, found->count > 0);
	*ret_busy = judge_all(l, error);
	asker_unlock(l->asker);
	return news;
}

/* ------------------------------------------------------------------ life */

struct lookups *lookups_new(const struct nova_conf *conf, struct asker *asker)
{
	const struct known_wants wants = { .names = conf->names,
					   .enabled = conf->ignore,
					   .expiry_ns = conf->expiry_ns };
	struct lookups *l = g_new0(struct lookups, 1);

	l->asker = asker;
	l->fetch = conf->fetch && g_strcmp0(conf->method, "libvirt_metadata") == 0;
	l->known = known_new(&wants);
	l->duty[FLAVORS].ask = ask_flavors;
	l->duty[IDENTITIES].ask = ask_identities;
	for (int kind = 0; kind < DUTIES; kind++) {
		l->duty[kind].self = l;
		asker_add(asker, &l->duty[kind]);
	}
	asker_lock(asker);
	l->seen = asker_begun(asker);
	asker_unlock(asker);
	return l;
}

void lookups_free(struct lookups *l)
{
	if (!l) {
		return;
	}
	for (int kind = 0; kind < DUTIES; kind++) {
		asker_remove(l->asker, &l->duty[kind]);
	}
	known_free(l->known);
	g_free(l);
}

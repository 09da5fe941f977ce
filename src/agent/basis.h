/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the polling tasks of an endpoint stand on, beside the inspector that each has for itself: who is here, pollster
 * plugins, the settings of meters.  A reload keeps the basis while nothing of it was changed; else it makes
 * another one and new tasks on it, and the old one goes with the last of the old tasks.  Main thread.
 */
#ifndef AGENT_BASIS_H
#define AGENT_BASIS_H

#include <glib.h>

#include "agent/plan.h"
#include "model/meter.h"

struct instances;
struct plugin_object;
struct registry;

/* Who is here, by one discovery. */
struct basis_list {
	char *url; /* "name" or "name://param" */
	struct plugin_object *discovery;
	struct plugin_object *joined; /* tells more of the same instances; NULL: none */
	struct plugin_object *lookups; /* describes them; NULL: none */
	struct instances *instances;
};

enum { BASIS_LISTS = 64 };

struct basis {
	struct plan *plan; /* whose strings `settings` has */
	const struct endpoint *endpoint; /* of that plan */
	char *host; /* what `settings` has of it where that is not the plan's */
	struct meter_settings settings;
	size_t lists; /* at least 1 */
	struct basis_list *list; /* the first is of the endpoint's own discovery */
	GPtrArray *pollsters; /* struct plugin_object *, NULL-terminated */
	uint64_t fingerprint;
	unsigned refs;
};

/* Of what the plan would make: equal numbers, equal basis (and equal inspectors).  -ENOENT or -EINVAL with
 * the reason when it could not. */
int basis_fingerprint(struct registry *registry, const struct plan *plan,
		      const struct endpoint *endpoint, uint64_t *ret_fingerprint,
		      struct vmt_error *error);
/* -errno with the reason; a pollster that cannot be opened is left out with a problem. */
int basis_new(struct registry *registry, struct plan *plan, const struct endpoint *endpoint,
	      struct problems *problems, struct basis **ret_basis, struct vmt_error *error);
/* The list that a source's discovery means, or -ENOENT: there is no such discovery, it is left out. */
int basis_find_list(const struct basis *basis, const char *url);
/* Whether a source's discovery is the affair of another endpoint of the plan: its own, or, as other discoveries are the
 * first endpoint's, any. */
bool basis_is_elsewhere(const struct plan *plan, const struct basis *basis, const char *url);
/* Distinct discoveries of the sources that are no endpoint's own: their first places.  How many;
 * BASIS_LISTS: one more than are taken. */
size_t basis_other_discoveries(const struct polling *polling, const struct endpoints *endpoints,
			       const struct polling_text *ret_text[BASIS_LISTS]);
/* "name://param" taken apart; the name is to be freed. */
char *basis_split_url(const char *url, const char **ret_param);
struct basis *basis_ref(struct basis *basis);
void basis_unref(struct basis *basis); /* NULL is fine */

#endif

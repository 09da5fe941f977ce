/* SPDX-License-Identifier: Apache-2.0 */
/* The instances of a polling task, from several discoveries.  On the task's thread. */
#include "agent/gather.h"

#include <glib.h>
#include <string.h>

#define LOG_NAME "discovery"
#include "agent/instances.h"
#include "agent/sharing.h"
#include "base/log.h"
#include "model/snapshot.h"

struct gather {
	struct snapshot *snapshot; /* in use */
	GArray *scopes; /* uint64_t, per instance of it */
	bool whole; /* all instances are in all scopes */
	/* what the snapshot was put together from */
	const struct gather_plan *plan;
	uint64_t generation[GATHER_SCOPES], shared;
	struct snapshot *
		whole_list[GATHER_SCOPES]; /* the lists as they were found, where they are shared */
	struct shares *shares; /* NULL: all is ours */
	bool host_is_ours;
};

struct gather *gather_new(void)
{
	struct gather *g = g_new0(struct gather, 1);

	g->scopes = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	return g;
}

void gather_free(struct gather *gather)
{
	if (!gather) {
		return;
	}
	for (size_t l = 0; l < GATHER_SCOPES; l++) {
		snapshot_unref(gather->whole_list[l]);
	}
	shares_unref(gather->shares);
	snapshot_unref(gather->snapshot);
	g_array_unref(gather->scopes);
	g_free(gather);
}

/* ---- membership */

static bool is_named(const char *const *resources, const struct vmt_instance *in)
{
	for (; resources && *resources; resources++) {
		if (strcmp(*resources, in->id) == 0 || g_strcmp0(*resources, in->name) == 0 ||
		    g_strcmp0(*resources, in->display_name) == 0) {
			return true;
		}
	}
	return false;
}

/* The lists that the scope uses now. */
static uint64_t lists_of(const struct gather_scope *scope, const struct gather_plan *plan,
			 struct snapshot *const *list)
{
	size_t found = 0;

	if (scope->resources || scope->host || (scope->elsewhere && !scope->lists)) {
		return scope->lists;
	}
	for (size_t l = 0; l < plan->lists; l++) {
		found += scope->lists >> l & 1 && list[l] ? list[l]->list.count : 0;
	}
	return found > 0 ? scope->lists : 1;
}

static bool is_ours(const struct gather *g, unsigned group, const char *key)
{
	return !g->shares || shares_own(g->shares, group, key);
}

/* Adds the instance's scopes; 0 when nobody looks at it, or others do. */
static uint64_t scopes_of(const struct gather *g, const struct gather_plan *plan,
			  struct snapshot *const *list, const uint64_t *lists,
			  const struct vmt_instance *in)
{
	bool ours = is_ours(g, SHARING_INSTANCES, in->id);
	uint64_t in_lists = 0, scopes = 0;

	for (size_t l = 0; l < plan->lists; l++) {
		in_lists |= (uint64_t)(list[l] && snapshot_find(list[l], in->id) >= 0) << l;
	}
	for (size_t s = 0; s < plan->scopes; s++) {
		bool named = in_lists & 1 && is_named(plan->scope[s].resources, in) &&
			     is_ours(g, plan->scope[s].group, in->id);

		scopes |= (uint64_t)(named || (ours && in_lists & lists[s])) << s;
	}
	return scopes;
}

/* ---- the list */

static void put_together(struct gather *g, const struct gather_plan *plan,
			 struct snapshot *const *list)
{
	struct vmt_snapshot_builder *builder = snapshot_builder_new(0);
	uint64_t lists[GATHER_SCOPES];
	struct snapshot *fresh;
	int64_t time_ns = 0;

	g_array_set_size(g->scopes, 0);
	for (size_t s = 0; s < plan->scopes; s++) {
		lists[s] = lists_of(&plan->scope[s], plan, list);
	}
	for (size_t l = 0; l < plan->lists; l++) {
		for (size_t i = 0; list[l] && i < list[l]->list.count; i++) {
			const struct vmt_instance *in = &list[l]->list.instances[i];
			uint64_t scopes = scopes_of(g, plan, list, lists, in);

			if (scopes && vmt_snapshot_add(builder, in) == 0) {
				g_array_append_val(g->scopes, scopes);
			}
		}
		time_ns = list[l] ? MAX(time_ns, list[l]->list.time_ns) : time_ns;
		g->generation[l] = list[l] ? list[l]->list.generation : 0;
	}
	g->shared = shares_generation(g->shares);
	fresh = snapshot_builder_finish(builder, g->snapshot, time_ns);
	snapshot_unref(g->snapshot);
	g->snapshot = fresh;
	g->plan = plan;
}

static bool is_same(const struct gather *g, const struct gather_plan *plan,
		    struct snapshot *const *list)
{
	for (size_t l = 0; l < plan->lists; l++) {
		if (g->generation[l] != (list[l] ? list[l]->list.generation : 0)) {
			return false;
		}
	}
	return g->snapshot && g->plan == plan && !g->whole &&
	       g->shared == shares_generation(g->shares);
}

static bool is_simple(const struct gather_plan *plan)
{
	return plan->lists == 1 && plan->scopes == 1 && !plan->scope[0].resources &&
	       !plan->scope[0].elsewhere && !plan->sharing;
}

/* What is shared now, and the lists as they are before that. */
static void look_at_shares(struct gather *g, const struct gather_plan *plan,
			   struct snapshot *const *list)
{
	shares_unref(g->shares);
	g->shares = plan->sharing ? sharing_get(plan->sharing) : NULL;
	g->host_is_ours = !g->shares || shares_own(g->shares, SHARING_HOST, plan->host);
	for (size_t l = 0; l < GATHER_SCOPES; l++) {
		snapshot_unref(g->whole_list[l]);
		g->whole_list[l] = g->shares && l < plan->lists && list[l] ? snapshot_ref(list[l])
									   : NULL;
	}
}

struct snapshot *gather_run(struct gather *g, const struct gather_plan *plan,
			    const struct vmt_call *call, struct vmt_error *error)
{
	struct snapshot *list[GATHER_SCOPES] = { NULL };
	size_t found = 0;

	for (size_t l = 0; l < plan->lists; l++) {
		list[l] = instances_get(plan->list[l], call, error);
		found += list[l] != NULL;
		if (!list[l] && plan->lists > 1) {
			log_warn("Unable to discover resources: %s; going on without this list",
				 error->text);
		}
	}
	if (found == 0) {
		return NULL;
	}
	error->text[0] = '\0';
	look_at_shares(g, plan, list);
	if (is_simple(plan)) {
		snapshot_unref(g->snapshot);
		g->snapshot = list[0];
		g->whole = true;
		return snapshot_ref(g->snapshot);
	}
	if (!is_same(g, plan, list)) {
		put_together(g, plan, list);
	}
	g->whole = false;
	for (size_t l = 0; l < plan->lists; l++) {
		snapshot_unref(list[l]);
	}
	return snapshot_ref(g->snapshot);
}

const uint64_t *gather_scopes(const struct gather *gather)
{
	return gather->whole ? NULL : (const uint64_t *)(const void *)gather->scopes->data;
}

bool gather_host(const struct gather *gather)
{
	return gather->host_is_ours;
}

bool gather_elsewhere(const struct gather *gather, const char *id)
{
	bool found = false;

	for (size_t l = 0; l < GATHER_SCOPES && !found; l++) {
		found = gather->whole_list[l] && snapshot_find(gather->whole_list[l], id) >= 0;
	}
	return found;
}

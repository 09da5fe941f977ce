/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Discovery "nova": the instances that Nova has on this host, and what Keystone and Nova know more of those that others
 * have found.  Shared object, for libcurl.  They are asked by a thread of their own (asker.h); a polling cycle gets what is
 * there, and only the very first list is waited for a little.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "asker.h"
#include "base/clock.h"
#include "lookups.h"
#include "options.h"

#define FIRST_WAIT_NS (5 * NS_PER_S) /* for the first answer of all, at most */

/* Whether those in error are in the list. */
enum { METERED, ALL, PARAMS };

/* An object lists or describes: what the one needs is idle while it does the other. */
struct nova {
	struct asker *asker;
	struct lookups *lookups;
	bool lists; /* it was asked for a list */
	uint64_t seen; /* as asker_want_servers() has it */
	struct {
		uint64_t version, attempts;
	} told[PARAMS];
};

/* What is new since this param was told.  Locked. */
static int tell(struct nova *n, int param, struct vmt_snapshot_builder *builder,
		struct vmt_error *error)
{
	const struct duty *d = asker_servers(n->asker);
	bool news = n->told[param].attempts != d->ended;
	uint64_t version;
	struct roster *roster = asker_roster(n->asker, true, &version);

	if (roster && n->told[param].version != version) {
		n->told[param].version = version;
		n->told[param].attempts = d->ret == 0 ? d->ended : n->told[param].attempts;
		roster_list(roster, param == ALL, builder);
		return 1;
	}
	n->told[param].attempts = d->ended;
	if (!news || (!roster && d->ret == 0)) {
		return vmt_error_set(error, -EAGAIN, "%s",
				     d->error.text[0] || roster ? d->error.text
								: "nova: no answer yet");
	}
	if (d->ret < 0) {
		*error = d->error;
	}
	return d->ret == -EAGAIN ? -EBUSY : d->ret;
}

static int nova_discover(void *self, const char *param, struct vmt_snapshot_builder *builder,
			 const struct vmt_call *call, struct vmt_error *error)
{
	struct nova *n = self;
	int64_t until_ns = MIN(call->deadline_ns, clock_monotonic() + FIRST_WAIT_NS);
	int which = strcmp(param, "all") == 0 ? ALL : METERED;
	int ret;

	if (which == METERED && *param) {
		return vmt_error_set(
			error, -EINVAL,
			"nova://%s: there is no such list; write nova:// or nova://all", param);
	}
	asker_lock(n->asker);
	if (!n->lists) {
		n->lists = true;
		asker_want_objects(n->asker, true);
	}
	ret = asker_start(n->asker, error);
	if (ret == 0) {
		asker_want_servers(n->asker, &n->seen);
		while (asker_is_new(n->asker) && !atomic_load(call->cancel) &&
		       asker_wait(n->asker, until_ns) == 0) {
		}
		ret = tell(n, which, builder, error);
	}
	asker_unlock(n->asker);
	return ret;
}

static int nova_describe(void *self, const struct vmt_snapshot *found,
			 struct vmt_snapshot_builder *builder, bool *ret_busy,
			 struct vmt_error *error)
{
	struct nova *n = self;

	return lookups_describe(n->lookups, found, builder, ret_busy, error);
}

static int nova_open(const void *configuration, void **ret_self, struct vmt_error *error)
{
	const struct nova_conf *conf = configuration;
	struct asker *asker;
	struct nova *n;
	int ret = asker_get(conf, &asker, error);

	if (ret < 0) {
		return ret;
	}
	n = g_new0(struct nova, 1);
	n->asker = asker;
	n->lookups = lookups_new(conf, asker);
	asker_lock(asker);
	n->seen = asker_begun(asker);
	asker_unlock(asker);
	*ret_self = n;
	return 0;
}

static void nova_close(void *self)
{
	struct nova *n = self;

	if (!n) {
		return;
	}
	lookups_free(n->lookups);
	if (n->lists) {
		asker_lock(n->asker);
		asker_want_objects(n->asker, false);
		asker_unlock(n->asker);
	}
	asker_put(n->asker);
	g_free(n);
}

static const struct vmt_discovery_ops ops = {
	.open = nova_open,
	.discover = nova_discover,
	.close = nova_close,
	.describe = nova_describe,
};

VMT_PLUGIN(discovery, nova) = {
	NOVA_PLUGIN,
	.ops.discovery = &ops,
};

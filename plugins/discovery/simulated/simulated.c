/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Discovery "simulated": lists who lives in the simulated world now.  Owns what each `param` was told last.
 * Runs on a worker of the host; blocks on nothing.
 */
#include "base/clock.h"
#include "plugins/simulated/world.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

/* What was told for one `param`. */
struct told {
	struct told *next;
	char *param;
	int64_t time_ns, until_ns; /* the list holds between them */
};

struct discovery {
	struct world *world;
	struct told *told;
};

static int discovery_open(const void *conf, void **ret_self, struct vmt_error *error)
{
	struct discovery *d = g_new0(struct discovery, 1);
	int err = world_open(conf, &d->world, error);

	if (err < 0) {
		g_free(d);
		return err;
	}
	*ret_self = d;
	return 0;
}

static void discovery_close(void *self)
{
	struct discovery *d = self;

	if (!d) {
		return;
	}
	while (d->told) {
		struct told *t = d->told;

		d->told = t->next;
		g_free(t->param);
		g_free(t);
	}
	world_close(d->world);
	g_free(d);
}

/* A new one holds at no time. */
static struct told *told_for(struct discovery *d, const char *param)
{
	struct told *t = d->told;

	while (t && strcmp(t->param, param) != 0) {
		t = t->next;
	}
	if (!t) {
		t = g_new0(struct told, 1);
		t->param = g_strdup(param);
		t->next = d->told;
		d->told = t;
	}
	return t;
}

static int list(const struct world *world, int64_t now, struct vmt_snapshot_builder *builder,
		struct vmt_error *error)
{
	struct actor actor;

	for (uint32_t slot = 0; slot < world_conf(world)->instances; slot++) {
		int err = world_actor(world, slot, now, &actor);

		err = err == -ENOENT ? 0 : world_describe(world, &actor, builder);
		if (err < 0) {
			return vmt_error_set(error, err, "simulated: instance %u: %s", slot,
					     g_strerror(-err));
		}
	}
	return 1;
}

static int discovery_discover(void *self, const char *param, struct vmt_snapshot_builder *builder,
			      const struct vmt_call *call, struct vmt_error *error)
{
	struct discovery *d = self;
	int64_t now = clock_real();
	struct told *told;
	int ret;

	if (script_state(world_script(d->world), 0, now) & SCRIPT_BIT(SCRIPT_BLIND)) {
		return vmt_error_set(error, -ECONNREFUSED, "simulated: the script says blind");
	}
	told = told_for(d, param);
	if (now >= told->time_ns && now < told->until_ns) {
		return 0;
	}
	ret = list(d->world, now, builder, error);
	if (ret > 0) {
		told->time_ns = now;
		told->until_ns = world_next_change(d->world, now);
	}
	return ret;
}

static const struct vmt_discovery_ops ops = {
	.open = discovery_open,
	.discover = discovery_discover,
	.close = discovery_close,
};

VMT_PLUGIN(discovery, simulated) = {
	.abi = VMT_ABI,
	.ns = VMT_DISCOVERY,
	.name = "simulated",
	.version = "0",
	.help = "Instances that exist only here: for demonstrations, load and tests.",
	.options = simulated_options,
	.conf_size = sizeof(struct simulated_conf),
	.ops.discovery = &ops,
};

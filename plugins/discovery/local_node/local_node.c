/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The discovery local_node: this host itself.  It has no instances; what is polled for a source that names it, the
 * host's own meters, is the agent's affair (src/agent/work.c).  A polling task's thread; blocks on nothing.
 */
#include <glib.h>
#include <virtmeter/plugin.h>

struct local_node {
	bool told; /* the empty list does not change */
};

static int local_node_open(const void *conf, void **ret_self, struct vmt_error *error)
{
	(void)conf;
	(void)error;
	*ret_self = g_new0(struct local_node, 1);
	return 0;
}

static int local_node_discover(void *self, const char *param, struct vmt_snapshot_builder *builder,
			       const struct vmt_call *call, struct vmt_error *error)
{
	struct local_node *l = self;
	int fresh = !l->told;

	(void)param;
	(void)builder;
	(void)call;
	(void)error;
	l->told = true;
	return fresh;
}

static const struct vmt_discovery_ops local_node_ops = {
	.open = local_node_open,
	.discover = local_node_discover,
	.close = g_free,
};

VMT_PLUGIN(discovery, local_node) = {
	.abi = VMT_ABI,
	.ns = VMT_DISCOVERY,
	.name = "local_node",
	.version = VIRTMETER_VERSION,
	.help = "This host itself, for its own meters (vm.host.*).",
	.ops.discovery = &local_node_ops,
};

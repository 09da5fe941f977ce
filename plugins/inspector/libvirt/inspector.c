/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inspector "libvirt": one bulk call for all instances (or a few lists), through callers that can be lost.  Runs
 * on a worker of the host, one inspect() at a time; blocks until the call's deadline.
 *
 * Questions to the hypervisor per cycle in steady state: one (parallel_calls or the message limit: one per
 * list), none for XML, none for the sizes of disks that stat() sees; block info for others at an interval
 * of its own (usage.h).
 */
#include "plugins/inspector/gives.h"
#include "plugins/inspector/libvirt/cycle.h"
#include "plugins/libvirt/connection.h"
#include "plugins/libvirt/options.h"
#include "plugins/libvirt/uri.h"

#include <glib.h>

struct inspector_conf {
	struct libvirt_conf libvirt;
	struct cycle_conf cycle;
};

static const char *const readings[] = { "hybrid", "libvirt", NULL };

static const struct vmt_option options[] = {
	LIBVIRT_OPTIONS(inspector_conf),
	{ .group = "virtmeter",
	  .name = "parallel_calls",
	  .type = VMT_OPT_INT,
	  .offset = offsetof(struct inspector_conf, cycle.parallel),
	  .def = "1",
	  .min = 1,
	  .max = CYCLE_PARALLEL_MAX,
	  .help = "Connections over which the reading of all instances is spread." },
	{ .group = "virtmeter",
	  .name = "call_timeout",
	  .type = VMT_OPT_SECONDS,
	  .offset = offsetof(struct inspector_conf, cycle.timeout_ns),
	  .def = "0",
	  .max = 3600,
	  .min = 0,
	  .help = "For how long an instance's monitor may be busy before the instance counts as stuck and is left out of "
		  "the calls for all; 0: a quarter of the interval, but 1 to 5 s (30 s at least for the first call "
		  "after its start)." },
	{ .group = "virtmeter",
	  .name = "hanging_calls",
	  .type = VMT_OPT_INT,
	  .offset = offsetof(struct inspector_conf, cycle.hanging),
	  .def = "6",
	  .min = 1,
	  .max = CYCLE_HANGING_MAX,
	  .help = "Calls that may hang at a time on instances that do not answer, of libvirtd's 20 workers; with "
		  "parallel_calls never more than 10 together.  One more may, of an instance that stops answering "
		  "when so many hang already." },
	{ .group = "virtmeter",
	  .name = "block_info_interval",
	  .type = VMT_OPT_SECONDS,
	  .offset = offsetof(struct inspector_conf, cycle.info_interval_ns),
	  .def = "600",
	  .min = 1,
	  .max = 86400,
	  .help = "How often libvirt is asked for the allocation and physical size of a disk that cannot be looked at "
		  "directly: one call per disk, at most 16 in a cycle." },
	{ .group = "virtmeter",
	  .name = "readings",
	  .type = VMT_OPT_STRING,
	  .offset = offsetof(struct inspector_conf, cycle.readings),
	  .def = "hybrid",
	  .choices = readings,
	  .help = "Where CPU, vCPU and network counters come from: hybrid reads them from the host's kernel wherever "
		  "that is proven to say the same as libvirt, libvirt asks libvirt for everything." },
	{ 0 },
};

static int inspector_open(const void *configuration, void **ret_self, struct vmt_error *error)
{
	const struct inspector_conf *conf = configuration;

	libvirt_prepare();
	*ret_self = cycle_new(uri_choose(conf->libvirt.uri, conf->libvirt.type),
			      conf->libvirt.read_write, &conf->cycle);
	return 0;
}

static int inspector_inspect(void *self, const struct vmt_snapshot *instances,
			     const struct vmt_inspect_request *request, struct vmt_inspection *out,
			     const struct vmt_call *call, struct vmt_error *error)
{
	return cycle_run(self, instances, request, out, call, error);
}

static void inspector_watch(void *self, vmt_life_fn changed, void *context)
{
	cycle_watch(self, changed, context);
}

static void inspector_close(void *self)
{
	cycle_free(self);
}

static const struct vmt_inspector_ops ops = {
	.open = inspector_open,
	.inspect = inspector_inspect,
	.close = inspector_close,
	.watch = inspector_watch,
};

/* All but what is a hypervisor's own word for a rate or an average. */
const struct inspector_gives libvirt_gives = {
	.fields = ((UINT64_C(1) << VMT_FIELDS) - 1) &
		  ~(UINT64_C(1) << VMT_F_MEM_USED | UINT64_C(1) << VMT_F_CPU_UTIL),
	.disk = (1U << VMT_D_READ_BYTES_RATE) - 1,
	.nic = (1U << VMT_N_RX_BYTES_RATE) - 1,
};

VMT_PLUGIN(inspector, libvirt) = {
	.abi = VMT_ABI,
	.ns = VMT_INSPECTOR,
	.name = "libvirt",
	.version = "0",
	.help = "Reads all domains of a libvirt hypervisor with one call per cycle.",
	.options = options,
	.conf_size = sizeof(struct inspector_conf),
	.ops.inspector = &ops,
};

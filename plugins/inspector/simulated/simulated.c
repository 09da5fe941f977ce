/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inspector "simulated": reads the instances of the simulated world.  Owns what stays the same of each
 * instance of the snapshot it saw last (the bodies), made anew when the snapshot or the world changes; in
 * between a call takes no memory.  Runs on a worker of the host; blocks only where the script says "slow".
 */
#include "base/clock.h"
#include "base/wait.h"
#include "plugins/inspector/gives.h"
#include "plugins/inspector/simulated/body.h"

#include <errno.h>
#include <glib.h>

#define NAP_NS (50 * NS_PER_MS)

struct inspector {
	struct world *world;
	struct arena *arena,
		*before; /* devices of the last readings stay until the next have been made */
	struct body *body;
	size_t count;
	uint64_t generation;
	int64_t made_ns, until_ns; /* the bodies hold between them */
};

static int inspector_open(const void *conf, void **ret_self, struct vmt_error *error)
{
	struct inspector *in = g_new0(struct inspector, 1);
	int err = world_open(conf, &in->world, error);

	if (err < 0) {
		g_free(in);
		return err;
	}
	in->arena = arena_new(64 << 10);
	in->before = arena_new(64 << 10);
	*ret_self = in;
	return 0;
}

static void inspector_close(void *self)
{
	struct inspector *in = self;

	if (in) {
		arena_free(in->arena);
		arena_free(in->before);
		world_close(in->world);
		g_free(in);
	}
}

static void make_bodies(struct inspector *in, const struct vmt_snapshot *snapshot, int64_t now)
{
	struct arena *arena = in->before;
	struct actor actor;

	in->before = in->arena;
	in->arena = arena;
	arena_reset(arena);
	in->count = snapshot->count;
	in->body = ARENA_ARRAY(arena, struct body, in->count);
	for (size_t i = 0; i < in->count; i++) {
		if (world_find(in->world, snapshot->instances[i].id, now, &actor) == 0) {
			body_make(&in->body[i], &actor, world_conf(in->world), arena);
		}
	}
	in->generation = snapshot->generation;
	in->made_ns = now;
	in->until_ns = world_next_change(in->world, now);
}

/* Takes its time, as far as it may.  0, or why it stopped. */
static int be_slow(int64_t ns, const struct vmt_call *call)
{
	int64_t end = clock_monotonic() + ns;

	while (clock_monotonic() < end) {
		if (atomic_load(call->cancel)) {
			return -ECANCELED;
		}
		if (clock_monotonic() >= call->deadline_ns) {
			return -ETIMEDOUT;
		}
		wait_sleep(MIN(NAP_NS, MIN(end, call->deadline_ns) - clock_monotonic()));
	}
	return 0;
}

static int all_unreachable(struct vmt_inspection *out, int err, const char *why,
			   struct vmt_error *error)
{
	for (size_t i = 0; i < out->count; i++) {
		out->reading[i].outcome = VMT_UNREACHABLE;
	}
	return vmt_error_set(error, err, "simulated: %s", why);
}

/* The outcome by the script, or VMT_OK. */
static enum vmt_outcome outcome_of(const struct body *body, unsigned faults)
{
	static const struct {
		enum script_verb verb;
		enum vmt_outcome outcome;
	} table[] = {
		{ SCRIPT_UNREACHABLE, VMT_UNREACHABLE },
		{ SCRIPT_VANISH, VMT_GONE },
		{ SCRIPT_STUCK, VMT_STUCK },
		{ SCRIPT_PARTIAL, VMT_PARTIAL },
	};

	if (!body->known) {
		return VMT_GONE;
	}
	for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
		if (faults & SCRIPT_BIT(table[i].verb) &&
		    (table[i].verb != SCRIPT_PARTIAL || !body->actor.stopped)) {
			return table[i].outcome;
		}
	}
	return body->actor.stopped ? VMT_STOPPED : VMT_OK;
}

static void read_one(const struct body *body, unsigned faults, struct look look, bool stopped,
		     struct vmt_inspection *out, size_t i)
{
	enum vmt_outcome outcome = outcome_of(body, faults);

	out->reading[i].outcome = outcome;
	look.reverse = faults & SCRIPT_BIT(SCRIPT_SHUFFLE);
	if (outcome == VMT_PARTIAL) {
		look.groups &= ~(unsigned)(VMT_GROUP_MEMORY | VMT_GROUP_DISK_USAGE);
	}
	if (outcome == VMT_OK || outcome == VMT_PARTIAL) {
		body_read(body, &look, out, i);
	} else if (outcome == VMT_STOPPED && stopped) {
		body_read_stopped(body, &look, out, i);
	}
}

static int inspector_inspect(void *self, const struct vmt_snapshot *instances,
			     const struct vmt_inspect_request *request, struct vmt_inspection *out,
			     const struct vmt_call *call, struct vmt_error *error)
{
	struct inspector *in = self;
	const struct script *script = world_script(in->world);
	const struct simulated_conf *conf = world_conf(in->world);
	int64_t now = clock_real();
	struct look look = { .groups = request->groups, .perf = conf->perf, .rates = conf->rates };
	int err = be_slow(script_slow(script, now), call);

	out->calls++;
	if (err < 0) {
		return all_unreachable(out, err, "gave up waiting; the script says slow", error);
	}
	now = clock_real();
	if (script_state(script, 0, now) & SCRIPT_BIT(SCRIPT_DOWN)) {
		return all_unreachable(out, -ECONNREFUSED, "the script says down", error);
	}
	if (instances->generation != in->generation || now < in->made_ns || now >= in->until_ns) {
		make_bodies(in, instances, now);
	}
	look.now_ns = now;
	look.stamp = vmt_inspection_stamp(out, (struct vmt_stamp){ .time_ns = now,
								   .mono_ns = clock_monotonic(),
								   .source = "simulated" });
	for (size_t i = 0; i < in->count; i++) {
		const struct body *body = &in->body[i];

		read_one(body, script_state(script, body->actor.slot, now), look, request->stopped,
			 out, i);
	}
	return 0;
}

static const struct vmt_inspector_ops ops = {
	.open = inspector_open,
	.inspect = inspector_inspect,
	.close = inspector_close,
};

/* All but what the kernel says of a process, and of monitors that hang. */
const struct inspector_gives simulated_gives = {
	.fields = ((UINT64_C(1) << VMT_F_IO_READ_BYTES) - 1) &
		  ~(UINT64_C(1) << VMT_F_MONITOR_LATENCY),
	.disk = (1U << VMT_DISK_FIELDS) - 1,
	.nic = (1U << VMT_NIC_FIELDS) - 1,
};

VMT_PLUGIN(inspector, simulated) = {
	.abi = VMT_ABI,
	.ns = VMT_INSPECTOR,
	.name = "simulated",
	.version = "0",
	.help = "Lively counters of instances that exist only here: for demonstrations, load and tests.",
	.options = simulated_options,
	.conf_size = sizeof(struct simulated_conf),
	.ops.inspector = &ops,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inspector "hyperv": the machines of a Hyper-V host, over WS-Management.  Shared object, for libcurl and the
 * GSS-API.  Runs on a worker of the host; blocks on the network until the call's deadline.
 */
#include "plugins/hyperv/rest.h"
#include "plugins/inspector/hyperv/options.h"
#include "plugins/inspector/hyperv/readings.h"

#include <errno.h>

struct inspector {
	struct collector collector;
	struct arena *arena,
		*before; /* devices of the last readings stay until the next have been made */
	struct told told;
	struct backoff rest;
	bool microseconds;
};

static int inspector_open(const void *configuration, void **ret_self, struct vmt_error *error)
{
	const struct inspector_conf *conf = configuration;
	struct wsman_client *client;
	struct inspector *in;
	int err = hyperv_client_new(&conf->hyperv, &client, error);

	if (err < 0) {
		return err;
	}
	in = g_new0(struct inspector, 1);
	collector_init(&in->collector, client);
	in->arena = arena_new(256 << 10);
	in->before = arena_new(256 << 10);
	told_init(&in->told, wsman_session_address(wsman_client_session(client)));
	in->microseconds = g_strcmp0(conf->cpu_time_unit, inspector_units[1]) == 0;
	*ret_self = in;
	return 0;
}

static void inspector_close(void *self)
{
	struct inspector *in = self;

	if (in) {
		collector_fini(&in->collector);
		arena_free(in->arena);
		arena_free(in->before);
		told_fini(&in->told);
		g_free(in);
	}
}

static struct arena *turn_arenas(struct inspector *in)
{
	struct arena *arena = in->before;

	in->before = in->arena;
	in->arena = arena;
	arena_reset(arena);
	return arena;
}

static void all_unreachable(struct vmt_inspection *out, const struct vmt_inspect_request *request)
{
	for (size_t i = 0; i < out->count; i++) {
		if (!request->only || request->only[i]) {
			out->reading[i].outcome = VMT_UNREACHABLE;
		}
	}
}

static int inspector_inspect(void *self, const struct vmt_snapshot *instances,
			     const struct vmt_inspect_request *request, struct vmt_inspection *out,
			     const struct vmt_call *call, struct vmt_error *error)
{
	struct inspector *in = self;
	struct collector *c = &in->collector;
	uint64_t before = wsman_client_requests(c->client);
	struct vmt_error why = { .text = "" };
	struct join join;
	int err;

	if (request->kernel || request->final) { /* there is nothing but the host to ask */
		return 0;
	}
	err = hyperv_rest_check(&in->rest, in->told.address, &why);
	if (err == 0) {
		err = collector_run(c, request->groups, turn_arenas(in), call, &why);
		hyperv_rest_note(&in->rest, err);
	}
	out->calls += wsman_client_requests(c->client) - before;
	vmt_inspection_call(out, "enumerate", c->slowest_ns);
	if (err < 0) {
		all_unreachable(out, request);
		return vmt_error_set(error, err, "hyperv %s", why.text);
	}
	if (c->partial) {
		vmt_log(VMT_LOG_WARNING, "%s; meters that need it are left out", why.text);
	}
	join_run(&join, &c->host, c->table, in->arena);
	readings_make(&(struct readings){ .instances = instances,
					  .request = request,
					  .collector = c,
					  .join = &join,
					  .arena = in->arena,
					  .microseconds = in->microseconds,
					  .told = &in->told,
					  .out = out });
	return 0;
}

static const struct vmt_inspector_ops ops = {
	.open = inspector_open,
	.inspect = inspector_inspect,
	.close = inspector_close,
};

VMT_PLUGIN(inspector, hyperv) = {
	HYPERV_INSPECTOR,
	.ops.inspector = &ops,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last good list of instances.  Called from poll workers; the one that asks may block inside the
 * discovery until its deadline, the others wait here, until theirs, only while there is no list yet.
 */
#include "agent/instances.h"

#include <errno.h>
#include <glib.h>

#define LOG_NAME "discovery"
#include "base/clock.h"
#include "base/log.h"
#include "base/wait.h"
#include "model/snapshot.h"

struct instances {
	char *name, *param;
	const struct vmt_discovery_ops *ops;
	void *self;
	struct wait wait;
	/* below: under `wait` */
	bool asking;
	struct vmt_snapshot_builder *builder; /* the asker's, kept while nothing changes */
	struct snapshot *current;
	int64_t confirmed_ns; /* CLOCK_REALTIME of the last good answer */
	struct vmt_error error; /* of the last question; "" after a good one */
};

struct instances *instances_new(const char *name, const char *param,
				const struct vmt_discovery_ops *ops, void *self)
{
	struct instances *in = g_new0(struct instances, 1);

	in->name = g_strdup(name);
	in->param = g_strdup(param);
	in->ops = ops;
	in->self = self;
	wait_init(&in->wait);
	return in;
}

void instances_free(struct instances *instances)
{
	if (!instances) {
		return;
	}
	snapshot_builder_free(instances->builder);
	snapshot_unref(instances->current);
	wait_fini(&instances->wait);
	g_free(instances->name);
	g_free(instances->param);
	g_free(instances);
}

/* Locked on entry and exit; not while the plugin is called. */
static void ask(struct instances *in, const struct vmt_call *call)
{
	struct vmt_error error = { .text = "" };
	struct snapshot *old = NULL, *fresh = NULL;
	int ret;

	in->asking = true;
	wait_unlock(&in->wait);
	if (!in->builder) {
		in->builder = snapshot_builder_new(0);
	}
	ret = in->ops->discover(in->self, in->param, in->builder, call, &error);
	if (ret == 1) {
		fresh = snapshot_builder_finish(in->builder, in->current, clock_real());
		in->builder = NULL;
	}
	if (ret < 0) {
		snapshot_builder_free(in->builder);
		in->builder = NULL;
		if (error.text[0] == '\0') {
			vmt_error_set(&error, ret, "%s: %s", in->name, g_strerror(-ret));
		}
		log_warn("%s; keeping the last list of instances", error.text);
	}
	wait_lock(&in->wait);
	in->error = error;
	if (fresh) {
		old = in->current;
		in->current = fresh;
	}
	if (ret >= 0) {
		in->confirmed_ns = clock_real();
	}
	in->asking = false;
	wait_unlock(&in->wait);
	wait_wake(&in->wait);
	snapshot_unref(old);
	wait_lock(&in->wait);
}

struct snapshot *instances_get(struct instances *in, const struct vmt_call *call,
			       struct vmt_error *error)
{
	struct snapshot *now = NULL;

	wait_lock(&in->wait);
	if (!in->asking) {
		ask(in, call);
	}
	while (!in->current && in->asking && wait_until(&in->wait, call->deadline_ns) == 0) {
	}
	if (in->current) {
		now = snapshot_ref(in->current);
	} else {
		vmt_error_set(error, -EAGAIN, "%s",
			      in->error.text[0] ? in->error.text : "discovery: no answer in time");
	}
	wait_unlock(&in->wait);
	return now;
}

int64_t instances_age(struct instances *in, char error[sizeof(in->error.text)])
{
	int64_t age = -1;

	wait_lock(&in->wait);
	if (in->confirmed_ns) {
		age = clock_real() - in->confirmed_ns;
	}
	g_strlcpy(error, in->error.text, sizeof(in->error.text));
	wait_unlock(&in->wait);
	return age;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `virtmeter send`: one sample, given on the command line, through the pipelines that take its meter to their
 * publishers: a test of wires and secrets.  Each publisher is opened, tried once and closed; nothing is queued, no
 * agent needs to run.  Main thread; blocks on the publishers, each up to publish_timeout.
 */
#include <errno.h>
#include <glib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "agent/plan.h"
#include "base/clock.h"
#include "base/log.h"
#include "builtin.h"
#include "cmd/cmd.h"
#include "cmd/parse.h"
#include "cmd/pipes.h"
#include "model/batch.h"
#include "model/delivery.h"
#include "pipeline/route.h"
#include "plugin/object.h"
#include "plugin/registry.h"
#include "wire/sample_check.h"
#include "wire/sample_time.h"

struct send {
	char **config_files, **config_dirs, **publishers;
	char *name, *type, *unit, *volume, *resource, *user, *project, *time, *metadata;
	gboolean debug;
	/* what they come to */
	enum vmt_meter_type meter_type;
	enum vmt_kind kind;
	union vmt_num value;
	int64_t time_ns;
	/* state */
	struct plan *plan;
	struct registry *registry;
	unsigned failed;
};

static const atomic_bool go_on;

/* ------------------------------------------------------------------ the sample */

static int read_volume(struct send *s)
{
	char *end = NULL;

	errno = 0;
	s->kind = VMT_INT64;
	s->value.i = g_ascii_strtoll(s->volume, &end, 10);
	if (errno || *end || end == s->volume) {
		errno = 0;
		s->kind = VMT_UINT64;
		s->value.u = g_ascii_strtoull(s->volume, &end, 10);
	}
	if (errno || *end || end == s->volume) {
		s->kind = VMT_DOUBLE;
		s->value.d = g_ascii_strtod(s->volume, &end);
		if (*end || end == s->volume || !isfinite(s->value.d)) {
			return cmd_usage("send", "--volume %s: not a finite number", s->volume);
		}
	}
	return -1;
}

static int read_type(struct send *s)
{
	static const char *const types[] = {
		[VMT_CUMULATIVE] = "cumulative", [VMT_GAUGE] = "gauge", [VMT_DELTA] = "delta"
	};

	for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
		if (strcmp(s->type, types[i]) == 0) {
			s->meter_type = (enum vmt_meter_type)i;
			return -1;
		}
	}
	return cmd_usage("send", "--type %s: one of cumulative, gauge, delta", s->type);
}

static char *or_default(char *text, const char *def)
{
	return text ? text : g_strdup(def);
}

/* -1: go on; else the exit status. */
static int read_sample(struct send *s)
{
	int64_t now = clock_real();
	int status;

	if (!s->name || !*s->name || !s->resource || !*s->resource) {
		return cmd_usage("send", "give --name and --resource");
	}
	s->type = or_default(s->type, "gauge");
	s->unit = or_default(s->unit, "");
	s->volume = or_default(s->volume, "1");
	s->metadata = or_default(s->metadata, "{}");
	status = read_type(s);
	status = status < 0 ? read_volume(s) : status;
	if (status >= 0) {
		return status;
	}
	if (!sample_check_object(s->metadata, strlen(s->metadata))) {
		return cmd_usage("send", "--metadata: not a JSON object");
	}
	s->time_ns = now;
	if (s->time && sample_time_parse(s->time, now, &s->time_ns) < 0) {
		return cmd_usage("send", "--timestamp %s: write 2026-07-21T13:56:12, or -1h",
				 s->time);
	}
	return -1;
}

static struct frame *make_frame(const struct send *s, struct frame_builder *builder)
{
	struct resource_owner owner = { .project_id = s->project,
					.user_id = s->user,
					.source = s->plan->settings.sample_source };
	struct resource_head *head = resource_head_new(&owner, "{", 1);
	struct resource *resource =
		resource_new(head, s->resource, s->metadata + 1, strlen(s->metadata) - 1);
	struct batch_spec spec = {
		.name = s->name, .unit = s->unit, .type = s->meter_type, .kind = s->kind
	};
	int64_t mono_ns = clock_monotonic();

	frame_begin(builder, s->plan->settings.meter_profile, s->time_ns, mono_ns);
	batch_begin(builder, &spec, 1);
	batch_add(builder, resource, s->value, s->time_ns, mono_ns);
	batch_end(builder);
	resource_unref(resource);
	resource_head_unref(head);
	return frame_finish(builder);
}

/* ------------------------------------------------------------------ publishers */

/* One attempt.  0, or -errno with the reason. */
static int publish(const struct send *s, const struct plugin_object *object,
		   const struct frame *frame, uint64_t bit, struct vmt_error *error)
{
	struct vmt_delivery delivery;
	struct vmt_call call = {
		.deadline_ns = clock_monotonic() + s->plan->settings.publish_timeout_ns,
		.cancel = &go_on,
		.delivery = &delivery,
	};
	int ret;

	delivery_init(&delivery);
	delivery_begin(&delivery, &frame->public, bit);
	ret = object->plugin->ops.publisher->publish(object->self, &frame->public, bit, &call,
						     error);
	if (ret >= 0 && delivery.letters > 0) {
		ret = vmt_error_set(error, -EBADMSG, "%s: %s", plugin_object_url(object),
				    delivery.letter[0].reason);
	}
	delivery_fini(&delivery);
	return ret;
}

/* The sample as it was given and what transformers made of it, as far as they are for the publisher. */
static int publish_all(const struct send *s, const struct plugin_object *object,
		       struct frame *const frames[2], uint64_t bit, struct vmt_error *error)
{
	bool any = false;
	int ret = 0;

	for (int i = 0; i < 2 && ret >= 0; i++) {
		if (frames[i] && frame_rows_for(&frames[i]->public, bit) > 0) {
			ret = publish(s, object, frames[i], bit, error);
			any = true;
		}
	}
	return any ? ret
		   : vmt_error_set(error, -ENODATA,
				   "%s: the transformers of its sink make nothing of this sample "
				   "alone; --publisher URL sends it as it is",
				   plugin_object_url(object));
}

static void send_to(struct send *s, const struct polling_text *text, struct frame *const frames[2],
		    uint64_t bit)
{
	struct plugin_object *object = NULL;
	struct vmt_error error = { .text = "" };
	int ret = plugin_object_open_url(s->registry, s->plan->ini, text->text, &text->at, &object,
					 NULL, &error);

	if (ret == 0) {
		ret = publish_all(s, object, frames, bit, &error);
	}
	if (ret < 0) {
		fprintf(stderr, "virtmeter send: %s\n",
			error.text[0] ? error.text : g_strerror(-ret));
		s->failed++;
	} else {
		printf("%s: taken\n", plugin_object_url(object));
	}
	plugin_object_close(object);
}

/* All pipelines, and the publishers of those that take the sample. */
static int open_pipelines(struct send *s, struct pipes *pipes, uint64_t *ret_wanted)
{
	struct problems *problems = problems_new();
	int ret = 0;

	*ret_wanted = 0;
	for (size_t i = 0; i < plan_pairs(s->plan) && ret == 0; i++) {
		const struct pipeline_pair *pair = plan_pair(s->plan, i);

		ret = pipes_add(pipes, pair, problems);
		if (pattern_match(pair->source->match, s->name)) {
			*ret_wanted |= pipes_bits(pipes, pair->sink);
		}
	}
	if (ret < 0) {
		fprintf(stderr, "virtmeter send: %s\n", problems_first_error(problems));
	} else if (!pipeline_set_takes(pipes_set(pipes), s->name)) {
		ret = -ENOENT;
		fprintf(stderr,
			"virtmeter send: %s: no pipeline takes a meter of that name; `virtmeter "
			"check --explain` shows them\n",
			s->name);
	}
	problems_free(problems);
	return ret;
}

/* Through the pipelines, as a cycle of one sample. */
static void send_through(struct send *s, struct pipes *pipes, uint64_t wanted)
{
	struct frame_pool *pool = frame_pool_new(2);
	struct frame_builder builder[2];
	struct frame *frames[2];

	for (int i = 0; i < 2; i++) {
		frame_builder_init(&builder[i], pool);
	}
	frames[0] = make_frame(s, &builder[0]);
	frames[1] = pipeline_route(pipes_set(pipes), frames[0], &builder[1]);
	for (guint i = 0; i < pipes->publishers->len && i < PIPES_PUBLISHERS; i++) {
		if (wanted >> i & 1) {
			send_to(s, g_ptr_array_index(pipes->publishers, i), frames,
				UINT64_C(1) << i);
		}
	}
	for (int i = 0; i < 2; i++) {
		frame_unref(frames[i]);
		frame_builder_fini(&builder[i]);
	}
	frame_pool_free(pool);
}

static int send_all(struct send *s)
{
	const struct sink_settings settings = { .profile = s->plan->settings.meter_profile,
						.source = s->plan->settings.sample_source };
	struct pipes pipes;
	uint64_t wanted;
	int ret;

	pipes_init(&pipes, s->registry, &settings);
	ret = open_pipelines(s, &pipes, &wanted);
	if (ret == 0) {
		send_through(s, &pipes, wanted);
	}
	pipes_fini(&pipes);
	return ret < 0 || s->failed ? CMD_FAILED : CMD_OK;
}

/* ------------------------------------------------------------------ the command */

static int load(struct send *s)
{
	struct plan_options options = { .search = cmd_search(s->config_files, s->config_dirs),
					.publishers = (const char *const *)s->publishers };
	struct problems *problems = problems_new();
	int status = -1;

	if (plan_load(&options, problems, &s->plan) < 0) {
		fprintf(stderr, "virtmeter send: %s\n", problems_first_error(problems));
		s->plan = NULL;
		status = CMD_FAILED;
	} else {
		s->registry = registry_new(builtin_plugins);
		registry_load_dir(s->registry, builtin_plugin_folder(), problems);
		if (s->plan->settings.plugin_dir) {
			registry_load_dir(s->registry, s->plan->settings.plugin_dir, problems);
		}
	}
	problems_free(problems);
	return status;
}

static int parse(int argc, char **argv, struct send *s)
{
	GOptionEntry entries[] = {
		{ "name", 'n', 0, G_OPTION_ARG_STRING, &s->name, "Name of the meter", "NAME" },
		{ "resource", 'r', 0, G_OPTION_ARG_STRING, &s->resource, "Id of the resource",
		  "ID" },
		{ "type", 't', 0, G_OPTION_ARG_STRING, &s->type,
		  "cumulative, gauge (default) or delta", "TYPE" },
		{ "unit", 'u', 0, G_OPTION_ARG_STRING, &s->unit, "Unit", "UNIT" },
		{ "volume", 'l', 0, G_OPTION_ARG_STRING, &s->volume, "Volume (default 1)",
		  "NUMBER" },
		{ "user", 0, 0, G_OPTION_ARG_STRING, &s->user, "Id of the user", "ID" },
		{ "project", 'p', 0, G_OPTION_ARG_STRING, &s->project, "Id of the project", "ID" },
		{ "timestamp", 'i', 0, G_OPTION_ARG_STRING, &s->time, "Time (default now)",
		  "TIME" },
		{ "metadata", 'm', 0, G_OPTION_ARG_STRING, &s->metadata, "Metadata, a JSON object",
		  "JSON" },
		/* the names of ceilometer-send-sample */
		{ "sample-name", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_STRING, &s->name, NULL,
		  NULL },
		{ "sample-resource", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_STRING, &s->resource,
		  NULL, NULL },
		{ "sample-type", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_STRING, &s->type, NULL,
		  NULL },
		{ "sample-unit", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_STRING, &s->unit, NULL,
		  NULL },
		{ "sample-volume", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_STRING, &s->volume, NULL,
		  NULL },
		{ "sample-user", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_STRING, &s->user, NULL,
		  NULL },
		{ "sample-project", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_STRING, &s->project, NULL,
		  NULL },
		{ "sample-timestamp", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_STRING, &s->time, NULL,
		  NULL },
		{ "sample-metadata", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_STRING, &s->metadata,
		  NULL, NULL },
		{ "publisher", 0, 0, G_OPTION_ARG_STRING_ARRAY, &s->publishers,
		  "Send to this URL instead of the pipelines' publishers (repeatable)", "URL" },
		CMD_CONFIG_OPTIONS(s->config_files, s->config_dirs),
		{ "debug", 'd', 0, G_OPTION_ARG_NONE, &s->debug, "Say more", NULL },
		{ NULL, 0, 0, 0, NULL, NULL, NULL },
	};
	int status = cmd_parse(
		&argc, &argv, entries, "--name NAME --resource ID",
		"Sends one sample to the publishers of the pipelines that take it: a test of wires and "
		"secrets.");

	if (status >= 0) {
		return status;
	}
	if (argc > 1) {
		return cmd_usage("send", "%s: takes options only", argv[1]);
	}
	return read_sample(s);
}

static void send_fini(struct send *s)
{
	char **texts[] = { &s->name, &s->type,    &s->unit, &s->volume,  &s->resource,
			   &s->user, &s->project, &s->time, &s->metadata };

	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_free(*texts[i]);
	}
	g_strfreev(s->config_files);
	g_strfreev(s->config_dirs);
	g_strfreev(s->publishers);
	registry_free(s->registry);
	plan_unref(s->plan);
}

int cmd_send(int argc, char **argv)
{
	struct send s = { .failed = 0 };
	struct log_settings quiet = { .use_stderr = true };
	int status = parse(argc, argv, &s);

	if (status < 0) {
		quiet.level = s.debug ? VMT_LOG_DEBUG : VMT_LOG_ERROR;
		log_init(&quiet, NULL);
		status = load(&s);
		status = status < 0 ? send_all(&s) : status;
		log_fini();
	}
	send_fini(&s);
	return status;
}

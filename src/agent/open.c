/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's beginning, its reload and its end: plan, plugins, log.  Main thread; blocks on reading
 * files, at the end on its threads.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

#define LOG_NAME agent_logger
#include "agent/heartbeat.h"
#include "agent/outlets.h"
#include "agent/parts.h"
#include "agent/receivers.h"
#include "agent/sharing.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "conf/option.h"
#include "model/frame.h"
#include "model/json_text.h"
#include "pipeline/outlet.h"
#include "pipeline/pipeline.h"
#include "spool/spool.h"

#define FRAMES_IDLE 4 /* kept in the pool */
#define FRAMES_MAX 100000 /* in the memory log, beside its bound in bytes */
#define FRAMES_MAX_DISK 2000000 /* in a durable one */

const char *agent_logger = "agent";

/* `told` is an error that the caller tells by itself. */
static void log_problems(const struct problems *problems, bool errors, const char *told)
{
	for (size_t i = 0; i < problems_count(problems); i++) {
		const struct problem *p = problems_at(problems, i);

		if (p->level == PROBLEM_ERROR && errors && strcmp(p->text, told) != 0) {
			log_error("%s", p->text);
		} else if (p->level == PROBLEM_WARNING) {
			log_warn("%s", p->text);
		}
	}
}

/* Ceilometer options without effect here: one line for all of them. */
static void log_notes(const struct problems *problems)
{
	struct buf line = BUF_INIT;

	for (size_t i = 0; i < problems_count(problems); i++) {
		const struct problem *p = problems_at(problems, i);

		if (p->level == PROBLEM_NOTE) {
			buf_printf(&line, "%s%s", line.len ? "; " : "", p->text);
		}
	}
	if (line.len) {
		log_info("%s", line.data);
	}
	buf_fini(&line);
}

static int set_up_log(const struct plan *plan, bool collects, struct vmt_error *error)
{
	struct log_settings settings;

	settings_log(&plan->settings, collects ? "virtmeter-collector" : "virtmeter-agent",
		     &settings);
	return log_init(&settings, error);
}

/* The folder that the program brings need not be there; one that is configured must. */
static void load_plugin_dir(struct registry *registry, const struct plan *plan,
			    struct problems *problems)
{
	const char *path = plan->settings.plugin_dir;
	const struct ini_value *v = ini_find(plan->ini, "virtmeter", "plugin_dir", NULL);

	v = v ? v : ini_find(plan->ini, NULL, "plugin_dir", NULL);
	if (v && path && *path && !g_file_test(path, G_FILE_TEST_IS_DIR)) {
		problems_add(
			problems, PROBLEM_WARNING, &v->value_at,
			"plugin_dir: %s: there is no such folder, and no plugin from there; make it "
			"or name another",
			path);
	}
	registry_load_dir(registry, path, problems);
}

/* Reads the configuration; the plan, and everything noticed in `problems`. */
static int read_plan(struct agent *a, struct problems *problems, struct plan **ret_plan,
		     struct vmt_error *error)
{
	const struct vmt_option **tables;
	const char **inspectors;
	struct plan *plan;
	int ret = plan_load(&a->options.plan, problems, &plan);

	if (ret < 0) {
		return vmt_error_set(error, ret, "%s", problems_first_error(problems));
	}
	if (!a->registry) {
		a->registry = registry_new(a->options.builtin);
		registry_load_dir(a->registry, a->options.own_plugins, problems);
		load_plugin_dir(a->registry, plan, problems);
	}
	if (plan->polling && !a->options.plan.inspector && !a->options.plan.demo) {
		endpoints_vet_sections(&plan->endpoints, plan->ini, problems);
		inspectors = registry_names(a->registry, VMT_INSPECTOR);
		ret = settings_check_inspector(&plan->settings, plan->ini, inspectors, problems);
		g_free(inspectors);
	}
	tables = registry_options(a->registry);
	options_check_unknown(plan->ini, tables, problems);
	g_free(tables);
	if (ret < 0 || problems_of(problems, PROBLEM_ERROR) > 0) {
		plan_unref(plan);
		return vmt_error_set(error, -EINVAL, "%s", problems_first_error(problems));
	}
	*ret_plan = plan;
	return 0;
}

static bool reap_sharing(struct agent *a, bool wait)
{
	for (guint i = a->old_sharing->len; i-- > 0;) {
		struct sharing *s = g_ptr_array_index(a->old_sharing, i);

		if (wait || sharing_left(s)) {
			g_ptr_array_remove_index_fast(a->old_sharing, i);
			sharing_unref(s);
		}
	}
	return a->old_sharing->len > 0;
}

/* Looks after what a reload took out, until it has ended. */
static void reap(void *data)
{
	struct agent *a = data;

	agent_reap_tasks(a, false);
	if (reap_sharing(a, false) || agent_reap_receivers(a, false) ||
	    agent_reap_outlets(a, false) || a->old_tasks->len > 0) {
		loop_timer_set(a->reaper, clock_monotonic() + NS_PER_S);
	}
}

/* The log: durable where a folder is configured, or where a service manager gave us one. */
static int open_log(struct agent *a, struct vmt_error *error)
{
	const struct settings *s = &a->plan->settings;
	const char *state = g_getenv("STATE_DIRECTORY");
	struct spool_limits limits = { .frames = FRAMES_MAX,
				       .bytes = (uint64_t)s->queue_bytes,
				       .age_ns = s->queue_age_ns };
	char *dir = NULL;
	int ret = 0;

	if (s->queue_dir && s->queue_dir[0]) {
		dir = g_strdup(s->queue_dir);
	} else if (!s->queue_dir && state && state[0] && !a->options.plan.demo) {
		dir = g_strdup_printf("%.*s/queue", (int)strcspn(state, ":"), state);
	}
	if (!dir) {
		a->spool = spool_new_memory(&limits);
		return 0;
	}
	limits.frames = FRAMES_MAX_DISK;
	limits.memory_bytes = (uint64_t)s->queue_bytes;
	limits.bytes = (uint64_t)s->queue_dir_bytes;
	limits.dead_bytes = (uint64_t)s->dead_letter_bytes;
	ret = spool_open(dir, &limits, a->pool, &a->spool, error);
	g_free(dir);
	return ret;
}

static int open_all(struct agent *a, struct problems *problems, struct vmt_error *error)
{
	int ret = read_plan(a, problems, &a->plan, error);

	if (ret < 0) {
		return ret;
	}
	if (!a->options.quiet) {
		ret = set_up_log(a->plan, a->options.plan.collector, error);
		if (ret < 0) {
			return ret;
		}
	}
	ret = open_log(a, error);
	if (ret < 0) {
		return ret;
	}
	a->runner = pipeline_runner_new(a->spool, a->pool);
	return agent_build(a, a->plan, problems, error);
}

/* One reason is told in full, the others are counted. */
static void tell_more(const struct problems *problems, struct vmt_error *error)
{
	size_t errors = problems_of(problems, PROBLEM_ERROR), len = strlen(error->text);

	if (errors > 1) {
		snprintf(error->text + len, sizeof(error->text) - len,
			 " (and %zu more; `virtmeter check` shows all)", errors - 1);
	}
}

int agent_new(const struct agent_options *options, struct agent **ret_agent,
	      struct vmt_error *error)
{
	struct agent *a = g_new0(struct agent, 1);
	struct problems *problems = problems_new();
	int ret;

	a->options = *options;
	wait_init(&a->looking);
	agent_logger = options->plan.collector ? "collector" : "agent";
	a->pool = frame_pool_new(FRAMES_IDLE);
	a->heartbeat = heartbeat_new();
	a->outlets = g_ptr_array_new();
	a->tasks = g_ptr_array_new();
	a->pipelines = g_ptr_array_new();
	a->receivers = g_ptr_array_new();
	a->old_receivers = g_ptr_array_new();
	a->old_tasks = g_ptr_array_new();
	a->old_sharing = g_ptr_array_new();
	a->old_outlets = g_ptr_array_new();
	a->loop = loop_new();
	a->reaper = loop_timer_add(a->loop, INT64_MAX, reap, a);
	ret = open_all(a, problems, error);
	/* of a failed start the caller tells the reason on stderr: not a second time, then */
	log_problems(problems, ret == 0 || !log_on_stderr(), "");
	if (ret < 0) {
		tell_more(problems, error);
		agent_free(a);
	} else {
		log_notes(problems);
		for (size_t i = 0; options->on_problem && i < problems_count(problems); i++) {
			options->on_problem(options->context, problems_at(problems, i));
		}
		*ret_agent = a;
	}
	problems_free(problems);
	return ret;
}

/* What cannot change while the process lives. */
static void warn_of_restart(const struct plan *old, const struct plan *now,
			    struct problems *problems)
{
	const struct {
		const char *name;
		bool differs;
	} fixed[] = {
		{ "queue_dir", g_strcmp0(old->settings.queue_dir, now->settings.queue_dir) != 0 },
		{ "queue_dir_bytes",
		  old->settings.queue_dir_bytes != now->settings.queue_dir_bytes },
		{ "queue_age", old->settings.queue_age_ns != now->settings.queue_age_ns },
		{ "dead_letter_bytes",
		  old->settings.dead_letter_bytes != now->settings.dead_letter_bytes },
		{ "plugin_dir",
		  g_strcmp0(old->settings.plugin_dir, now->settings.plugin_dir) != 0 },
		{ "control_socket",
		  g_strcmp0(old->settings.control_socket, now->settings.control_socket) != 0 },
		{ "control_socket_mode",
		  old->settings.control_socket_mode != now->settings.control_socket_mode },
		{ "queue_bytes", old->settings.queue_bytes != now->settings.queue_bytes },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(fixed); i++) {
		if (fixed[i].differs) {
			log_warn("reload: %s was changed; the new value counts after a restart",
				 fixed[i].name);
			problems_add(problems, PROBLEM_WARNING, NULL,
				     "%s was changed; the new value counts after a restart",
				     fixed[i].name);
		}
	}
}

/* Errors and warnings. */
static void add_findings(const struct problems *problems, struct buf *json)
{
	const char *comma = "";

	buf_putc(json, '[');
	for (size_t i = 0; i < problems_count(problems); i++) {
		const struct problem *p = problems_at(problems, i);

		if (p->level != PROBLEM_NOTE) {
			buf_puts(json, comma);
			problem_json(p, json);
			comma = ",";
		}
	}
	buf_putc(json, ']');
}

/* `why` it was not taken, or NULL. */
static void answer_reload(const char *why, const struct problems *problems, struct buf *json)
{
	char *message = why ? g_strdup_printf("%s; the old configuration stays in force", why)
			    : g_strdup("the new configuration is in force");

	buf_printf(json, "{\"reloaded\":%s,\"message\":", why ? "false" : "true");
	json_add(json, message);
	buf_puts(json, ",\"findings\":");
	add_findings(problems, json);
	buf_putc(json, '}');
	g_free(message);
}

int agent_reload(struct agent *a, struct buf *json)
{
	struct problems *problems = problems_new();
	struct vmt_error error = { .text = "" };
	struct plan *plan = NULL;
	int ret = a->stopping ? vmt_error_set(&error, -ESHUTDOWN, "it is stopping")
			      : read_plan(a, problems, &plan, &error);

	if (ret == 0) {
		g_assert(plan);
		ret = agent_build(a, plan, problems, &error);
	}
	log_problems(problems, true, error.text);
	if (ret == 0) {
		warn_of_restart(a->plan, plan, problems);
		plan_unref(a->plan);
		a->plan = plan;
		if (!a->options.quiet && set_up_log(plan, a->options.plan.collector, &error) < 0) {
			log_error("reload: %s; logging as before", error.text);
			problems_add(problems, PROBLEM_WARNING, NULL, "%s; logging as before",
				     error.text);
		}
		log_info("reload: the new configuration is in force");
	} else {
		plan_unref(plan);
		log_error("reload: %s; the old configuration stays in force", error.text);
	}
	answer_reload(ret == 0 ? NULL : error.text, problems, json);
	problems_free(problems);
	return ret;
}

void agent_free(struct agent *a)
{
	if (!a) {
		return;
	}
	for (guint i = 0; i < a->tasks->len; i++) {
		g_ptr_array_add(a->old_tasks, g_ptr_array_index(a->tasks, i));
	}
	agent_reap_tasks(a, true);
	heartbeat_free(a->heartbeat);
	agent_retire_receivers(a);
	agent_reap_receivers(a, true);
	pipeline_runner_free(a->runner); /* hands what it has to the log */
	g_ptr_array_unref(a->pipelines); /* they use outlets */
	g_clear_pointer(&a->sinks, g_ptr_array_unref);
	for (guint i = 0; i < a->outlets->len; i++) {
		g_ptr_array_add(a->old_outlets, g_ptr_array_index(a->outlets, i));
	}
	agent_reap_outlets(a, true);
	spool_free(a->spool);
	g_clear_pointer(&a->bases, g_ptr_array_unref);
	sharing_unref(a->sharing);
	reap_sharing(a, true);
	g_ptr_array_unref(a->old_sharing);
	g_ptr_array_unref(a->tasks);
	g_ptr_array_unref(a->outlets);
	g_ptr_array_unref(a->old_tasks);
	g_ptr_array_unref(a->receivers);
	g_ptr_array_unref(a->old_receivers);
	g_ptr_array_unref(a->old_outlets);
	frame_pool_free(a->pool);
	registry_free(a->registry);
	loop_free(a->loop);
	plan_unref(a->plan);
	wait_fini(&a->looking);
	g_free(a);
}

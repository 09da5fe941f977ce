/* SPDX-License-Identifier: Apache-2.0 */
/* From configuration and command line to the plan.  Main thread; blocks on reading files. */
#include "agent/plan.h"

#include <errno.h>
#include <glib.h>
#include <stdatomic.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"

#define SIMULATED "simulated"
#define COMMAND_LINE "command line"

/* One list of a file made of command line words: "  - 'a'". */
static void add_list(struct buf *yaml, const char *indent, const char *const *words)
{
	for (size_t i = 0; words[i]; i++) {
		buf_printf(yaml, "%s- '", indent);
		for (const char *p = words[i]; *p; p++) {
			buf_puts(yaml, *p == '\'' ? "''" : (char[]){ *p, '\0' });
		}
		buf_puts(yaml, "'\n");
	}
}

/* What the command line says instead of polling.yaml, as such a file. */
static int polling_of_options(const struct plan_options *o, struct problems *problems,
			      struct polling **ret_polling)
{
	static const char *const all[] = { "*", "vm.*", NULL };
	struct buf yaml = BUF_INIT;
	int ret;

	buf_printf(&yaml,
		   "sources:\n  - name: command_line\n    interval: %" G_GINT64_FORMAT
		   "\n    meters:\n",
		   o->interval_ns / 1000000000);
	add_list(&yaml, "      ", o->meters ? o->meters : all);
	ret = polling_read_text(COMMAND_LINE, yaml.data, yaml.len, POLLING_FILE, ret_polling,
				problems);
	buf_fini(&yaml);
	return ret;
}

/* What the command line says instead of pipeline.yaml. */
static int pipeline_of_options(const struct plan_options *o, struct problems *problems,
			       struct polling **ret_pipeline)
{
	static const char *const all[] = { "*", "vm.*", NULL };
	struct buf yaml = BUF_INIT;
	int ret;

	buf_puts(&yaml, "sources:\n  - name: command_line\n    meters:\n");
	add_list(&yaml, "      ", all);
	buf_puts(&yaml,
		 "    sinks: [command_line]\nsinks:\n  - name: command_line\n    publishers:\n");
	add_list(&yaml, "      ", o->publishers);
	ret = polling_read_text(COMMAND_LINE, yaml.data, yaml.len, PIPELINE_FILE, ret_pipeline,
				problems);
	buf_fini(&yaml);
	return ret;
}

static int read_file(struct plan *p, const char *name, const char *option, enum polling_role role,
		     struct problems *problems, struct polling **ret_polling)
{
	const char *path = ini_find_file(p->ini, name, p->arena);

	if (!path) {
		problems_add(
			problems, PROBLEM_ERROR, NULL,
			"%s: no such file, neither here nor beside the configuration; write one or set %s",
			name, option);
		return -ENOENT;
	}
	return polling_read_file(path, role, ret_polling, problems);
}

static int read_pipelines(struct plan *p, const struct plan_options *o, struct problems *problems)
{
	int ret;

	if (o->publishers) {
		ret = pipeline_of_options(o, problems, &p->pipeline);
	} else {
		ret = read_file(p, p->settings.pipeline_cfg_file, "pipeline_cfg_file",
				PIPELINE_FILE, problems, &p->pipeline);
	}
	if (ret < 0) {
		return ret;
	}
	if (o->interval_ns > 0) {
		return polling_of_options(o, problems, &p->polling);
	}
	if (polling_has_intervals(p->pipeline)) { /* Juno: one file says it all */
		p->polling = p->pipeline;
		return 0;
	}
	return read_file(p, p->settings.cfg_file, "cfg_file in [polling]", POLLING_FILE, problems,
			 &p->polling);
}

static void choose_plugins(struct plan *p, const struct plan_options *o)
{
	p->inspector = o->inspector ? o->inspector
		       : o->demo    ? SIMULATED
				    : p->settings.hypervisor_inspector;
	if (o->discovery) {
		p->discovery = o->discovery;
	} else {
		/* an inspector's own instances are found by the discovery of its name */
		p->discovery = strcmp(p->inspector, SIMULATED) == 0 ? SIMULATED : "local_instances";
	}
	p->inspector = arena_strdup(p->arena, p->inspector);
	p->discovery = arena_strdup(p->arena, p->discovery);
}

int plan_load(const struct plan_options *options, struct problems *problems, struct plan **ret_plan)
{
	struct plan *p = g_new0(struct plan, 1);
	int ret;

	atomic_init(&p->refs, 1);
	p->arena = arena_new(4096);
	p->ini = ini_new();
	ret = ini_search(p->ini, &options->search, problems);
	if (ret == 0 && options->ini_text) {
		ret = ini_read_text(p->ini, COMMAND_LINE, options->ini_text,
				    strlen(options->ini_text), problems);
	}
	if (settings_read(&p->settings, p->ini, problems) < 0 && ret == 0) {
		ret = -EINVAL;
	}
	choose_plugins(p, options);
	if (ret == 0) {
		ret = read_pipelines(p, options, problems);
	}
	if (ret < 0) {
		plan_unref(p);
		return ret;
	}
	*ret_plan = p;
	return 0;
}

struct plan *plan_ref(struct plan *plan)
{
	atomic_fetch_add(&plan->refs, 1);
	return plan;
}

void plan_unref(struct plan *plan)
{
	if (!plan || atomic_fetch_sub(&plan->refs, 1) != 1) {
		return;
	}
	if (plan->polling != plan->pipeline) {
		polling_free(plan->polling);
	}
	polling_free(plan->pipeline);
	settings_fini(&plan->settings);
	ini_free(plan->ini);
	arena_free(plan->arena);
	g_free(plan);
}

void plan_meter_settings(const struct plan *plan, struct meter_settings *ret_settings)
{
	const struct settings *s = &plan->settings;

	*ret_settings = (struct meter_settings){
		.metadata = { .profile = s->meter_profile,
			      .reserved_namespace = s->reserved_metadata_namespace,
			      .reserved_keys = s->reserved_metadata_keys,
			      .reserved_length = s->reserved_metadata_length },
		.source = s->sample_source,
		.report_stopped = s->report_stopped_instance_metrics,
		.host = s->host,
	};
}

/* SPDX-License-Identifier: Apache-2.0 */
/* From configuration and command line to the plan.  Main thread; blocks on reading files. */
#include "agent/plan.h"

#include <errno.h>
#include <glib.h>
#include <stdatomic.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/intern.h"
#include "conf/dispatchers.h"
#include "conf/yaml_tree.h"

#define SIMULATED "simulated"

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
	const struct yaml_origin command_line = { .at.file = intern(PLAN_COMMAND_LINE),
						  .made = true };
	static const char *const all[] = { "*", "vm.*", NULL };
	struct buf yaml = BUF_INIT;
	int ret;

	buf_printf(&yaml,
		   "sources:\n  - name: command_line\n    interval: %" G_GINT64_FORMAT
		   "\n    meters:\n",
		   o->interval_ns / 1000000000);
	add_list(&yaml, "      ", o->meters ? o->meters : all);
	ret = polling_read_part(&command_line, yaml.data, yaml.len, POLLING_FILE, ret_polling,
				problems);
	buf_fini(&yaml);
	return ret;
}

/* What the command line says instead of pipeline.yaml. */
static int pipeline_of_options(const struct plan_options *o, struct problems *problems,
			       struct polling **ret_pipeline)
{
	const struct yaml_origin command_line = { .at.file = intern(PLAN_COMMAND_LINE),
						  .made = true };
	static const char *const all[] = { "*", "vm.*", NULL };
	struct buf yaml = BUF_INIT;
	int ret;

	buf_puts(&yaml, "sources:\n  - name: command_line\n    meters:\n");
	add_list(&yaml, "      ", all);
	buf_puts(&yaml,
		 "    sinks: [command_line]\nsinks:\n  - name: command_line\n    publishers:\n");
	add_list(&yaml, "      ", o->publishers);
	ret = polling_read_part(&command_line, yaml.data, yaml.len, PIPELINE_FILE, ret_pipeline,
				problems);
	buf_fini(&yaml);
	return ret;
}

/* From the files, or what the command line says in their place. */
static int read_pipelines(struct plan *p, const struct plan_options *o, struct problems *problems)
{
	struct pipelines *files = &p->pipelines;
	struct polling *dispatchers = NULL;
	bool polls = o->interval_ns <= 0 && !o->collector;
	unsigned without = (o->publishers ? PIPELINES_NO_SINKS : 0) |
			   (polls ? 0 : PIPELINES_NO_POLLING);
	int ret;

	if (o->collector) {
		p->settings.deliver = DELIVER_SINKS; /* not back to where it comes from */
	}
	if (o->collector && !o->publishers &&
	    dispatchers_read(&p->settings, p->ini, problems, &dispatchers) < 0) {
		return -EINVAL;
	}
	if (dispatchers && !ini_find(p->ini, NULL, "pipeline_cfg_file", NULL)) {
		without |= PIPELINES_OPTIONAL;
	}
	ret = pipelines_read(p->ini, &p->settings, without, p->arena, problems, files);
	if (dispatchers && ret == -ENOENT && !files->pipeline && (without & PIPELINES_OPTIONAL)) {
		files->pipeline = dispatchers; /* they are all there is */
		ret = 0;
	} else {
		files->beside = dispatchers ? dispatchers : files->beside;
	}
	if (ret == 0 && o->publishers) {
		ret = pipeline_of_options(o, problems, &files->pipeline);
	}
	if (ret == 0 && o->interval_ns > 0) {
		ret = polling_of_options(o, problems, &files->polling);
	}
	p->polling = files->polling;
	p->pipeline = files->pipeline;
	return ret;
}

const char *plan_discovery_of(const char *inspector)
{
	/* of the others' names */
	static const char *const own[] = { SIMULATED, "vsphere", "hyperv" };

	for (size_t i = 0; i < G_N_ELEMENTS(own); i++) {
		if (strcmp(inspector, own[i]) == 0) {
			return own[i];
		}
	}
	return "local_instances";
}

/* Discoveries whose instances Nova may know.  Hyper-V's machines have ids of their own, and Nova's name. */
static const struct joining {
	const char *discovery;
	bool by_name;
} joinings[] = { { "local_instances", false }, { "vsphere", false }, { "hyperv", true } };

static const struct joining *find_joining(const char *discovery)
{
	for (size_t i = 0; i < G_N_ELEMENTS(joinings); i++) {
		if (strcmp(joinings[i].discovery, discovery) == 0) {
			return &joinings[i];
		}
	}
	return NULL;
}

const char *plan_joined_of(const char *discovery, const struct settings *settings)
{
	bool nova = strcmp(settings->instance_discovery_method, "libvirt_metadata") != 0;

	return nova && find_joining(discovery) ? "nova" : NULL;
}

bool plan_joins_by_name(const char *discovery)
{
	const struct joining *j = find_joining(discovery);

	return j && j->by_name;
}

/* Where they say at least at whom. */
static bool has_credentials(const struct ini *ini)
{
	static const char *const names[] = { "auth_url", "os_auth_url", "auth_section" };
	bool has = false;

	for (size_t i = 0; i < G_N_ELEMENTS(names) && !has; i++) {
		const struct ini_value *v = ini_find(ini, "service_credentials", names[i], NULL);

		has = v && v->text[0];
	}
	return has;
}

const char *plan_lookups_of(const char *discovery, const struct settings *settings,
			    const struct ini *ini)
{
	bool metadata = strcmp(discovery, "local_instances") == 0 &&
			!plan_joined_of(discovery, settings);
	bool wanted = metadata || settings->identity_name_discovery ||
		      settings->ignore_disabled_projects;

	return wanted && has_credentials(ini) ? "lookups" : NULL;
}

static int choose_plugins(struct plan *p, const struct plan_options *o, struct problems *problems)
{
	const char *const one[] = { o->inspector ? o->inspector : SIMULATED, NULL };
	bool told = o->inspector || o->demo;

	return endpoints_init(&p->endpoints, told ? one : p->settings.inspectors, o->discovery,
			      &p->settings, p->ini, problems);
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
		ret = ini_read_text(p->ini, PLAN_COMMAND_LINE, options->ini_text,
				    strlen(options->ini_text), problems);
	}
	if (settings_read(&p->settings, p->ini, problems) < 0 && ret == 0) {
		ret = -EINVAL;
	}
	if (ret == 0) {
		ret = choose_plugins(p, options, problems);
	}
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
	pipelines_fini(&plan->pipelines);
	endpoints_fini(&plan->endpoints);
	settings_fini(&plan->settings);
	ini_free(plan->ini);
	arena_free(plan->arena);
	g_free(plan);
}

static size_t beside_pairs(const struct plan *plan)
{
	return plan->pipelines.beside ? plan->pipelines.beside->pair_count : 0;
}

size_t plan_pairs(const struct plan *plan)
{
	return plan->pipeline->pair_count + beside_pairs(plan);
}

const struct pipeline_pair *plan_pair(const struct plan *plan, size_t i)
{
	size_t own = plan->pipeline->pair_count;

	return i < own ? &plan->pipeline->pairs[i] : &plan->pipelines.beside->pairs[i - own];
}

size_t plan_sinks(const struct plan *plan)
{
	return plan->pipeline->sink_count +
	       (plan->pipelines.beside ? plan->pipelines.beside->sink_count : 0);
}

const struct pipeline_sink *plan_sink(const struct plan *plan, size_t i)
{
	size_t own = plan->pipeline->sink_count;

	return i < own ? &plan->pipeline->sinks[i] : &plan->pipelines.beside->sinks[i - own];
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

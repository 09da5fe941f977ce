/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan: what configuration and command line come to, before anything is opened.  Immutable, counted
 * by references; a reload makes a new one.
 */
#ifndef AGENT_PLAN_H
#define AGENT_PLAN_H

#include <stdatomic.h>
#include <virtmeter/plugin.h>

#include "agent/endpoint.h"
#include "conf/ini.h"
#include "conf/pipelines.h"
#include "conf/problem.h"
#include "conf/settings.h"
#include "model/meter.h"

struct registry;

/* In place of a file's name, in problems with what the command line says. */
#define PLAN_COMMAND_LINE "command line"

/* Where the configuration is, and what the command line says instead of it. */
struct plan_options {
	struct ini_search search;
	const char *ini_text; /* read after the files; NULL: none */
	bool collector; /* nothing is polled: samples come from receivers */
	bool demo; /* inspector and discovery `simulated` */
	int64_t interval_ns; /* > 0: one source of its own, instead of polling.yaml */
	const char *const
		*meters; /* patterns of that source, NULL-terminated; NULL: all, ours too */
	const char *const
		*publishers; /* URLs, NULL-terminated, instead of pipeline.yaml; NULL: the file */
	const char *inspector, *discovery; /* NULL: as configured */
};

struct plan {
	struct ini *ini;
	struct settings settings;
	struct pipelines pipelines;
	const struct polling *polling, *pipeline; /* of those; a collector has no `polling` */
	struct endpoints endpoints; /* at least one */
	struct arena *arena;
	atomic_uint refs;
};

/* Reads it all.  0, or -errno when it cannot be used; all that was noticed is in `problems`. */
int plan_load(const struct plan_options *options, struct problems *problems,
	      struct plan **ret_plan);
/* The discovery that finds an inspector's own instances, unless another is asked for. */
const char *plan_discovery_of(const char *inspector);
/* What tells more of the instances that this discovery finds, by instance_discovery_method; NULL: nothing does. */
const char *plan_joined_of(const char *discovery, const struct settings *settings);
/* Whether that one's instances are matched by the hypervisor's name, too, as their ids may be others than Nova's. */
bool plan_joins_by_name(const char *discovery);
/* What looks up more of the instances of this discovery at Keystone and Nova; NULL: there are no [service_credentials],
 * or nothing is asked for. */
const char *plan_lookups_of(const char *discovery, const struct settings *settings,
			    const struct ini *ini);
struct plan *plan_ref(struct plan *plan);
void plan_unref(struct plan *plan);

/* The pipelines, those of `pipeline` first, then the way to a notification agent beside it; and the sinks. */
size_t plan_pairs(const struct plan *plan);
const struct pipeline_pair *plan_pair(const struct plan *plan, size_t i);
size_t plan_sinks(const struct plan *plan);
const struct pipeline_sink *plan_sink(const struct plan *plan, size_t i);

/* The settings in the form that meters take; its strings are the plan's. */
void plan_meter_settings(const struct plan *plan, struct meter_settings *ret_settings);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stage for scenarios: the real agent, with its threads, on the simulated clock and in the simulated
 * world, publishing to test://.  One process holds one scenario, because time is virtual once for all.
 */
#ifndef SCENARIO_STAGE_H
#define SCENARIO_STAGE_H

#include <glib.h>

#include "agent/parts.h"
#include "base/clock.h"
#include "pipeline/outlet.h"
#include "plugins/publisher/test/test.h"

#define HOUR (3600 * NS_PER_S)
#define DAY (24 * HOUR)

struct stage {
	char *dir; /* with virtmeter.conf, polling.yaml, pipeline.yaml; removed at the end */
	struct agent *agent;
};

/* Writes a file of the stage's folder; `format` as printf. */
void stage_write(struct stage *stage, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* One source of these meters, one sink to these publishers: lists as in YAML, without their brackets. */
void stage_write_pipeline(struct stage *stage, const char *meters, const char *publishers);
/* A plugin of the scenario's own, before stage_open. */
void stage_add_plugin(const struct vmt_plugin *plugin);
/* Reads the folder's configuration: [simulated] and [virtmeter] as in `conf`, a source of all meters every
 * `interval_s`, one sink to `publishers` (URLs by commas).  Must succeed. */
void stage_open(struct stage *stage, const char *conf, unsigned interval_s, const char *publishers);
/* Calls fn(stage) on the main thread after so much time. */
void stage_at(struct stage *stage, int64_t after_ns, void (*fn)(struct stage *stage));
/* As agent_reload(); that it answers is asserted. */
int stage_reload(struct stage *stage);
/* Runs for so long, then stops in good order; answers the exit status. */
int stage_run(struct stage *stage, int64_t length_ns);
void stage_close(struct stage *stage);

/* The i-th publisher's status; its ledger's equation is asserted. */
struct outlet_status stage_outlet(struct stage *stage, guint i);
/* What the i-th publisher, a test://, was given. */
const void *stage_test(struct stage *stage, guint i);
struct task_status stage_task(struct stage *stage, guint i);

#endif

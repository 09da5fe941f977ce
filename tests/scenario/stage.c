/* SPDX-License-Identifier: Apache-2.0 */
/* The stage of the scenarios; see stage.h. */
#include "tests/scenario/stage.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "spool/spool.h"

#define BEGIN_REAL (INT64_C(1784641000) * NS_PER_S)
#define BEGIN_MONO (1000 * NS_PER_S)

extern const struct vmt_plugin vmt_plugin_discovery_simulated, vmt_plugin_inspector_simulated,
	vmt_plugin_publisher_file, vmt_plugin_publisher_test, vmt_plugin_transformer_rate_of_change;

static const struct vmt_plugin *plugins[8] = { &vmt_plugin_discovery_simulated,
					       &vmt_plugin_inspector_simulated,
					       &vmt_plugin_publisher_test,
					       &vmt_plugin_publisher_file,
					       &vmt_plugin_transformer_rate_of_change };

void stage_add_plugin(const struct vmt_plugin *plugin)
{
	size_t n = 0;

	while (plugins[n]) {
		n++;
	}
	g_assert_cmpuint(n + 1, <, G_N_ELEMENTS(plugins));
	plugins[n] = plugin;
}

struct cue {
	struct stage *stage;
	void (*fn)(struct stage *stage);
};

void stage_write(struct stage *stage, const char *name, const char *format, ...)
{
	char *path = g_build_filename(stage->dir, name, NULL), *text;
	va_list args;
	FILE *file;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	/* not g_file_set_contents: it waits for the disk, and thousands of files are written */
	file = fopen(path, "w");
	g_assert_nonnull(file);
	g_assert_cmpint(fputs(text, file), >=, 0);
	g_assert_cmpint(fclose(file), ==, 0);
	g_free(text);
	g_free(path);
}

void stage_write_pipeline(struct stage *stage, const char *meters, const char *publishers)
{
	stage_write(stage, "pipeline.yaml",
		    "sources:\n  - name: all\n    meters: [%s]\n    sinks: [sink]\n"
		    "sinks:\n  - name: sink\n    publishers: [%s]\n",
		    meters, publishers);
}

void stage_open(struct stage *stage, const char *conf, unsigned interval_s, const char *publishers)
{
	const char *files[2] = { NULL, NULL };
	struct agent_options options = { .builtin = plugins, .quiet = true };
	struct vmt_error error = { .text = "" };
	char *path;
	int ret;

	clock_simulate(BEGIN_REAL, BEGIN_MONO);
	stage->dir = g_dir_make_tmp("virtmeter-scenario-XXXXXX", NULL);
	g_assert_nonnull(stage->dir);
	stage_write(stage, "virtmeter.conf",
		    "[DEFAULT]\nhost = compute-0\nhypervisor_inspector = simulated\n%s", conf);
	stage_write(stage, "polling.yaml",
		    "sources:\n  - name: all\n    interval: %u\n    meters: ['*', 'vm.*']\n",
		    interval_s);
	stage_write_pipeline(stage, "'*', 'vm.*'", publishers);
	path = g_build_filename(stage->dir, "virtmeter.conf", NULL);
	files[0] = path;
	options.plan.search.files = files;
	options.plan.demo = true;
	ret = agent_new(&options, &stage->agent, &error);
	g_assert_cmpstr(error.text, ==, "");
	g_assert_cmpint(ret, ==, 0);
	/* a reload reads the files again: the names must live on */
	stage->agent->options.plan.search.files = g_memdup2(files, sizeof(files));
}

static void play(void *data)
{
	struct cue *cue = data;

	cue->fn(cue->stage);
	g_free(cue);
}

void stage_at(struct stage *stage, int64_t after_ns, void (*fn)(struct stage *stage))
{
	struct cue *cue = g_new(struct cue, 1);

	*cue = (struct cue){ .stage = stage, .fn = fn };
	loop_timer_add(stage->agent->loop, clock_monotonic() + after_ns, play, cue);
}

int stage_reload(struct stage *stage)
{
	struct buf answer = BUF_INIT;
	int ret = agent_reload(stage->agent, &answer);

	g_assert_cmpuint(answer.len, >, 0);
	buf_fini(&answer);
	return ret;
}

static void stop(struct stage *stage)
{
	agent_stop(stage->agent);
}

int stage_run(struct stage *stage, int64_t length_ns)
{
	stage_at(stage, length_ns, stop);
	return agent_run(stage->agent);
}

void stage_close(struct stage *stage)
{
	static const char *const names[] = { "virtmeter.conf", "polling.yaml", "pipeline.yaml" };
	char **files = (char **)(uintptr_t)stage->agent->options.plan.search.files;

	g_assert_true(agent_clean(stage->agent));
	agent_free(stage->agent);
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		char *path = g_build_filename(stage->dir, names[i], NULL);

		g_unlink(path);
		g_free(path);
	}
	g_rmdir(stage->dir);
	g_free(stage->dir);
	g_free(files[0]);
	g_free(files);
}

struct outlet_status stage_outlet(struct stage *stage, guint i)
{
	struct agent_outlet *ao = g_ptr_array_index(stage->agent->outlets, i);
	struct outlet_status st;
	uint64_t dropped = 0;

	outlet_status(ao->outlet, &st);
	for (unsigned r = 0; r < SPOOL_REASONS; r++) {
		dropped += st.ledger.dropped[r];
	}
	g_assert_cmpuint(st.ledger.produced, ==, st.ledger.confirmed + st.ledger.queued + dropped);
	return st;
}

const void *stage_test(struct stage *stage, guint i)
{
	return ((struct agent_outlet *)g_ptr_array_index(stage->agent->outlets, i))->object->self;
}

struct task_status stage_task(struct stage *stage, guint i)
{
	struct task_status st;

	task_status(((struct agent_task *)g_ptr_array_index(stage->agent->tasks, i))->task, &st);
	return st;
}

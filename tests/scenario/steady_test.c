/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole agent in steady state, by a count of every call of the heap in the process: 1000 instances,
 * every meter, from discovery over inspection, meters, pipelines and the log to the file's lines.
 * In the scenarios one thread runs at a time, so the counts lie between the same points of two cycles.
 * Not with a sanitizer: its own calls would be counted.
 */
#include "tests/scenario/stage.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "model/alloc_count.h"

enum { INSTANCES = 1000, WARM = 6, CYCLES = 14 };

struct count {
	char *path; /* of the file that samples go to */
	unsigned cycles;
	uint64_t calls[CYCLES]; /* of the heap, from the last cycle's samples to this one's */
	uint64_t samples[CYCLES];
	int64_t bytes[CYCLES]; /* that the last cycle left in the file */
};

/* The last cycle is on the disk, this one's samples are made and not yet handed on. */
static void look(void *context, const struct poll_cycle *cycle, const struct frame *frame,
		 const struct poll_cycle_result *result)
{
	struct count *c = context;
	GStatBuf st = { 0 };

	if (c->cycles < CYCLES) {
		c->calls[c->cycles] = alloc_count();
		c->samples[c->cycles] = result->samples;
		c->bytes[c->cycles++] = g_stat(c->path, &st) == 0 ? (int64_t)st.st_size : -1;
		g_assert_cmpint(truncate(c->path, 0), ==, 0);
	}
	alloc_count_begin();
}

static void test_steady(gconstpointer query)
{
	struct stage stage = { NULL };
	struct count count = { .cycles = 0 };
	char *folder = g_dir_make_tmp("virtmeter-steady-XXXXXX", NULL), *url;
	unsigned last = CYCLES - 1;

	g_assert_nonnull(folder);
	count.path = g_build_filename(folder, "samples", NULL);
	g_assert_true(g_file_set_contents(count.path, "", 0, NULL));
	url = g_strdup_printf("'file://%s?%s'", count.path, (const char *)query);
	stage_open(&stage, "[simulated]\ninstances = 1000\nrates = true\nstopped = 10\n", 600, url);
	stage.agent->options.on_cycle = look;
	stage.agent->options.context = &count;
	stage.agent->options.cycles = CYCLES;
	g_assert_cmpint(agent_run(stage.agent), ==, 0);
	g_assert_cmpuint(count.cycles, ==, CYCLES);
	g_assert_cmpuint(count.calls[1], >, 0); /* it does count */
	for (unsigned i = WARM; i < CYCLES; i++) {
		g_assert_cmpuint(count.samples[i], ==, count.samples[last]);
		g_assert_cmpint(count.bytes[i], >, (int64_t)(count.samples[i] * 500));
		g_assert_cmpuint(count.calls[i], ==, 0);
	}
	g_assert_cmpuint(count.samples[last], >, INSTANCES * 30);
	stage_close(&stage);
	g_unlink(count.path);
	g_rmdir(folder);
	g_free(url);
	g_free(count.path);
	g_free(folder);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_data_func("/scenario/steady", "json", test_steady);
	return g_test_run();
}

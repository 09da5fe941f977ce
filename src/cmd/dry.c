/* SPDX-License-Identifier: Apache-2.0 */
/* Dry tests of a pipeline.  Main thread; blocks on reading files. */
#include "cmd/dry.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/intern.h"
#include "cmd/dry_sample.h"
#include "cmd/pipes.h"
#include "conf/pattern.h"
#include "conf/read.h"
#include "model/batch.h"
#include "pipeline/route.h"

/* The file, while its tests run. */
struct run {
	const struct dry *dry;
	const struct yaml_node *root;
	const char *path;
	FILE *out;
	struct problems *problems;
	struct polling *own; /* the pipeline that the file names; NULL: the configuration's */
	enum vmt_profile profile;
	struct frame_pool *pool;
	bool failed; /* something in the file is wrong */
	unsigned good, bad;
};

/* One test: a set of pipelines of its own, and what has come out of it. */
struct trial {
	struct run *run;
	struct pipes pipes;
	GPtrArray *cycle; /* struct dry_sample *, the samples of the cycle in hand */
	GPtrArray *made; /* struct dry_sample * */
	struct frame_builder builder;
};

static void fail(struct run *r, const struct yaml_node *at, const char *what)
{
	problems_add(r->problems, PROBLEM_ERROR, &at->at, "%s", what);
	r->failed = true;
}

static const struct polling *pipeline_of(const struct run *r)
{
	return r->own ? r->own : r->dry->pipeline;
}

/* ---- pipelines */

/* Pipelines with transformers that have seen nothing yet; false: they cannot be opened. */
static bool open_pipelines(struct trial *t, const struct sink_settings *settings)
{
	const struct polling *p = pipeline_of(t->run);
	bool good = true;

	pipes_init(&t->pipes, t->run->dry->registry, settings);
	for (size_t i = 0; i < p->pair_count; i++) {
		good = pipes_add(&t->pipes, &p->pairs[i], t->run->problems) == 0 && good;
	}
	return good;
}

/* ---- cycles */

static void take(struct trial *t, const struct vmt_batch *b)
{
	for (uint32_t i = 0; i < b->count && b->publishers; i++) {
		struct dry_sample *s = g_new0(struct dry_sample, 1);
		GPtrArray *urls = g_ptr_array_new();

		s->name = g_strdup(b->name);
		s->unit = g_strdup(b->unit);
		s->type = (enum vmt_meter_type)b->type;
		s->kind = (enum vmt_kind)(b->kinds ? b->kinds[i] : b->kind);
		s->value = b->value[i];
		s->time_ns = b->times ? b->times[i] : b->time_ns;
		s->mono_ns = b->monos ? b->monos[i] : b->mono_ns;
		s->resource = resource_ref(resource_of(b->resource[i]));
		for (guint u = 0; u < t->pipes.publishers->len && u < PIPES_PUBLISHERS; u++) {
			const struct polling_text *url = g_ptr_array_index(t->pipes.publishers, u);

			if (b->publishers >> u & 1) {
				g_ptr_array_add(urls, g_strdup(url->text));
			}
		}
		g_ptr_array_add(urls, NULL);
		s->publishers = (char **)g_ptr_array_free(urls, FALSE);
		g_ptr_array_add(t->made, s);
	}
}

static void take_frame(struct trial *t, struct frame *frame)
{
	for (size_t i = 0; frame && i < frame->public.count; i++) {
		take(t, &frame->public.batch[i]);
	}
	frame_unref(frame);
}

/* Samples that follow each other and are of one meter lie in one batch, as a poll makes them. */
static struct frame *frame_of_cycle(struct trial *t)
{
	struct frame_builder b;
	struct frame *frame;
	guint i = 0;

	frame_builder_init(&b, t->run->pool);
	frame_begin(&b, t->run->profile, clock_real(), INT64_MIN);
	while (i < t->cycle->len) {
		const struct dry_sample *first = g_ptr_array_index(t->cycle, i);
		const struct batch_spec spec = { .name = batch_text(&b, first->name),
						 .unit = batch_text(&b, first->unit),
						 .type = first->type,
						 .kind = first->kind };

		batch_begin(&b, &spec, t->cycle->len - i);
		for (; i < t->cycle->len; i++) {
			const struct dry_sample *s = g_ptr_array_index(t->cycle, i);

			if (strcmp(s->name, first->name) != 0 ||
			    strcmp(s->unit, first->unit) != 0 || s->type != first->type) {
				break;
			}
			batch_add_kind(&b, s->resource, s->value, s->kind, s->time_ns, s->mono_ns);
		}
		batch_end(&b);
	}
	frame = frame_finish(&b);
	frame_builder_fini(&b);
	return frame;
}

/* The clock shows the newest time in the cycle while it goes through. */
static void end_cycle(struct trial *t)
{
	int64_t newest = INT64_MIN;
	struct frame *frame;

	for (guint i = 0; i < t->cycle->len; i++) {
		const struct dry_sample *s = g_ptr_array_index(t->cycle, i);

		newest = MAX(newest, s->time_ns);
	}
	if (t->cycle->len > 0) {
		clock_simulate_step(newest - clock_real());
		frame = frame_of_cycle(t);
		if (frame) {
			struct frame *made =
				pipeline_route(pipes_set(&t->pipes), frame, &t->builder);

			take_frame(t, frame);
			take_frame(t, made);
		}
		g_ptr_array_set_size(t->cycle, 0);
	}
}

static void run_samples(struct trial *t, const struct yaml_node *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct yaml_node *n = list->value[i];
		struct dry_sample *s;

		if (n->kind == YAML_SCALAR && strcmp(n->text, "cycle") == 0) {
			end_cycle(t);
			continue;
		}
		s = dry_sample_read(n, t->run->dry->settings->sample_source, t->run->problems);
		if (s) {
			g_ptr_array_add(t->cycle, s);
		} else {
			t->run->failed = true;
		}
	}
	end_cycle(t);
}

/* ---- comparison */

/* The sample that meets the expectation; else *ret_near is the one that comes nearest, or NULL. */
static struct dry_sample *find(const struct trial *t, const struct yaml_node *expected,
			       struct dry_sample **ret_near)
{
	unsigned least = UINT_MAX;

	*ret_near = NULL;
	for (guint i = 0; i < t->made->len; i++) {
		struct dry_sample *s = g_ptr_array_index(t->made, i);
		unsigned differs = s->taken ? UINT_MAX : dry_sample_compare(s, expected, NULL);

		if (differs == 0) {
			return s;
		}
		if (differs < least) {
			least = differs;
			*ret_near = s;
		}
	}
	return NULL;
}

/* What differs, a line each, in `out`. */
static void compare(struct trial *t, const struct yaml_node *expect, struct buf *out)
{
	for (size_t i = 0; i < expect->count; i++) {
		const struct yaml_node *n = expect->value[i];
		struct dry_sample *near, *found = find(t, n, &near);
		struct buf why = BUF_INIT;

		if (found) {
			found->taken = true;
			continue;
		}
		buf_puts(out, "  ");
		position_print(&n->at, out);
		if (near) {
			dry_sample_compare(near, n, &why);
			near->taken = true;
		}
		buf_printf(out, "%s\n", near ? why.data : "no such sample came out");
		buf_fini(&why);
	}
	for (guint i = 0; i < t->made->len; i++) {
		const struct dry_sample *s = g_ptr_array_index(t->made, i);

		if (!s->taken) {
			buf_puts(out, "  not expected: ");
			dry_sample_print(s, out);
			buf_putc(out, '\n');
		}
	}
}

/* Samples of meters that the test does not speak of do not count. */
static void leave_out(struct trial *t, const struct yaml_node *meters)
{
	for (guint i = 0; i < t->made->len; i++) {
		struct dry_sample *s = g_ptr_array_index(t->made, i);
		bool wanted = false;

		for (size_t m = 0; m < meters->count && !wanted; m++) {
			wanted = meters->value[m]->kind == YAML_SCALAR &&
				 pattern_glob(meters->value[m]->text, s->name);
		}
		s->taken = s->taken || !wanted;
	}
}

/* ---- tests */

static const struct yaml_node *list_of(struct run *r, const struct yaml_node *test, const char *key,
				       bool needed)
{
	static const struct yaml_node none = { .kind = YAML_LIST };
	const struct yaml_node *n = yaml_get(test, key);
	char what[64];

	if ((n && n->kind == YAML_LIST) || (!needed && !n)) {
		return n ? n : &none;
	}
	if (n && n->kind == YAML_NULL) {
		return &none;
	}
	g_snprintf(what, sizeof(what), "%s: a list is needed", key);
	fail(r, n ? n : test, what);
	return &none;
}

static void run_test(struct run *r, const struct yaml_node *test)
{
	struct trial t = { .run = r };
	const struct sink_settings settings = { .profile = r->profile,
						.source = r->dry->settings->sample_source };
	const struct yaml_node *name = yaml_get(test, "name");
	const struct yaml_node *samples = list_of(r, test, "samples", true);
	const struct yaml_node *expect = list_of(r, test, "expect", true);
	struct buf differs = BUF_INIT;

	for (size_t i = 0; i < expect->count; i++) {
		r->failed = !dry_expect_check(expect->value[i], r->problems) || r->failed;
	}
	t.cycle = g_ptr_array_new_with_free_func(dry_sample_free);
	t.made = g_ptr_array_new_with_free_func(dry_sample_free);
	frame_builder_init(&t.builder, r->pool);
	r->failed = !open_pipelines(&t, &settings) || r->failed;
	if (!r->failed) {
		run_samples(&t, samples);
	}
	if (!r->failed) {
		if (yaml_get(test, "meters")) {
			leave_out(&t, list_of(r, test, "meters", true));
		}
		compare(&t, expect, &differs);
		fprintf(r->out, "%s %s\n%s", differs.len ? "FAILED" : "ok",
			name && name->kind == YAML_SCALAR ? name->text : "(without name)",
			differs.data);
		*(differs.len ? &r->bad : &r->good) += 1;
	}
	frame_builder_fini(&t.builder);
	pipes_fini(&t.pipes);
	g_ptr_array_unref(t.cycle);
	g_ptr_array_unref(t.made);
	buf_fini(&differs);
}

/* The pipeline: a path, from the file's folder on, or the text itself. */
static void read_pipeline(struct run *r)
{
	const struct yaml_node *n = yaml_get(r->root, "pipeline");
	char *folder, *path;
	int ret;

	if (!n) {
		if (!r->dry->pipeline) {
			fail(r, r->root, "pipeline: none is configured; name one here");
		}
		return;
	}
	if (n->kind != YAML_SCALAR) {
		fail(r, n, "pipeline: the path of a pipeline.yaml is needed, or its text behind |");
		return;
	}
	if (strchr(n->text, '\n')) {
		char *named = g_strdup_printf("%s (pipeline)", r->path);

		ret = polling_read_text(named, n->text, strlen(n->text), PIPELINE_FILE, &r->own,
					r->problems);
		g_free(named);
	} else {
		folder = g_path_get_dirname(r->path);
		path = g_path_is_absolute(n->text) ? g_strdup(n->text)
						   : g_build_filename(folder, n->text, NULL);
		ret = polling_read_file(path, PIPELINE_FILE, &r->own, r->problems);
		g_free(folder);
		g_free(path);
	}
	r->failed = r->failed || ret < 0;
}

static void read_profile(struct run *r)
{
	static const char *const names[] = { "juno", "19", "26" }; /* as enum vmt_profile */
	const struct yaml_node *n = yaml_get(r->root, "profile");

	r->profile = r->dry->settings->meter_profile;
	for (unsigned i = 0; n && i < G_N_ELEMENTS(names); i++) {
		if (n->kind == YAML_SCALAR && strcmp(n->text, names[i]) == 0) {
			r->profile = (enum vmt_profile)i;
			return;
		}
	}
	if (n) {
		fail(r, n, "profile: juno, 19 or 26 is needed");
	}
}

static void run_all(struct run *r)
{
	const struct yaml_node *tests;

	if (r->root->kind != YAML_MAP) {
		fail(r, r->root, "a file of dry tests is a mapping: pipeline, tests");
		return;
	}
	read_pipeline(r);
	read_profile(r);
	tests = list_of(r, r->root, "tests", true);
	if (tests->count == 0 && !r->failed) {
		fail(r, r->root, "tests: there are none");
	}
	if (!clock_is_simulated()) {
		clock_simulate(clock_real(), clock_monotonic());
	}
	for (size_t i = 0; i < tests->count && !r->failed; i++) {
		run_test(r, tests->value[i]);
	}
}

int dry_run_text(const struct dry *dry, const char *name, const char *text, size_t size, FILE *out,
		 struct problems *problems)
{
	struct run r = { .dry = dry, .path = name, .out = out, .problems = problems };
	struct yaml *yaml = NULL;
	int ret = yaml_tree_parse(intern(name), text, size, &yaml, problems);

	if (ret < 0) {
		return ret;
	}
	r.root = yaml_tree_root(yaml);
	r.pool = frame_pool_new(2);
	run_all(&r);
	if (!r.failed) {
		fprintf(out, "%u passed, %u failed\n", r.good, r.bad);
	}
	frame_pool_free(r.pool);
	polling_free(r.own);
	yaml_tree_free(yaml);
	return r.failed ? -EINVAL : r.bad > 0;
}

int dry_run(const struct dry *dry, const char *path, FILE *out, struct problems *problems)
{
	struct buf text = BUF_INIT;
	int ret = conf_read_told(path, POLLING_FILE_MAX, &text, problems);

	if (ret == 0) {
		ret = dry_run_text(dry, path, text.data, text.len, out, problems);
	}
	buf_fini(&text);
	return ret;
}

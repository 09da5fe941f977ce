/* SPDX-License-Identifier: Apache-2.0 */
/* Dry tests of a pipeline.  Main thread; blocks on reading files. */
#include "cmd/dry.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/intern.h"
#include "cmd/dry_sample.h"
#include "cmd/pipes.h"
#include "conf/nearest.h"
#include "conf/pattern.h"
#include "conf/read.h"
#include "model/batch.h"
#include "model/json_text.h"
#include "pipeline/route.h"

/* The file, while its tests run. */
struct run {
	const struct dry *dry;
	const struct yaml_node *root;
	const char *path, *text;
	size_t size; /* of the text */
	FILE *out;
	struct problems *problems;
	struct polling *own; /* the pipeline that the file names; NULL: the configuration's */
	enum vmt_profile profile;
	struct frame_pool *pool;
	bool failed; /* something in the file is wrong */
	unsigned good, bad, unusable;
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

/* A mistyped key must not make a test mean something else. */
static void check_keys(struct run *r, const struct yaml_node *map, const char *const *known)
{
	for (size_t i = 0; map->kind == YAML_MAP && i < map->count; i++) {
		const struct yaml_node *key = map->key[i];
		const char *text = key->kind == YAML_SCALAR ? key->text : "";
		const char *near = conf_nearest(text, known);

		if (!g_strv_contains(known, text)) {
			problems_add(r->problems, PROBLEM_ERROR, &key->at,
				     "%s: no such key here%s%s%s", text,
				     near ? "; did you mean " : "", near ? near : "",
				     near ? "?" : "");
			r->failed = true;
		}
	}
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

/* False: one of them is wrong. */
static bool run_samples(struct trial *t, const struct yaml_node *list)
{
	bool good = true;

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
			good = false;
		}
	}
	end_cycle(t);
	return good;
}

/* ---- comparison */

/* Which sample meets which expectation: as many as can be, whatever order they stand in. */
struct match {
	const struct trial *trial;
	const struct yaml_node *expect;
	int *taker; /* of each sample that came out: an expectation's number; -1: none */
	bool *seen; /* samples that were looked at in this search */
};

/* Finds a sample for the expectation; others may have to take another one. */
static bool find_sample(const struct match *m, size_t expectation)
{
	for (guint i = 0; i < m->trial->made->len; i++) {
		const struct dry_sample *s = g_ptr_array_index(m->trial->made, i);

		if (m->seen[i] || s->taken ||
		    dry_sample_compare(s, m->expect->value[expectation], NULL) != 0) {
			continue;
		}
		m->seen[i] = true;
		if (m->taker[i] < 0 || find_sample(m, (size_t)m->taker[i])) {
			m->taker[i] = (int)expectation;
			return true;
		}
	}
	return false;
}

/* Marks the samples that are expected; *ret_met: which expectations are met, to be freed. */
static void match(struct trial *t, const struct yaml_node *expect, bool **ret_met)
{
	struct match m = { .trial = t,
			   .expect = expect,
			   .taker = g_new(int, t->made->len + 1),
			   .seen = g_new(bool, t->made->len + 1) };

	*ret_met = g_new0(bool, expect->count + 1);
	memset(m.taker, -1, sizeof(*m.taker) * t->made->len);
	for (size_t i = 0; i < expect->count; i++) {
		memset(m.seen, 0, t->made->len);
		(*ret_met)[i] = find_sample(&m, i); /* and stays so */
	}
	for (guint i = 0; i < t->made->len; i++) {
		struct dry_sample *s = g_ptr_array_index(t->made, i);

		s->taken = s->taken || m.taker[i] >= 0;
	}
	g_free(m.taker);
	g_free(m.seen);
}

/* Of those that nobody expects, the one that comes nearest; NULL: there is none. */
static struct dry_sample *nearest(const struct trial *t, const struct yaml_node *expected)
{
	struct dry_sample *near = NULL;
	unsigned least = UINT_MAX;

	for (guint i = 0; i < t->made->len; i++) {
		struct dry_sample *s = g_ptr_array_index(t->made, i);
		unsigned differs = s->taken ? UINT_MAX : dry_sample_compare(s, expected, NULL);

		if (differs < least) {
			least = differs;
			near = s;
		}
	}
	return near;
}

/* What differs, a line each, in `out`. */
static void compare(struct trial *t, const struct yaml_node *expect, struct buf *out)
{
	bool *met;

	match(t, expect, &met);
	for (size_t i = 0; i < expect->count; i++) {
		const struct yaml_node *n = expect->value[i];
		struct dry_sample *near = met[i] ? NULL : nearest(t, n);
		struct buf why = BUF_INIT;

		if (met[i]) {
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
	g_free(met);
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

static void tell_as_json(const struct run *r, const struct yaml_node *test, const char *name,
			 const char *differs)
{
	struct buf line = BUF_INIT;
	char **each = g_strsplit(differs, "\n", -1);

	buf_puts(&line, "{\"test\":");
	json_add(&line, name);
	buf_puts(&line, ",\"file\":");
	json_add(&line, test->at.file);
	buf_printf(&line, ",\"line\":%u,\"passed\":%s,\"differences\":[", test->at.line,
		   *differs ? "false" : "true");
	for (char **d = each; *d && **d; d++) {
		buf_puts(&line, d == each ? "" : ",");
		json_add(&line, g_strchug(*d));
	}
	fprintf(r->out, "%s]}\n", line.data);
	g_strfreev(each);
	buf_fini(&line);
}

/* What the pipelines make of the samples, beside what is expected. */
static void judge(struct trial *t, const struct yaml_node *test, const struct yaml_node *expect)
{
	struct run *r = t->run;
	const struct yaml_node *node = yaml_get(test, "name");
	const char *name = node && node->kind == YAML_SCALAR ? node->text : "(without name)";
	struct buf differs = BUF_INIT;

	if (yaml_get(test, "meters")) {
		leave_out(t, list_of(r, test, "meters", true));
	}
	compare(t, expect, &differs);
	if (r->dry->format == TABLE_JSON) {
		tell_as_json(r, test, name, differs.len ? differs.data : "");
	} else {
		fprintf(r->out, "%s %s\n%s", differs.len ? "FAILED" : "ok", name,
			differs.len ? differs.data : "");
	}
	*(differs.len ? &r->bad : &r->good) += 1;
	buf_fini(&differs);
}

/* False: the pipelines cannot be opened, for none of the tests.  What is wrong in one test concerns no other. */
static bool run_test(struct run *r, const struct yaml_node *test)
{
	static const char *const keys[] = { "name", "samples", "expect", "meters", NULL };
	struct trial t = { .run = r };
	const struct sink_settings settings = { .profile = r->profile,
						.source = r->dry->settings->sample_source };
	bool before = r->failed, opened;
	const struct yaml_node *samples, *expect;

	r->failed = false;
	samples = list_of(r, test, "samples", true);
	expect = list_of(r, test, "expect", true);
	check_keys(r, test, keys);
	for (size_t i = 0; i < expect->count; i++) {
		r->failed = !dry_expect_check(expect->value[i], r->problems) || r->failed;
	}
	t.cycle = g_ptr_array_new_with_free_func(dry_sample_free);
	t.made = g_ptr_array_new_with_free_func(dry_sample_free);
	frame_builder_init(&t.builder, r->pool);
	opened = open_pipelines(&t, &settings);
	if (opened) {
		r->failed = !run_samples(&t, samples) || r->failed;
	}
	if (opened && !r->failed) {
		judge(&t, test, expect);
	} else {
		r->unusable++;
	}
	frame_builder_fini(&t.builder);
	pipes_fini(&t.pipes);
	g_ptr_array_unref(t.cycle);
	g_ptr_array_unref(t.made);
	r->failed = r->failed || before || !opened;
	return opened;
}

/* Where the text of a block ("|") stands in the file: below its key, as far to the right as its first line. */
static struct yaml_origin origin_of(const struct run *r, const struct yaml_node *n)
{
	struct yaml_origin origin = { .at = n->at, .made = !n->literal };
	const char *line = r->text, *end = r->text + r->size, *first = n->text;
	size_t indent = 0, own;

	if (!n->literal) {
		return origin;
	}
	for (unsigned i = 0; i < n->at.line && line < end; i++) {
		const char *next = memchr(line, '\n', (size_t)(end - line));

		line = next ? next + 1 : end;
	}
	while (line < end && *line == '\n') {
		line++; /* empty lines have no indentation */
	}
	while (line + indent < end && line[indent] == ' ') {
		indent++;
	}
	first += strspn(first, "\n");
	own = strspn(first, " "); /* where the block says how far it is indented */
	origin.at.line = n->at.line + 1;
	origin.at.column = 1 + (unsigned)(indent - MIN(own, indent));
	return origin;
}

/* Whether the file is that of the configuration, under whatever name. */
static bool is_configured(const struct run *r, const char *path)
{
	const struct polling *p = r->dry->pipeline;
	struct stat a, b;

	return p && p->file && stat(path, &a) == 0 && stat(p->file, &b) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
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
	if (strchr(n->text, '\n') || strchr(n->text, '{')) { /* no path has braces or lines */
		const struct yaml_origin origin = origin_of(r, n);

		ret = polling_read_part(&origin, n->text, strlen(n->text), PIPELINE_FILE, &r->own,
					r->problems);
	} else {
		folder = g_path_get_dirname(r->path);
		path = g_path_is_absolute(n->text) ? g_strdup(n->text)
						   : g_build_filename(folder, n->text, NULL);
		ret = is_configured(r, path)
			      ? 0 /* as the agent reads it, with its polling.yaml */
			      : polling_read_file(path, PIPELINE_FILE, &r->own, r->problems);
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
	static const char *const keys[] = { "pipeline", "profile", "tests", NULL };
	const struct yaml_node *tests;
	bool can_run;

	if (r->root->kind != YAML_MAP) {
		fail(r, r->root, "a file of dry tests is a mapping: pipeline, tests");
		return;
	}
	read_pipeline(r);
	can_run = !r->failed;
	read_profile(r);
	check_keys(r, r->root, keys);
	tests = list_of(r, r->root, "tests", true);
	if (tests->count == 0 && !r->failed) {
		fail(r, r->root, "tests: there are none");
	}
	if (!clock_is_simulated()) {
		clock_simulate(clock_real(), clock_monotonic());
	}
	for (size_t i = 0; i < tests->count && can_run; i++) {
		can_run = run_test(r, tests->value[i]);
	}
}

/* Of a file that cannot be used at all, there is nothing to tell. */
static void tell_numbers(const struct run *r)
{
	if (r->good + r->bad + r->unusable == 0) {
		return;
	}
	if (r->dry->format == TABLE_JSON) {
		struct buf name = BUF_INIT;

		json_add(&name, r->path);
		fprintf(r->out, "{\"tests\":%s,\"passed\":%u,\"failed\":%u,\"unusable\":%u}\n",
			name.data, r->good, r->bad, r->unusable);
		buf_fini(&name);
		return;
	}
	fprintf(r->out, "%u passed, %u failed", r->good, r->bad);
	if (r->unusable) {
		fprintf(r->out, ", %u could not be run", r->unusable);
	}
	fputc('\n', r->out);
}

int dry_run_text(const struct dry *dry, const char *name, const char *text, size_t size, FILE *out,
		 struct problems *problems)
{
	struct run r = { .dry = dry,
			 .path = name,
			 .text = text,
			 .size = size,
			 .out = out,
			 .problems = problems };
	struct yaml *yaml = NULL;
	int ret = yaml_tree_parse(intern(name), text, size, &yaml, problems);

	if (ret < 0) {
		return ret;
	}
	r.root = yaml_tree_root(yaml);
	r.pool = frame_pool_new(2);
	run_all(&r);
	tell_numbers(&r);
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

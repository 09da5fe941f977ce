/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A row of transformers: what one hands on goes into the next, at once, so that no batch waits.  Opening is on
 * the main thread, the rest on the pipeline thread; blocks on nothing but what a plugin blocks on.
 */
#include "pipeline/sink.h"

#include <errno.h>
#include <glib.h>
#include <stdatomic.h>
#include <string.h>

#define LOG_NAME "pipeline"
#include "base/arena.h"
#include "base/log.h"
#include "conf/nearest.h"
#include "conf/option_tree.h"
#include "transform/out.h"
#include "transform/stage.h"

struct stage {
	const struct vmt_plugin *plugin;
	void *self, *conf;
	struct vmt_stage public;
	struct vmt_transform out;
};

struct sink {
	atomic_uint refs;
	char *key; /* the whole of its configuration as text */
	char *source;
	struct arena *arena;
	size_t count;
	struct stage *stage;
	uint64_t mark;
	struct sink_note note;
};

/* ---- configuration */

static void describe(const struct yaml_node *n, struct buf *out)
{
	if (!n || n->kind == YAML_NULL) {
		buf_puts(out, "~");
	} else if (n->kind == YAML_SCALAR) {
		buf_printf(out, "%d%zu:%s", n->quoted, strlen(n->text), n->text);
	} else {
		buf_puts(out, n->kind == YAML_LIST ? "[" : "{");
		for (size_t i = 0; i < n->count; i++) {
			if (n->kind == YAML_MAP) {
				describe(n->key[i], out);
				buf_putc(out, '=');
			}
			describe(n->value[i], out);
			buf_putc(out, ',');
		}
		buf_putc(out, ']');
	}
}

static char *make_key(const struct pipeline_sink *conf, const struct sink_settings *settings)
{
	struct buf key = BUF_INIT;

	buf_printf(&key, "%d %s %s", settings->profile, settings->source, conf->name);
	for (size_t i = 0; i < conf->transformer_count; i++) {
		buf_printf(&key, " > %s ", conf->transformers[i].name);
		describe(conf->transformers[i].parameters, &key);
	}
	return buf_steal(&key);
}

bool sink_is(const struct sink *sink, const struct pipeline_sink *conf,
	     const struct sink_settings *settings)
{
	char *key = make_key(conf, settings);
	bool same = strcmp(key, sink->key) == 0;

	g_free(key);
	return same;
}

/* The place of the option that the reason begins with, else of the transformer. */
static const struct position *place(const struct vmt_plugin *plugin,
				    const struct pipeline_transformer *conf, const char *reason)
{
	for (const struct vmt_option *o = plugin->options; o && o->name; o++) {
		size_t n = strlen(o->name);

		if (strncmp(reason, o->name, n) == 0 && reason[n] == ':') {
			const struct yaml_node *node =
				options_tree_find(conf->parameters, o->name, n);

			return node ? &node->at : &conf->at;
		}
	}
	return &conf->at;
}

/* A transformer that is being opened, for what it finds. */
struct opening {
	const struct vmt_plugin *plugin;
	const struct pipeline_transformer *conf;
	struct problems *problems;
	bool wrong;
};

static void tell(void *context, bool wrong, const char *text)
{
	struct opening *o = context;

	problems_add(o->problems, wrong ? PROBLEM_ERROR : PROBLEM_WARNING,
		     place(o->plugin, o->conf, text), "%s", text);
	o->wrong = o->wrong || wrong;
}

static void tell_unknown(const struct registry *registry, const struct pipeline_transformer *conf,
			 struct problems *problems)
{
	const char **names = registry_names(registry, VMT_TRANSFORMER);
	const char *near = conf_nearest(conf->name, names);

	problems_add(problems, PROBLEM_ERROR, &conf->name_at,
		     "No transformer named %s loaded%s%s%s", conf->name,
		     near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
	g_free(names);
}

static int open_stage(struct registry *registry, struct sink *sink, struct stage *stage,
		      const struct pipeline_transformer *conf, struct problems *problems)
{
	const struct vmt_plugin *p = registry_find(registry, VMT_TRANSFORMER, conf->name, NULL);
	struct vmt_error error = { .text = "" };
	struct opening opening = { .plugin = p, .conf = conf, .problems = problems };
	const struct vmt_stage_host host = { .tell = tell, .context = &opening };
	const char *logger;
	int ret;

	if (!p) {
		tell_unknown(registry, conf, problems);
		return -EINVAL;
	}
	stage->conf = arena_alloc0(sink->arena, p->conf_size ? p->conf_size : 1);
	ret = options_decode_tree(p->options, conf->parameters, sink->arena, stage->conf, problems);
	if (ret < 0) {
		return ret;
	}
	stage->public.host = &host;
	logger = log_plugin(p->name);
	ret = p->ops.transformer->open(stage->conf, &stage->public, &stage->self, &error);
	log_plugin(logger);
	stage->public.host = NULL;
	if (ret < 0 && opening.wrong) {
		return -EINVAL;
	}
	if (ret < 0) {
		problems_add(problems, PROBLEM_ERROR, place(p, conf, error.text), "%s",
			     error.text[0] ? error.text : g_strerror(-ret));
		return -EINVAL;
	}
	stage->plugin = p;
	return 0;
}

static void sink_free(struct sink *sink)
{
	if (sink->note.context) {
		sink->note.ended(sink->note.context, sink->note.held);
	}
	for (size_t i = 0; i < sink->count; i++) {
		struct stage *s = &sink->stage[i];

		if (s->plugin) {
			const char *logger = log_plugin(s->plugin->name);

			s->plugin->ops.transformer->close(s->self);
			log_plugin(logger);
		}
		transform_out_fini(&s->out);
	}
	arena_free(sink->arena);
	g_free(sink->stage);
	g_free(sink->source);
	g_free(sink->key);
	g_free(sink);
}

int sink_open(struct registry *registry, const struct pipeline_sink *conf,
	      const struct sink_settings *settings, struct problems *problems,
	      struct sink **ret_sink)
{
	struct sink *sink;
	int ret = 0;

	if (conf->transformer_count == 0) {
		*ret_sink = NULL;
		return 0;
	}
	sink = g_new0(struct sink, 1);
	atomic_init(&sink->refs, 1);
	sink->key = make_key(conf, settings);
	sink->source = g_strdup(settings->source);
	sink->arena = arena_new(1024);
	sink->count = conf->transformer_count;
	sink->stage = g_new0(struct stage, sink->count);
	for (size_t i = 0; i < sink->count; i++) {
		struct stage *s = &sink->stage[i];

		s->public = (struct vmt_stage){ .name = arena_printf(sink->arena, "%s/%zu",
								     conf->name, i + 1),
						.source = sink->source,
						.profile = settings->profile };
		transform_out_init(&s->out, s->public.name);
		if (open_stage(registry, sink, s, &conf->transformers[i], problems) < 0) {
			ret = -EINVAL; /* the others may have something to say too */
		}
	}
	if (ret < 0) {
		sink_free(sink);
		return ret;
	}
	*ret_sink = sink;
	return 0;
}

struct sink *sink_ref(struct sink *sink)
{
	atomic_fetch_add(&sink->refs, 1);
	return sink;
}

void sink_unref(struct sink *sink)
{
	if (sink && atomic_fetch_sub(&sink->refs, 1) == 1) {
		sink_free(sink);
	}
}

uint64_t *sink_mark(struct sink *sink)
{
	return &sink->mark;
}

struct sink_note *sink_note(struct sink *sink)
{
	return &sink->note;
}

uint64_t sink_held(const struct sink *sink)
{
	uint64_t held = 0;

	for (size_t i = 0; i < sink->count; i++) {
		held += sink->stage[i].out.held;
	}
	return held;
}

/* ---- at work */

struct way {
	struct sink *sink;
	sink_out_fn fn;
	void *context;
	struct sink_counts *counts;
};

static void feed(const struct way *w, size_t at, const struct vmt_batch *batch);

/* What stage `at` has handed on goes further.  Samples passed on in `handle` were never consumed. */
static void hand_on(const struct way *w, size_t at, uint64_t rows)
{
	struct vmt_transform *out = &w->sink->stage[at].out;
	uint64_t passed = 0;

	for (size_t i = 0; i < out->count; i++) {
		uint32_t count = out->list[i].batch.count;

		if (rows > 0 && !out->list[i].made) {
			passed += count;
		} else {
			w->counts->made += count;
		}
	}
	w->counts->consumed += rows - MIN(passed, rows);
	w->counts->made += passed - MIN(passed, rows); /* what was kept before */
	for (size_t i = 0; i < out->count; i++) {
		feed(w, at + 1, &out->list[i].batch);
	}
	out->count = 0;
}

static void complain(const struct stage *s, int ret, const struct vmt_error *error, uint64_t rows)
{
	log_warn("%s: %s: %s; %" G_GUINT64_FORMAT " samples are dropped", s->public.name,
		 s->plugin->name, error->text[0] ? error->text : g_strerror(-ret), rows);
}

static void feed(const struct way *w, size_t at, const struct vmt_batch *batch)
{
	struct vmt_error error = { .text = "" };
	struct stage *s;
	const char *logger;
	int ret;

	if (at == w->sink->count) {
		w->counts->out += batch->count;
		w->fn(w->context, batch);
		return;
	}
	s = &w->sink->stage[at];
	logger = log_plugin(s->plugin->name);
	ret = s->plugin->ops.transformer->handle(s->self, batch, &s->out, &error);
	log_plugin(logger);
	if (ret < 0) {
		s->out.count = 0;
		complain(s, ret, &error, batch->count);
	}
	hand_on(w, at, batch->count);
}

void sink_take(struct sink *sink, const struct vmt_batch *batch, sink_out_fn fn, void *context,
	       struct sink_counts *counts)
{
	struct way w = { .sink = sink, .fn = fn, .context = context, .counts = counts };

	feed(&w, 0, batch);
}

void sink_flush(struct sink *sink, sink_out_fn fn, void *context, struct sink_counts *counts)
{
	struct way w = { .sink = sink, .fn = fn, .context = context, .counts = counts };

	for (size_t i = 0; i < sink->count; i++) {
		struct stage *s = &sink->stage[i];
		struct vmt_error error = { .text = "" };
		const char *logger;
		int ret;

		if (!s->plugin->ops.transformer->flush) {
			continue;
		}
		logger = log_plugin(s->plugin->name);
		ret = s->plugin->ops.transformer->flush(s->self, &s->out, &error);
		log_plugin(logger);
		if (ret < 0) {
			s->out.count = 0;
			complain(s, ret, &error, 0);
		}
		hand_on(&w, i, 0);
	}
}

void sink_end(struct sink *sink)
{
	for (size_t i = 0; i < sink->count; i++) {
		transform_out_reset(&sink->stage[i].out);
	}
}

void sink_forget(struct sink *sink, const uint64_t *instances, size_t count)
{
	for (size_t i = 0; i < sink->count; i++) {
		const struct vmt_transformer_ops *ops = sink->stage[i].plugin->ops.transformer;

		if (ops->forget) {
			ops->forget(sink->stage[i].self, instances, count);
		}
	}
}

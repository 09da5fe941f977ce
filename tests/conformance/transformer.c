/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the contract asks of every transformer: it opens with its defaults, takes batches of every kind and
 * shape, accounts for every sample, keeps no reference that it does not give back, makes the same ids of the
 * same samples, forgets instances, and hands on only numbers.
 */
#include <errno.h>
#include <glib.h>
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/hash.h"
#include "conf/option_tree.h"
#include "model/batch.h"
#include "model/resource.h"
#include "transform/out.h"

extern const struct vmt_plugin vmt_plugin_transformer_accumulator,
	vmt_plugin_transformer_aggregator, vmt_plugin_transformer_arithmetic,
	vmt_plugin_transformer_delta, vmt_plugin_transformer_rate_of_change,
	vmt_plugin_transformer_unit_conversion;

enum { ROWS = 300, CYCLES = 5 };

/* A transformer with parameters under which it makes something of the samples below. */
struct subject {
	const struct vmt_plugin *plugin;
	const char *parameters;
	bool holds; /* samples, from cycle to cycle */
};

static const struct subject subjects[] = {
	{ &vmt_plugin_transformer_accumulator, "{size: 700}", true },
	{ &vmt_plugin_transformer_aggregator, "{size: 700, target: {scale: 'volume + 1'}}", true },
	{ &vmt_plugin_transformer_arithmetic, "{target: {expr: '$(cpu) - $(disk)', name: x}}" },
	{ &vmt_plugin_transformer_delta, "{target: {name: d}}" },
	{ &vmt_plugin_transformer_rate_of_change,
	  "{target: {scale: '2.0 * resource_metadata.n'}}" },
	{ &vmt_plugin_transformer_unit_conversion, "{target: {scale: 'volume / (1 + volume)'}}" },
};

static const struct vmt_stage stage = { .name = "sink/1",
					.source = "openstack",
					.profile = VMT_PROFILE_26 };

/* ---- one at work */

struct work {
	const struct subject *subject;
	struct arena *arena;
	struct vmt_transform out;
	void *self;
	struct resource *resource[ROWS];
	uint64_t in, passed, made, flushed;
	uint64_t ids; /* of all that was handed on, one after the other */
};

static void make_resources(struct work *w, const char *source)
{
	for (unsigned i = 0; i < ROWS; i++) {
		char id[16], instance[16], metadata[32];
		struct resource_owner owner = { .source = source, .instance_id = instance };
		struct resource_head *head;

		g_snprintf(id, sizeof(id), "r%u", i);
		g_snprintf(instance, sizeof(instance), "i%u", i / 3);
		g_snprintf(metadata, sizeof(metadata), "{\"n\": %u", i);
		head = resource_head_new(&owner, metadata, strlen(metadata));
		w->resource[i] = resource_new(head, id, "}", 1);
		resource_head_unref(head);
	}
}

static void *decode(struct work *w, const char *parameters)
{
	const struct vmt_plugin *p = w->subject->plugin;
	struct problems *problems = problems_new();
	void *conf = arena_alloc0(w->arena, p->conf_size + 1);
	struct yaml *yaml;

	g_assert_cmpint(yaml_tree_parse("p", parameters, strlen(parameters), &yaml, problems), ==,
			0);
	g_assert_cmpint(options_decode_tree(p->options, yaml_tree_root(yaml), w->arena, conf,
					    problems),
			==, 0);
	g_assert_cmpuint(problems_count(problems), ==, 0);
	yaml_tree_free(yaml);
	problems_free(problems);
	return conf;
}

static void open_work(struct work *w, const struct subject *subject, const char *parameters,
		      const char *source)
{
	struct vmt_error error = { .text = "" };

	*w = (struct work){ .subject = subject, .arena = arena_new(0) };
	transform_out_init(&w->out, stage.name);
	make_resources(w, source);
	g_assert_cmpint(subject->plugin->ops.transformer->open(decode(w, parameters), &stage,
							       &w->self, &error),
			==, 0);
}

/* References that the plugin still holds show as counts above our own. */
static void close_work(struct work *w)
{
	transform_out_reset(&w->out);
	w->subject->plugin->ops.transformer->close(w->self);
	for (unsigned i = 0; i < ROWS; i++) {
		g_assert_cmpuint(atomic_load(&w->resource[i]->refs), ==, 1);
		resource_unref(w->resource[i]);
	}
	transform_out_fini(&w->out);
	arena_free(w->arena);
}

/* Looks at what was handed on, as the host does before its next call. */
static void look(struct work *w, bool flushed)
{
	for (size_t i = 0; i < w->out.count; i++) {
		const struct vmt_batch *b = &w->out.list[i].batch;
		bool made = w->out.list[i].made;

		g_assert_cmpuint(b->count, >, 0);
		g_assert_true(b->name[0] && b->unit && b->type <= VMT_DELTA);
		g_assert_true(!made == !b->derived);
		g_assert_true(!made || (!b->monos && b->mono_ns == INT64_MIN));
		for (uint32_t row = 0; row < b->count; row++) {
			unsigned kind = b->kinds ? b->kinds[row] : b->kind;
			uint8_t id[16];

			g_assert_cmpuint(kind, <=, VMT_DOUBLE);
			g_assert_true(kind != VMT_DOUBLE || isfinite(b->value[row].d));
			g_assert_true(b->resource[row]->id[0] == 'r');
			g_assert_true(!made || strcmp(b->resource[row]->source, stage.source) == 0);
			vmt_batch_id(b, row, id);
			g_assert_cmpuint(id[6] >> 4, ==, made ? 5 : 1);
			w->ids = hash64(id, sizeof(id), w->ids);
		}
		*(flushed ? &w->flushed : made ? &w->made : &w->passed) += b->count;
	}
	w->out.count = 0;
}

/* Values, kinds and times that a batch may have. */
struct shape {
	bool kinds, times, monos;
};

static void hand_in(struct work *w, const char *name, unsigned cycle, struct shape shape)
{
	static const uint8_t id[16] = { 1, 2, 3, 4, 5, 6, 0x10, 7, 0x80, 9 };
	const struct vmt_resource *resource[ROWS];
	union vmt_num value[ROWS];
	uint8_t kinds[ROWS];
	int64_t times[ROWS], monos[ROWS];
	struct vmt_error error = { .text = "" };
	struct vmt_batch b = { .name = name,
			       .unit = "ns",
			       .type = name[0] == 'c' ? VMT_CUMULATIVE : VMT_GAUGE,
			       .kind = VMT_UINT64,
			       .count = ROWS,
			       .resource = resource,
			       .value = value,
			       .time_ns = (1000 + (int64_t)cycle * 10) * NS_PER_S,
			       .mono_ns = INT64_MIN,
			       .kinds = shape.kinds ? kinds : NULL,
			       .times = shape.times ? times : NULL,
			       .monos = shape.monos ? monos : NULL };

	memcpy(b.id, id, sizeof(id));
	b.id[3] = (uint8_t)cycle;
	for (unsigned i = 0; i < ROWS; i++) {
		resource[i] =
			&w->resource[(i * 7 + cycle) % ROWS]->public; /* another order each time */
		kinds[i] = i % 3 ? VMT_DOUBLE : VMT_INT64;
		value[i].u = cycle * 1000 + i;
		if (shape.kinds && kinds[i] == VMT_DOUBLE) {
			value[i].d = i % 11 ? cycle * 0.5 : 1e308;
		}
		times[i] = b.time_ns + (int64_t)i - 150;
		monos[i] = i % 5 ? (int64_t)(cycle * 100 + i) : INT64_MIN;
	}
	g_assert_cmpint(w->subject->plugin->ops.transformer->handle(w->self, &b, &w->out, &error),
			==, 0);
	w->in += ROWS;
	look(w, false);
}

static void end_cycle(struct work *w)
{
	const struct vmt_transformer_ops *ops = w->subject->plugin->ops.transformer;
	struct vmt_error error = { .text = "" };

	if (ops->flush) {
		g_assert_cmpint(ops->flush(w->self, &w->out, &error), ==, 0);
		look(w, true);
	}
	transform_out_reset(&w->out);
}

static void run(struct work *w, struct shape shape)
{
	for (unsigned cycle = 0; cycle < CYCLES; cycle++) {
		hand_in(w, "cpu", cycle, shape);
		hand_in(w, "disk", cycle, shape);
		end_cycle(w);
	}
}

static void test_shapes(gconstpointer data)
{
	for (unsigned s = 0; s < 8; s++) {
		struct shape shape = { .kinds = s & 1, .times = s & 2, .monos = s & 4 };
		struct work w;

		open_work(&w, data, ((const struct subject *)data)->parameters,
			  s & 1 ? "openstack" : "elsewhere");
		run(&w, shape);
		g_assert_cmpuint(w.made + w.passed + w.flushed, >, 0);
		g_assert_cmpuint(w.made + w.passed, <=, w.in);
		close_work(&w);
	}
}

/* The same samples once more, in another object: the same ids; other samples, others. */
static void test_ids(gconstpointer data)
{
	struct work one, two, three;

	open_work(&one, data, ((const struct subject *)data)->parameters, "openstack");
	open_work(&two, data, ((const struct subject *)data)->parameters, "openstack");
	open_work(&three, data, ((const struct subject *)data)->parameters, "openstack");
	run(&one, (struct shape){ .kinds = false });
	run(&two, (struct shape){ .kinds = false });
	for (unsigned cycle = 0; cycle < CYCLES; cycle++) {
		hand_in(&three, "cpu", 100 + cycle, (struct shape){ .kinds = false });
		hand_in(&three, "disk", 100 + cycle, (struct shape){ .kinds = false });
		end_cycle(&three);
	}
	g_assert_cmphex(one.ids, ==, two.ids);
	g_assert_cmphex(one.ids, !=, three.ids);
	close_work(&one);
	close_work(&two);
	close_work(&three);
}

static void test_defaults(gconstpointer data)
{
	struct work w;

	open_work(&w, data, "~", "openstack");
	run(&w, (struct shape){ .kinds = false });
	close_work(&w);
	((const struct subject *)data)->plugin->ops.transformer->close(NULL);
}

/* Instances go in the middle; who is left goes on, who comes back begins anew. */
static void test_forget(gconstpointer data)
{
	const struct vmt_transformer_ops *ops =
		((const struct subject *)data)->plugin->ops.transformer;
	uint64_t gone[ROWS / 6];
	struct work w;

	if (!ops->forget) {
		return; /* keeps nothing per series */
	}
	open_work(&w, data, ((const struct subject *)data)->parameters, "openstack");
	for (unsigned i = 0; i < G_N_ELEMENTS(gone); i++) {
		gone[i] = w.resource[i * 6]->public.instance;
	}
	for (unsigned cycle = 0; cycle < CYCLES; cycle++) {
		run(&w, (struct shape){ .times = true });
		ops->forget(w.self, gone, G_N_ELEMENTS(gone));
	}
	close_work(&w);
}

/* What something is still to be made of is told, until that is done. */
static void test_held(gconstpointer data)
{
	bool holds = ((const struct subject *)data)->holds;
	struct work w;

	open_work(&w, data, ((const struct subject *)data)->parameters, "openstack");
	for (unsigned cycle = 0; cycle < 2 * CYCLES; cycle++) {
		bool odd = cycle % 2; /* with which there are as many as `size` */

		g_assert_cmpuint(w.out.held, ==, holds && odd ? 2 * ROWS : 0);
		hand_in(&w, "cpu", cycle, (struct shape){ .kinds = false });
		g_assert_cmpuint(w.out.held, ==, !holds ? 0 : odd ? 3 * ROWS : ROWS);
		hand_in(&w, "disk", cycle, (struct shape){ .kinds = false });
		end_cycle(&w);
		g_assert_cmpuint(w.out.held, ==, holds && !odd ? 2 * ROWS : 0);
	}
	close_work(&w);
}

/* Python 2 divides integers as integers, and only then makes a float of it. */
static void test_juno_division(void)
{
	static const struct subject subject = { &vmt_plugin_transformer_arithmetic, "" };
	static const struct vmt_stage juno = { .name = "sink/1",
					       .source = "openstack",
					       .profile = VMT_PROFILE_JUNO };
	static const struct {
		const char *name;
		uint64_t value;
	} in[] = { { "memory.usage", 256 }, { "memory", 1000 } };
	const struct vmt_transformer_ops *ops = subject.plugin->ops.transformer;
	struct vmt_error error = { .text = "" };
	struct work w = { .subject = &subject, .arena = arena_new(0) };

	transform_out_init(&w.out, juno.name);
	make_resources(&w, "openstack");
	g_assert_cmpint(
		ops->open(decode(&w,
				 "{target: {expr: '100 * $(memory.usage) / $(memory)', name: x}}"),
			  &juno, &w.self, &error),
		==, 0);
	for (size_t i = 0; i < G_N_ELEMENTS(in); i++) {
		const struct vmt_resource *resource = &w.resource[0]->public;
		union vmt_num value = { .u = in[i].value };
		struct vmt_batch b = { .name = in[i].name,
				       .unit = "MB",
				       .type = VMT_GAUGE,
				       .kind = VMT_UINT64,
				       .count = 1,
				       .resource = &resource,
				       .value = &value,
				       .mono_ns = INT64_MIN };

		g_assert_cmpint(ops->handle(w.self, &b, &w.out, &error), ==, 0);
	}
	g_assert_cmpint(ops->flush(w.self, &w.out, &error), ==, 0);
	g_assert_cmpuint(w.out.count, ==, 1);
	g_assert_cmpuint(w.out.list[0].batch.kind, ==, VMT_DOUBLE);
	g_assert_true(w.out.list[0].batch.value[0].d == 25.0);
	w.out.count = 0;
	close_work(&w);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		GTestDataFunc fn;
	} tests[] = { { "shapes", test_shapes },
		      { "ids", test_ids },
		      { "defaults", test_defaults },
		      { "forget", test_forget },
		      { "held", test_held } };

	g_test_init(&argc, &argv, NULL);
	for (size_t s = 0; s < G_N_ELEMENTS(subjects); s++) {
		for (size_t t = 0; t < G_N_ELEMENTS(tests); t++) {
			char *path = g_strdup_printf("/conformance/transformer/%s/%s",
						     subjects[s].plugin->name, tests[t].name);

			g_test_add_data_func(path, &subjects[s], tests[t].fn);
			g_free(path);
		}
	}
	g_test_add_func("/conformance/transformer/arithmetic/juno-division", test_juno_division);
	return g_test_run();
}

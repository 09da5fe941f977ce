/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cycle of 1000 simulated instances from readings over samples to JSON, unsigned, beside a bare memcpy of
 * the same bytes from memory that no cache holds, both into a buffer of the size that publishers use.
 * Prints ns per sample; exit status 1 when the target is missed.  Usage: cycle-bench [ROUNDS]
 */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "model/frame.h"
#include "model/meter_scene.h"
#include "plugins/simulated/world.h"
#include "wire/sample.h"

enum { INSTANCES = 1000, CHUNK = 256 << 10, TARGET = 6 };

extern const struct vmt_plugin vmt_plugin_discovery_simulated, vmt_plugin_inspector_simulated;

static const struct simulated_conf world = {
	.instances = INSTANCES, .disks = 1, .nics = 1, .seed = 1
};

struct figures {
	double meters, json, copy; /* ns per sample, the best of all rounds */
	uint64_t samples, bytes; /* of a cycle */
};

static void or_die(int ret, const struct vmt_error *error)
{
	if (ret < 0) {
		g_error("%s", error->text);
	}
}

static void *open_inspector(void)
{
	struct vmt_error error = { .text = "" };
	void *self = NULL;

	or_die(vmt_plugin_inspector_simulated.ops.inspector->open(&world, &self, &error), &error);
	return self;
}

static void discover(struct scene *s, const struct vmt_call *call)
{
	const struct vmt_discovery_ops *ops = vmt_plugin_discovery_simulated.ops.discovery;
	struct vmt_snapshot_builder *builder = snapshot_builder_new(0);
	struct vmt_error error = { .text = "" };
	void *self = NULL;

	or_die(ops->open(&world, &self, &error), &error);
	or_die(ops->discover(self, "", builder, call, &error), &error);
	s->snapshot = snapshot_builder_finish(builder, NULL, clock_real());
	ops->close(self);
}

/* What the hypervisor says; not timed. */
static void read_all(struct scene *s, void *inspector, const struct vmt_call *call)
{
	struct vmt_inspect_request request = { .groups = s->selection->groups,
					       .interval_ns = 600 * NS_PER_S };
	struct vmt_error error = { .text = "" };

	scene_begin(s, 600);
	or_die(vmt_plugin_inspector_simulated.ops.inspector->inspect(inspector, &s->snapshot->list,
								     &request, s->in, call, &error),
	       &error);
}

/* All lines of the frame; those of `keep` bytes at a time stay in `out`. */
static uint64_t encode(struct sample_encoder *e, const struct vmt_frame *frame, struct buf *out,
		       size_t keep)
{
	uint64_t bytes = 0;

	buf_reset(out);
	for (size_t i = 0; i < frame->count; i++) {
		const struct vmt_batch *batch = &frame->batch[i];

		sample_encoder_batch(e, batch);
		for (uint32_t row = 0; row < batch->count; row++) {
			sample_encoder_row(e, row, out);
			buf_putc(out, '\n');
			if (out->len >= keep) {
				bytes += out->len;
				buf_reset(out);
			}
		}
	}
	return bytes + out->len;
}

static double best(double known, int64_t begin_ns, uint64_t samples)
{
	double ns = (double)(clock_monotonic() - begin_ns) / (double)samples;

	return known == 0 || ns < known ? ns : known;
}

/* The bytes of `from`, a sample at a time. */
static void copy(const struct buf *from, uint64_t samples, char *to)
{
	size_t each = from->len / samples, at = 0;

	for (size_t i = 0; i < samples; i++) {
		memcpy(to + at, from->data + i * each, each);
		at = at + 2 * each > CHUNK ? 0 : at + each;
	}
}

static struct figures measure(struct scene *s, void *inspector, const struct vmt_call *call,
			      int rounds)
{
	struct buf out = BUF_INIT, whole = BUF_INIT;
	struct figures f = { .samples = 0 };
	struct sample_encoder encoder;
	char *to = g_malloc0(CHUNK);

	sample_encoder_init(&encoder, SAMPLE_JSON, VMT_PROFILE_26);
	for (int i = -2; i < rounds; i++) { /* two cycles until rates and caches are there */
		int64_t begin;

		read_all(s, inspector, call);
		begin = clock_monotonic();
		f.samples = (uint64_t)scene_run(s);
		f.meters = i < 0 ? 0 : best(f.meters, begin, f.samples);
		begin = clock_monotonic();
		encode(&encoder, &s->frame->public, &out, CHUNK);
		f.json = i < 0 ? 0 : best(f.json, begin, f.samples);
		f.bytes = encode(&encoder, &s->frame->public, &whole, SIZE_MAX);
		begin = clock_monotonic();
		copy(&whole, f.samples, to);
		f.copy = i < 0 ? 0 : best(f.copy, begin, f.samples);
	}
	sample_encoder_fini(&encoder);
	buf_fini(&out);
	buf_fini(&whole);
	g_free(to);
	return f;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 10;
	atomic_bool cancel = false;
	struct vmt_call call = { .deadline_ns = INT64_MAX, .cancel = &cancel };
	struct scene scene;
	struct figures f;
	void *inspector = open_inspector();
	double ratio;

	scene_init(&scene, VMT_PROFILE_26, NULL);
	discover(&scene, &call);
	f = measure(&scene, inspector, &call, rounds);
	ratio = (f.meters + f.json) / f.copy;
	printf("%d simulated instances, %d samples, %d bytes each      ns/sample   beside memcpy\n",
	       INSTANCES, (int)f.samples, (int)(f.bytes / f.samples));
	printf("memcpy, out of cache                    %9.0f\n", f.copy);
	printf("readings to samples                     %9.0f       %.1f x\n", f.meters,
	       f.meters / f.copy);
	printf("samples to JSON                         %9.0f       %.1f x\n", f.json,
	       f.json / f.copy);
	printf("readings to samples to JSON             %9.0f       %.1f x  <= %d  %s\n",
	       f.meters + f.json, ratio, TARGET, ratio <= TARGET ? "met" : "MISSED");
	scene_fini(&scene);
	vmt_plugin_inspector_simulated.ops.inspector->close(inspector);
	return ratio <= TARGET ? 0 : 1;
}

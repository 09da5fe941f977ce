/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoding of samples beside a bare copy of the same bytes: a cycle of 1000 instances with two disks
 * and a NIC each, ten meters of the instance and 28 of its devices, so that text and metadata come
 * from far beyond the caches.  Prints ns per sample.  Usage: sample-bench [ROUNDS]
 */
#include "base/buf.h"
#include "base/clock.h"
#include "wire/sample.h"

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>

enum { INSTANCES = 1000, DEVICES = 3, METERS = 10, DEVICE_METERS = 28, CHUNK = 256 << 10 };

struct instance {
	char id[40], user[40], project[40];
	char *head;
	struct vmt_resource own, device[DEVICES];
	char device_id[DEVICES][48];
	char *tail[DEVICES];
};

static struct instance instances[INSTANCES];
static const struct vmt_resource *own_column[INSTANCES], *device_column[INSTANCES];
static union vmt_num values[INSTANCES];

static void fill_resource(struct vmt_resource *r, const struct instance *x, const char *id,
			  const char *tail)
{
	*r = (struct vmt_resource){ .id = id,
				    .project_id = x->project,
				    .user_id = x->user,
				    .source = "openstack",
				    .meta_head = x->head,
				    .meta_head_len = (uint32_t)strlen(x->head),
				    .meta_tail = tail,
				    .meta_tail_len = (uint32_t)strlen(tail),
				    .digest = (uintptr_t)r * UINT64_C(0x9e3779b97f4a7c15) };
}

static void fill(void)
{
	for (int i = 0; i < INSTANCES; i++) {
		struct instance *x = &instances[i];

		snprintf(x->id, sizeof(x->id), "%08x-9dcc-5d82-8170-b985168ee6e1", i * 2654435761u);
		snprintf(x->user, sizeof(x->user), "%08x8ad1135092a8c29ca40824a7", i / 7 * 40503u);
		snprintf(x->project, sizeof(x->project), "%08x2dfc1b325bfa8438bb43983a",
			 i / 7 * 30011u);
		x->head = g_strdup_printf(
			"{\"display_name\": \"vm-%d\", \"name\": \"instance-%08x\", \"instance_id\": \"%s\", "
			"\"instance_type\": \"m1.nano\", "
			"\"host\": \"1d6f5300fdf4bbb79d01b813a04aff9be11842ad152c1e8831233f96\", "
			"\"instance_host\": \"compute-0\", \"flavor\": {\"id\": \"42\", \"name\": \"m1.nano\", "
			"\"vcpus\": 2, \"ram\": 64, \"disk\": 1, \"ephemeral\": 0, \"swap\": 0}, "
			"\"status\": \"active\", \"state\": \"running\", \"task_state\": \"\", "
			"\"image\": {\"id\": \"fc162488-bbfa-51ec-be0a-2bbf3cf87b8f\"}, "
			"\"image_ref\": \"fc162488-bbfa-51ec-be0a-2bbf3cf87b8f\", \"image_ref_url\": null, "
			"\"architecture\": \"x86_64\", \"os_type\": \"hvm\", \"vcpus\": 2, \"memory_mb\": 64, "
			"\"disk_gb\": 1, \"ephemeral_gb\": 0, \"root_gb\": 1",
			i, i, x->id);
		fill_resource(&x->own, x, x->id, "}");
		own_column[i] = &x->own;
		for (int d = 0; d < DEVICES; d++) {
			snprintf(x->device_id[d], sizeof(x->device_id[d]), "%.36s-vd%c", x->id,
				 'a' + d);
			x->tail[d] = g_strdup_printf(", \"disk_name\": \"vd%c\"}", 'a' + d);
			fill_resource(&x->device[d], x, x->device_id[d], x->tail[d]);
		}
	}
}

static void one_batch(struct sample_encoder *e, struct buf *out, const char *name, bool device,
		      size_t keep)
{
	struct vmt_batch b = { .name = name,
			       .unit = "B",
			       .type = VMT_CUMULATIVE,
			       .kind = VMT_UINT64,
			       .count = INSTANCES,
			       .resource = device ? device_column : own_column,
			       .value = values,
			       .time_ns = INT64_C(1784642172123456789),
			       .mono_ns = INT64_C(98765123456789),
			       .id = { 0x72, 0x4f, 0x9b, 0xea, 0xe6, 0xd8, 0x11, 0xf1, 0x82,
				       0xe3 } };

	sample_encoder_batch(e, &b);
	for (uint32_t row = 0; row < b.count; row++) {
		sample_encoder_row(e, row, out);
		buf_putc(out, '\n');
		if (out->len >= keep) {
			buf_reset(out);
		}
	}
}

/* All samples of a cycle, into one buffer that is begun anew past `keep` bytes; answers their number. */
static int cycle(struct sample_encoder *e, struct buf *out, size_t keep)
{
	int n = 0;

	for (int m = 0; m < METERS; m++, n += INSTANCES) {
		one_batch(e, out, "memory.usage", false, keep);
	}
	for (int m = 0; m < DEVICE_METERS; m++) {
		for (int i = 0; i < INSTANCES; i++) {
			device_column[i] = &instances[i].device[m % DEVICES];
		}
		one_batch(e, out, "disk.device.read.bytes", true, keep);
		n += INSTANCES;
	}
	return n;
}

/* The best of so many rounds, ns per sample. */
static double measure(enum sample_form form, struct buf *out, size_t keep, int rounds)
{
	struct sample_encoder e;
	double best = 0;

	sample_encoder_init(&e, form, VMT_PROFILE_26);
	for (int i = 0; i <= rounds; i++) { /* the first fills what is kept */
		int64_t start = clock_monotonic();
		double ns;
		int n;

		buf_reset(out);
		n = cycle(&e, out, keep);
		ns = (double)(clock_monotonic() - start) / n;
		if (i > 0 && (best == 0 || ns < best)) {
			best = ns;
		}
	}
	sample_encoder_fini(&e);
	return best;
}

/* A bare copy of the bytes, a sample at a time. */
static double measure_copy(const struct buf *from, int samples, int rounds)
{
	char *to = g_malloc0(from->len);
	size_t each = from->len / (size_t)samples;
	double best = 0;

	for (int i = 0; i < rounds; i++) {
		int64_t start = clock_monotonic();
		double ns;

		for (size_t at = 0; at + each <= from->len; at += each) {
			memcpy(to + at, from->data + at, each);
		}
		ns = (double)(clock_monotonic() - start) / samples;
		if (best == 0 || ns < best) {
			best = ns;
		}
	}
	g_free(to);
	return best;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 10;
	int samples = (METERS + DEVICE_METERS) * INSTANCES;
	struct buf out = BUF_INIT;
	double copy, json, chunk, text;

	fill();
	for (int i = 0; i < INSTANCES; i++) {
		values[i].u = (uint64_t)i * 2654435761u * 1000;
	}
	json = measure(SAMPLE_JSON, &out, SIZE_MAX, rounds);
	copy = measure_copy(&out, samples, rounds);
	printf("samples of %zu bytes, out of cache      ns/sample   beside memcpy\n",
	       out.len / (size_t)samples);
	printf("memcpy                                  %9.0f\n", copy);
	printf("JSON, a cycle in one buffer             %9.0f       %.1f x\n", json, json / copy);
	chunk = measure(SAMPLE_JSON, &out, CHUNK, rounds);
	printf("JSON, a buffer of 256 KiB               %9.0f       %.1f x\n", chunk, chunk / copy);
	text = measure(SAMPLE_PYTEXT, &out, CHUNK, rounds);
	printf("Python text, a buffer of 256 KiB        %9.0f       %.1f x\n", text, text / copy);
	buf_fini(&out);
	for (int i = 0; i < INSTANCES; i++) {
		g_free(instances[i].head);
		for (int d = 0; d < DEVICES; d++) {
			g_free(instances[i].tail[d]);
		}
	}
	return 0;
}

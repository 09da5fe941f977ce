/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The meters of profile 19 against the messages that ceilometer-polling 19.0.0 sent for the same
 * domains (meter_golden.h): the same meters and no others, units, types, kinds of number,
 * resources, owners and metadata; volumes between what libvirt said before and after.
 */
#include "model/inspection.h"
#include "model/meter.h"

#include <glib.h>
#include <string.h>

struct golden_value {
	unsigned field;
	uint64_t value;
};

struct golden_device {
	bool nic;
	const char *name, *mac;
	size_t count;
	struct golden_value value[VMT_DISK_FIELDS];
};

struct golden_reading {
	size_t count;
	struct golden_value value[VMT_FIELDS];
	size_t devices;
	struct golden_device device[8];
};

struct golden_instance {
	struct vmt_instance in;
	struct golden_reading before, after;
};

struct golden_sample {
	int message;
	const char *name, *type, *unit;
	bool real;
	double volume;
	const char *resource, *project, *user;
	int metadata;
};

#include "model/meter_golden.h"

/* The pollsters of the recorded run's polling.yaml. */
static const char *const polled[] = {
	"cpu",
	"cpu_l3_cache",
	"cpu_util",
	"disk.device.allocation",
	"disk.device.capacity",
	"disk.device.iops",
	"disk.device.latency",
	"disk.device.read.bytes",
	"disk.device.read.latency",
	"disk.device.read.requests",
	"disk.device.usage",
	"disk.device.write.bytes",
	"disk.device.write.latency",
	"disk.device.write.requests",
	"memory.bandwidth.local",
	"memory.bandwidth.total",
	"memory.resident",
	"memory.swap.in",
	"memory.swap.out",
	"memory.usage",
	"network.incoming.bytes",
	"network.incoming.bytes.delta",
	"network.incoming.bytes.rate",
	"network.incoming.packets",
	"network.incoming.packets.drop",
	"network.incoming.packets.error",
	"network.outgoing.bytes",
	"network.outgoing.bytes.delta",
	"network.outgoing.bytes.rate",
	"network.outgoing.packets",
	"network.outgoing.packets.drop",
	"network.outgoing.packets.error",
	"perf.cache.misses",
	"perf.cache.references",
	"perf.cpu.cycles",
	"perf.instructions",
};

/* ------------------------------------------------------------------ JSON with sorted keys */

static void canonical(const char **at, GString *out);

static void copy_string(const char **at, GString *out)
{
	const char *from = (*at)++;

	while (**at != '"') {
		g_assert_true(**at != '\0');
		*at += **at == '\\' ? 2 : 1;
	}
	++*at;
	g_string_append_len(out, from, *at - from);
}

static int by_text(gconstpointer a, gconstpointer b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void canonical_object(const char **at, GString *out)
{
	GPtrArray *members = g_ptr_array_new_with_free_func(g_free);

	while (**at != '}') {
		GString *member = g_string_new(NULL);

		*at += 1; /* '{' or ',' */
		if (**at == '}') {
			g_string_free(member, TRUE);
			break;
		}
		copy_string(at, member);
		g_assert_cmpint(**at, ==, ':');
		++*at;
		g_string_append_c(member, ':');
		canonical(at, member);
		g_ptr_array_add(members, g_string_free(member, FALSE));
	}
	++*at;
	g_ptr_array_sort(members, by_text);
	g_string_append_c(out, '{');
	for (guint i = 0; i < members->len; i++) {
		const char *text = members->pdata[i];
		size_t key = strcspn(text, ":");

		/* no key twice */
		g_assert_true(!i || strncmp(members->pdata[i - 1], text, key + 1) != 0);
		g_string_append_printf(out, "%s%s", i ? "," : "", text);
	}
	g_string_append_c(out, '}');
	g_ptr_array_unref(members);
}

static void canonical(const char **at, GString *out)
{
	size_t n;

	if (**at == '{') {
		canonical_object(at, out);
	} else if (**at == '"') {
		copy_string(at, out);
	} else if (**at == '[') {
		while (**at != ']') {
			g_string_append_c(out, *(*at)++);
			if (**at != ']') {
				canonical(at, out);
			}
		}
		g_string_append_c(out, *(*at)++);
	} else {
		n = strcspn(*at, ",]}");
		g_assert_cmpuint(n, >, 0);
		g_string_append_len(out, *at, (gssize)n);
		*at += n;
	}
}

static char *metadata_of(const struct vmt_resource *r)
{
	char *text = g_strconcat(r->meta_head, r->meta_tail, NULL);
	GString *out = g_string_new(NULL);
	const char *at = text;

	canonical(&at, out);
	g_assert_cmpstr(at, ==, "");
	g_free(text);
	return g_string_free(out, FALSE);
}

/* ------------------------------------------------------------------ a run over golden readings */

struct run {
	struct snapshot *snapshot;
	struct vmt_inspection *in;
	struct vmt_device device[64];
	size_t devices;
	struct meter_state *state;
	struct meter_selection *selection;
	struct frame_pool *pool;
	struct frame *frame;
};

static bool is_polled(void *context, const struct meter_row *row, uint64_t *ret_publishers)
{
	for (size_t i = 0; i < G_N_ELEMENTS(polled); i++) {
		if (strcmp(polled[i], row->name) == 0) {
			return true;
		}
	}
	return false;
}

static const struct vmt_pair no_parameters[] = { { 0 } }; /* as libvirt's */

static void fill(struct run *run, size_t i, const struct golden_reading *golden, uint8_t stamp)
{
	struct vmt_reading *r = &run->in->reading[i];

	for (size_t k = 0; k < golden->count; k++) {
		vmt_set(r, golden->value[k].field, golden->value[k].value, stamp);
	}
	r->outcome = r->value[VMT_F_STATE].u == 5 ? VMT_STOPPED : VMT_OK;
	for (size_t k = 0; k < golden->devices; k++) {
		const struct golden_device *d = &golden->device[k];
		struct vmt_device *device = &run->device[run->devices++];
		struct vmt_device_reading *reading;

		*device = (struct vmt_device){ .version = run->devices,
					       .name = d->name,
					       .mac = d->mac,
					       .parameters = no_parameters };
		reading = d->nic ? vmt_inspection_nic(run->in, i, device)
				 : vmt_inspection_disk(run->in, i, device);
		for (size_t v = 0; v < d->count; v++) {
			vmt_device_set(reading, d->value[v].field, d->value[v].value, stamp);
		}
	}
}

static void run_init(struct run *run, const struct golden_instance *golden, size_t count,
		     bool after)
{
	static const char *const prefixes[] = { "metering.", NULL };
	struct meter_settings settings = {
		.metadata = { .profile = VMT_PROFILE_19,
			      .reserved_namespace = prefixes,
			      .reserved_length = 256 },
	};
	struct vmt_snapshot_builder *b = snapshot_builder_new(0);
	struct frame_builder frame;
	uint8_t stamp;

	*run = (struct run){ .in = inspection_new() };
	for (size_t i = 0; i < count; i++) {
		g_assert_cmpint(vmt_snapshot_add(b, &golden[i].in), ==, 0);
	}
	run->snapshot = snapshot_builder_finish(b, NULL, 0);
	inspection_reset(run->in, count);
	stamp = vmt_inspection_stamp(run->in, (struct vmt_stamp){ 2000, 20, "domstats" });
	for (size_t i = 0; i < count; i++) {
		fill(run, i, after ? &golden[i].after : &golden[i].before, stamp);
	}
	run->state = meter_state_new(&settings);
	run->selection = meter_selection_new(is_polled, NULL);
	g_assert_cmpuint(run->selection->count, ==, G_N_ELEMENTS(polled));
	run->pool = frame_pool_new(1);
	frame_builder_init(&frame, run->pool);
	frame_begin(&frame, VMT_PROFILE_19, 1000, 10);
	meters_run(run->state, run->selection, &run->snapshot->list, run->in, &frame);
	run->frame = frame_finish(&frame);
}

static void run_fini(struct run *run)
{
	frame_unref(run->frame);
	frame_pool_free(run->pool);
	meter_selection_free(run->selection);
	meter_state_free(run->state);
	inspection_free(run->in);
	snapshot_unref(run->snapshot);
}

static const struct vmt_batch *find_batch(const struct frame *f, const char *name)
{
	for (size_t i = 0; i < f->public.count; i++) {
		if (strcmp(f->public.batch[i].name, name) == 0) {
			return &f->public.batch[i];
		}
	}
	return NULL;
}

static double volume(const struct vmt_batch *b, const char *resource)
{
	for (uint32_t i = 0; i < b->count; i++) {
		if (strcmp(b->resource[i]->id, resource) == 0) {
			return b->kind == VMT_DOUBLE ? b->value[i].d : (double)b->value[i].u;
		}
	}
	g_error("%s: no sample of %s", b->name, resource);
}

static void check_sample(const struct golden_sample *s, const char *metadata,
			 const struct run *before, const struct run *after)
{
	const struct vmt_batch *b = find_batch(before->frame, s->name);
	double low, high;

	g_assert_nonnull(b);
	g_assert_cmpstr(meter_type_name(b->type), ==, s->type);
	g_assert_cmpstr(b->unit, ==, s->unit);
	g_assert_true((b->kind == VMT_DOUBLE) == s->real);
	low = volume(b, s->resource);
	high = volume(find_batch(after->frame, s->name), s->resource);
	g_assert_cmpfloat(s->volume, >=, MIN(low, high));
	g_assert_cmpfloat(s->volume, <=, MAX(low, high));
	for (uint32_t i = 0; i < b->count; i++) {
		const struct vmt_resource *r = b->resource[i];
		char *text;

		if (strcmp(r->id, s->resource) != 0) {
			continue;
		}
		g_assert_cmpstr(r->project_id, ==, s->project);
		g_assert_cmpstr(r->user_id, ==, s->user);
		g_assert_cmpstr(r->source, ==, "openstack");
		text = metadata_of(r);
		g_assert_cmpstr(text, ==, metadata);
		g_free(text);
	}
}

static void check(const struct golden_instance *instances, size_t count,
		  const struct golden_sample *samples, size_t samples_count,
		  const char *const *metadata)
{
	struct run before, after;

	run_init(&before, instances, count, false);
	run_init(&after, instances, count, true);
	for (size_t i = 0; i < samples_count; i++) {
		check_sample(&samples[i], metadata[samples[i].metadata], &before, &after);
	}
	/* and nothing else: 24 messages, as many samples */
	g_assert_cmpuint(before.frame->public.count, ==, 24);
	g_assert_cmpint(samples[samples_count - 1].message, ==, 23);
	g_assert_cmpuint(before.frame->rows, ==, samples_count);
	run_fini(&before);
	run_fini(&after);
}

static void test_libvirt(void)
{
	check(libvirt_instances, G_N_ELEMENTS(libvirt_instances), libvirt_samples,
	      G_N_ELEMENTS(libvirt_samples), libvirt_metadata);
}

static void test_nova(void)
{
	check(nova_instances, G_N_ELEMENTS(nova_instances), nova_samples,
	      G_N_ELEMENTS(nova_samples), nova_metadata);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/model/meter/golden-19/libvirt", test_libvirt);
	g_test_add_func("/model/meter/golden-19/nova", test_nova);
	return g_test_run();
}

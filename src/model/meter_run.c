/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the selected rows of the table over the readings of a cycle, one meter after the other, and
 * collects what pollster plugins add.  Runs on the poll worker; blocks on nothing; takes nothing
 * from the heap once its arrays have grown.
 */
#include "model/meter_private.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------ one row */

/* Whether the row looks at instance i at all. */
static bool instance_counts(const struct meter_run *run, const struct meter_row *row, size_t i)
{
	unsigned outcome = run->in ? run->in->reading[i].outcome : VMT_OK;

	if (run->only && !run->only[i]) {
		return false;
	}
	switch (row->level) {
	case METER_OUTCOME:
		return run->in != NULL;
	case METER_DISCOVERY:
	case METER_FLAVOR:
		return outcome != VMT_GONE;
	default:
		break;
	}
	if (outcome == VMT_STOPPED) {
		return run->state->settings.report_stopped && row->flags & METER_STOPPED;
	}
	/* who does not answer has what the host's kernel says of it */
	return run->in && outcome != VMT_GONE && outcome != VMT_UNREAD;
}

/* The resource of the row for instance or device `at`. */
static struct resource *row_resource(struct meter_state *s, const struct meter_row *row, size_t at)
{
	if (row->level >= METER_HOST) {
		return row->level == METER_HOST ? meter_host_resource(s)
						: meter_call_resource(s, at);
	}
	switch (row->family) {
	case METADATA_PLAIN:
		return meter_instance_resource(s, at);
	case METADATA_DISKS:
		if (row->flags & METER_LATE_DEVICE &&
		    s->settings.metadata.profile == VMT_PROFILE_JUNO) {
			return meter_instance_resource(s, at);
		}
		return meter_disks_resource(s, at);
	default:
		return meter_resource(s, row->family, at);
	}
}

static void add(const struct meter_run *run, const struct meter_row *row, size_t at,
		struct frame_builder *out)
{
	struct meter_value v;

	if (!row->value(run, row, at, &v) ||
	    (row->kind[run->profile] == VMT_DOUBLE && !isfinite(v.v.d))) {
		return;
	}
	batch_add(out, row_resource(run->state, row, at), v.v, run->time_ns[v.stamp],
		  run->mono_ns[v.stamp]);
}

static void row_begin(const struct meter_run *run, const struct meter_row *row, const char *name,
		      uint64_t publishers, size_t rows, struct frame_builder *out)
{
	struct batch_spec spec = {
		.name = name,
		.unit = row->unit[run->profile],
		.type = row->type,
		.kind = row->kind[run->profile],
		.publishers = publishers,
	};

	batch_begin(out, &spec, rows);
}

static void run_instances(const struct meter_run *run, const struct meter_row *row,
			  struct frame_builder *out)
{
	for (size_t i = 0; i < run->snapshot->count; i++) {
		if (instance_counts(run, row, i)) {
			add(run, row, i, out);
		}
	}
}

static void run_devices(const struct meter_run *run, const struct meter_row *row,
			struct frame_builder *out)
{
	bool nic = row->level == METER_NIC;

	for (size_t i = 0; run->in && i < run->in->count; i++) {
		const struct vmt_reading *r = &run->in->reading[i];
		size_t first = nic ? r->first_nic : r->first_disk, count = nic ? r->nics : r->disks;

		if (!count || !instance_counts(run, row, i)) {
			continue;
		}
		for (size_t at = first; at < first + count; at++) {
			add(run, row, at, out);
		}
	}
}

/* The host's own. */
static void run_host(const struct meter_run *run, const struct meter_row *row,
		     struct frame_builder *out)
{
	size_t n = row->level == METER_HOST ? 1 : run->in ? run->in->latencies : 0;

	for (size_t at = 0; run->state->host && run->host && at < n; at++) {
		add(run, row, at, out);
	}
}

static size_t row_rows(const struct meter_run *run, const struct meter_row *row)
{
	switch (row->level) {
	case METER_DISK:
		return run->in ? run->in->disks : 0;
	case METER_NIC:
		return run->in ? run->in->nics : 0;
	case METER_HOST:
		return 1;
	case METER_CALL:
		return VMT_LATENCIES;
	default:
		return run->snapshot->count;
	}
}

/* "instance:" and the flavor's name: a batch per flavor, whose instances lie beside each other. */
static void run_flavors(const struct meter_run *run, const struct meter_row *row,
			uint64_t publishers, struct frame_builder *out)
{
	struct meter_state *s = run->state;
	const char *last = NULL;

	for (size_t k = 0; k < s->flavors; k++) {
		size_t i = s->by_flavor[k];
		const char *flavor = run->snapshot->instances[i].flavor.name;

		if (!instance_counts(run, row, i)) {
			continue;
		}
		if (!last || strcmp(last, flavor) != 0) {
			if (last) {
				batch_end(out);
			}
			buf_reset(&s->text);
			buf_puts(&s->text, "instance:");
			buf_puts(&s->text, flavor);
			row_begin(run, row, batch_text(out, s->text.data), publishers,
				  s->flavors - k, out);
			last = flavor;
		}
		add(run, row, i, out);
	}
	if (last) {
		batch_end(out);
	}
}

static void run_row(const struct meter_run *run, const struct meter_row *row, uint64_t publishers,
		    struct frame_builder *out)
{
	if (row->level == METER_FLAVOR) {
		run_flavors(run, row, publishers, out);
		return;
	}
	row_begin(run, row, meter_name(row, run->profile), publishers, row_rows(run, row), out);
	if (row->level == METER_DISK || row->level == METER_NIC) {
		run_devices(run, row, out);
	} else if (row->level >= METER_HOST) {
		run_host(run, row, out);
	} else {
		run_instances(run, row, out);
	}
	batch_end(out);
}

/* ------------------------------------------------------------------ the cycle */

int meters_begin(struct meter_state *s, const struct vmt_snapshot *snapshot,
		 const struct vmt_inspection *in, int64_t time_ns, int64_t mono_ns)
{
	int ret = meter_prepare(s, snapshot, in, time_ns, mono_ns);

	if (ret == 0 && s->final) {
		meter_outdate(s);
	}
	return ret;
}

int64_t meters_part(struct meter_state *s, const struct meter_selection *selection,
		    const uint8_t *only, bool host, struct frame_builder *out)
{
	size_t before = out->frame->rows;
	const struct meter_run run = {
		.state = s,
		.snapshot = s->snapshot,
		.in = s->in,
		.profile = s->settings.metadata.profile,
		.slot = s->by_instance,
		.disk = s->by_disk,
		.nic = s->by_nic,
		.time_ns = s->time_ns + 1,
		.mono_ns = s->mono_ns + 1,
		.only = only,
		.host = host,
	};

	for (size_t i = 0; i < selection->count; i++) {
		run_row(&run, selection->rows[i].row, selection->rows[i].publishers, out);
	}
	return (int64_t)(out->frame->rows - before);
}

void meters_end(struct meter_state *s, bool remembers)
{
	if (remembers) {
		meter_remember(s);
	}
	if (s->final) {
		meter_outdate(s); /* should one come back */
	}
	s->has_health = s->final = false;
	s->only = NULL;
}

int64_t meters_run(struct meter_state *s, const struct meter_selection *selection,
		   const struct vmt_snapshot *snapshot, const struct vmt_inspection *in,
		   struct frame_builder *out)
{
	int64_t samples = meters_begin(s, snapshot, in, out->time_ns, out->mono_ns);

	if (samples == 0) {
		samples = meters_part(s, selection, s->only, s->only == NULL, out);
		meters_end(s, selection->remembers);
	}
	return samples;
}

/* ------------------------------------------------------------------ pollster plugins */

struct sample {
	struct resource *resource;
	union vmt_num value;
	uint32_t meter, instance;
	int stamp;
};

struct vmt_samples {
	struct meter_state *state;
	const struct vmt_meter *meters;
	size_t meters_count;
	const struct vmt_inspection *in;
	struct sample *sample;
	size_t count, cap;
	size_t instances;
};

struct vmt_samples *samples_new(void)
{
	return g_new0(struct vmt_samples, 1);
}

void samples_free(struct vmt_samples *s)
{
	if (s) {
		g_free(s->sample);
		g_free(s);
	}
}

void samples_begin(struct vmt_samples *s, struct meter_state *state, const struct vmt_meter *meters,
		   size_t count, const struct vmt_snapshot *snapshot,
		   const struct vmt_inspection *in)
{
	g_assert(state->snapshot == snapshot && state->in == in);
	s->state = state;
	s->meters = meters;
	s->meters_count = count;
	s->in = in;
	s->instances = snapshot->count;
	s->count = 0;
}

/* The resource that the three indices name; NULL when they do not. */
static struct resource *sample_resource(struct vmt_samples *s, size_t instance, size_t disk,
					size_t nic)
{
	const struct vmt_reading *r;

	if (instance >= s->instances) {
		return NULL;
	}
	if (disk == SIZE_MAX && nic == SIZE_MAX) {
		return meter_instance_resource(s->state, instance);
	}
	if (!s->in || (disk != SIZE_MAX && nic != SIZE_MAX)) {
		return NULL;
	}
	r = &s->in->reading[instance];
	if (disk != SIZE_MAX) {
		return disk >= r->first_disk && disk - r->first_disk < r->disks
			       ? meter_disk_resource(s->state, disk)
			       : NULL;
	}
	return nic >= r->first_nic && nic - r->first_nic < r->nics
		       ? meter_nic_resource(s->state, nic)
		       : NULL;
}

VMT_API int vmt_samples_add(struct vmt_samples *out, unsigned meter, size_t instance, size_t disk,
			    size_t nic, union vmt_num value, uint8_t stamp)
{
	struct resource *r;

	if (meter >= out->meters_count ||
	    (out->in && out->in->stamps && stamp >= out->in->stamps) ||
	    (out->meters[meter].kind == VMT_DOUBLE && !isfinite(value.d))) {
		return -EINVAL;
	}
	r = sample_resource(out, instance, disk, nic);
	if (!r) {
		return -EINVAL;
	}
	if (out->count == out->cap) {
		out->cap = out->cap ? out->cap * 2 : 64;
		out->sample = g_renew(struct sample, out->sample, out->cap);
	}
	out->sample[out->count++] = (struct sample){
		.resource = r,
		.value = value,
		.meter = meter,
		.instance = (uint32_t)instance,
		.stamp = out->in && out->in->stamps ? stamp : STAMP_CYCLE,
	};
	return 0;
}

int64_t samples_finish(struct vmt_samples *s, const uint64_t *publishers, const uint8_t *only,
		       struct frame_builder *out)
{
	size_t before = out->frame->rows;

	for (size_t m = 0; m < s->meters_count; m++) {
		const struct vmt_meter *meter = &s->meters[m];
		struct batch_spec spec = { .name = meter->name,
					   .unit = meter->unit,
					   .type = meter->type,
					   .kind = meter->kind,
					   .publishers = publishers[m] };

		if (!publishers[m]) {
			continue;
		}
		batch_begin(out, &spec, s->count);
		for (size_t i = 0; i < s->count; i++) {
			const struct sample *sample = &s->sample[i];

			if (sample->meter == m && (!only || only[sample->instance])) {
				batch_add(out, sample->resource, sample->value,
					  s->state->time_ns[sample->stamp + 1],
					  s->state->mono_ns[sample->stamp + 1]);
			}
		}
		batch_end(out);
	}
	return (int64_t)(out->frame->rows - before);
}

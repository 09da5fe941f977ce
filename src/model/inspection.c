/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the arrays of an inspection, which only grow.  Runs on the poll worker; blocks on nothing.
 */
#include "model/inspection.h"

#include <glib.h>
#include <string.h>

enum { STAMPS = 256 };

struct inspection {
	struct vmt_inspection public; /* first */
	size_t readings_cap, disks_cap, nics_cap;
	struct vmt_stamp stamps[STAMPS];
};

struct vmt_inspection *inspection_new(void)
{
	struct inspection *in = g_new0(struct inspection, 1);

	in->public.stamp = in->stamps;
	return &in->public;
}

void inspection_free(struct vmt_inspection *public)
{
	if (!public) {
		return;
	}
	g_free(public->reading);
	g_free(public->disk);
	g_free(public->nic);
	g_free(public);
}

void inspection_reset(struct vmt_inspection *public, size_t count)
{
	struct inspection *in = (struct inspection *)public;

	if (count > in->readings_cap) {
		in->readings_cap = count + count / 8;
		g_free(public->reading);
		public->reading = g_new(struct vmt_reading, in->readings_cap);
	}
	for (size_t i = 0; i < count; i++) {
		struct vmt_reading *r = &public->reading[i];

		r->outcome = VMT_UNREAD;
		r->present = 0;
		r->first_disk = r->disks = r->first_nic = r->nics = 0;
	}
	public->count = count;
	public->disks = public->nics = public->stamps = 0;
	public->calls = 0;
	public->quarantined = public->outstanding = 0;
	public->latencies = 0;
	public->readings[0] = '\0';
}

VMT_API void vmt_inspection_call(struct vmt_inspection *out, const char *call, int64_t ns)
{
	for (size_t i = 0; i < out->latencies; i++) {
		struct vmt_latency *l = &out->latency[i];

		if (strcmp(l->call, call) == 0) {
			l->ns = ns > l->ns ? ns : l->ns;
			return;
		}
	}
	if (out->latencies < VMT_LATENCIES) {
		out->latency[out->latencies++] = (struct vmt_latency){ call, ns };
	}
}

VMT_API uint8_t vmt_inspection_stamp(struct vmt_inspection *out, struct vmt_stamp stamp)
{
	struct inspection *in = (struct inspection *)out;

	if (out->stamps < STAMPS) {
		in->stamps[out->stamps++] = stamp;
	}
	return (uint8_t)(out->stamps - 1);
}

/* One more in an array of device readings, for the run of instance `i` that `first` and `count`
 * tell. */
static struct vmt_device_reading *add(struct vmt_device_reading **array, size_t *used, size_t *cap,
				      uint32_t *first, uint32_t *count,
				      const struct vmt_device *device)
{
	struct vmt_device_reading *r;

	g_assert(!*count ||
		 *first + *count == *used); /* all of one instance before those of another */
	if (*used == *cap) {
		*cap = *cap ? *cap * 2 : 64;
		*array = g_renew(struct vmt_device_reading, *array, *cap);
	}
	if (!*count) {
		*first = (uint32_t)*used;
	}
	++*count;
	r = &(*array)[(*used)++];
	r->device = device;
	r->present = 0;
	return r;
}

VMT_API struct vmt_device_reading *vmt_inspection_disk(struct vmt_inspection *out, size_t i,
						       const struct vmt_device *device)
{
	struct inspection *in = (struct inspection *)out;
	struct vmt_reading *r = &out->reading[i];

	g_assert(i < out->count && device);
	return add(&out->disk, &out->disks, &in->disks_cap, &r->first_disk, &r->disks, device);
}

VMT_API struct vmt_device_reading *vmt_inspection_nic(struct vmt_inspection *out, size_t i,
						      const struct vmt_device *device)
{
	struct inspection *in = (struct inspection *)out;
	struct vmt_reading *r = &out->reading[i];

	g_assert(i < out->count && device);
	return add(&out->nic, &out->nics, &in->nics_cap, &r->first_nic, &r->nics, device);
}

size_t inspection_bytes(const struct vmt_inspection *public)
{
	const struct inspection *in = (const struct inspection *)public;

	return sizeof(*in) + in->readings_cap * sizeof(struct vmt_reading) +
	       (in->disks_cap + in->nics_cap) * sizeof(struct vmt_device_reading);
}

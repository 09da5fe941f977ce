/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the choice between libvirt's values and the kernel's.  The inspecting thread; waits for another task's pass
 * over the same processes, which takes milliseconds.
 */
#define LOG_NAME "inspector.libvirt"

#include "plugins/inspector/libvirt/hybrid.h"
#include "plugins/inspector/libvirt/kernel.h"
#include "plugins/libvirt/uri.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

enum { STAMPS = 128 }; /* at most so many moments of the kernel's readings in a cycle */

#define MOMENT_NS (1 * NS_PER_MS) /* readings so close together have one stamp */

struct hybrid {
	struct kernel *kernel; /* NULL: the hypervisor is elsewhere */
	bool replaces; /* in libvirt's place, not only where it has nothing */
	struct kernel_reading *
		before; /* per target, of this cycle; groups 0: not read; NULL: nothing is replaced */
	size_t cap;
	struct kernel_reading after;
	/* the stamp in hand */
	uint8_t stamp;
	int64_t stamp_ns;
	unsigned stamps;
	const char *said; /* the reason told last */
};

struct hybrid *hybrid_new(const char *uri, const char *readings)
{
	struct hybrid *h = g_new0(struct hybrid, 1);

	h->kernel = uri_is_local(uri) ? kernel_ref(uri, NULL) : NULL;
	h->replaces = h->kernel && g_strcmp0(readings, "libvirt") != 0;
	return h;
}

void hybrid_free(struct hybrid *h)
{
	if (!h) {
		return;
	}
	for (size_t i = 0; i < h->cap; i++) {
		kernel_reading_fini(&h->before[i]);
	}
	g_free(h->before);
	kernel_reading_fini(&h->after);
	kernel_unref(h->kernel);
	g_free(h);
}

static void reserve(struct hybrid *h, size_t count)
{
	if (count > h->cap) {
		size_t cap = count + count / 8;

		h->before = g_renew(struct kernel_reading, h->before, cap);
		memset(h->before + h->cap, 0, (cap - h->cap) * sizeof(*h->before));
		h->cap = cap;
	}
}

void hybrid_before(struct hybrid *h, struct targets *t, const struct vmt_inspect_request *request)
{
	unsigned wanted = request->groups & KERNEL_GROUPS;

	for (size_t i = 0; i < t->count; i++) {
		if (t->list[i]) {
			t->list[i]->kernel = 0;
		}
	}
	if (!h->replaces) {
		return;
	}
	reserve(h, t->count);
	for (size_t i = 0; i < t->count; i++) {
		h->before[i].groups = 0;
	}
	if (!wanted) {
		return;
	}
	kernel_begin(h->kernel);
	for (size_t i = 0; i < t->count; i++) {
		struct target *target = t->list[i];
		unsigned unproven;

		if (!target_runs(target) || !target->domain.desc->xml) {
			continue;
		}
		target->kernel = kernel_proven(h->kernel, target->domain.desc) & wanted;
		unproven = kernel_unproven(h->kernel, target->domain.desc) & wanted;
		if (unproven) {
			kernel_read(h->kernel, target->domain.desc, unproven, &h->before[i]);
		}
	}
	kernel_end(h->kernel);
}

/* ------------------------------------------------------------------ putting values */

static uint8_t stamp_of(struct hybrid *h, struct vmt_inspection *out,
			const struct kernel_reading *k)
{
	if (!h->stamps || (k->mono_ns - h->stamp_ns > MOMENT_NS && h->stamps < STAMPS)) {
		h->stamp = vmt_inspection_stamp(out, (struct vmt_stamp){ .time_ns = k->time_ns,
									 .mono_ns = k->mono_ns,
									 .source = "kernel" });
		h->stamp_ns = k->mono_ns;
		h->stamps++;
	}
	return h->stamp;
}

/* What is there already is libvirt's, and stays. */
static void put(struct vmt_reading *r, enum vmt_field field, uint64_t value, uint8_t stamp)
{
	g_assert(field < VMT_FIELDS);
	if (!(r->present >> field & 1)) {
		vmt_set(r, field, value, stamp);
	}
}

static void put_nics(struct vmt_inspection *out, size_t i, const struct domain_desc *desc,
		     const struct kernel_reading *k, uint8_t stamp)
{
	if (out->reading[i].nics) {
		return;
	}
	for (size_t n = 0; n < k->nics && n < desc->nics; n++) {
		struct vmt_device_reading *nic = vmt_inspection_nic(out, i, &desc->nic[n].public);

		for (unsigned v = 0; v < KERNEL_NIC_VALUES; v++) {
			vmt_device_set(nic, v, k->nic[n][v], stamp);
		}
	}
}

static void put_values(struct vmt_inspection *out, size_t i, const struct domain_desc *desc,
		       const struct kernel_reading *k, unsigned groups, uint8_t stamp)
{
	struct vmt_reading *r = &out->reading[i];

	groups &= k->groups;
	for (const struct kernel_value *v = kernel_values; v < kernel_values + KERNEL_VALUES; v++) {
		if (groups & v->group) {
			put(r, v->field, kernel_value(k, v), stamp);
		}
	}
	if (groups & VMT_GROUP_NIC) {
		put_nics(out, i, desc, k, stamp);
	}
}

/* ------------------------------------------------------------------ after libvirt */

/* Groups of which libvirt has not said all. */
static unsigned lacking(const struct vmt_reading *r)
{
	unsigned groups = VMT_GROUP_NIC;

	groups |= r->present >> VMT_F_CPU_TIME & 1 ? 0 : VMT_GROUP_CPU;
	groups |= r->present >> VMT_F_VCPU_TIME & 1 ? 0 : VMT_GROUP_VCPU;
	groups |= r->present >> VMT_F_MEM_RSS & 1 ? 0 : VMT_GROUP_MEMORY;
	return groups;
}

/* Reads, compares, puts what this instance's outcome calls for. */
static void complete(struct hybrid *h, struct target *target,
		     const struct vmt_inspect_request *request, struct vmt_inspection *out)
{
	size_t i = target->index;
	const struct domain_desc *desc = target->domain.desc;
	const struct vmt_reading *r = &out->reading[i];
	const struct kernel_reading *before;
	unsigned judged, put_groups = target->kernel | (request->groups & VMT_GROUP_PROCESS);

	switch (r->outcome) {
	case VMT_OK:
		break;
	case VMT_PARTIAL:
	case VMT_STUCK:
	case VMT_UNREACHABLE:
		put_groups |= lacking(r) & request->groups &
			      (kernel_proven(h->kernel, desc) | kernel_unproven(h->kernel, desc) |
			       VMT_GROUP_MEMORY);
		break;
	default:
		return;
	}
	before = h->replaces ? &h->before[i] : NULL;
	judged = before ? before->groups : 0;
	if (!(put_groups | judged) ||
	    !kernel_read(h->kernel, desc, put_groups | judged, &h->after)) {
		return;
	}
	if (judged && (r->outcome == VMT_OK || r->outcome == VMT_PARTIAL)) {
		kernel_judge(h->kernel, desc, before, &h->after, out, i);
	}
	put_values(out, i, desc, &h->after, put_groups, stamp_of(h, out, &h->after));
}

/* "hybrid: 48 of 50 instances; else: why". */
static void report(struct hybrid *h, size_t running, size_t replaced, const char *why,
		   struct vmt_inspection *out)
{
	if (!h->kernel) {
		g_strlcpy(out->readings, "libvirt: the hypervisor is not on this host",
			  sizeof(out->readings));
		return;
	}
	if (!h->replaces) {
		g_strlcpy(out->readings, "libvirt", sizeof(out->readings));
		return;
	}
	g_snprintf(out->readings, sizeof(out->readings), "hybrid: %zu of %zu instances%s%s",
		   replaced, running, why ? "; else: " : "", why ? why : "");
	if (why != h->said) {
		if (why) {
			log_info("kernel readings: %s: what they lack is read from libvirt", why);
		}
		h->said = why;
	}
}

void hybrid_after(struct hybrid *h, struct targets *t, const struct vmt_inspect_request *request,
		  struct vmt_inspection *out)
{
	unsigned wanted = request->groups & KERNEL_GROUPS;
	size_t running = 0, replaced = 0;
	const char *why = NULL;

	h->stamps = 0;
	if (h->kernel) {
		kernel_begin(h->kernel);
	}
	for (size_t i = 0; i < t->count; i++) {
		struct target *target = t->list[i];

		if (!target_runs(target) || !target->domain.desc->xml) {
			continue;
		}
		running++;
		if (h->kernel) {
			complete(h, target, request, out);
			replaced += wanted && (target->kernel & wanted) == wanted;
			why = why || !h->replaces ? why
						  : kernel_why(h->kernel, target->domain.desc);
		}
	}
	if (h->kernel) {
		kernel_end(h->kernel);
	}
	report(h, running, replaced, why, out);
}

void hybrid_alone(struct hybrid *h, struct targets *t, const struct vmt_inspect_request *request,
		  struct vmt_inspection *out)
{
	h->stamps = 0;
	if (!h->kernel) {
		report(h, 0, 0, NULL, out);
		return;
	}
	kernel_begin(h->kernel);
	for (size_t i = 0; i < t->count; i++) {
		struct target *target = t->list[i];
		unsigned groups;

		if (!target_runs(target) || !target->domain.desc->xml) {
			continue;
		}
		groups = request->groups & (kernel_proven(h->kernel, target->domain.desc) |
					    (unsigned)(VMT_GROUP_MEMORY | VMT_GROUP_PROCESS));
		if (kernel_read(h->kernel, target->domain.desc, groups, &h->after)) {
			put_values(out, target->index, target->domain.desc, &h->after, groups,
				   stamp_of(h, out, &h->after));
			out->reading[target->index].outcome = VMT_OK;
		}
	}
	kernel_end(h->kernel);
	g_strlcpy(out->readings, "kernel", sizeof(out->readings));
}

void hybrid_update(struct hybrid *h, struct targets *t)
{
	if (!h->replaces) {
		return;
	}
	kernel_begin(h->kernel);
	for (size_t i = 0; i < t->count; i++) {
		const struct domain_desc *desc =
			t->list[i] && !t->list[i]->left_out ? last_desc(t->list[i]->last) : NULL;

		if (desc &&
		    kernel_read(h->kernel, desc,
				kernel_proven(h->kernel, desc) | (unsigned)VMT_GROUP_PROCESS,
				&h->after)) {
			last_update(t->list[i]->last, &h->after);
		}
	}
	kernel_end(h->kernel);
}

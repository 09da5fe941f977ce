/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the questions for block info, one per disk, made in a caller's thread.  The inspecting thread; blocks until
 * the call's deadline where there is something to ask.
 */
#define LOG_NAME "inspector.libvirt"

#include "plugins/inspector/libvirt/info.h"
#include "plugins/libvirt/suspects.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"

#include <errno.h>

#define ANSWER_NS (5 * NS_PER_S) /* all questions of a cycle together; a disk takes milliseconds */

struct question {
	struct domain_desc *desc; /* counted */
	const char *name;
	bool answered;
	struct usage_info info;
};

/* The job's argument. */
struct info_job {
	size_t count;
	struct question question[USAGE_BUDGET];
	atomic_size_t at; /* the one that is being asked */
	int64_t until_ns; /* begin no question after this */
};

struct info_list {
	int64_t interval_ns;
	struct info_job *job;
	struct usage_disk *disk[USAGE_BUDGET];
	size_t reading[USAGE_BUDGET]; /* index of the disk in the inspection */
	bool stopped[USAGE_BUDGET];
};

static void job_free(void *arg)
{
	struct info_job *job = arg;

	for (size_t i = 0; i < job->count; i++) {
		domain_desc_unref(job->question[i].desc);
	}
	g_free(job);
}

struct info_list *info_list_new(int64_t interval_ns)
{
	struct info_list *l = g_new0(struct info_list, 1);

	l->interval_ns = interval_ns;
	return l;
}

void info_list_free(struct info_list *l)
{
	if (l->job) {
		job_free(l->job);
	}
	g_free(l);
}

/* Spread between 3/4 and 5/4 of the interval, so that disks that came together do not stay together. */
static int64_t next_due(const struct info_list *l, const struct usage_disk *disk)
{
	uint64_t spread = hash64(&disk->version, sizeof(disk->version), 1) % 512;

	return clock_monotonic() + l->interval_ns / 4 * 3 + l->interval_ns / 1024 * (int64_t)spread;
}

void info_list_add(struct info_list *l, struct target *target, const struct vmt_inspection *out)
{
	const struct vmt_reading *r = &out->reading[target->index];
	int64_t now = clock_monotonic();

	for (uint32_t k = 0; k < r->disks; k++) {
		const struct vmt_device *device = out->disk[r->first_disk + k].device;
		const struct domain_device *dev =
			(const struct domain_device *)(const void *)device;
		struct usage_disk *disk = &target->disk[dev - target->domain.desc->disk];
		size_t n = l->job ? l->job->count : 0;

		if (!disk->wants_info || disk->due_ns > now || n == USAGE_BUDGET) {
			continue;
		}
		if (!l->job) {
			l->job = g_new0(struct info_job, 1);
		}
		l->job->question[n].desc = domain_desc_ref(target->domain.desc);
		l->job->question[n].name = device->name;
		l->disk[n] = disk;
		l->reading[n] = r->first_disk + k;
		l->stopped[n] = r->outcome == VMT_STOPPED;
		l->job->count++;
	}
}

static int ask(struct session *s, void *arg, struct vmt_error *error)
{
	struct info_job *job = arg;
	virDomainPtr dom = NULL;
	int64_t time_ns = clock_real(), mono_ns = clock_monotonic();

	for (size_t i = 0; i < job->count && clock_monotonic() < job->until_ns; i++) {
		struct question *q = &job->question[i];
		virDomainBlockInfo info;

		atomic_store(&job->at, i);
		if (i == 0 || q->desc != q[-1].desc) {
			if (dom) {
				virDomainFree(dom);
			}
			dom = RPC(s, virDomainLookupByUUID(s->conn, q->desc->uuid));
		}
		if (dom && RPC(s, virDomainGetBlockInfo(dom, q->name, &info, 0)) == 0) {
			q->answered = true;
			q->info = (struct usage_info){ .capacity = info.capacity,
						       .allocation = info.allocation,
						       .physical = info.physical,
						       .time_ns = time_ns,
						       .mono_ns = mono_ns };
		} else if (virConnectIsAlive(s->conn) == 0) {
			break;
		}
	}
	if (dom) {
		virDomainFree(dom);
	}
	return 0;
}

static void take(struct info_list *l, struct vmt_inspection *out)
{
	for (size_t i = 0; i < l->job->count; i++) {
		const struct question *q = &l->job->question[i];
		struct vmt_device_reading *r = &out->disk[l->reading[i]];
		uint8_t stamp;

		if (!q->answered) {
			continue;
		}
		l->disk[i]->info = q->info;
		if (l->stopped[i]) {
			usage_apply_stopped(l->disk[i], r, out);
			continue;
		}
		stamp = usage_info_stamp(l->disk[i], out);
		vmt_device_set(r, VMT_D_ALLOCATION, q->info.allocation, stamp);
		vmt_device_set(r, VMT_D_PHYSICAL, q->info.physical, stamp);
	}
}

/* The call hangs: on the question that it is at. */
static void left_behind(const struct info_list *l, struct suspects *book, struct job *job)
{
	const struct domain_desc *desc = l->job->question[atomic_load(&l->job->at)].desc;
	struct flight *flight = job_flight(job);

	suspects_leave(book, flight, &desc->uuid, 1, ANSWER_NS);
	if (desc->number >= 0) {
		suspects_put(book, desc->uuid, desc->epoch, SUSPECT_HUNG, ANSWER_NS, flight);
	}
	flight_unref(flight);
}

void info_list_ask(struct info_list *l, struct hub *hub, struct caller *caller,
		   struct vmt_inspection *out, const struct vmt_call *call)
{
	struct vmt_call soon = *call;
	struct vmt_error error;
	struct job *job;
	int err;

	if (!l->job || hub_left(hub) >= hub_cap(hub)) {
		return;
	}
	for (size_t i = 0; i < l->job->count; i++) {
		l->disk[i]->due_ns = next_due(l, l->disk[i]);
	}
	soon.deadline_ns = MIN(call->deadline_ns, clock_monotonic() + ANSWER_NS);
	l->job->until_ns = soon.deadline_ns - (soon.deadline_ns - clock_monotonic()) / 4;
	err = caller_submit(caller, ask, l->job, job_free, &job, &error);
	if (err < 0) {
		l->job = NULL;
		log_warn("%s; block info is asked for later", error.text);
		return;
	}
	err = job_wait(job, &soon, &out->calls, &error);
	if (err == 0) {
		take(l, out);
	} else {
		log_warn("%s; block info is asked for later", error.text);
	}
	if (err == -ETIMEDOUT) {
		left_behind(l, hub_suspects(hub), job);
	}
	l->job = NULL;
	job_unref(job);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the finding of instances that do not answer.  The inspecting thread; its questions run in a light caller's
 * thread of their own connection, and are waited for a second at most.
 */
#define LOG_NAME "inspector.libvirt"

#include "plugins/inspector/libvirt/lookout.h"
#include "plugins/inspector/libvirt/handles.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/wait.h"

#include <errno.h>
#include <string.h>

#define ANSWER_NS (1 * NS_PER_S) /* libvirt's own answers take milliseconds */
#define AGAIN_NS (50 * NS_PER_MS) /* between two looks at somebody who seems stuck */

struct lookout {
	struct domains *domains;
	struct suspects *book;
	struct processes *processes; /* NULL: not on this host */
	struct caller *caller;
};

/* One domain asked after. */
struct look {
	uint8_t uuid[16];
	bool busy; /* its monitor has a command that has not come back */
	int64_t busy_ns; /* for so long */
	enum process_state kernel;
};

/* The job's argument. */
struct look_job {
	size_t count;
	struct look *look;
};

struct lookout *lookout_new(struct domains *domains)
{
	struct lookout *w = g_new0(struct lookout, 1);
	struct hub *hub = domains_hub(domains);

	w->domains = domains;
	w->book = hub_suspects(hub);
	w->processes = hub_processes(hub);
	w->caller = caller_new(hub, "libvirt-look", CALLER_LIGHT);
	return w;
}

void lookout_free(struct lookout *w)
{
	if (w) {
		caller_free(w->caller);
		g_free(w);
	}
}

/* ------------------------------------------------------------------ asking libvirt */

static void job_free(void *arg)
{
	struct look_job *job = arg;

	g_free(job->look);
	g_free(job);
}

static int look_run(struct session *s, void *arg, struct vmt_error *error)
{
	struct look_job *job = arg;
	bool fetched = false;

	for (size_t i = 0; i < job->count; i++) {
		struct look *l = &job->look[i];
		virDomainPtr dom = handles_find(s, l->uuid, &fetched);
		virDomainControlInfo info;

		l->busy = false;
		if (!dom) {
			continue;
		}
		if (RPC(s, virDomainGetControlInfo(dom, &info, 0)) < 0) {
			if (libvirt_unsupported() || virConnectIsAlive(s->conn) == 0) {
				return libvirt_error(s, "control info", error);
			}
			continue; /* it has just gone */
		}
		l->busy = info.state == VIR_DOMAIN_CONTROL_OCCUPIED;
		l->busy_ns = l->busy ? (int64_t)MIN(info.stateTime, 1U << 30) * NS_PER_MS : 0;
	}
	return 0;
}

/* Asks after these.  A driver without control info knows of nobody. */
static int look(struct lookout *w, struct look *list, size_t count,
		const struct lookout_order *order, struct vmt_error *error)
{
	struct vmt_call soon = *order->call;
	struct look_job *arg = g_new0(struct look_job, 1);
	struct job *job;
	int err;

	arg->count = count;
	arg->look = g_memdup2(list, count * sizeof(*list));
	soon.deadline_ns = MIN(soon.deadline_ns, clock_monotonic() + ANSWER_NS);
	err = caller_submit(w->caller, look_run, arg, job_free, &job, error);
	if (err < 0) {
		return err;
	}
	err = job_wait(job, &soon, order->calls, error);
	if (err >= 0) {
		memcpy(list, arg->look, count * sizeof(*list));
	}
	job_unref(job);
	return err == -ENOTSUP ? 0 : err;
}

/* ------------------------------------------------------------------ the book */

static void tell(const struct domain_desc *desc, enum suspect_why why)
{
	log_warn("%s (%s): %s; it is left out of the calls for all until it answers", desc->name,
		 desc->id, suspect_reason(why));
}

static void enter(struct lookout *w, const struct look *l, enum suspect_why why,
		  struct flight *flight)
{
	struct domain domain;

	if (!domains_find(w->domains, l->uuid, &domain)) {
		return;
	}
	if (suspects_put(w->book, l->uuid, domain.desc->epoch, why, l->busy_ns, flight)) {
		tell(domain.desc, why);
	}
	domain_desc_unref(domain.desc);
}

static void strike(struct lookout *w, const uint8_t uuid[16], const char *what)
{
	struct domain domain;
	int64_t since_ns;

	if (!suspects_clear(w->book, uuid, &since_ns)) {
		return;
	}
	if (domains_find(w->domains, uuid, &domain)) {
		log_info("%s (%s): %s after %.1f s", domain.desc->name, domain.desc->id, what,
			 (double)(clock_monotonic() - since_ns) / 1e9);
		domain_desc_unref(domain.desc);
	}
}

void lookout_answered(struct lookout *w, const struct target *target)
{
	strike(w, target->uuid, "answers again");
}

static enum process_state kernel_of(struct lookout *w, const uint8_t uuid[16])
{
	return w->processes ? processes_look(w->processes, uuid) : PROCESS_UNKNOWN;
}

enum process_state lookout_kernel(struct lookout *w, const struct target *target, bool *scan)
{
	struct look l = { .busy = false };

	if (!w->processes) {
		return PROCESS_UNKNOWN;
	}
	if (*scan) {
		*scan = false;
		processes_scan(w->processes);
	}
	l.kernel = processes_look(w->processes, target->uuid);
	if (process_cannot_answer(l.kernel)) {
		struct suspect known;

		memcpy(l.uuid, target->uuid, sizeof(l.uuid));
		l.busy_ns = suspects_get(w->book, target->uuid, &known) ? known.latency_ns : 0;
		enter(w, &l, suspect_why_of(l.kernel), NULL);
	}
	return l.kernel;
}

static struct look *looks_of(struct lookout *w, const uint8_t (*uuid)[16], size_t count)
{
	struct look *list = g_new0(struct look, count + 1);

	for (size_t i = 0; i < count; i++) {
		memcpy(list[i].uuid, uuid[i], 16);
		list[i].kernel = kernel_of(w, uuid[i]);
	}
	return list;
}

/* Is its monitor stuck, by what both say? */
static bool is_stuck(const struct look *l, int64_t limit_ns)
{
	return l->busy && (l->busy_ns >= limit_ns || process_cannot_answer(l->kernel));
}

/* Who was in the book, or in a call left behind. */
static void review_one(struct lookout *w, const struct look *l, const struct lookout_order *order)
{
	struct suspect known;
	struct domain domain;
	int64_t limit_ns = 0;
	struct flight *flight = suspects_flight(w->book, l->uuid, &limit_ns);
	bool is_one = suspects_get(w->book, l->uuid, &known);
	bool lives = domains_find(w->domains, l->uuid, &domain);
	/* A call that was left behind because of somebody else may have come to this one by now. */
	struct flight *held = l->busy && is_one && !known.outstanding ? flight : NULL;

	if (is_one && (!lives || domain.desc->epoch != known.epoch)) {
		strike(w, l->uuid, "is gone, or another one");
	} else if (is_one && process_cannot_answer(l->kernel)) {
		enter(w, l, suspect_why_of(l->kernel), held);
	} else if (is_one && is_stuck(l, order->limit_ns)) {
		enter(w, l, SUSPECT_HUNG, held);
	} else if (is_one && known.outstanding) {
		strike(w, l->uuid, "answers again"); /* our call has gone on to others */
	} else if (is_one && !l->busy && (known.why != SUSPECT_HUNG || known.latency_ns)) {
		suspects_hope(w->book, l->uuid); /* QEMU goes on, or its monitor is free */
	} else if (!is_one && flight && is_stuck(l, limit_ns)) {
		enter(w, l,
		      process_cannot_answer(l->kernel) ? suspect_why_of(l->kernel) : SUSPECT_HUNG,
		      flight);
	}
	flight_unref(flight);
	if (lives) {
		domain_desc_unref(domain.desc);
	}
}

int lookout_review(struct lookout *w, const struct lookout_order *order, struct vmt_error *error)
{
	uint8_t(*uuid)[16];
	struct look *list;
	size_t count;
	int err = 0;

	suspects_sweep(w->book);
	count = suspects_watched(w->book, &uuid);
	if (count) {
		list = looks_of(w, (const uint8_t(*)[16])uuid, count);
		err = look(w, list, count, order, error);
		for (size_t i = 0; err == 0 && i < count; i++) {
			review_one(w, &list[i], order);
		}
		g_free(list);
	}
	g_free(uuid);
	return err;
}

/* Keeps in *list those that are stuck; what only the clock says must hold for a moment longer: a host that was
 * asleep, or short of time, makes everybody look late once. */
static int keep_stuck(struct lookout *w, struct look *list, size_t *count,
		      const struct lookout_order *order, struct vmt_error *error)
{
	size_t n = 0;
	bool sure = true;

	for (size_t i = 0; i < *count; i++) {
		if (is_stuck(&list[i], order->limit_ns)) {
			sure &= process_cannot_answer(list[i].kernel);
			list[n++] = list[i];
		}
	}
	*count = n;
	if (n == 0 || sure) {
		return 0;
	}
	wait_sleep(AGAIN_NS);
	return look(w, list, n, order, error);
}

int lookout_find(struct lookout *w, const uint8_t (*uuid)[16], size_t count, struct flight *flight,
		 int64_t waited_ns, const struct lookout_order *order, struct vmt_error *error)
{
	struct look *list = looks_of(w, uuid, count);
	int found = 0, err = look(w, list, count, order, error);

	/* Those that will hold it up when their turn comes. */
	for (size_t i = 0; err == 0 && i < count; i++) {
		if (process_cannot_answer(list[i].kernel) && !list[i].busy) {
			enter(w, &list[i], suspect_why_of(list[i].kernel), NULL);
		}
	}
	/* libvirtd counts by the wall clock, which may have been set; our call cannot hang for longer than it is old. */
	if (err == 0 && waited_ns < order->limit_ns) {
		for (size_t i = 0; i < count; i++) {
			list[i].busy &= process_cannot_answer(list[i].kernel);
		}
	}
	if (err == 0) {
		err = keep_stuck(w, list, &count, order, error);
	}
	for (size_t i = 0; err == 0 && i < count; i++) {
		if (is_stuck(&list[i], order->limit_ns)) {
			enter(w, &list[i],
			      process_cannot_answer(list[i].kernel) ? suspect_why_of(list[i].kernel)
								    : SUSPECT_HUNG,
			      flight);
			found++;
		}
	}
	g_free(list);
	return err < 0 ? err : found;
}

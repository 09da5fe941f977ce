/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One stuck instance never costs another, from a seed: the libvirt inspector itself, its callers and its book, on the
 * simulated hypervisor and clock.  Monitors hang, with the kernel's knowledge and without; records are short; calls fail;
 * domains stop, start anew, vanish; libvirtd freezes, dies and returns; the host sleeps; the wall clock is set.
 *
 * Apart from that: a call of somebody else's costs nobody a reading.
 *
 * The oracle: every instance has an outcome in every cycle; none is asked twice at once, no more calls hang than may
 * (both hypervisor.c); no value is invented: each is what the domain's counter was within this cycle; nobody is
 * called stuck who was well; who is well has gaps of two intervals at most; all is well again after the end of all
 * trouble.
 *
 * VIRTMETER_SEED=N runs that one alone.
 */
#include "tests/scenario/hypervisor.h"

#include "base/clock.h"
#include "base/thread.h"
#include "base/uuid.h"
#include "base/wait.h"
#include "model/inspection.h"
#include "model/snapshot.h"
#include "plugins/libvirt/suspects.h"

#include <glib.h>
#include <libvirt/libvirt.h>
#include <string.h>

#define BEGIN_REAL (INT64_C(1784641000) * NS_PER_S)
#define BEGIN_MONO (1000 * NS_PER_S)
#define INTERVAL (5 * NS_PER_S)
#define HAS(r, f) ((r)->present & UINT64_C(1) << (f))

enum { SEEDS = 40, CYCLES = 120, HEALING = 12, CAP = 6 };

extern const struct vmt_plugin vmt_plugin_inspector_libvirt;

static const atomic_bool never;

/* What the oracle remembers of an instance. */
struct memory {
	int64_t ok_ns; /* when it last was OK; its start before that */
	int64_t well_ns; /* since when nothing stands in its way */
};

struct play {
	GRand *rand;
	void *conf, *inspector;
	struct hub *hub;
	struct snapshot *snapshot;
	struct vmt_inspection *out;
	struct memory memory[HYP_DOMAINS];
	int64_t begun_ns; /* of the cycle */
	unsigned cycle;
	/* the trouble-maker's */
	pthread_t thread;
	atomic_bool quit;
	int hidden; /* how many may hang without the kernel's knowledge at a time */
	int64_t crowd_ns; /* when as many hung as may */
	_Atomic int64_t step_ns; /* when the wall clock was set, by which libvirtd counts */
};

/* ------------------------------------------------------------------ trouble */

static unsigned count_of(enum hyp_monitor monitor)
{
	unsigned n = 0;

	for (size_t i = 0; i < HYP_DOMAINS; i++) {
		n += hyp_get(i)->runs && hyp_get(i)->monitor == monitor;
	}
	return n;
}

static void trouble_monitor(struct play *p, size_t i)
{
	enum hyp_monitor kind = (enum hyp_monitor)g_rand_int_range(p->rand, 1, 4);

	if (hyp_get(i)->monitor != HYP_ANSWERS) {
		hyp_set_monitor(i, HYP_ANSWERS);
	} else if (count_of(HYP_HIDDEN) + count_of(HYP_BLOCKED) < (unsigned)p->hidden ||
		   kind == HYP_STOPPED) {
		hyp_set_monitor(i, kind);
	}
}

/* Many at once, as when their storage goes away. */
static void trouble_crowd(struct play *p)
{
	enum hyp_monitor kind = g_rand_boolean(p->rand) ? HYP_STOPPED : HYP_ANSWERS;

	for (size_t i = 0; i < HYP_DOMAINS / 2; i++) {
		hyp_set_monitor(i * 2, kind);
	}
}

static void trouble_life(size_t i, bool remove)
{
	if (!hyp_get(i)->runs) {
		hyp_start(i);
	} else if (remove) {
		hyp_remove(i);
	} else {
		hyp_stop(i);
	}
}

static void trouble_daemon(struct play *p)
{
	if (hyp_daemon_is() == HYP_UP) {
		hyp_set_daemon(g_rand_boolean(p->rand) ? HYP_FROZEN : HYP_DOWN);
	} else {
		hyp_set_daemon(HYP_UP);
	}
}

/* The wall clock: set by somebody, or the host was asleep (CLOCK_MONOTONIC stands meanwhile). */
static void trouble_clock(struct play *p)
{
	atomic_store(&p->step_ns, clock_monotonic());
	clock_simulate_step(g_rand_int_range(p->rand, -7200, 86400) * NS_PER_S);
}

static void make_trouble(struct play *p)
{
	size_t i = (size_t)g_rand_int_range(p->rand, 0, HYP_DOMAINS);
	int what = g_rand_int_range(p->rand, 0, 100);

	if (what < 50) {
		trouble_monitor(p, i);
	} else if (what < 60) {
		hyp_set_taken(i, !hyp_get(i)->taken);
	} else if (what < 75) {
		trouble_life(i, what >= 70);
	} else if (what < 83) {
		hyp_fail_next();
	} else if (what < 88) {
		trouble_crowd(p);
	} else if (what < 93 || hyp_daemon_is() != HYP_UP) {
		trouble_daemon(p);
	} else {
		trouble_clock(p);
	}
}

static void *trouble_main(void *data)
{
	struct play *p = data;

	while (!atomic_load(&p->quit)) {
		wait_sleep(g_rand_int_range(p->rand, 1, 9000) * NS_PER_MS);
		if (!atomic_load(&p->quit)) {
			make_trouble(p);
		}
	}
	return NULL;
}

static void heal(void)
{
	hyp_set_daemon(HYP_UP);
	for (size_t i = 0; i < HYP_DOMAINS; i++) {
		hyp_set_monitor(i, HYP_ANSWERS);
		hyp_set_taken(i, false);
		if (!hyp_get(i)->runs) {
			hyp_start(i);
		}
	}
}

/* ------------------------------------------------------------------ the oracle */

/* Each counter is the time since the domain's start: it must have been so within this cycle, of this start or (it
 * was started anew meanwhile) not at all older than the cycle allows. */
static void check_value(const struct play *p, size_t i, uint64_t value)
{
	int64_t when = hyp_get(i)->start_ns + (int64_t)value, now = clock_monotonic();

	if (hyp_get(i)->start_ns >= p->begun_ns) {
		return; /* of its former life, perhaps, which is not remembered */
	}
	g_assert_cmpint(when, >=, p->begun_ns);
	g_assert_cmpint(when, <=, now);
}

static void check_values(const struct play *p, size_t i)
{
	static const enum vmt_field fields[] = { VMT_F_CPU_TIME, VMT_F_VCPU_TIME };
	const struct vmt_reading *r = &p->out->reading[i];

	for (size_t k = 0; k < G_N_ELEMENTS(fields); k++) {
		if (HAS(r, fields[k])) {
			check_value(p, i, r->value[fields[k]].u);
		}
	}
	g_assert_cmpuint(r->disks, <=, 1);
	g_assert_cmpuint(r->nics, <=, 1);
	for (uint32_t k = 0; k < r->disks; k++) {
		if (HAS(&p->out->disk[r->first_disk], VMT_D_READ_BYTES)) {
			check_value(p, i, p->out->disk[r->first_disk].value[VMT_D_READ_BYTES].u);
		}
	}
	for (uint32_t k = 0; k < r->nics; k++) {
		check_value(p, i, p->out->nic[r->first_nic].value[VMT_N_RX_BYTES].u);
	}
	if (HAS(r, VMT_F_MEM_RSS)) {
		g_assert_cmpuint(r->value[VMT_F_MEM_RSS].u, ==, 32768);
	}
}

static bool is_well(size_t i)
{
	const struct hyp_domain *d = hyp_get(i);

	return d->runs && d->monitor == HYP_ANSWERS && !d->taken;
}

/* An instance that is OK has everything; one that was well all the time, and libvirt with it, is not stuck. */
static void check_outcome(const struct play *p, size_t i)
{
	const struct vmt_reading *r = &p->out->reading[i];
	int64_t before = p->begun_ns - INTERVAL;
	bool well = is_well(i) && hyp_get(i)->trouble_ns < before &&
		    hyp_daemon_trouble() < before && p->crowd_ns < before &&
		    atomic_load(&p->step_ns) < before;

	g_assert_cmpint(r->outcome, >, VMT_UNREAD);
	g_assert_cmpint(r->outcome, <, VMT_OUTCOMES);
	if (r->outcome == VMT_OK) {
		g_assert_true(HAS(r, VMT_F_CPU_TIME));
		g_assert_cmpuint(r->disks, ==, 1);
		g_assert_true(HAS(&p->out->disk[r->first_disk], VMT_D_READ_BYTES));
	}
	if (HAS(r, VMT_F_MONITOR_LATENCY)) {
		g_assert_cmpint(r->outcome, ==, VMT_STUCK);
		g_assert_cmpuint(p->out->quarantined, >, 0);
	}
	if (well) {
		g_assert_cmpint(r->outcome, !=, VMT_STUCK);
		g_assert_cmpint(r->outcome, !=, VMT_GONE);
		g_assert_cmpint(r->outcome, !=, VMT_STOPPED);
	}
	if (hyp_get(i)->runs && hyp_get(i)->trouble_ns < p->begun_ns - 2 * INTERVAL &&
	    hyp_daemon_trouble() < p->begun_ns - 2 * INTERVAL && !is_well(i)) {
		g_assert_true(r->outcome == VMT_STUCK || r->outcome == VMT_PARTIAL);
	}
}

/* Who is well for two intervals, with libvirt, has been read whole within two intervals. */
static void check_gap(struct play *p, size_t i)
{
	struct memory *m = &p->memory[i];
	int64_t now = clock_monotonic(), since = MAX(hyp_get(i)->trouble_ns, hyp_daemon_trouble());

	since = MAX(since, p->crowd_ns);
	if (p->out->reading[i].outcome == VMT_OK) {
		m->ok_ns = now;
	}
	if (!is_well(i) || !hyp_get(i)->asked) {
		return; /* its first call is slow, and made apart */
	}
	since = MAX(since, m->ok_ns);
	if (now - since > 2 * INTERVAL + 2 * NS_PER_S) {
		g_test_message("cycle %u: instance %zu is well since %" G_GINT64_FORMAT
			       " ms, outcome %d, %u calls hang",
			       p->cycle, i, (now - since) / NS_PER_MS, p->out->reading[i].outcome,
			       hyp_hanging());
		g_assert_cmpint(now - since, <=, 2 * INTERVAL + 2 * NS_PER_S);
	}
}

/* ------------------------------------------------------------------ the play */

static void set_option(struct play *p, const char *name, const void *value, size_t size)
{
	const struct vmt_option *o = vmt_plugin_inspector_libvirt.options;

	while (strcmp(o->name, name) != 0) {
		o++;
	}
	memcpy((char *)p->conf + o->offset, value, size);
}

static struct snapshot *everybody(void)
{
	struct vmt_snapshot_builder *b = snapshot_builder_new(0);

	for (size_t i = 0; i < HYP_DOMAINS; i++) {
		g_assert_cmpint(vmt_snapshot_add(b, &(struct vmt_instance){ .id = hyp_get(i)->id }),
				==, 0);
	}
	return snapshot_builder_finish(b, NULL, 1);
}

static void open_play(struct play *p, unsigned seed)
{
	char *uri = g_strdup_printf("qemu+unix:///system?socket=/simulated/%u", seed);
	int64_t parallel, hanging = CAP, info = 600 * NS_PER_S;
	struct vmt_error error = { "" };

	*p = (struct play){ .rand = g_rand_new_with_seed(seed) };
	parallel = g_rand_boolean(p->rand) ? 1 : 3;
	p->hidden = g_rand_int_range(p->rand, 1, CAP + 1);
	hyp_open(CAP + 1, g_rand_boolean(p->rand));
	p->conf = g_malloc0(vmt_plugin_inspector_libvirt.conf_size);
	set_option(p, "libvirt_uri", &uri, sizeof(uri));
	set_option(p, "parallel_calls", &parallel, sizeof(parallel));
	set_option(p, "hanging_calls", &hanging, sizeof(hanging));
	set_option(p, "block_info_interval", &info, sizeof(info));
	g_assert_cmpint(vmt_plugin_inspector_libvirt.ops.inspector->open(p->conf, &p->inspector,
									 &error),
			==, 0);
	p->hub = hub_ref(uri, false);
	p->snapshot = everybody();
	p->out = inspection_new();
	g_free(uri);
}

static void close_play(struct play *p)
{
	vmt_plugin_inspector_libvirt.ops.inspector->close(p->inspector);
	hub_unref(p->hub);
	snapshot_unref(p->snapshot);
	inspection_free(p->out);
	g_rand_free(p->rand);
	g_free(p->conf);
	hyp_close();
}

/* With --verbose: a letter for each outcome, above it what is true: s(topped), b(locked), h(idden), t(aken), x. */
static void show(const struct play *p)
{
	char truth[HYP_DOMAINS + 1] = "", outcome[HYP_DOMAINS + 1] = "";

	for (size_t i = 0; i < HYP_DOMAINS; i++) {
		const struct hyp_domain *d = hyp_get(i);

		truth[i] = !d->runs ? 'x' : d->taken ? 't' : ".sbh"[d->monitor];
		outcome[i] = "-osgkpu"[p->out->reading[i].outcome];
	}
	g_test_message("%3u %s libvirtd %d, %u hang, %.1f s", p->cycle, truth, hyp_daemon_is(),
		       hyp_hanging(), (double)(clock_monotonic() - p->begun_ns) / 1e9);
	g_test_message("    %s %u left behind", outcome, hub_left(p->hub));
}

static void run_cycle(struct play *p)
{
	struct vmt_inspect_request request = {
		.groups = VMT_GROUP_ALL & ~(unsigned)VMT_GROUP_DISK_USAGE, .interval_ns = INTERVAL
	};
	struct vmt_call call = { .deadline_ns = clock_monotonic() + 2 * INTERVAL,
				 .cancel = &never };
	struct vmt_error error = { "" };
	int64_t next = clock_monotonic() + INTERVAL;

	while (g_main_context_iteration(NULL, FALSE)) {
	}
	p->begun_ns = clock_monotonic();
	inspection_reset(p->out, HYP_DOMAINS);
	vmt_plugin_inspector_libvirt.ops.inspector->inspect(p->inspector, &p->snapshot->list,
							    &request, p->out, &call, &error);
	g_assert_cmpint(clock_monotonic(), <=, call.deadline_ns);
	if (hub_left(p->hub) >= CAP) {
		p->crowd_ns = clock_monotonic();
	}
	show(p);
	for (size_t i = 0; i < HYP_DOMAINS; i++) {
		check_outcome(p, i);
		check_values(p, i);
		check_gap(p, i);
	}
	p->cycle++;
	if (clock_monotonic() < next) {
		wait_sleep(next - clock_monotonic());
	}
}

static void check_healed(struct play *p)
{
	struct suspects_count book;

	suspects_count(hub_suspects(p->hub), &book);
	g_assert_cmpuint(book.quarantined, ==, 0);
	g_assert_cmpuint(p->out->quarantined, ==, 0);
	g_assert_cmpuint(p->out->outstanding, ==, 0);
	g_assert_cmpuint(hub_left(p->hub), ==, 0);
	for (size_t i = 0; i < HYP_DOMAINS; i++) {
		g_assert_cmpint(p->out->reading[i].outcome, ==, VMT_OK);
	}
}

static void test_seed(const void *data)
{
	struct play play;

	open_play(&play, GPOINTER_TO_UINT(data));
	for (int i = 0; i < 3; i++) {
		run_cycle(&play);
	}
	check_healed(&play);
	g_assert_cmpint(thread_start(&play.thread, "trouble", trouble_main, &play), ==, 0);
	for (int i = 0; i < CYCLES; i++) {
		run_cycle(&play);
	}
	atomic_store(&play.quit, true);
	thread_join(play.thread);
	heal();
	for (int i = 0; i < HEALING; i++) {
		run_cycle(&play);
	}
	check_healed(&play);
	close_play(&play);
}

/* Somebody else's call has a monitor for a quarter of a second. */
static void *taker_main(void *data)
{
	wait_sleep(250 * NS_PER_MS);
	hyp_set_taken(GPOINTER_TO_UINT(data), false);
	return NULL;
}

static void test_taken(void)
{
	enum { ITS = 3 };
	struct play play;
	pthread_t taker;

	open_play(&play, 1);
	for (int i = 0; i < 3; i++) {
		run_cycle(&play);
	}
	hyp_set_taken(ITS, true);
	g_assert_cmpint(thread_start(&taker, "taker", taker_main, GUINT_TO_POINTER(ITS)), ==, 0);
	run_cycle(&play);
	thread_join(taker);
	for (size_t i = 0; i < HYP_DOMAINS; i++) {
		g_assert_cmpint(play.out->reading[i].outcome, ==, VMT_OK);
	}
	close_play(&play);
}

int main(int argc, char **argv)
{
	const char *one = g_getenv("VIRTMETER_SEED");
	unsigned first = one ? (unsigned)g_ascii_strtoull(one, NULL, 10) : 1;

	g_test_init(&argc, &argv, NULL);
	clock_simulate(BEGIN_REAL, BEGIN_MONO);
	g_test_add_func("/scenario/isolation/taken", test_taken);
	for (unsigned seed = first; seed < first + (one ? 1 : SEEDS); seed++) {
		char *path = g_strdup_printf("/scenario/isolation/%u", seed);

		g_test_add_data_func(path, GUINT_TO_POINTER(seed), test_seed);
		g_free(path);
	}
	return g_test_run();
}

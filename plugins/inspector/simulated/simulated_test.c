/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Discovery and inspector "simulated" together, through the contract, on the simulated clock.  One thread.
 */
#include "base/clock.h"
#include "base/wait.h"
#include "model/inspection.h"
#include "model/snapshot.h"
#include "plugins/simulated/world.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#define START (INT64_C(1767225600) * NS_PER_S)

extern const struct vmt_plugin vmt_plugin_discovery_simulated, vmt_plugin_inspector_simulated;

/* The heap as our own code uses it. */
static size_t heap_calls;
void *__real_g_malloc(gsize n);
void *__wrap_g_malloc(gsize n);
void *__real_g_malloc0(gsize n);
void *__wrap_g_malloc0(gsize n);
void *__real_g_realloc(void *p, gsize n);
void *__wrap_g_realloc(void *p, gsize n);
char *__real_g_strdup(const char *s);
char *__wrap_g_strdup(const char *s);

void *__wrap_g_malloc(gsize n)
{
	heap_calls++;
	return __real_g_malloc(n);
}

void *__wrap_g_malloc0(gsize n)
{
	heap_calls++;
	return __real_g_malloc0(n);
}

void *__wrap_g_realloc(void *p, gsize n)
{
	heap_calls++;
	return __real_g_realloc(p, n);
}

char *__wrap_g_strdup(const char *s)
{
	heap_calls++;
	return __real_g_strdup(s);
}

static const atomic_bool never;

/* Both plugins at work on one world. */
struct lab {
	const struct vmt_discovery_ops *discovery;
	const struct vmt_inspector_ops *inspector;
	void *finder, *reader;
	struct snapshot *snapshot;
	struct vmt_inspection *in;
	struct vmt_inspect_request request;
};

static void lab_open(struct lab *lab, struct simulated_conf conf)
{
	*lab = (struct lab){ .discovery = vmt_plugin_discovery_simulated.ops.discovery,
			     .inspector = vmt_plugin_inspector_simulated.ops.inspector,
			     .request = { .groups = VMT_GROUP_ALL, .interval_ns = 10 * NS_PER_S } };
	g_assert_cmpint(lab->discovery->open(&conf, &lab->finder, NULL), ==, 0);
	g_assert_cmpint(lab->inspector->open(&conf, &lab->reader, NULL), ==, 0);
	lab->in = inspection_new();
}

static void lab_close(struct lab *lab)
{
	lab->discovery->close(lab->finder);
	lab->inspector->close(lab->reader);
	snapshot_unref(lab->snapshot);
	inspection_free(lab->in);
}

static struct vmt_call call_for(int64_t ns)
{
	return (struct vmt_call){ .deadline_ns = clock_monotonic() + ns, .cancel = &never };
}

static int discover(struct lab *lab)
{
	struct vmt_snapshot_builder *b = snapshot_builder_new(0);
	struct vmt_call call = call_for(NS_PER_S);
	struct vmt_error error;
	int ret = lab->discovery->discover(lab->finder, "", b, &call, &error);

	if (ret > 0) {
		struct snapshot *new = snapshot_builder_finish(b, lab->snapshot, clock_real());

		snapshot_unref(lab->snapshot);
		lab->snapshot = new;
	} else {
		snapshot_builder_free(b);
	}
	return ret;
}

static int inspect(struct lab *lab)
{
	struct vmt_call call = call_for(5 * NS_PER_S);
	struct vmt_error error;

	inspection_reset(lab->in, lab->snapshot->list.count);
	return lab->inspector->inspect(lab->reader, &lab->snapshot->list, &lab->request, lab->in,
				       &call, &error);
}

static const struct vmt_reading *reading(const struct lab *lab, size_t i)
{
	return &lab->in->reading[i];
}

static void test_describe(void)
{
	struct lab lab;
	const struct vmt_instance *it;

	lab_open(&lab, (struct simulated_conf){
			       .instances = 5, .disks = 2, .nics = 2, .seed = 1, .stopped = 20 });
	g_assert_cmpint(discover(&lab), ==, 1);
	g_assert_cmpint(discover(&lab), ==, 0);
	g_assert_cmpuint(lab.snapshot->list.count, ==, 5);
	it = &lab.snapshot->list.instances[0];
	g_assert_cmpstr(it->name, ==, "instance-00000001");
	g_assert_cmpstr(it->display_name, ==, "web-1");
	g_assert_cmpstr(it->flavor.name, ==, "m1.small");
	g_assert_cmpstr(it->status, ==, "active");
	g_assert_nonnull(it->project_id);
	it = &lab.snapshot->list.instances[4];
	g_assert_true(it->stopped);
	g_assert_cmpstr(it->status, ==, "stopped");
	lab_close(&lab);
}

static uint64_t value(const struct vmt_reading *r, enum vmt_field f)
{
	g_assert_true(r->present & UINT32_C(1) << f);
	return r->value[f].u;
}

/* What is cumulative never falls, and no more CPU is used than there is. */
static void check_growth(const struct vmt_reading *old, const struct vmt_reading *new, int64_t dt)
{
	static const enum vmt_field growing[] = { VMT_F_CPU_TIME,         VMT_F_VCPU_TIME,
						  VMT_F_VCPU_WAIT,        VMT_F_VCPU_DELAY,
						  VMT_F_CPU_USER,         VMT_F_CPU_SYSTEM,
						  VMT_F_SWAP_IN,          VMT_F_SWAP_OUT,
						  VMT_F_MAJOR_FAULTS,     VMT_F_MINOR_FAULTS,
						  VMT_F_PERF_CPU_CYCLES,  VMT_F_PERF_INSTRUCTIONS,
						  VMT_F_PERF_CACHE_MISSES };

	for (size_t k = 0; k < G_N_ELEMENTS(growing); k++) {
		g_assert_cmpuint(value(new, growing[k]), >=, value(old, growing[k]));
	}
	g_assert_cmpuint(value(new, VMT_F_CPU_TIME) - value(old, VMT_F_CPU_TIME), <=,
			 value(new, VMT_F_VCPUS) * (uint64_t)dt);
	g_assert_cmpuint(value(new, VMT_F_VCPU_TIME), <=, value(new, VMT_F_CPU_TIME));
	g_assert_cmpuint(value(new, VMT_F_MEM_UNUSED), <=, value(new, VMT_F_MEM_USABLE));
	g_assert_cmpuint(value(new, VMT_F_MEM_USABLE), <=, value(new, VMT_F_MEM_AVAILABLE));
	g_assert_cmpuint(value(new, VMT_F_MEM_AVAILABLE), <=, value(new, VMT_F_MEM_ACTUAL));
}

static void check_devices(const struct vmt_device_reading *old,
			  const struct vmt_device_reading *new, size_t n, unsigned cumulative)
{
	for (size_t d = 0; d < n; d++) {
		for (unsigned f = 0; f < cumulative; f++) {
			g_assert_true(new[d].present & 1U << f);
			g_assert_cmpuint(new[d].value[f].u, >=, old[d].value[f].u);
		}
		g_assert_cmpuint(new[d].device->epoch, ==, old[d].device->epoch);
		g_assert_cmpuint(new[d].device->version, ==, old[d].device->version);
	}
}

static void test_growth(void)
{
	static const int64_t steps[] = { NS_PER_S, 10 * NS_PER_S, 300 * NS_PER_S };
	struct vmt_inspection *other = inspection_new(), *swap;
	struct lab lab;
	bool moved = false;

	lab_open(&lab, (struct simulated_conf){
			       .instances = 20, .disks = 3, .nics = 2, .seed = 1, .perf = true });
	discover(&lab);
	g_assert_cmpint(inspect(&lab), ==, 0);
	for (int i = 0; i < 600; i++) {
		int64_t dt = steps[i / 200];

		wait_sleep(dt);
		swap = lab.in;
		lab.in = other;
		other = swap;
		g_assert_cmpint(inspect(&lab), ==, 0);
		g_assert_cmpuint(lab.in->disks, ==, 60);
		g_assert_cmpuint(lab.in->nics, ==, 40);
		for (size_t k = 0; k < 20; k++) {
			g_assert_cmpint(reading(&lab, k)->outcome, ==, VMT_OK);
			check_growth(&other->reading[k], reading(&lab, k), dt);
		}
		check_devices(other->disk, lab.in->disk, 60, VMT_D_PHYSICAL + 1);
		check_devices(other->nic, lab.in->nic, 40, VMT_N_TX_DROPS + 1);
		moved = moved || lab.in->nic[0].value[0].u > other->nic[0].value[0].u + 1000;
	}
	g_assert_true(moved);
	inspection_free(other);
	lab_close(&lab);
}

/* A program that is started again finds the counters gone on. */
static void test_continues(void)
{
	struct simulated_conf conf = { .instances = 3, .disks = 1, .nics = 1, .seed = 4 };
	struct lab a, b;

	lab_open(&a, conf);
	discover(&a);
	inspect(&a);
	lab_open(&b, conf);
	discover(&b);
	inspect(&b);
	for (size_t i = 0; i < 3; i++) {
		g_assert_cmpuint(value(reading(&a, i), VMT_F_CPU_TIME), ==,
				 value(reading(&b, i), VMT_F_CPU_TIME));
		g_assert_cmpuint(a.in->disk[i].value[VMT_D_WRITE_BYTES].u, ==,
				 b.in->disk[i].value[VMT_D_WRITE_BYTES].u);
		g_assert_cmpuint(a.in->disk[i].device->epoch, ==, b.in->disk[i].device->epoch);
	}
	lab_close(&a);
	lab_close(&b);
}

static void test_stopped(void)
{
	struct lab lab;

	lab_open(&lab, (struct simulated_conf){
			       .instances = 1, .disks = 1, .nics = 1, .seed = 1, .stopped = 100 });
	discover(&lab);
	inspect(&lab);
	g_assert_cmpint(reading(&lab, 0)->outcome, ==, VMT_STOPPED);
	g_assert_cmpuint(reading(&lab, 0)->present, ==, 0);
	g_assert_cmpuint(lab.in->disks, ==, 0);
	lab.request.stopped = true;
	inspect(&lab);
	g_assert_cmpuint(value(reading(&lab, 0), VMT_F_STATE), ==, 5);
	g_assert_false(reading(&lab, 0)->present & UINT32_C(1) << VMT_F_CPU_TIME);
	g_assert_cmpuint(lab.in->disk[0].present, ==,
			 1U << VMT_D_CAPACITY | 1U << VMT_D_ALLOCATION | 1U << VMT_D_PHYSICAL);
	g_assert_cmpuint(lab.in->nics, ==, 0);
	lab_close(&lab);
}

static void expect_outcomes(struct lab *lab, const char *want)
{
	static const char letters[] = "-osgkpu";
	GString *got = g_string_new(NULL);

	for (size_t i = 0; i < lab->in->count; i++) {
		g_string_append_c(got, letters[reading(lab, i)->outcome]);
	}
	g_assert_cmpstr(got->str, ==, want);
	g_string_free(got, TRUE);
}

static void test_script(void)
{
	struct lab lab;
	uint64_t before, epoch;

	lab_open(
		&lab,
		(struct simulated_conf){
			.instances = 6,
			.disks = 2,
			.nics = 1,
			.seed = 1,
			.script =
				"+10s..+20s stuck 0; +10s..+20s partial 1; +10s..+20s unreachable 2;"
				"+10s..+20s vanish 3; +10s..+20s stop 4; +30s restart 5; +40s..+50s down;"
				"+40s..+50s blind; +60s..+70s slow 3s; +70s..+80s slow 9s; +90s shuffle 0;"
				"+100s gone 1" });
	discover(&lab);
	inspect(&lab);
	expect_outcomes(&lab, "oooooo");
	before = value(reading(&lab, 5), VMT_F_CPU_TIME);
	epoch = lab.snapshot->list.instances[5].epoch;
	wait_sleep(10 * NS_PER_S);
	inspect(&lab); /* the inspector sees it before discovery has */
	expect_outcomes(&lab, "kpugso");
	g_assert_cmpuint(reading(&lab, 0)->present, ==, 0);
	g_assert_false(reading(&lab, 1)->present & UINT32_C(1) << VMT_F_MEM_ACTUAL);
	g_assert_true(reading(&lab, 1)->present & UINT32_C(1) << VMT_F_CPU_TIME);
	g_assert_cmpint(discover(&lab), ==, 1);
	g_assert_true(lab.snapshot->list.instances[4].stopped);
	wait_sleep(10 * NS_PER_S);
	discover(&lab);
	inspect(&lab);
	expect_outcomes(&lab, "oooooo");
	g_assert_cmpuint(value(reading(&lab, 5), VMT_F_CPU_TIME), >, before);
	wait_sleep(15 * NS_PER_S);
	g_assert_cmpint(discover(&lab), ==, 1);
	inspect(&lab);
	g_assert_cmpuint(lab.snapshot->list.instances[5].epoch, !=, epoch);
	g_assert_cmpuint(value(reading(&lab, 5), VMT_F_CPU_TIME), <, 5 * 8 * (uint64_t)NS_PER_S);
	wait_sleep(5 * NS_PER_S);
	g_assert_cmpint(inspect(&lab), ==, -ECONNREFUSED);
	expect_outcomes(&lab, "uuuuuu");
	g_assert_cmpint(discover(&lab), ==, -ECONNREFUSED);
	wait_sleep(20 * NS_PER_S);
	before = (uint64_t)clock_monotonic();
	g_assert_cmpint(inspect(&lab), ==, 0);
	g_assert_cmpint(clock_monotonic() - (int64_t)before, ==, 3 * NS_PER_S);
	wait_sleep(7 * NS_PER_S);
	before = (uint64_t)clock_monotonic();
	g_assert_cmpint(inspect(&lab), ==, -ETIMEDOUT); /* gives up at the deadline */
	g_assert_cmpint(clock_monotonic() - (int64_t)before, ==, 5 * NS_PER_S);
	wait_sleep(15 * NS_PER_S);
	inspect(&lab);
	g_assert_cmpstr(lab.in->disk[0].device->name, ==, "vdb");
	g_assert_cmpstr(lab.in->disk[2].device->name, ==, "vda");
	wait_sleep(10 * NS_PER_S);
	inspect(&lab);
	expect_outcomes(&lab, "ogoooo");
	g_assert_cmpint(discover(&lab), ==, 1);
	g_assert_cmpuint(lab.snapshot->list.count, ==, 5);
	lab_close(&lab);
}

/* A thousand instances, everything asked: no heap call once the first cycles are done, and cheap. */
static void test_thousand(void)
{
	struct lab lab;
	int64_t cpu;
	size_t before;

	lab_open(&lab, (struct simulated_conf){ .instances = 1000,
						.disks = 2,
						.nics = 1,
						.seed = 1,
						.perf = true,
						.rates = true });
	discover(&lab);
	inspect(&lab);
	wait_sleep(10 * NS_PER_S);
	inspect(&lab);
	before = heap_calls;
	g_assert_cmpuint(before, >, 0);
	cpu = clock_cpu_thread();
	for (int i = 0; i < 20; i++) {
		wait_sleep(10 * NS_PER_S);
		g_assert_cmpint(discover(&lab), ==, 0);
		inspect(&lab);
	}
	g_test_message("%.2f ms a cycle", (double)(clock_cpu_thread() - cpu) / 20e6);
	g_assert_cmpuint(heap_calls - before, <=, 20 * 3); /* the test's own snapshot builders */
	lab_close(&lab);
}

static void test_bad_script(void)
{
	struct simulated_conf conf = { .instances = 1, .script = "+1h dance" };
	struct vmt_error e;
	void *self = NULL;

	g_assert_cmpint(vmt_plugin_inspector_simulated.ops.inspector->open(&conf, &self, &e), ==,
			-EINVAL);
	g_assert_true(g_str_has_prefix(e.text, "simulated: script: \"+1h dance\": no such verb"));
	g_assert_null(self);
	vmt_plugin_inspector_simulated.ops.inspector->close(NULL);
	vmt_plugin_discovery_simulated.ops.discovery->close(NULL);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	clock_simulate(START, 0);
	g_test_add_func("/simulated/describe", test_describe);
	g_test_add_func("/simulated/growth", test_growth);
	g_test_add_func("/simulated/continues", test_continues);
	g_test_add_func("/simulated/stopped", test_stopped);
	g_test_add_func("/simulated/script", test_script);
	g_test_add_func("/simulated/thousand", test_thousand);
	g_test_add_func("/simulated/bad-script", test_bad_script);
	return g_test_run();
}

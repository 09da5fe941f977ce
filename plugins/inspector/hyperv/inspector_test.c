/* SPDX-License-Identifier: Apache-2.0 */
/* The joins and the readings of small hosts that have what the golden one has not. */
#include <glib.h>
#include <string.h>

#include "model/inspection.h"
#include "plugins/inspector/hyperv/keys.h"
#include "plugins/inspector/hyperv/readings.h"

#define A "AAAAAAAA-0000-4000-8000-00000000000A"
#define B "BBBBBBBB-0000-4000-8000-00000000000B"
#define C "CCCCCCCC-0000-4000-8000-00000000000C"

static struct collector collector;
static struct arena *arena;
static struct join join;

static void add(enum table_id id, const char *a, const char *b, const char *c, const char *d)
{
	struct wsman_item item = { .value = { a, b, c, d } };

	collector.table[id].arena = arena;
	table_item(&collector.table[id], &item);
}

static void begin(void)
{
	arena = arena_new(0);
	collector = (struct collector){ .learned = 1 };
	for (int id = 0; id < TABLES; id++) {
		collector.table[id].id = id;
	}
	add(T_CPUS, "2000", NULL, NULL, NULL);
	for (int m = 0; m < METRICS; m++) {
		char *id = g_strdup_printf("Microsoft:D%d", m);

		add(T_VALUE_DEFINITIONS, id, metric_names[m], NULL, NULL);
		g_free(id);
	}
	add(T_SYSTEMS, "HOST", "HOST", "2", NULL);
}

static void value(enum table_id id, const char *element, const char *key, const char *definition,
		  const char *number)
{
	add(id, key, definition, number, NULL);
	add(T_METRICS, element, key, NULL, NULL);
}

static void run(void)
{
	host_learn(&collector.host, collector.table);
	join_run(&join, &collector.host, collector.table, arena);
}

static void finish(void)
{
	for (int id = 0; id < TABLES; id++) {
		table_fini(&collector.table[id]);
	}
	host_forget(&collector.host);
	arena_free(arena);
}

static void test_keys(void)
{
	struct arena *a = arena_new(0);
	struct keys k;

	keys_init(&k, a, 3);
	keys_put(&k, "Microsoft:ab\\[", 14, 1);
	keys_put(&k, "MICROSOFT:AB\\[", 14, 2);
	keys_put(&k, "", 0, 3);
	g_assert_cmpint(keys_get(&k, "microsoft:Ab\\[", 14), ==, 1);
	g_assert_cmpint(keys_get(&k, "microsoft:Ab\\{", 14), ==, KEY_NONE);
	g_assert_cmpint(keys_get(&k, "Microsoft:ab", 12), ==, KEY_NONE);
	g_assert_cmpint(keys_get(&k, "", 0), ==, 3);
	arena_free(a);
}

static void test_kept(void)
{
	struct arena *a = arena_new(0);
	struct kept k = { .arena = a, .is_read = true, .scene = 7, .until_ns = 1000 };

	g_assert_true(kept_holds(&k, 7, 999));
	g_assert_false(kept_holds(&k, 7, 1000));
	g_assert_false(kept_holds(&k, 8, 999));
	k.is_read = false;
	g_assert_false(kept_holds(&k, 7, 999));
	k = (struct kept){ .is_read = true, .until_ns = 1000 };
	g_assert_false(kept_holds(&k, 0, 0));
	arena_free(a);
}

static void test_machines(void)
{
	begin();
	add(T_SYSTEMS, A, "a", "2", "1000");
	add(T_SYSTEMS, "aaaaaaaa-0000-4000-8000-00000000000a", "again", "2", "1");
	add(T_SYSTEMS, B, NULL, "2", "1000");
	add(T_PROCESSORS, "microsoft:" A "\\x", "4", NULL, NULL);
	add(T_PROCESSORS, "Microsoft:" A "\\y", "8", NULL, NULL);
	add(T_PROCESSORS, "Microsoft:" A "x", "16", NULL, NULL);
	add(T_PROCESSORS, NULL, "16", NULL, NULL);
	value(T_TOTALS, A, "v1", "microsoft:d0", "500");
	value(T_TOTALS, A, "v2", "Microsoft:D0", "900");
	value(T_TOTALS, A, "v3", "Microsoft:none", "1");
	value(T_TOTALS, A, "v4", "Microsoft:D1", "-7");
	run();
	g_assert_cmpuint(join.machines, ==, 1);
	g_assert_cmpuint(join.machine->vcpus, ==, 4);
	g_assert_cmpuint(join.machine->value[M_CPU], ==, 500); /* the first one */
	g_assert_false(join.machine->has[M_MEMORY]);
	g_assert_cmpuint(join.machine->metered, ==, 3);
	g_assert_cmpuint(collector.host.mhz, ==, 2000);
	g_assert_cmpuint(join_cpu_ms(join.machine, &collector.host), ==, 250);
	finish();
}

#define PATH(key)                                                                                    \
	"\\\\HOST\\root\\virtualization\\v2:Msvm_SyntheticEthernetPortSettingData.InstanceID=\"" key \
	"\""

static void test_devices(void)
{
	begin();
	add(T_SYSTEMS, A, "a", "2", "1000");
	add(T_SYSTEMS, B, "b", "2", "1000");
	add(T_DISKS, "Microsoft:" B "\\d", NULL, NULL, NULL);
	add(T_DISKS, "Microsoft:" A "\\1", NULL, NULL, NULL);
	add(T_DISKS, "Microsoft:" A "\\2", NULL, NULL, NULL);
	add(T_PORTS, "Microsoft:" A "\\P", "eth", "00155D000001", NULL);
	add(T_ALLOCATIONS, "Microsoft:" A "\\L\\C", PATH("Microsoft:" A "\\\\LEGACY"), NULL, NULL);
	add(T_ALLOCATIONS, "Microsoft:" A "\\P\\C", PATH("microsoft:" A "\\\\p"), NULL, NULL);
	add(T_ALLOCATIONS, "Microsoft:" A "\\N\\C", NULL, NULL, NULL);
	add(T_ACLS, "Microsoft:" A "\\P\\C\\1", NULL, NULL, NULL);
	add(T_ACLS, "Microsoft:" A "\\P\\C\\2\\x", NULL, NULL, NULL);
	add(T_ACLS, "Microsoft:" A "\\P\\Cx", NULL, NULL, NULL);
	value(T_VALUES, "Microsoft:" A "\\1", "r1", "Microsoft:D4", "3");
	value(T_VALUES, "Microsoft:" A "\\1", "r2", "Microsoft:D4", "4");
	value(T_TOTALS, "Microsoft:" A "\\P\\C\\1", "t1", "Microsoft:D2", "100");
	value(T_VALUES, "Microsoft:" A "\\P\\C\\1", "n1", "Microsoft:D2", "5");
	value(T_VALUES, "Microsoft:" A "\\P\\C\\1", "n2", "Microsoft:D2", "50");
	value(T_VALUES, "Microsoft:" A "\\P\\C\\2\\x", "n3", "Microsoft:D2", "6");
	value(T_VALUES, "Microsoft:" A "\\P\\Cx", "n4", "Microsoft:D2", "1000");
	run();
	g_assert_cmpuint(join.machine[0].disks, ==, 2);
	g_assert_cmpuint(join.machine[1].disks, ==, 1);
	g_assert_cmpstr(join.disk[join.machine[1].first_disk].id, ==, "Microsoft:" B "\\d");
	g_assert_cmpuint(join.disk[join.machine[0].first_disk].sum[M_READ], ==,
			 7); /* all of them */
	g_assert_cmpuint(join.machine[0].nics, ==, 1); /* no legacy adapter */
	g_assert_cmpstr(join.nic[join.machine[0].first_nic].name, ==, "eth");
	g_assert_cmpuint(join.nic[join.machine[0].first_nic].sum[M_RECEIVED], ==,
			 11); /* of each ACL the first */
	finish();
}

static struct vmt_inspection *read_all(const struct vmt_instance *instances, size_t count)
{
	struct vmt_snapshot snapshot = { .count = count, .instances = instances, .generation = 1 };
	struct vmt_inspect_request request = { .groups = VMT_GROUP_ALL };
	struct vmt_inspection *out = inspection_new();
	struct told told;

	told_init(&told, "https://h:5986/wsman");
	inspection_reset(out, count);
	readings_make(&(struct readings){ .instances = &snapshot,
					  .request = &request,
					  .collector = &collector,
					  .join = &join,
					  .arena = arena,
					  .told = &told,
					  .out = out });
	told_fini(&told);
	return out;
}

/* By id, else by Nova's name; of two with one name neither. */
static void test_who(void)
{
	static const struct vmt_instance instances[] = {
		{ .id = "aaaaaaaa-0000-4000-8000-00000000000a", .name = "same" },
		{ .id = "11111111-0000-4000-8000-000000000000", .name = "one" },
		{ .id = "11111111-0000-4000-8000-000000000001", .name = "same" },
		{ .id = "11111111-0000-4000-8000-000000000002", .name = "ONE" },
		{ .id = "11111111-0000-4000-8000-000000000003", .name = NULL },
	};
	static const enum vmt_outcome outcomes[] = { VMT_OK, VMT_OK, VMT_UNREAD, VMT_GONE,
						     VMT_GONE };
	struct vmt_inspection *in;

	begin();
	add(T_SYSTEMS, A, "same", "2", "1000");
	add(T_SYSTEMS, B, "one", "3", NULL);
	add(T_SYSTEMS, C, "same", "32768", "1000");
	run();
	in = read_all(instances, G_N_ELEMENTS(instances));
	for (size_t i = 0; i < G_N_ELEMENTS(instances); i++) {
		g_assert_cmpint(in->reading[i].outcome, ==, outcomes[i]);
	}
	/* one runs and nobody measures it, the other is off and uses nothing */
	g_assert_false(in->reading[0].present & UINT64_C(1) << VMT_F_CPU_TIME);
	g_assert_cmpuint(in->reading[0].value[VMT_F_STATE].u, ==, 1);
	g_assert_true(in->reading[1].present & UINT64_C(1) << VMT_F_CPU_TIME);
	g_assert_cmpuint(in->reading[1].value[VMT_F_CPU_TIME].u, ==, 0);
	g_assert_cmpuint(in->reading[1].value[VMT_F_STATE].u, ==, 5);
	inspection_free(in);
	finish();
}

/* What could not be read is absent, and the rest is there. */
static void test_partial(void)
{
	static const struct vmt_instance instance = { .id = A, .name = "a" };
	struct vmt_inspection *in;

	begin();
	add(T_SYSTEMS, A, "a", "2", "1000");
	add(T_DISKS, "Microsoft:" A "\\1", NULL, NULL, NULL);
	value(T_TOTALS, A, "v1", "Microsoft:D0", "500");
	collector.partial = collector.failed[T_VALUES] = true;
	run();
	in = read_all(&instance, 1);
	g_assert_cmpint(in->reading[0].outcome, ==, VMT_PARTIAL);
	g_assert_cmpuint(in->reading[0].value[VMT_F_CPU_TIME].u, ==, 250000000);
	g_assert_cmpuint(in->reading[0].disks, ==, 0);
	inspection_free(in);
	finish();
}

/* What a host does not tell is not made up: of a machine that runs no CPU without its uptime, nor one without its own
 * value, though its disks have theirs; of one that is off nothing is needed. */
static void test_untold(void)
{
	static const struct {
		const char *state, *uptime, *cpu, *memory;
		bool has_cpu, has_memory;
	} cases[] = {
		{ "2", "1000", "500", "64", true, true }, { "2", NULL, "500", "64", false, true },
		{ "2", "1000", NULL, "64", false, true }, { "2", "1000", "500", NULL, true, false },
		{ "3", NULL, NULL, NULL, true, true },
	};
	static const struct vmt_instance instance = { .id = A, .name = "a" };

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct vmt_inspection *in;
		uint64_t present;

		begin();
		add(T_SYSTEMS, A, "a", cases[i].state, cases[i].uptime);
		add(T_DISKS, "Microsoft:" A "\\1", NULL, NULL, NULL);
		value(T_VALUES, "Microsoft:" A "\\1", "r1", "Microsoft:D4", "3");
		value(T_TOTALS, A, "v1", "Microsoft:D0", cases[i].cpu);
		value(T_TOTALS, A, "v2", "Microsoft:D1", cases[i].memory);
		run();
		in = read_all(&instance, 1);
		present = in->reading[0].present;
		g_assert_cmpint(in->reading[0].outcome, ==, VMT_OK);
		g_assert_cmpint(!!(present & UINT64_C(1) << VMT_F_CPU_TIME), ==, cases[i].has_cpu);
		g_assert_cmpint(!!(present & UINT64_C(1) << VMT_F_MEM_USED), ==,
				cases[i].has_memory);
		g_assert_cmpuint(in->reading[0].disks, ==, 1);
		inspection_free(in);
		finish();
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/hyperv/keys", test_keys);
	g_test_add_func("/hyperv/kept", test_kept);
	g_test_add_func("/hyperv/machines", test_machines);
	g_test_add_func("/hyperv/devices", test_devices);
	g_test_add_func("/hyperv/who", test_who);
	g_test_add_func("/hyperv/partial", test_partial);
	g_test_add_func("/hyperv/untold", test_untold);
	return g_test_run();
}

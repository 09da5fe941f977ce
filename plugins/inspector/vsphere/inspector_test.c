/* SPDX-License-Identifier: Apache-2.0 */
/* Series to readings, as Ceilometer computes them: from recorded answers, and from what those do not have. */
#include <glib.h>
#include <string.h>

#include "model/inspection.h"
#include "plugins/inspector/vsphere/values.h"

#define ALL ((1U << COUNTERS) - 1)

/* As the simulator numbers them. */
static const struct counters counters = { .id = { 2, 98, 148, 149, 130, 131, 136, 137 } };

static struct arena *arena;
static struct values values;
static struct vmt_inspection *in;
static char machine[32];

static void begin(void)
{
	arena = arena_new(0);
	values = (struct values){ .fate = FATE_ANSWERED };
	in = inspection_new();
	inspection_reset(in, 1);
}

static void finish(void)
{
	inspection_free(in);
	arena_free(arena);
}

static void take(uint64_t cycle, int32_t counter, const char *instance, int64_t sum, uint32_t count)
{
	struct vim_series s = { .counter = counter,
				.instance = instance,
				.instance_len = strlen(instance),
				.sum = sum,
				.count = count };

	values_take(&values, &counters, "vm-1", cycle, &s, arena);
}

static void on_machine(void *context, const char *id, size_t len)
{
	g_strlcpy(machine, id, sizeof(machine));
}

/* The first machine's. */
static void on_series(void *context, const struct vim_series *series)
{
	if (strcmp(machine, "vm-36") == 0) {
		values_take(&values, &counters, machine, 1, series, arena);
	}
}

static void read_golden(const char *name)
{
	struct vim_perf p = { .machine = on_machine, .series = on_series };
	struct vim_reader *r = vim_reader_new();
	char *path = g_strdup_printf(GOLDEN "/%s.xml", name), *xml;
	struct vim_fault fault;
	struct vmt_error error;
	gsize len;

	g_assert_true(g_file_get_contents(path, &xml, &len, NULL));
	g_assert_cmpint(vim_read(r, xml, len, &vim_perf_shape, &p, &fault, &error), ==, 0);
	vim_reader_free(r);
	vim_perf_fini(&p);
	g_free(path);
	g_free(xml);
}

static bool has(unsigned field)
{
	return in->reading->present & UINT64_C(1) << field;
}

static void check_device(const struct vmt_device_reading *d, const char *name, unsigned field,
			 double value)
{
	g_assert_cmpstr(d->device->name, ==, name);
	g_assert_true(d->present & 1U << field);
	g_assert_cmpfloat(d->value[field].d, ==, value);
}

static void test_answer(void)
{
	begin();
	read_golden("lab/22-QueryPerf-all-csv.resp");
	values_put(&values, 1, ALL, in, 0, 0);
	g_assert_cmpfloat(in->reading->value[VMT_F_CPU_UTIL].d, ==,
			  (646.0 + 683 + 537) / 3 / 100.0);
	g_assert_cmpfloat(in->reading->value[VMT_F_MEM_USED].d, ==, 10485760);
	g_assert_cmpuint(in->disks, ==, 2);
	check_device(&in->disk[0], "naa.600508b1001c0000", VMT_D_READ_BYTES_RATE, 232.0 / 3 * 1024);
	check_device(&in->disk[1], "naa.600508b1001c0001", VMT_D_WRITE_BYTES_RATE,
		     1369.0 / 3 * 1024);
	check_device(&in->disk[1], "naa.600508b1001c0001", VMT_D_WRITE_REQUESTS_RATE, 0);
	g_assert_cmpuint(in->nics, ==, 1); /* neither the total nor the host's */
	check_device(&in->nic[0], "4000", VMT_N_RX_BYTES_RATE, (337.0 + 203 + 256) / 3 * 1024);
	check_device(&in->nic[0], "4000", VMT_N_TX_BYTES_RATE, (276.0 + 274 + 729) / 3 * 1024);
	g_assert_null(in->nic[0].device->mac);
	finish();
}

/* In the spec of the counters: 1234 and 2000 with a missing one between are 16.17 %. */
static void test_missing_samples(void)
{
	begin();
	read_golden("lab/24-QueryPerf-minus-one.resp");
	take(1, 98, "", 0, 0);
	take(1, 148, "4000", 0, 0);
	take(1, 149, "4000", 60, 2);
	values_put(&values, 1, ALL, in, 0, 0);
	g_assert_cmpfloat(in->reading->value[VMT_F_CPU_UTIL].d, ==, 16.17);
	g_assert_false(has(VMT_F_MEM_USED)); /* of none there is no mean */
	g_assert_false(in->nic[0].present & 1U << VMT_N_RX_BYTES_RATE);
	check_device(&in->nic[0], "4000", VMT_N_TX_BYTES_RATE, 30720.0);
	finish();
}

/* A machine that has just started has totals of 0; a device that one counter has, has 0 of the others. */
static void test_no_series(void)
{
	begin();
	take(1, 130, "naa.1", 3, 1);
	values_put(&values, 1, ALL & ~(1U << COUNTER_READS), in, 0, 0);
	g_assert_true(has(VMT_F_CPU_UTIL) && has(VMT_F_MEM_USED));
	g_assert_cmpfloat(in->reading->value[VMT_F_CPU_UTIL].d, ==, 0);
	check_device(&in->disk[0], "naa.1", VMT_D_READ_BYTES_RATE, 3072);
	check_device(&in->disk[0], "naa.1", VMT_D_WRITE_BYTES_RATE, 0);
	g_assert_false(in->disk[0].present & 1U << VMT_D_READ_REQUESTS_RATE); /* not asked */
	g_assert_cmpuint(in->nics, ==, 0);
	finish();
}

/* By name; those of the last cycle alone; one description as long as it stays. */
static void test_devices(void)
{
	uint64_t version;

	begin();
	take(1, 148, "4001", 1, 1);
	take(1, 148, "4000", 2, 1);
	take(1, 148, "4002", 3, 1);
	take(1, 148, "vmnic0", 9, 1);
	take(1, 148, "", 9, 1);
	take(1, 2, "7", 9, 1); /* of one processor */
	take(1, 99999, "", 9, 1);
	values_put(&values, 1, ALL, in, 0, 0);
	g_assert_cmpuint(in->nics, ==, 3);
	for (size_t i = 0; i < 3; i++) {
		char name[8];

		g_snprintf(name, sizeof(name), "400%zu", i);
		g_assert_cmpstr(in->nic[i].device->name, ==, name);
		g_assert_cmpuint(in->nic[i].device->version, !=, 0);
	}
	g_assert_cmpuint(in->nic[0].device->version, !=, in->nic[1].device->version);
	g_assert_cmpfloat(in->reading->value[VMT_F_CPU_UTIL].d, ==, 0);
	version = in->nic[1].device->version;
	inspection_reset(in, 1);
	take(2, 148, "4001", 1, 1);
	values_put(&values, 2, ALL, in, 0, 0);
	g_assert_cmpuint(in->nics, ==, 1);
	check_device(&in->nic[0], "4001", VMT_N_RX_BYTES_RATE, 1024);
	g_assert_cmpuint(in->nic[0].device->version, ==, version);
	finish();
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/vsphere/answer", test_answer);
	g_test_add_func("/vsphere/missing", test_missing_samples);
	g_test_add_func("/vsphere/none", test_no_series);
	g_test_add_func("/vsphere/devices", test_devices);
	return g_test_run();
}

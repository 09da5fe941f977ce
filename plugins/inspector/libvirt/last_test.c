/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the readings that the libvirt inspector keeps (last.h): what is given is what was kept, later values of
 * the kernel in their place, once.
 */
#include "plugins/inspector/libvirt/last.h"
#include "plugins/libvirt/desc.h"

#include "model/alloc_count.h"
#include "model/inspection.h"

#include <glib.h>
#include <string.h>

#define DISK(name) "<disk><source file='/" name "'/><target dev='" name "'/></disk>"
#define NIC(name) "<interface><mac address='" name "'/><target dev='" name "'/></interface>"

enum { TIMES = 20, KEPT_TIMES = 16 };

/* A domain, what was read of it, and where it is given again. */
struct bench {
	struct domain_desc *desc;
	struct vmt_inspection *in, *out;
	struct last *last;
};

static struct domain_desc *describe(const char *devices)
{
	static const uint8_t uuid[16] = { 1 };
	char *xml = g_strdup_printf("<domain><devices>%s</devices></domain>", devices);
	struct desc_source src = { .uuid = uuid, .name = "d", .xml = xml, .number = 1 };
	struct domain_desc *desc = desc_new(&src, NULL, NULL);

	g_free(xml);
	return desc;
}

static void setup(struct bench *b, const char *devices)
{
	*b = (struct bench){ .desc = describe(devices),
			     .in = inspection_new(),
			     .out = inspection_new() };
	inspection_reset(b->in, 2);
	inspection_reset(b->out, 3);
}

static void teardown(struct bench *b)
{
	last_free(b->last);
	domain_desc_unref(b->desc);
	inspection_free(b->in);
	inspection_free(b->out);
}

/* Reading 1 of the bench: of all devices one value, `value` and what follows it, each read at that time. */
static void read_domain(struct bench *b, uint64_t value)
{
	struct vmt_reading *r;
	uint8_t stamp;

	inspection_reset(b->in, 2);
	stamp = vmt_inspection_stamp(b->in, (struct vmt_stamp){ (int64_t)value, (int64_t)value * 10,
								"libvirt" });
	r = &b->in->reading[1];
	r->outcome = VMT_PARTIAL;
	vmt_set(r, VMT_F_CPU_TIME, value++, stamp);
	vmt_set(r, VMT_F_IO_WRITE_CALLS, value++, stamp);
	for (size_t i = 0; i < b->desc->disks; i++) {
		vmt_device_set(vmt_inspection_disk(b->in, 1, &b->desc->disk[i].public),
			       VMT_D_WRITE_BYTES, value++, stamp);
	}
	for (size_t i = 0; i < b->desc->nics; i++) {
		vmt_device_set(vmt_inspection_nic(b->in, 1, &b->desc->nic[i].public),
			       VMT_N_TX_DROPS, value++, stamp);
	}
}

/* Gives it as reading 2. */
static bool give(struct bench *b)
{
	inspection_reset(b->out, 3);
	return last_give(b->last, b->out, 2);
}

/* The reading that was given is the one of read_domain(b, value). */
static void check_given(const struct bench *b, uint64_t value)
{
	const struct vmt_reading *r = &b->out->reading[2];
	int64_t time_ns = (int64_t)value;

	g_assert_cmpuint(b->out->stamps, ==, 1);
	g_assert_cmpint(b->out->stamp[0].time_ns, ==, time_ns);
	g_assert_cmpint(b->out->stamp[0].mono_ns, ==, time_ns * 10);
	g_assert_cmpstr(b->out->stamp[0].source, ==, "libvirt");
	g_assert_cmpint(r->outcome, ==, VMT_PARTIAL);
	g_assert_cmphex(r->present, ==,
			UINT64_C(1) << VMT_F_CPU_TIME | UINT64_C(1) << VMT_F_IO_WRITE_CALLS);
	g_assert_cmpuint(r->value[VMT_F_CPU_TIME].u, ==, value++);
	g_assert_cmpuint(r->value[VMT_F_IO_WRITE_CALLS].u, ==, value++);
	g_assert_cmpuint(r->stamp[VMT_F_CPU_TIME], ==, 0);
	g_assert_cmpuint(r->disks, ==, b->desc->disks);
	g_assert_cmpuint(r->nics, ==, b->desc->nics);
	for (size_t i = 0; i < r->disks; i++) {
		const struct vmt_device_reading *d = &b->out->disk[r->first_disk + i];

		g_assert_true(d->device == &b->desc->disk[i].public);
		g_assert_cmphex(d->present, ==, 1U << VMT_D_WRITE_BYTES);
		g_assert_cmpuint(d->value[VMT_D_WRITE_BYTES].u, ==, value++);
		g_assert_cmpuint(d->stamp[VMT_D_WRITE_BYTES], ==, 0);
	}
	for (size_t i = 0; i < r->nics; i++) {
		const struct vmt_device_reading *d = &b->out->nic[r->first_nic + i];

		g_assert_true(d->device == &b->desc->nic[i].public);
		g_assert_cmphex(d->present, ==, 1U << VMT_N_TX_DROPS);
		g_assert_cmpuint(d->value[VMT_N_TX_DROPS].u, ==, value++);
	}
}

static void test_none(void)
{
	struct bench b;

	setup(&b, "");
	g_assert_null(last_desc(NULL));
	g_assert_false(give(&b));
	g_assert_cmpuint(b.out->stamps, ==, 0);
	teardown(&b);
}

static void test_once(void)
{
	struct bench b;

	setup(&b, DISK("vda") DISK("vdb") NIC("tap0"));
	read_domain(&b, 100);
	last_keep(&b.last, b.desc, b.in, 1);
	g_assert_true(last_desc(b.last) == b.desc);
	inspection_reset(b.in, 0); /* nothing of it is needed any more */
	g_assert_true(give(&b));
	check_given(&b, 100);
	g_assert_null(last_desc(b.last));
	g_assert_false(give(&b));
	read_domain(&b, 200);
	last_keep(&b.last, b.desc, b.in, 1);
	read_domain(&b, 300); /* the newest is kept */
	last_keep(&b.last, b.desc, b.in, 1);
	g_assert_true(give(&b));
	check_given(&b, 300);
	teardown(&b);
}

/* Devices come and go; a description stays for as long as it is of what is kept. */
static void test_devices(void)
{
	static const char *const devices[] = { NIC("tap0"),
					       DISK("vda") DISK("vdb") DISK("vdc") NIC("tap0")
						       NIC("tap1"),
					       "", DISK("vda") };
	struct bench b;

	setup(&b, "");
	for (size_t i = 0; i < G_N_ELEMENTS(devices); i++) {
		struct domain_desc *before = b.desc;

		b.desc = describe(devices[i]);
		read_domain(&b, 1000 * i);
		last_keep(&b.last, b.desc, b.in, 1);
		g_assert_cmpuint(atomic_load(&b.desc->refs), ==, 2);
		g_assert_cmpuint(atomic_load(&before->refs), ==, 1);
		domain_desc_unref(before);
		g_assert_true(give(&b));
		check_given(&b, 1000 * i);
	}
	teardown(&b);
}

/* Each value has the times of its own stamp; the same ones are kept once, and at most 16. */
static void test_stamps(void)
{
	struct vmt_reading *r;
	struct bench b;

	setup(&b, "");
	inspection_reset(b.in, 2);
	r = &b.in->reading[1];
	for (unsigned f = 0; f < VMT_FIELDS; f++) {
		int64_t ns = f % TIMES;

		vmt_set(r, f, f,
			vmt_inspection_stamp(b.in, (struct vmt_stamp){ ns, ns, "libvirt" }));
	}
	last_keep(&b.last, b.desc, b.in, 1);
	g_assert_true(give(&b));
	r = &b.out->reading[2];
	g_assert_cmpuint(b.out->stamps, ==, KEPT_TIMES);
	for (unsigned f = 0; f < VMT_FIELDS; f++) {
		g_assert_cmpuint(r->value[f].u, ==, f);
		g_assert_cmpint(b.out->stamp[r->stamp[f]].time_ns, ==,
				MIN(f % TIMES, KEPT_TIMES - 1));
	}
	teardown(&b);
}

/* ------------------------------------------------------------------ the kernel's */

static struct kernel_reading kernel_says(unsigned groups, size_t nics)
{
	struct kernel_reading k = { .groups = groups,
				    .time_ns = 5,
				    .mono_ns = 6,
				    .cpu = 71,
				    .user = 72,
				    .vcpu_time = 73,
				    .io.write_calls = 74,
				    .nics = nics,
				    .nic = g_malloc0_n(nics + 1, sizeof(*k.nic)) };

	for (size_t n = 0; n < nics; n++) {
		for (unsigned v = 0; v < KERNEL_NIC_VALUES; v++) {
			k.nic[n][v] = 80 + 10 * n + v;
		}
	}
	return k;
}

/* Keeps a reading, updates it with such a one, and gives it. */
static const struct vmt_reading *update(struct bench *b, unsigned groups, size_t nics)
{
	struct kernel_reading k = kernel_says(groups, nics);

	read_domain(b, 100);
	last_keep(&b->last, b->desc, b->in, 1);
	last_update(b->last, &k);
	memset(k.nic, 0, (nics + 1) * sizeof(*k.nic)); /* it has its own */
	g_free(k.nic);
	g_assert_true(give(b));
	return &b->out->reading[2];
}

static const struct vmt_stamp *stamp_of(const struct bench *b, uint8_t stamp)
{
	return &b->out->stamp[stamp];
}

static void test_update(void)
{
	const struct vmt_device_reading *nic;
	const struct vmt_reading *r;
	struct bench b;

	setup(&b, NIC("tap0") NIC("tap1"));
	r = update(&b, VMT_GROUP_CPU | VMT_GROUP_NIC, 2);
	nic = &b.out->nic[r->first_nic];
	g_assert_cmpuint(r->value[VMT_F_CPU_TIME].u, ==, 71);
	g_assert_cmpint(stamp_of(&b, r->stamp[VMT_F_CPU_TIME])->time_ns, ==, 5);
	g_assert_cmpint(stamp_of(&b, r->stamp[VMT_F_CPU_TIME])->mono_ns, ==, 6);
	g_assert_cmpstr(stamp_of(&b, r->stamp[VMT_F_CPU_TIME])->source, ==, "kernel");
	g_assert_cmphex(r->present >> VMT_F_CPU_USER & 1, ==, 0); /* it was not there before */
	g_assert_cmpuint(r->value[VMT_F_IO_WRITE_CALLS].u, ==, 101); /* another group */
	g_assert_cmpint(stamp_of(&b, r->stamp[VMT_F_IO_WRITE_CALLS])->time_ns, ==, 100);
	for (unsigned v = 0; v < KERNEL_NIC_VALUES; v++) {
		g_assert_cmpuint(nic[0].value[v].u, ==, 80 + v);
		g_assert_cmpuint(nic[1].value[v].u, ==, 90 + v);
		g_assert_cmpint(stamp_of(&b, nic[1].stamp[v])->time_ns, ==, 5);
	}
	r = update(&b, VMT_GROUP_PROCESS, 0);
	g_assert_cmpuint(r->value[VMT_F_IO_WRITE_CALLS].u, ==, 74);
	g_assert_cmpuint(r->value[VMT_F_CPU_TIME].u, ==, 100);
	teardown(&b);
}

/* Of another number of NICs one cannot tell which is which. */
static void test_update_other_nics(void)
{
	const struct vmt_device_reading *nic;
	struct bench b;

	setup(&b, NIC("tap0") NIC("tap1"));
	for (size_t nics = 1; nics <= 3; nics += 2) {
		const struct vmt_reading *r = update(&b, VMT_GROUP_NIC, nics);

		nic = &b.out->nic[r->first_nic];
		g_assert_cmphex(nic[0].present, ==, 1U << VMT_N_TX_DROPS);
		g_assert_cmpuint(nic[0].value[VMT_N_TX_DROPS].u, ==, 102);
	}
	teardown(&b);
}

/* What the kernel said before the next reading is older than that. */
static void test_update_forgotten(void)
{
	struct kernel_reading k = kernel_says(VMT_GROUP_CPU, 0);
	struct bench b;

	setup(&b, DISK("vda"));
	read_domain(&b, 100);
	last_keep(&b.last, b.desc, b.in, 1);
	last_update(b.last, &k);
	read_domain(&b, 200);
	last_keep(&b.last, b.desc, b.in, 1);
	g_assert_true(give(&b));
	check_given(&b, 200);
	g_free(k.nic);
	teardown(&b);
}

static void test_steady(void)
{
	struct kernel_reading k = kernel_says(VMT_GROUP_CPU | VMT_GROUP_NIC, 1);
	struct bench b;

	setup(&b, DISK("vda") NIC("tap0"));
	for (uint64_t cycle = 0; cycle < 3; cycle++) {
		read_domain(&b, 100 * cycle);
		inspection_reset(b.out, 3);
		alloc_count_begin();
		last_keep(&b.last, b.desc, b.in, 1);
		last_update(b.last, &k);
		if (cycle > 0) {
			g_assert_cmpuint(alloc_count(), ==, 0);
		}
		g_assert_true(last_give(b.last, b.out, 2));
	}
	g_free(k.nic);
	teardown(&b);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/inspector-libvirt/last/none", test_none);
	g_test_add_func("/inspector-libvirt/last/once", test_once);
	g_test_add_func("/inspector-libvirt/last/devices", test_devices);
	g_test_add_func("/inspector-libvirt/last/stamps", test_stamps);
	g_test_add_func("/inspector-libvirt/last/update", test_update);
	g_test_add_func("/inspector-libvirt/last/update-other-nics", test_update_other_nics);
	g_test_add_func("/inspector-libvirt/last/update-forgotten", test_update_forgotten);
	g_test_add_func("/inspector-libvirt/last/steady", test_steady);
	return g_test_run();
}

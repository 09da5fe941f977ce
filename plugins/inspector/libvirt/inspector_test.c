/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the inspector on libvirt's test driver: in this process, without bulk statistics, with values that are
 * made of the time.  What only a real hypervisor can show is in tests/integration.
 */
#include "base/clock.h"
#include "base/wait.h"
#include "model/inspection.h"
#include "model/snapshot.h"

#include <glib.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <string.h>

#define URI "test:///default"
#define TEST_ID "6695eb01-f6a4-8304-79aa-97f2502e193f"
#define OTHER_ID "0b1f5d4a-7f0e-4c55-9a39-2f6d7f3f3c11"
#define ABSENT_ID "00000000-0000-4000-8000-000000000000"

extern const struct vmt_plugin vmt_plugin_inspector_libvirt;

static atomic_bool never;

struct fixture {
	void *conf, *self;
	struct vmt_inspection *out;
	struct vmt_error error;
};

static void set_option(struct fixture *f, const char *name, const void *value, size_t size)
{
	const struct vmt_option *o = vmt_plugin_inspector_libvirt.options;

	while (strcmp(o->name, name) != 0) {
		o++;
	}
	memcpy((char *)f->conf + o->offset, value, size);
}

static void set_up(struct fixture *f, const char *uri, int64_t parallel)
{
	int64_t interval = 600 * NS_PER_S, hanging = 6;

	*f = (struct fixture){ .conf = g_malloc0(vmt_plugin_inspector_libvirt.conf_size) };
	set_option(f, "libvirt_uri", &uri, sizeof(uri));
	set_option(f, "parallel_calls", &parallel, sizeof(parallel));
	set_option(f, "block_info_interval", &interval, sizeof(interval));
	set_option(f, "hanging_calls", &hanging, sizeof(hanging));
	g_assert_cmpint(vmt_plugin_inspector_libvirt.ops.inspector->open(f->conf, &f->self,
									 &f->error),
			==, 0);
	f->out = inspection_new();
}

static void tear_down(struct fixture *f)
{
	vmt_plugin_inspector_libvirt.ops.inspector->close(f->self);
	inspection_free(f->out);
	g_free(f->conf);
}

static struct snapshot *snapshot_of_ids(const char *const *ids)
{
	struct vmt_snapshot_builder *b = snapshot_builder_new(0);

	for (; *ids; ids++) {
		struct vmt_instance in = { .id = *ids };

		g_assert_cmpint(vmt_snapshot_add(b, &in), ==, 0);
	}
	return snapshot_builder_finish(b, NULL, 1);
}

static int inspect(struct fixture *f, const struct snapshot *s, unsigned groups, bool stopped)
{
	struct vmt_inspect_request request = { .groups = groups,
					       .stopped = stopped,
					       .interval_ns = 10 * NS_PER_S };
	struct vmt_call call = { .deadline_ns = clock_monotonic() + 20 * NS_PER_S,
				 .cancel = &never };

	inspection_reset(f->out, s->list.count);
	return vmt_plugin_inspector_libvirt.ops.inspector->inspect(f->self, &s->list, &request,
								   f->out, &call, &f->error);
}

static void turn(void)
{
	for (int i = 0; i < 50; i++) {
		while (g_main_context_iteration(NULL, FALSE)) {
		}
		wait_sleep(NS_PER_MS);
	}
}

#define HAS(r, f) ((r)->present & UINT32_C(1) << (f))

static void check_all_values(const struct vmt_inspection *out)
{
	const struct vmt_reading *r = &out->reading[0];
	const struct vmt_device_reading *disk = &out->disk[r->first_disk],
					*nic = &out->nic[r->first_nic];

	g_assert_cmpint(r->outcome, ==, VMT_OK);
	g_assert_cmpuint(r->value[VMT_F_STATE].u, ==, VIR_DOMAIN_RUNNING);
	g_assert_cmpuint(r->value[VMT_F_VCPUS].u, ==, 2);
	g_assert_true(HAS(r, VMT_F_CPU_TIME));
	g_assert_true(HAS(r, VMT_F_CPU_USER));
	g_assert_true(HAS(r, VMT_F_CPU_SYSTEM));
	g_assert_true(HAS(r, VMT_F_VCPU_TIME));
	g_assert_false(HAS(r, VMT_F_VCPU_WAIT));
	g_assert_cmpuint(r->value[VMT_F_MEM_ACTUAL].u, ==, 2097152);
	g_assert_cmpuint(r->value[VMT_F_MEM_MAXIMUM].u, ==, 8388608);
	g_assert_cmpuint(r->value[VMT_F_MEM_AVAILABLE].u, ==, 2097152);
	g_assert_cmpuint(r->value[VMT_F_MEM_USABLE].u, ==, 1048576);
	g_assert_cmpuint(r->value[VMT_F_MEM_RSS].u, ==, 1048576);
	g_assert_cmpuint(r->value[VMT_F_DISK_CACHES].u, ==, 262144);
	g_assert_false(HAS(r, VMT_F_PERF_CPU_CYCLES));
	g_assert_cmpuint(r->disks, ==, 1);
	g_assert_cmpstr(disk->device->name, ==, "vda");
	g_assert_true(HAS(disk, VMT_D_READ_REQUESTS));
	g_assert_true(HAS(disk, VMT_D_WRITE_BYTES));
	g_assert_false(HAS(disk, VMT_D_READ_TIME)); /* this driver does not know it */
	g_assert_cmpuint(disk->value[VMT_D_CAPACITY].u, ==, UINT64_C(1099506450432));
	g_assert_cmpuint(disk->value[VMT_D_ALLOCATION].u, ==, UINT64_C(1099511627776));
	g_assert_cmpuint(disk->value[VMT_D_PHYSICAL].u, ==, UINT64_C(1099511627776));
	g_assert_cmpuint(r->nics, ==, 1);
	g_assert_cmpstr(nic->device->name, ==, "testnet0");
	g_assert_cmpstr(nic->device->mac, ==, "aa:bb:cc:dd:ee:ff");
	for (unsigned k = VMT_N_RX_BYTES; k <= VMT_N_TX_DROPS; k++) {
		g_assert_true(HAS(nic, k));
	}
	g_assert_cmpstr(out->stamp[r->stamp[VMT_F_CPU_TIME]].source, ==, "libvirt");
}

static void test_one(void)
{
	static const char *const ids[] = { TEST_ID, NULL };
	struct fixture f;
	struct snapshot *s = snapshot_of_ids(ids);
	uint64_t calls;

	set_up(&f, URI, 1);
	g_assert_cmpint(inspect(&f, s, VMT_GROUP_ALL, false), ==, 0);
	check_all_values(f.out);
	turn();
	g_assert_cmpint(inspect(&f, s, VMT_GROUP_ALL, false), ==, 0);
	check_all_values(f.out);
	/* The list; information, CPU, vCPUs, memory; disk (two ways, info), NIC. */
	g_assert_cmpuint(f.out->calls, ==, 9);
	turn();
	/* Only what is asked for. */
	g_assert_cmpint(inspect(&f, s, VMT_GROUP_STATE | VMT_GROUP_NIC, false), ==, 0);
	g_assert_cmpuint(f.out->calls, ==, 3);
	g_assert_false(HAS(&f.out->reading[0], VMT_F_CPU_TIME));
	g_assert_cmpuint(f.out->reading[0].disks, ==, 0);
	turn();
	g_assert_cmpint(inspect(&f, s, VMT_GROUP_STATE, false), ==, 0);
	calls = f.out->calls;
	g_assert_cmpuint(calls, ==, 2);
	g_assert_cmpuint(f.out->reading[0].value[VMT_F_STATE].u, ==, VIR_DOMAIN_RUNNING);
	snapshot_unref(s);
	tear_down(&f);
}

static void test_outcomes(void)
{
	static const char *const ids[] = { OTHER_ID, "vm-7", TEST_ID, ABSENT_ID, NULL };
	static const char xml[] =
		"<domain type='test'><name>other</name><uuid>" OTHER_ID "</uuid>"
		"<memory>65536</memory><vcpu>3</vcpu><os><type>hvm</type></os>"
		"<devices><disk type='file'><source file='/a'/><target dev='vda'/></disk></devices>"
		"</domain>";
	virConnectPtr conn = virConnectOpen(URI);
	virDomainPtr dom = virDomainDefineXML(conn, xml);
	struct fixture f;
	struct snapshot *s = snapshot_of_ids(ids);
	const struct vmt_reading *r;

	g_assert_nonnull(dom);
	set_up(&f, URI, 1);
	g_assert_cmpint(inspect(&f, s, VMT_GROUP_ALL, false), ==, 0);
	r = f.out->reading;
	g_assert_cmpint(r[0].outcome, ==, VMT_STOPPED);
	g_assert_cmpuint(r[0].value[VMT_F_STATE].u, ==, VIR_DOMAIN_SHUTOFF);
	g_assert_false(HAS(&r[0], VMT_F_VCPUS));
	g_assert_false(HAS(&r[0], VMT_F_CPU_TIME));
	g_assert_cmpuint(r[0].disks, ==, 0);
	g_assert_cmpint(r[1].outcome, ==, VMT_GONE);
	g_assert_cmpint(r[2].outcome, ==, VMT_OK);
	g_assert_cmpint(r[3].outcome, ==, VMT_GONE);

	/* Sizes of the stopped one. */
	turn();
	g_assert_cmpint(inspect(&f, s, VMT_GROUP_ALL, true), ==, 0);
	r = f.out->reading;
	g_assert_cmpint(r[0].outcome, ==, VMT_STOPPED);
	g_assert_cmpuint(r[0].value[VMT_F_VCPUS].u, ==, 3);
	g_assert_cmpuint(r[0].value[VMT_F_MEM_MAXIMUM].u, ==, 65536);
	g_assert_false(HAS(&r[0], VMT_F_CPU_TIME));
	g_assert_cmpuint(r[0].disks, ==, 1);

	/* It starts; then it goes. */
	g_assert_cmpint(virDomainCreate(dom), ==, 0);
	turn();
	g_assert_cmpint(inspect(&f, s, VMT_GROUP_ALL, true), ==, 0);
	g_assert_cmpint(f.out->reading[0].outcome, ==, VMT_OK);
	g_assert_true(HAS(&f.out->reading[0], VMT_F_CPU_TIME));
	/* The event of its end has not arrived yet. */
	g_assert_cmpint(virDomainDestroy(dom), ==, 0);
	g_assert_cmpint(inspect(&f, s, VMT_GROUP_ALL, false), ==, 0);
	g_assert_cmpint(f.out->reading[0].outcome, ==, VMT_STOPPED);
	g_assert_false(HAS(&f.out->reading[0], VMT_F_CPU_TIME));
	g_assert_cmpint(virDomainUndefine(dom), ==, 0);
	turn();
	g_assert_cmpint(inspect(&f, s, VMT_GROUP_ALL, false), ==, 0);
	g_assert_cmpint(f.out->reading[0].outcome, ==, VMT_GONE);
	g_assert_cmpint(f.out->reading[2].outcome, ==, VMT_OK);
	virDomainFree(dom);
	virConnectClose(conn);
	snapshot_unref(s);
	turn();
	tear_down(&f);
}

static void test_parallel(void)
{
	enum { DOMAINS = 9 };

	const char *ids[DOMAINS + 1] = { NULL };
	virConnectPtr conn = virConnectOpen(URI);
	virDomainPtr dom[DOMAINS];
	struct snapshot *s;
	struct fixture f;

	for (int i = 0; i < DOMAINS; i++) {
		char *xml;

		ids[i] = g_strdup_printf("0b1f5d4a-7f0e-4c55-9a39-00000000000%d", i);
		xml = g_strdup_printf(
			"<domain type='test'><name>p%d</name><uuid>%s</uuid><memory>65536</memory>"
			"<vcpu>1</vcpu><os><type>hvm</type></os></domain>",
			i, ids[i]);
		dom[i] = virDomainCreateXML(conn, xml, 0);
		g_assert_nonnull(dom[i]);
		g_free(xml);
	}
	s = snapshot_of_ids(ids);
	set_up(&f, URI, 4);
	for (int n = 0; n < 3; n++) {
		g_assert_cmpint(inspect(&f, s, VMT_GROUP_CPU, false), ==, 0);
		for (int i = 0; i < DOMAINS; i++) {
			g_assert_cmpint(f.out->reading[i].outcome, ==, VMT_OK);
			g_assert_true(HAS(&f.out->reading[i], VMT_F_CPU_TIME));
		}
		turn();
	}
	for (int i = 0; i < DOMAINS; i++) {
		virDomainDestroy(dom[i]);
		virDomainFree(dom[i]);
		g_free((char *)ids[i]);
	}
	virConnectClose(conn);
	snapshot_unref(s);
	turn();
	tear_down(&f);
}

static void test_absent(void)
{
	static const char *const ids[] = { TEST_ID, ABSENT_ID, NULL };
	struct snapshot *s = snapshot_of_ids(ids);
	struct fixture f;

	set_up(&f, "qemu+unix:///system?socket=/nonexistent/sock", 1);
	g_assert_cmpint(inspect(&f, s, VMT_GROUP_ALL, false), <, 0);
	g_assert_nonnull(strstr(f.error.text,
				"libvirt qemu+unix:///system?socket=/nonexistent/sock: connect: "));
	g_assert_cmpint(f.out->reading[0].outcome, ==, VMT_UNREACHABLE);
	g_assert_cmpint(f.out->reading[1].outcome, ==, VMT_UNREACHABLE);
	g_assert_cmpuint(f.out->reading[0].present, ==, 0);
	snapshot_unref(s);
	tear_down(&f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/inspector/one", test_one);
	g_test_add_func("/inspector/outcomes", test_outcomes);
	g_test_add_func("/inspector/parallel", test_parallel);
	g_test_add_func("/inspector/absent", test_absent);
	return g_test_run();
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the reading of domain statistics, on what libvirt 9.0 said of the six golden domains.
 */
#include "plugins/inspector/libvirt/stats.h"

#include "plugins/inspector/libvirt/params.h"
#include "plugins/libvirt/desc.h"

#include "model/inspection.h"

static struct vmt_inspection *out;
static struct stats_note note;

static char *contents(const char *folder, const char *name)
{
	char *path = g_build_filename(folder, name, NULL), *text;

	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	g_free(path);
	return text;
}

static struct domain_desc *describe(const char *xml)
{
	static const uint8_t uuid[16] = { 1 };
	struct desc_source src = {
		.uuid = uuid, .name = "d", .xml = xml, .number = 1, .scratch = arena_new(0)
	};
	struct domain_desc *desc = desc_new(&src, NULL, NULL);

	arena_free(src.scratch);
	return desc;
}

static struct domain_desc *golden_desc(const char *name)
{
	char *file = g_strconcat(name, ".xml", NULL), *xml = contents(CORPUS, file);
	struct domain_desc *desc = describe(xml);

	g_free(xml);
	g_free(file);
	return desc;
}

/* The part of the fixture that speaks of one domain. */
static GArray *golden_params(const char *name)
{
	char *text = contents(GOLDEN, "domstats.txt"), **part = g_strsplit(text, "domain ", -1);
	GArray *params = NULL;

	for (size_t i = 1; part[i]; i++) {
		if (g_str_has_prefix(part[i], name)) {
			params = params_parse(part[i]);
		}
	}
	g_assert_nonnull(params);
	g_strfreev(part);
	g_free(text);
	return params;
}

static struct vmt_reading *read_params(GArray *params, const struct domain_desc *desc)
{
	inspection_reset(out, 1);
	stats_read((virTypedParameter *)(void *)params->data, (int)params->len, desc, out, 0, 3,
		   &note);
	params_free(params);
	return &out->reading[0];
}

#define HAS(r, f) ((r)->present & UINT32_C(1) << (f))
#define IS(r, f, v)                                                                                \
	do {                                                                                       \
		g_assert_true(HAS(r, f));                                                          \
		g_assert_cmpuint((r)->value[f].u, ==, v);                                          \
		g_assert_cmpuint((r)->stamp[f], ==, 3);                                            \
	} while (0)
#define LACKS(r, f) g_assert_false(HAS(r, f))

static void test_running(void)
{
	struct domain_desc *desc = golden_desc("instance-00000003");
	struct vmt_reading *r = read_params(golden_params("instance-00000003"), desc);
	struct vmt_device_reading *disk, *nic;

	IS(r, VMT_F_STATE, 1);
	IS(r, VMT_F_CPU_TIME, 6114894000);
	IS(r, VMT_F_CPU_USER, 5410466000);
	IS(r, VMT_F_CPU_SYSTEM, 704428000);
	IS(r, VMT_F_VCPUS, 1);
	IS(r, VMT_F_VCPU_TIME, 3490000000);
	IS(r, VMT_F_VCPU_WAIT, 0);
	IS(r, VMT_F_VCPU_DELAY, 5037624783);
	IS(r, VMT_F_MEM_ACTUAL, 65536);
	IS(r, VMT_F_MEM_MAXIMUM, 65536);
	IS(r, VMT_F_MEM_AVAILABLE, 62464);
	IS(r, VMT_F_MEM_UNUSED, 40952);
	IS(r, VMT_F_MEM_USABLE, 44032);
	IS(r, VMT_F_MEM_RSS, 45032);
	IS(r, VMT_F_SWAP_IN, 8);
	IS(r, VMT_F_SWAP_OUT, 0);
	IS(r, VMT_F_MAJOR_FAULTS, 7);
	IS(r, VMT_F_MINOR_FAULTS, 1240);
	IS(r, VMT_F_DISK_CACHES, 6144);
	LACKS(r, VMT_F_MEM_USED);
	LACKS(r, VMT_F_CPU_UTIL);
	LACKS(r, VMT_F_PERF_CPU_CYCLES);
	g_assert_cmpuint(r->disks, ==, 1);
	disk = &out->disk[r->first_disk];
	g_assert_cmpstr(disk->device->name, ==, "vda");
	IS(disk, VMT_D_READ_REQUESTS, 486);
	IS(disk, VMT_D_READ_BYTES, 1986560);
	IS(disk, VMT_D_READ_TIME, 1745359772);
	IS(disk, VMT_D_WRITE_REQUESTS, 484);
	IS(disk, VMT_D_WRITE_BYTES, 1982464);
	IS(disk, VMT_D_WRITE_TIME, 2950947380);
	IS(disk, VMT_D_FLUSH_REQUESTS, 0);
	IS(disk, VMT_D_FLUSH_TIME, 0);
	IS(disk, VMT_D_CAPACITY, 1073741824);
	IS(disk, VMT_D_ALLOCATION, 1376256);
	IS(disk, VMT_D_PHYSICAL, 1318912);
	g_assert_cmpuint(r->nics, ==, 1);
	nic = &out->nic[r->first_nic];
	g_assert_cmpstr(nic->device->name, ==, "tap7a1b1e52-4b");
	g_assert_cmpstr(nic->device->mac, ==, "fa:16:3e:00:03:00");
	IS(nic, VMT_N_RX_BYTES, 656);
	IS(nic, VMT_N_RX_PACKETS, 8);
	IS(nic, VMT_N_RX_ERRORS, 0);
	IS(nic, VMT_N_RX_DROPS, 0);
	IS(nic, VMT_N_TX_BYTES, 29040);
	IS(nic, VMT_N_TX_PACKETS, 484);
	IS(nic, VMT_N_TX_ERRORS, 0);
	IS(nic, VMT_N_TX_DROPS, 484);
	g_assert_false(note.only_state);
	g_assert_false(note.short_disks);
	domain_desc_unref(desc);
}

static void test_several(void)
{
	struct domain_desc *desc = golden_desc("instance-00000002");
	struct vmt_reading *r = read_params(golden_params("instance-00000002"), desc);

	IS(r, VMT_F_VCPUS, 2);
	IS(r, VMT_F_VCPU_TIME, 130000000);
	IS(r, VMT_F_VCPU_DELAY, 253154267 + 20789013);
	g_assert_cmpuint(r->disks, ==, 2); /* the CD-ROM drive is empty */
	g_assert_cmpstr(out->disk[0].device->name, ==, "vda");
	g_assert_cmpstr(out->disk[1].device->name, ==, "vdb");
	g_assert_cmpuint(r->nics, ==, 2);
	g_assert_cmpstr(out->nic[0].device->name, ==, "tap8da7de98-c5");
	g_assert_cmpstr(out->nic[1].device->name, ==, "tap065a44b5-d3");
	domain_desc_unref(desc);
}

static void test_every_domain(void)
{
	for (int n = 1; n <= 6; n++) {
		char *name = g_strdup_printf("instance-%08d", n);
		struct domain_desc *desc = golden_desc(name);
		struct vmt_reading *r = read_params(golden_params(name), desc);
		size_t disks = r->disks;

		g_assert_cmpuint(HAS(r, VMT_F_STATE), !=, 0);
		g_assert_cmpuint(disks, ==, desc->disks);
		g_assert_cmpuint(note.disks, !=, 0);
		domain_desc_unref(desc);
		g_free(name);
	}
}

#define DEVICES                                                                                    \
	"<domain><devices><disk><source file='/a'/><target dev='vda'/></disk>"                     \
	"<disk><source file='/b'/><target dev='vdb'/></disk>"                                      \
	"<interface><mac address='m'/><target dev='tap0'/></interface></devices></domain>"

static void test_absent(void)
{
	struct domain_desc *desc = describe(DEVICES);
	struct vmt_reading *r;

	/* What libvirt does not know is -1; other types and unknown names are left alone. */
	r = read_params(
		params_parse(
			"state.state i 1\ncpu.time l -1\ncpu.user u 18446744073709551615\n"
			"cpu.system s 5\nballoon.current d 7\nballoon.rss i -1\nballoon.new u 5\n"
			"perf.cmt u 9\nperf.other u 9\nnonsense u 1\nvcpu.current u 2\n"
			"vcpu.0.time u 5\nvcpu.0.wait u 1\nvcpu.1.time u 6\nvcpu.1.wait l -1\n"
			"net.0.name s tap0\nnet.0.rx.bytes l -1\nnet.0.tx.bytes u 4"),
		desc);
	IS(r, VMT_F_STATE, 1);
	LACKS(r, VMT_F_CPU_TIME);
	LACKS(r, VMT_F_CPU_USER);
	LACKS(r, VMT_F_CPU_SYSTEM);
	LACKS(r, VMT_F_MEM_ACTUAL);
	LACKS(r, VMT_F_MEM_RSS);
	IS(r, VMT_F_PERF_CMT, 9);
	IS(r, VMT_F_VCPUS, 2);
	IS(r, VMT_F_VCPU_TIME, 11);
	LACKS(r, VMT_F_VCPU_WAIT); /* not each CPU gave it */
	LACKS(r, VMT_F_VCPU_DELAY);
	LACKS(&out->nic[0], VMT_N_RX_BYTES);
	IS(&out->nic[0], VMT_N_TX_BYTES, 4);
	g_assert_cmpuint(r->disks, ==, 0);
	domain_desc_unref(desc);
}

/* libvirt tells the configured memory as the balloon's where there is no balloon. */
static void test_no_balloon(void)
{
	static const char params[] = "state.state i 1\nballoon.current u 65536\n"
				     "balloon.maximum u 65536\nballoon.rss u 44080";
	struct domain_desc *desc =
		describe("<domain><devices><memballoon model='none'/></devices></domain>");
	struct vmt_reading *r = read_params(params_parse(params), desc);

	LACKS(r, VMT_F_MEM_ACTUAL);
	IS(r, VMT_F_MEM_MAXIMUM, 65536);
	IS(r, VMT_F_MEM_RSS, 44080);
	domain_desc_unref(desc);
	desc = describe("<domain><devices><memballoon model='virtio'/></devices></domain>");
	r = read_params(params_parse(params), desc);
	IS(r, VMT_F_MEM_ACTUAL, 65536);
	domain_desc_unref(desc);
}

static void test_devices(void)
{
	struct domain_desc *desc = describe(DEVICES);
	struct vmt_reading *r;
	uint64_t digest;

	/* In another order, with one that the XML did not have, and values without or before a name. */
	r = read_params(
		params_parse(
			"block.count u 3\nblock.0.rd.reqs u 1\nblock.0.name s vdb\nblock.0.rd.reqs u 2\n"
			"block.1.rd.reqs u 3\nblock.1.name s vdx\nblock.1.rd.reqs u 4\n"
			"block.2.name s vda\nblock.2.path s /a\nblock.2.rd.reqs u 5\n"
			"block.0.wr.reqs u 6\nblock.x.name s vda\nblock..name s vda\n"
			"block.99999999999999999999.name s vda\nnet.2.name s tap0\nnet.0.rx.bytes u 7\n"
			"block.2.rd.bytes u 8\nnet.2.rx.bytes u 9"),
		desc);
	g_assert_cmpuint(r->disks, ==, 2);
	g_assert_cmpstr(out->disk[0].device->name, ==, "vdb");
	IS(&out->disk[0], VMT_D_READ_REQUESTS, 2);
	LACKS(&out->disk[0], VMT_D_WRITE_REQUESTS);
	g_assert_cmpstr(out->disk[1].device->name, ==, "vda");
	IS(&out->disk[1], VMT_D_READ_REQUESTS, 5);
	LACKS(&out->disk[1], VMT_D_READ_BYTES); /* a NIC came between */
	IS(&out->nic[0], VMT_N_RX_BYTES, 9);
	digest = note.disks;
	g_assert_cmpuint(digest, !=, 0);
	read_params(params_parse("block.count u 1\nblock.0.name s vda\nblock.0.path s /other"),
		    desc);
	g_assert_cmpuint(note.disks, !=, digest);
	g_assert_cmpuint(note.nics, ==, 0);
	domain_desc_unref(desc);
}

static void test_short(void)
{
	struct domain_desc *desc = describe(DEVICES);

	/* What NOWAIT leaves of a domain whose monitor is busy. */
	read_params(params_parse(
			    "state.state i 1\ncpu.time u 1\nblock.count u 2\nblock.0.name s vda\n"
			    "block.0.path s /a\nblock.1.name s vdb\nblock.1.path s /b"),
		    desc);
	g_assert_true(note.short_disks);
	g_assert_cmpuint(out->reading[0].disks, ==, 2);
	g_assert_cmpuint(out->disk[0].present, ==, 0);
	read_params(params_parse("block.0.name s vda\nblock.1.name s vdb\nblock.1.rd.reqs u 0"),
		    desc);
	g_assert_false(note.short_disks);
	read_params(params_parse("state.state i 5\nstate.reason i 1"), desc);
	g_assert_true(note.only_state);
	g_assert_false(note.short_disks);
	domain_desc_unref(desc);
}

static void test_groups(void)
{
	g_assert_cmpuint(stats_groups(0), ==, VIR_DOMAIN_STATS_STATE);
	g_assert_cmpuint(stats_groups(VMT_GROUP_CPU | VMT_GROUP_NIC), ==,
			 VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_CPU_TOTAL |
				 VIR_DOMAIN_STATS_INTERFACE);
	g_assert_cmpuint(stats_groups(VMT_GROUP_DISK_USAGE), ==,
			 VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_BLOCK);
	g_assert_cmpuint(stats_groups(VMT_GROUP_VCPU | VMT_GROUP_MEMORY | VMT_GROUP_PERF), ==,
			 VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_VCPU | VIR_DOMAIN_STATS_BALLOON |
				 VIR_DOMAIN_STATS_PERF);
}

int main(int argc, char **argv)
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	out = inspection_new();
	g_test_add_func("/stats/running", test_running);
	g_test_add_func("/stats/several", test_several);
	g_test_add_func("/stats/every_domain", test_every_domain);
	g_test_add_func("/stats/absent", test_absent);
	g_test_add_func("/stats/no_balloon", test_no_balloon);
	g_test_add_func("/stats/devices", test_devices);
	g_test_add_func("/stats/short", test_short);
	g_test_add_func("/stats/groups", test_groups);
	ret = g_test_run();
	inspection_free(out);
	return ret;
}

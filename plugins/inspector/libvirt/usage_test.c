/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the rule that gives block info without asking for it.  The rows were measured: libvirt 9.0, QEMU 7.2,
 * a domain with these disks; domstats, stat and virDomainGetBlockInfo at one time, guests idle.
 */
#include "plugins/inspector/libvirt/usage.h"

#include "base/clock.h"
#include "base/wait.h"
#include "model/inspection.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define NONE UINT64_MAX

struct row {
	const char *what, *type, *format;
	uint64_t a, p; /* domstats: allocation, physical */
	uint64_t size, blocks; /* stat; NONE: cannot be had */
	uint64_t allocation, physical; /* block info */
};

static const struct row measured[] = {
	{ "raw file, not written yet", "file", "raw", 0, 8192, 8388608, 8192, 8192, 8388608 },
	{ "raw file, written", "file", "raw", 1114112, 73728, 8388608, 73728, 1114112, 73728 },
	{ "raw file without blocks", "file", "raw", 0, 8389000, 8389000, 0, 0, 8389000 },
	{ "the same, written", "file", "raw", 1114112, 65536, 8389000, 65536, 1114112, 65536 },
	{ "qcow2 file", "file", "qcow2", 0, 3411968, 3473408, 3411968, 3411968, 3473408 },
	{ "qcow2 file, written", "file", "qcow2", 1441792, 3411968, 3473408, 3411968, 3411968,
	  3473408 },
	{ "qcow2 file, metadata preallocated", "file", "qcow2", 1441792, 331776, 67436544, 331776,
	  331776, 67436544 },
	{ "vmdk file", "file", "vmdk", 0, 12288, 65536, 12288, 12288, 65536 },
	{ "vdi file", "file", "vdi", 0, 4096, 1024, 4096, 4096, 1024 },
	{ "CD image", "file", "raw", 0, 3000000, 3000000, 0, 0, 3000000 },
	{ "raw on a block device", "block", "raw", 0, 10485760, NONE, NONE, 0, 10485760 },
	{ "the same, written", "block", "raw", 1114112, 10485760, NONE, NONE, 1114112, 10485760 },
	{ "qcow2 on a block device", "block", "qcow2", 0, 20971520, NONE, NONE, 0, 20971520 },
	{ "the same, written", "block", "qcow2", 1441792, 20971520, NONE, NONE, 1441792, 20971520 },
	{ "raw by NBD", "network", "raw", 0, 8388608, NONE, NONE, 8388608, 8388608 },
	{ "Ceilometer's golden one", "file", "qcow2", 1376256, 1318912, 1376256, 1318912, 1318912,
	  1376256 },
};

static struct vmt_inspection *out;
static const struct vmt_device device = { .version = 7, .name = "vda" };

static struct vmt_device_reading *reading(uint64_t a, uint64_t p)
{
	struct vmt_device_reading *r;

	inspection_reset(out, 1);
	vmt_inspection_stamp(out, (struct vmt_stamp){ .mono_ns = 1, .source = "libvirt" });
	r = vmt_inspection_disk(out, 0, &device);
	if (a != NONE) {
		vmt_device_set(r, VMT_D_ALLOCATION, a, 0);
	}
	if (p != NONE) {
		vmt_device_set(r, VMT_D_PHYSICAL, p, 0);
	}
	return r;
}

static struct usage_file file_of(uint64_t size, uint64_t blocks)
{
	return (struct usage_file){ .regular = true,
				    .dev = 1,
				    .ino = 2,
				    .size = size,
				    .blocks = blocks,
				    .time_ns = 50,
				    .mono_ns = 5 };
}

#define HAS(r, f) ((r)->present & UINT32_C(1) << (f))
#define IS(r, f, v, from)                                                                          \
	do {                                                                                       \
		g_assert_true(HAS(r, f));                                                          \
		g_assert_cmpuint((r)->value[f].u, ==, v);                                          \
		g_assert_cmpstr(out->stamp[(r)->stamp[f]].source, ==, from);                       \
	} while (0)

static void test_measured(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(measured); i++) {
		const struct row *m = &measured[i];
		struct domxml_disk xml = { .target = "vda", .type = m->type, .format = m->format };
		struct usage_disk disk = { .version = 7 };
		struct vmt_device_reading *r = reading(m->a, m->p);

		if (m->size != NONE) {
			disk.file = file_of(m->size, m->blocks);
		}
		usage_apply(&disk, &xml, r, out, 0);
		g_test_message("%s", m->what);
		g_assert_true(HAS(r, VMT_D_ALLOCATION));
		g_assert_true(HAS(r, VMT_D_PHYSICAL));
		g_assert_cmpuint(r->value[VMT_D_ALLOCATION].u, ==, m->allocation);
		g_assert_cmpuint(r->value[VMT_D_PHYSICAL].u, ==, m->physical);
		g_assert_false(disk.wants_info);
		g_assert_cmpstr(out->stamp[r->stamp[VMT_D_PHYSICAL]].source, ==,
				m->physical == m->size ? "stat" : "libvirt");
	}
}

static void test_other_file(void)
{
	struct domxml_disk xml = { .target = "vda", .type = "file", .format = "qcow2" };
	struct usage_disk disk = { .version = 7, .file = file_of(4096, 8192) };
	struct vmt_device_reading *r = reading(0, 3411968);

	/* Another file lies at that path: nothing of it counts. */
	usage_apply(&disk, &xml, r, out, 0);
	IS(r, VMT_D_ALLOCATION, 3411968, "libvirt");
	g_assert_false(HAS(r, VMT_D_PHYSICAL));
	g_assert_true(disk.wants_info);
	/* Block info was asked. */
	disk.info = (struct usage_info){ .capacity = 1,
					 .allocation = 3411968,
					 .physical = 3473408,
					 .time_ns = 30,
					 .mono_ns = 3 };
	r = reading(0, 3500000);
	usage_apply(&disk, &xml, r, out, 0);
	IS(r, VMT_D_ALLOCATION, 3500000, "libvirt");
	IS(r, VMT_D_PHYSICAL, 3473408, "libvirt");
	g_assert_cmpint(out->stamp[r->stamp[VMT_D_PHYSICAL]].mono_ns, ==, 3);
	g_assert_true(disk.wants_info);
}

static void test_growing_file(void)
{
	struct domxml_disk xml = { .target = "vda", .type = "file", .format = "qcow2" };
	struct usage_disk disk = { .version = 7, .file = file_of(9000, 8192) };
	struct vmt_device_reading *r = reading(0, 8192);

	usage_apply(&disk, &xml, r, out, 0);
	IS(r, VMT_D_PHYSICAL, 9000, "stat");
	/* It grew between the two looks; it is the same file. */
	disk.file = file_of(20000, 16384);
	r = reading(0, 20480);
	usage_apply(&disk, &xml, r, out, 0);
	IS(r, VMT_D_PHYSICAL, 20000, "stat");
	IS(r, VMT_D_ALLOCATION, 20480, "libvirt");
	/* Another one took its place. */
	disk.file.ino = 99;
	r = reading(0, 20480);
	usage_apply(&disk, &xml, r, out, 0);
	g_assert_false(HAS(r, VMT_D_PHYSICAL));
	g_assert_true(disk.wants_info);
}

/* A file is not looked at while QEMU says the same of it as before and after the last look. */
static void test_steady_file(void)
{
	struct domxml_disk xml = { .target = "vda", .type = "file", .format = "qcow2" };
	struct usage_disk disk = { .version = 7 };
	struct vmt_device_reading *r = reading(4096, 8192);
	int64_t now = 7;

	g_assert_true(usage_is_due(&disk, now));
	disk.file = file_of(9000, 8192);
	usage_apply(&disk, &xml, r, out, 0);
	g_assert_true(usage_is_due(&disk, now)); /* it may have changed right after the look */
	disk.file.mono_ns = 6;
	r = reading(4096, 8192);
	usage_apply(&disk, &xml, r, out, 0);
	IS(r, VMT_D_PHYSICAL, 9000, "stat");
	g_assert_false(usage_is_due(&disk, now));
	g_assert_true(usage_is_due(&disk, 6 + USAGE_AGE_NS));

	/* The value is that of the time at which it was found to be the same. */
	r = reading(4096, 8192);
	g_assert_false(usage_has_moved(&disk, r));
	usage_apply(&disk, &xml, r, out, 0);
	IS(r, VMT_D_PHYSICAL, 9000, "libvirt");
	g_assert_false(usage_is_due(&disk, now));

	/* Written within its blocks: looked at in the same cycle, and until it rests again. */
	r = reading(4608, 8192);
	g_assert_true(usage_has_moved(&disk, r));
	disk.file = file_of(9512, 8192);
	disk.file.mono_ns = 8;
	usage_apply(&disk, &xml, r, out, 0);
	IS(r, VMT_D_PHYSICAL, 9512, "stat");
	g_assert_true(usage_is_due(&disk, 9));

	/* A file that has not the blocks that QEMU says never rests. */
	r = reading(4608, 12288);
	disk.file.mono_ns = 10;
	usage_apply(&disk, &xml, r, out, 0);
	r = reading(4608, 12288);
	disk.file.mono_ns = 11;
	usage_apply(&disk, &xml, r, out, 0);
	g_assert_true(usage_is_due(&disk, 12));
}

static void test_unknown(void)
{
	struct domxml_disk xml = { .target = "vda", .type = "volume", .format = "raw" };
	struct usage_disk disk = { .version = 7 };
	struct vmt_device_reading *r = reading(5, 6);

	usage_apply(&disk, &xml, r, out, 0);
	g_assert_cmpuint(r->present, ==, 0);
	g_assert_true(disk.wants_info);
	xml.type = "file";
	r = reading(NONE, NONE); /* a short record */
	usage_apply(&disk, &xml, r, out, 0);
	g_assert_cmpuint(r->present, ==, 0);
	disk.file = (struct usage_file){ .err = EACCES, .mono_ns = 5 };
	r = reading(0, 6);
	usage_apply(&disk, &xml, r, out, 0);
	g_assert_cmpuint(r->present, ==, 0);
	g_assert_true(disk.wants_info);
}

static void test_stopped(void)
{
	struct usage_disk disk = { .version = 7 };
	struct vmt_device_reading *r = reading(NONE, NONE);

	usage_apply_stopped(&disk, r, out);
	g_assert_cmpuint(r->present, ==, 0);
	g_assert_true(disk.wants_info);
	disk.info = (struct usage_info){
		.capacity = 10, .allocation = 11, .physical = 12, .mono_ns = 3
	};
	usage_apply_stopped(&disk, r, out);
	IS(r, VMT_D_CAPACITY, 10, "libvirt");
	IS(r, VMT_D_ALLOCATION, 11, "libvirt");
	IS(r, VMT_D_PHYSICAL, 12, "libvirt");
	g_assert_cmpuint(out->stamps, ==, 2); /* one for all that was read together */
}

static void test_look(void)
{
	struct usage_looker *l = usage_looker_new(NULL, NS_PER_S);
	char *dir = g_dir_make_tmp("virtmeter-usage-XXXXXX", NULL);
	char *a = g_build_filename(dir, "a", NULL), *b = g_build_filename(dir, "b", NULL);
	struct usage_disk disk[3] = { { .version = 1 }, { .version = 2 }, { .version = 3 } };
	const struct usage_path paths[] = { { &disk[0], a }, { &disk[1], b }, { &disk[2], dir } };
	int64_t late = clock_monotonic() + 20 * NS_PER_S;

	g_assert_true(g_file_set_contents(a, "12345", 5, NULL));
	usage_look(l, paths, 3);
	g_assert_true(usage_looked(l, paths, 3, late));
	g_assert_cmpint(disk[0].file.err, ==, 0);
	g_assert_true(disk[0].file.regular);
	g_assert_cmpuint(disk[0].file.size, ==, 5);
	g_assert_cmpuint(disk[0].file.ino, !=, 0);
	g_assert_cmpint(disk[0].file.mono_ns, !=, 0);
	g_assert_cmpint(disk[1].file.err, ==, ENOENT);
	g_assert_cmpint(disk[2].file.err, ==, 0);
	g_assert_false(disk[2].file.regular);
	/* The same files again, then others. */
	g_assert_true(g_file_set_contents(a, "123456", 6, NULL));
	usage_look(l, paths, 3);
	g_assert_true(usage_looked(l, paths, 3, late));
	g_assert_cmpuint(disk[0].file.size, ==, 6);
	disk[0].file.size = 0;
	usage_look(l, paths + 1, 2);
	g_assert_true(usage_looked(l, paths + 1, 2, late));
	g_assert_cmpuint(disk[0].file.size, ==, 0);
	/* What was looked at for others is not taken. */
	g_assert_true(usage_looked(l, paths, 3, late));
	g_assert_cmpuint(disk[0].file.size, ==, 0);
	usage_looker_free(l);
	g_unlink(a);
	g_rmdir(dir);
	g_free(a);
	g_free(b);
	g_free(dir);
}

/* A file system that does not answer for paths that begin with "/dead". */
static struct wait gate;
static bool gate_open;

static void look_or_hang(const char *path, struct usage_file *ret)
{
	wait_lock(&gate);
	while (g_str_has_prefix(path, "/dead") && !gate_open) {
		wait_until(&gate, WAIT_FOREVER);
	}
	wait_unlock(&gate);
	ret->size = strlen(path);
}

static void open_gate(void)
{
	wait_lock(&gate);
	gate_open = true;
	wait_wake(&gate);
	wait_unlock(&gate);
}

static bool look_once(struct usage_looker *l, const struct usage_path *paths, size_t count)
{
	usage_look(l, paths, count);
	return usage_looked(l, paths, count, clock_monotonic() + 30 * NS_PER_MS);
}

static void test_hang(void)
{
	struct usage_looker *l;
	struct usage_disk disk[4] = {
		{ .version = 1 }, { .version = 2 }, { .version = 3 }, { .version = 4 }
	};
	struct usage_path paths[] = { { &disk[0], "/a" },
				      { &disk[1], "/dead/b" },
				      { &disk[2], "/c" },
				      { &disk[3], "/dead/d" } };
	int64_t late = clock_monotonic() + 20 * NS_PER_S;

	wait_init(&gate);
	l = usage_looker_new(look_or_hang, 100 * NS_PER_MS);
	g_assert_false(look_once(l, paths, 4));
	g_assert_cmpuint(disk[0].file.size, ==, 2); /* what came before is there */
	g_assert_cmpuint(disk[2].file.size, ==, 0);
	while (!disk[1].hung && clock_monotonic() < late) {
		look_once(l, paths, 4);
	}
	g_assert_true(disk[1].hung);
	g_assert_false(disk[0].hung);
	/* Without that one the others are looked at; the second such file is found too. */
	paths[1] = paths[2];
	paths[2] = paths[3];
	while (!disk[3].hung && clock_monotonic() < late) {
		look_once(l, paths, 3);
	}
	g_assert_true(disk[3].hung);
	g_assert_cmpuint(disk[2].file.size, ==, 2);
	/* Two threads are left behind: no third one. */
	disk[2].file.size = 0;
	look_once(l, paths, 2);
	look_once(l, paths, 2);
	g_assert_cmpuint(disk[2].file.size, ==, 0);
	/* They come back, and it goes on. */
	open_gate();
	while (!disk[2].file.size && clock_monotonic() < late) {
		look_once(l, paths, 2);
	}
	g_assert_cmpuint(disk[2].file.size, ==, 2);
	usage_looker_free(l);
}

static void test_free_while_hanging(void)
{
	struct usage_looker *l;
	struct usage_disk disk = { .version = 1 };
	const struct usage_path path = { &disk, "/dead/a" };

	gate_open = false;
	l = usage_looker_new(look_or_hang, 100 * NS_PER_MS);
	g_assert_false(look_once(l, &path, 1));
	usage_looker_free(l); /* does not wait for it */
	open_gate();
	wait_sleep(20 * NS_PER_MS);
}

int main(int argc, char **argv)
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	out = inspection_new();
	g_test_add_func("/usage/measured", test_measured);
	g_test_add_func("/usage/other_file", test_other_file);
	g_test_add_func("/usage/growing_file", test_growing_file);
	g_test_add_func("/usage/steady_file", test_steady_file);
	g_test_add_func("/usage/unknown", test_unknown);
	g_test_add_func("/usage/stopped", test_stopped);
	g_test_add_func("/usage/look", test_look);
	g_test_add_func("/usage/hang", test_hang);
	g_test_add_func("/usage/free_while_hanging", test_free_while_hanging);
	ret = g_test_run();
	inspection_free(out);
	return ret;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the domain XML reader on the fuzz corpus, which holds the live XML of six domains as libvirt
 * 9.0 gave it (instance-*.xml, metered by Ceilometer 19.0.0 at the same time) and hand-made ones for what
 * such a host cannot show.
 */
#include "plugins/libvirt/domxml.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

static struct arena *arena;

static int parse_file(const char *name, const struct domxml **ret, struct vmt_error *error)
{
	char *path = g_build_filename(CORPUS, name, NULL);
	char *xml;
	size_t len;
	int err;

	g_assert_true(g_file_get_contents(path, &xml, &len, NULL));
	err = domxml_parse(xml, len, arena, ret, error);
	g_free(xml);
	g_free(path);
	return err;
}

static const struct domxml *good(const char *name)
{
	const struct domxml *d = NULL;
	struct vmt_error error = { "" };

	arena_reset(arena);
	g_assert_cmpint(parse_file(name, &d, &error), ==, 0);
	return d;
}

static void bad(const char *name, const char *why)
{
	const struct domxml *d = NULL;
	struct vmt_error error = { "" };

	arena_reset(arena);
	g_assert_cmpint(parse_file(name, &d, &error), ==, -EBADMSG);
	g_assert_null(d);
	g_assert_nonnull(strstr(error.text, why));
}

static const char *find(const struct vmt_pair *pair, const char *key)
{
	for (; pair && pair->key; pair++) {
		if (strcmp(pair->key, key) == 0) {
			return pair->value ? pair->value : "(null)";
		}
	}
	return NULL;
}

static void test_live(void)
{
	const struct domxml *d = good("instance-00000003.xml");

	g_assert_cmpstr(d->id, ==, "1fc7cb47-4b5d-55ac-8f8a-980968f255d9");
	g_assert_cmpstr(d->name, ==, "instance-00000003");
	g_assert_null(d->title);
	g_assert_cmpstr(d->os_type, ==, "hvm");
	g_assert_cmpstr(d->arch, ==, "x86_64");
	g_assert_cmpint(d->memory_kib, ==, 65536);
	g_assert_cmpint(d->vcpus, ==, 1);
	g_assert_cmpuint(d->disks, ==, 1);
	g_assert_cmpstr(d->disk[0].target, ==, "vda");
	g_assert_cmpstr(d->disk[0].type, ==, "file");
	g_assert_cmpstr(d->disk[0].format, ==, "qcow2");
	g_assert_cmpstr(d->disk[0].alias, ==, "virtio-disk0");
	g_assert_cmpstr(d->disk[0].index, ==, "1");
	g_assert_cmpstr(d->disk[0].path, ==,
			"/var/lib/nova/instances/1fc7cb47-4b5d-55ac-8f8a-980968f255d9/disk");
	g_assert_true(d->disk[0].has_source);
	g_assert_cmpuint(d->nics, ==, 1);
	g_assert_cmpstr(d->nic[0].target, ==, "tap7a1b1e52-4b");
	g_assert_cmpstr(d->nic[0].mac, ==, "fa:16:3e:00:03:00");
	g_assert_null(d->nic[0].filter);
	g_assert_null(d->nic[0].parameters);
	g_assert_nonnull(d->nova);
	g_assert_cmpuint(d->nova->version, ==, 1);
	g_assert_cmpstr(d->nova->name, ==, "vm-3");
	g_assert_cmpstr(d->nova->flavor, ==, "m1.nano");
	g_assert_null(d->nova->flavor_id);
	g_assert_cmpint(d->nova->memory_mib, ==, 64);
	g_assert_cmpint(d->nova->disk_gib, ==, 1);
	g_assert_cmpint(d->nova->vcpus, ==, 1);
	g_assert_false(d->nova->has_extra_specs);
	g_assert_false(d->nova->has_image);
	g_assert_cmpstr(d->nova->user_id, ==, "baff8d1ad1135092a8c29ca40824a7a8");
	g_assert_cmpstr(d->nova->project_id, ==, "9ba72dfc1b325bfa8438bb43983aef54");
	g_assert_cmpstr(d->nova->root_type, ==, "image");
	g_assert_cmpstr(d->nova->root_id, ==, "fc162488-bbfa-51ec-be0a-2bbf3cf87b8f");
}

static void test_nova_full(void)
{
	const struct domxml_nova *n = good("nova-full.xml")->nova;

	g_assert_nonnull(n);
	g_assert_cmpstr(n->name, ==, "wéb-1 ☃ <b> 𝔘");
	g_assert_cmpstr(n->flavor_id, ==, "2");
	g_assert_cmpint(n->swap_mib, ==, 512);
	g_assert_cmpint(n->ephemeral_gib, ==, 5);
	g_assert_cmpint(n->vcpus, ==, 3);
	g_assert_true(n->has_extra_specs);
	g_assert_cmpstr(find(n->extra_specs, "hw:cpu_policy"), ==, "dedicated");
	g_assert_cmpstr(find(n->extra_specs, "empty"), ==, "(null)");
	g_assert_cmpstr(n->user_name, ==, "demo");
	g_assert_cmpstr(n->project_name, ==, "Projekt");
	g_assert_cmpstr(find(n->image_meta, "base_image_ref"), ==,
			"70a599e0-31e7-49b7-b260-868f441e862b");
	g_assert_cmpstr(find(n->image_meta, "container_format"), ==, "bare");
	g_assert_cmpstr(find(n->image_meta, "disk_format"), ==, "qcow2");
	g_assert_cmpstr(find(n->image_meta, "min_disk"), ==, "20");
	g_assert_cmpstr(find(n->image_meta, "min_ram"), ==, "0");
	g_assert_cmpstr(find(n->image_meta, "hw_rng_model"), ==, "virtio");
	g_assert_cmpstr(find(n->image_meta, "os_type"), ==, "linux");
}

static void test_nova_versions(void)
{
	const struct domxml_nova *n = good("nova-versions.xml")->nova;

	g_assert_cmpuint(n->version, ==, 7);
	g_assert_cmpstr(n->name, ==, "new");
	g_assert_cmpstr(n->flavor, ==, "f.new");
	g_assert_false(n->has_extra_specs);
	g_assert_null(n->extra_specs);
	g_assert_cmpstr(n->project_id, ==, "p1");
}

static void test_nova_hostile(void)
{
	const struct domxml *d = good("nova-hostile.xml");

	g_assert_cmpstr(d->id, ==, "");
	g_assert_cmpint(d->memory_kib, ==, -1);
	g_assert_cmpint(d->vcpus, ==, 2);
	g_assert_cmpuint(d->disks, ==, 0);
	g_assert_cmpuint(d->nics, ==, 1);
	g_assert_null(d->nic[0].target);
	g_assert_null(d->nova->name);
	g_assert_cmpstr(d->nova->flavor, ==, "\"},\x7f😀'");
	g_assert_cmpint(d->nova->memory_mib, ==, 0);
	g_assert_cmpint(d->nova->disk_gib, ==, 0);
	g_assert_cmpint(d->nova->vcpus, ==, 4);
	g_assert_true(d->nova->has_extra_specs);
	g_assert_null(d->nova->user_id);
	g_assert_cmpstr(d->nova->root_type, ==, "volume");
	g_assert_null(d->nova->root_id);
	g_assert_cmpstr(find(d->nova->image_meta, "base_image_ref"), ==, "forged");
	g_assert_null(d->nova->image_meta[1].key);
}

static void test_disks(void)
{
	static const struct {
		const char *target, *type, *path;
		bool source;
	} want[] = {
		{ "vda", "network", NULL, true },   { "sda", "block", "/dev/mapper/mpath&a", true },
		{ "vdb", "vhostuser", NULL, true }, { "vdc", "nvme", NULL, true },
		{ "vdd", "volume", NULL, true },    { "hda", "file", NULL, false },
	};
	const struct domxml *d = good("devices.xml");

	g_assert_cmpstr(d->id, ==, "d0d0caca-0001-4002-8003-0123456789ab");
	g_assert_cmpstr(d->title, ==, "all kinds of devices");
	g_assert_cmpint(d->memory_kib, ==, 4194304);
	g_assert_cmpint(d->vcpus, ==, 2);
	g_assert_null(d->nova);
	g_assert_cmpuint(d->disks, ==, G_N_ELEMENTS(want));
	for (size_t i = 0; i < d->disks; i++) {
		g_assert_cmpstr(d->disk[i].target, ==, want[i].target);
		g_assert_cmpstr(d->disk[i].type, ==, want[i].type);
		g_assert_cmpstr(d->disk[i].path, ==, want[i].path);
		g_assert_cmpint(d->disk[i].has_source, ==, want[i].source);
	}
}

static void test_nics(void)
{
	static const struct {
		const char *type, *target;
	} want[] = { { "hostdev", NULL },
		     { "vhostuser", "vhu0" },
		     { "bridge", "tap3c1f2f57-4e" },
		     { "direct", "macvtap0" },
		     { "user", NULL } };
	const struct domxml *d = good("devices.xml");
	const struct vmt_pair *p;

	g_assert_cmpuint(d->nics, ==, G_N_ELEMENTS(want));
	for (size_t i = 0; i < d->nics; i++) {
		g_assert_cmpstr(d->nic[i].type, ==, want[i].type);
		g_assert_cmpstr(d->nic[i].target, ==, want[i].target);
	}
	g_assert_cmpstr(d->nic[2].bridge, ==, "br-int");
	g_assert_cmpstr(d->nic[2].interface_id, ==, "3c1f2f57-4e00-4000-8000-000000000001");
	g_assert_cmpstr(d->nic[2].filter, ==, "nova-base");
	g_assert_cmpstr(d->nic[2].alias, ==, "net2");
	p = d->nic[2].parameters;
	g_assert_cmpstr(p[0].key, ==, "projnet");
	g_assert_cmpstr(p[1].key, ==, "ip");
	g_assert_cmpstr(p[1].value, ==, "192.0.2.6");
	g_assert_null(p[2].key);
	g_assert_null(d->nic[3].bridge);
}

static void test_plain(void)
{
	const struct domxml *d = good("no-metadata.xml");

	g_assert_cmpstr(d->name, ==, "test");
	g_assert_null(d->nova);
	g_assert_cmpuint(d->disks + d->nics, ==, 0);
}

static void test_bad(void)
{
	bad("entities.xml", "document type");
	bad("unknown-entity.xml", "line 1");
	bad("broken.xml", "line 1");
	bad("bad-utf8.xml", "line 1");
	bad("not-domain.xml", "not a <domain>");
}

static void test_caps(void)
{
	GString *s = g_string_new("<domain>");
	const struct domxml *d = NULL;
	struct vmt_error error;

	for (int i = 0; i < DOMXML_DEPTH; i++) {
		g_string_append(s, "<a>");
	}
	g_assert_cmpint(domxml_parse(s->str, s->len, arena, &d, &error), ==, -EBADMSG);
	g_assert_cmpstr(error.text, ==, "domain XML: nested too deep");

	g_string_assign(s, "<domain><title>");
	for (int i = 0; i < DOMXML_TEXT; i++) {
		g_string_append(s, "é");
	}
	g_string_append(s, "</title><devices>");
	for (int i = 0; i < DOMXML_DEVICES + 7; i++) {
		g_string_append_printf(s, "<disk><target dev='vd%d'/></disk>", i);
	}
	g_string_append(s, "</devices></domain>");
	g_assert_cmpint(domxml_parse(s->str, s->len, arena, &d, &error), ==, 0);
	g_assert_cmpuint(d->disks, ==, DOMXML_DEVICES);
	g_assert_cmpuint(strlen(d->title), <=, DOMXML_TEXT);
	g_assert_cmpuint(strlen(d->title), >, DOMXML_TEXT - 4);
	g_assert_true(g_utf8_validate(d->title, -1, NULL));

	d = NULL;
	g_assert_cmpint(domxml_parse(s->str, DOMXML_SIZE + 1, arena, &d, &error), ==, -E2BIG);
	g_assert_null(d);
	g_string_free(s, TRUE);
}

int main(int argc, char **argv)
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	arena = arena_new(0);
	g_test_add_func("/domxml/live", test_live);
	g_test_add_func("/domxml/nova_full", test_nova_full);
	g_test_add_func("/domxml/nova_versions", test_nova_versions);
	g_test_add_func("/domxml/nova_hostile", test_nova_hostile);
	g_test_add_func("/domxml/disks", test_disks);
	g_test_add_func("/domxml/nics", test_nics);
	g_test_add_func("/domxml/plain", test_plain);
	g_test_add_func("/domxml/bad", test_bad);
	g_test_add_func("/domxml/caps", test_caps);
	ret = g_test_run();
	arena_free(arena);
	return ret;
}

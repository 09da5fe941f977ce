/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of discovery: domains of the fuzz corpus as instances, the expected values from Ceilometer 19.0.0's
 * samples of the same domains; and the plugin itself on libvirt's test driver.
 */
#include "plugins/discovery/libvirt/instance.h"
#include "plugins/libvirt/desc.h"

#include "base/clock.h"
#include "base/uuid.h"
#include "base/wait.h"
#include "model/snapshot.h"

#include <errno.h>
#include <string.h>

extern const struct vmt_plugin vmt_plugin_discovery_local_instances;

static struct instance_scratch scratch;
static struct vmt_error error;
static atomic_bool never;

static struct domain domain_of(const char *file, int state)
{
	char *path = g_build_filename(CORPUS, file, NULL), *xml;
	uint8_t uuid[16];
	struct desc_source src = { .uuid = uuid, .name = "instance-00000001", .number = 4 };
	struct domain domain = { .state = state };
	char *at;

	g_assert_true(g_file_get_contents(path, &xml, NULL, NULL));
	at = strstr(xml, "<uuid>");
	if (!at || uuid_parse(at + 6, uuid) < 0) {
		memset(uuid, 7, sizeof(uuid));
	}
	src.xml = xml;
	domain.desc = desc_new(&src, NULL, NULL);
	g_free(xml);
	g_free(path);
	return domain;
}

static const char *find(const struct vmt_pair *pair, const char *key)
{
	for (; pair && pair->key; pair++) {
		if (strcmp(pair->key, key) == 0) {
			return pair->value;
		}
	}
	return NULL;
}

static void test_nova(void)
{
	struct domain d = domain_of("instance-00000004.xml", VIR_DOMAIN_PAUSED);
	struct vmt_instance in;

	g_assert_cmpint(instance_from_domain(&d, KINDS_AUTO, "compute-0", &scratch, &in, &error),
			==, 0);
	g_assert_cmpstr(in.id, ==, "0980835b-9dcc-5d82-8170-b985168ee6e1");
	g_assert_cmpstr(in.name, ==, "instance-00000001");
	g_assert_cmpstr(in.display_name, ==, "vm-4");
	g_assert_cmpstr(in.user_id, ==, "baff8d1ad1135092a8c29ca40824a7a8");
	g_assert_cmpstr(in.project_id, ==, "9ba72dfc1b325bfa8438bb43983aef54");
	g_assert_null(in.user_name);
	g_assert_cmpstr(in.host_id, ==, "1d6f5300fdf4bbb79d01b813a04aff9be11842ad152c1e8831233f96");
	g_assert_cmpstr(in.host, ==, "compute-0");
	g_assert_cmpstr(in.status, ==, "paused");
	g_assert_cmpstr(in.state, ==, "paused");
	g_assert_cmpstr(in.task_state, ==, "");
	g_assert_true(in.has_flavor);
	g_assert_null(in.flavor.id);
	g_assert_cmpstr(in.flavor.name, ==, "m1.nano");
	g_assert_cmpint(in.flavor.vcpus, ==, 2);
	g_assert_cmpint(in.flavor.ram_mib, ==, 64);
	g_assert_cmpint(in.flavor.disk_gib, ==, 1);
	g_assert_true(in.flavor.has_swap);
	g_assert_true(in.has_image);
	g_assert_cmpstr(in.image.id, ==, "fc162488-bbfa-51ec-be0a-2bbf3cf87b8f");
	g_assert_null(in.image.name);
	g_assert_cmpstr(in.attributes[0].key, ==, "architecture");
	g_assert_cmpstr(in.attributes[0].value, ==, "x86_64");
	g_assert_cmpstr(in.attributes[1].key, ==, "os_type");
	g_assert_cmpstr(in.attributes[1].value, ==, "hvm");
	g_assert_null(in.attributes[2].key);
	g_assert_false(in.stopped);
	g_assert_cmpuint(in.epoch, !=, 0);
	domain_desc_unref(d.desc);
}

static void test_nova_full(void)
{
	struct domain d = domain_of("nova-full.xml", VIR_DOMAIN_RUNNING);
	struct vmt_instance in;

	g_assert_cmpint(instance_from_domain(&d, KINDS_NOVA, "h", &scratch, &in, &error), ==, 0);
	g_assert_cmpstr(in.display_name, ==, "wéb-1 ☃ <b> 𝔘");
	g_assert_cmpstr(in.flavor.id, ==, "2");
	g_assert_true(in.flavor.has_extra_specs);
	g_assert_cmpstr(find(in.flavor.extra_specs, "hw:cpu_policy"), ==, "dedicated");
	g_assert_cmpstr(find(in.image_meta, "disk_format"), ==, "qcow2");
	domain_desc_unref(d.desc);
}

static void test_plain(void)
{
	struct domain d = domain_of("devices.xml", VIR_DOMAIN_SHUTOFF);
	struct vmt_instance in;

	g_assert_cmpint(instance_from_domain(&d, KINDS_NOVA, "h", &scratch, &in, &error), ==,
			-ENODATA);
	g_assert_cmpstr(
		error.text, ==,
		"domain instance-00000001 (d0d0caca-0001-4002-8003-0123456789ab): Nova's metadata: none; "
		"left out (discovery = auto would meter it)");
	for (enum kinds kinds = KINDS_AUTO; kinds <= KINDS_PLAIN; kinds += KINDS_PLAIN) {
		g_assert_cmpint(instance_from_domain(&d, kinds, "h", &scratch, &in, &error), ==, 0);
		g_assert_cmpstr(in.display_name, ==, "all kinds of devices");
		g_assert_cmpstr(in.name, ==, "instance-00000001");
		g_assert_null(in.project_id);
		g_assert_false(in.has_flavor);
		g_assert_false(in.has_image);
		g_assert_cmpstr(find(in.attributes, "title"), ==, "all kinds of devices");
		g_assert_cmpstr(find(in.attributes, "vcpus"), ==, "2");
		g_assert_cmpstr(find(in.attributes, "memory_mb"), ==, "4096");
		g_assert_cmpstr(in.status, ==, "stopped");
		g_assert_cmpstr(in.state, ==, "shutdown");
		g_assert_true(in.stopped);
	}
	domain_desc_unref(d.desc);

	/* Nova's metadata is there, but only plain is wanted. */
	d = domain_of("nova-full.xml", VIR_DOMAIN_RUNNING);
	g_assert_cmpint(instance_from_domain(&d, KINDS_PLAIN, "h", &scratch, &in, &error), ==, 0);
	g_assert_false(in.has_flavor);
	g_assert_cmpstr(in.display_name, ==, "instance-00000001");
	domain_desc_unref(d.desc);
}

static void test_hostile(void)
{
	struct domain d = domain_of("nova-hostile.xml", VIR_DOMAIN_RUNNING);
	struct vmt_instance in;

	g_assert_cmpint(instance_from_domain(&d, KINDS_NOVA, "h", &scratch, &in, &error), ==,
			-ENODATA);
	g_assert_nonnull(strstr(error.text, "Nova's metadata: no name; left out"));
	g_assert_cmpint(instance_from_domain(&d, KINDS_AUTO, "h", &scratch, &in, &error), ==, 0);
	g_assert_null(find(in.attributes, "memory_mb")); /* was no number */
	domain_desc_unref(d.desc);

	d = domain_of("broken.xml", VIR_DOMAIN_RUNNING);
	g_assert_cmpint(instance_from_domain(&d, KINDS_AUTO, "h", &scratch, &in, &error), ==,
			-ENODATA);
	g_assert_nonnull(strstr(error.text, "domain XML: line 1"));
	domain_desc_unref(d.desc);
}

static void test_words(void)
{
	static const struct {
		int state;
		const char *word, *status;
	} rows[] = {
		{ 0, "pending", "building" }, { 1, "running", "active" },
		{ 2, "running", "active" },   { 3, "paused", "paused" },
		{ 4, "shutdown", "stopped" }, { 5, "shutdown", "stopped" },
		{ 6, "crashed", "error" },    { 7, "suspended", "suspended" },
		{ 8, "pending", "building" }, { -1, "pending", "building" },
	};
	struct domain d = domain_of("no-metadata.xml", 0);
	struct vmt_instance in;

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		d.state = rows[i].state;
		g_assert_cmpint(instance_from_domain(&d, KINDS_AUTO, "h", &scratch, &in, &error),
				==, 0);
		g_assert_cmpstr(in.state, ==, rows[i].word);
		g_assert_cmpstr(in.status, ==, rows[i].status);
		g_assert_cmpint(in.stopped, ==, rows[i].state == 5);
	}
	domain_desc_unref(d.desc);
}

/* ------------------------------------------------------------------ the plugin */

/* The configuration structure, by the option table. */
static void *conf_new(const char *uri, const char *kinds)
{
	const struct vmt_plugin *p = &vmt_plugin_discovery_local_instances;
	char *conf = g_malloc0(p->conf_size);

	for (const struct vmt_option *o = p->options; o->name; o++) {
		const char *value = strcmp(o->name, "libvirt_uri") == 0 ? uri
				    : strcmp(o->name, "discovery") == 0 ? kinds
									: o->def;

		if (o->type == VMT_OPT_STRING) {
			memcpy(conf + o->offset, &value, sizeof(value));
		}
	}
	return conf;
}

static int discover(void *self, struct snapshot **ret)
{
	const struct vmt_discovery_ops *ops = vmt_plugin_discovery_local_instances.ops.discovery;
	struct vmt_call call = { .deadline_ns = clock_monotonic() + 20 * NS_PER_S,
				 .cancel = &never };
	struct vmt_snapshot_builder *b = snapshot_builder_new(0);
	int err = ops->discover(self, "", b, &call, &error);

	if (err == 1) {
		*ret = snapshot_builder_finish(b, NULL, 1);
	} else {
		snapshot_builder_free(b);
	}
	return err;
}

static void turn(void)
{
	for (int i = 0; i < 50; i++) {
		while (g_main_context_iteration(NULL, FALSE)) {
		}
		wait_sleep(NS_PER_MS);
	}
}

static void test_plugin(void)
{
	const struct vmt_discovery_ops *ops = vmt_plugin_discovery_local_instances.ops.discovery;
	void *conf = conf_new("test:///default", "auto"), *self = NULL;
	virConnectPtr conn;
	virDomainPtr dom;
	struct snapshot *s = NULL;

	g_assert_cmpint(ops->open(conf, &self, &error), ==, 0);
	g_assert_cmpint(discover(self, &s), ==, 1);
	g_assert_cmpuint(s->list.count, ==, 1);
	g_assert_cmpstr(s->list.instances[0].id, ==, "6695eb01-f6a4-8304-79aa-97f2502e193f");
	g_assert_cmpstr(s->list.instances[0].display_name, ==, "test");
	snapshot_unref(s);
	turn();
	g_assert_cmpint(discover(self, &s), ==, 0);

	conn = virConnectOpen("test:///default");
	dom = virDomainDefineXML(conn, "<domain type='test'><name>a</name><memory>65536</memory>"
				       "<os><type>hvm</type></os></domain>");
	g_assert_nonnull(dom);
	turn();
	g_assert_cmpint(discover(self, &s), ==, 1);
	g_assert_cmpuint(s->list.count, ==, 2);
	g_assert_cmpstr(s->list.instances[0].name, ==, "a");
	g_assert_true(s->list.instances[0].stopped);
	snapshot_unref(s);
	virDomainUndefine(dom);
	virDomainFree(dom);
	virConnectClose(conn);
	turn();
	g_assert_cmpint(discover(self, &s), ==, 1);
	g_assert_cmpuint(s->list.count, ==, 1);
	snapshot_unref(s);
	ops->close(self);
	ops->close(NULL);
	g_free(conf);
}

static void test_plugin_nova_only(void)
{
	const struct vmt_discovery_ops *ops = vmt_plugin_discovery_local_instances.ops.discovery;
	void *conf = conf_new("test:///default", "nova"), *self = NULL;
	struct snapshot *s = NULL;

	g_assert_cmpint(ops->open(conf, &self, &error), ==, 0);
	g_assert_cmpint(discover(self, &s), ==, 1);
	g_assert_cmpuint(s->list.count, ==, 0);
	snapshot_unref(s);
	ops->close(self);
	g_free(conf);
}

static void test_plugin_absent(void)
{
	const struct vmt_discovery_ops *ops = vmt_plugin_discovery_local_instances.ops.discovery;
	void *conf = conf_new("qemu+unix:///system?socket=/nonexistent/sock", "auto"), *self = NULL;
	struct snapshot *s = NULL;

	g_assert_cmpint(ops->open(conf, &self, &error), ==, 0);
	g_assert_cmpint(discover(self, &s), ==, -ENOTCONN);
	g_assert_nonnull(strstr(error.text,
				"libvirt qemu+unix:///system?socket=/nonexistent/sock: connect: "));
	ops->close(self);
	g_free(conf);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/discovery/nova", test_nova);
	g_test_add_func("/discovery/nova_full", test_nova_full);
	g_test_add_func("/discovery/plain", test_plain);
	g_test_add_func("/discovery/hostile", test_hostile);
	g_test_add_func("/discovery/words", test_words);
	g_test_add_func("/discovery/plugin", test_plugin);
	g_test_add_func("/discovery/plugin_nova_only", test_plugin_nova_only);
	g_test_add_func("/discovery/plugin_absent", test_plugin_absent);
	return g_test_run();
}

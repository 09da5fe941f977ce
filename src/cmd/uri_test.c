/* SPDX-License-Identifier: Apache-2.0 */
/* What a hypervisor's URI sets, read back by the parser of configuration files. */
#include "cmd/uri.h"

#include <errno.h>
#include <glib.h>

#include "base/arena.h"
#include "conf/ini.h"
#include "conf/problem.h"

static const struct vmt_option vsphere_options[] = {
	{ .group = "vmware", .name = "insecure" },
	{ .group = "vmware", .name = "ca_file" },
	{ .group = "virtmeter", .name = "elsewhere" },
	{ .name = NULL },
};
static const struct vmt_plugin libvirt = { .ns = VMT_INSPECTOR, .name = "libvirt" };
static const struct vmt_plugin vsphere = { .ns = VMT_INSPECTOR,
					   .name = "vsphere",
					   .options = vsphere_options };
static const struct vmt_plugin *const plugins[] = { &libvirt, &vsphere, NULL };

static void check_value(const struct ini *ini, const char *group, const char *name,
			const char *expected)
{
	struct problems *problems = problems_new();
	struct arena *arena = arena_new(256);
	const struct ini_value *value = ini_find(ini, group, name, NULL);

	g_assert_nonnull(value);
	g_assert_cmpstr(ini_substitute(ini, value, arena, problems), ==, expected);
	arena_free(arena);
	problems_free(problems);
}

static struct ini *read_uri(const char *uri, const char *inspector)
{
	struct problems *problems = problems_new();
	struct ini *ini = ini_new();
	struct vmt_error error;
	const char *found;
	char *text;

	g_assert_cmpint(uri_read(plugins, uri, &text, &found, &error), ==, 0);
	g_assert_cmpstr(found, ==, inspector);
	g_assert_cmpint(ini_read_text(ini, "uri", text, strlen(text), problems), ==, 0);
	g_free(text);
	problems_free(problems);
	return ini;
}

static void test_libvirt(void)
{
	struct ini *ini = read_uri("qemu+ssh://root@h/system?no_tty=1", NULL);

	check_value(ini, NULL, "libvirt_uri", "qemu+ssh://root@h/system?no_tty=1");
	ini_free(ini);
}

static void test_vsphere(void)
{
	struct ini *ini = read_uri(
		"vsphere://dom%5Cadm:p%24x%25%22y@[::1]:8989?insecure=true&ca_file=%2Fca.pem",
		"vsphere");

	check_value(ini, "vmware", "host_ip", "::1");
	check_value(ini, "vmware", "host_port", "8989");
	check_value(ini, "vmware", "host_username", "dom\\adm");
	check_value(ini, "vmware", "host_password", "p$x%\"y");
	check_value(ini, "vmware", "insecure", "true");
	check_value(ini, "vmware", "ca_file", "/ca.pem");
	ini_free(ini);
	ini = read_uri("hyperv://h", "hyperv");
	check_value(ini, "hyperv", "host", "h");
	g_assert_null(ini_find(ini, "hyperv", "port", NULL));
	ini_free(ini);
}

static void test_wrong(void)
{
	static const char *const wrong[][2] = {
		{ "vsphere://", "vsphere://: names no host; write vsphere://USER@HOST" },
		{ "vsphere://h?a%5Db=1", "vsphere://h?a%5Db=1: 'a]b' is no option of [vmware]" },
		{ "vsphere://h?nope=1", "vsphere://h?nope=1: 'nope' is no option of [vmware]" },
		{ "vsphere://h?insecure=1&elsewhere=1",
		  "vsphere://h?insecure=1&elsewhere=1: 'elsewhere' is no option of [vmware]" },
		{ "vsphere://h?cafile=x",
		  "vsphere://h?cafile=x: 'cafile' is no option of [vmware]; did you mean ca_file?" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
		struct vmt_error error;
		const char *inspector;
		char *text;

		g_assert_cmpint(uri_read(plugins, wrong[i][0], &text, &inspector, &error), ==,
				-EINVAL);
		g_assert_cmpstr(error.text, ==, wrong[i][1]);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/cmd/uri/libvirt", test_libvirt);
	g_test_add_func("/cmd/uri/vsphere", test_vsphere);
	g_test_add_func("/cmd/uri/wrong", test_wrong);
	return g_test_run();
}

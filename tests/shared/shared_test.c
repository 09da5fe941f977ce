/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program's own shared objects: declared, found, opened when they are looked for, working on the
 * program's clock and log with code of their own.
 */
#include <glib/gstdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "plugin/object.h"
#include "plugin/registry.h"
#include "probe.h"

static const char *folder;

static const struct vmt_plugin probe = { PROBE_DECLARATION };
static const struct vmt_plugin older = {
	.abi = VMT_ABI, .ns = VMT_PUBLISHER, .name = "probe", .version = "0", .help = "Of before."
};
static const struct vmt_plugin missing = {
	.abi = VMT_ABI, .ns = VMT_PUBLISHER, .name = "missing", .version = "1", .help = "None."
};

static bool is_loaded(void)
{
	char *maps = NULL;
	bool found;

	g_assert_true(g_file_get_contents("/proc/self/maps", &maps, NULL, NULL));
	found = strstr(maps, "publisher-probe") != NULL;
	g_free(maps);
	return found;
}

/* Names are known, files are found, nothing is opened; what is not there says so when it is wanted. */
static void test_declared(void)
{
	const struct vmt_plugin *const builtin[] = { &probe, &missing, NULL };
	struct registry *r = registry_new(builtin);
	struct vmt_error error = { "" };
	const char **names;

	g_assert_cmpuint(registry_failures(r), ==, 0);
	g_assert_cmpint(registry_load_dir(r, folder, NULL), ==, 0);
	g_assert_cmpint(registry_load_dir(r, folder, NULL), ==, 0); /* plugin_dir is the same */
	registry_load_all(r, NULL);
	names = registry_names(r, VMT_PUBLISHER);
	g_assert_cmpuint(g_strv_length((char **)names), ==, 2);
	g_free(names);
	g_assert_true(g_str_has_suffix(registry_file(r, 0), "/publisher-probe.so"));
	g_assert_null(registry_file(r, 1));
	g_assert_null(registry_at(r, 0)->ops.publisher);
	g_assert_false(is_loaded());
	g_assert_null(registry_find(r, VMT_PUBLISHER, "missing", &error));
	g_assert_cmpstr(error.text, ==,
			"publisher-missing.so: not found beside the program's other plugins; "
			"install it");
	g_assert_null(registry_find(r, VMT_PUBLISHER, "nonesuch", &error));
	g_assert_cmpstr(error.text, ==, "no publisher of that scheme in this virtmeter");
	registry_free(r);
}

/* A file that another version left behind is not used. */
static void test_other_version(void)
{
	const struct vmt_plugin *const builtin[] = { &older, NULL };
	struct registry *r = registry_new(builtin);
	struct vmt_error error = { "" };

	registry_load_dir(r, folder, NULL);
	g_assert_null(registry_find(r, VMT_PUBLISHER, "probe", &error));
	g_assert_nonnull(strstr(error.text, "not of this virtmeter (0)"));
	registry_free(r);
}

static void test_works(void)
{
	const struct vmt_plugin *const builtin[] = { &probe, NULL };
	struct registry *r = registry_new(builtin);
	struct log_settings settings = { .level = VMT_LOG_INFO };
	const struct vmt_plugin *p;
	struct plugin_object *object = NULL;
	struct vmt_error error = { "" };
	struct ini *ini = ini_new();
	char *log = NULL, *text = NULL;
	int fd = g_file_open_tmp("shared-XXXXXX", &log, NULL);

	g_close(fd, NULL);
	settings.file = log;
	g_assert_cmpint(log_init(&settings, &error), ==, 0);
	registry_load_dir(r, folder, NULL);
	p = registry_find(r, VMT_PUBLISHER, "probe", &error);
	g_assert_cmpstr(error.text, ==, "");
	g_assert_nonnull(p);
	g_assert_true(is_loaded());
	g_assert_true(registry_at(r, 0) == p);
	g_assert_cmpint(plugin_object_open(p, ini, "probe://", NULL, false, &object, NULL, &error),
			==, 0);
	p->ops.publisher->publish(object->self, NULL, 1, NULL, &error);
	g_assert_cmpstr(error.text, ==, "mono=5000000000 real=1000000000000000007 json=0.1");
	plugin_object_close(object);
	log_fini();
	g_assert_true(g_file_get_contents(log, &text, NULL, NULL));
	g_assert_nonnull(strstr(text, "WARNING plugin: probe: a line of the shared object\n"));
	g_remove(log);
	g_free(log);
	g_free(text);
	ini_free(ini);
	registry_free(r);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	for (int i = 1; i + 1 < argc; i++) {
		folder = strcmp(argv[i], "--plugins") == 0 ? argv[i + 1] : folder;
	}
	clock_simulate(INT64_C(1000000000000000007), 5 * NS_PER_S);
	g_test_add_func("/shared/declared", test_declared);
	g_test_add_func("/shared/other-version", test_other_version);
	g_test_add_func("/shared/works", test_works);
	return g_test_run();
}

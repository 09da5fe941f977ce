/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registry and objects, with plugins built into the test and real shared objects (folder `test`, given by
 * --plugins).
 */
#include "plugin/registry.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "conf/settings.h"
#include "plugin/object.h"

struct test_conf { /* as in test/good.c */
	const char *mark;
	int64_t size;
};

static const char *modules = "src/plugin/test";

static int open_nothing(const void *conf, void **ret_self, struct vmt_error *error)
{
	*ret_self = NULL;
	return 0;
}

static int fail_silently(const void *conf, void **ret_self, struct vmt_error *error)
{
	return -EPERM;
}

static const struct vmt_discovery_ops discovery_ops = { .open = open_nothing };
static const struct vmt_discovery_ops failing_ops = { .open = fail_silently };
static const char *const aliases[] = { "second", "third", NULL };
static const struct vmt_option outside[] = {
	{ .name = "x", .type = VMT_OPT_INT, .offset = 4 },
	{ .name = NULL },
};

static const struct vmt_plugin first = { .abi = VMT_ABI,
					 .ns = VMT_DISCOVERY,
					 .name = "first",
					 .aliases = aliases,
					 .ops.discovery = &discovery_ops };
static const struct vmt_plugin same = {
	.abi = VMT_ABI, .ns = VMT_DISCOVERY, .name = "third", .ops.discovery = &discovery_ops
};
static const struct vmt_plugin failing = {
	.abi = VMT_ABI, .ns = VMT_DISCOVERY, .name = "failing", .ops.discovery = &failing_ops
};
static const struct vmt_plugin nameless = { .abi = VMT_ABI,
					    .ns = VMT_DISCOVERY,
					    .ops.discovery = &discovery_ops };
static const struct vmt_plugin sloppy = { .abi = VMT_ABI,
					  .ns = VMT_DISCOVERY,
					  .name = "sloppy",
					  .options = outside,
					  .conf_size = 8,
					  .ops.discovery = &discovery_ops };
static const struct vmt_plugin *const builtin[] = { &first,    &same,   &failing,
						    &nameless, &sloppy, NULL };

static void test_builtin(void)
{
	struct registry *r = registry_new(builtin);
	const char **names = registry_names(r, VMT_DISCOVERY);
	const struct vmt_option **tables = registry_options(r);

	g_assert_true(tables[0] == settings_options && !tables[1]);
	g_free(tables);
	g_assert_true(registry_find(r, VMT_DISCOVERY, "first", NULL) == &first);
	g_assert_true(registry_find(r, VMT_DISCOVERY, "second", NULL) == &first);
	g_assert_true(registry_find(r, VMT_DISCOVERY, "third", NULL) ==
		      &first); /* the first one stays */
	g_assert_null(registry_find(r, VMT_INSPECTOR, "first", NULL));
	g_assert_cmpuint(registry_count(r), ==, 2);
	g_assert_null(registry_file(r, 0));
	g_assert_cmpuint(registry_failures(r), ==, 3);
	g_assert_cmpstr(
		registry_failure(r, 0), ==,
		"built in: discovery third is already there (built in); remove one of them");
	g_assert_nonnull(strstr(registry_failure(r, 1), "no namespace, name or operations"));
	g_assert_nonnull(strstr(registry_failure(r, 2), "option x lies outside"));
	g_assert_cmpstr(names[0], ==, "first");
	g_assert_cmpstr(names[1], ==, "failing");
	g_assert_null(names[2]);
	g_free(names);
	registry_free(r);
	registry_free(NULL);
}

static const char *failure_of(const struct registry *r, const char *file)
{
	for (size_t i = 0; i < registry_failures(r); i++) {
		const char *name = strstr(registry_failure(r, i), file);

		if (name) {
			return name;
		}
	}
	return NULL;
}

static void test_shared(void)
{
	struct registry *r = registry_new(builtin);
	struct problems *problems = problems_new();
	char *text = g_strnfill(4096, 'x'), *broken = g_build_filename(modules, "broken.so", NULL);
	const struct vmt_plugin *p;
	size_t before = registry_failures(r);

	g_assert_true(g_file_set_contents(broken, text, -1, NULL));
	g_assert_cmpint(registry_load_dir(r, modules, problems), ==, 0);
	p = registry_find(r, VMT_PUBLISHER, "good", NULL);
	g_assert_nonnull(p);
	g_assert_true(registry_find(r, VMT_PUBLISHER, "good_alias", NULL) == p);
	g_assert_true(g_str_has_suffix(registry_file(r, registry_count(r) - 1), "/good.so"));
	g_assert_null(registry_find(r, VMT_PUBLISHER, "future", NULL));
	g_assert_cmpstr(failure_of(r, "abi99.so"), ==,
			"abi99.so: ABI 99, this virtmeter has 0; build it against this version's "
			"virtmeter/plugin.h");
	g_assert_nonnull(strstr(failure_of(r, "nosymbol.so"), "no symbol vmt_plugin"));
	g_assert_nonnull(strstr(failure_of(r, "zdouble.so"), "publisher good is already there ("));
	g_assert_nonnull(strstr(failure_of(r, "broken.so"), "ELF"));
	g_assert_cmpuint(registry_failures(r), ==, before + 4);
	g_assert_cmpuint(problems_count(problems), ==, 4);
	for (size_t i = 0; i < 4; i++) {
		g_assert_true(problems_at(problems, i)->failed);
		g_assert_cmpint(problems_at(problems, i)->level, ==, PROBLEM_WARNING);
	}
	g_remove(broken);
	g_free(broken);
	g_free(text);
	problems_free(problems);
	registry_free(r);
}

static bool has_library(const char *word)
{
	char *maps = NULL;
	bool found;

	g_assert_true(g_file_get_contents("/proc/self/maps", &maps, NULL, NULL));
	found = strstr(maps, word);
	g_free(maps);
	return found;
}

static void test_late(void)
{
	struct registry *r = registry_new(NULL);
	struct problems *problems = problems_new();
	const char **names;

	registry_load_dir(r, modules, NULL);
	names = registry_names(r, VMT_PUBLISHER);
	g_assert_true(g_strv_contains(names, "late"));
	g_free(names);
	g_assert_false(has_library("publisher-late"));
	g_assert_nonnull(registry_find(r, VMT_PUBLISHER, "late", NULL));
	g_assert_true(has_library("publisher-late"));
	g_assert_null(failure_of(r, "publisher-liar.so"));
	g_assert_null(registry_find(r, VMT_PUBLISHER, "liar", NULL));
	g_assert_cmpstr(
		failure_of(r, "publisher-liar.so"), ==,
		"publisher-liar.so: holds publisher honest, not what its name says; rename the file");
	registry_free(r);

	r = registry_new(NULL);
	registry_load_dir(r, modules, NULL);
	registry_load_all(r, problems);
	g_assert_cmpuint(problems_count(problems), ==, 1);
	g_assert_nonnull(strstr(problems_at(problems, 0)->text, "publisher-liar.so"));
	g_assert_cmpuint(registry_count(r), ==, 2);
	problems_free(problems);
	registry_free(r);
}

static void test_folders(void)
{
	struct registry *r = registry_new(NULL);
	struct problems *problems = problems_new();

	g_assert_cmpint(registry_load_dir(r, "/nowhere/at/all", problems), ==, 0);
	g_assert_cmpint(registry_load_dir(r, "", problems), ==, 0);
	g_assert_cmpuint(problems_count(problems), ==, 0);
	g_assert_cmpint(registry_load_dir(r, "/dev/null", problems), ==, -ENOTDIR);
	g_assert_cmpuint(problems_count(problems), ==, 1);
	problems_free(problems);
	registry_free(r);
}

static void test_object(void)
{
	static const char text[] = "[good]\nmark=from file\nsize=9\n";
	struct registry *r = registry_new(builtin);
	struct ini *ini = ini_new();
	struct position at = { "pipeline.yaml", 3, 5 };
	struct vmt_error error = { "" };
	struct plugin_object *o = NULL;
	const struct vmt_plugin *p;
	const struct test_conf *c;

	registry_load_dir(r, modules, NULL);
	p = registry_find(r, VMT_PUBLISHER, "good", NULL);
	ini_read_text(ini, "t.conf", text, strlen(text), NULL);
	g_assert_cmpint(plugin_object_open(p, ini, "good://me:pw@h/x?size=11", &at, false, &o, NULL,
					   &error),
			==, 0);
	c = o->self;
	g_assert_cmpstr(c->mark, ==, "from file");
	g_assert_cmpint(c->size, ==, 11);
	g_assert_cmpstr(plugin_object_url(o), ==, "good://me:****@h/x?size=11");
	plugin_object_close(o);
	plugin_object_close(NULL);

	o = NULL;
	g_assert_cmpint(plugin_object_open(p, ini, "good:///x?size=101", &at, false, &o, NULL,
					   &error),
			==, -EINVAL);
	g_assert_cmpstr(
		error.text, ==,
		"pipeline.yaml:3:5: URL: size: '101' will not do; write a whole number from 1 to 100");
	g_assert_cmpint(plugin_object_open(p, ini, "good://h:x", &at, false, &o, NULL, &error), ==,
			-EINVAL);
	g_assert_nonnull(strstr(error.text, "pipeline.yaml:3:5: URL: port x"));
	g_assert_cmpint(plugin_object_open(p, ini, NULL, &at, false, &o, NULL, &error), ==,
			-EINVAL);
	g_assert_nonnull(strstr(error.text, "no URL"));
	g_assert_cmpint(plugin_object_open(p, ini, "good:///fail", &at, false, &o, NULL, &error),
			==, -EACCES);
	g_assert_cmpstr(error.text, ==, "good:///fail: told to fail");
	p = registry_find(r, VMT_DISCOVERY, "failing", NULL);
	g_assert_cmpint(plugin_object_open(p, ini, NULL, NULL, false, &o, NULL, &error), ==,
			-EPERM);
	g_assert_cmpstr(error.text, ==, g_strerror(EPERM));
	g_assert_null(o);
	p = registry_find(r, VMT_DISCOVERY, "first", NULL);
	g_assert_cmpint(plugin_object_open(p, ini, NULL, NULL, false, &o, NULL, &error), ==, 0);
	g_assert_cmpstr(plugin_object_url(o), ==, "");
	plugin_object_close(o);
	ini_free(ini);
	registry_free(r);
}

static void test_check(void)
{
	struct registry *r = registry_new(NULL);
	struct ini *ini = ini_new();
	struct problems *problems = problems_new();
	const struct vmt_plugin *p;

	registry_load_dir(r, modules, NULL);
	p = registry_find(r, VMT_PUBLISHER, "good", NULL);
	g_assert_cmpint(plugin_object_check(p, ini, "good:///fail", NULL, problems), ==,
			0); /* opens nothing */
	g_assert_cmpint(plugin_object_check(p, ini, "good:///?size=0", NULL, problems), ==,
			-EINVAL);
	g_assert_cmpuint(problems_of(problems, PROBLEM_ERROR), ==, 1);
	problems_free(problems);
	ini_free(ini);
	registry_free(r);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	for (int i = 1; i + 1 < argc; i++) {
		if (strcmp(argv[i], "--plugins") == 0) {
			modules = argv[i + 1];
		}
	}
	g_test_add_func("/plugin/builtin", test_builtin);
	g_test_add_func("/plugin/shared", test_shared);
	g_test_add_func("/plugin/late", test_late);
	g_test_add_func("/plugin/folders", test_folders);
	g_test_add_func("/plugin/object", test_object);
	g_test_add_func("/plugin/check", test_check);
	return g_test_run();
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * INI files.  The values and refusals of `grammar` are those of oslo.config 9.0.0 for the same texts, but
 * for a byte order mark, which it refuses.
 */
#include "conf/ini.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "base/arena.h"

struct option_conf {
	const char *a, *b, *x, *gb;
};

#define STRING(group_, name_, member_, def_)                                                       \
	{                                                                                          \
		.group = group_, .name = name_, .type = VMT_OPT_STRING,                            \
		.offset = offsetof(struct option_conf, member_), .def = def_                       \
	}
static const struct vmt_option options[] = {
	STRING(NULL, "a", a, NULL), STRING(NULL, "b", b, "default of b"),
	STRING("g", "x", x, NULL),  STRING("g", "only", gb, "$b!"),
	{ .name = NULL },
};

static void check(const char *text, const char *group, const char *name, const char *wanted)
{
	struct ini *ini = ini_new();
	struct arena *arena = arena_new(0);
	struct problems *problems = problems_new();
	const struct ini_value *v;
	const char *got = NULL;
	int ret;

	ini_know(ini, options);
	ret = ini_read_text(ini, "t.conf", text, strlen(text), problems);
	v = ini_find(ini, group, name, NULL);
	if (v) {
		got = ini_substitute(ini, v, arena, problems);
	}
	if (wanted && problems_count(problems)) {
		g_test_message("%s", problems_at(problems, 0)->text);
	}
	if (wanted) {
		g_assert_cmpint(ret, ==, 0);
		g_assert_cmpstr(got, ==, wanted);
		g_assert_cmpuint(problems_count(problems), ==, 0);
	} else {
		g_assert_true(ret == -EINVAL || !got);
		g_assert_cmpuint(problems_of(problems, PROBLEM_ERROR), >, 0);
	}
	problems_free(problems);
	arena_free(arena);
	ini_free(ini);
}

static void test_grammar(void)
{
	static const struct {
		const char *text, *wanted; /* of [DEFAULT] a; NULL: refused */
	} rows[] = {
		{ "[DEFAULT]\na=1\n", "1" },
		{ "[DEFAULT]\na = 1", "1" },
		{ "[DEFAULT]\na: v=1\n", "v=1" },
		{ "[DEFAULT]\na = v:1\n", "v:1" },
		{ "[DEFAULT]\na=  sp aced  \n", "sp aced" },
		{ "[DEFAULT]\na=\n", "" },
		{ "[DEFAULT]\na=\"q \"\n", "q " },
		{ "[DEFAULT]\na='q'\n", "q" },
		{ "[DEFAULT]\na=\"\"q\"\"\n", "\"q\"" },
		{ "[DEFAULT]\na=\"\n", "" },
		{ "[DEFAULT]\na=\"x'\n", "\"x'" },
		{ "[DEFAULT]\na=\"x\n y\"\n", "\"x\ny\"" },
		{ "[DEFAULT]\na=x\r\n b\r\n", "x\nb" },
		{ "[DEFAULT]\na = one,\n\ttwo\n    three\n", "one,\ntwo\nthree" },
		{ "[DEFAULT]\na = one\n  # indented\n", "one\n# indented" },
		{ "[DEFAULT]\na = one # no comment\n", "one # no comment" },
		{ "# c\n; d\n[DEFAULT]\n\n   \n#a=2\na=1\n", "1" },
		{ "[DEFAULT]\na=1\n[g]\na=3\n[DEFAULT]\na=2\n", "2" },
		{ "[DEFAULT]\na=${g.x}\n[G]\nx=upper\n", "upper" },
		{ "[DEFAULT]\na=$g.x/\n[g]\nx=$b\n", "default of b/" },
		{ "[DEFAULT]\na=${g.only}\nb=B\n", "B!" },
		{ "[DEFAULT]\na=$b$b\nb=\n", "" },
		{ "[DEFAULT]\na=$5 $$5 \\$5 ${b}c\\d $\nb=B\n", "$5 $5 $5 Bc\\d $" },
		{ "[DEFAULT]\na=${b\nb=1\n", "${b" },
		{ "\xef\xbb\xbf[DEFAULT]\na=1\n", "1" },
		{ "[DEFAULT]\na = one\n\n two\n", NULL },
		{ "[DEFAULT]\n two\n", NULL },
		{ "a=1\n", NULL },
		{ "[DEFAULT\na=1\n", NULL },
		{ "[]\na=1\n", NULL },
		{ "[DEFAULT] # x\na=1\n", NULL },
		{ "[DEFAULT]\n=x\n", NULL },
		{ "[DEFAULT]\na\n", NULL },
		{ "[DEFAULT]\na=$nope\n", NULL },
		{ "[DEFAULT]\na=$a\n", NULL },
		{ "[DEFAULT]\na=$B\nb=1\n", NULL },
		{ "[DEFAULT]\na=\xff\n", NULL },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		check(rows[i].text, NULL, "a", rows[i].wanted);
	}
	check("[default]\na=1\n[g]\nx=own $b\nb=not known but there\n", "g", "x",
	      "own not known but there");
	check("[g]\nx=$b\n", "g", "x", "default of b");
	check("[DEFAULT]\nlog-file=x\n", NULL, "log_file", "x");
}

static void expect_error(const char *text, const char *wanted)
{
	struct ini *ini = ini_new();
	struct problems *problems = problems_new();

	g_assert_cmpint(ini_read_text(ini, "t.conf", text, strlen(text), problems), ==, -EINVAL);
	g_assert_cmpstr(problems_first_error(problems), ==, wanted);
	problems_free(problems);
	ini_free(ini);
}

static void test_places(void)
{
	static const char text[] = "[DEFAULT]\n\nhost =  a\n  b\nuri: \"c\"\n";
	struct ini *ini = ini_new();
	const struct ini_value *v;

	g_assert_cmpint(ini_read_text(ini, "t.conf", text, strlen(text), NULL), ==, 0);
	v = ini_find(ini, NULL, "host", NULL);
	g_assert_cmpstr(v->at.file, ==, "t.conf");
	g_assert_cmpuint(v->at.line, ==, 3);
	g_assert_cmpuint(v->at.column, ==, 1);
	g_assert_cmpuint(v->value_at.line, ==, 3);
	g_assert_cmpuint(v->value_at.column, ==, 9);
	v = ini_find(ini, NULL, "uri", NULL);
	g_assert_cmpuint(v->value_at.line, ==, 5);
	g_assert_cmpuint(v->value_at.column, ==, 7);
	ini_free(ini);
	expect_error("[DEFAULT]\nhost\n",
		     "t.conf:2:1: no '=' in the line; write key = value, begin a comment with '#'");
	expect_error("[DEFAULT]\nx=1\n\n y\n",
		     "t.conf:4:1: the line begins with white space but continues no "
		     "value; begin it in column 1");
}

static void test_several(void)
{
	static const char first[] = "[DEFAULT]\nnew=1\nold=0\n[g]\nx=1\n",
			  second[] = "[DEFAULT]\nold=2\n", third[] = "[DEFAULT]\nnew=3\nold=9\n";
	struct ini *ini = ini_new();

	ini_read_text(ini, "1.conf", first, strlen(first), NULL);
	g_assert_cmpstr(ini_find(ini, NULL, "new", "old")->text, ==, "1");
	ini_read_text(ini, "2.conf", second, strlen(second), NULL);
	g_assert_cmpstr(ini_find(ini, NULL, "new", "old")->text, ==, "2");
	g_assert_cmpstr(ini_find(ini, NULL, "new", NULL)->text, ==, "1");
	ini_read_text(ini, "3.conf", third, strlen(third), NULL);
	g_assert_cmpstr(ini_find(ini, NULL, "new", "old")->text, ==, "3");
	g_assert_cmpstr(ini_find(ini, "g", "x", NULL)->text, ==, "1");
	g_assert_null(ini_find(ini, "g", "new", "old"));
	g_assert_cmpuint(ini_files(ini), ==, 3);
	g_assert_cmpstr(ini_file(ini, 1), ==, "2.conf");
	ini_free(ini);
}

static void test_environment(void)
{
	static const char text[] = "[DEFAULT]\na=1\nb=2\n[g]\nx=f\n";
	static const char *const environment[] = { "OS_DEFAULT__A=env$b",
						   "OS_G__X=e",
						   "OS_USERNAME=me",
						   "OS___X=1",
						   "OS_G__=1",
						   "OS_G__Y",
						   "PATH=/bin",
						   "OS_A_B__C_D=1",
						   NULL };
	struct ini *ini = ini_new();
	struct arena *arena = arena_new(0);
	const struct ini_value *v;

	ini_read_text(ini, "t.conf", text, strlen(text), NULL);
	ini_read_environment(ini, environment);
	v = ini_find(ini, NULL, "a", NULL);
	g_assert_cmpstr(ini_substitute(ini, v, arena, NULL), ==, "env2");
	g_assert_cmpstr(v->at.file, ==, "environment: OS_DEFAULT__A");
	g_assert_cmpuint(v->at.line, ==, 0);
	g_assert_cmpstr(ini_find(ini, "g", "x", NULL)->text, ==, "e");
	g_assert_cmpstr(ini_find(ini, "a_b", "c_d", NULL)->text, ==, "1");
	g_assert_cmpuint(ini_count(ini), ==, 6);
	arena_free(arena);
	ini_free(ini);
}

static void test_bounds(void)
{
	struct ini *ini = ini_new();
	struct problems *problems = problems_new();
	struct arena *arena = arena_new(0);
	struct buf text = BUF_INIT;

	buf_puts(&text, "[DEFAULT]\na=");
	for (size_t i = 0; i < 100000; i++) {
		buf_putc(&text, 'x'); /* a line of any length */
	}
	buf_puts(&text, "\n");
	g_assert_cmpint(ini_read_text(ini, "long.conf", text.data, text.len, problems), ==, 0);
	g_assert_cmpuint(strlen(ini_find(ini, NULL, "a", NULL)->text), ==, 100000);

	buf_reset(&text);
	buf_puts(&text, "[DEFAULT]\nv0=0123456789\n");
	for (unsigned i = 1; i < 12; i++) { /* 10^12 bytes, if it were let */
		buf_printf(&text, "v%u=", i);
		for (unsigned k = 0; k < 10; k++) {
			buf_printf(&text, "${v%u}", i - 1);
		}
		buf_putc(&text, '\n');
	}
	g_assert_cmpint(ini_read_text(ini, "laugh.conf", text.data, text.len, problems), ==, 0);
	g_assert_null(ini_substitute(ini, ini_find(ini, NULL, "v11", NULL), arena, problems));
	g_assert_cmpstr(problems_first_error(problems), ==,
			"laugh.conf:13:5: v11: longer than 1048576 bytes; shorten it");

	buf_reset(&text);
	buf_puts(&text, "[DEFAULT]\n");
	for (size_t i = 0; i < INI_VALUES_MAX; i++) {
		buf_puts(&text, "a=1\n");
	}
	g_assert_cmpint(ini_read_text(ini, "many.conf", text.data, text.len, problems), ==, -E2BIG);
	buf_reserve(&text, INI_FILE_MAX);
	while (text.len <= INI_FILE_MAX) {
		buf_putc(&text, '\n');
	}
	g_assert_cmpint(ini_read_text(ini, "large.conf", text.data, text.len, problems), ==,
			-E2BIG);
	buf_fini(&text);
	arena_free(arena);
	problems_free(problems);
	ini_free(ini);
}

/* ---- where files are */

static char *folder;

static void put(const char *path, const char *text)
{
	char *full = g_build_filename(folder, path, NULL), *dir = g_path_get_dirname(full);

	g_assert_cmpint(g_mkdir_with_parents(dir, 0755), ==, 0);
	g_assert_true(g_file_set_contents(full, text, -1, NULL));
	g_free(dir);
	g_free(full);
}

static void expect_host(const struct ini_search *search, const char *wanted, size_t files)
{
	struct ini *ini = ini_new();
	struct problems *problems = problems_new();
	const struct ini_value *v;

	g_assert_cmpint(ini_search(ini, search, problems), ==, 0);
	g_assert_cmpuint(problems_count(problems), ==, 0);
	v = ini_find(ini, NULL, "host", NULL);
	g_assert_cmpstr(v ? v->text : NULL, ==, wanted);
	g_assert_cmpuint(ini_files(ini), ==, files);
	problems_free(problems);
	ini_free(ini);
}

static void test_search(void)
{
	struct ini_search search = { .root = folder };
	char *file = g_build_filename(folder, "own.conf", NULL),
	     *dir = g_build_filename(folder, "d", NULL);
	const char *const files[] = { file, NULL }, *const dirs[] = { dir, NULL };

	expect_host(&search, NULL, 0);
	put("etc/ceilometer/ceilometer.conf", "[DEFAULT]\nhost=c\n");
	expect_host(&search, "c", 1);
	put("etc/ceilometer/ceilometer.conf.d/b.conf", "[DEFAULT]\nhost=cb\n");
	put("etc/ceilometer/ceilometer.conf.d/a.conf", "[DEFAULT]\nhost=ca\n");
	put("etc/ceilometer/ceilometer.conf.d/z.txt", "[DEFAULT]\nhost=no\n");
	expect_host(&search, "cb", 3);
	put("etc/virtmeter/virtmeter.conf", "[DEFAULT]\nhost=v\n");
	expect_host(&search, "v", 1);
	put("etc/virtmeter/virtmeter.conf.d/x.conf", "[DEFAULT]\nhost=vd\n");
	expect_host(&search, "vd", 2);
	put("own.conf", "[DEFAULT]\nhost=own\n");
	put("d/1.conf", "[DEFAULT]\nhost=dir\n");
	search.dirs = dirs;
	expect_host(&search, "dir", 2); /* with the file that is searched for, without its folder */
	search.dirs = NULL;
	search.files = files;
	expect_host(&search, "own", 1);
	put("own.conf.d/x.conf", "[DEFAULT]\nhost=beside\n");
	expect_host(&search, "beside", 2);
	search.dirs = dirs;
	expect_host(&search, "dir", 2);
	search.order = "df"; /* the later wins, whichever it is */
	expect_host(&search, "own", 2);
	g_free(file);
	g_free(dir);
}

static void test_missing(void)
{
	const char *const files[] = { "/nowhere/x.conf", NULL };
	struct ini_search search = { .files = files };
	struct ini *ini = ini_new();
	struct problems *problems = problems_new();

	g_assert_cmpint(ini_search(ini, &search, problems), ==, -ENOENT);
	g_assert_cmpstr(problems_first_error(problems), ==,
			"/nowhere/x.conf: there is no such file; check the path");
	g_assert_cmpint(ini_read_file(ini, folder, NULL), ==, -EISDIR);
	problems_free(problems);
	ini_free(ini);
}

static void test_find_file(void)
{
	struct ini *ini = ini_new();
	struct arena *arena = arena_new(0);
	char *main_file = g_build_filename(folder, "find/virtmeter.conf", NULL);
	char *part = g_build_filename(folder, "find/virtmeter.conf.d/1.conf", NULL);
	char *wanted = g_build_filename(folder, "find/polling.yaml", NULL);

	put("find/virtmeter.conf", "[DEFAULT]\n");
	put("find/virtmeter.conf.d/1.conf", "[DEFAULT]\n");
	put("find/polling.yaml", "sources: []\n");
	ini_read_file(ini, part, NULL);
	g_assert_cmpstr(ini_find_file(ini, "polling.yaml", arena), ==, wanted);
	ini_read_file(ini, main_file, NULL);
	g_assert_cmpstr(ini_find_file(ini, "polling.yaml", arena), ==, wanted);
	g_assert_cmpstr(ini_find_file(ini, wanted, arena), ==, wanted);
	g_assert_null(ini_find_file(ini, "nowhere-at-all.yaml", arena));
	g_assert_null(ini_find_file(ini, "/nowhere-at-all.yaml", arena));
	g_free(main_file);
	g_free(part);
	g_free(wanted);
	arena_free(arena);
	ini_free(ini);
}

static void remove_all(const char *path)
{
	GDir *dir = g_dir_open(path, 0, NULL);
	const char *name;

	while (dir && (name = g_dir_read_name(dir)) != NULL) {
		char *inner = g_build_filename(path, name, NULL);

		remove_all(inner);
		g_free(inner);
	}
	if (dir) {
		g_dir_close(dir);
	}
	g_remove(path);
}

/* "[vmware:east]" counts before "[vmware]" for the endpoint of that name alone, whatever stands later. */
static void test_overlay(void)
{
	static const char text[] =
		"[vmware:east]\nhost_port = 1\n[vmware]\nhost_port = 2\nuser = u\n"
		"[DEFAULT:EAST]\nlibvirt_uri = x\n[vmware:west]\nhost_port = 3\n"
		"[notvmware:east]\nhost_port = 4\n";
	struct problems *problems = problems_new();
	struct ini *ini = ini_new(), *east, *north;

	g_assert_cmpint(ini_read_text(ini, "t.conf", text, strlen(text), problems), ==, 0);
	east = ini_overlay(ini, "East");
	north = ini_overlay(ini, "north");
	g_assert_cmpstr(ini_find(east, "vmware", "host_port", NULL)->text, ==, "1");
	g_assert_cmpuint(ini_find(east, "vmware", "host_port", NULL)->at.line, ==, 2);
	g_assert_cmpstr(ini_find(east, "vmware", "user", NULL)->text, ==, "u");
	g_assert_cmpstr(ini_find(east, NULL, "libvirt_uri", NULL)->text, ==, "x");
	g_assert_cmpstr(ini_find(north, "vmware", "host_port", NULL)->text, ==, "2");
	g_assert_null(ini_find(north, NULL, "libvirt_uri", NULL));
	g_assert_cmpstr(ini_find(ini, "vmware", "host_port", NULL)->text, ==, "2");
	ini_free(east);
	ini_free(north);
	ini_free(ini);
	problems_free(problems);
}

int main(int argc, char **argv)
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	folder = g_dir_make_tmp("ini-test-XXXXXX", NULL);
	g_test_add_func("/conf/ini/grammar", test_grammar);
	g_test_add_func("/conf/ini/places", test_places);
	g_test_add_func("/conf/ini/several", test_several);
	g_test_add_func("/conf/ini/environment", test_environment);
	g_test_add_func("/conf/ini/bounds", test_bounds);
	g_test_add_func("/conf/ini/search", test_search);
	g_test_add_func("/conf/ini/missing", test_missing);
	g_test_add_func("/conf/ini/find-file", test_find_file);
	g_test_add_func("/conf/ini/overlay", test_overlay);
	ret = g_test_run();
	remove_all(folder);
	g_free(folder);
	return ret;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The set of values that all configuration files and the environment come to.  Built on the main thread,
 * which may block on the disk; constant afterwards.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/intern.h"
#include "base/utf8.h"
#include "conf/ini_private.h"
#include "conf/read.h"
#include "conf/settings.h"

static const char *const searched[] = { "/etc/virtmeter/virtmeter.conf",
					"/etc/ceilometer/ceilometer.conf" };

/* ---- the set */

static void free_list(void *list)
{
	g_ptr_array_unref(list);
}

struct ini *ini_new(void)
{
	struct ini *ini = g_new0(struct ini, 1);

	ini->arena = arena_new(0);
	ini->values = g_ptr_array_new();
	ini->index = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_list);
	ini->files = g_ptr_array_new();
	ini->tables = g_ptr_array_new();
	return ini;
}

void ini_free(struct ini *ini)
{
	if (ini) {
		g_ptr_array_unref(ini->values);
		g_hash_table_unref(ini->index);
		g_ptr_array_unref(ini->files);
		g_ptr_array_unref(ini->tables);
		arena_free(ini->arena);
		g_free(ini);
	}
}

const char *ini_group_name(struct arena *arena, const char *text, size_t size)
{
	char *name = arena_strndup(arena, text, size);

	if (strcmp(name, "DEFAULT") != 0) {
		for (char *p = name; *p; p++) {
			*p = g_ascii_tolower(*p);
		}
	}
	return name;
}

const char *ini_key_name(struct arena *arena, const char *text, size_t size)
{
	char *name = arena_strndup(arena, text, size);

	for (char *p = name; *p; p++) {
		*p = *p == '-' ? '_' : *p;
	}
	return name;
}

int ini_add(struct ini *ini, const struct ini_value *value)
{
	struct ini_value *copy;
	const char *key;
	GPtrArray *list;

	if (ini->values->len >= INI_VALUES_MAX) {
		return -E2BIG;
	}
	copy = arena_dup(ini->arena, value, sizeof(*value));
	g_ptr_array_add(ini->values, copy);
	key = arena_printf(ini->arena, "%s\n%s", copy->group, copy->name);
	list = g_hash_table_lookup(ini->index, key);
	if (!list) {
		list = g_ptr_array_new();
		g_hash_table_insert(ini->index, (char *)key, list);
	}
	g_ptr_array_add(list, copy);
	return 0;
}

const GPtrArray *ini_values(const struct ini *ini, const char *group, const char *name)
{
	char *key = g_strdup_printf("%s\n%s", group ? group : "DEFAULT", name);
	const GPtrArray *list = g_hash_table_lookup(ini->index, key);

	g_free(key);
	return list;
}

static const struct ini_value *last_of(const GPtrArray *list)
{
	return list ? g_ptr_array_index(list, list->len - 1) : NULL;
}

const struct ini_value *ini_find(const struct ini *ini, const char *group, const char *name,
				 const char *older)
{
	const struct ini_value *a = last_of(ini_values(ini, group, name));
	const struct ini_value *b = older ? last_of(ini_values(ini, group, older)) : NULL;

	if (!a || !b) {
		return a ? a : b;
	}
	return b->source > a->source ? b : a;
}

size_t ini_count(const struct ini *ini)
{
	return ini->values->len;
}

const struct ini_value *ini_at(const struct ini *ini, size_t i)
{
	return g_ptr_array_index(ini->values, i);
}

/* The group before the suffix. */
static const char *group_before(struct ini *ini, const char *group, const char *suffix)
{
	const char *name = arena_strndup(ini->arena, group, strlen(group) - strlen(suffix));

	return strcmp(name, "default") == 0 ? "DEFAULT" : name;
}

struct ini *ini_overlay(const struct ini *ini, const char *name)
{
	struct ini *o = ini_new();
	char *lower = g_ascii_strdown(name, -1), *suffix = g_strconcat(":", lower, NULL);

	for (size_t i = 0; i < ini_count(ini); i++) {
		(void)ini_add(o, ini_at(ini, i));
	}
	for (size_t i = 0; i < ini_count(ini); i++) {
		struct ini_value v = *ini_at(ini, i);

		if (g_str_has_suffix(v.group, suffix)) {
			v.group = group_before(o, v.group, suffix);
			v.source += ini->source;
			(void)ini_add(o, &v);
		}
	}
	for (size_t i = 0; i < ini_files(ini); i++) {
		g_ptr_array_add(o->files, (void *)(uintptr_t)ini_file(ini, i));
	}
	for (guint i = 0; i < ini->tables->len; i++) {
		g_ptr_array_add(o->tables, g_ptr_array_index(ini->tables, i));
	}
	o->host = ini->host;
	o->source = 2 * ini->source;
	g_free(suffix);
	g_free(lower);
	return o;
}

size_t ini_files(const struct ini *ini)
{
	return ini->files->len;
}

const char *ini_file(const struct ini *ini, size_t i)
{
	return g_ptr_array_index(ini->files, i);
}

void ini_know(struct ini *ini, const struct vmt_option *options)
{
	if (options) {
		g_ptr_array_add(ini->tables, (void *)options);
	}
}

void ini_know_settings(struct ini *ini)
{
	ini_know(ini, settings_options);
	ini->host = g_get_host_name();
}

/* ---- reading */

int ini_read_text(struct ini *ini, const char *name, const char *text, size_t size,
		  struct problems *problems)
{
	struct position at = { .file = intern(name) };

	if (size > INI_FILE_MAX) {
		problems_add(problems, PROBLEM_ERROR, &at,
			     "larger than %d bytes; is it the right file?", INI_FILE_MAX);
		return -E2BIG;
	}
	g_ptr_array_add(ini->files, arena_strdup(ini->arena, name));
	ini->source++;
	return ini_parse(ini, name, text, size, problems);
}

int ini_read_file(struct ini *ini, const char *path, struct problems *problems)
{
	struct buf text = BUF_INIT;
	int ret = conf_read_told(path, INI_FILE_MAX, &text, problems);

	if (ret == 0) {
		ret = ini_read_text(ini, path, text.data, text.len, problems);
	}
	buf_fini(&text);
	return ret;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int ini_read_dir(struct ini *ini, const char *path, struct problems *problems)
{
	struct position at = { .file = intern(path) };
	GPtrArray *names;
	struct dirent *entry;
	DIR *dir = opendir(path);
	int ret = 0;

	if (!dir) {
		ret = -errno;
		problems_add(problems, PROBLEM_ERROR, &at, "%s", conf_read_error(ret));
		return ret;
	}
	names = g_ptr_array_new_with_free_func(g_free);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.' && g_str_has_suffix(entry->d_name, ".conf")) {
			g_ptr_array_add(names, g_strdup(entry->d_name));
		}
	}
	closedir(dir);
	g_ptr_array_sort(names, by_name);
	for (size_t i = 0; i < names->len; i++) {
		char *file = g_build_filename(path, g_ptr_array_index(names, i), NULL);
		int one = ini_read_file(ini, file, problems);

		ret = ret ? ret : one;
		g_free(file);
	}
	g_ptr_array_unref(names);
	return ret;
}

void ini_read_environment(struct ini *ini, const char *const *environment)
{
	ini->source++;
	for (; environment && *environment; environment++) {
		const char *p = *environment, *equal = strchr(p, '='), *split;
		struct ini_value value = { .source = ini->source };
		char *name;

		if (strncmp(p, "OS_", 3) != 0 || !equal || !utf8_valid(p, strlen(p))) {
			continue;
		}
		split = g_strstr_len(p + 3, equal - p - 3, "__");
		if (!split || split == p + 3 || split + 2 == equal) {
			continue;
		}
		name = g_ascii_strdown(split + 2, equal - split - 2);
		value.group = ini_group_name(ini->arena, p + 3, (size_t)(split - p - 3));
		value.name = ini_key_name(ini->arena, name, strlen(name));
		value.text = arena_strdup(ini->arena, equal + 1);
		g_free(name);
		name = g_strdup_printf("environment: %.*s", (int)(equal - p), p);
		value.at.file = value.value_at.file = intern(name);
		g_free(name);
		if (ini_add(ini, &value) < 0) {
			return;
		}
	}
}

/* ---- where files are */

/* A file and, if so wanted, its folder "file.d": 1 when one of them is there. */
static int read_searched(struct ini *ini, const char *root, const char *path, bool folder,
			 struct problems *problems, int *ret_status)
{
	char *file = g_strconcat(root ? root : "", path, NULL);
	char *dir = g_strconcat(file, ".d", NULL);
	int found = 0;

	if (access(file, F_OK) == 0) {
		int one = ini_read_file(ini, file, problems);

		*ret_status = *ret_status ? *ret_status : one;
		found = 1;
	}
	if (folder && g_file_test(dir, G_FILE_TEST_IS_DIR)) {
		size_t before = ini->files->len;
		int one = ini_read_dir(ini, dir, problems);

		*ret_status = *ret_status ? *ret_status : one;
		found = found || one < 0 || ini->files->len > before;
	}
	g_free(file);
	g_free(dir);
	return found;
}

/* Files of a drop-in folder count beside a file that is named, too, as with oslo.config: "file.d". */
static int read_file_and_folder(struct ini *ini, const char *path, bool folder,
				struct problems *problems)
{
	char *dir = g_strconcat(path, ".d", NULL);
	int ret = ini_read_file(ini, path, problems), other = 0;

	if (folder && g_file_test(dir, G_FILE_TEST_IS_DIR)) {
		other = ini_read_dir(ini, dir, problems);
	}
	g_free(dir);
	return ret ? ret : other;
}

int ini_search(struct ini *ini, const struct ini_search *search, struct problems *problems)
{
	bool named = search->files && search->files[0], dirs = search->dirs && search->dirs[0];
	const char *const *file = search->files, *const *dir = search->dirs;
	const char *order = search->order ? search->order : "";
	int ret = 0;

	ini_know_settings(ini);
	for (size_t i = 0; !named && i < G_N_ELEMENTS(searched); i++) {
		if (read_searched(ini, search->root, searched[i], !dirs, problems, &ret)) {
			break;
		}
	}
	while ((file && *file) || (dir && *dir)) {
		bool is_dir = !file || !*file || (*order == 'd' && dir && *dir);
		int one = is_dir ? ini_read_dir(ini, *dir++, problems)
				 : read_file_and_folder(ini, *file++, !dirs, problems);

		ret = ret ? ret : one;
		order += *order ? 1 : 0;
	}
	ini_read_environment(ini, (const char *const *)environ);
	return ret;
}

static const char *try_file(const char *folder, const char *name, struct arena *arena)
{
	char *path = g_build_filename(folder, name, NULL);
	const char *found = access(path, F_OK) == 0 ? arena_strdup(arena, path) : NULL;

	g_free(path);
	return found;
}

const char *ini_find_file(const struct ini *ini, const char *name, struct arena *arena)
{
	const char *found = access(name, F_OK) == 0 ? arena_strdup(arena, name) : NULL;

	if (found || name[0] == '/' || name[0] == '\0') {
		return found;
	}
	for (size_t i = ini->files->len; !found && i-- > 0;) {
		char *folder = g_path_get_dirname(ini_file(ini, i));

		found = try_file(folder, name, arena);
		if (!found && g_str_has_suffix(folder, ".conf.d")) {
			char *above = g_path_get_dirname(folder);

			found = try_file(above, name, arena);
			g_free(above);
		}
		g_free(folder);
	}
	for (size_t i = 0; !found && i < G_N_ELEMENTS(searched); i++) {
		char *folder = g_path_get_dirname(searched[i]);

		found = try_file(folder, name, arena);
		g_free(folder);
	}
	return found;
}

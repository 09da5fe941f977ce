/* SPDX-License-Identifier: Apache-2.0 */
/* Option tables from YAML mappings.  Blocks on nothing. */
#include "conf/option_tree.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/buf.h"
#include "conf/nearest.h"

struct walk {
	const struct vmt_option *options;
	struct arena *arena;
	void *conf;
	struct problems *problems;
	struct buf path;
	int status;
};

/* The text of a scalar that is a number: as it is when it is decimal, else (bases, sexagesimal parts) its
 * value. */
static const char *number_text(const struct yaml_node *node, double value, char *room, size_t size)
{
	const char *digits = node->text + strspn(node->text, "+-");

	if (digits[strspn(digits, "0123456789.eE+-")] == '\0' &&
	    (digits[0] != '0' || digits[1] == '.' || digits[1] == '\0')) {
		return node->text;
	}
	return g_ascii_formatd(room, (int)size, "%.17g", value);
}

static int set_scalar(struct walk *w, const struct vmt_option *o, const struct yaml_node *value)
{
	char room[G_ASCII_DTOSTR_BUF_SIZE];
	const char *text = value->text;
	double number;
	bool is_number = yaml_number(value, &number);

	if (is_number) {
		text = number_text(value, number, room, sizeof(room));
	}
	return option_set(o, text, is_number, &value->at, w->arena, w->conf, w->problems);
}

const struct yaml_node *options_tree_find(const struct yaml_node *map, const char *path, size_t len)
{
	while (map && len > 0) {
		const char *dot = memchr(path, '.', len);
		size_t n = dot ? (size_t)(dot - path) : len;
		char *key = g_strndup(path, n);

		map = yaml_get(map, key);
		g_free(key);
		path += n + (dot != NULL);
		len -= n + (dot != NULL);
	}
	return map;
}

static const struct vmt_option *find(const struct walk *w)
{
	for (const struct vmt_option *o = w->options; o && o->name; o++) {
		if (strcmp(o->name, w->path.data) == 0) {
			return o;
		}
	}
	return NULL;
}

/* Whether there are options below the path. */
static bool is_section(const struct walk *w)
{
	for (const struct vmt_option *o = w->options; o && o->name; o++) {
		if (g_str_has_prefix(o->name, w->path.data) && o->name[w->path.len] == '.') {
			return true;
		}
	}
	return false;
}

static void unknown(struct walk *w, const struct yaml_node *key)
{
	GPtrArray *names = g_ptr_array_new();
	const char *near;

	for (const struct vmt_option *o = w->options; o && o->name; o++) {
		g_ptr_array_add(names, (void *)(uintptr_t)o->name);
	}
	g_ptr_array_add(names, NULL);
	near = conf_nearest(w->path.data, (const char *const *)names->pdata);
	problems_add(w->problems, PROBLEM_WARNING, &key->at, "unknown parameter %s%s%s%s",
		     w->path.data, near ? "; did you mean " : "", near ? near : "",
		     near ? "?" : "");
	g_ptr_array_unref(names);
}

static void wrong(struct walk *w, const struct yaml_node *at, const char *should)
{
	problems_add(w->problems, PROBLEM_ERROR, &at->at, "%s should be %s", w->path.data, should);
	w->status = -EINVAL;
}

static void walk(struct walk *w, const struct yaml_node *map)
{
	size_t before = w->path.len;

	for (size_t i = 0; i < map->count; i++) {
		const struct yaml_node *key = map->key[i], *value = map->value[i];
		const struct vmt_option *o;

		buf_printf(&w->path, "%s%s", before ? "." : "",
			   key->kind == YAML_SCALAR ? key->text : "?");
		o = find(w);
		if (!o && !is_section(w)) {
			unknown(w, key);
		} else if (value->kind == YAML_NULL) {
			/* as if it were not there */
		} else if (!o && value->kind == YAML_MAP) {
			walk(w, value);
		} else if (!o) {
			wrong(w, value, "a mapping");
		} else if (value->kind != YAML_SCALAR) {
			wrong(w, value, "a number or a text");
		} else if (set_scalar(w, o, value) < 0) {
			w->status = -EINVAL;
		}
		w->path.len = before;
		w->path.data[before] = '\0';
	}
}

int options_decode_tree(const struct vmt_option *options, const struct yaml_node *map,
			struct arena *arena, void *conf, struct problems *problems)
{
	struct walk w = { .options = options, .arena = arena, .conf = conf, .problems = problems };

	options_default(options, arena, conf);
	if (!map || map->kind == YAML_NULL) {
		return 0;
	}
	if (map->kind != YAML_MAP) {
		problems_add(problems, PROBLEM_ERROR, &map->at, "parameters should be a mapping");
		return -EINVAL;
	}
	buf_init(&w.path);
	walk(&w, map);
	buf_fini(&w.path);
	return w.status;
}

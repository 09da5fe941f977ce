/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML as a tree with the place of every node, read by libyaml and bounded: size, depth, nodes (an alias
 * counts as often as what it stands for).  One document of YAML 1.1 as PyYAML's safe_load takes it, merge
 * keys ("<<: *other") included; what safe_load refuses (foreign tags, lists as keys) is an error here, and
 * so is a key that stands twice in one mapping, of which safe_load silently keeps the last.
 * A tree is immutable; reading blocks on nothing.
 */
#ifndef CONF_YAML_TREE_H
#define CONF_YAML_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/problem.h"

enum yaml_kind { YAML_NULL, YAML_SCALAR, YAML_LIST, YAML_MAP };

enum { YAML_DEPTH_MAX = 64, YAML_NODES_MAX = 100000, YAML_SIZE_MAX = 4 << 20 };

struct yaml_node {
	enum yaml_kind kind;
	struct position at;
	const char *text; /* YAML_SCALAR: UTF-8, zero-terminated */
	bool literal; /* YAML_SCALAR: written as lines behind | */
	bool quoted; /* YAML_SCALAR: so it is text, whatever it looks like */
	size_t count; /* YAML_LIST, YAML_MAP: entries */
	const struct yaml_node *const *value;
	const struct yaml_node *const *key; /* YAML_MAP; what was merged in comes first */
};

struct yaml;

/* Where a text is from. */
struct yaml_origin {
	struct position at; /* of its first byte; every line begins as far to the right */
	bool made; /* because of what stands there: each of its nodes has this place */
};

/* `file` stands for the text in messages.  0, or -EINVAL with one problem added.  An empty document is
 * YAML_NULL. */
int yaml_tree_parse(const char *file, const char *text, size_t size, struct yaml **ret_yaml,
		    struct problems *problems);
/* The same for a text that does not begin a file. */
int yaml_tree_parse_at(const struct yaml_origin *origin, const char *text, size_t size,
		       struct yaml **ret_yaml, struct problems *problems);
void yaml_tree_free(struct yaml *yaml);
const struct yaml_node *yaml_tree_root(const struct yaml *yaml);

/* The value of a map's key; NULL when it is not there or `map` is no map.  Of a repeated key the last. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);

/* Scalars as YAML 1.1 resolves them (a quoted one is text), false for anything else.  Numbers may have
 * '_' between digits, a base (0x, 0b, a leading 0 for octal) and sexagesimal parts (1:30). */
bool yaml_is_text(const struct yaml_node *node); /* quoted, or resolved to nothing else */
bool yaml_bool(const struct yaml_node *node, bool *ret_value);
/* int, or float (also .inf and .nan). */
bool yaml_number(const struct yaml_node *node, double *ret_value);
/* What Python's int() makes of the scalar: an int, a float cut to its whole part, text of decimal digits. */
bool yaml_int(const struct yaml_node *node, int64_t *ret_value);

#endif

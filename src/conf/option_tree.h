/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Option tables filled from a mapping of a YAML file: an option's name is the path of keys to it, with dots
 * between.  Any thread; blocks on nothing.
 */
#ifndef CONF_OPTION_TREE_H
#define CONF_OPTION_TREE_H

#include "conf/option.h"
#include "conf/yaml_tree.h"

/* Fills every member that `options` names in `conf` (zeroed by the caller) with its default or with what
 * `map` (NULL or null: empty) says.  -EINVAL when something was wrong, each in `problems` with its place; a
 * key that no option has is a warning with the nearest known one. */
int options_decode_tree(const struct vmt_option *options, const struct yaml_node *map,
			struct arena *arena, void *conf, struct problems *problems);

/* What stands there, or NULL. */
const struct yaml_node *options_tree_find(const struct yaml_node *map, const char *path,
					  size_t len);

#endif

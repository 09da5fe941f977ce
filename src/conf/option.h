/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Option tables (struct vmt_option): from the values of an INI file, and of a URL's query, to the
 * members of a configuration structure, and back to text.  Any thread; blocks on nothing.
 */
#ifndef CONF_OPTION_H
#define CONF_OPTION_H

#include <virtmeter/plugin.h>

#include "conf/ini.h"
#include "conf/url.h"

/* Fills every member that `options` names in `conf` (zeroed by the caller), from, the last wins: the
 * default, the file, the environment, the query of `url` (VMT_OPT_URL; NULL: no URL), from which it is
 * taken out.  Strings and lists live in `arena`.  `url_at` is where the URL stands.
 *
 * A secret string NAME may also stand in a file, whose path is the option NAME_file (file, environment or
 * query); its last line end is cut off.
 *
 * Forms are oslo.config's: booleans true/false, yes/no, on/off, 1/0 in any case (a query's key without
 * value is true); seconds with a fraction; lists by commas, items stripped; dictionaries as
 * key:value, key:value; an empty number is the default.  Options of the group "virtmeter" may also stand in
 * [DEFAULT].
 *
 * 0, or -EINVAL when something was wrong: each added to `problems` with its place, and the member has
 * its default. */
int options_decode(const struct vmt_option *options, const struct ini *ini, struct url *url,
		   const struct position *url_at, struct arena *arena, void *conf,
		   struct problems *problems);

/* Fills every member with its default. */
void options_default(const struct vmt_option *options, struct arena *arena, void *conf);
/* One value, which stands at `at`; `number`: as a number in a YAML file.  -EINVAL: added to `problems`. */
int option_set(const struct vmt_option *option, const char *text, bool number,
	       const struct position *at, struct arena *arena, void *conf,
	       struct problems *problems);

/* Appends a line "name = value" or "group.name = value" per option, secrets as ****. */
void options_print(const struct vmt_option *options, const void *conf, struct buf *out);
/* One value as it would stand in a file; "" for none. */
void option_print_value(const struct vmt_option *option, const void *conf, struct buf *out);

/* A number of all values, secrets too: equal values, equal number. */
uint64_t options_hash(const struct vmt_option *options, const void *conf, uint64_t seed);

/* "string", "list", … for people. */
const char *option_type_name(const struct vmt_option *option);
/* "DEFAULT" for NULL. */
const char *option_group(const struct vmt_option *option);

/* Looks at every value of *ini (the environment's excepted) that none of `tables` (NULL-terminated) has:
 * a Ceilometer option without effect here is a note, the rest a warning with the nearest known name.  An
 * option of one value that stands twice in a file is a warning, too. */
void options_check_unknown(const struct ini *ini, const struct vmt_option *const *tables,
			   struct problems *problems);

#endif

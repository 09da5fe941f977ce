/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the INI reader: the set of values that ini_parse.c fills and ini_substitute.c looks into. */
#ifndef CONF_INI_PRIVATE_H
#define CONF_INI_PRIVATE_H

#include <glib.h>

#include "base/arena.h"
#include "conf/ini.h"

struct ini {
	struct arena *arena;
	GPtrArray *values; /* struct ini_value *, in the order read */
	GHashTable *index; /* "group\nname" -> GPtrArray of the same values */
	GPtrArray *files; /* char *, owned by the arena */
	GPtrArray *tables; /* const struct vmt_option * */
	const char *host; /* what [DEFAULT] host is where no file says so, or NULL */
	size_t source;
};

/* Adds one value; `value` is copied, its strings stay with the caller (arena).  -E2BIG. */
int ini_add(struct ini *ini, const struct ini_value *value);
/* All values of one name, or NULL. */
const GPtrArray *ini_values(const struct ini *ini, const char *group, const char *name);

/* "DEFAULT" as it is, others in lower case; in the arena. */
const char *ini_group_name(struct arena *arena, const char *text, size_t size);
/* '-' made '_'; in the arena. */
const char *ini_key_name(struct arena *arena, const char *text, size_t size);

/* ini_parse.c: one file's text into the set.  0 or -EINVAL, -E2BIG. */
int ini_parse(struct ini *ini, const char *file, const char *text, size_t size,
	      struct problems *problems);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Other names and units for what a transformer makes: a map by regular expression
 * (source.map_from to target.map_to), else a fixed one (target.name, target.unit), else the sample's own.
 * Immutable; any thread.
 */
#ifndef TRANSFORM_RENAME_H
#define TRANSFORM_RENAME_H

struct rename;
struct vmt_stage;

/* NULL for what is not given; copied. */
struct rename_conf {
	const char *from_name, *from_unit; /* regular expressions */
	const char *to_name, *to_unit; /* with \1 or \g<1> for a group; every match is replaced */
	const char *name, *unit;
};

/* An expression that is none is told to the stage and left out, as in the reference. */
struct rename *rename_new(const struct rename_conf *conf, const struct vmt_stage *stage);
void rename_free(struct rename *rename);

/* To be freed with g_free(). */
char *rename_name(const struct rename *rename, const char *name);
char *rename_unit(const struct rename *rename, const char *unit);

#endif

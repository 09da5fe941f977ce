/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What unit_conversion, rate_of_change and aggregator have in common: parameters `source` and `target`, other
 * names, units and types, and the scale.  State per series is a record that begins with struct convert_record
 * and is made by convert_series().  One thread at a time.
 */
#ifndef TRANSFORM_CONVERT_H
#define TRANSFORM_CONVERT_H

#include "transform/expr.h"
#include "transform/series.h"

/* Part of a transformer's configuration; its rows of the option table are CONVERT_OPTIONS. */
struct convert_conf {
	const char *source_unit, *from_name, *from_unit, *name, *unit, *type, *to_name, *to_unit;
	struct vmt_scalar scale, max;
};

extern const char *const convert_types[]; /* in the order of enum vmt_meter_type; ends with NULL */

#define CONVERT_OPTION(conf_, member_, path_, type_, help_)                                        \
	{                                                                                          \
		.name = path_, .type = type_, .offset = offsetof(conf_, convert.member_),          \
		.help = help_                                                                      \
	}

#define CONVERT_NAMES(conf_)                                                                       \
	CONVERT_OPTION(conf_, from_name, "source.map_from.name", VMT_OPT_STRING,                   \
		       "Regular expression on the meter's name, for target.map_to.name"),          \
		CONVERT_OPTION(conf_, from_unit, "source.map_from.unit", VMT_OPT_STRING,           \
			       "Regular expression on the unit, for target.map_to.unit"),          \
		CONVERT_OPTION(conf_, name, "target.name", VMT_OPT_STRING,                         \
			       "Name of what is made, where no map gives one"),                    \
		CONVERT_OPTION(conf_, unit, "target.unit", VMT_OPT_STRING,                         \
			       "Unit of what is made, where no map gives one"),                    \
		CONVERT_OPTION(conf_, to_name, "target.map_to.name", VMT_OPT_STRING,               \
			       "Name by the groups of source.map_from.name: \\1"),                 \
		CONVERT_OPTION(conf_, to_unit, "target.map_to.unit", VMT_OPT_STRING,               \
			       "Unit by the groups of source.map_from.unit")

#define CONVERT_OPTIONS(conf_)                                                                     \
	CONVERT_NAMES(conf_),                                                                      \
		CONVERT_OPTION(conf_, source_unit, "source.unit", VMT_OPT_STRING,                  \
			       "Only samples of this unit are converted"),                         \
		{ .name = "target.type",                                                           \
		  .type = VMT_OPT_STRING,                                                          \
		  .offset = offsetof(conf_, convert.type),                                         \
		  .choices = convert_types,                                                        \
		  .help = "Type of what is made; the sample's own" },                              \
		CONVERT_OPTION(conf_, scale, "target.scale", VMT_OPT_SCALAR,                       \
			       "A factor, or in quotes an expression on the sample"),              \
		CONVERT_OPTION(conf_, max, "target.max", VMT_OPT_SCALAR,                           \
			       "What is more becomes this much")

struct convert_record {
	struct series_record base;
	const struct vmt_resource *as; /* with the source of what is made; NULL: the sample's own */
	struct expr_term term[]; /* of the scale; the transformer's own part lies behind them */
};

struct convert {
	const struct vmt_stage *stage;
	struct convert_conf conf; /* texts are the plugin configuration's */
	struct rename *rename;
	struct expr *scale; /* NULL: as it is */
	bool has_max, max_integer;
	union vmt_num max;
	struct series *series;
	size_t own; /* offset of the transformer's part of a record */
	void *context; /* private */
};

/* -EINVAL: refused (vmt_stage_refuse()).  `scale`: the default as text, NULL for none.
 * `own_size`: bytes of the transformer's part of a record; `dropped` may be NULL. */
int convert_init(struct convert *c, const struct convert_conf *conf, const struct vmt_stage *stage,
		 const char *scale, size_t own_size, void (*dropped)(struct convert *c, void *own));
void convert_fini(struct convert *c);

/* Rows that are the first of their series, so that nothing is made of them: one line for all, in Ceilometer's words. */
void convert_tell_first(const struct vmt_batch *in, uint32_t rows);

/* The meter's group of records; its out_name and out_unit are those of what is made. */
struct series_group *convert_group(struct convert *c, const struct vmt_batch *in);
enum vmt_meter_type convert_type(const struct convert *c, const struct vmt_batch *in);

/* Finds the records of all rows, in g->hint.  False: a series is there with two versions of its resource, of which a
 * record knows only one; then the rows are to be handled one by one. */
bool convert_place(struct series_group *g, const struct vmt_batch *in);
/* Handles each row of the batch as a batch of its own. */
int convert_each(int (*handle)(void *self, const struct vmt_batch *in, struct vmt_transform *out,
			       struct vmt_error *error),
		 void *self, const struct vmt_batch *in, struct vmt_transform *out,
		 struct vmt_error *error);

/* The scaled values of all rows, whose terms are given; the answer is how many failed, which is logged. */
uint32_t convert_scale(struct convert *c, const struct vmt_batch *in,
		       const struct expr_term *const *term, union vmt_num *value, uint8_t *kind);
/* Caps at `max`, and makes failures of what is not finite; answers how many rows are left. */
uint32_t convert_bound(const struct convert *c, union vmt_num *value, uint8_t *kind,
		       uint32_t count);

/* Numbers of made samples into *made (their rows are those of *in): rows that failed are taken out. */
void convert_make(struct convert *c, struct vmt_transform *out, const struct series_group *g,
		  const struct vmt_batch *in, const struct vmt_resource *const *resource,
		  union vmt_num *value, uint8_t *kind, uint32_t left);

static inline void *convert_own(const struct convert *c, void *record)
{
	return (char *)record + c->own;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Names, units, types and scales of what is made.  On the pipeline thread; blocks on nothing. */
#include "transform/convert.h"

#include <errno.h>
#include <glib.h>
#include <math.h>
#include <string.h>

#include "transform/rename.h"
#include "transform/rows.h"

const char *const convert_types[] = { "cumulative", "gauge", "delta", NULL }; /* as the enum */

struct convert_context {
	struct convert *c;
	void (*dropped)(struct convert *c, void *own);
};

/* ---- records */

static void changed(void *context, void *record, const struct vmt_resource *resource)
{
	struct convert *c = ((struct convert_context *)context)->c;
	struct convert_record *r = record;

	if (c->scale) {
		expr_term_values(c->scale, resource, r->term);
	}
	vmt_resource_unref(r->as);
	r->as = NULL;
	if (strcmp(resource->source, c->stage->source) != 0) {
		struct vmt_resource other = *resource;

		other.source = c->stage->source;
		r->as = vmt_resource_make(&other);
	}
}

static void dropped(void *context, void *record)
{
	struct convert_context *cc = context;

	vmt_resource_unref(((struct convert_record *)record)->as);
	if (cc->dropped) {
		cc->dropped(cc->c, convert_own(cc->c, record));
	}
}

/* ---- parameters */

/* As in Python: an empty text and 0 are no scale. */
static int compile_scale(struct convert *c, const struct vmt_scalar *given, const char *def)
{
	unsigned flags = c->stage->profile == VMT_PROFILE_JUNO ? EXPR_PYTHON2 : 0;
	struct vmt_error why;
	char *text;

	if (given->number && !isfinite(g_ascii_strtod(given->text, NULL))) {
		return vmt_stage_refuse(c->stage, "target.scale: %s will not do; write a number",
					given->text);
	}
	if (!given->text || !given->text[0] ||
	    (given->number && g_ascii_strtod(given->text, NULL) == 0)) {
		text = g_strdup(def);
	} else if (given->number) {
		text = g_strdup_printf("volume * %s", given->text);
	} else {
		text = g_strdup(given->text);
	}
	if (!text) {
		return 0;
	}
	c->scale = expr_new(text, flags, &why);
	g_free(text);
	return c->scale ? 0 : vmt_stage_refuse(c->stage, "target.scale: %s", why.text);
}

static int read_max(struct convert *c, const struct vmt_scalar *given)
{
	char *end;

	if (!given->text || !given->text[0]) {
		return 0;
	}
	c->max_integer = !strpbrk(given->text, ".eE");
	if (c->max_integer) {
		c->max.i = g_ascii_strtoll(given->text, &end, 10);
		c->has_max = c->max.i != 0;
	} else {
		c->max.d = g_ascii_strtod(given->text, &end);
		c->has_max = c->max.d != 0;
	}
	return *end ? vmt_stage_refuse(c->stage, "target.max: '%.60s' will not do; write a number",
				       given->text)
		    : 0;
}

int convert_init(struct convert *c, const struct convert_conf *conf, const struct vmt_stage *stage,
		 const char *scale, size_t own_size, void (*drop)(struct convert *c, void *own))
{
	struct series_ops ops = { .changed = changed, .dropped = dropped };
	struct convert_context *context;
	int ret;

	*c = (struct convert){ .stage = stage, .conf = *conf };
	ret = compile_scale(c, &conf->scale, scale);
	ret = read_max(c, &conf->max) < 0 ? -EINVAL : ret;
	c->rename = rename_new(&(struct rename_conf){ .from_name = conf->from_name,
						      .from_unit = conf->from_unit,
						      .to_name = conf->to_name,
						      .to_unit = conf->to_unit,
						      .name = conf->name,
						      .unit = conf->unit },
			       stage);
	if (ret < 0) {
		rename_free(c->rename);
		expr_free(c->scale);
		return ret;
	}
	c->own = sizeof(struct convert_record) +
		 (c->scale ? expr_terms(c->scale) : 0) * sizeof(struct expr_term);
	ops.record_size = c->own + own_size;
	context = g_new0(struct convert_context, 1);
	context->c = c;
	context->dropped = drop;
	c->context = context;
	c->series = series_new(&ops, context);
	return 0;
}

void convert_tell_first(const struct vmt_batch *in, uint32_t rows)
{
	if (rows > 0) {
		vmt_log(VMT_LOG_WARNING, "dropping sample with no predecessor: %s of %u resources",
			in->name, rows);
	}
}

void convert_fini(struct convert *c)
{
	series_free(c->series);
	rename_free(c->rename);
	expr_free(c->scale);
	g_free(c->context);
}

/* ---- batches */

struct series_group *convert_group(struct convert *c, const struct vmt_batch *in)
{
	struct series_group *g = series_group(c->series, in->name, in->count);

	if (!g->out_name) {
		g->out_name = rename_name(c->rename, in->name);
	}
	if (!g->unit || strcmp(g->unit, in->unit) != 0) {
		g_free(g->unit);
		g_free(g->out_unit);
		g->unit = g_strdup(in->unit);
		g->out_unit = rename_unit(c->rename, in->unit);
	}
	return g;
}

bool convert_place(struct series_group *g, const struct vmt_batch *in)
{
	for (uint32_t i = 0; i < in->count; i++) {
		series_slot(g, i, in->resource[i]); /* new ones may move the records */
	}
	for (uint32_t i = 0; i < in->count; i++) {
		if (g->resource[g->hint[i]] != in->resource[i]) {
			return false;
		}
	}
	return true;
}

int convert_each(int (*handle)(void *self, const struct vmt_batch *in, struct vmt_transform *out,
			       struct vmt_error *error),
		 void *self, const struct vmt_batch *in, struct vmt_transform *out,
		 struct vmt_error *error)
{
	int ret = 0;

	for (uint32_t i = 0; i < in->count && ret >= 0; i++) {
		struct vmt_batch row = rows_select(out, in, &i, 1);

		ret = handle(self, &row, out, error);
	}
	return ret;
}

enum vmt_meter_type convert_type(const struct convert *c, const struct vmt_batch *in)
{
	for (unsigned i = 0; c->conf.type && convert_types[i]; i++) {
		if (strcmp(convert_types[i], c->conf.type) == 0) {
			return (enum vmt_meter_type)i;
		}
	}
	return (enum vmt_meter_type)in->type;
}

uint32_t convert_scale(struct convert *c, const struct vmt_batch *in,
		       const struct expr_term *const *term, union vmt_num *value, uint8_t *kind)
{
	struct expr_rows rows = {
		.count = in->count, .batch = &in, .term = term, .value = value, .kind = kind
	};
	struct vmt_error error;
	uint32_t failed;

	if (!c->scale) {
		memcpy(value, in->value, in->count * sizeof(*value));
		if (in->kinds) {
			memcpy(kind, in->kinds, in->count);
		} else {
			memset(kind, in->kind, in->count);
		}
		return 0;
	}
	failed = expr_eval_rows(c->scale, &rows, &error);
	if (failed > 0) {
		vmt_log(VMT_LOG_WARNING, "%s: meter %s: target.scale: %s; the sample is dropped",
			c->stage->name, in->name, error.text);
	}
	return failed;
}

static bool more(const struct convert *c, union vmt_num v, uint8_t kind)
{
	double max = c->max_integer ? (double)c->max.i : c->max.d;

	if (kind == VMT_DOUBLE) {
		return v.d > max;
	}
	if (!c->max_integer) {
		return (kind == VMT_INT64 ? (double)v.i : (double)v.u) > max;
	}
	return kind == VMT_INT64 ? v.i > c->max.i : c->max.i < 0 || v.u > (uint64_t)c->max.i;
}

uint32_t convert_bound(const struct convert *c, union vmt_num *value, uint8_t *kind, uint32_t count)
{
	uint32_t failed = 0;

	for (uint32_t i = 0; i < count; i++) {
		bool bad = kind[i] == EXPR_FAILED ||
			   (kind[i] == VMT_DOUBLE && !isfinite(value[i].d));

		kind[i] = bad ? EXPR_FAILED : kind[i];
		failed += bad;
	}
	for (uint32_t i = 0; c->has_max && i < count; i++) {
		if (kind[i] != EXPR_FAILED && more(c, value[i], kind[i])) {
			value[i] = c->max;
			kind[i] = c->max_integer ? VMT_INT64 : VMT_DOUBLE;
		}
	}
	return count - failed;
}

void convert_make(struct convert *c, struct vmt_transform *out, const struct series_group *g,
		  const struct vmt_batch *in, const struct vmt_resource *const *resource,
		  union vmt_num *value, uint8_t *kind, uint32_t left)
{
	struct vmt_batch made = *in;

	if (left < in->count) {
		uint32_t *kept = ROWS_NEW(out, uint32_t, in->count), n = 0;
		const struct vmt_resource **as =
			ROWS_NEW(out, const struct vmt_resource *, in->count);

		for (uint32_t i = 0; i < in->count; i++) {
			if (kind[i] != EXPR_FAILED) {
				value[n] = value[i];
				as[n] = resource[i];
				kind[n] = kind[i];
				kept[n++] = i;
			}
		}
		made = rows_select(out, in, kept, n);
		resource = as;
	}
	made.name = g->out_name;
	made.unit = g->out_unit;
	made.type = (uint8_t)convert_type(c, in);
	made.resource = resource;
	made.value = value;
	made.monos = NULL;
	made.mono_ns = INT64_MIN;
	rows_kinds(&made, kind);
	vmt_transform_make(out, &made);
}

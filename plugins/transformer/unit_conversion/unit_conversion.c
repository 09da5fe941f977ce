/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transformer unit_conversion: other names, units, types and scales.  Samples of another unit than
 * source.unit pass unchanged.  On the pipeline thread; blocks on nothing.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "transform/convert.h"
#include "transform/rows.h"

struct unit_conf {
	struct convert_conf convert;
};

static const struct vmt_option options[] = { CONVERT_OPTIONS(struct unit_conf), { .name = NULL } };

static int unit_open(const void *conf, const struct vmt_stage *stage, void **ret_self,
		     struct vmt_error *error)
{
	struct convert *c = g_new0(struct convert, 1);
	int ret = convert_init(c, &((const struct unit_conf *)conf)->convert, stage, NULL, 0, NULL);

	if (ret < 0) {
		g_free(c);
		return ret;
	}
	*ret_self = c;
	return 0;
}

static int unit_handle(void *self, const struct vmt_batch *in, struct vmt_transform *out,
		       struct vmt_error *error)
{
	struct convert *c = self;
	struct series_group *g;
	const struct vmt_resource **as;
	const struct expr_term **term;
	union vmt_num *value;
	uint8_t *kind;

	if (c->conf.source_unit && strcmp(c->conf.source_unit, in->unit) != 0) {
		vmt_transform_pass(out, in);
		return 0;
	}
	g = convert_group(c, in);
	as = ROWS_NEW(out, const struct vmt_resource *, in->count);
	term = ROWS_NEW(out, const struct expr_term *, in->count);
	value = ROWS_NEW(out, union vmt_num, in->count);
	kind = ROWS_NEW(out, uint8_t, in->count);
	if (!convert_place(g, in)) {
		return convert_each(unit_handle, self, in, out, error);
	}
	for (uint32_t i = 0; i < in->count; i++) {
		struct convert_record *r = series_at(g, g->hint[i]);

		r->base.time_ns = rows_time(in, i);
		as[i] = r->as ? r->as : in->resource[i];
		term[i] = r->term;
	}
	convert_scale(c, in, term, value, kind);
	convert_make(c, out, g, in, as, value, kind, convert_bound(c, value, kind, in->count));
	return 0;
}

static void unit_forget(void *self, const uint64_t *instances, size_t count)
{
	series_forget(((struct convert *)self)->series, instances, count);
}

static void unit_close(void *self)
{
	if (self) {
		convert_fini(self);
		g_free(self);
	}
}

static const struct vmt_transformer_ops ops = {
	.open = unit_open,
	.handle = unit_handle,
	.forget = unit_forget,
	.close = unit_close,
};

VMT_PLUGIN(transformer, unit_conversion) = {
	.abi = VMT_ABI,
	.ns = VMT_TRANSFORMER,
	.name = "unit_conversion",
	.version = "1",
	.help = "Converts values, names, units and types",
	.options = options,
	.conf_size = sizeof(struct unit_conf),
	.ops.transformer = &ops,
};

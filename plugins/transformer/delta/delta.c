/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transformer delta: the change of a series since its last sample, in its own unit.  The first sample makes
 * nothing, nor does one that is older than the last, nor with growth_only one that is less.  On the
 * pipeline thread; blocks on nothing.
 */
#include <errno.h>
#include <glib.h>
#include <math.h>

#include "transform/convert.h"
#include "transform/rows.h"

struct delta_conf {
	struct convert_conf convert;
	bool growth_only;
};

static const struct vmt_option options[] = {
	CONVERT_OPTION(struct delta_conf, from_name, "source.map_from.name", VMT_OPT_STRING,
		       "Regular expression on the meter's name, for target.map_to.name"),
	CONVERT_OPTION(struct delta_conf, name, "target.name", VMT_OPT_STRING,
		       "Name of what is made, where no map gives one"),
	CONVERT_OPTION(struct delta_conf, to_name, "target.map_to.name", VMT_OPT_STRING,
		       "Name by the groups of source.map_from.name: \\1"),
	{ .name = "growth_only",
	  .type = VMT_OPT_BOOL,
	  .offset = offsetof(struct delta_conf, growth_only),
	  .def = "false",
	  .help = "Drop changes below zero" },
	{ .name = NULL },
};

struct last {
	union vmt_num value;
	uint8_t kind;
};

enum { EXPIRE_EVERY = 256 }; /* flushes */
#define EXPIRE_NS (INT64_C(30) * 86400 * 1000000000)

struct delta {
	struct convert convert;
	bool growth_only;
	int64_t newest_ns;
	unsigned flushes;
};

static int delta_open(const void *conf, const struct vmt_stage *stage, void **ret_self,
		      struct vmt_error *error)
{
	struct delta *d = g_new0(struct delta, 1);
	struct convert_conf convert = ((const struct delta_conf *)conf)->convert;
	int ret;

	convert.type = "delta";
	ret = convert_init(&d->convert, &convert, stage, NULL, sizeof(struct last), NULL);
	if (ret < 0) {
		g_free(d);
		return ret;
	}
	d->growth_only = ((const struct delta_conf *)conf)->growth_only;
	*ret_self = d;
	return 0;
}

static double as_double(union vmt_num v, uint8_t kind)
{
	return kind == VMT_DOUBLE ? v.d : kind == VMT_INT64 ? (double)v.i : (double)v.u;
}

/* now − then: exact where both are integers; EXPR_FAILED when it does not fit. */
static uint8_t subtract(union vmt_num now, uint8_t kind, const struct last *then,
			union vmt_num *ret)
{
	__int128 d;

	if (kind == VMT_DOUBLE || then->kind == VMT_DOUBLE) {
		ret->d = as_double(now, kind) - as_double(then->value, then->kind);
		return isfinite(ret->d) ? VMT_DOUBLE : EXPR_FAILED;
	}
	d = kind == VMT_INT64 ? (__int128)now.i : (__int128)now.u;
	d -= then->kind == VMT_INT64 ? (__int128)then->value.i : (__int128)then->value.u;
	if (d >= INT64_MIN && d <= INT64_MAX) {
		ret->i = (int64_t)d;
		return VMT_INT64;
	}
	ret->u = (uint64_t)d;
	return d > 0 && d <= UINT64_MAX ? VMT_UINT64 : EXPR_FAILED;
}

static bool negative(union vmt_num v, uint8_t kind)
{
	return kind == VMT_DOUBLE ? v.d < 0 : kind == VMT_INT64 && v.i < 0;
}

/* One row; false: nothing comes of it. */
static bool take(struct delta *d, const struct vmt_batch *in, uint32_t row,
		 struct convert_record *rec, union vmt_num *ret_value, uint8_t *ret_kind)
{
	struct last *last = convert_own(&d->convert, rec);
	struct last then = *last;
	int64_t time = rows_time(in, row), before = rec->base.time_ns;

	if (before != INT64_MIN && time < before) {
		return false; /* the newer one stays */
	}
	rec->base.time_ns = time;
	last->value = in->value[row];
	last->kind = rows_kind(in, row);
	if (before == INT64_MIN) {
		return false;
	}
	*ret_kind = subtract(last->value, last->kind, &then, ret_value);
	return *ret_kind != EXPR_FAILED && !(d->growth_only && negative(*ret_value, *ret_kind));
}

static int delta_handle(void *self, const struct vmt_batch *in, struct vmt_transform *out,
			struct vmt_error *error)
{
	struct delta *d = self;
	struct series_group *g = convert_group(&d->convert, in);
	uint32_t *kept = ROWS_NEW(out, uint32_t, in->count), n = 0, first = 0;
	const struct vmt_resource **as = ROWS_NEW(out, const struct vmt_resource *, in->count);
	union vmt_num *value = ROWS_NEW(out, union vmt_num, in->count);
	uint8_t *kind = ROWS_NEW(out, uint8_t, in->count);
	struct vmt_batch rows;

	if (!convert_place(g, in)) {
		return convert_each(delta_handle, self, in, out, error);
	}
	for (uint32_t i = 0; i < in->count; i++) {
		struct convert_record *rec = series_at(g, g->hint[i]);

		first += rec->base.time_ns == INT64_MIN;
		if (take(d, in, i, rec, &value[n], &kind[n])) {
			as[n] = rec->as ? rec->as : in->resource[i];
			kept[n++] = i;
		}
	}
	convert_tell_first(in, first);
	d->newest_ns = MAX(d->newest_ns, rows_time(in, 0));
	if (n > 0) {
		rows = rows_select(out, in, kept, n);
		convert_make(&d->convert, out, g, &rows, as, value, kind, n);
	}
	return 0;
}

/* Now and then looks for series that nobody speaks of any more. */
static int delta_flush(void *self, struct vmt_transform *out, struct vmt_error *error)
{
	struct delta *d = self;

	if (++d->flushes % EXPIRE_EVERY == 0) {
		series_expire(d->convert.series, d->newest_ns - EXPIRE_NS);
	}
	return 0;
}

static void delta_forget(void *self, const uint64_t *instances, size_t count)
{
	series_forget(((struct delta *)self)->convert.series, instances, count);
}

static void delta_close(void *self)
{
	struct delta *d = self;

	if (d) {
		convert_fini(&d->convert);
		g_free(d);
	}
}

static const struct vmt_transformer_ops ops = {
	.open = delta_open,
	.handle = delta_handle,
	.flush = delta_flush,
	.forget = delta_forget,
	.close = delta_close,
};

VMT_PLUGIN(transformer, delta) = {
	.abi = VMT_ABI,
	.ns = VMT_TRANSFORMER,
	.name = "delta",
	.version = "1",
	.help = "Makes the change of each series since its last sample",
	.options = options,
	.conf_size = sizeof(struct delta_conf),
	.ops.transformer = &ops,
};

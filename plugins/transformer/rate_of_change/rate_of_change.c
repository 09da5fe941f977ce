/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transformer rate_of_change: from two samples of a series to the change per second between them, scaled.
 * A cumulative value that went down was reset: then the value itself is the change.  The first sample of a
 * series makes nothing.  On the pipeline thread; blocks on nothing.
 *
 * Distances in time are those of the monotonic clock where both samples have one, else of their times.  A
 * sample that is older than the last is dropped.  With the profile juno times are whole seconds, and an
 * older sample makes a negative rate, as with its 2014.2.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "transform/convert.h"
#include "transform/rows.h"

#define NS_PER_S INT64_C(1000000000)
#define EXACT (INT64_C(1) << 53)

struct rate_conf {
	struct convert_conf convert;
};

static const struct vmt_option options[] = { CONVERT_OPTIONS(struct rate_conf), { .name = NULL } };

/* The last sample of a series; its time is the record's. */
struct last {
	int64_t mono_ns;
	union vmt_num value;
	uint8_t kind;
};

struct rate {
	struct convert convert;
	bool juno;
	int64_t flushed_ns; /* newest sample seen */
	unsigned flushes;
};

enum {
	EXPIRE_S = 30 * 86400, /* a series not heard of for so long is forgotten */
	EXPIRE_EVERY = 256, /* flushes */
};

static int rate_open(const void *conf, const struct vmt_stage *stage, void **ret_self,
		     struct vmt_error *error)
{
	struct rate *r = g_new0(struct rate, 1);
	int ret = convert_init(&r->convert, &((const struct rate_conf *)conf)->convert, stage, "1",
			       sizeof(struct last), NULL);

	if (ret < 0) {
		g_free(r);
		return ret;
	}
	r->juno = stage->profile == VMT_PROFILE_JUNO;
	*ret_self = r;
	return 0;
}

/* Nanoseconds to seconds, rounded once. */
static double seconds(int64_t ns)
{
	if ((ns > EXACT || ns < -EXACT) && ns % 1000 == 0) {
		int64_t us = ns / 1000;

		return (double)us / 1e6;
	}
	return (double)ns / 1e9;
}

/* Without overflow, whatever the times are. */
static int64_t minus(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a - (uint64_t)b);
}

static double as_double(union vmt_num v, uint8_t kind)
{
	return kind == VMT_DOUBLE ? v.d : kind == VMT_INT64 ? (double)v.i : (double)v.u;
}

static __int128 as_integer(union vmt_num v, uint8_t kind)
{
	return kind == VMT_INT64 ? (__int128)v.i : (__int128)v.u;
}

/* The change from `then` to `now`, any kinds. */
static double change(const struct last *then, union vmt_num now, uint8_t kind, bool cumulative)
{
	if (then->kind != VMT_DOUBLE && kind != VMT_DOUBLE) {
		__int128 d = as_integer(now, kind) - as_integer(then->value, then->kind);

		return (double)(cumulative && d < 0 ? as_integer(now, kind) : d);
	}
	double before = as_double(then->value, then->kind), after = as_double(now, kind);

	return cumulative && after < before ? after : after - before;
}

struct step {
	struct rate *r;
	struct series_group *g;
	const struct vmt_batch *in;
	/* of the rows that make something */
	uint32_t *kept, n;
	uint32_t first; /* rows that are the first of their series */
	double *rate;
	const struct vmt_resource **as;
	const struct expr_term **term;
	/* the last distance: most rows have the same */
	int64_t dt_ns;
	double dt;
};

/* The row of which `rec` has the last sample; false: nothing comes of it. */
static inline bool step_row(struct step *s, uint32_t row, struct convert_record *rec, double *ret)
{
	struct last *last = convert_own(&s->r->convert, rec);
	int64_t time = rows_time(s->in, row), mono = rows_mono(s->in, row),
		then = rec->base.time_ns;
	uint8_t kind = rows_kind(s->in, row);
	union vmt_num value = s->in->value[row];
	int64_t dt = minus(time, then);
	double dv;

	if (s->r->juno) {
		time -= ((time % NS_PER_S) + NS_PER_S) % NS_PER_S;
		dt = minus(time, then);
	} else if (mono != INT64_MIN && last->mono_ns != INT64_MIN &&
		   (mono >= last->mono_ns || dt <= 0)) {
		dt = minus(mono,
			   last->mono_ns); /* one that went back while time went on began anew */
	}
	if (then != INT64_MIN && dt < 0 && !s->r->juno) {
		return false; /* the newer one stays */
	}
	if (kind == VMT_UINT64 && last->kind == VMT_UINT64 && value.u >= last->value.u) {
		dv = (double)(value.u - last->value.u);
	} else {
		dv = change(last, value, kind, s->in->type == VMT_CUMULATIVE);
	}
	rec->base.time_ns = time;
	last->mono_ns = mono;
	last->value = value;
	last->kind = kind;
	if (then == INT64_MIN) {
		s->first++;
		return false;
	}
	if (dt != s->dt_ns) {
		s->dt_ns = dt;
		s->dt = seconds(dt);
	}
	*ret = dt ? dv / s->dt : 0.0;
	return true;
}

static void step(struct step *s)
{
	const struct vmt_batch *in = s->in;
	size_t size = s->g->record_size;

	for (uint32_t i = 0; i < in->count; i++) {
		struct convert_record *rec =
			(struct convert_record *)(s->g->record + s->g->hint[i] * size);

		if (step_row(s, i, rec, &s->rate[s->n])) {
			s->as[s->n] = rec->as ? rec->as : in->resource[i];
			s->term[s->n] = rec->term;
			s->kept[s->n++] = i;
		}
	}
}

static int rate_handle(void *self, const struct vmt_batch *in, struct vmt_transform *out,
		       struct vmt_error *error)
{
	struct rate *r = self;
	struct step s = { .r = r, .g = convert_group(&r->convert, in), .in = in };
	struct vmt_batch rows;
	union vmt_num *value;
	uint8_t *kind;

	if (!convert_place(s.g, in)) {
		return convert_each(rate_handle, self, in, out, error);
	}
	s.kept = ROWS_NEW(out, uint32_t, in->count);
	s.rate = ROWS_NEW(out, double, in->count);
	s.as = ROWS_NEW(out, const struct vmt_resource *, in->count);
	s.term = ROWS_NEW(out, const struct expr_term *, in->count);
	step(&s);
	convert_tell_first(in, s.first);
	r->flushed_ns = MAX(r->flushed_ns, rows_time(in, 0));
	if (s.n == 0) {
		return 0;
	}
	rows = rows_select(out, in, s.kept, s.n);
	value = ROWS_NEW(out, union vmt_num, s.n);
	kind = ROWS_NEW(out, uint8_t, s.n);
	convert_scale(&r->convert, &rows, s.term, value, kind);
	for (uint32_t i = 0; i < s.n; i++) {
		if (kind[i] != EXPR_FAILED) {
			value[i].d = as_double(value[i], kind[i]) * s.rate[i];
			kind[i] = VMT_DOUBLE;
		}
	}
	convert_make(&r->convert, out, s.g, &rows, s.as, value, kind,
		     convert_bound(&r->convert, value, kind, s.n));
	return 0;
}

/* Now and then looks for series that nobody speaks of any more. */
static int rate_flush(void *self, struct vmt_transform *out, struct vmt_error *error)
{
	struct rate *r = self;

	if (++r->flushes % EXPIRE_EVERY == 0) {
		series_expire(r->convert.series, r->flushed_ns - EXPIRE_S * NS_PER_S);
	}
	return 0;
}

static void rate_forget(void *self, const uint64_t *instances, size_t count)
{
	series_forget(((struct rate *)self)->convert.series, instances, count);
}

static void rate_close(void *self)
{
	struct rate *r = self;

	if (r) {
		convert_fini(&r->convert);
		g_free(r);
	}
}

static const struct vmt_transformer_ops ops = {
	.open = rate_open,
	.handle = rate_handle,
	.flush = rate_flush,
	.forget = rate_forget,
	.close = rate_close,
};

VMT_PLUGIN(transformer, rate_of_change) = {
	.abi = VMT_ABI,
	.ns = VMT_TRANSFORMER,
	.name = "rate_of_change",
	.version = "1",
	.help = "Makes the change per second of each series, scaled",
	.options = options,
	.conf_size = sizeof(struct rate_conf),
	.ops.transformer = &ops,
};

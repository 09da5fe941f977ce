/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transformer arithmetic: one sample of several meters of a resource, by an expression over $(meter.name).
 * At the end of a cycle each resource of which all the meters have come makes one; what has come of others is
 * dropped.  Name, unit, type, owner and metadata are those of the first meter in the expression unless the
 * parameters say otherwise; the time is that of the last sample seen.  On the pipeline thread; blocks on
 * nothing.
 */
#include <errno.h>
#include <glib.h>
#include <math.h>
#include <string.h>

#include "transform/convert.h"
#include "transform/fold.h"
#include "transform/made.h"
#include "transform/rows.h"

#define EXPIRE_NS (INT64_C(30) * 86400 * 1000000000)
enum { EXPIRE_EVERY = 1 << 16 }; /* batches */

struct arithmetic_conf {
	const char *name, *unit, *type, *expr;
};

#define TEXT(path, member, help_)                                                                  \
	{                                                                                          \
		.name = (path), .type = VMT_OPT_STRING,                                            \
		.offset = offsetof(struct arithmetic_conf, member), .help = (help_)                \
	}

static const struct vmt_option options[] = {
	TEXT("target.name", name, "Name of what is made; that of the first meter"),
	TEXT("target.unit", unit, "Unit of what is made; that of the first meter"),
	{ .name = "target.type",
	  .type = VMT_OPT_STRING,
	  .offset = offsetof(struct arithmetic_conf, type),
	  .choices = convert_types,
	  .help = "Type of what is made; that of the first meter" },
	TEXT("target.expr", expr, "Expression over $(meter.name) and $(meter.name).field"),
	{ .name = NULL },
};

/* The sample of one meter, until the end of the cycle. */
struct part {
	uint64_t digest; /* of the resource's version last seen, kept: rows are found by it */
	const struct vmt_resource *resource; /* a reference; NULL: has not come */
	union vmt_num value;
	uint8_t kind;
	uint8_t id[16];
};

struct record {
	struct series_record base;
	struct made made;
	unsigned parts; /* that have come */
	struct part part[];
};

/* What goes for all samples of a meter. */
struct meter {
	char *unit;
	uint8_t type;
	uint32_t *hint; /* record of each row of its last batch */
	uint32_t hints;
};

struct arithmetic {
	const struct vmt_stage *stage;
	struct arithmetic_conf conf;
	struct expr *expr; /* NULL: there is nothing that could be made */
	size_t meters;
	struct meter meter[EXPR_METERS_MAX];
	struct series *series;
	struct series_group *group;
	uint32_t *touched; /* records with parts, in the order in which they came */
	uint32_t touched_count, touched_room;
	int64_t latest_ns;
	unsigned rounds;
};

static struct part *part_of(struct record *r, size_t meter)
{
	return &r->part[meter];
}

static void drop(void *context, void *record)
{
	const struct arithmetic *a = context;
	struct record *r = record;

	made_clear(&r->made);
	for (size_t m = 0; m < a->meters; m++) {
		vmt_resource_unref(part_of(r, m)->resource);
	}
}

static int compile(struct arithmetic *a)
{
	const char *text = a->conf.expr ? a->conf.expr : "";
	unsigned flags = EXPR_METERS | (a->stage->profile == VMT_PROFILE_JUNO ? EXPR_PYTHON2 : 0);
	struct vmt_error why;

	if (text[0]) {
		a->expr = expr_new(text, flags, &why);
		if (!a->expr) {
			return vmt_stage_refuse(a->stage, "target.expr: %s", why.text);
		}
	}
	if (!a->expr || expr_meters(a->expr) == 0) {
		vmt_stage_warn(a->stage,
			       "target.expr: Arithmetic transformer must use at least one meter in "
			       "expression '%.160s'; it makes nothing",
			       text);
		expr_free(a->expr);
		a->expr = NULL;
	}
	return 0;
}

static int arithmetic_open(const void *conf, const struct vmt_stage *stage, void **ret_self,
			   struct vmt_error *error)
{
	struct arithmetic *a = g_new0(struct arithmetic, 1);
	struct series_ops ops = { .dropped = drop };
	int ret;

	a->stage = stage;
	a->conf = *(const struct arithmetic_conf *)conf;
	ret = compile(a);
	if (ret < 0) {
		g_free(a);
		return ret;
	}
	a->meters = a->expr ? expr_meters(a->expr) : 0;
	ops.record_size = sizeof(struct record) + a->meters * sizeof(struct part);
	a->series = series_new(&ops, a);
	*ret_self = a;
	return 0;
}

/* ---- a batch comes in */

static void touch(struct arithmetic *a, uint32_t slot)
{
	if (a->touched_count == a->touched_room) {
		a->touched_room = MAX(256, a->touched_room + a->touched_room / 2);
		a->touched = g_renew(uint32_t, a->touched, a->touched_room);
	}
	a->touched[a->touched_count++] = slot;
}

/* The record of the row's resource: where it was for this meter last time, if it is still the same. */
static uint32_t find(struct arithmetic *a, struct meter *m, size_t index, uint32_t row,
		     const struct vmt_resource *resource)
{
	uint32_t slot = m->hint[row];

	if (slot < a->group->count &&
	    part_of(series_at(a->group, slot), index)->digest == resource->digest) {
		return slot;
	}
	m->hint[row] = series_find(a->group, row, resource);
	return m->hint[row];
}

static void take(struct arithmetic *a, size_t index, const struct vmt_batch *in, uint32_t row)
{
	uint32_t slot = find(a, &a->meter[index], index, row, in->resource[row]);
	struct record *r = series_at(a->group, slot);
	struct part *p = part_of(r, index);

	if (r->parts == 0) {
		touch(a, slot);
	}
	r->base.time_ns = rows_time(in, row);
	r->parts += p->resource == NULL;
	vmt_resource_unref(p->resource);
	p->resource = vmt_resource_ref(in->resource[row]);
	p->digest = in->resource[row]->digest;
	p->value = in->value[row];
	p->kind = rows_kind(in, row);
	vmt_batch_id(in, row, p->id);
}

static int arithmetic_handle(void *self, const struct vmt_batch *in, struct vmt_transform *out,
			     struct vmt_error *error)
{
	struct arithmetic *a = self;
	size_t index = 0;
	struct meter *m;

	if (a->touched_count == 0 && ++a->rounds % EXPIRE_EVERY == 0) {
		series_expire(a->series, a->latest_ns - EXPIRE_NS);
	}
	a->latest_ns = rows_time(in, in->count - 1);
	while (index < a->meters && strcmp(expr_meter(a->expr, index), in->name) != 0) {
		index++;
	}
	if (index == a->meters) {
		return 0;
	}
	m = &a->meter[index];
	m->type = in->type;
	if (!m->unit || strcmp(m->unit, in->unit) != 0) {
		g_free(m->unit);
		m->unit = g_strdup(in->unit);
	}
	a->group = series_group(a->series, "", in->count);
	if (m->hints < in->count) {
		m->hint = g_renew(uint32_t, m->hint, in->count);
		memset(m->hint + m->hints, 0xff, (in->count - m->hints) * sizeof(*m->hint));
		m->hints = in->count;
	}
	for (uint32_t i = 0; i < in->count; i++) {
		take(a, index, in, i);
	}
	return 0;
}

/* ---- the end of a cycle */

/* Resources of which all meters have come, as columns: a batch per meter. */
struct whole {
	struct record **record;
	uint32_t count;
	struct vmt_batch batch[EXPR_METERS_MAX];
	const struct vmt_batch *list[EXPR_METERS_MAX];
};

static void gather_meter(struct arithmetic *a, struct vmt_transform *out, struct whole *w, size_t m)
{
	const struct vmt_resource **resource = ROWS_NEW(out, const struct vmt_resource *, w->count);
	union vmt_num *value = ROWS_NEW(out, union vmt_num, w->count);
	uint8_t *kind = ROWS_NEW(out, uint8_t, w->count);
	struct vmt_batch *b = &w->batch[m];

	for (uint32_t i = 0; i < w->count; i++) {
		const struct part *p = part_of(w->record[i], m);

		resource[i] = p->resource;
		value[i] = p->value;
		kind[i] = p->kind;
	}
	*b = (struct vmt_batch){ .name = expr_meter(a->expr, m),
				 .unit = a->meter[m].unit,
				 .type = a->meter[m].type,
				 .count = w->count,
				 .resource = resource,
				 .value = value,
				 .time_ns = a->latest_ns };
	rows_kinds(b, kind);
	w->list[m] = b;
}

static void gather(struct arithmetic *a, struct vmt_transform *out, struct whole *w)
{
	w->count = 0;
	w->record = ROWS_NEW(out, struct record *, a->touched_count);
	for (uint32_t i = 0; i < a->touched_count; i++) {
		struct record *r = series_at(a->group, a->touched[i]);

		if (r->parts == a->meters) {
			w->record[w->count++] = r;
		}
	}
	for (size_t m = 0; m < a->meters && w->count > 0; m++) {
		gather_meter(a, out, w, m);
	}
}

/* The results as doubles; what failed, or is not finite, is left out. */
static void make(struct arithmetic *a, struct vmt_transform *out, const struct whole *w,
		 union vmt_num *value, const uint8_t *kind)
{
	const struct vmt_batch *first = &w->batch[0];
	struct rows_writer writer;
	enum vmt_meter_type type = (enum vmt_meter_type)first->type;

	for (unsigned i = 0; a->conf.type && convert_types[i]; i++) {
		type = strcmp(a->conf.type, convert_types[i]) == 0 ? (enum vmt_meter_type)i : type;
	}
	rows_begin(&writer, out, a->conf.name ? a->conf.name : first->name,
		   a->conf.unit ? a->conf.unit : first->unit, type, w->count);
	for (uint32_t i = 0; i < w->count; i++) {
		struct record *r = w->record[i];
		struct made_of of = { .metadata = r->part[0].resource,
				      .project = r->part[0].resource,
				      .user = r->part[0].resource,
				      .source = a->stage->source };
		struct fold ids = { { 0, 0 } };
		union vmt_num v = value[i];
		uint8_t id[16];

		if (kind[i] == EXPR_FAILED) {
			continue;
		}
		if (kind[i] != VMT_DOUBLE) {
			v.d = kind[i] == VMT_INT64 ? (double)value[i].i : (double)value[i].u;
		}
		for (size_t m = 0; m < a->meters; m++) {
			fold_add(&ids, part_of(r, m)->id);
		}
		fold_id(&ids, id);
		rows_add(&writer, made_get(&r->made, &of), v, VMT_DOUBLE, a->latest_ns, INT64_MIN,
			 id);
	}
	vmt_transform_make(out, rows_end(&writer));
}

static void clear(struct arithmetic *a, struct vmt_transform *out)
{
	for (uint32_t i = 0; i < a->touched_count; i++) {
		struct record *r = series_at(a->group, a->touched[i]);

		for (size_t m = 0; m < a->meters; m++) {
			struct part *p = part_of(r, m);

			if (p->resource) {
				vmt_transform_release(out, p->resource);
				p->resource = NULL;
			}
		}
		r->parts = 0;
	}
	a->touched_count = 0;
}

static int arithmetic_flush(void *self, struct vmt_transform *out, struct vmt_error *error)
{
	struct arithmetic *a = self;
	struct vmt_error why;
	struct whole w;

	if (a->touched_count == 0) {
		return 0;
	}
	gather(a, out, &w);
	if (w.count < a->touched_count) {
		/* Juno flushes after each meter, so that it is always so where there are two */
		vmt_log(a->stage->profile == VMT_PROFILE_JUNO ? VMT_LOG_DEBUG : VMT_LOG_WARNING,
			"%s: unable to perform calculation for %u resources, not all meters of "
			"\"%.160s\" are present",
			a->stage->name, a->touched_count - w.count, expr_text(a->expr));
	}
	if (w.count > 0) {
		struct expr_rows rows = { .count = w.count, .batch = w.list };

		rows.value = ROWS_NEW(out, union vmt_num, w.count);
		rows.kind = ROWS_NEW(out, uint8_t, w.count);
		if (expr_eval_rows(a->expr, &rows, &why) > 0) {
			vmt_log(VMT_LOG_WARNING, "%s: target.expr: %s; the sample is not made",
				a->stage->name, why.text);
		}
		make(a, out, &w, rows.value, rows.kind);
	}
	clear(a, out);
	return 0;
}

/* Between cycles, so nothing of theirs is kept. */
static void arithmetic_forget(void *self, const uint64_t *instances, size_t count)
{
	struct arithmetic *a = self;

	series_forget(a->series, instances, count);
}

static void arithmetic_close(void *self)
{
	struct arithmetic *a = self;

	if (!a) {
		return;
	}
	series_free(a->series);
	for (size_t m = 0; m < a->meters; m++) {
		g_free(a->meter[m].unit);
		g_free(a->meter[m].hint);
	}
	g_free(a->touched);
	expr_free(a->expr);
	g_free(a);
}

static const struct vmt_transformer_ops ops = {
	.open = arithmetic_open,
	.handle = arithmetic_handle,
	.flush = arithmetic_flush,
	.forget = arithmetic_forget,
	.close = arithmetic_close,
};

VMT_PLUGIN(transformer, arithmetic) = {
	.abi = VMT_ABI,
	.ns = VMT_TRANSFORMER,
	.name = "arithmetic",
	.version = "1",
	.help = "Makes one sample of several meters of a resource, by an expression",
	.options = options,
	.conf_size = sizeof(struct arithmetic_conf),
	.ops.transformer = &ops,
};

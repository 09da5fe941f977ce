/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transformer aggregator: one sample of many of the same meter and resource.  A cumulative meter's is the
 * last one, others are summed up, gauges then divided by how many there were.  They go on at the end of the
 * cycle in which as many samples as `size` were seen, of all series together, or the first is older than
 * retention_time.  On the pipeline thread; blocks on nothing.
 */
#include <errno.h>
#include <glib.h>
#include <math.h>
#include <string.h>

#include "transform/convert.h"
#include "transform/fold.h"
#include "transform/made.h"
#include "transform/out.h"
#include "transform/rows.h"

#define NS_PER_S INT64_C(1000000000)
#define EXPIRE_NS (INT64_C(30) * 86400 * NS_PER_S)
enum { EXPIRE_EVERY = 256 }; /* rounds */

struct aggregator_conf {
	struct convert_conf convert;
	struct vmt_scalar size;
	int64_t retention_ns;
	const char *project_id, *user_id, *resource_metadata, *timestamp;
};

#define POLICY(member, default_, help_)                                                            \
	{                                                                                          \
		.name = #member, .type = VMT_OPT_STRING,                                           \
		.offset = offsetof(struct aggregator_conf, member), .def = (default_),             \
		.help = (help_)                                                                    \
	}

static const struct vmt_option options[] = {
	CONVERT_OPTIONS(struct aggregator_conf),
	{ .name = "size",
	  .type = VMT_OPT_SCALAR,
	  .offset = offsetof(struct aggregator_conf, size),
	  .help = "Samples to wait for; 1, or with a retention_time no number" },
	{ .name = "retention_time",
	  .type = VMT_OPT_SECONDS,
	  .offset = offsetof(struct aggregator_conf, retention_ns),
	  .def = "0",
	  .min = 0,
	  .max = INT64_MAX,
	  .help = "Age of the first sample with which all go on; 0: any" },
	POLICY(project_id, NULL, "Join projects, with the id of the first or last sample"),
	POLICY(user_id, NULL, "Join users, with the id of the first or last sample"),
	POLICY(resource_metadata, "last", "Metadata of the first or last sample, or drop"),
	POLICY(timestamp, "first", "Time of the first or last sample"),
	{ .name = NULL },
};

enum policy { KEY, FIRST, LAST, DROP };

struct aggregator {
	struct convert convert;
	bool juno;
	uint64_t size; /* UINT64_MAX: no number */
	int64_t retention_ns;
	enum policy project, user, metadata, timestamp;
	bool any; /* since the last flush */
	int64_t first_ns; /* time of the first sample since then */
	int64_t newest_ns;
	uint64_t seen, rounds;
	uint64_t held; /* of those seen, the ones that are in a sum */
	GArray *gone; /* uint64_t, instances to forget once nothing of theirs is kept */
};

/* What is kept of a series. */
struct aggregate {
	uint32_t count; /* 0: nothing since the last flush */
	uint8_t type; /* that of what is made */
	bool integer;
	__int128 sum;
	double sum_d;
	int64_t first_ns, last_ns;
	const struct vmt_resource *first, *last; /* a reference on each */
	struct fold ids;
	struct made made;
};

static enum policy read_policy(const struct vmt_stage *stage, const char *name, const char *text,
			       bool droppable)
{
	if (!text || !text[0]) {
		return KEY;
	}
	if (strcmp(text, "first") == 0 || strcmp(text, "last") == 0) {
		return text[0] == 'f' ? FIRST : LAST;
	}
	if (droppable && strcmp(text, "drop") == 0) {
		return DROP;
	}
	vmt_stage_warn(stage, "%s: is unknown (%.60s), using last", name, text);
	return LAST;
}

static int read_size(struct aggregator *a, const struct aggregator_conf *conf,
		     const struct vmt_stage *stage)
{
	char *end;

	/* with a retention_time alone 2014.2 still counted to one */
	a->size = conf->retention_ns > 0 && !a->juno ? UINT64_MAX : 1;
	if (!conf->size.text || !conf->size.text[0]) {
		return 0;
	}
	a->size = g_ascii_strtoull(conf->size.text, &end, 10);
	if (*end || conf->size.text[0] == '-') {
		return vmt_stage_refuse(stage, "size: '%.60s' will not do; write a number",
					conf->size.text);
	}
	if (a->size == 0 && !a->juno) { /* as if it were not there */
		a->size = conf->retention_ns > 0 ? UINT64_MAX : 1;
	}
	return 0;
}

static void drop(struct convert *c, void *own)
{
	struct aggregate *g = own;

	vmt_resource_unref(g->first);
	vmt_resource_unref(g->last);
	made_clear(&g->made);
}

static void write_key(void *context, const struct vmt_resource *r, struct buf *out);

static int aggregator_open(const void *conf, const struct vmt_stage *stage, void **ret_self,
			   struct vmt_error *error)
{
	const struct aggregator_conf *c = conf;
	struct aggregator *a = g_new0(struct aggregator, 1);
	int ret;

	a->juno = stage->profile == VMT_PROFILE_JUNO;
	ret = read_size(a, c, stage);
	if (convert_init(&a->convert, &c->convert, stage, NULL, sizeof(struct aggregate), drop) <
	    0) {
		g_free(a);
		return -EINVAL;
	}
	a->retention_ns = c->retention_ns;
	a->project = read_policy(stage, "project_id", c->project_id, false);
	a->user = read_policy(stage, "user_id", c->user_id, false);
	a->metadata = read_policy(stage, "resource_metadata", c->resource_metadata, true);
	a->timestamp = read_policy(stage, "timestamp", c->timestamp, false);
	if (ret < 0) {
		convert_fini(&a->convert);
		g_free(a);
		return ret;
	}
	series_set_key(a->convert.series, write_key, a);
	a->gone = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	*ret_self = a;
	return 0;
}

static void write_key(void *context, const struct vmt_resource *r, struct buf *out)
{
	const struct aggregator *a = context;

	buf_puts(out, r->id);
	if (a->project == KEY) {
		buf_printf(out, "\n%s", r->project_id ? r->project_id : "<undefined>");
	}
	if (a->user == KEY) {
		buf_printf(out, "\n%s", r->user_id ? r->user_id : "<undefined>");
	}
}

static void add_value(struct aggregate *g, union vmt_num v, uint8_t kind, bool replace)
{
	__int128 i = kind == VMT_INT64 ? (__int128)v.i : (__int128)v.u;

	if (replace || g->count == 0) {
		g->integer = kind != VMT_DOUBLE;
		g->sum = i;
		g->sum_d = v.d;
	} else if (g->integer && kind != VMT_DOUBLE) {
		g->sum += i;
	} else {
		double before = g->integer ? (double)g->sum : g->sum_d;

		g->sum_d = before + (kind == VMT_DOUBLE ? v.d : (double)i);
		g->integer = false;
	}
}

static void add(struct aggregator *a, struct aggregate *g, const struct vmt_batch *in, uint32_t row,
		union vmt_num value, uint8_t kind)
{
	const struct vmt_resource *r = in->resource[row];
	uint8_t id[16];

	add_value(g, value, kind, in->type == VMT_CUMULATIVE);
	if (g->count++ == 0) {
		g->first_ns = rows_time(in, row);
		g->first = vmt_resource_ref(r);
		g->ids = (struct fold){ { 0, 0 } };
		g->type = (uint8_t)convert_type(&a->convert, in);
	}
	if (g->last != r) {
		vmt_resource_unref(g->last);
		g->last = vmt_resource_ref(r);
	}
	g->last_ns = rows_time(in, row);
	vmt_batch_id(in, row, id);
	fold_add(&g->ids, id);
	a->held++;
}

/* While nothing is kept: series that nobody speaks of any more. */
static void tidy(struct aggregator *a)
{
	if (a->gone->len > 0) {
		series_forget(a->convert.series, (const uint64_t *)(void *)a->gone->data,
			      a->gone->len);
		g_array_set_size(a->gone, 0);
	}
	if (++a->rounds % EXPIRE_EVERY == 0) {
		series_expire(a->convert.series, a->newest_ns - EXPIRE_NS);
	}
}

static int aggregator_handle(void *self, const struct vmt_batch *in, struct vmt_transform *out,
			     struct vmt_error *error)
{
	struct aggregator *a = self;
	struct series_group *g;
	const struct expr_term **term = ROWS_NEW(out, const struct expr_term *, in->count);
	union vmt_num *value = ROWS_NEW(out, union vmt_num, in->count);
	uint8_t *kind = ROWS_NEW(out, uint8_t, in->count);

	if (!a->any) {
		tidy(a);
	}
	g = convert_group(&a->convert, in);
	if (!convert_place(g, in)) {
		return convert_each(aggregator_handle, self, in, out, error);
	}
	for (uint32_t i = 0; i < in->count; i++) {
		struct convert_record *rec = series_at(g, g->hint[i]);

		rec->base.time_ns = rows_time(in, i);
		term[i] = rec->term;
	}
	convert_scale(&a->convert, in, term, value, kind);
	if (!a->any) {
		a->any = true;
		a->first_ns = rows_time(in, 0);
	}
	a->newest_ns = MAX(a->newest_ns, rows_time(in, 0));
	a->seen += in->count;
	for (uint32_t i = 0; i < in->count; i++) {
		if (kind[i] != EXPR_FAILED) {
			add(a, convert_own(&a->convert, series_at(g, g->hint[i])), in, i, value[i],
			    kind[i]);
		}
	}
	transform_hold(out, a->held);
	return 0;
}

/* ---- flush */

struct flush {
	struct aggregator *a;
	struct vmt_transform *out;
	struct series_group *group; /* whose batch is being written */
	struct rows_writer writer;
};

static void end_batch(struct flush *f)
{
	if (f->group && f->writer.batch.count > 0) {
		uint32_t n = f->writer.batch.count;
		struct vmt_batch b = *rows_end(&f->writer);

		convert_make(&f->a->convert, f->out, f->group, &b, f->writer.resource,
			     f->writer.value, f->writer.kind,
			     convert_bound(&f->a->convert, f->writer.value, f->writer.kind, n));
	}
	f->group = NULL;
}

/* The sum, for gauges by how many there were. */
static uint8_t result(const struct flush *f, const struct aggregate *g, union vmt_num *ret)
{
	__int128 i = g->sum;

	if (g->type != VMT_GAUGE || (g->integer && f->a->juno)) {
		if (g->type == VMT_GAUGE) { /* Python 2 rounds down */
			i = g->sum / g->count - (g->sum % g->count != 0 && g->sum < 0);
		}
		if (!g->integer) {
			ret->d = g->sum_d;
			return VMT_DOUBLE;
		}
		ret->i = (int64_t)i;
		return i >= INT64_MIN && i <= INT64_MAX ? VMT_INT64
		       : i > 0 && i <= UINT64_MAX       ? VMT_UINT64
							: EXPR_FAILED;
	}
	ret->d = g->integer ? expr_quotient(g->sum, g->count) : g->sum_d / g->count;
	return VMT_DOUBLE;
}

static const struct vmt_resource *by(enum policy policy, const struct aggregate *g)
{
	return policy == FIRST ? g->first : g->last;
}

static void flush_one(void *context, struct series_group *group, void *record)
{
	struct flush *f = context;
	struct aggregate *g = convert_own(&f->a->convert, record);
	const struct aggregator *a = f->a;
	struct made_of of;
	union vmt_num value = { .u = 0 };
	uint8_t id[16], kind;

	if (g->count == 0) {
		return;
	}
	if (f->group != group) {
		end_batch(f);
		f->group = group;
		rows_begin(&f->writer, f->out, group->out_name, group->out_unit,
			   (enum vmt_meter_type)g->type, group->count);
	}
	of = (struct made_of){ .metadata = a->metadata == DROP ? NULL : by(a->metadata, g),
			       .project = by(a->project, g),
			       .user = by(a->user, g),
			       .source = a->convert.stage->source };
	kind = result(f, g, &value);
	fold_id(&g->ids, id);
	rows_add(&f->writer, made_get(&g->made, &of), value, kind,
		 a->timestamp == LAST ? g->last_ns : g->first_ns, INT64_MIN, id);
	vmt_transform_release(f->out, g->first);
	vmt_transform_release(f->out, g->last);
	g->first = g->last = NULL;
	g->count = 0;
}

static int aggregator_flush(void *self, struct vmt_transform *out, struct vmt_error *error)
{
	struct aggregator *a = self;
	struct flush f = { .a = a, .out = out };
	bool old = a->any && a->retention_ns > 0 &&
		   vmt_clock_real() - a->first_ns > a->retention_ns;

	if (!a->any || (!old && a->seen < a->size)) {
		return 0;
	}
	series_each(a->convert.series, flush_one, &f);
	end_batch(&f);
	a->any = false;
	a->seen = a->held = 0;
	transform_hold(out, 0);
	return 0;
}

static void aggregator_forget(void *self, const uint64_t *instances, size_t count)
{
	g_array_append_vals(((struct aggregator *)self)->gone, instances, (guint)count);
}

static void aggregator_close(void *self)
{
	struct aggregator *a = self;

	if (a) {
		convert_fini(&a->convert);
		g_array_unref(a->gone);
		g_free(a);
	}
}

static const struct vmt_transformer_ops ops = {
	.open = aggregator_open,
	.handle = aggregator_handle,
	.flush = aggregator_flush,
	.forget = aggregator_forget,
	.close = aggregator_close,
};

VMT_PLUGIN(transformer, aggregator) = {
	.abi = VMT_ABI,
	.ns = VMT_TRANSFORMER,
	.name = "aggregator",
	.version = "1",
	.help = "Makes one sample of many of a series",
	.options = options,
	.conf_size = sizeof(struct aggregator_conf),
	.ops.transformer = &ops,
};

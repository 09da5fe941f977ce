/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expressions on the rows of a batch, a block of rows at a time, operation by operation.  Where a block
 * cannot be done so (kinds that differ from row to row, an integer beyond 64 bits, a division by zero), its
 * rows are worked out one by one, with the same result.  One thread at a time; nothing is allocated.
 */
#include <errno.h>
#include <glib.h>
#include <math.h>

#include "transform/expr_private.h"

enum { BLOCK = 256, NESTED = 8 };
#define EXACT (INT64_C(1) << 53)

struct column {
	bool integer;
	union vmt_num v[BLOCK];
};

struct block {
	const struct expr *e;
	const struct expr_rows *rows;
	uint32_t first, count;
};

static bool column_of(const struct block *b, int node, unsigned depth, struct column *out);

static bool constant(const struct block *b, const struct expr_value *v, struct column *out)
{
	out->integer = v->type == EXPR_INTEGER;
	if (out->integer && (v->i > INT64_MAX || v->i < INT64_MIN)) {
		return false;
	}
	for (uint32_t i = 0; i < b->count; i++) {
		if (out->integer) {
			out->v[i].i = (int64_t)v->i;
		} else {
			out->v[i].d = v->d;
		}
	}
	return true;
}

static bool volumes(const struct block *b, int meter, struct column *out)
{
	const struct vmt_batch *batch = b->rows->batch[meter];
	const union vmt_num *from = batch->value + b->first;
	uint64_t all = 0;

	if (batch->kinds) {
		return false;
	}
	out->integer = batch->kind != VMT_DOUBLE;
	for (uint32_t i = 0; i < b->count; i++) {
		out->v[i] = from[i];
		all |= from[i].u;
	}
	return batch->kind != VMT_UINT64 || all <= INT64_MAX;
}

static bool terms(const struct block *b, int term, struct column *out)
{
	const struct expr_term *const *from = b->rows->term + b->first;
	bool ok = true;

	out->integer = from[0][term].integer;
	for (uint32_t i = 0; i < b->count; i++) {
		const struct expr_term *t = &from[i][term];

		out->v[i] = t->value;
		ok = ok && t->ok && t->integer == out->integer;
	}
	return ok;
}

static void to_double(const struct block *b, struct column *c)
{
	if (c->integer) {
		for (uint32_t i = 0; i < b->count; i++) {
			c->v[i].d = (double)c->v[i].i;
		}
		c->integer = false;
	}
}

#define EACH(expression)                                                                           \
	for (uint32_t i = 0; i < b->count; i++) {                                                  \
		expression;                                                                        \
	}

/* x := x op y, integers; false when one leaves 64 bits. */
static bool integers(const struct block *b, enum expr_op op, struct column *x,
		     const struct column *y)
{
	bool over = false;

	switch (op) {
	case EXPR_ADD:
		EACH(over |= __builtin_add_overflow(x->v[i].i, y->v[i].i, &x->v[i].i));
		return !over;
	case EXPR_SUBTRACT:
		EACH(over |= __builtin_sub_overflow(x->v[i].i, y->v[i].i, &x->v[i].i));
		return !over;
	case EXPR_MULTIPLY:
		EACH(over |= __builtin_mul_overflow(x->v[i].i, y->v[i].i, &x->v[i].i));
		return !over;
	default:
		break;
	}
	if (b->e->flags & EXPR_PYTHON2) {
		for (uint32_t i = 0; i < b->count; i++) {
			int64_t n = x->v[i].i, d = y->v[i].i;

			if (d == 0 || d == -1) {
				return false;
			}
			x->v[i].i = n / d - (n % d != 0 && (n < 0) != (d < 0));
		}
		return true;
	}
	x->integer = false;
	for (uint32_t i = 0; i < b->count; i++) {
		int64_t n = x->v[i].i, d = y->v[i].i;

		over |= d == 0 || n > EXACT || n < -EXACT || d > EXACT || d < -EXACT;
		x->v[i].d = (double)n / (double)d;
	}
	return !over;
}

static bool doubles(const struct block *b, enum expr_op op, struct column *x,
		    const struct column *y)
{
	bool zero = false;

	switch (op) {
	case EXPR_ADD:
		EACH(x->v[i].d += y->v[i].d);
		break;
	case EXPR_SUBTRACT:
		EACH(x->v[i].d -= y->v[i].d);
		break;
	case EXPR_MULTIPLY:
		EACH(x->v[i].d *= y->v[i].d);
		break;
	default:
		EACH(zero |= y->v[i].d == 0; x->v[i].d /= y->v[i].d);
		break;
	}
	return !zero;
}

static bool binary(const struct block *b, const struct expr_node *n, unsigned depth,
		   struct column *x)
{
	struct column y;

	if (!column_of(b, n->a, depth + 1, x) || !column_of(b, n->b, depth + 1, &y)) {
		return false;
	}
	if (x->integer && y.integer) {
		return integers(b, n->op, x, &y);
	}
	to_double(b, x);
	to_double(b, &y);
	return doubles(b, n->op, x, &y);
}

static bool negative(const struct block *b, struct column *x)
{
	bool over = false;

	if (x->integer) {
		EACH(over |= __builtin_sub_overflow(INT64_C(0), x->v[i].i, &x->v[i].i));
	} else {
		EACH(x->v[i].d = -x->v[i].d);
	}
	return !over;
}

/* The node for all rows of the block; false: not this way. */
static bool column_of(const struct block *b, int node, unsigned depth, struct column *out)
{
	const struct expr_node *n = &b->e->node[node];

	if (depth > NESTED) {
		return false;
	}
	if (n->term >= 0) {
		return terms(b, n->term, out);
	}
	switch (n->op) {
	case EXPR_NUMBER:
		return constant(b, &n->value, out);
	case EXPR_FIELD:
		return volumes(b, n->a, out);
	case EXPR_PLUS:
		return column_of(b, n->a, depth + 1, out);
	case EXPR_NEGATE:
		return column_of(b, n->a, depth + 1, out) && negative(b, out);
	default:
		return binary(b, n, depth, out);
	}
}

/* What came out, in the rows; false when a double is not finite. */
static bool put(const struct block *b, const struct column *c)
{
	union vmt_num *value = b->rows->value + b->first;
	uint8_t *kind = b->rows->kind + b->first;
	bool finite = true;

	for (uint32_t i = 0; i < b->count; i++) {
		value[i] = c->v[i];
		kind[i] = c->integer ? VMT_INT64 : VMT_DOUBLE;
		finite &= c->integer || isfinite(c->v[i].d);
	}
	return finite;
}

/* ---- row by row */

static struct expr_sample sample_of(const struct vmt_batch *b, uint32_t row)
{
	return (struct expr_sample){
		.name = b->name,
		.unit = b->unit,
		.type = (enum vmt_meter_type)b->type,
		.kind = (enum vmt_kind)(b->kinds ? b->kinds[row] : b->kind),
		.value = b->value[row],
		.resource = b->resource[row],
		.time_ns = b->times ? b->times[row] : b->time_ns,
	};
}

/* A number as 64 bits have it; EXPR_FAILED when they do not. */
static uint8_t store(const struct expr_value *v, union vmt_num *ret)
{
	if (v->type == EXPR_DOUBLE && isfinite(v->d)) {
		ret->d = v->d;
		return VMT_DOUBLE;
	}
	if (v->type == EXPR_INTEGER && v->i >= INT64_MIN && v->i <= INT64_MAX) {
		ret->i = (int64_t)v->i;
		return VMT_INT64;
	}
	if (v->type == EXPR_INTEGER && v->i > 0 && v->i <= UINT64_MAX) {
		ret->u = (uint64_t)v->i;
		return VMT_UINT64;
	}
	return EXPR_FAILED;
}

static int one_row(struct expr *e, const struct expr_rows *rows, uint32_t row,
		   struct vmt_error *error)
{
	struct expr_sample samples[EXPR_METERS_MAX];
	struct expr_context c = { .expr = e,
				  .samples = samples,
				  .terms = e->term_count ? rows->term[row] : NULL,
				  .error = error };
	size_t meters = e->flags & EXPR_METERS ? e->meter_count : 1;
	struct expr_value v;

	for (size_t i = 0; i < meters; i++) {
		samples[i] = sample_of(rows->batch[i], row);
	}
	rows->kind[row] = EXPR_FAILED;
	if (expr_eval_node(&c, e->root, &v) < 0) {
		return -EINVAL;
	}
	rows->kind[row] = store(&v, &rows->value[row]);
	if (rows->kind[row] != EXPR_FAILED) {
		return 0;
	}
	return expr_fail(e, e->node[e->root].column, error,
			 v.type == EXPR_INTEGER || v.type == EXPR_DOUBLE
				 ? "the result is not finite, or beyond 64 bits"
				 : "the result is no number");
}

uint32_t expr_eval_rows(const struct expr *expr, const struct expr_rows *rows,
			struct vmt_error *error)
{
	struct expr *e = (struct expr *)(uintptr_t)expr;
	uint32_t failed = 0;

	for (uint32_t first = 0; first < rows->count; first += BLOCK) {
		struct block b = { .e = e,
				   .rows = rows,
				   .first = first,
				   .count = MIN(rows->count - first, BLOCK) };
		struct column out;

		if (!e->by_row && column_of(&b, e->root, 0, &out) && put(&b, &out)) {
			continue;
		}
		for (uint32_t i = first; i < first + b.count; i++) {
			failed += one_row(e, rows, i, error) < 0;
		}
	}
	return failed;
}

/* ---- terms */

size_t expr_terms(const struct expr *expr)
{
	return expr->term_count;
}

void expr_term_values(const struct expr *expr, const struct vmt_resource *resource,
		      struct expr_term *ret_terms)
{
	struct expr *e = (struct expr *)(uintptr_t)expr;
	struct expr_sample sample = { .resource = resource };

	for (size_t i = 0; i < e->term_count; i++) {
		struct vmt_error ignored;
		struct expr_context c = { .expr = e, .samples = &sample, .error = &ignored };
		struct expr_term *t = &ret_terms[i];
		struct expr_value v;
		uint8_t kind = EXPR_FAILED;

		*t = (struct expr_term){ .ok = false };
		if (expr_eval_node(&c, e->terms[i], &v) == 0) {
			kind = store(&v, &t->value);
		}
		t->ok = kind == VMT_INT64 || kind == VMT_DOUBLE;
		t->integer = kind == VMT_INT64;
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expressions on one sample: the general way, for all that columns cannot do.  One thread at a time for an
 * expression; blocks on nothing.
 */
#include <errno.h>
#include <glib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "transform/expr_private.h"
#include "wire/json.h"
#include "wire/sample_time.h"

int expr_fail(const struct expr *e, unsigned column, struct vmt_error *error, const char *format,
	      ...)
{
	char why[256];
	va_list args;

	va_start(args, format);
	g_vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	return vmt_error_set(error, -EINVAL, "expression \"%.160s\": column %u: %s", e->text,
			     column, why);
}

/* ---- fields */

static struct expr_value text_value(const char *text, size_t len)
{
	return (struct expr_value){ .type = text ? EXPR_STRING : EXPR_NOTHING,
				    .text = text,
				    .len = text ? len : 0 };
}

static struct expr_value string_value(const char *text)
{
	return text_value(text, text ? strlen(text) : 0);
}

/* What a JSON value is to an expression; the reader has just handed on `event`. */
static struct expr_value json_value(struct expr_context *c, struct json_reader *r,
				    enum json_event event)
{
	struct expr_value v = { .type = EXPR_NOTHING };
	int64_t whole;
	uint64_t large;

	switch (event) {
	case JSON_TRUE:
	case JSON_FALSE:
		return expr_integer(event == JSON_TRUE);
	case JSON_NUMBER:
		if (json_int(r, &whole) == 0) {
			return expr_integer(whole);
		}
		if (json_uint(r, &large) == 0) {
			return expr_integer(large);
		}
		v.type = json_double(r, &v.d) == 0 ? EXPR_DOUBLE : EXPR_NOTHING;
		return v;
	case JSON_STRING:
		if (r->span_len <= sizeof(c->text) - c->used) {
			char *to = c->text + c->used;

			v = text_value(to, json_decode(r->span, r->span_len, to));
			c->used += v.len;
			return v;
		}
		return (struct expr_value){ .type = EXPR_THING, .truth = true }; /* a long one */
	case JSON_OBJECT:
	case JSON_ARRAY:
		/* its truth: whether something comes before its end */
		v.type = EXPR_THING;
		event = json_next(r);
		v.truth = event != JSON_OBJECT_END && event != JSON_ARRAY_END;
		if (v.truth) {
			for (unsigned depth = 1; depth > 0 && event > JSON_END;) {
				depth += event == JSON_OBJECT || event == JSON_ARRAY;
				depth -= event == JSON_OBJECT_END || event == JSON_ARRAY_END;
				event = depth ? json_next(r) : event;
			}
		}
		return v;
	default:
		return v;
	}
}

/* The member that `path` leads to, of the object that has just begun; of equal keys the last. */
static struct expr_value json_find(struct expr_context *c, struct json_reader *r,
				   const char *const *path)
{
	struct expr_value found = { .type = EXPR_NOTHING };
	enum json_event event;

	while ((event = json_next(r)) == JSON_KEY) {
		bool here = json_is(r, path[0]);

		if (!here) {
			if (json_skip(r, event) < 0) {
				break;
			}
			continue;
		}
		event = json_next(r);
		if (!path[1]) {
			found = json_value(c, r, event);
		} else if (event == JSON_OBJECT) {
			found = json_find(c, r, path + 1);
		} else {
			found = (struct expr_value){ .type = EXPR_NOTHING };
			if (json_skip(r, event) < 0) {
				break;
			}
		}
	}
	return found;
}

static struct expr_value metadata(struct expr_context *c, const struct vmt_resource *r,
				  const char *const *path)
{
	struct buf *joined = &c->expr->scratch;
	struct json_reader reader;
	enum json_event event;

	buf_reset(joined);
	buf_add(joined, r->meta_head, r->meta_head_len);
	buf_add(joined, r->meta_tail, r->meta_tail_len);
	json_reader_init(&reader, joined->data, joined->len);
	event = json_next(&reader);
	if (event != JSON_OBJECT) {
		return (struct expr_value){ .type = EXPR_NOTHING };
	}
	return path[0] ? json_find(c, &reader, path) : json_value(c, &reader, event);
}

static struct expr_value timestamp(struct expr_context *c, int64_t time_ns)
{
	char text[SAMPLE_TIME_MAX];
	size_t len = sample_time_format(time_ns, VMT_PROFILE_26, text);
	char *to = c->text + c->used;

	if (len > sizeof(c->text) - c->used) {
		return (struct expr_value){ .type = EXPR_THING, .truth = true };
	}
	memcpy(to, text, len);
	c->used += len;
	return text_value(to, len);
}

static struct expr_value volume(const struct expr_sample *s)
{
	switch (s->kind) {
	case VMT_INT64:
		return expr_integer(s->value.i);
	case VMT_UINT64:
		return expr_integer(s->value.u);
	case VMT_DOUBLE:
		break;
	}
	return expr_double(s->value.d);
}

static struct expr_value field(struct expr_context *c, const struct expr_node *n)
{
	static const char *const types[] = { "cumulative", "gauge", "delta" };
	const struct expr_sample *s = &c->samples[n->a];
	const struct vmt_resource *r = s->resource;

	switch (n->field) {
	case EXPR_F_NAME:
		return string_value(s->name);
	case EXPR_F_TYPE:
		return string_value(types[s->type]);
	case EXPR_F_UNIT:
		return string_value(s->unit);
	case EXPR_F_VOLUME:
		return volume(s);
	case EXPR_F_TIMESTAMP:
		return timestamp(c, s->time_ns);
	case EXPR_F_RESOURCE_ID:
		return string_value(r->id);
	case EXPR_F_PROJECT_ID:
		return string_value(r->project_id);
	case EXPR_F_USER_ID:
		return string_value(r->user_id);
	case EXPR_F_SOURCE:
		return string_value(r->source);
	case EXPR_F_METADATA:
	case EXPR_FIELDS:
		break;
	}
	return metadata(c, r, n->path);
}

/* ---- the tree */

static int fail_at(struct expr_context *c, const struct expr_node *n, const char *why)
{
	return expr_fail(c->expr, n->column, c->error, "%s", why);
}

/* Why an operand that should be a number is none, in words for the one who wrote it. */
static const char *explain(struct expr_context *c, const struct expr_node *operand,
			   const struct expr_value *v, char text[128])
{
	static const char *const types[] = { [EXPR_NOTHING] = "nothing there",
					     [EXPR_STRING] = "a text",
					     [EXPR_THING] = "no number" };

	if (v->type == EXPR_INTEGER || v->type == EXPR_DOUBLE) {
		return NULL;
	}
	if (operand->op == EXPR_FIELD && operand->field == EXPR_F_METADATA && operand->path[0]) {
		const char *const *last = operand->path;

		while (last[1]) {
			last++;
		}
		g_snprintf(text, 128, "%.60s: %s, a number is needed", *last, types[v->type]);
	} else {
		g_snprintf(text, 128, "%s, a number is needed", types[v->type]);
	}
	return text;
}

static int binary(struct expr_context *c, const struct expr_node *n, struct expr_value *ret)
{
	struct expr_value x = { .type = EXPR_NOTHING }, y = x;
	const char *why;
	char text[128];

	if (expr_eval_node(c, n->a, &x) < 0 || expr_eval_node(c, n->b, &y) < 0) {
		return -EINVAL;
	}
	why = expr_arithmetic(n->op, c->expr->flags & EXPR_PYTHON2, &x, &y, ret);
	if (!why) {
		return 0;
	}
	for (int i = 0; i < 2; i++) {
		const struct expr_node *operand = &c->expr->node[i ? n->b : n->a];
		const char *words = explain(c, operand, i ? &y : &x, text);

		if (words) {
			return fail_at(c, operand, words);
		}
	}
	return fail_at(c, n, why);
}

static int negate(struct expr_context *c, const struct expr_node *n, struct expr_value *ret)
{
	static const struct expr_value zero = { .type = EXPR_INTEGER };
	struct expr_value x = { .type = EXPR_NOTHING };
	const char *why;
	char text[128];

	if (expr_eval_node(c, n->a, &x) < 0) {
		return -EINVAL;
	}
	if (n->op == EXPR_NEGATE && x.type == EXPR_DOUBLE) {
		*ret = expr_double(-x.d);
		return 0;
	}
	why = expr_arithmetic(n->op == EXPR_NEGATE ? EXPR_SUBTRACT : EXPR_ADD, false, &zero, &x,
			      ret);
	if (n->op == EXPR_PLUS && x.type == EXPR_DOUBLE) {
		*ret = x; /* 0 + -0.0 would be 0.0 */
	}
	if (why) {
		const char *words = explain(c, &c->expr->node[n->a], &x, text);

		return fail_at(c, words ? &c->expr->node[n->a] : n, words ? words : why);
	}
	return 0;
}

static int compare(struct expr_context *c, const struct expr_node *n, struct expr_value *ret)
{
	struct expr_value x, y;
	bool holds = true;

	if (expr_eval_node(c, n->child[0], &x) < 0) {
		return -EINVAL;
	}
	for (unsigned i = 1; i < n->children && holds; i++) {
		const char *why;

		if (expr_eval_node(c, n->child[i], &y) < 0) {
			return -EINVAL;
		}
		why = expr_compare(n->compare[i - 1], &x, &y, &holds);
		if (why) {
			return fail_at(c, &c->expr->node[n->child[i]], why);
		}
		x = y;
	}
	*ret = expr_integer(holds);
	return 0;
}

static int call(struct expr_context *c, const struct expr_node *n, struct expr_value *ret)
{
	struct expr_value args[8];
	const char *why;

	for (unsigned i = 0; i < n->children; i++) {
		if (expr_eval_node(c, n->child[i], &args[i]) < 0) {
			return -EINVAL;
		}
	}
	why = expr_call((enum expr_function)n->a, c->expr->flags & EXPR_PYTHON2, args, n->children,
			ret);
	return why ? fail_at(c, n, why) : 0;
}

/* `a and b`, `a or b`, `b if a else c`: what is not needed is not looked at. */
static int choose(struct expr_context *c, const struct expr_node *n, struct expr_value *ret)
{
	struct expr_value x;
	bool truth;

	if (expr_eval_node(c, n->a, &x) < 0) {
		return -EINVAL;
	}
	truth = expr_truth(&x);
	if (n->op == EXPR_CHOICE) {
		return expr_eval_node(c, truth ? n->b : n->c, ret);
	}
	if (truth == (n->op == EXPR_OR)) {
		*ret = x;
		return 0;
	}
	return expr_eval_node(c, n->b, ret);
}

int expr_eval_node(struct expr_context *c, int node, struct expr_value *ret)
{
	const struct expr_node *n = &c->expr->node[node];
	struct expr_value x;

	if (c->terms && n->term >= 0 && c->terms[n->term].ok) {
		const struct expr_term *t = &c->terms[n->term];

		*ret = t->integer ? expr_integer(t->value.i) : expr_double(t->value.d);
		return 0;
	}
	switch (n->op) {
	case EXPR_NUMBER:
	case EXPR_TEXT:
	case EXPR_NONE:
		*ret = n->value;
		return 0;
	case EXPR_FIELD:
		*ret = field(c, n);
		return 0;
	case EXPR_NEGATE:
	case EXPR_PLUS:
		return negate(c, n, ret);
	case EXPR_COMPARE:
		return compare(c, n, ret);
	case EXPR_NOT:
		if (expr_eval_node(c, n->a, &x) < 0) {
			return -EINVAL;
		}
		*ret = expr_integer(!expr_truth(&x));
		return 0;
	case EXPR_AND:
	case EXPR_OR:
	case EXPR_CHOICE:
		return choose(c, n, ret);
	case EXPR_CALL:
		return call(c, n, ret);
	default:
		return binary(c, n, ret);
	}
}

int expr_eval(const struct expr *expr, const struct expr_sample *samples,
	      struct expr_number *ret_number, struct vmt_error *error)
{
	struct expr *e = (struct expr *)(uintptr_t)expr;
	struct expr_context c = { .expr = e, .samples = samples, .error = error };
	struct expr_value v = { .type = EXPR_NOTHING };
	const char *why;
	char text[128];

	if (expr_eval_node(&c, e->root, &v) < 0) {
		return -EINVAL;
	}
	why = explain(&c, &e->node[e->root], &v, text);
	if (why) {
		return fail_at(&c, &e->node[e->root], why);
	}
	*ret_number = (struct expr_number){ .integer = v.type == EXPR_INTEGER, .i = v.i, .d = v.d };
	return 0;
}

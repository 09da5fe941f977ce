/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside expressions: the tree (expr.c makes it), values with Python's arithmetic (expr_value.c), one sample
 * (expr_eval.c), rows of a batch (expr_rows.c).
 */
#ifndef TRANSFORM_EXPR_PRIVATE_H
#define TRANSFORM_EXPR_PRIVATE_H

#include "base/arena.h"
#include "base/buf.h"
#include "transform/expr.h"

enum expr_op {
	EXPR_NUMBER,
	EXPR_TEXT,
	EXPR_NONE,
	EXPR_FIELD, /* of sample `a` */
	EXPR_NEGATE,
	EXPR_PLUS,
	EXPR_ADD,
	EXPR_SUBTRACT,
	EXPR_MULTIPLY,
	EXPR_DIVIDE,
	EXPR_FLOOR_DIVIDE,
	EXPR_MODULO,
	EXPR_POWER,
	EXPR_COMPARE, /* a chain: operands from `child`, operators in `compare` */
	EXPR_NOT,
	EXPR_AND,
	EXPR_OR,
	EXPR_CHOICE, /* b if a else c */
	EXPR_CALL, /* function `a` of `child` */
};

enum expr_field {
	EXPR_F_NAME,
	EXPR_F_TYPE,
	EXPR_F_UNIT,
	EXPR_F_VOLUME,
	EXPR_F_TIMESTAMP,
	EXPR_F_RESOURCE_ID, /* from here on of the resource */
	EXPR_F_PROJECT_ID,
	EXPR_F_USER_ID,
	EXPR_F_SOURCE,
	EXPR_F_METADATA,
	EXPR_FIELDS
};

enum expr_function { EXPR_ABS, EXPR_FLOAT, EXPR_INT, EXPR_MAX, EXPR_MIN, EXPR_ROUND };

enum expr_comparison { EXPR_LT, EXPR_LE, EXPR_GT, EXPR_GE, EXPR_EQ, EXPR_NE };

enum expr_type { EXPR_NOTHING, EXPR_INTEGER, EXPR_DOUBLE, EXPR_STRING, EXPR_THING };

struct expr_value {
	enum expr_type type;
	bool truth; /* EXPR_THING: an object or list with something in it */
	__int128 i;
	double d;
	const char *text;
	size_t len;
};

enum { EXPR_ON_SAMPLE = 1, EXPR_ON_RESOURCE = 2 };

struct expr_node {
	enum expr_op op;
	unsigned column; /* from 1 */
	unsigned depends; /* EXPR_ON_… */
	int term; /* its place among the terms, or -1 */
	int a, b, c; /* nodes, or what the operation says */
	struct expr_value value;
	enum expr_field field;
	const char *const *path; /* below resource_metadata; ends with NULL */
	const int *child;
	const uint8_t *compare; /* one between two operands */
	unsigned children;
};

struct expr {
	struct arena *arena;
	char *text;
	unsigned flags;
	struct expr_node *node;
	int count, root;
	int terms[EXPR_TERMS_MAX];
	size_t term_count;
	const char *meter[EXPR_METERS_MAX];
	size_t meter_count;
	bool by_row; /* too many terms for columns */
	struct buf scratch; /* of the one thread that works with it */
};

/* What an evaluation goes by. */
struct expr_context {
	struct expr *expr;
	const struct expr_sample *samples;
	const struct expr_term *terms; /* or NULL */
	struct vmt_error *error;
	char text[256]; /* texts with escapes, timestamps */
	size_t used;
};

/* Writes `expression "…": column N: why`; answers -EINVAL. */
int expr_fail(const struct expr *e, unsigned column, struct vmt_error *error, const char *format,
	      ...) __attribute__((format(printf, 4, 5)));

/* 0 or -EINVAL with the reason. */
int expr_eval_node(struct expr_context *c, int node, struct expr_value *ret);

/* Python's arithmetic; NULL or why not. */
const char *expr_arithmetic(enum expr_op op, bool python2, const struct expr_value *x,
			    const struct expr_value *y, struct expr_value *ret);
const char *expr_compare(enum expr_comparison op, const struct expr_value *x,
			 const struct expr_value *y, bool *ret);
const char *expr_call(enum expr_function function, bool python2, const struct expr_value *args,
		      size_t count, struct expr_value *ret);
bool expr_truth(const struct expr_value *v);

static inline struct expr_value expr_integer(__int128 i)
{
	return (struct expr_value){ .type = EXPR_INTEGER, .i = i };
}

static inline struct expr_value expr_double(double d)
{
	return (struct expr_value){ .type = EXPR_DOUBLE, .d = d };
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The expressions of transformers (`scale`, `expr`): the part of Python's that pipelines use, with Python's
 * arithmetic: integers are exact, `/` is exact division, `//` and `%` round down.
 *
 *	numbers, 'texts', True, False, None      ( ) [ 'key' ] .key
 *	+ - * / // % **   < <= > >= == !=   and or not   A if C else B
 *	float() int() abs() round() min() max()
 *
 * A name is a field of the sample: name, type, unit, volume, resource_id, project_id, user_id, timestamp,
 * source, resource_metadata and what lies in it.  What is not there is nothing: false where true or false
 * is asked, an error where a number is.  With EXPR_METERS a field is that of one of several samples:
 * $(meter.name) stands for the volume of that meter's, $(meter.name).field for a field.
 *
 * An expression is compiled once, immutable from then on, and works on columns: what only depends on the
 * resource is worked out once per version of the resource (terms), the rest for all rows of a batch at a
 * time.  Errors name the expression and the column in it.
 */
#ifndef TRANSFORM_EXPR_H
#define TRANSFORM_EXPR_H

#include <virtmeter/plugin.h>

struct expr;

enum expr_flags {
	EXPR_METERS = 1, /* $(meter) instead of bare fields */
	EXPR_PYTHON2 = 2, /* `/` of two integers rounds down */
};

enum {
	EXPR_TEXT_MAX = 4096, /* bytes */
	EXPR_DEPTH_MAX = 64, /* of brackets within brackets */
	EXPR_METERS_MAX = 16,
	EXPR_TERMS_MAX =
		8, /* that columns are made of; with more, rows are worked out one by one */
};

/* NULL with the reason: `expression "volume /": column 9: a value is missing`. */
struct expr *expr_new(const char *text, unsigned flags, struct vmt_error *error);
void expr_free(struct expr *expr);
const char *expr_text(const struct expr *expr);

/* The meters that it names, in their order; none without EXPR_METERS. */
size_t expr_meters(const struct expr *expr);
const char *expr_meter(const struct expr *expr, size_t i);

/* An integer (beyond 64 bits too) or a double. */
struct expr_number {
	bool integer;
	__int128 i;
	double d;
};

/* One sample. */
struct expr_sample {
	const char *name, *unit;
	enum vmt_meter_type type;
	enum vmt_kind kind;
	union vmt_num value;
	const struct vmt_resource *resource;
	int64_t time_ns;
};

/* For one sample of each meter.  -EINVAL with the reason: it cannot be worked out, or is no number.
 * Nothing is taken from the heap but for metadata with escapes. */
int expr_eval(const struct expr *expr, const struct expr_sample *samples,
	      struct expr_number *ret_number, struct vmt_error *error);

/* x / y, rounded once; y is not 0. */
double expr_quotient(__int128 x, __int128 y);

/* The parts that only depend on the resource of the first sample; `ok` false where one has no number:
 * rows that need it are worked out by themselves, and tell why. */
struct expr_term {
	bool ok, integer;
	union vmt_num value; /* i or d */
};
size_t expr_terms(const struct expr *expr); /* 0 with EXPR_METERS */
void expr_term_values(const struct expr *expr, const struct vmt_resource *resource,
		      struct expr_term *ret_terms);

/* Rows of a batch, or with EXPR_METERS those of one batch for each meter, which speak of the same resources
 * in the same order.  Numbers come as `kind` says; what does not fit 64 bits, or is not finite, fails. */
struct expr_rows {
	uint32_t count;
	const struct vmt_batch *const *batch;
	const struct expr_term *const
		*term; /* those of each row; not looked at where there are none */
	union vmt_num *value; /* out */
	uint8_t *kind; /* out: enum vmt_kind, or EXPR_FAILED */
};
enum { EXPR_FAILED = 255 };

/* Answers how many rows failed; the reason of the last in *error. */
uint32_t expr_eval_rows(const struct expr *expr, const struct expr_rows *rows,
			struct vmt_error *error);

#endif

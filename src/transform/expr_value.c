/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Python's arithmetic on values: integers exact to 127 bits, doubles, and true division of integers rounded
 * once.  Any thread; blocks on nothing.
 */
#include <errno.h>
#include <glib.h>
#include <math.h>
#include <string.h>

#include "transform/expr_private.h"

#define EXACT (INT64_C(1) << 53) /* integers up to here are doubles */

static const char not_number[] = "a number is needed here";
static const char too_large[] = "the integer becomes too large";
static const char no_division[] = "division by zero";

bool expr_truth(const struct expr_value *v)
{
	switch (v->type) {
	case EXPR_INTEGER:
		return v->i != 0;
	case EXPR_DOUBLE:
		return v->d != 0;
	case EXPR_STRING:
		return v->len > 0;
	case EXPR_THING:
		return v->truth;
	case EXPR_NOTHING:
		break;
	}
	return false;
}

static bool is_number(const struct expr_value *v)
{
	return v->type == EXPR_INTEGER || v->type == EXPR_DOUBLE;
}

static double as_double(const struct expr_value *v)
{
	return v->type == EXPR_INTEGER ? (double)v->i : v->d;
}

/* ---- integers */

/* The quotient to 55 bits and more, and whether something is left over: that is rounded once. */
static double long_quotient(unsigned __int128 x, unsigned __int128 y)
{
	unsigned __int128 q = x / y, r = x % y, low = 0;
	int exponent = 0;

	while (q >> 56) {
		low |= q & 1;
		q >>= 1;
		exponent++;
	}
	while (q >> 55 == 0 && exponent > -1100 && !low && (r || q == 0)) {
		if (r == 0 && q == 0) {
			return 0;
		}
		r <<= 1;
		q = q << 1 | (r >= y);
		r -= r >= y ? y : 0;
		exponent--;
	}
	return ldexp((double)(uint64_t)(q | (r || low)), exponent);
}

double expr_quotient(__int128 x, __int128 y)
{
	bool negative = (x < 0) != (y < 0);
	double q;

	if (x >= -EXACT && x <= EXACT && y >= -EXACT && y <= EXACT) {
		return (double)(int64_t)x / (double)(int64_t)y;
	}
	q = long_quotient(x < 0 ? -(unsigned __int128)x : (unsigned __int128)x,
			  y < 0 ? -(unsigned __int128)y : (unsigned __int128)y);
	return negative ? -q : q;
}

static __int128 floor_div(__int128 x, __int128 y)
{
	__int128 q = x / y;

	return q - (x % y != 0 && (x < 0) != (y < 0));
}

static const char *int_power(__int128 x, __int128 y, struct expr_value *ret)
{
	__int128 result = 1;

	if (y < 0) {
		if (x == 0) {
			return no_division;
		}
		*ret = expr_double(pow((double)x, (double)y));
		return NULL;
	}
	if (x == 0 || x == 1 || x == -1) {
		*ret = expr_integer(y == 0 ? 1 : x == -1 && y % 2 == 0 ? 1 : x);
		return NULL;
	}
	for (; y > 0; y--) {
		if (__builtin_mul_overflow(result, x, &result)) {
			return too_large;
		}
	}
	*ret = expr_integer(result);
	return NULL;
}

static const char *int_arithmetic(enum expr_op op, bool python2, __int128 x, __int128 y,
				  struct expr_value *ret)
{
	__int128 result = 0;
	bool over = false;

	if ((op == EXPR_DIVIDE || op == EXPR_FLOOR_DIVIDE || op == EXPR_MODULO) && y == 0) {
		return no_division;
	}
	switch (op) {
	case EXPR_ADD:
		over = __builtin_add_overflow(x, y, &result);
		break;
	case EXPR_SUBTRACT:
		over = __builtin_sub_overflow(x, y, &result);
		break;
	case EXPR_MULTIPLY:
		over = __builtin_mul_overflow(x, y, &result);
		break;
	case EXPR_DIVIDE:
		if (!python2) {
			*ret = expr_double(expr_quotient(x, y));
			return NULL;
		}
		/* fall through */
	case EXPR_FLOOR_DIVIDE:
	case EXPR_MODULO:
		if (y == -1) { /* the least integer has no opposite */
			over = __builtin_sub_overflow((__int128)0, x, &result);
			result = op == EXPR_MODULO ? 0 : result;
			over = over && op != EXPR_MODULO;
		} else {
			result = floor_div(x, y);
			result = op == EXPR_MODULO ? x - result * y : result;
		}
		break;
	default:
		return int_power(x, y, ret);
	}
	*ret = expr_integer(result);
	return over ? too_large : NULL;
}

/* ---- doubles */

/* As Python's float: the remainder has the divisor's sign. */
static double remainder_of(double x, double y)
{
	double r = fmod(x, y);

	if (r == 0) {
		return copysign(0, y);
	}
	return (y < 0) != (r < 0) ? r + y : r;
}

static double floor_quotient(double x, double y)
{
	double q = (x - remainder_of(x, y)) / y, whole = floor(q);

	if (q == 0) {
		return copysign(0, x / y);
	}
	return q - whole > 0.5 ? whole + 1 : whole;
}

static const char *double_arithmetic(enum expr_op op, double x, double y, struct expr_value *ret)
{
	double result = 0;

	if ((op == EXPR_DIVIDE || op == EXPR_FLOOR_DIVIDE || op == EXPR_MODULO) && y == 0) {
		return no_division;
	}
	switch (op) {
	case EXPR_ADD:
		result = x + y;
		break;
	case EXPR_SUBTRACT:
		result = x - y;
		break;
	case EXPR_MULTIPLY:
		result = x * y;
		break;
	case EXPR_DIVIDE:
		result = x / y;
		break;
	case EXPR_FLOOR_DIVIDE:
		result = floor_quotient(x, y);
		break;
	case EXPR_MODULO:
		result = remainder_of(x, y);
		break;
	default:
		if (x == 0 && y < 0) {
			return no_division;
		}
		result = pow(x, y);
		if (isnan(result) && !isnan(x) && !isnan(y)) {
			return "a root of a negative number is no number";
		}
		if (isinf(result) && !isinf(x) && !isinf(y)) {
			return "the number becomes too large";
		}
	}
	*ret = expr_double(result);
	return NULL;
}

const char *expr_arithmetic(enum expr_op op, bool python2, const struct expr_value *x,
			    const struct expr_value *y, struct expr_value *ret)
{
	if (!is_number(x) || !is_number(y)) {
		return not_number;
	}
	if (x->type == EXPR_INTEGER && y->type == EXPR_INTEGER) {
		return int_arithmetic(op, python2, x->i, y->i, ret);
	}
	return double_arithmetic(op, as_double(x), as_double(y), ret);
}

/* ---- comparison */

static int order_numbers(const struct expr_value *x, const struct expr_value *y)
{
	if (x->type == EXPR_INTEGER && y->type == EXPR_INTEGER) {
		return x->i < y->i ? -1 : x->i > y->i;
	}
	if (isnan(as_double(x)) || isnan(as_double(y))) {
		return 2;
	}
	/* an integer with a double: without rounding the integer, as far as a long double goes */
	long double a = x->type == EXPR_INTEGER ? (long double)x->i : x->d;
	long double b = y->type == EXPR_INTEGER ? (long double)y->i : y->d;

	return a < b ? -1 : a > b;
}

static int order_texts(const struct expr_value *x, const struct expr_value *y)
{
	int order = memcmp(x->text, y->text, MIN(x->len, y->len));

	return order ? (order < 0 ? -1 : 1) : (x->len < y->len ? -1 : x->len > y->len);
}

const char *expr_compare(enum expr_comparison op, const struct expr_value *x,
			 const struct expr_value *y, bool *ret)
{
	int order;

	if (is_number(x) && is_number(y)) {
		order = order_numbers(x, y);
	} else if (x->type == EXPR_STRING && y->type == EXPR_STRING) {
		order = order_texts(x, y);
	} else if (op == EXPR_EQ || op == EXPR_NE) {
		bool same = x->type == EXPR_NOTHING && y->type == EXPR_NOTHING;

		*ret = same == (op == EXPR_EQ);
		return NULL;
	} else {
		return "these cannot be put in order; two numbers or two texts can";
	}
	switch (op) {
	case EXPR_LT:
		*ret = order == -1;
		break;
	case EXPR_LE:
		*ret = order == -1 || order == 0;
		break;
	case EXPR_GT:
		*ret = order == 1;
		break;
	case EXPR_GE:
		*ret = order == 1 || order == 0;
		break;
	case EXPR_EQ:
		*ret = order == 0;
		break;
	case EXPR_NE:
		*ret = order != 0;
		break;
	}
	return NULL;
}

/* ---- functions */

/* The number that a text holds. */
static const char *parse(const struct expr_value *v, bool integer, struct expr_value *ret)
{
	char text[64], *end;

	if (v->len == 0 || v->len >= sizeof(text)) {
		return not_number;
	}
	memcpy(text, v->text, v->len);
	text[v->len] = '\0';
	errno = 0;
	*ret = integer ? expr_integer(g_ascii_strtoll(text, &end, 10))
		       : expr_double(g_ascii_strtod(text, &end));
	return *end || errno ? not_number : NULL;
}

static const char *to_integer(double d, struct expr_value *ret)
{
	if (!(fabs(d) < 0x1p126)) {
		return too_large;
	}
	*ret = expr_integer((__int128)d);
	return NULL;
}

static const char *call_one(enum expr_function function, bool python2, const struct expr_value *v,
			    struct expr_value *ret)
{
	if ((function == EXPR_FLOAT || function == EXPR_INT) && v->type == EXPR_STRING) {
		return parse(v, function == EXPR_INT, ret);
	}
	if (!is_number(v)) {
		return not_number;
	}
	*ret = *v;
	switch (function) {
	case EXPR_ABS:
		if (v->type == EXPR_DOUBLE) {
			ret->d = fabs(v->d);
		} else if (v->i < 0 && __builtin_sub_overflow((__int128)0, v->i, &ret->i)) {
			return too_large;
		}
		return NULL;
	case EXPR_FLOAT:
		*ret = expr_double(as_double(v));
		return NULL;
	case EXPR_INT:
		return v->type == EXPR_DOUBLE ? to_integer(v->d, ret) : NULL;
	default: /* round */
		if (python2) {
			*ret = expr_double(round(as_double(v)));
			return NULL;
		}
		return v->type == EXPR_DOUBLE ? to_integer(rint(v->d), ret) : NULL;
	}
}

const char *expr_call(enum expr_function function, bool python2, const struct expr_value *args,
		      size_t count, struct expr_value *ret)
{
	const struct expr_value *best = &args[0];

	if (function != EXPR_MIN && function != EXPR_MAX) {
		return count == 1 ? call_one(function, python2, &args[0], ret)
				  : "one argument is needed here";
	}
	for (size_t i = 0; i < count; i++) {
		int order;

		if (!is_number(&args[i])) {
			return not_number;
		}
		order = order_numbers(&args[i], best);
		if (function == EXPR_MIN ? order == -1 : order == 1) {
			best = &args[i];
		}
	}
	*ret = *best;
	return NULL;
}

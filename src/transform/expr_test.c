/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expressions: values as Python 3.11 gives them (worked out there, written down here), errors with their
 * column, and the way by columns against the way by rows.
 */
#include "transform/expr.h"

#include <errno.h>
#include <glib.h>
#include <math.h>
#include <string.h>

#define METADATA                                                                                   \
	"{\"cpu_number\": 2, \"none\": null, \"text\": \"4\", \"name\": \"a\\u00e9\", "            \
	"\"flavor\": {\"ram\": 512, \"x y\": 7}, \"empty\": {}, \"yes\": true, \"f\": 0.25}"

static const struct vmt_resource resource = {
	.id = "r1",
	.project_id = "p",
	.source = "openstack",
	.meta_head = METADATA,
	.meta_head_len = sizeof(METADATA) - 2,
	.meta_tail = "}",
	.meta_tail_len = 1,
};

static struct expr_sample sample_of(uint64_t volume)
{
	return (struct expr_sample){ .name = "cpu",
				     .unit = "ns",
				     .kind = VMT_UINT64,
				     .value.u = volume,
				     .resource = &resource,
				     .time_ns = 0 };
}

struct number_case {
	const char *text;
	unsigned flags;
	bool integer;
	double value;
};

static const struct number_case numbers[] = {
	{ "1", 0, true, 1 },
	{ "1.5e3", 0, false, 1500 },
	{ "volume", 0, true, 1536 },
	{ "volume / 1024", 0, false, 1.5 },
	{ "volume / 1024", EXPR_PYTHON2, true, 1 },
	{ "volume // 1000", 0, true, 1 },
	{ "-volume // 1000", 0, true, -2 },
	{ "-volume / 1000", EXPR_PYTHON2, true, -2 },
	{ "-volume % 1000", 0, true, 464 },
	{ "-7.5 // 2", 0, false, -4 },
	{ "-7.5 % 2", 0, false, 0.5 },
	{ "7.5 % -2", 0, false, -0.5 },
	{ "2 ** 10", 0, true, 1024 },
	{ "2 ** -1", 0, false, 0.5 },
	{ "-2 ** 2", 0, true, -4 },
	{ "2 ** 3 ** 2", 0, true, 512 },
	{ "10**9 * 3", 0, true, 3e9 },
	{ "1 + 2 * 3 - 4", 0, true, 3 },
	{ "(1 + 2) * 3", 0, true, 9 },
	{ "100.0 / (10**9 * (resource_metadata.cpu_number or 1))", 0, false, 5e-08 },
	{ "resource_metadata.missing or 1", 0, true, 1 },
	{ "resource_metadata.none or 3", 0, true, 3 },
	{ "resource_metadata.empty or 4", 0, true, 4 },
	{ "resource_metadata.missing.deeper or 5", 0, true, 5 },
	{ "resource_metadata.flavor.ram", 0, true, 512 },
	{ "resource_metadata['flavor']['x y']", 0, true, 7 },
	{ "resource_metadata.f * volume", 0, false, 384 },
	{ "resource_metadata.yes + 1", 0, true, 2 },
	{ "int(resource_metadata.text) * 2", 0, true, 8 },
	{ "float(resource_metadata.text)", 0, false, 4 },
	{ "1 if name == 'cpu' else 2", 0, true, 1 },
	{ "1 if resource_metadata.name == 'ae' else 2", 0, true, 2 },
	{ "1 if unit != \"ns\" else 2", 0, true, 2 },
	{ "1 if type == 'cumulative' else 2", 0, true, 1 },
	{ "1 if timestamp < '1970-01-02' else 2", 0, true, 1 },
	{ "1 if user_id == None else 2", 0, true, 1 },
	{ "1 < 2 < 3", 0, true, 1 },
	{ "1 < 3 < 2", 0, true, 0 },
	{ "not volume", 0, true, 0 },
	{ "not resource_metadata.missing and 6", 0, true, 6 },
	{ "volume and 0 or 8", 0, true, 8 },
	{ "max(volume, 2000.5, 3)", 0, false, 2000.5 },
	{ "min(3, volume)", 0, true, 3 },
	{ "abs(-3)", 0, true, 3 },
	{ "round(2.5)", 0, true, 2 },
	{ "round(2.5)", EXPR_PYTHON2, false, 3 },
	{ "int(-2.9)", 0, true, -2 },
	{ "9007199254740993 / 1", 0, false, 9007199254740992.0 },
	{ "9007199254740995 / 1", 0, false, 9007199254740996.0 },
	{ "9007199254740993 / 3", 0, false, 3002399751580331.0 },
	{ "10**30 / 10**30", 0, false, 1 },
	{ "10**20 / 7", 0, false, 1.4285714285714287e+19 },
	{ "1 / 3", 0, false, 0.3333333333333333 },
	{ "1 / 10**25", 0, false, 1e-25 },
	{ "True + True", 0, true, 2 },
	{ "100L / 3", EXPR_PYTHON2, true, 33 },
	{ "0 if 0 else 1/4", 0, false, 0.25 },
	{ "+-+5", 0, true, -5 },
};

static void test_numbers(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
		const struct number_case *c = &numbers[i];
		struct vmt_error error = { .text = "" };
		struct expr *e = expr_new(c->text, c->flags, &error);
		struct expr_sample s = sample_of(1536);
		struct expr_number n = { .i = 0 };

		g_assert_cmpstr(error.text, ==, "");
		g_assert_nonnull(e);
		if (expr_eval(e, &s, &n, &error) < 0) {
			g_error("%s: %s", c->text, error.text);
		}
		if (n.integer != c->integer || (n.integer ? (double)n.i : n.d) != c->value) {
			g_error("%s: %.17g %d", c->text, n.integer ? (double)n.i : n.d, n.integer);
		}
		expr_free(e);
	}
}

/* What is wrong as such: told when it is compiled, with the column. */
static void test_refused(void)
{
	static const struct {
		const char *text, *reason;
		unsigned flags;
	} cases[] = {
		{ "", "expression \"\": column 1: a value is missing", 0 },
		{ "volume /", "expression \"volume /\": column 9: a value is missing", 0 },
		{ "volume / )", "column 10: a value is needed here", 0 },
		{ "(volume", "column 8: a ) is missing", 0 },
		{ "volume 3", "column 8: the end, or an operator, is needed here", 0 },
		{ "volume = 3", "column 8: = compares nothing; write ==", 0 },
		{ "volum * 2", "column 1: a field of a sample is needed", 0 },
		{ "1 / 0", "column 3: division by zero", 0 },
		{ "'a' + 1", "column 1: a text, a number is needed", 0 },
		{ "'a'", "column 1: this is no number", 0 },
		{ "None", "column 1: this is no number", 0 },
		{ "'a", "column 1: the text is not closed", 0 },
		{ "3x", "column 2: a number ends here", 0 },
		{ "name.x", "column 1: only resource_metadata has keys", 0 },
		{ "2 * 1e400", "column 5: the number is too large", 0 },
		{ "10**40", "column 3: the integer becomes too large", 0 },
		{ "__import__('os')", "column 1: a field of a sample is needed", 0 },
		{ "abs(1, 2)", "column 1: one argument is needed here", 0 },
		{ "volume if 1", "column 12: an else is missing", 0 },
		{ "1 < 'a'", "column 5: these cannot be put in order", 0 },
		{ "(-8) ** 0.5", "column 6: a root of a negative number", 0 },
		{ "volume", "column 1: a meter is written as $(its.name)", EXPR_METERS },
		{ "$(cpu", "column 1: a meter is written as $(its.name)", EXPR_METERS },
		{ "$(cpu).", "column 8: a field is missing", EXPR_METERS },
		{ "$(cpu)", "column 1: a value is needed here", 0 },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct vmt_error error = { .text = "" };

		g_assert_null(expr_new(cases[i].text, cases[i].flags, &error));
		if (!strstr(error.text, cases[i].reason)) {
			g_error("%s: %s", cases[i].text, error.text);
		}
	}
}

/* Wrong for a sample: the expression and the column are named. */
static void test_fails(void)
{
	static const struct {
		const char *text, *reason;
	} cases[] = {
		{ "10 * resource_metadata.missing",
		  "expression \"10 * resource_metadata.missing\": column 6: missing: nothing there, a "
		  "number is needed" },
		{ "resource_metadata.text + volume", "column 1: text: a text, a number is needed" },
		{ "volume / (volume - volume)", "column 8: division by zero" },
		{ "resource_metadata.flavor", "column 1: flavor: no number, a number is needed" },
		{ "name", "column 1: a text, a number is needed" },
		{ "-resource_metadata.none", "column 2: none: nothing there" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct vmt_error error = { .text = "" };
		struct expr *e = expr_new(cases[i].text, 0, &error);
		struct expr_sample s = sample_of(5);
		struct expr_number n;

		g_assert_nonnull(e);
		g_assert_cmpint(expr_eval(e, &s, &n, &error), ==, -EINVAL);
		if (!strstr(error.text, cases[i].reason)) {
			g_error("%s: %s", cases[i].text, error.text);
		}
		expr_free(e);
	}
}

static void test_bounds(void)
{
	struct vmt_error error = { .text = "" };
	GString *deep = g_string_new(NULL), *many = g_string_new("1");

	for (int i = 0; i < 100; i++) {
		g_string_append_c(deep, '(');
	}
	g_assert_null(expr_new(deep->str, 0, &error));
	g_assert_nonnull(strstr(error.text, "nested too deep"));
	for (int i = 0; i < 1000; i++) {
		g_string_append(many, "+1");
	}
	g_assert_null(expr_new(many->str, 0, &error));
	g_assert_nonnull(strstr(error.text, "too long"));
	for (int i = 0; i < 5000; i++) {
		g_string_append_c(many, ' ');
	}
	g_assert_null(expr_new(many->str, 0, &error));
	g_string_free(deep, TRUE);
	g_string_free(many, TRUE);
}

/* ---- columns */

enum { ROWS = 700 }; /* more than two blocks */

/* All rows by columns equal each row by itself, failures and kinds too. */
static void compare(const char *text, unsigned flags, const struct vmt_batch *batch, bool fails)
{
	struct vmt_error error = { .text = "" };
	struct expr *e = expr_new(text, flags, &error);
	struct expr_term store[EXPR_TERMS_MAX];
	const struct expr_term *terms[ROWS];
	union vmt_num value[ROWS];
	uint8_t kind[ROWS];
	struct expr_rows rows = {
		.count = ROWS, .batch = &batch, .term = terms, .value = value, .kind = kind
	};
	uint32_t failed = 0, answered;

	g_assert_nonnull(e);
	expr_term_values(e, &resource, store);
	for (uint32_t i = 0; i < ROWS; i++) {
		terms[i] = store;
	}
	answered = expr_eval_rows(e, &rows, &error);
	for (uint32_t i = 0; i < ROWS; i++) {
		struct expr_sample s = { .name = batch->name,
					 .unit = batch->unit,
					 .kind = batch->kinds ? batch->kinds[i] : batch->kind,
					 .value = batch->value[i],
					 .resource = &resource };
		struct expr_number n = { .i = 0 };
		int ret = expr_eval(e, &s, &n, &error);

		if (ret < 0 || (n.integer ? n.i > UINT64_MAX || n.i < INT64_MIN : !isfinite(n.d))) {
			g_assert_cmpuint(kind[i], ==, EXPR_FAILED);
			failed++;
		} else if (n.integer) {
			g_assert_cmpuint(kind[i], ==, n.i > INT64_MAX ? VMT_UINT64 : VMT_INT64);
			g_assert_cmpuint(value[i].u, ==, (uint64_t)n.i);
		} else {
			g_assert_cmpuint(kind[i], ==, VMT_DOUBLE);
			g_assert_true(value[i].d == n.d);
		}
	}
	g_assert_cmpuint(failed, ==, answered);
	g_assert_true(fails == (failed > 0));
	expr_free(e);
}

static void test_columns(void)
{
	static const char *const texts[] = {
		"volume",
		"volume * 2",
		"volume / 1024",
		"volume * 0.5 + 3",
		"-volume - 7",
		"volume // 3",
		"resource_metadata.cpu_number * volume",
		"volume - volume / 3",
		"resource_metadata.f + resource_metadata.cpu_number * volume",
		"volume ** 2 if volume < 10 else 1",
		"volume * 10**9",
		"volume + volume * volume",
		"(resource_metadata.missing or 1) * volume",
		"100.0 * resource_metadata.cpu_number"
	};
	union vmt_num value[ROWS];
	const struct vmt_resource *resources[ROWS];
	uint8_t kinds[ROWS];
	struct vmt_batch batch = {
		.name = "cpu", .unit = "ns", .count = ROWS, .resource = resources, .value = value
	};

	for (uint32_t i = 0; i < ROWS; i++) {
		resources[i] = &resource;
		kinds[i] = i % 7 == 0 ? VMT_DOUBLE : VMT_UINT64;
	}
	for (size_t t = 0; t < G_N_ELEMENTS(texts); t++) {
		for (unsigned flags = 0; flags <= EXPR_PYTHON2; flags += EXPR_PYTHON2) {
			batch.kind = VMT_UINT64;
			batch.kinds = NULL;
			for (uint32_t i = 0; i < ROWS; i++) {
				value[i].u = i * 1000003;
			}
			compare(texts[t], flags, &batch, false);
			batch.kind = VMT_DOUBLE;
			for (uint32_t i = 0; i < ROWS; i++) {
				value[i].d = (double)i * 1.7 - 300;
			}
			compare(texts[t], flags, &batch, false);
			batch.kinds = kinds; /* differs from row to row */
			for (uint32_t i = 0; i < ROWS; i++) {
				value[i].u = i % 7 ? i : 0;
			}
			compare(texts[t], flags, &batch, false);
		}
	}
	batch.kind = VMT_UINT64; /* beyond 64 bits, and beyond what a double holds */
	batch.kinds = NULL;
	for (uint32_t i = 0; i < ROWS; i++) {
		value[i].u = UINT64_MAX - i;
	}
	compare("volume", 0, &batch, false);
	compare("volume / 1000", 0, &batch, false);
	compare("volume * 10", 0, &batch, true);
	compare("volume * 1e308", 0, &batch, true);
	value[300].u = 0;
	compare("1 / volume", 0, &batch, true);
	compare("1.0 / volume", 0, &batch, true);
	compare("resource_metadata.text * volume", 0, &batch, true);
}

static void test_meters(void)
{
	struct vmt_error error = { .text = "" };
	struct expr *e = expr_new("100 * $(memory.usage) / $(memory) + "
				  "$(memory.usage).resource_metadata.flavor.ram",
				  EXPR_METERS, &error);
	struct expr_sample s[2] = { sample_of(256), sample_of(1000) };
	struct expr_number n;

	g_assert_nonnull(e);
	g_assert_cmpuint(expr_meters(e), ==, 2);
	g_assert_cmpstr(expr_meter(e, 0), ==, "memory.usage");
	g_assert_cmpstr(expr_meter(e, 1), ==, "memory");
	g_assert_cmpint(expr_eval(e, s, &n, &error), ==, 0);
	g_assert_true(!n.integer && n.d == 537.6);
	expr_free(e);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/expr/numbers", test_numbers);
	g_test_add_func("/expr/refused", test_refused);
	g_test_add_func("/expr/fails", test_fails);
	g_test_add_func("/expr/bounds", test_bounds);
	g_test_add_func("/expr/columns", test_columns);
	g_test_add_func("/expr/meters", test_meters);
	return g_test_run();
}

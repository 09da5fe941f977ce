/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as an expression, of both kinds and both divisions: it is refused with a column, or gives for each
 * sample a number or a reason, the same by columns as by rows.  The first line is metadata when it begins
 * with '{'.
 */
#include <glib.h>
#include <math.h>
#include <string.h>

#include "transform/expr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROWS = 5 };

static const union vmt_num values[ROWS] = {
	{ .u = 0 }, { .u = 1 }, { .u = 1536 }, { .u = UINT64_C(1) << 62 }, { .u = UINT64_MAX }
};

static void compare(const struct expr *e, const struct vmt_resource *resource)
{
	const struct vmt_resource *resources[ROWS];
	struct expr_term store[EXPR_TERMS_MAX];
	const struct expr_term *terms[ROWS];
	struct vmt_batch batch = { .name = "cpu",
				   .unit = "ns",
				   .kind = VMT_UINT64,
				   .count = ROWS,
				   .resource = resources,
				   .value = values };
	const struct vmt_batch *batches[EXPR_METERS_MAX];
	union vmt_num value[ROWS];
	uint8_t kind[ROWS];
	struct expr_rows rows = {
		.count = ROWS, .batch = batches, .term = terms, .value = value, .kind = kind
	};
	struct vmt_error error = { "" };

	for (size_t i = 0; i < EXPR_METERS_MAX; i++) {
		batches[i] = &batch;
	}
	for (size_t i = 0; i < ROWS; i++) {
		resources[i] = resource;
		terms[i] = store;
	}
	expr_term_values(e, resource, store);
	expr_eval_rows(e, &rows, &error);
	for (size_t i = 0; i < ROWS; i++) {
		struct expr_sample samples[EXPR_METERS_MAX];
		struct expr_number n;

		for (size_t m = 0; m < EXPR_METERS_MAX; m++) {
			samples[m] = (struct expr_sample){ .name = "cpu",
							   .unit = "ns",
							   .kind = VMT_UINT64,
							   .value = values[i],
							   .resource = resource };
		}
		if (expr_eval(e, samples, &n, &error) < 0) {
			g_assert(strstr(error.text, "column "));
			g_assert(kind[i] == EXPR_FAILED);
		} else if (n.integer) {
			g_assert(kind[i] == EXPR_FAILED
					 ? n.i < INT64_MIN || n.i > UINT64_MAX
					 : kind[i] != VMT_DOUBLE && value[i].u == (uint64_t)n.i);
		} else {
			g_assert(kind[i] == EXPR_FAILED
					 ? !isfinite(n.d)
					 : kind[i] == VMT_DOUBLE && value[i].d == n.d);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *all = g_strndup((const char *)data, size), *text = all;
	char *line = all[0] == '{' ? strchr(all, '\n') : NULL;
	struct vmt_resource resource = { .id = "r", .source = "openstack", .meta_tail = "" };

	if (line) {
		*line = '\0';
		text = line + 1;
	}
	resource.meta_head = line ? all : "{}";
	resource.meta_head_len = (uint32_t)strlen(resource.meta_head);
	for (unsigned flags = 0; flags <= (EXPR_METERS | EXPR_PYTHON2); flags++) {
		struct vmt_error error = { "" };
		struct expr *e = expr_new(text, flags, &error);

		if (e) {
			compare(e, &resource);
			expr_free(e);
		} else {
			g_assert(strstr(error.text, "column "));
		}
	}
	g_free(all);
	return 0;
}

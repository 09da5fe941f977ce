/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics of rows that are made by hand. */
#include "cmd/aggregate.h"

#include <errno.h>
#include <glib.h>
#include <math.h>
#include <string.h>

#define S INT64_C(1000000000)

static struct vmt_resource resource[3] = {
	{ .id = "a",
	  .project_id = "p",
	  .source = "openstack",
	  .meta_head = "{\"flavor\": {\"name\": \"m1\"}",
	  .meta_head_len = 25,
	  .meta_tail = "}",
	  .meta_tail_len = 1,
	  .digest = 1 },
	{ .id = "b",
	  .project_id = "p",
	  .source = "openstack",
	  .meta_head = "{\"flavor\": {\"name\": \"m2\"}",
	  .meta_head_len = 25,
	  .meta_tail = "}",
	  .meta_tail_len = 1,
	  .digest = 2 },
	{ .id = "a",
	  .source = "openstack",
	  .meta_head = "{",
	  .meta_head_len = 1,
	  .meta_tail = "}",
	  .meta_tail_len = 1,
	  .digest = 3 },
};

static void add(struct aggregate *a, unsigned r, enum vmt_meter_type type, int64_t seconds,
		enum vmt_kind kind, union vmt_num value)
{
	struct vmt_store_row row = {
		.name = "m",
		.unit = "ns",
		.type = type,
		.kind = kind,
		.value = value,
		.resource = &resource[r],
		.time_ns = seconds * S,
		.series = r == 1 ? 2 : 1,
	};

	g_assert_cmpint(aggregate_add(a, &row), ==, 0);
}

static void add_int(struct aggregate *a, unsigned r, int64_t seconds, int64_t value)
{
	add(a, r, VMT_CUMULATIVE, seconds, VMT_INT64, (union vmt_num){ .i = value });
}

static int gather(void *context, const struct statistic *s)
{
	g_array_append_val((GArray *)context, *s);
	return 0;
}

static GArray *results(struct aggregate *a, guint expected)
{
	GArray *all = g_array_new(FALSE, FALSE, sizeof(struct statistic));

	g_assert_cmpint(aggregate_each(a, gather, all), ==, 0);
	g_assert_cmpuint(all->len, ==, expected);
	return all;
}

#define AT(all, i) (&g_array_index(all, struct statistic, i))

static void test_all(void)
{
	struct aggregate *a = aggregate_new(NULL, 0, 0);
	const struct statistic *s;
	GArray *all;

	add_int(a, 0, 40, 8); /* began anew between 20 and 40 */
	add_int(a, 0, 20, 30);
	add_int(a, 0, 10, 10);
	all = results(a, 1);
	s = AT(all, 0);
	g_assert_cmpstr(s->name, ==, "m");
	g_assert_cmpuint(s->count, ==, 3);
	g_assert_cmpint(s->min.value.i, ==, 8);
	g_assert_cmpint(s->max.value.i, ==, 30);
	g_assert_cmpint(s->sum.kind, ==, VMT_INT64);
	g_assert_cmpint(s->sum.value.i, ==, 48);
	g_assert_cmpfloat(s->avg, ==, 16);
	g_assert_cmpfloat_with_epsilon(s->stddev, sqrt((64 + 196 + 36) / 3.0), 1e-12);
	g_assert_cmpint(s->first.value.i, ==, 10);
	g_assert_cmpint(s->last.value.i, ==, 8);
	g_assert_true(s->increased);
	g_assert_cmpint(s->increase.value.i, ==, 28);
	g_assert_cmpfloat_with_epsilon(s->rate, 28 / 30.0, 1e-12);
	g_assert_cmpint(s->start_ns, ==, 10 * S);
	g_assert_cmpint(s->end_ns, ==, 40 * S);
	g_array_free(all, TRUE);
	aggregate_free(a);
}

/* A distance belongs to the period of its later sample; periods begin at the origin. */
static void test_periods(void)
{
	struct aggregate *a = aggregate_new(NULL, 10 * S, 5 * S);
	GArray *all;

	add_int(a, 0, 26, 100);
	add_int(a, 0, 24, 90);
	add_int(a, 0, 14, 40);
	add_int(a, 0, 4, 7);
	all = results(a, 4);
	g_assert_cmpint(AT(all, 0)->start_ns, ==, -5 * S);
	g_assert_cmpint(AT(all, 0)->end_ns, ==, 5 * S);
	g_assert_false(AT(all, 0)->increased);
	g_assert_cmpint(AT(all, 1)->start_ns, ==, 5 * S);
	g_assert_cmpint(AT(all, 1)->increase.value.i, ==, 33);
	g_assert_cmpfloat(AT(all, 1)->rate, ==, 3.3);
	g_assert_cmpint(AT(all, 2)->increase.value.i, ==, 50);
	g_assert_cmpint(AT(all, 3)->increase.value.i, ==, 10);
	g_assert_cmpfloat(AT(all, 3)->rate, ==, 5);
	g_array_free(all, TRUE);
	aggregate_free(a);
}

/* The rate of a group is the sum of those of its series. */
static void test_groups(void)
{
	static const char *const by[] = { "project_id", NULL },
				 *const each[] = { "resource_id", NULL },
				 *const flavor[] = { "metadata.flavor.name", NULL };
	const char *const *groups[] = { by, each, flavor };

	for (size_t i = 0; i < G_N_ELEMENTS(groups); i++) {
		struct aggregate *a = aggregate_new(groups[i], 0, 0);
		GArray *all;

		add_int(a, 0, 20, 30);
		add_int(a, 1, 20, 1000);
		add_int(a, 0, 10, 10);
		add_int(a, 1, 10, 900);
		all = results(a, i ? 2 : 1);
		if (i == 0) {
			g_assert_cmpstr(AT(all, 0)->group[0], ==, "p");
			g_assert_cmpint(AT(all, 0)->increase.value.i, ==, 120);
			g_assert_cmpfloat(AT(all, 0)->rate, ==, 12);
		} else {
			g_assert_cmpstr(AT(all, 1)->group[0], ==, i == 1 ? "b" : "m2");
			g_assert_cmpint(AT(all, 0)->increase.value.i, ==, 20);
			g_assert_cmpint(AT(all, 1)->increase.value.i, ==, 100);
		}
		g_array_free(all, TRUE);
		aggregate_free(a);
	}
}

/* The resource has another project from some time on: the series goes on, the group is another. */
static void test_moved(void)
{
	static const char *const by[] = { "project_id", NULL };
	struct aggregate *a = aggregate_new(by, 0, 0);
	GArray *all;

	add_int(a, 0, 30, 50);
	add_int(a, 2, 20, 30);
	add_int(a, 2, 10, 10);
	all = results(a, 2);
	g_assert_null(AT(all, 0)->group[0]);
	g_assert_cmpint(AT(all, 0)->increase.value.i, ==, 20);
	g_assert_cmpint(AT(all, 1)->increase.value.i, ==, 20);
	g_assert_cmpuint(AT(all, 1)->count, ==, 1);
	g_array_free(all, TRUE);
	aggregate_free(a);
}

static void test_numbers(void)
{
	struct aggregate *a = aggregate_new(NULL, 0, 0);
	GArray *all;

	add(a, 0, VMT_CUMULATIVE, 20, VMT_UINT64, (union vmt_num){ .u = UINT64_MAX });
	add_int(a, 0, 10, -1);
	all = results(a, 1);
	g_assert_cmpint(AT(all, 0)->min.value.i, ==, -1);
	g_assert_cmpint(AT(all, 0)->max.kind, ==, VMT_UINT64);
	g_assert_true(AT(all, 0)->max.value.u == UINT64_MAX);
	g_assert_true(AT(all, 0)->sum.kind == VMT_UINT64 &&
		      AT(all, 0)->sum.value.u == UINT64_MAX - 1);
	g_assert_cmpint(AT(all, 0)->increase.kind, ==, VMT_DOUBLE); /* 2^64 fits in no integer */
	g_assert_cmpfloat(AT(all, 0)->increase.value.d, ==, 18446744073709551616.0);
	g_array_free(all, TRUE);
	aggregate_free(a);

	a = aggregate_new(NULL, 0, 0);
	add(a, 0, VMT_GAUGE, 20, VMT_DOUBLE, (union vmt_num){ .d = 0.5 });
	add(a, 0, VMT_GAUGE, 10, VMT_INT64, (union vmt_num){ .i = 2 });
	all = results(a, 1);
	g_assert_false(AT(all, 0)->increased);
	g_assert_cmpfloat(AT(all, 0)->sum.value.d, ==, 2.5);
	g_assert_cmpint(AT(all, 0)->max.kind, ==, VMT_INT64);
	g_array_free(all, TRUE);
	aggregate_free(a);
}

static void test_too_many(void)
{
	struct aggregate *a = aggregate_new(NULL, 1, 0);
	struct vmt_store_row row = { .name = "m", .resource = &resource[0], .series = 1 };
	int code = 0;

	for (int64_t i = AGGREGATE_CELLS_MOST + 1; i > 0; i--) {
		g_assert_cmpint(code, ==, 0);
		row.time_ns = i;
		code = aggregate_add(a, &row);
	}
	g_assert_cmpint(code, ==, -E2BIG);
	aggregate_free(a);
	g_assert_false(aggregate_groups("metadata."));
	g_assert_false(aggregate_groups("resource"));
	g_assert_true(aggregate_groups("metadata.a.b"));
	aggregate_free(NULL);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/cmd/aggregate/all", test_all);
	g_test_add_func("/cmd/aggregate/periods", test_periods);
	g_test_add_func("/cmd/aggregate/groups", test_groups);
	g_test_add_func("/cmd/aggregate/moved", test_moved);
	g_test_add_func("/cmd/aggregate/numbers", test_numbers);
	g_test_add_func("/cmd/aggregate/too-many", test_too_many);
	return g_test_run();
}

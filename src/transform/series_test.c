/* SPDX-License-Identifier: Apache-2.0 */
/* Records of series: found by row, by key, after rows have moved, and gone with their instance. */
#include "transform/series.h"

#include <glib.h>
#include <string.h>

enum { MANY = 500 };

struct record {
	struct series_record base;
	uint64_t who;
	unsigned changes;
};

static unsigned dropped;

static void changed(void *context, void *record, const struct vmt_resource *resource)
{
	struct record *r = record;

	g_assert_true(r->who == 0 || r->who == resource->instance);
	r->who = resource->instance;
	r->changes++;
}

static void drop(void *context, void *record)
{
	dropped++;
}

static const struct series_ops ops = { .record_size = sizeof(struct record),
				       .changed = changed,
				       .dropped = drop };

static const struct vmt_resource *resources[MANY];

static const struct vmt_resource *make(unsigned i, const char *metadata)
{
	struct vmt_resource content = { .id = g_strdup_printf("r%u", i),
					.source = "openstack",
					.meta_head = metadata,
					.meta_head_len = (uint32_t)strlen(metadata),
					.meta_tail = "}",
					.meta_tail_len = 1,
					.instance = i + 1 };
	const struct vmt_resource *r = vmt_resource_make(&content);

	g_free((char *)(uintptr_t)content.id);
	return r;
}

static void make_resources(void)
{
	for (unsigned i = 0; i < MANY; i++) {
		vmt_resource_unref(resources[i]);
		resources[i] = make(i, "{");
	}
}

/* Each row gets its own record, whatever the order. */
static void look_all(struct series *s, unsigned step, unsigned count)
{
	struct series_group *g = series_group(s, "cpu", count);

	for (unsigned row = 0; row < count; row++) {
		const struct vmt_resource *r = resources[row * step % MANY];
		uint32_t slot = series_slot(g, row, r);

		g_assert_cmpuint(((struct record *)series_at(g, slot))->who, ==, r->instance);
	}
}

static void test_find(void)
{
	struct series *s = series_new(&ops, NULL);
	const struct vmt_resource *before;
	struct series_group *g;
	struct record *r;

	make_resources();
	look_all(s, 1, MANY);
	look_all(s, 7, MANY); /* 7 and 500 have no common divisor */
	look_all(s, 1, MANY);
	g_assert_cmpuint(series_count(s), ==, MANY);
	g = series_group(s, "cpu", MANY);
	r = series_at(g, series_slot(g, 3, resources[3]));
	g_assert_cmpuint(r->changes, ==, 1);
	g_assert_cmpint(r->base.time_ns, ==, INT64_MIN);
	before = resources[3];
	resources[3] = make(3, "{"); /* the same once more: nothing has changed */
	r = series_at(g, series_slot(g, 3, resources[3]));
	g_assert_cmpuint(r->changes, ==, 1);
	vmt_resource_unref(resources[3]);
	resources[3] = make(3, "{\"a\": 1"); /* another version of the same */
	r = series_at(g, series_slot(g, 3, resources[3]));
	g_assert_cmpuint(r->changes, ==, 2);
	g_assert_cmpuint(series_count(s), ==, MANY);
	vmt_resource_unref(before);
	/* another meter has its own */
	g = series_group(s, "disk", 1);
	series_slot(g, 0, resources[3]);
	g_assert_cmpuint(series_count(s), ==, MANY + 1);
	dropped = 0;
	series_free(s);
	g_assert_cmpuint(dropped, ==, MANY + 1);
}

static void test_forget(void)
{
	struct series *s = series_new(&ops, NULL);
	uint64_t gone[MANY / 2];

	make_resources();
	look_all(s, 1, MANY);
	for (unsigned i = 0; i < MANY / 2; i++) {
		gone[i] = resources[2 * i]->instance;
	}
	dropped = 0;
	series_forget(s, gone, MANY / 2);
	g_assert_cmpuint(dropped, ==, MANY / 2);
	g_assert_cmpuint(series_count(s), ==, MANY / 2);
	look_all(s, 1, MANY); /* they come back as new ones; the others are where they were */
	g_assert_cmpuint(series_count(s), ==, MANY);
	series_forget(s, (const uint64_t[]){ 0 }, 1); /* "not known" is nobody */
	g_assert_cmpuint(series_count(s), ==, MANY);
	series_free(s);
}

static void touch(void *context, struct series_group *group, void *record)
{
	struct record *r = record;

	r->base.time_ns = (int64_t)r->who;
}

static void test_expire(void)
{
	struct series *s = series_new(&ops, NULL);

	make_resources();
	look_all(s, 1, MANY);
	series_each(s, touch, NULL);
	series_expire(s, 101);
	g_assert_cmpuint(series_count(s), ==, MANY - 100);
	look_all(s, 1, MANY);
	series_expire(s, INT64_MAX);
	g_assert_cmpuint(series_count(s), ==, 0);
	look_all(s, 1, MANY);
	series_free(s);
}

static void write_key(void *context, const struct vmt_resource *resource, struct buf *out)
{
	buf_putc(out, resource->id[1]); /* r1, r10, r19… are one */
}

static void test_key(void)
{
	struct series_ops by_key = { .record_size = sizeof(struct record) };
	struct series *s = series_new(&by_key, NULL);
	struct series_group *g = series_group(s, "cpu", 100);

	series_set_key(s, write_key, NULL);
	make_resources();
	for (unsigned row = 1; row < 100; row++) {
		series_slot(g, row, resources[row]);
	}
	g_assert_cmpuint(series_count(s), ==, 9);
	series_free(s);
}

int main(int argc, char **argv)
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/series/find", test_find);
	g_test_add_func("/series/forget", test_forget);
	g_test_add_func("/series/expire", test_expire);
	g_test_add_func("/series/key", test_key);
	ret = g_test_run();
	for (unsigned i = 0; i < MANY; i++) {
		vmt_resource_unref(resources[i]);
	}
	return ret;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test:// keeps the last samples, and fails on request.
 */
#include "test.h"

#include <errno.h>

#include "../fixture.h"

extern const struct vmt_plugin vmt_plugin_publisher_test;

static const struct vmt_url test_url = {
	.text = "test://", .scheme = "test", .host = "", .path = ""
};

static void test_keeps_the_last(void)
{
	const struct vmt_publisher_ops *ops = vmt_plugin_publisher_test.ops.publisher;
	const struct {
		int64_t keep, fail, refuse;
	} conf = { 5, 1, 1 };
	struct vmt_call call = fixture_call(1);
	const struct test_sample *last;
	struct vmt_error error;
	struct fixture f;
	void *self;

	fixture_init(&f, 2, 4);
	fixture_cycle(&f, 3, FIXTURE_TIME);
	f.batch[3].publishers = 2;
	g_assert_cmpuint(vmt_plugin_publisher_test.conf_size, ==, sizeof conf);
	g_assert_cmpint(ops->open(&conf, &test_url, false, &self, &error), ==, 0);
	g_assert_cmpint(ops->publish(self, &f.frame, 1, &call, &error), ==, -EAGAIN);
	g_assert_cmpint(ops->publish(self, &f.frame, 1, &call, &error), ==, -EBADMSG);
	g_assert_cmpuint(test_publisher_failed(self), ==, 2);
	g_assert_cmpint(ops->publish(self, &f.frame, 1, &call, &error), ==, 0);
	g_assert_cmpuint(test_publisher_count(self), ==, 5);
	g_assert_cmpuint(test_publisher_confirmed(self), ==, 6);
	last = test_publisher_at(self, 4);
	g_assert_cmpstr(last->name, ==, "meter.2");
	g_assert_cmpstr(last->resource, ==, f.resource[1].id);
	g_assert_cmpstr(last->project, ==, "project-1");
	g_assert_cmpint(last->kind, ==, VMT_DOUBLE);
	g_assert_true(last->value.d == f.value[5].d);
	g_assert_cmpint(last->time_ns, ==, FIXTURE_TIME);
	g_assert_cmpuint(last->frame, ==, 4);
	g_assert_cmpint(last->id[3], ==, f.batch[2].id[3] + 1); /* row 1: time field + 1 */
	g_assert_true(g_str_has_suffix(last->metadata, "\"ram\": 512}}"));
	g_assert_null(test_publisher_at(self, 5));
	ops->close(self);
	ops->close(NULL);
	fixture_fini(&f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/publisher/test/keeps-the-last", test_keeps_the_last);
	return g_test_run();
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * null:// counts what it is given for its own bit.
 */
#include <errno.h>

#include "../fixture.h"
#include "null.h"

extern const struct vmt_plugin vmt_plugin_publisher_null;

static const struct vmt_url null_url = {
	.text = "null://", .scheme = "null", .host = "", .path = ""
};

static void test_counts(void)
{
	const struct vmt_publisher_ops *ops = vmt_plugin_publisher_null.ops.publisher;
	struct vmt_url url = null_url;
	struct vmt_call call = fixture_call(1);
	struct vmt_error error;
	struct fixture f;
	void *self = NULL;

	fixture_init(&f, 2, 4);
	fixture_cycle(&f, 0, FIXTURE_TIME);
	f.batch[0].publishers = 2;
	g_assert_cmpint(ops->open(NULL, &url, false, &self, &error), ==, 0);
	g_assert_cmpint(ops->publish(self, &f.frame, 1, &call, &error), ==, 0);
	g_assert_cmpint(ops->publish(self, &f.frame, 1, &call, &error), ==, 0);
	g_assert_cmpuint(null_publisher_samples(self), ==, 12);
	g_assert_cmpuint(null_publisher_frames(self), ==, 2);
	ops->close(self);
	ops->close(NULL);
	self = NULL;
	url.path = "/dev/null";
	g_assert_cmpint(ops->open(NULL, &url, false, &self, &error), ==, -EINVAL);
	g_assert_null(self);
	fixture_fini(&f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/publisher/null/counts", test_counts);
	return g_test_run();
}

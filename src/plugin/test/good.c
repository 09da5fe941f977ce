/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared objects for registry_test.c, one per name it is compiled for: TEST_NAME, TEST_ABI.  A publisher
 * whose object is a copy of its configuration; `open` fails for the path /fail.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <virtmeter/plugin.h>

struct test_conf {
	const char *mark;
	int64_t size;
};

static const struct vmt_option test_options[] = {
	{ .group = "good",
	  .name = "mark",
	  .type = VMT_OPT_STRING,
	  .offset = offsetof(struct test_conf, mark),
	  .def = "none",
	  .flags = VMT_OPT_URL,
	  .help = "A mark." },
	{ .group = "good",
	  .name = "size",
	  .type = VMT_OPT_INT,
	  .offset = offsetof(struct test_conf, size),
	  .def = "7",
	  .min = 1,
	  .max = 100,
	  .flags = VMT_OPT_URL,
	  .help = "A size." },
	{ .name = NULL },
};

static int test_open(const void *conf, const struct vmt_url *url, bool read_only, void **ret_self,
		     struct vmt_error *error)
{
	const struct test_conf *c = conf;
	struct test_conf *self;

	if (strcmp(url->path, "/fail") == 0) {
		return vmt_error_set(error, -EACCES, "%s: told to fail", url->text);
	}
	self = malloc(sizeof(*self));
	if (!self) {
		abort();
	}
	*self = *c;
	*ret_self = self;
	vmt_log(VMT_LOG_DEBUG, "opened %s", url->text);
	return 0;
}

static int test_publish(void *self, const struct vmt_frame *frame, uint64_t bit,
			const struct vmt_call *call, struct vmt_error *error)
{
	return 0;
}

static void test_close(void *self)
{
	free(self);
}

static const struct vmt_publisher_ops test_ops = {
	.open = test_open,
	.publish = test_publish,
	.close = test_close,
};

static const char *const test_aliases[] = { TEST_NAME "_alias", NULL };

VMT_PLUGIN(publisher, good) = {
	.abi = TEST_ABI,
	.ns = VMT_PUBLISHER,
	.name = TEST_NAME,
	.aliases = test_aliases,
	.version = "1",
	.help = "For a test.",
	.options = test_options,
	.conf_size = sizeof(struct test_conf),
	.ops.publisher = &test_ops,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shared object of the program's own kind, for shared_test.c: `publish` tells, as its reason, the time and
 * a number that the code linked into it wrote, and logs a line.
 */
#define LOG_NAME "probe"
#include <errno.h>
#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"
#include "probe.h"
#include "wire/json.h"

static int probe_open(const void *conf, const struct vmt_url *url, bool read_only, void **ret_self,
		      struct vmt_error *error)
{
	*ret_self = NULL;
	return 0;
}

static int probe_publish(void *self, const struct vmt_frame *frame, uint64_t bit,
			 const struct vmt_call *call, struct vmt_error *error)
{
	struct buf text = BUF_INIT;
	struct json_writer w;

	json_writer_init(&w, &text);
	json_put_double(&w, 0.1);
	log_warn("probe: a line of the shared object");
	vmt_error_set(error, 0, "mono=%" PRId64 " real=%" PRId64 " json=%s", clock_monotonic(),
		      clock_real(), text.data);
	buf_fini(&text);
	return -EBADMSG;
}

static void probe_close(void *self)
{
}

static const struct vmt_publisher_ops probe_ops = {
	.open = probe_open,
	.publish = probe_publish,
	.close = probe_close,
};

VMT_PLUGIN(publisher, probe) = {
	PROBE_DECLARATION,
	.ops.publisher = &probe_ops,
};

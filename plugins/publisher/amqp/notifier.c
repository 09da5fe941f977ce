/* SPDX-License-Identifier: Apache-2.0 */
/* The publisher notifier://.  Main thread and the publisher's; see sender.c. */
#include "plugins.h"

static int notifier_open(const void *conf, const struct vmt_url *url, bool read_only,
			 void **ret_self, struct vmt_error *error)
{
	return sender_open(ENVELOPE_NOTIFIER, conf, url, read_only, ret_self, error);
}

static const struct vmt_publisher_ops notifier_ops = {
	.open = notifier_open,
	.publish = sender_publish,
	.close = sender_close,
	.shape = sender_shape,
};

VMT_PLUGIN(publisher, notifier) = {
	AMQP_NOTIFIER,
	.ops.publisher = &notifier_ops,
};

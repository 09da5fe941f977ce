/* SPDX-License-Identifier: Apache-2.0 */
/* The receiver notifications://.  Main thread and the receiver's; see receiver.c. */
#include "plugins.h"

static int notifications_open(const void *conf, const struct vmt_url *url, void **ret_self,
			      struct vmt_error *error)
{
	return amqp_receiver_open(RECEIVER_NOTIFICATIONS, conf, url, ret_self, error);
}

static const struct vmt_receiver_ops notifications_ops = {
	.open = notifications_open,
	.receive = amqp_receiver_receive,
	.close = amqp_receiver_close,
	.shared = amqp_receiver_shared,
};

VMT_PLUGIN(receiver, notifications) = {
	AMQP_RECEIVER_NOTIFICATIONS,
	.ops.receiver = &notifications_ops,
};

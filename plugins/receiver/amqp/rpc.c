/* SPDX-License-Identifier: Apache-2.0 */
/* The receiver rpc://.  Main thread and the receiver's; see receiver.c. */
#include "plugins.h"

static int rpc_open(const void *conf, const struct vmt_url *url, void **ret_self,
		    struct vmt_error *error)
{
	return amqp_receiver_open(RECEIVER_RPC, conf, url, ret_self, error);
}

static const struct vmt_receiver_ops rpc_ops = {
	.open = rpc_open,
	.receive = amqp_receiver_receive,
	.close = amqp_receiver_close,
	.shared = amqp_receiver_shared,
};

VMT_PLUGIN(receiver, rpc) = {
	AMQP_RECEIVER_RPC,
	.ops.receiver = &rpc_ops,
};

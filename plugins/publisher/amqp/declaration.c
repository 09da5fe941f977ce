/* SPDX-License-Identifier: Apache-2.0 */
/* The declarations of rpc, notifier and polling, for the program (plugins/meson.build). */
#include "plugins.h"

extern const struct vmt_plugin vmt_declared_publisher_rpc, vmt_declared_publisher_notifier,
	vmt_declared_publisher_polling;

const struct vmt_plugin vmt_declared_publisher_rpc = { AMQP_RPC };
const struct vmt_plugin vmt_declared_publisher_notifier = { AMQP_NOTIFIER };
const struct vmt_plugin vmt_declared_publisher_polling = { AMQP_POLLING };

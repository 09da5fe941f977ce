/* SPDX-License-Identifier: Apache-2.0 */
/* The declarations of the receivers rpc and notifications, for the program (plugins/meson.build). */
#include "plugins.h"

extern const struct vmt_plugin vmt_declared_receiver_rpc, vmt_declared_receiver_notifications;

const struct vmt_plugin vmt_declared_receiver_rpc = { AMQP_RECEIVER_RPC };
const struct vmt_plugin vmt_declared_receiver_notifications = { AMQP_RECEIVER_NOTIFICATIONS };

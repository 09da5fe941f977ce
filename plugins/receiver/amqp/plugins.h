/* SPDX-License-Identifier: Apache-2.0 */
/* What the two plugins and their declarations have in common. */
#ifndef AMQP_RECEIVER_PLUGINS_H
#define AMQP_RECEIVER_PLUGINS_H

#include "receiver.h"

extern const struct vmt_option amqp_receiver_rpc_options[], amqp_receiver_notifications_options[];

#define AMQP_RECEIVER(name_, help_)                                                                \
	.abi = VMT_ABI, .ns = VMT_RECEIVER, .name = #name_, .version = VIRTMETER_VERSION,          \
	.help = help_, .options = amqp_receiver_##name_##_options,                                 \
	.conf_size = sizeof(struct receiver_conf)

#define AMQP_RECEIVER_RPC                                                                          \
	AMQP_RECEIVER(rpc, "Receives casts of record_metering_data over RabbitMQ.")
#define AMQP_RECEIVER_NOTIFICATIONS                                                                \
	AMQP_RECEIVER(notifications,                                                               \
		      "Receives sample notifications over RabbitMQ: of notifier:// and "           \
		      "telemetry.polling.")

#endif

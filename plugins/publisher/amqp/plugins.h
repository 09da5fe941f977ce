/* SPDX-License-Identifier: Apache-2.0 */
/* What the three plugins and their declarations have in common. */
#ifndef AMQP_PLUGINS_H
#define AMQP_PLUGINS_H

#include "sender.h"

extern const struct vmt_option amqp_rpc_options[], amqp_notifier_options[], amqp_polling_options[];
extern const char *const amqp_rpc_aliases[];

#define AMQP_PLUGIN(name_, aliases_, help_)                                                        \
	.abi = VMT_ABI, .ns = VMT_PUBLISHER, .name = #name_, .aliases = aliases_,                  \
	.version = VIRTMETER_VERSION, .help = help_, .options = amqp_##name_##_options,            \
	.conf_size = sizeof(struct sender_conf)

#define AMQP_RPC                                                                                   \
	AMQP_PLUGIN(                                                                               \
		rpc, amqp_rpc_aliases,                                                             \
		"Casts record_metering_data to a collector over RabbitMQ, as agents of 2014 do.")
#define AMQP_NOTIFIER AMQP_PLUGIN(notifier, NULL, "Sends sample notifications over RabbitMQ.")
#define AMQP_POLLING                                                                               \
	AMQP_PLUGIN(polling, NULL,                                                                 \
		    "Sends telemetry.polling to today's notification agents over RabbitMQ.")

#endif

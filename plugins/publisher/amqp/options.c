/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The option tables of rpc, notifier and polling: in the program, with their declarations, and in the shared
 * objects.
 */
#include "plugins/amqp/options.h"
#include "plugins.h"

const char *const amqp_rpc_aliases[] = { "meter", "meter_publisher", NULL };

#define OPT(group_, name_, type_, member_, def_, help_, ...)                                       \
	{                                                                                          \
		.group = group_, .name = name_, .type = VMT_OPT_##type_,                           \
		.offset = offsetof(struct sender_conf, member_), .def = def_, .help = help_,       \
		__VA_ARGS__                                                                        \
	}

#define COMMON                                                                                     \
	RABBIT_ROWS, MESSAGE_OPTIONS(sender_conf),                                                 \
		OPT(NULL, "host", STRING, host, NULL, "Name of this host.", .flags = 0)

#define PER_METER                                                                                  \
	OPT("publisher_rpc", "metering_topic", STRING, rpc_topic, "metering",                      \
	    "Topic of casts; of notifications of 2014 the event type.", .flags = 0),               \
		OPT("virtmeter", "per_meter_topic", BOOL, per_meter_topic, "false",                \
		    "Send each message a second time, by the name of its meter.",                  \
		    .flags = VMT_OPT_URL)

/* In sections of messages that rpc does not have. */
#define NOTIFICATION                                                                               \
	OPT("publisher_notifier", "telemetry_driver", STRING, telemetry_driver, "messagingv2",     \
	    "messagingv2 with oslo.messaging's envelope of version 2.0, messaging without.",       \
	    .deprecated = "metering_driver"),                                                      \
		OPT("virtmeter", "topic", LIST, topic, NULL,                                       \
		    "Topics of notifications, a copy to each; routing key TOPIC.sample.",          \
		    .flags = VMT_OPT_URL | VMT_OPT_MULTI)

const struct vmt_option amqp_rpc_options[] = {
	COMMON,
	PER_METER,
	OPT("virtmeter", "target", STRING, target, "record_metering_data",
	    "Method that a cast asks for.", .flags = VMT_OPT_URL),
	{ .name = NULL },
};

const struct vmt_option amqp_notifier_options[] = {
	COMMON,
	PER_METER,
	NOTIFICATION,
	OPT("publisher_notifier", "metering_topic", STRING, notifier_topic, "metering",
	    "Topic of notifier:// without a topic in its URL.", .flags = 0),
	OPT("virtmeter", "driver", STRING, driver, NULL, "Driver of the transport: rabbit.",
	    .flags = VMT_OPT_URL),
	{ .name = NULL },
};

const struct vmt_option amqp_polling_options[] = {
	COMMON,
	NOTIFICATION,
	OPT("polling", "batch_size", INT, batch_size, "50",
	    "Samples of a telemetry.polling message at most; 0: no bound.", .min = 0,
	    .max = 1 << 20, .flags = VMT_OPT_URL),
	OPT("oslo_messaging_notifications", "topics", LIST, topics, "notifications",
	    "Topics of telemetry.polling, a copy to each; routing key TOPIC.sample.", .flags = 0),
	OPT("oslo_messaging_notifications", "transport_url", STRING, notification_url, NULL,
	    "Broker of telemetry.polling, where it is another than [DEFAULT] transport_url.",
	    .flags = VMT_OPT_SECRET),
	{ .name = NULL },
};

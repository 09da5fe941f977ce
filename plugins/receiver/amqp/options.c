/* SPDX-License-Identifier: Apache-2.0 */
/* The option tables of the receivers: in the program, with their declarations, and in the shared objects. */
#include "plugins/amqp/options.h"
#include "plugins.h"

#define OPT(group_, name_, type_, member_, def_, help_, ...)                                       \
	{                                                                                          \
		.group = group_, .name = name_, .type = VMT_OPT_##type_,                           \
		.offset = offsetof(struct receiver_conf, member_), .def = def_, .help = help_,     \
		__VA_ARGS__                                                                        \
	}

#define COMMON                                                                                                                           \
	RABBIT_ROWS, OPT(NULL, "host", STRING, host, NULL, "Name of this host.", .flags = 0),                                            \
		OPT("virtmeter", "amqp_prefetch", INT, prefetch, "200",                                                                  \
		    "Messages of each queue that a receiver has before it has answered the first of them.",                              \
		    .min = 1, .max = 65535, .flags = VMT_OPT_URL),                                                                       \
		OPT("virtmeter", "amqp_exclusive", BOOL, exclusive, "false",                                                             \
		    "Whether a receiver is its queues' only consumer: the broker refuses another one, and this one where there is one.", \
		    .flags = VMT_OPT_URL)

const struct vmt_option amqp_receiver_rpc_options[] = {
	COMMON,
	OPT("publisher_rpc", "metering_topic", STRING, rpc_topic, "metering",
	    "Topic of casts; of notifications of 2014 the event type.", .flags = 0),
	{ .name = NULL },
};

const struct vmt_option amqp_receiver_notifications_options[] = {
	COMMON,
	OPT("publisher_notifier", "metering_topic", STRING, notifier_topic, "metering",
	    "Topic of notifier:// without a topic in its URL.", .flags = 0),
	OPT("oslo_messaging_notifications", "topics", LIST, topics, "notifications",
	    "Topics of telemetry.polling, a copy to each; routing key TOPIC.sample.", .flags = 0),
	OPT("oslo_messaging_notifications", "transport_url", STRING, notification_url, NULL,
	    "Broker of telemetry.polling, where it is another than [DEFAULT] transport_url.",
	    .flags = VMT_OPT_SECRET),
	OPT("notification", "notification_control_exchanges", LIST, exchanges, NULL,
	    "Exchanges that sample notifications are received from; without any control_exchange.",
	    .flags = VMT_OPT_MULTI),
	{ .name = NULL },
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of the broker's options, for the tables of plugins whose configuration begins with a struct
 * rabbit_conf.
 */
#ifndef AMQP_OPTIONS_H
#define AMQP_OPTIONS_H

#include "plugins/amqp/settings.h"

#define OLD NULL
#define NEW "oslo_messaging_rabbit"
#define OWN "virtmeter"

#define ROW(group_, name_, type_, member_, def_, help_, ...)                                       \
	{                                                                                          \
		.group = group_, .name = name_, .type = VMT_OPT_##type_,                           \
		.offset = offsetof(struct rabbit_conf, member_), .def = def_, .help = help_,       \
		__VA_ARGS__                                                                        \
	}

/* clang-format off */
#define RABBIT_ROWS \
	ROW(OLD, "transport_url", STRING, transport_url, NULL, \
	    "Broker as rabbit://user:password@host:port,.../vhost?option=value.", \
	    .flags = VMT_OPT_SECRET), \
	ROW(OLD, "control_exchange", STRING, control_exchange, "ceilometer", \
	    "Exchange that messages are sent to.", .flags = 0), \
	ROW(OLD, "rabbit_host", STRING, old_host, NULL, "Host of the broker (Juno).", .flags = 0), \
	ROW(OLD, "rabbit_port", INT, old_port, "5672", "Port of the broker (Juno).", .min = 1, \
	    .max = 65535), \
	ROW(OLD, "rabbit_hosts", LIST, old_hosts, NULL, "Brokers as host:port (Juno).", .flags = 0), \
	ROW(OLD, "rabbit_userid", STRING, old_user, NULL, "User at the broker (Juno).", .flags = 0), \
	ROW(OLD, "rabbit_password", STRING, old_password, NULL, "Password at the broker (Juno).", \
	    .flags = VMT_OPT_SECRET), \
	ROW(OLD, "rabbit_virtual_host", STRING, old_vhost, NULL, "Virtual host (Juno).", .flags = 0), \
	ROW(OLD, "rabbit_login_method", STRING, old_login, NULL, \
	    "How to log in (Juno): AMQPLAIN, PLAIN; both are answered with PLAIN.", .flags = 0), \
	ROW(OLD, "rabbit_use_ssl", BOOL, old_ssl, "false", "TLS towards the broker (Juno).", \
	    .flags = 0), \
	ROW(OLD, "kombu_ssl_version", STRING, old_ssl_version, NULL, "TLS version (Juno).", \
	    .flags = 0), \
	ROW(OLD, "kombu_ssl_keyfile", STRING, old_ssl_key, NULL, \
	    "Private key of the client certificate (Juno).", .flags = 0), \
	ROW(OLD, "kombu_ssl_certfile", STRING, old_ssl_cert, NULL, "Client certificate (Juno).", \
	    .flags = 0), \
	ROW(OLD, "kombu_ssl_ca_certs", STRING, old_ssl_ca, NULL, \
	    "Authorities that may sign the broker's certificate (Juno).", .flags = 0), \
	ROW(OLD, "amqp_durable_queues", BOOL, old_durable, "false", \
	    "Exchange and queues survive the broker (Juno).", .flags = 0), \
	ROW(OLD, "amqp_auto_delete", BOOL, old_auto_delete, "false", \
	    "Exchange and queues go with their last user (Juno).", .flags = 0), \
	ROW(OLD, "rabbit_ha_queues", BOOL, old_ha, "false", "Mirrored queues (Juno).", .flags = 0), \
	ROW(NEW, "rabbit_host", STRING, host, NULL, "Host of the broker (Kilo to Rocky).", \
	    .flags = 0), \
	ROW(NEW, "rabbit_port", INT, port, "5672", "Port of the broker (Kilo to Rocky).", .min = 1, \
	    .max = 65535), \
	ROW(NEW, "rabbit_hosts", LIST, hosts, NULL, "Brokers as host:port (Kilo to Rocky).", \
	    .flags = 0), \
	ROW(NEW, "rabbit_userid", STRING, user, NULL, "User at the broker (Kilo to Rocky).", \
	    .flags = 0), \
	ROW(NEW, "rabbit_password", STRING, password, NULL, \
	    "Password at the broker (Kilo to Rocky).", .flags = VMT_OPT_SECRET), \
	ROW(NEW, "rabbit_virtual_host", STRING, vhost, NULL, "Virtual host (Kilo to Rocky).", \
	    .flags = 0), \
	ROW(NEW, "rabbit_login_method", STRING, login, NULL, \
	    "How to log in: AMQPLAIN and PLAIN (both answered with PLAIN), EXTERNAL.", \
	    .flags = VMT_OPT_URL), \
	ROW(NEW, "ssl", BOOL, ssl, "false", "TLS towards the broker.", .flags = VMT_OPT_URL, \
	    .deprecated = "rabbit_use_ssl"), \
	ROW(NEW, "ssl_version", STRING, ssl_version, NULL, \
	    "TLS version: TLSv1_2, TLSv1_3; without it both.", .flags = VMT_OPT_URL, \
	    .deprecated = "kombu_ssl_version"), \
	ROW(NEW, "ssl_key_file", STRING, ssl_key, NULL, "Private key of the client certificate.", \
	    .flags = VMT_OPT_URL, .deprecated = "kombu_ssl_keyfile"), \
	ROW(NEW, "ssl_cert_file", STRING, ssl_cert, NULL, "Client certificate.", \
	    .flags = VMT_OPT_URL, .deprecated = "kombu_ssl_certfile"), \
	ROW(NEW, "ssl_ca_file", STRING, ssl_ca, NULL, \
	    "Authorities that may sign the broker's certificate; without it those of the system.", \
	    .flags = VMT_OPT_URL, .deprecated = "kombu_ssl_ca_certs"), \
	ROW(NEW, "ssl_enforce_hostname_verification", BOOL, ssl_verify_host, "true", \
	    "The broker's certificate has to be for its host name.", .flags = VMT_OPT_URL), \
	ROW(NEW, "amqp_durable_queues", BOOL, durable, "false", \
	    "Exchange and queues survive the broker.", .flags = VMT_OPT_URL), \
	ROW(NEW, "amqp_auto_delete", BOOL, auto_delete, "false", \
	    "Exchange and queues go with their last user.", .flags = VMT_OPT_URL), \
	ROW(NEW, "rabbit_ha_queues", BOOL, ha, "false", "Mirrored queues.", .flags = VMT_OPT_URL), \
	ROW(NEW, "rabbit_quorum_queue", BOOL, quorum, "false", "Quorum queues (durable).", \
	    .flags = VMT_OPT_URL), \
	ROW(NEW, "rabbit_quorum_delivery_limit", INT, quorum_delivery_limit, "0", \
	    "Redeliveries of a message in a quorum queue; 0: no limit.", .min = 0, .max = INT32_MAX, \
	    .flags = VMT_OPT_URL), \
	ROW(NEW, "rabbit_quorum_max_memory_length", INT, quorum_length, "0", \
	    "Messages of a quorum queue kept in memory; 0: no limit.", .min = 0, .max = INT32_MAX, \
	    .flags = VMT_OPT_URL, .deprecated = "rabbit_quroum_max_memory_length"), \
	ROW(NEW, "rabbit_quorum_max_memory_bytes", INT, quorum_bytes, "0", \
	    "Bytes of a quorum queue kept in memory; 0: no limit.", .min = 0, .max = INT64_MAX, \
	    .flags = VMT_OPT_URL, .deprecated = "rabbit_quroum_max_memory_bytes"), \
	ROW(NEW, "heartbeat_timeout_threshold", INT, heartbeat_s, "60", \
	    "Seconds after which a silent broker is given up; 0: never.", .min = 0, .max = 3600, \
	    .flags = VMT_OPT_URL), \
	ROW(NEW, "heartbeat_rate", INT, heartbeat_rate, "3", \
	    "How often the connection is looked at within that time, twice over.", .min = 1, \
	    .max = 100, .flags = VMT_OPT_URL), \
	ROW(OWN, "amqp_ssl_verify", BOOL, ssl_verify, "true", \
	    "Refuse a broker whose certificate no known authority has signed.", \
	    .flags = VMT_OPT_URL), \
	ROW(OWN, "amqp_window", INT, window, "256", \
	    "Messages sent to a broker before it has confirmed the first of them.", .min = 1, \
	    .max = 65535, .flags = VMT_OPT_URL)
/* clang-format on */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's options: Juno's in [DEFAULT], today's in [oslo_messaging_rabbit], and those in the query of a
 * transport URL, made into one set of settings.  Built once, then constant.
 */
#ifndef AMQP_SETTINGS_H
#define AMQP_SETTINGS_H

#include "plugins/amqp/tls.h"
#include "plugins/amqp/transport.h"

/* First member of a plugin's configuration; the host fills it from RABBIT_ROWS (options.h). */
struct rabbit_conf {
	/* [DEFAULT], of Juno but for the first */
	const char *transport_url;
	const char *control_exchange;
	const char *old_host, *old_user, *old_password, *old_vhost, *old_login;
	const char *const *old_hosts;
	int64_t old_port;
	bool old_ssl, old_durable, old_auto_delete, old_ha;
	const char *old_ssl_version, *old_ssl_key, *old_ssl_cert, *old_ssl_ca;
	/* [oslo_messaging_rabbit] */
	const char *host, *user, *password, *vhost, *login; /* of Kilo to Rocky but for `login` */
	const char *const *hosts;
	int64_t port;
	bool ssl, durable, auto_delete, ha, quorum, ssl_verify_host;
	const char *ssl_version, *ssl_key, *ssl_cert, *ssl_ca;
	int64_t quorum_delivery_limit, quorum_length, quorum_bytes;
	int64_t heartbeat_s, heartbeat_rate;
	/* [virtmeter] */
	bool ssl_verify;
	int64_t window;
};

struct amqp_settings {
	struct transport transport; /* at least one host */
	char *exchange;
	bool ssl, external; /* SASL EXTERNAL instead of PLAIN */
	bool durable, auto_delete, ha, quorum;
	int64_t quorum_delivery_limit, quorum_length, quorum_bytes;
	int heartbeat_s; /* 0: none */
	int heartbeat_rate;
	struct tls_options tls;
	unsigned window; /* messages on their way unconfirmed */
	struct rabbit_conf conf; /* copy, with the query of the transport URL over it */
};

/* `authority` and `path` of the publisher's URL; without hosts in it `transport_url` counts, or [DEFAULT]
 * transport_url, or the rabbit_* options.  Strings of *conf must outlive the settings.
 * -EINVAL with the reason. */
int amqp_settings_make(const struct rabbit_conf *conf, const char *authority, const char *path,
		       const char *transport_url, struct amqp_settings **ret,
		       struct vmt_error *error);
void amqp_settings_free(struct amqp_settings *s); /* NULL is fine; wipes the passwords */

#endif

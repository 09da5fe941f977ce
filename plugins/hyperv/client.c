/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From options to a client.  Any thread; never blocks.
 */
#include "base/uuid.h"
#include "plugins/hyperv/options.h"

#include <glib.h>

int hyperv_client_new(const struct hyperv_conf *conf, struct wsman_client **ret,
		      struct vmt_error *error)
{
	struct vmt_error why = { .text = "" };
	struct wsman_conf c = {
		.host = conf->host,
		.port = conf->port,
		.tls = conf->use_ssl,
		.user = conf->username,
		.password = conf->password,
		.domain = conf->domain,
		.ca_file = conf->ca_file,
		.insecure = conf->insecure,
		.allow_unencrypted = conf->allow_unencrypted,
		.timeout_ns = conf->timeout_ns,
		.max_envelope = conf->max_envelope_size,
		.page_size = conf->page_size,
		.namespace_selector = conf->omi_namespace_selector,
	};
	int err;

	while (hyperv_auths[c.auth + 1] && g_strcmp0(conf->auth, hyperv_auths[c.auth]) != 0) {
		c.auth++;
	}
	err = wsman_client_new(&c, ret, &why);
	return err < 0 ? vmt_error_set(error, err, "[hyperv] %s", why.text) : 0;
}

bool hyperv_is_guid(const char *text)
{
	uint8_t id[16];

	return text && strlen(text) == UUID_TEXT - 1 && uuid_parse(text, id) == 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From options to a client.  Any thread; never blocks.
 */
#include "plugins/vim/options.h"

int vim_client_of(const struct vim_options *options, struct vim_client **ret,
		  struct vmt_error *error)
{
	struct vmt_error why = { .text = "" };
	struct vim_conf c = {
		.host = options->host_ip,
		.port = options->host_port,
		.user = options->host_username,
		.password = options->host_password,
		.ca_file = options->ca_file,
		.insecure = options->insecure,
		.retries = options->api_retry_count,
	};
	int err = vim_client_new(&c, ret, &why);

	if (err < 0) {
		return vmt_error_set(error, err, "[vmware] %s", why.text);
	}
	if (options->wsdl_location && *options->wsdl_location) {
		vmt_log(VMT_LOG_WARNING, "[vmware] wsdl_location: not needed, and left out");
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options that discovery and inspector of vSphere have in common, and the client they describe.  Any thread; never
 * blocks.
 */
#ifndef VIM_OPTIONS_H
#define VIM_OPTIONS_H

#include "plugins/vim/client.h"

struct vim_options {
	const char *host_ip, *host_username, *host_password, *ca_file, *wsdl_location;
	int64_t host_port, api_retry_count;
	double task_poll_interval;
	bool insecure;
};

#define VIM_ROW(conf_, name_, type_, def_, help_, ...)                                             \
	{                                                                                          \
		.group = "vmware", .name = #name_, .type = VMT_OPT_##type_,                        \
		.offset = offsetof(struct conf_, vim.name_), .def = def_, .help = help_,           \
		__VA_ARGS__                                                                        \
	}

/* clang-format off */
/* Rows of an option table whose configuration structure has the member `vim`. */
#define VIM_OPTIONS(c_) \
	VIM_ROW(c_, host_ip, STRING, "127.0.0.1", \
		"Name or address of the vCenter or ESXi host; the one that stands in its certificate.", .flags = 0), \
	VIM_ROW(c_, host_port, INT, "443", "Port of HTTPS there.", .min = 1, .max = 65535), \
	VIM_ROW(c_, host_username, STRING, NULL, "Account there.", .flags = 0), \
	VIM_ROW(c_, host_password, STRING, NULL, "Its password.", .flags = VMT_OPT_SECRET), \
	VIM_ROW(c_, ca_file, STRING, NULL, \
		"File with the authorities that the server's certificate is checked with; without it the system's.", \
		.flags = 0), \
	VIM_ROW(c_, insecure, BOOL, "false", \
		"Accept any certificate: whoever is in between can read and pretend everything. Counts only without " \
		"ca_file.", .flags = 0), \
	VIM_ROW(c_, api_retry_count, INT, "10", \
		"Attempts after one that failed, as far as the cycle has time for them; 1, 2, 4 s between.", .min = 0, \
		.max = 1000), \
	VIM_ROW(c_, task_poll_interval, DOUBLE, "0.5", "Read for Ceilometer's sake; no task is ever waited for.", \
		.flags = 0), \
	VIM_ROW(c_, wsdl_location, STRING, NULL, "Read for Ceilometer's sake; there is no WSDL here.", .flags = 0)
/* clang-format on */

/* As vim_client_new(). */
int vim_client_of(const struct vim_options *options, struct vim_client **ret,
		  struct vmt_error *error);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options that discovery and inspector of Hyper-V have in common, and the client they describe.
 */
#ifndef HYPERV_OPTIONS_H
#define HYPERV_OPTIONS_H

#include "plugins/wsman/enumerate.h"

struct hyperv_conf {
	const char *host, *username, *password, *domain, *auth, *ca_file;
	int64_t port, timeout_ns, max_envelope_size, page_size;
	bool use_ssl, insecure, allow_unencrypted, omi_namespace_selector;
};

#define HYPERV_V2 "root/virtualization/v2"

#define HYPERV_ROW(conf_, name_, type_, member_, def_, help_, ...)                                 \
	{                                                                                          \
		.group = "hyperv", .name = name_, .type = VMT_OPT_##type_,                         \
		.offset = offsetof(struct conf_, hyperv.member_), .def = def_, .help = help_,      \
		__VA_ARGS__                                                                        \
	}

/* clang-format off */
/* Rows of an option table whose configuration structure has the member `hyperv`. */
#define HYPERV_OPTIONS(c_) \
	HYPERV_ROW(c_, "host", STRING, host, NULL, \
		"Name or address of the Hyper-V host (WinRM).", .flags = 0), \
	HYPERV_ROW(c_, "port", INT, port, "5986", \
		"Port of WinRM there: 5986 for HTTPS, 5985 for HTTP.", .min = 1, .max = 65535), \
	HYPERV_ROW(c_, "use_ssl", BOOL, use_ssl, "true", \
		"HTTPS. Without it messages are encrypted by NTLM or Kerberos themselves.", .flags = 0), \
	HYPERV_ROW(c_, "username", STRING, username, NULL, \
		"Account on the host; USER, DOMAIN\\\\USER or USER@REALM.", .flags = 0), \
	HYPERV_ROW(c_, "password", STRING, password, NULL, "Its password.", .flags = VMT_OPT_SECRET), \
	HYPERV_ROW(c_, "domain", STRING, domain, NULL, \
		"Domain of the account where username has none; with Kerberos the realm.", .flags = 0), \
	HYPERV_ROW(c_, "auth", STRING, auth, "negotiate", \
		"How the account is proven: basic, the password itself; negotiate, NTLM by username and password, or " \
		"without a password what the environment has; kerberos, a ticket by password, cache or keytab.", \
		.choices = hyperv_auths), \
	HYPERV_ROW(c_, "ca_file", STRING, ca_file, NULL, \
		"File with the authorities that the host's certificate is checked with; without it the system's.", \
		.flags = 0), \
	HYPERV_ROW(c_, "insecure", BOOL, insecure, "false", \
		"Accept any certificate: whoever is in between can read and pretend everything.", .flags = 0), \
	HYPERV_ROW(c_, "allow_unencrypted", BOOL, allow_unencrypted, "false", \
		"Without use_ssl: send everything in the clear, with auth = basic the password, too.", .flags = 0), \
	HYPERV_ROW(c_, "timeout", SECONDS, timeout_ns, "60", \
		"In which the host is to answer a request; it is given up 15 s later.", .min = 1, .max = 3600), \
	HYPERV_ROW(c_, "max_envelope_size", INT, max_envelope_size, "512000", \
		"Bytes of an answer that are asked for; the host's MaxEnvelopeSizekb holds, too.", .min = 8192, \
		.max = 8388608), \
	HYPERV_ROW(c_, "page_size", INT, page_size, "500", \
		"Objects that are asked for at a time.", .min = 1, .max = 32000), \
	HYPERV_ROW(c_, "omi_namespace_selector", BOOL, omi_namespace_selector, "false", \
		"For tests with Microsoft's OMI server, which takes the namespace from a selector.", .flags = 0)
/* clang-format on */

extern const char *const hyperv_auths[]; /* by enum wsman_auth */

/* As wsman_client_new(). */
int hyperv_client_new(const struct hyperv_conf *conf, struct wsman_client **ret,
		      struct vmt_error *error);

/* "6E4D8A2B-…" as 36 characters, hexadecimal with dashes; nothing behind them. */
bool hyperv_is_guid(const char *text);

#endif

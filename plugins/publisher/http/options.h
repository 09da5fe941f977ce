/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of http:// and https://, for the shared object and for its declaration in the program alike.
 */
#ifndef PUBLISHER_HTTP_OPTIONS_H
#define PUBLISHER_HTTP_OPTIONS_H

#include <virtmeter/plugin.h>

#include "wire/message_conf.h"

struct http_conf {
	struct message_conf message; /* with form = message */
	const char *form;
	int64_t timeout_ns;
	int64_t max_retries;
	bool batch;
	int64_t batch_size;
	const char *verify_ssl; /* a boolean, or a path */
	const char *clientcert, *clientkey; /* NULL: none */
	const char *username, *password; /* NULL: those of the URL */
	bool raw_only;
};

#define HTTP_OPTION(name_, type_, member_, def_, help_, ...)                                       \
	{                                                                                          \
		.group = "publisher_http", .name = name_, .type = VMT_OPT_##type_,                 \
		.offset = offsetof(struct http_conf, member_), .def = def_, .help = help_,         \
		__VA_ARGS__                                                                        \
	}

static const char *const http_forms[] = { "sample", "message", NULL };

static const struct vmt_option http_options[] = {
	MESSAGE_OPTIONS(http_conf),
	HTTP_OPTION(
		"form", STRING, form, "sample",
		"sample: as Ceilometer's publisher writes it; message: signed, with the names that it has "
		"on its way to a collector, as the collector's dispatcher http wrote it.",
		.flags = VMT_OPT_URL, .choices = http_forms),
	HTTP_OPTION("timeout", SECONDS, timeout_ns, "5",
		    "Longest wait for a connection, and for the far side to go on.",
		    .flags = VMT_OPT_URL, .min = 0, .max = 3600),
	HTTP_OPTION("max_retries", INT, max_retries, "2",
		    "Attempts to connect again at once, before samples wait for the next attempt.",
		    .flags = VMT_OPT_URL, .min = 0, .max = 100),
	HTTP_OPTION(
		"batch", BOOL, batch, "true",
		"A request for the samples of a meter, as a JSON list; else one for each sample.",
		.flags = VMT_OPT_URL),
	HTTP_OPTION("batch_size", INT, batch_size, "1000", "Samples in a request at most.",
		    .flags = VMT_OPT_URL, .min = 1, .max = 1000000),
	HTTP_OPTION("verify_ssl", STRING, verify_ssl, "true",
		    "Whether the far side's certificate has to be valid; or a file or folder of "
		    "certificates of authorities to check it with.",
		    .flags = VMT_OPT_URL),
	HTTP_OPTION("clientcert", STRING, clientcert, NULL,
		    "File with the certificate of this side (PEM).", .flags = VMT_OPT_URL),
	HTTP_OPTION("clientkey", STRING, clientkey, NULL,
		    "File with its key (PEM); without it the certificate's file has both.",
		    .flags = VMT_OPT_URL),
	HTTP_OPTION("username", STRING, username, NULL,
		    "User for basic authentication where the URL has none.", .flags = VMT_OPT_URL),
	HTTP_OPTION("password", STRING, password, NULL, "Password of that user.",
		    .flags = VMT_OPT_URL | VMT_OPT_SECRET),
	HTTP_OPTION("raw_only", BOOL, raw_only, "false",
		    "Of events in Ceilometer; without effect on samples.", .flags = VMT_OPT_URL),
	{ 0 },
};

static const char *const http_aliases[] = { "https", NULL };

#define HTTP_PLUGIN                                                                                \
	.abi = VMT_ABI, .ns = VMT_PUBLISHER, .name = "http", .aliases = http_aliases,              \
	.version = "1",                                                                            \
	.help = "Requests with JSON lists of samples: https://HOST/PATH?verify_ssl=/etc/ca.pem",   \
	.options = http_options, .conf_size = sizeof(struct http_conf)

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The options of redis://, in the program and in the shared object. */
#include "options.h"

const char *const redis_aliases[] = { "rediss", NULL };

#define TEXT(name_, member_, help_)                                                                \
	{                                                                                          \
		.group = "coordination", .name = (name_), .type = VMT_OPT_STRING,                  \
		.offset = offsetof(struct redis_conf, member_), .flags = VMT_OPT_URL,              \
		.help = (help_)                                                                    \
	}

const struct vmt_option redis_options[] = {
	PLACE_ROWS(redis_conf),
	{ .group = "coordination",
	  .name = "db",
	  .type = VMT_OPT_INT,
	  .offset = offsetof(struct redis_conf, db),
	  .def = "-1",
	  .flags = VMT_OPT_URL,
	  .min = -1,
	  .max = 1 << 20,
	  .help = "Number of Redis' database; -1: the one that the URL's path names, else 0." },
	{ .group = "coordination",
	  .name = "ssl",
	  .type = VMT_OPT_BOOL,
	  .offset = offsetof(struct redis_conf, ssl),
	  .def = "false",
	  .flags = VMT_OPT_URL,
	  .help = "TLS towards Redis, as with rediss://." },
	TEXT("ssl_ca_certs", ca_file,
	     "Authorities that may sign Redis' certificate; without it those of the system."),
	TEXT("ssl_certfile", cert_file, "Client certificate for Redis."),
	TEXT("ssl_keyfile", key_file, "Private key of the client certificate for Redis."),
	TEXT("sentinel", sentinel,
	     "Name of the master that the sentinels at the URL's host and at sentinel_fallback are asked for."),
	{ .group = "coordination",
	  .name = "sentinel_fallback",
	  .type = VMT_OPT_LIST,
	  .offset = offsetof(struct redis_conf, fallback),
	  .flags = VMT_OPT_URL | VMT_OPT_MULTI,
	  .help = "Another sentinel as HOST:PORT, for when the first does not answer; may stand several times." },
	{ .name = NULL },
};

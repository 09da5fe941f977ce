/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of postgresql://, for the shared object and for its declaration in the program alike.
 */
#ifndef PUBLISHER_POSTGRESQL_OPTIONS_H
#define PUBLISHER_POSTGRESQL_OPTIONS_H

#include <virtmeter/plugin.h>

struct pg_conf {
	const char *schema, *host, *password; /* NULL: those of the URL, or none */
	const char *sslmode, *sslrootcert, *sslcert, *sslkey; /* files: NULL for none */
	const char *synchronous_commit;
	int64_t timeout_ns;
	bool store_message_ids;
	int64_t time_to_live; /* seconds; <= 0: for ever */
};

static const char *const pg_sslmodes[] = { "disable",   "allow",       "prefer", "require",
					   "verify-ca", "verify-full", NULL };
static const char *const pg_commits[] = {
	"on", "off", "local", "remote_write", "remote_apply", NULL
};

#define PG_OPTION(name_, type_, member_, def_, help_, ...)                                         \
	{                                                                                          \
		.group = "postgresql", .name = name_, .type = VMT_OPT_##type_,                     \
		.offset = offsetof(struct pg_conf, member_), .def = def_, .help = help_,           \
		.flags = VMT_OPT_URL, __VA_ARGS__                                                  \
	}

static const struct vmt_option pg_options[] = {
	PG_OPTION("schema", STRING, schema, "virtmeter",
		  "Schema of the database that holds the tables; made when it is not there.",
		  .min = 0),
	PG_OPTION("host", STRING, host, NULL,
		  "Folder of the server's socket, or a host where the URL has none.", .min = 0),
	{ .group = "postgresql",
	  .name = "password",
	  .type = VMT_OPT_STRING,
	  .offset = offsetof(struct pg_conf, password),
	  .help = "Password where the URL has none.",
	  .flags = VMT_OPT_URL | VMT_OPT_SECRET },
	PG_OPTION("sslmode", STRING, sslmode, "prefer",
		  "Whether the connection is encrypted, and the server's certificate checked: as in"
		  " libpq.",
		  .choices = pg_sslmodes),
	PG_OPTION("sslrootcert", STRING, sslrootcert, NULL,
		  "File with certificates of authorities to check the server's with.", .min = 0),
	PG_OPTION("sslcert", STRING, sslcert, NULL, "File with the certificate of this side (PEM).",
		  .min = 0),
	PG_OPTION("sslkey", STRING, sslkey, NULL, "File with its key (PEM).", .min = 0),
	PG_OPTION("synchronous_commit", STRING, synchronous_commit, "on",
		  "on: a stored sample survives a crash of the server; off: the last ones may not;"
		  " the rest is about standbys.",
		  .choices = pg_commits),
	PG_OPTION("timeout", SECONDS, timeout_ns, "60",
		  "Longest wait of a query for the next rows.", .min = 1, .max = 86400),
	PG_OPTION("store_message_ids", BOOL, store_message_ids, "false",
		  "Keep message id and monotonic time of each sample, at about 100 bytes a sample.",
		  .min = 0),
	{ .group = "database",
	  .name = "time_to_live",
	  .type = VMT_OPT_INT,
	  .offset = offsetof(struct pg_conf, time_to_live),
	  .def = "-1",
	  .flags = VMT_OPT_URL,
	  .deprecated = "metering_time_to_live",
	  .help = "Seconds after which a stored sample is deleted; 0 or less: never." },
	{ 0 },
};

static const char *const pg_aliases[] = { "postgres", NULL };

#define PG_PLUGIN                                                                                    \
	.abi = VMT_ABI, .ns = VMT_PUBLISHER, .name = "postgresql", .aliases = pg_aliases,            \
	.version = "1",                                                                              \
	.help = "Stores samples in PostgreSQL: postgresql://USER@HOST/DATABASE?sslmode=verify-full", \
	.options = pg_options, .conf_size = sizeof(struct pg_conf)

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options that all publishers of signed messages have in common: the secret, and the dialect of the
 * signature.  A publisher's configuration structure has a `struct message_conf`, its option table the rows
 * MESSAGE_OPTIONS(conf).
 */
#ifndef WIRE_MESSAGE_CONF_H
#define WIRE_MESSAGE_CONF_H

#include "wire/message.h"

struct message_conf {
	const char *secret, *secret_rpc, *secret_default; /* NULL: not given */
	const char *dialect; /* "auto", or of flatten_dialects */
};

extern const char *const message_dialects[]; /* choices of the option */

#define MESSAGE_OPTIONS(conf_)                                                                     \
	{ .group = "publisher",                                                                    \
	  .name = "telemetry_secret",                                                              \
	  .type = VMT_OPT_STRING,                                                                  \
	  .offset = offsetof(struct conf_, message.secret),                                        \
	  .flags = VMT_OPT_SECRET,                                                                 \
	  .deprecated = "metering_secret",                                                         \
	  .help = "Secret that samples are signed with; empty: no signature." },                   \
		{ .group = "publisher_rpc",                                                        \
		  .name = "metering_secret",                                                       \
		  .type = VMT_OPT_STRING,                                                          \
		  .offset = offsetof(struct conf_, message.secret_rpc),                            \
		  .flags = VMT_OPT_SECRET,                                                         \
		  .help = "The same, as older releases have it." },                                \
		{ .group = NULL,                                                                   \
		  .name = "metering_secret",                                                       \
		  .type = VMT_OPT_STRING,                                                          \
		  .offset = offsetof(struct conf_, message.secret_default),                        \
		  .flags = VMT_OPT_SECRET,                                                         \
		  .help = "The same, as older releases have it." },                                \
	{                                                                                          \
		.group = "virtmeter", .name = "signature_dialect", .type = VMT_OPT_STRING,         \
		.offset = offsetof(struct conf_, message.dialect), .def = "auto",                  \
		.flags = VMT_OPT_URL, .choices = message_dialects,                                 \
		.help = "How numbers and lists are shown in what is signed: as the peer's Python." \
	}

/* An encoder for frames of that profile.  Without a secret it is Ceilometer's default of that release;
 * the dialect "auto" is message_dialect().  NULL when the library has no HMAC-SHA256. */
struct message_encoder *message_conf_encoder(const struct message_conf *conf,
					     enum message_form form, enum vmt_profile profile,
					     const char *publisher_id);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What coordinators have in common: where they are, by their URL, and for how long a beat counts.  The names of the
 * options are tooz's, in whose URLs they stand.
 */
#ifndef COORDINATOR_PLACE_H
#define COORDINATOR_PLACE_H

#include "plugins/coordinator/stream.h"

struct place_conf {
	int64_t timeout_ns, membership_timeout_ns;
};

#define PLACE_SECONDS(conf_, name_, member_, def_, help_)                                          \
	{                                                                                          \
		.group = "coordination", .name = name_, .type = VMT_OPT_SECONDS,                   \
		.offset = offsetof(struct conf_, place.member_), .def = def_,                      \
		.flags = VMT_OPT_URL, .min = 0, .max = 3600, .help = help_                         \
	}
#define PLACE_ROWS(conf_)                                                                                      \
	PLACE_SECONDS(                                                                                         \
		conf_, "membership_timeout", membership_timeout_ns, "0",                                       \
		"Seconds after which the others take over from an agent that is not heard of any more; 0: as " \
		"timeout."),                                                                                   \
		PLACE_SECONDS(                                                                                 \
			conf_, "timeout", timeout_ns, "30",                                                    \
			"Seconds of membership_timeout where that is not given, as in tooz.")

struct place {
	char *text; /* the URL without secrets, for messages */
	struct resolver *resolver; /* NULL: a Unix socket */
	char *path;
	int64_t lease_ns;
};

/* -EINVAL with the reason. */
int place_init(struct place *place, const struct vmt_url *url, const struct place_conf *conf,
	       int port, struct vmt_error *error);
void place_fini(struct place *place);
/* Names the keys of the URL's query that nobody took, but for those that mean something to tooz alone. */
void place_tell_unknown(const struct vmt_url *url);

#endif

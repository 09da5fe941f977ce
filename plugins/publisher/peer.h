/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What publishers of signed messages to SCHEME://HOST[:PORT] have in common: what their URL may be, the addresses
 * of the host, the encoder, and how a call is over.  The publisher's thread, but for init, fini and the check of
 * the URL; only peer_addresses blocks, on name servers, until the deadline.
 */
#ifndef PUBLISHER_PEER_H
#define PUBLISHER_PEER_H

#include "base/resolve.h"
#include "wire/message_conf.h"
#include "wire/message_feed.h"

struct peer {
	char *text; /* the URL, for messages */
	struct resolver *resolver;
	struct message_encoder *encoder; /* for `profile`; NULL: none yet */
	enum vmt_profile profile;
};

/* `parameters`: those that the URL may have, for the message.  -EINVAL with what is wrong; -ENOTSUP: to be read,
 * which none of these can. */
int peer_check(const struct vmt_url *url, bool read_only, const char *parameters,
	       struct vmt_error *error);
/* `port`: where the URL has none; `socktype` as of resolver_new(). */
void peer_init(struct peer *peer, const struct vmt_url *url, int64_t port, int socktype);
void peer_fini(struct peer *peer);

/* The row of an option for the port, [collector] NAME. */
#define PEER_PORT(name_, conf_, scheme_)                                                           \
	{                                                                                          \
		.group = "collector", .name = name_, .type = VMT_OPT_INT,                          \
		.offset = offsetof(struct conf_, port), .def = "4952", .min = 1, .max = 65535,     \
		.help = "Port of " scheme_ ":// where the URL has none."                           \
	}

/* An encoder for frames of `profile`, the one before if that is for the same; -ENOTSUP: no cryptography. */
int peer_set_up(struct peer *peer, const struct message_conf *conf, enum message_form form,
		enum vmt_profile profile, const char *publisher_id, struct vmt_error *error);
/* The host's addresses, as resolver_get(). */
int peer_addresses(struct peer *peer, const struct vmt_call *call, const struct addrinfo **ret_list,
		   struct vmt_error *error);
/* 0: there is time left; -ECANCELED; -ETIMEDOUT with `what` as the reason. */
int peer_over(const struct peer *peer, const struct vmt_call *call, const char *what,
	      struct vmt_error *error);
/* The end of a feed, as message_feed_next() answered it: 0, or -errno with the reason. */
int peer_end(const struct peer *peer, int more, struct vmt_error *error);

#endif

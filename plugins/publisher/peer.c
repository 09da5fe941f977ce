/* SPDX-License-Identifier: Apache-2.0 */
/* What publishers of signed messages to a host have in common.  Threads and blocking: see peer.h. */
#include "peer.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/clock.h"

#define ADDRESS_AGE_NS (60 * NS_PER_S) /* then the name is looked up again */

int peer_check(const struct vmt_url *url, bool read_only, const char *parameters,
	       struct vmt_error *error)
{
	if (!url->host || !*url->host) {
		return vmt_error_set(error, -EINVAL, "%s: names no host; write %s://HOST:PORT",
				     url->text, url->scheme);
	}
	if (url->path && *url->path && strcmp(url->path, "/") != 0) {
		return vmt_error_set(error, -EINVAL, "%s: takes no path; write %s://HOST:PORT",
				     url->text, url->scheme);
	}
	if (url->user) {
		return vmt_error_set(error, -EINVAL,
				     "%s: takes no user; samples are signed with [publisher] "
				     "telemetry_secret",
				     url->text);
	}
	if (url->query && url->query->key) {
		return vmt_error_set(error, -EINVAL, "%s: unknown parameter %s; known are %s",
				     url->text, url->query->key, parameters);
	}
	return read_only ? vmt_error_set(error, -ENOTSUP, "%s: keeps nothing that could be read",
					 url->text)
			 : 0;
}

void peer_init(struct peer *peer, const struct vmt_url *url, int64_t port, int socktype)
{
	*peer = (struct peer){
		.text = g_strdup(url->text),
		.resolver = resolver_new(url->host, url->port ? url->port : (int)port, socktype),
	};
}

void peer_fini(struct peer *peer)
{
	resolver_free(peer->resolver);
	message_encoder_free(peer->encoder);
	g_free(peer->text);
}

int peer_set_up(struct peer *peer, const struct message_conf *conf, enum message_form form,
		enum vmt_profile profile, const char *publisher_id, struct vmt_error *error)
{
	if (peer->encoder && peer->profile == profile) {
		return 0;
	}
	message_encoder_free(peer->encoder);
	peer->profile = profile;
	peer->encoder = message_conf_encoder(conf, form, profile, publisher_id);
	return peer->encoder ? 0
			     : vmt_error_set(error, -ENOTSUP,
					     "%s: OpenSSL offers no HMAC-SHA256; look at its "
					     "configuration",
					     peer->text);
}

int peer_addresses(struct peer *peer, const struct vmt_call *call, const struct addrinfo **ret_list,
		   struct vmt_error *error)
{
	return resolver_get(peer->resolver, ADDRESS_AGE_NS, call, peer->text, ret_list, error);
}

int peer_over(const struct peer *peer, const struct vmt_call *call, const char *what,
	      struct vmt_error *error)
{
	if (atomic_load(call->cancel)) {
		return vmt_error_set(error, -ECANCELED, "%s: given up on request", peer->text);
	}
	return clock_monotonic() < call->deadline_ns
		       ? 0
		       : vmt_error_set(error, -ETIMEDOUT, "%s: %s", peer->text, what);
}

int peer_end(const struct peer *peer, int more, struct vmt_error *error)
{
	return more >= 0 ? 0
			 : vmt_error_set(error, more, "%s: %s", peer->text, message_refusal(more));
}

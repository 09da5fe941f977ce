/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of hosts to addresses, with a deadline: the system's resolver has none, so it is asked by a thread
 * of its own, which is left behind when it does not answer in time (one for each resolver, at most; its
 * answer is taken when it comes).  One thread at a time for an object.
 */
#ifndef BASE_RESOLVE_H
#define BASE_RESOLVE_H

#include <netdb.h>
#include <stdatomic.h>
#include <stdint.h>

struct vmt_call;
struct vmt_error;
struct resolver;

/* `socktype`: SOCK_DGRAM or SOCK_STREAM.  `host` without brackets. */
struct resolver *resolver_new(const char *host, int port, int socktype);
void resolver_free(struct resolver *r); /* NULL is fine; does not wait */

/* The addresses, in the order in which they should be tried, valid until the next call.  They are asked for
 * anew when the last answer is older than `max_age_ns`; if that fails the old ones stay in force.
 * -ETIMEDOUT, -ECANCELED: `call` came to its end; -EHOSTUNREACH: no such host; the reason in *error, which
 * begins with `subject`. */
int resolver_get(struct resolver *r, int64_t max_age_ns, const struct vmt_call *call,
		 const char *subject, const struct addrinfo **ret_list, struct vmt_error *error);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keystone's documents: what is sent to it for a token, and what it answers.  Pure; any thread, one at a time for an
 * object.
 */
#ifndef OPENSTACK_IDENTITY_H
#define OPENSTACK_IDENTITY_H

#include <virtmeter/plugin.h>

#include "base/arena.h"
#include "base/buf.h"
#include "plugins/openstack/options.h"

enum { IDENTITY_ENDPOINTS = 4096 }; /* of a catalogue; further ones are left out */

enum identity_version { IDENTITY_NONE, IDENTITY_V2, IDENTITY_V3 };

struct identity_endpoint {
	const char *type; /* of the service */
	const char *interface; /* "public" */
	const char *region; /* NULL: none */
	const char *url;
};

struct identity_token {
	struct arena *arena; /* of all below */
	const char *id; /* of v2.0; with v3 it is in a header: NULL */
	int64_t lifetime_ns; /* from its issue to its end; -1: not known */
	size_t endpoints;
	struct identity_endpoint *endpoint;
};

/* What the configuration says, without an answer of Keystone: IDENTITY_NONE where it has to be asked.  -EINVAL, -ENOTSUP
 * with the reason when nobody could log in with it. */
int identity_check(const struct openstack_conf *conf, enum identity_version *ret_version,
		   struct vmt_error *error);

/* The body of a request for a token.  Has secrets. */
void identity_put_request(const struct openstack_conf *conf, enum identity_version version,
			  struct buf *out);

/* Which versions a document of Keystone's root tells of; the best that the configuration can use. */
int identity_read_versions(const struct openstack_conf *conf, const char *json, size_t len,
			   enum identity_version *ret_version, struct vmt_error *error);

/* An answer with a token, of either version.  -EBADMSG with the reason.  *ret_token is to be ended in any case. */
int identity_read_token(const char *json, size_t len, struct identity_token *ret_token,
			struct vmt_error *error);
void identity_token_fini(struct identity_token *token);

/* The address of a service, NULL: none.  `interface` as configured ("public", "publicURL"); NULL for public, `region`
 * NULL for any. */
const char *identity_find(const struct identity_token *token, const char *type,
			  const char *interface, const char *region);

/* A user, project or domain. */
struct identity_object {
	struct arena *arena; /* of what is below */
	const char *name, *domain_id; /* NULL: none */
	bool enabled; /* unless it says otherwise */
};

/* An answer with one, `kind` "user", "project" or "domain".  -EBADMSG with the reason.  *ret_object is to be ended in any
 * case. */
int identity_read_object(const char *json, size_t len, const char *kind,
			 struct identity_object *ret_object, struct vmt_error *error);
void identity_object_fini(struct identity_object *object);

#endif

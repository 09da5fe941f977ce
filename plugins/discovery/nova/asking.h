/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks Keystone for users, projects and domains.  The thread of the session; blocks on the network, until the deadline.
 */
#ifndef DISCOVERY_NOVA_ASKING_H
#define DISCOVERY_NOVA_ASKING_H

#include "plugins/discovery/nova/known.h"
#include "plugins/openstack/identity.h"
#include "plugins/openstack/session.h"

/* 0: *ret_object is what Keystone says; without a name where it knows no such one.  It is to be ended in any case.
 * -errno with the reason; asking_goes_on() tells whether it is that one's alone. */
int asking_identity(struct session *session, enum known_kind kind, const char *id,
		    const struct vmt_call *call, struct identity_object *ret_object,
		    struct vmt_error *error);
/* Whether another question may well have an answer. */
bool asking_goes_on(int ret);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Who is in a group of agents, as a coordinator's beat fills it in.  One thread; blocks on nothing. */
#ifndef MODEL_MEMBERS_H
#define MODEL_MEMBERS_H

#include <glib.h>
#include <virtmeter/plugin.h>

enum { MEMBERS_MAX = 1024, MEMBER_NAME_MAX = 255 };

struct vmt_members {
	GPtrArray *names; /* char *, may come twice */
};

void members_init(struct vmt_members *members);
void members_fini(struct vmt_members *members); /* NULL is fine */

#endif

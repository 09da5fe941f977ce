/* SPDX-License-Identifier: Apache-2.0 */
/* The list of a group's members.  Names come from outside: they are checked here.  Blocks on nothing. */
#include "model/members.h"

#include <errno.h>

void members_init(struct vmt_members *members)
{
	members->names = g_ptr_array_new_with_free_func(g_free);
}

void members_fini(struct vmt_members *members)
{
	if (members) {
		g_ptr_array_unref(members->names);
	}
}

int vmt_members_add(struct vmt_members *members, const char *name, size_t len)
{
	if (len == 0 || len > MEMBER_NAME_MAX) {
		return -EINVAL;
	}
	for (size_t i = 0; i < len; i++) {
		if (name[i] <= ' ' || name[i] > '~') {
			return -EINVAL;
		}
	}
	if (members->names->len == MEMBERS_MAX) {
		return -E2BIG;
	}
	g_ptr_array_add(members->names, g_strndup(name, len));
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the two sides of the control socket: where it may lie, and its address.
 */
#ifndef CONTROL_PATH_H
#define CONTROL_PATH_H

#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <virtmeter/plugin.h>

enum { CONTROL_PLACES = 3 };

/* Where a client looks for a service of that role, in this order; each to be freed with g_free().  Answers
 * how many. */
size_t control_paths(const char *role, char *ret[CONTROL_PLACES]);

/* 0, -ENAMETOOLONG. */
int control_address(const char *path, struct sockaddr_un *ret, struct vmt_error *error);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The plugins that are built into the program: NULL-terminated, a row each in builtin.c. */
#ifndef BUILTIN_H
#define BUILTIN_H

#include <virtmeter/plugin.h>

extern const struct vmt_plugin *const builtin_plugins[];

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The plugins that come with the program: NULL-terminated, a row each in builtin.c.  Those without operations
 * are declared only: their shared objects lie in the folder. */
#ifndef BUILTIN_H
#define BUILTIN_H

#include <virtmeter/plugin.h>

extern const struct vmt_plugin *const builtin_plugins[];

/* Where the program's own shared objects are: the folder of the build tree that the program lies in, else the
 * one that is installed with it (so that an installed tree can be moved), else where it would be
 * installed.  Valid for ever. */
const char *builtin_plugin_folder(void);

#endif

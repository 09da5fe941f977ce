/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the program's own shared objects have in common, though each has a copy of their code.  Not of the plugin contract:
 * they come with the program.  Any thread; blocks on nothing.
 */
#ifndef BASE_SHARED_MEMORY_H
#define BASE_SHARED_MEMORY_H

#include <virtmeter/plugin.h>

/* Memory of the whole process under a name ("PART.WHAT"): zeroed when the first asks for it, then given to that one's
 * `init` (NULL: none) before anyone else has it, and there until the process ends.  They come to it from any thread at any
 * time: atomics and locks, and no pointers into a shared object.  NULL: it is there with another size. */
VMT_API void *vmt_shared(const char *name, size_t size, void (*init)(void *memory));

#endif

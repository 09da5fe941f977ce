/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual machines that a server lists.  On a worker; blocks on the network until the call's deadline.
 */
#ifndef VIM_MACHINES_H
#define VIM_MACHINES_H

#include "plugins/vim/list.h"

#include <glib.h>

enum vim_power { VIM_POWER_UNKNOWN, VIM_POWER_ON, VIM_POWER_OFF, VIM_POWER_SUSPENDED };

/* Texts are NULL where the server has none. */
struct vim_machine {
	const char *ref; /* "vm-36" */
	const char *id; /* Nova's UUID (nvp.vm-uuid), else the server's own; lower case */
	enum vim_power power; /* as it was last known */
	bool away; /* disconnected, inaccessible, orphaned or invalid: nobody knows how it is now */
	/* only with details */
	const char *name, *host, *parent, *annotation; /* host and parent as references */
	int64_t cpus, memory_mib; /* 0: not known */
	const struct vmt_pair
		*custom; /* key: number of the field; ends with a NULL key; NULL: none */
};

struct vim_machines {
	struct vim_machine *machine; /* no templates, and none without an id; each id once */
	size_t count;
	uint64_t version; /* another one after each change */
	/* its own */
	struct vim_list list;
	bool details, whole; /* whole: nvp.vm-uuid is looked for in all of extraConfig */
	struct arena *arena, *spare;
	GArray *found, *pairs;
	GHashTable *ids; /* of `found`: index + 1 */
	const char *nova; /* of the machine in hand, from extraConfig */
	bool refused, strange;
	const char *twice; /* an id that two machines had */
};

void vim_machines_init(struct vim_machines *m, bool details);
void vim_machines_fini(struct vim_machines *m);

/* 1: the list is another one than before; 0: it is the same.  -errno as vim_list_read(); the list is as it was. */
int vim_machines_read(struct vim_machines *m, struct vim_client *c, const struct vmt_call *call,
		      struct vmt_error *error);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Properties of all objects of a view, or of one object, page by page.  On a worker; blocks on the network until the
 * call's deadline.
 */
#ifndef VIM_LIST_H
#define VIM_LIST_H

#include "plugins/vim/client.h"

enum { VIM_PAGE = 1000, VIM_PAGES_MAX = 1000 };

struct vim_list {
	/* in */
	const struct vim_wanted *wanted;
	size_t types; /* of objects, in `wanted`; their paths are all in `objects.paths` */
	enum vim_view view; /* VIM_NO_VIEW: `object` alone */
	struct vim_ref (*object)(const struct vim_client *c); /* of the session that is open */
	void (*begin)(void *context); /* forget what came: it starts again */
	struct vim_objects objects; /* its context is begin's, too */
	bool remember; /* an answer that is the same as at the last time is not read */
	/* kept from time to time */
	uint64_t digest; /* of the last answer, if it was all there is; 0: none */
	size_t last; /* objects that there were */
	/* what is in hand */
	uint64_t seen; /* digest of the answer in hand */
	bool same;
};

/* 1: the objects came; 0: they are as they were (`remember`).  -errno as vim_client_ask(). */
int vim_list_read(struct vim_list *l, struct vim_client *c, const struct vmt_call *call,
		  struct vmt_error *error);
void vim_list_fini(struct vim_list *l);

#endif

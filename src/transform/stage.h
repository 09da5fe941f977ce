/* SPDX-License-Identifier: Apache-2.0 */
/* Who hears what a transformer finds in its parameters while it is opened.  One thread. */
#ifndef TRANSFORM_STAGE_H
#define TRANSFORM_STAGE_H

#include <stdbool.h>
#include <virtmeter/plugin.h>

struct vmt_stage_host {
	/* `wrong`: it cannot be opened so. */
	void (*tell)(void *context, bool wrong, const char *text);
	void *context;
};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What a configuration means for each meter; main thread, blocks on the stream only. */
#ifndef CMD_EXPLAIN_H
#define CMD_EXPLAIN_H

#include <glib.h>
#include <stdio.h>

#include "cmd/table.h"
#include "conf/polling.h"
#include "plugin/registry.h"

struct explain {
	const struct polling *polling;
	/* sinks of this process (the same as `polling` in Juno's shapes), and the way to a notification agent beside
	 * them; NULL for none */
	const struct polling *ways[2];
	const struct registry *registry;
	GHashTable *publishers; /* set of URLs that can be used, as text of the pipelines */
	enum vmt_profile profile;
};

/* A table: which meter is polled how often by which source, and goes through which pipeline to which
 * publishers.  0, or -errno of the stream. */
int explain_print(FILE *out, enum table_format format, const struct explain *explain);

#endif

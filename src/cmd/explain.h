/* SPDX-License-Identifier: Apache-2.0 */
/* What a configuration means for each meter; main thread, blocks on the stream only. */
#ifndef CMD_EXPLAIN_H
#define CMD_EXPLAIN_H

#include <stdio.h>

#include "conf/polling.h"
#include "plugin/registry.h"

/* A warning for each pattern that no meter of the table or of a pollster plugin matches. */
void explain_patterns(const struct polling *polling, const struct registry *registry,
		      struct problems *problems);

/* A table: which meter is polled how often by which source, and goes through which pipeline to which
 * publishers.  `pipeline` is the same as `polling` in Juno's shapes.  0, or -errno of the stream. */
int explain_print(FILE *out, const struct polling *polling, const struct polling *pipeline,
		  const struct registry *registry, enum vmt_profile profile);

#endif

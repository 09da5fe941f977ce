/* SPDX-License-Identifier: Apache-2.0 */
/* Samples of dry tests: read from YAML, and compared with what a pipeline made. */
#ifndef CMD_DRY_SAMPLE_H
#define CMD_DRY_SAMPLE_H

#include <glib.h>

#include "base/buf.h"
#include "conf/yaml_tree.h"
#include "model/resource.h"

struct dry_sample {
	char *name, *unit;
	enum vmt_meter_type type;
	enum vmt_kind kind;
	union vmt_num value;
	int64_t time_ns, mono_ns;
	struct resource *resource;
	char **publishers; /* URLs; of what came out */
	bool taken; /* an expectation has been met by it */
};

void dry_sample_free(void *sample);

/* NULL, with the reasons in `problems`, for what is no sample. */
struct dry_sample *dry_sample_read(const struct yaml_node *node, const char *source,
				   struct problems *problems);
/* Looks for keys and values that an expectation cannot have; false with the reasons in `problems`. */
bool dry_expect_check(const struct yaml_node *node, struct problems *problems);

/* How many of the keys of the expectation do not agree; each is told in `out` ("volume is 50.0, expected 51")
 * unless it is NULL. */
unsigned dry_sample_compare(const struct dry_sample *sample, const struct yaml_node *expected,
			    struct buf *out);
/* "cpu_util of r1 at 2014-12-10T04:10:00: 50.0 %" */
void dry_sample_print(const struct dry_sample *sample, struct buf *out);

#endif

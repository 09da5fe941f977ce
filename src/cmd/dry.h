/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dry tests of a pipeline (`virtmeter check --test FILE`): samples given in YAML go through a pipeline, and what
 * comes out is compared with what the file expects.  Nothing is polled, opened or published.  Main thread;
 * blocks on reading files.  Time is simulated from the first test on.
 */
#ifndef CMD_DRY_H
#define CMD_DRY_H

#include <stdio.h>

#include "cmd/table.h"
#include "conf/polling.h"
#include "conf/settings.h"
#include "plugin/registry.h"

struct dry {
	struct registry *registry;
	const struct settings *settings;
	const struct polling *pipeline; /* that of the configuration; NULL: none */
	enum table_format format;
};

/* Runs the file's tests and tells of each on `out`, "ok NAME" or "FAILED NAME" with what differs, and their
 * numbers at last; or (format json) an object a line:
 *
 *	{"test":"NAME","file":"FILE","line":7,"passed":false,"differences":["FILE:9:5: …"]}
 *	{"tests":"FILE","passed":1,"failed":1,"unusable":0}
 *
 * 0: all passed; 1: some did not; -errno: the file, or some of its tests, cannot be used, the reasons are in `problems`. */
int dry_run(const struct dry *dry, const char *path, FILE *out, struct problems *problems);
/* The same for a text, for which `name` stands in messages; paths in it are relative to its folder. */
int dry_run_text(const struct dry *dry, const char *name, const char *text, size_t size, FILE *out,
		 struct problems *problems);

#endif

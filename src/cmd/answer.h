/* SPDX-License-Identifier: Apache-2.0 */
/* What `virtmeter check` answers: files read, findings, the verdict.  Main thread; blocks on the stream only. */
#ifndef CMD_ANSWER_H
#define CMD_ANSWER_H

#include <glib.h>
#include <stdio.h>

#include "cmd/table.h"
#include "conf/ini.h"
#include "conf/problem.h"

struct answer {
	FILE *out;
	enum table_format format;
	const struct ini *ini; /* files read */
	const GPtrArray *yaml; /* paths of further ones */
	const struct problems *problems;
	bool tests_failed; /* of the dry tests, some */
	/* private */
	size_t told; /* findings told */
	size_t of[PROBLEM_ERROR + 1]; /* findings by level */
	bool failed;
};

/* Prints the files read (answer_files()), each finding once, by its place, then whether all is well (answer_verdict()),
 * as lines for people or an object of JSON each:
 *
 *	{"read":"FILE"}
 *	{"level":"error|warning|note","file":…,"line":…,"column":…,"failed":false,"text":"FILE:LINE:COLUMN: …"}
 *	{"ok":true,"errors":0,"warnings":0}
 *
 * with null for a place that is not known. */
void answer_files(const struct answer *answer);
/* Those that have come since the last call. */
void answer_findings(struct answer *answer);
/* CMD_OK, or CMD_FAILED when an agent would not start with all of it in effect, or a dry test failed. */
int answer_verdict(struct answer *answer);

#endif

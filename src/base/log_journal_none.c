/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for log_journal.c in a build without libsystemd: log_init() refuses the journal, so that
 * nothing is written here.
 */
#include "base/log_sink.h"

bool log_journal_available(void)
{
	return false;
}

void log_journal_write(const char *program, const struct log_line *line)
{
}

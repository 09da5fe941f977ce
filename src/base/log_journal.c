/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the way to the journal (build with libsystemd).  Called with log.c's lock held; blocks as long as
 * journald's socket does.
 */
#include "base/log_sink.h"

#include <syslog.h>
#include <systemd/sd-journal.h>

bool log_journal_available(void)
{
	return true;
}

void log_journal_write(const char *program, const struct log_line *line)
{
	static const int priority[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

	sd_journal_send("MESSAGE=%s: %s", line->logger, line->text, "PRIORITY=%d",
			priority[line->level], "SYSLOG_IDENTIFIER=%s", program, "LOGGER=%s",
			line->logger, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the service manager is told (systemd: Type=notify, WatchdogSec).  Without one nothing happens.
 * Main thread; never blocks for long.
 */
#ifndef CONTROL_NOTIFY_H
#define CONTROL_NOTIFY_H

#include <stdint.h>

void notify_ready(void); /* started, or done with a reload */
void notify_reloading(void);
void notify_stopping(void);
void notify_status(const char *text); /* one line, for `systemctl status` */

/* How often notify_watchdog() must be called at least (half of what systemd allows); 0: not wanted. */
int64_t notify_watchdog_ns(void);
void notify_watchdog(void);

#endif

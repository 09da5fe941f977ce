/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaving a host alone that does not answer.  Any thread, one at a time for each; never blocks.
 */
#ifndef PLUGINS_HYPERV_REST_H
#define PLUGINS_HYPERV_REST_H

#include <virtmeter/plugin.h>

#include "base/backoff.h"

/* 0: ask it.  -EAGAIN with the reason: not now. */
int hyperv_rest_check(const struct backoff *rest, const char *address, struct vmt_error *error);
/* What came of the first question of a cycle: 0 or -errno.  After -ETIMEDOUT it is left alone for one minute, then two;
 * after anything else not at all. */
void hyperv_rest_note(struct backoff *rest, int result);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handles of domains, kept as long as their connection: list calls and single calls need them, and each would
 * cost a question.  Only inside a job, of the session that it runs in.
 */
#ifndef INSPECTOR_LIBVIRT_HANDLES_H
#define INSPECTOR_LIBVIRT_HANDLES_H

#include "plugins/libvirt/connection.h"

#include <glib.h>

/* The session's handles, by UUID (16 bytes). */
GHashTable *handles_of(struct session *s);

/* Takes the handles of all domains (`flags` as for virConnectListAllDomains) anew, in one question.  -1: libvirt's
 * error. */
int handles_fetch(struct session *s, GHashTable *handles, unsigned flags);

/* The handle of that domain, NULL when it does not run.  Asks only when it is missing and *fetched is false, which
 * it then is no more. */
virDomainPtr handles_find(struct session *s, const uint8_t uuid[16], bool *fetched);

#endif

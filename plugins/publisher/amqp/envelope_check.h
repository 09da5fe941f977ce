/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strict reader of messages, for tests: it knows nothing of how they are put together.  Nothing of it is built into
 * the program.
 */
#ifndef AMQP_ENVELOPE_CHECK_H
#define AMQP_ENVELOPE_CHECK_H

#include "envelope.h"

/* Whether a receiver can read the body: JSON in both layers, all keys of the message and of each sample there
 * and of their types.  0; -EBADMSG with what is wrong.  `scratch` is used. */
int envelope_check(const char *body, size_t n, enum envelope_kind kind, bool bare,
		   struct buf *scratch, const char **ret_why);

#endif

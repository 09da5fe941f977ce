/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encrypted bodies over plain HTTP (MS-WSMV 2.2.9.1): a signature and the sealed envelope between two boundaries.
 * Never blocks.
 */
#ifndef WSMAN_SEALED_H
#define WSMAN_SEALED_H

#include "plugins/wsman/auth.h"

#define SEALED_TYPE                                                                                \
	"Content-Type: multipart/encrypted;protocol=\"application/HTTP-SPNEGO-session-encrypted\"" \
	";boundary=\"Encrypted Boundary\""

/* What an encrypted body holds. */
struct sealed {
	size_t length; /* of the envelope, as the body says */
	const char *data; /* signature and sealed envelope */
	size_t len;
};

/* Takes a body apart; *ret points into it.  0, -EBADMSG. */
int sealed_parse(const char *body, size_t len, struct sealed *ret);

/* `out` is emptied first. */
int sealed_make(struct auth *a, const struct buf *plain, struct buf *out, struct vmt_error *error);
int sealed_open(struct auth *a, const struct buf *body, struct buf *out, struct vmt_error *error);

#endif

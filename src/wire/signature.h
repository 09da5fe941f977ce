/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures of messages: HMAC-SHA256 with a shared secret over the flattened message (flatten.h).  One
 * thread at a time for a signer.
 */
#ifndef WIRE_SIGNATURE_H
#define WIRE_SIGNATURE_H

#include "wire/flatten.h"

enum { SIGNATURE_TEXT = 65 }; /* 64 hexadecimal digits in lower case, and a zero */

struct signer;

/* `secret`: UTF-8, copied.  NULL when the library has no HMAC-SHA256. */
struct signer *signer_new(enum flatten_dialect dialect, const char *secret);
void signer_free(struct signer *s); /* NULL is fine; wipes the secret */

/* The signature of a message (JSON, an object, with or without message_signature).  With an empty secret it is
 * "" in dialect py3; the Python 2 ones sign with the empty key (peers of 2014 do, and later ones
 * with an empty secret look at nothing).  -errno of flatten_json(). */
int signer_sign(struct signer *s, const char *json, size_t n, char ret_text[SIGNATURE_TEXT]);

/* Of text that is flattened already.  -EIO: the library failed. */
int signer_sign_flat(struct signer *s, const char *data, size_t n, char ret_text[SIGNATURE_TEXT]);

#endif

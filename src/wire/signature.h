/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures of messages: HMAC-SHA256 with a shared secret over the flattened message (flatten.h).  One
 * thread at a time for a signer.
 */
#ifndef WIRE_SIGNATURE_H
#define WIRE_SIGNATURE_H

#include <stdbool.h>

#include "wire/flatten.h"
#include "wire/hmac_pair.h"

enum {
	SIGNATURE_TEXT = 65, /* 64 hexadecimal digits in lower case, and a zero */
	SIGNATURE_ROOM = HMAC_PAIR_ROOM,
};

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

/* Whether two at once are signed in less time than one after the other. */
bool signer_pairs(const struct signer *s);

/* Of two such texts, for a signer that does pairs: SIGNATURE_TEXT - 1 digits each, and no zero.  Behind each text
 * there is SIGNATURE_ROOM, which is written.  Both may be the same one. */
void signer_sign_pair(struct signer *s, char *const data[2], const size_t n[2],
		      char *const ret_text[2]);

#endif

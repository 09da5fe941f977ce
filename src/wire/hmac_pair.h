/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HMAC-SHA256 (RFC 2104) of two texts at once with one key, which is hashed once: for those who sign or check one text
 * after the other.  Where the processor cannot (sha256_pair.h), and for a text alone, there is libcrypto.  The key may
 * be used by many threads.
 */
#ifndef WIRE_HMAC_PAIR_H
#define WIRE_HMAC_PAIR_H

#include "wire/sha256_pair.h"

enum { HMAC_PAIR_ROOM = SHA256_BLOCK + 9 }; /* bytes that are written behind a text, at most */

struct hmac_pair_key {
	struct sha256_states state; /* behind the inner pad, the outer pad */
};

/* `n`: bytes of the secret, any number.  The caller cleanses the key.  false: this processor cannot, or libcrypto failed. */
bool hmac_pair_key(struct hmac_pair_key *key, const char *secret, size_t n);

/* `n`: bytes of the texts.  Behind each there is HMAC_PAIR_ROOM, which is written; both may be the same text. */
void hmac_pair(const struct hmac_pair_key *key, char *const text[2], const size_t n[2],
	       unsigned char ret_digest[2][SHA256_SIZE]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Owns nothing.  Any thread; blocks on nothing. */
#include "wire/hmac_pair.h"

#include <glib.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

enum { INNER, OUTER, PAD_INNER = 0x36, PAD_OUTER = 0x5c, LENGTH = 8 };

/* FIPS 180-4, 5.3.3 */
static const struct sha256_state start = { { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
					     0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 } };

/* Fills the last block of a text of n bytes, behind a whole block; answers how many blocks there are. */
static size_t pad(unsigned char *text, size_t n)
{
	size_t blocks = (n + 1 + LENGTH + SHA256_BLOCK - 1) / SHA256_BLOCK;
	uint64_t bits = GUINT64_TO_BE((uint64_t)(SHA256_BLOCK + n) * 8);
	unsigned char *length = text + blocks * SHA256_BLOCK - LENGTH;

	text[n] = 0x80;
	memset(text + n + 1, 0, (size_t)(length - text) - n - 1);
	memcpy(length, &bits, LENGTH);
	return blocks;
}

/* The longer text's last blocks; those of the other are on the side. */
static void rest(struct sha256_states *state, int longer, const unsigned char *text, size_t blocks)
{
	struct sha256_states side = { { state->of[longer], state->of[longer] } };

	sha256_pair(&side, (const unsigned char *const[2]){ text, text }, blocks);
	state->of[longer] = side.of[0];
}

static void put_words(const struct sha256_state *state, unsigned char *out)
{
	for (int i = 0; i < SHA256_WORDS; i++) {
		uint32_t word = GUINT32_TO_BE(state->word[i]);

		memcpy(out + sizeof(word) * (size_t)i, &word, sizeof(word));
	}
}

bool hmac_pair_key(struct hmac_pair_key *key, const char *secret, size_t n)
{
	unsigned char pads[2][SHA256_BLOCK], block[SHA256_BLOCK] = { 0 };

	if (!sha256_pair_here()) {
		return false;
	}
	if (n > SHA256_BLOCK) {
		if (!EVP_Digest(secret, n, block, NULL, EVP_sha256(), NULL)) {
			return false;
		}
	} else {
		memcpy(block, secret, n);
	}
	for (int i = 0; i < SHA256_BLOCK; i++) {
		pads[INNER][i] = block[i] ^ PAD_INNER;
		pads[OUTER][i] = block[i] ^ PAD_OUTER;
	}
	key->state.of[INNER] = start;
	key->state.of[OUTER] = start;
	sha256_pair(&key->state, (const unsigned char *const[2]){ pads[INNER], pads[OUTER] }, 1);
	OPENSSL_cleanse(pads, sizeof(pads));
	OPENSSL_cleanse(block, sizeof(block));
	return true;
}

void hmac_pair(const struct hmac_pair_key *key, char *const text[2], const size_t n[2],
	       unsigned char ret_digest[2][SHA256_SIZE])
{
	unsigned char *const inner[2] = { (unsigned char *)text[0], (unsigned char *)text[1] };
	unsigned char outer[2][SHA256_BLOCK];
	struct sha256_states state;
	size_t blocks[2], both;

	for (int i = 0; i < 2; i++) {
		blocks[i] = pad(inner[i], n[i]);
		state.of[i] = key->state.of[INNER];
	}
	both = MIN(blocks[0], blocks[1]);
	sha256_pair(&state, (const unsigned char *const[2]){ inner[0], inner[1] }, both);
	for (int i = 0; i < 2; i++) {
		if (blocks[i] > both) {
			rest(&state, i, inner[i] + both * SHA256_BLOCK, blocks[i] - both);
		}
		put_words(&state.of[i], outer[i]);
		pad(outer[i], SHA256_SIZE);
		state.of[i] = key->state.of[OUTER];
	}
	sha256_pair(&state, (const unsigned char *const[2]){ outer[0], outer[1] }, 1);
	for (int i = 0; i < 2; i++) {
		put_words(&state.of[i], ret_digest[i]);
	}
}

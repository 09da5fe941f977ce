/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the secret and the state of the cryptographic library.  One thread at a time for a signer; blocks on
 * nothing.
 */
#include "wire/signature.h"

#include <errno.h>
#include <glib.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>

enum { DIGEST_SIZE = SHA256_SIZE };

struct signer {
	enum flatten_dialect dialect;
	char *secret;
	size_t secret_len;
	EVP_MAC *mac;
	EVP_MAC_CTX *context;
	bool keyed; /* the context has the key, and starts anew without being told it again */
	bool pairs;
	struct hmac_pair_key pair_key;
	struct flatten flatten;
	struct buf data;
};

/* HMAC with the key given, or the one from before. */
static bool digest(struct signer *s, bool again, const char *data, size_t n,
		   unsigned char ret_digest[DIGEST_SIZE])
{
	const unsigned char *key = again ? NULL : (const unsigned char *)s->secret;
	size_t len = 0;

	return EVP_MAC_init(s->context, key, again ? 0 : s->secret_len, NULL) &&
	       EVP_MAC_update(s->context, (const unsigned char *)data, n) &&
	       EVP_MAC_final(s->context, ret_digest, &len, DIGEST_SIZE) && len == DIGEST_SIZE;
}

/* Early releases of OpenSSL 3.0 do not start anew without a key: they are told it each time. */
static bool starts_anew(struct signer *s)
{
	unsigned char first[DIGEST_SIZE], second[DIGEST_SIZE];

	return digest(s, false, "x", 1, first) && digest(s, true, "x", 1, second) &&
	       memcmp(first, second, DIGEST_SIZE) == 0;
}

/* Pairs are not taken on trust: both are what the library says, or there are none. */
static bool does_pairs(struct signer *s)
{
	char data[2][2 + SIGNATURE_ROOM] = { "x", "xy" };
	unsigned char ours[2][DIGEST_SIZE], theirs[DIGEST_SIZE];
	const size_t n[] = { 1, 2 };
	bool good;

	if ((!s->secret_len && s->dialect == FLATTEN_PY3) ||
	    !hmac_pair_key(&s->pair_key, s->secret, s->secret_len)) {
		return false;
	}
	hmac_pair(&s->pair_key, (char *const[2]){ data[0], data[1] }, n, ours);
	good = digest(s, false, "x", 1, theirs) && memcmp(ours[0], theirs, DIGEST_SIZE) == 0;
	return good && digest(s, false, "xy", 2, theirs) &&
	       memcmp(ours[1], theirs, DIGEST_SIZE) == 0;
}

struct signer *signer_new(enum flatten_dialect dialect, const char *secret)
{
	struct signer *s = g_new0(struct signer, 1);
	char name[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
		OSSL_PARAM_construct_end(),
	};

	s->dialect = dialect;
	s->secret = g_strdup(secret);
	s->secret_len = strlen(secret);
	flatten_init(&s->flatten);
	buf_init(&s->data);
	s->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	s->context = s->mac ? EVP_MAC_CTX_new(s->mac) : NULL;
	if (!s->context || !EVP_MAC_CTX_set_params(s->context, params)) {
		signer_free(s);
		return NULL;
	}
	s->keyed = starts_anew(s);
	s->pairs = does_pairs(s);
	return s;
}

void signer_free(struct signer *s)
{
	if (s) {
		EVP_MAC_CTX_free(s->context);
		EVP_MAC_free(s->mac);
		OPENSSL_cleanse(s->secret, s->secret_len);
		OPENSSL_cleanse(&s->pair_key, sizeof(s->pair_key));
		g_free(s->secret);
		flatten_fini(&s->flatten);
		buf_fini(&s->data);
		g_free(s);
	}
}

static void put_hex(const unsigned char *bytes, char *out)
{
	static const char hex[] = "0123456789abcdef";

	for (int i = 0; i < DIGEST_SIZE; i++) {
		*out++ = hex[bytes[i] >> 4];
		*out++ = hex[bytes[i] & 15];
	}
}

int signer_sign_flat(struct signer *s, const char *data, size_t n, char ret_text[SIGNATURE_TEXT])
{
	unsigned char bytes[DIGEST_SIZE];

	if (!s->secret_len && s->dialect == FLATTEN_PY3) {
		ret_text[0] = '\0';
		return 0;
	}
	if (!digest(s, s->keyed, data, n, bytes)) {
		return -EIO;
	}
	put_hex(bytes, ret_text);
	ret_text[SIGNATURE_TEXT - 1] = '\0';
	return 0;
}

bool signer_pairs(const struct signer *s)
{
	return s->pairs;
}

void signer_sign_pair(struct signer *s, char *const data[2], const size_t n[2],
		      char *const ret_text[2])
{
	unsigned char bytes[2][DIGEST_SIZE];

	hmac_pair(&s->pair_key, data, n, bytes);
	put_hex(bytes[0], ret_text[0]);
	put_hex(bytes[1], ret_text[1]);
}

int signer_sign(struct signer *s, const char *json, size_t n, char ret_text[SIGNATURE_TEXT])
{
	int status;

	buf_reset(&s->data);
	status = flatten_json(&s->flatten, json, n, s->dialect, &s->data);
	return status ? status : signer_sign_flat(s, s->data.data, s->data.len, ret_text);
}

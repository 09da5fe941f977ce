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

enum { DIGEST_SIZE = 32 };

struct signer {
	enum flatten_dialect dialect;
	char *secret;
	size_t secret_len;
	EVP_MAC *mac;
	EVP_MAC_CTX *context;
	struct flatten flatten;
	struct buf data;
};

struct signer *signer_new(enum flatten_dialect dialect, const char *secret)
{
	struct signer *s = g_new0(struct signer, 1);
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
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
	return s;
}

void signer_free(struct signer *s)
{
	if (s) {
		EVP_MAC_CTX_free(s->context);
		EVP_MAC_free(s->mac);
		OPENSSL_cleanse(s->secret, s->secret_len);
		g_free(s->secret);
		flatten_fini(&s->flatten);
		buf_fini(&s->data);
		g_free(s);
	}
}

static void put_hex(const unsigned char *digest, char *out)
{
	static const char hex[] = "0123456789abcdef";

	for (int i = 0; i < DIGEST_SIZE; i++) {
		*out++ = hex[digest[i] >> 4];
		*out++ = hex[digest[i] & 15];
	}
	*out = '\0';
}

int signer_sign_flat(struct signer *s, const char *data, size_t n, char ret_text[SIGNATURE_TEXT])
{
	unsigned char digest[DIGEST_SIZE];
	size_t len;

	if (!s->secret_len && s->dialect == FLATTEN_PY3) {
		ret_text[0] = '\0';
		return 0;
	}
	if (!EVP_MAC_init(s->context, (const unsigned char *)s->secret, s->secret_len, NULL) ||
	    !EVP_MAC_update(s->context, (const unsigned char *)data, n) ||
	    !EVP_MAC_final(s->context, digest, &len, sizeof(digest)) || len != sizeof(digest)) {
		return -EIO;
	}
	put_hex(digest, ret_text);
	return 0;
}

int signer_sign(struct signer *s, const char *json, size_t n, char ret_text[SIGNATURE_TEXT])
{
	int status;

	buf_reset(&s->data);
	status = flatten_json(&s->flatten, json, n, s->dialect, &s->data);
	return status ? status : signer_sign_flat(s, s->data.data, s->data.len, ret_text);
}

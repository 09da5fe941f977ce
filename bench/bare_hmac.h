/* SPDX-License-Identifier: Apache-2.0 */
/* The least that signing can cost: HMAC-SHA256 of libcrypto over bytes that are there.  Aborts on any failure. */
#ifndef BARE_HMAC_H
#define BARE_HMAC_H

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>

/* To be freed with EVP_MAC_CTX_free(). */
static EVP_MAC_CTX *bare_hmac_new(void)
{
	char name[] = "SHA256";
	OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
				OSSL_PARAM_construct_end() };
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *mac = EVP_MAC_CTX_new(hmac);

	EVP_MAC_free(hmac);
	if (!mac || !EVP_MAC_init(mac, (const unsigned char *)"secret", 6, params)) {
		abort();
	}
	return mac;
}

static void bare_hmac(EVP_MAC_CTX *mac, const char *data, size_t n)
{
	unsigned char digest[32];
	size_t len;

	if (!EVP_MAC_init(mac, NULL, 0, NULL) ||
	    !EVP_MAC_update(mac, (const unsigned char *)data, n) ||
	    !EVP_MAC_final(mac, digest, &len, sizeof(digest))) {
		abort();
	}
}

#endif

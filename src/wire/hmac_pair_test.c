/* SPDX-License-Identifier: Apache-2.0 */
/* Pairs beside libcrypto's HMAC: all lengths around blocks, keys short and long.  One thread. */
#include "wire/hmac_pair.h"

#include <glib.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

enum { LONGEST = 3 * SHA256_BLOCK + 2, KEY_LONGEST = 2 * SHA256_BLOCK + 1 };

static const char *material(void)
{
	static char bytes[4096];

	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] = (char)(i * i * 7 + i / 3);
	}
	return bytes;
}

static void check(const struct hmac_pair_key *key, const char *secret, size_t secret_len,
		  size_t first, size_t second)
{
	char text[2][LONGEST + HMAC_PAIR_ROOM];
	unsigned char digest[2][SHA256_SIZE], right[SHA256_SIZE];
	const size_t n[] = { first, second };
	const char *from = material();

	for (int i = 0; i < 2; i++) {
		memcpy(text[i], from + 100 * i, n[i]);
	}
	hmac_pair(key, (char *const[2]){ text[0], text[1] }, n, digest);
	for (int i = 0; i < 2; i++) {
		HMAC(EVP_sha256(), secret, (int)secret_len,
		     (const unsigned char *)from + (size_t)(100 * i), n[i], right, NULL);
		g_assert_cmpmem(digest[i], SHA256_SIZE, right, SHA256_SIZE);
	}
}

static void test_lengths(void)
{
	const char *secret = "change this for valid signing";
	struct hmac_pair_key key;

	if (!hmac_pair_key(&key, secret, strlen(secret))) {
		g_assert_false(sha256_pair_here());
		return;
	}
	for (size_t first = 0; first <= LONGEST; first++) {
		for (size_t second = 0; second <= LONGEST; second += 5) {
			check(&key, secret, strlen(secret), first, second);
		}
	}
}

static void test_keys(void)
{
	const char *secret = material() + 11;
	struct hmac_pair_key key;

	for (size_t n = 0; n <= KEY_LONGEST && sha256_pair_here(); n++) {
		g_assert_true(hmac_pair_key(&key, secret, n));
		check(&key, secret, n, 10, 150);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/wire/hmac_pair/lengths", test_lengths);
	g_test_add_func("/wire/hmac_pair/keys", test_keys);
	return g_test_run();
}

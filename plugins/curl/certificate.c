/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Knows the words for what can be wrong with a certificate.  Any thread; blocks on nothing.
 */
#include "plugins/curl/certificate.h"

#include <curl/curl.h>
#include <glib.h>
#include <openssl/x509_vfy.h>

/* Of a certificate that is not trusted; `named`: the option that names authorities follows. */
static const struct {
	long verified;
	const char *reason;
	bool named;
} reasons[] = {
	/* libcurl compares names itself, before it notes OpenSSL's result */
	{ X509_V_ERR_UNSPECIFIED,
	  "its certificate is for another host; write the name that stands in it, or renew it",
	  false },
	{ X509_V_OK,
	  "its certificate is for another host; write the name that stands in it, or renew it",
	  false },
	{ X509_V_ERR_CERT_HAS_EXPIRED, "its certificate has expired; renew it there", false },
	{ X509_V_ERR_CERT_NOT_YET_VALID, "its certificate is not valid yet; compare the clocks",
	  false },
	{ X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
	  "its certificate is signed by itself; name it in ", true },
	{ X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
	  "the authority of its certificate is unknown; name its file in ", true },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
	  "the authority of its certificate is unknown; name its file in ", true },
	{ X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
	  "the authority of its certificate is unknown; name its file in ", true },
};

static void tell_untrusted(long verified, const struct certificate_names *names, char *ret_text,
			   size_t size)
{
	for (size_t i = 0; i < G_N_ELEMENTS(reasons); i++) {
		if (reasons[i].verified == verified) {
			g_snprintf(ret_text, size, "%s%s", reasons[i].reason,
				   reasons[i].named ? names->authorities : "");
			return;
		}
	}
	g_snprintf(ret_text, size, "its certificate is not valid");
}

bool certificate_reason(int code, long verified, const struct certificate_names *names,
			char *ret_text, size_t size)
{
	switch (code) {
	case CURLE_PEER_FAILED_VERIFICATION:
		tell_untrusted(verified, names, ret_text, size);
		return true;
	case CURLE_SSL_CERTPROBLEM:
		g_snprintf(ret_text, size, "%s or %s cannot be used", names->cert, names->key);
		return true;
	case CURLE_SSL_CACERT_BADFILE:
		g_snprintf(ret_text, size, "%s names no certificates of authorities",
			   names->authorities);
		return true;
	case CURLE_SSL_CONNECT_ERROR:
		g_snprintf(ret_text, size,
			   "no TLS connection; is TLS spoken there, and is a %s wanted?",
			   names->cert);
		return true;
	default:
		return false;
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all that speak HTTP through libcurl share: words for what can be wrong with a certificate.  Pure.
 */
#ifndef CURL_CERTIFICATE_H
#define CURL_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>

/* How the options are called where a person would mend it. */
struct certificate_names {
	const char *authorities; /* "verify_ssl" */
	const char *cert, *key;
};

/* What is wrong with a certificate, and the way out; false when it is about something else.  `code` is libcurl's,
 * `verified` OpenSSL's X509_V_… */
bool certificate_reason(int code, long verified, const struct certificate_names *names,
			char *ret_text, size_t size);

#endif

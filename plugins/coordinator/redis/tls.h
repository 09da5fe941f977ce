/* SPDX-License-Identifier: Apache-2.0 */
/* TLS on a stream, by OpenSSL.  One thread at a time. */
#ifndef REDIS_TLS_H
#define REDIS_TLS_H

#include "plugins/coordinator/stream.h"

struct tls_options {
	const char *ca_file; /* NULL: the system's authorities */
	const char *cert_file, *key_file; /* NULL: none */
};

/* Puts TLS on an open stream, and shakes hands; the certificate has to be for `host`.  -errno with the reason, which
 * begins with `subject`; the stream is then to be closed. */
int tls_start(struct stream *stream, const struct tls_options *options, const char *host,
	      const char *subject, const struct vmt_call *call, struct vmt_error *error);

#endif

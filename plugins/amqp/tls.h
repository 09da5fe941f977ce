/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS towards a broker: what the context of a connection is set up with, and why a handshake failed, in
 * words.  One thread at a time for an object.
 */
#ifndef AMQP_TLS_H
#define AMQP_TLS_H

#include <openssl/ssl.h>
#include <sys/types.h>
#include <virtmeter/plugin.h>

struct tls_options {
	const char *version; /* TLSv1_2, …; NULL or "": 1.2 and later */
	const char *ca_file; /* NULL: the system's authorities */
	const char *cert_file, *key_file; /* of the client; NULL: none */
	bool verify; /* the broker's certificate */
	bool verify_host; /* that it is for the host's name */
};

/* A handshake: kept until the connection is closed. */
struct tls_handshake {
	const char *host;
	bool sni; /* it is a name, not an address */
	char why[256]; /* "" as long as nothing is wrong */
};

/* Whether the options make sense by themselves: -EINVAL with the reason.  Touches no file. */
int tls_check(const struct tls_options *o, struct vmt_error *error);

/* Loads the files and sets the context up for a handshake with *h (whose host the caller has set).
 * -errno with "FILE: reason". */
int tls_setup(SSL_CTX *ctx, const struct tls_options *o, struct tls_handshake *h,
	      struct vmt_error *error);

/* What the handshake, or later OpenSSL, complained of; "" when nothing is known. */
const char *tls_reason(struct tls_handshake *h);

/* The files' state, to be compared: another one means that they were replaced. */
struct tls_stamp {
	struct {
		int64_t mtime_ns, size;
		ino_t ino;
	} file[3];
};
void tls_stamp(const struct tls_options *o, struct tls_stamp *ret);

#endif

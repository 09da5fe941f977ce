/* SPDX-License-Identifier: Apache-2.0 */
/* TLS between a stream and its socket.  The coordination thread; blocks on reading small files, and until a call's end. */
#include "tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>

#include "base/socket.h"

/* What OpenSSL answered, as -errno. */
static ssize_t code_of(SSL *ssl, int n, short *ret_events)
{
	switch (SSL_get_error(ssl, n)) {
	case SSL_ERROR_WANT_READ:
		*ret_events = POLLIN;
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		*ret_events = POLLOUT;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		return errno ? -errno : -ECONNRESET;
	default:
		return -EPROTO;
	}
}

static ssize_t tls_read(void *self, void *data, size_t size, short *ret_events)
{
	int n;

	ERR_clear_error();
	errno = 0;
	n = SSL_read(self, data, (int)MIN(size, (size_t)INT_MAX));
	return n > 0 ? n : code_of(self, n, ret_events);
}

static ssize_t tls_write(void *self, const void *data, size_t size, short *ret_events)
{
	ssize_t code;
	int n;

	ERR_clear_error();
	errno = 0;
	n = SSL_write(self, data, (int)MIN(size, (size_t)INT_MAX));
	code = n > 0 ? n : code_of(self, n, ret_events);
	return code == 0 ? -ECONNRESET : code;
}

static void tls_close(void *self)
{
	SSL_shutdown(self); /* one message, if it goes out at once */
	SSL_free(self);
	ERR_clear_error();
}

static const struct stream_layer layer = { .read = tls_read,
					   .write = tls_write,
					   .close = tls_close };

/* Why: a file, the certificate, or what OpenSSL says. */
static int refuse(SSL *ssl, const char *subject, const char *what, int code,
		  struct vmt_error *error)
{
	long verified = ssl ? SSL_get_verify_result(ssl) : X509_V_OK;
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	ERR_clear_error();
	return vmt_error_set(error, code, "%s: %s: %s", subject, what,
			     verified != X509_V_OK ? X509_verify_cert_error_string(verified)
			     : code != -EPROTO     ? stream_reason(code)
			     : reason              ? reason
						   : "not usable");
}

static SSL_CTX *context(const struct tls_options *o, const char *subject, struct vmt_error *error)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	const char *key = o->key_file ? o->key_file : o->cert_file, *bad = NULL;

	g_assert(ctx);
	ERR_clear_error();
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	if (o->ca_file ? SSL_CTX_load_verify_locations(ctx, o->ca_file, NULL) != 1
		       : SSL_CTX_set_default_verify_paths(ctx) != 1) {
		bad = o->ca_file ? o->ca_file : "the system's authorities";
	} else if (o->cert_file && SSL_CTX_use_certificate_chain_file(ctx, o->cert_file) != 1) {
		bad = o->cert_file;
	} else if (key && SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1) {
		bad = key;
	}
	if (bad) {
		refuse(NULL, subject, bad, -EPROTO, error);
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

static bool is_address(const char *host)
{
	unsigned char bytes[16];

	return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

static SSL *session(SSL_CTX *ctx, int fd, const char *host)
{
	SSL *ssl = SSL_new(ctx);

	g_assert(ssl && SSL_set_fd(ssl, fd) == 1);
	SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (is_address(host)) {
		X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
	} else {
		SSL_set1_host(ssl, host);
		SSL_set_tlsext_host_name(ssl, host);
	}
	return ssl;
}

int tls_start(struct stream *s, const struct tls_options *o, const char *host, const char *subject,
	      const struct vmt_call *call, struct vmt_error *error)
{
	SSL_CTX *ctx = context(o, subject, error);
	ssize_t code = -EAGAIN;
	short events = POLLIN;
	SSL *ssl;

	if (!ctx) {
		return -EINVAL;
	}
	ssl = session(ctx, s->fd, host);
	SSL_CTX_free(ctx);
	while (code == -EAGAIN) {
		int n;

		ERR_clear_error();
		errno = 0;
		n = SSL_connect(ssl);
		code = n == 1 ? 1 : code_of(ssl, n, &events);
		if (code == -EAGAIN) {
			int ret = socket_wait(s->fd, events, call);

			code = ret < 0 ? ret : -EAGAIN;
		}
	}
	if (code <= 0) {
		int ret = refuse(ssl, subject, "TLS", code == 0 ? -ECONNRESET : (int)code, error);

		SSL_free(ssl);
		return ret;
	}
	s->layer = &layer;
	s->layer_self = ssl;
	return 0;
}

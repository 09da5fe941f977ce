/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handles against a server of the test on loopback, plain and with TLS, whose certificates are made here: with whom they
 * speak, what they say, whom they trust, and when they give up.  The server's thread answers one request at a time and
 * blocks on it.
 */
#include "plugins/curl/handle.h"

#include "base/buf.h"
#include "base/clock.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define OK "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

/* ------------------------------------------------------------------ certificates */

struct identity {
	EVP_PKEY *key;
	X509 *cert; /* its own authority, for 127.0.0.1 */
};

static void add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	g_assert_cmpint(X509_add_ext(cert, extension, -1), ==, 1);
	X509_EXTENSION_free(extension);
}

static struct identity identity_new(const char *name)
{
	struct identity id = { EVP_EC_gen("P-256"), X509_new() };
	X509_NAME *subject = X509_get_subject_name(id.cert);

	X509_set_version(id.cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(id.cert), name[0]);
	X509_gmtime_adj(X509_getm_notBefore(id.cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(id.cert), 3600);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1,
				   0);
	X509_set_issuer_name(id.cert, subject);
	X509_set_pubkey(id.cert, id.key);
	add_extension(id.cert, NID_basic_constraints, "critical,CA:TRUE");
	add_extension(id.cert, NID_subject_alt_name, "IP:127.0.0.1");
	g_assert_cmpint(X509_sign(id.cert, id.key, EVP_sha256()), >, 0);
	return id;
}

static void identity_fini(struct identity *id)
{
	EVP_PKEY_free(id->key);
	X509_free(id->cert);
}

static void write_cert(const struct identity *id, const char *path)
{
	FILE *f = fopen(path, "w");

	g_assert_nonnull(f);
	g_assert_cmpint(PEM_write_X509(f, id->cert), ==, 1);
	fclose(f);
}

static void write_key(const struct identity *id, const char *path)
{
	FILE *f = fopen(path, "w");

	g_assert_nonnull(f);
	g_assert_cmpint(PEM_write_PrivateKey(f, id->key, NULL, NULL, 0, NULL, NULL), ==, 1);
	fclose(f);
}

/* ------------------------------------------------------------------ the server */

struct scene {
	int listener, port;
	pthread_t thread;
	const char *answer; /* NULL: none, until the client goes */
	SSL_CTX *tls; /* NULL: plain */
	/* what came */
	unsigned requests;
	bool client_cert;
	struct buf head; /* of the last request */
	/* the client */
	CURL *curl;
	atomic_bool cancel;
	struct vmt_call call;
	const struct vmt_call *in_hand;
	char error[CURL_ERROR_SIZE];
	struct handle_conf conf;
	char *url;
};

static ssize_t receive(SSL *ssl, int fd, char *c)
{
	return ssl ? SSL_read(ssl, c, 1) : recv(fd, c, 1, 0);
}

static void serve(struct scene *s, SSL *ssl, int fd)
{
	struct buf head = BUF_INIT;
	char c;

	while (receive(ssl, fd, &c) == 1) {
		buf_putc(&head, c);
		if (!g_str_has_suffix(head.data, "\r\n\r\n")) {
			continue;
		}
		s->requests++;
		buf_reset(&s->head);
		buf_add(&s->head, head.data, head.len);
		if (s->answer && ssl) {
			SSL_write(ssl, s->answer, (int)strlen(s->answer));
			SSL_shutdown(ssl);
		} else if (s->answer) {
			send(fd, s->answer, strlen(s->answer), MSG_NOSIGNAL);
		}
		if (s->answer) {
			break;
		}
	}
	buf_fini(&head);
}

static void *server(void *data)
{
	struct scene *s = data;
	int fd;

	while ((fd = accept(s->listener, NULL, NULL)) >= 0) {
		SSL *ssl = s->tls ? SSL_new(s->tls) : NULL;

		if (!ssl) {
			serve(s, NULL, fd);
		} else if (SSL_set_fd(ssl, fd) == 1 && SSL_accept(ssl) == 1) {
			s->client_cert = SSL_get0_peer_certificate(ssl) != NULL;
			serve(s, ssl, fd);
		}
		SSL_free(ssl);
		close(fd);
	}
	return NULL;
}

static int take_any(int ok, X509_STORE_CTX *store)
{
	return 1;
}

static void start_tls(struct scene *s, const struct identity *id)
{
	s->tls = SSL_CTX_new(TLS_server_method());
	SSL_CTX_set_security_level(s->tls, 0);
	SSL_CTX_set_verify(s->tls, SSL_VERIFY_PEER, take_any);
	g_assert_cmpint(SSL_CTX_use_certificate(s->tls, id->cert), ==, 1);
	g_assert_cmpint(SSL_CTX_use_PrivateKey(s->tls, id->key), ==, 1);
}

static size_t on_body(char *p, size_t size, size_t n, void *data)
{
	return size * n;
}

static void start(struct scene *s, const char *answer, const struct identity *id)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);

	*s = (struct scene){ .answer = answer, .head = BUF_INIT };
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	g_assert_cmpint(bind(s->listener, (struct sockaddr *)&a, len), ==, 0);
	g_assert_cmpint(listen(s->listener, 8), ==, 0);
	g_assert_cmpint(getsockname(s->listener, (struct sockaddr *)&a, &len), ==, 0);
	s->port = ntohs(a.sin_port);
	if (id) {
		start_tls(s, id);
	}
	s->url = g_strdup_printf("http%s://127.0.0.1:%d/path", id ? "s" : "", s->port);
	s->call = (struct vmt_call){ .deadline_ns = clock_monotonic() + 60 * NS_PER_S,
				     .cancel = &s->cancel };
	s->in_hand = &s->call;
	s->conf = (struct handle_conf){
		.url = s->url,
		.on_body = on_body,
		.self = s,
		.call = &s->in_hand,
		.ret_error = s->error,
	};
	g_assert_cmpint(pthread_create(&s->thread, NULL, server, s), ==, 0);
}

static void stop(struct scene *s)
{
	curl_easy_cleanup(s->curl);
	shutdown(s->listener, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->listener);
	SSL_CTX_free(s->tls);
	buf_fini(&s->head);
	g_free(s->url);
}

/* With a handle of its own. */
static CURLcode ask(struct scene *s)
{
	curl_easy_cleanup(s->curl);
	s->curl = handle_new(&s->conf);
	g_assert_nonnull(s->curl);
	return curl_easy_perform(s->curl);
}

static bool was_said(const struct scene *s, const char *line)
{
	return strstr(s->head.data, line) != NULL;
}

/* ------------------------------------------------------------------ with whom, and what */

static void test_request(void)
{
	struct scene s;

	start(&s, OK, NULL);
	g_assert_cmpint(ask(&s), ==, CURLE_OK);
	g_assert_true(g_str_has_prefix(s.head.data, "GET /path HTTP/1.1\r\n"));
	g_assert_true(was_said(&s, "\r\nUser-Agent: virtmeter\r\n"));
	g_assert_false(was_said(&s, "\r\nAuthorization:"));
	g_assert_false(was_said(&s, "\r\nAccept-Encoding:"));
	s.conf.user = "meter";
	s.conf.compressed = true;
	g_assert_cmpint(ask(&s), ==, CURLE_OK);
	g_assert_true(was_said(&s, "\r\nAuthorization: Basic bWV0ZXI6\r\n")); /* meter: */
	g_assert_true(was_said(&s, "\r\nAccept-Encoding: "));
	s.conf.password = "x";
	g_assert_cmpint(ask(&s), ==, CURLE_OK);
	g_assert_true(was_said(&s, "\r\nAuthorization: Basic bWV0ZXI6eA==\r\n")); /* meter:x */
	g_assert_cmpuint(s.requests, ==, 3);
	stop(&s);
}

static void test_protocols(void)
{
	struct scene s;

	start(&s, OK, NULL);
	s.conf.https_only = true;
	g_assert_cmpint(ask(&s), ==, CURLE_UNSUPPORTED_PROTOCOL);
	s.conf.https_only = false;
	s.conf.url = "file:///dev/null";
	g_assert_cmpint(ask(&s), ==, CURLE_UNSUPPORTED_PROTOCOL);
	s.conf.url = "gopher://127.0.0.1/";
	g_assert_cmpint(ask(&s), ==, CURLE_UNSUPPORTED_PROTOCOL);
	g_assert_cmpuint(s.requests, ==, 0);
	stop(&s);
}

static void test_redirect(void)
{
	struct scene s;
	long status = 0;

	start(&s,
	      "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nConnection: close\r\n"
	      "Content-Length: 0\r\n\r\n",
	      NULL);
	g_assert_cmpint(ask(&s), ==, CURLE_OK);
	curl_easy_getinfo(s.curl, CURLINFO_RESPONSE_CODE, &status);
	g_assert_cmpint(status, ==, 302);
	g_assert_cmpuint(s.requests, ==, 1);
	stop(&s);
}

/* The server is the proxy, too. */
static void test_proxy(void)
{
	struct scene s;
	char *proxy;

	start(&s, OK, NULL);
	proxy = g_strdup_printf("http://127.0.0.1:%d", s.port);
	g_setenv("http_proxy", proxy, TRUE);
	g_assert_cmpint(ask(&s), ==, CURLE_OK);
	g_assert_true(g_str_has_prefix(s.head.data, "GET http://127.0.0.1:"));
	s.conf.direct = true;
	g_assert_cmpint(ask(&s), ==, CURLE_OK);
	g_assert_true(g_str_has_prefix(s.head.data, "GET /path "));
	g_unsetenv("http_proxy");
	g_free(proxy);
	stop(&s);
}

/* ------------------------------------------------------------------ the end of a call */

static void test_cancel(void)
{
	struct scene s;

	start(&s, NULL, NULL);
	atomic_store(&s.cancel, true);
	g_assert_cmpint(ask(&s), ==, CURLE_ABORTED_BY_CALLBACK);
	stop(&s);
}

static void test_deadline(void)
{
	struct scene s;

	start(&s, NULL, NULL);
	s.call.deadline_ns = clock_monotonic() + 50 * NS_PER_MS;
	g_assert_cmpint(ask(&s), ==, CURLE_ABORTED_BY_CALLBACK);
	stop(&s);
}

/* ------------------------------------------------------------------ TLS */

struct files {
	char *folder, *ca, *key;
};

static struct files files_make(void)
{
	char *folder = g_dir_make_tmp("vm-handle-XXXXXX", NULL);

	return (struct files){ folder, g_build_filename(folder, "ca.pem", NULL),
			       g_build_filename(folder, "key.pem", NULL) };
}

static void files_remove(struct files *f)
{
	g_remove(f->ca);
	g_remove(f->key);
	g_rmdir(f->folder);
	g_free(f->ca);
	g_free(f->key);
	g_free(f->folder);
}

static void test_trust(void)
{
	struct identity good = identity_new("good"), other = identity_new("other");
	struct files files = files_make();
	struct scene s;
	char *elsewhere;

	start(&s, OK, &good);
	g_assert_cmpint(ask(&s), ==, CURLE_PEER_FAILED_VERIFICATION);
	write_cert(&other, files.ca);
	s.conf.ca_file = files.ca;
	g_assert_cmpint(ask(&s), ==, CURLE_PEER_FAILED_VERIFICATION);
	s.conf.insecure = true;
	g_assert_cmpint(ask(&s), ==, CURLE_OK);
	s.conf.insecure = false;
	write_cert(&good, files.ca);
	g_assert_cmpint(ask(&s), ==, CURLE_OK);
	s.conf.https_only = true;
	g_assert_cmpint(ask(&s), ==, CURLE_OK);
	elsewhere = g_strdup_printf("https://localhost:%d/", s.port);
	s.conf.url = elsewhere;
	g_assert_cmpint(ask(&s), ==, CURLE_PEER_FAILED_VERIFICATION);
	g_assert_cmpuint(s.requests, ==, 3);
	stop(&s);
	g_free(elsewhere);
	files_remove(&files);
	identity_fini(&good);
	identity_fini(&other);
}

/* Authorities in the file are those of now, though the handle is the same. */
static void test_renewed(void)
{
	struct identity first = identity_new("first"), next = identity_new("next");
	struct files files = files_make();
	struct scene s;

	start(&s, OK, &next);
	write_cert(&first, files.ca);
	s.conf.ca_file = files.ca;
	g_assert_cmpint(ask(&s), ==, CURLE_PEER_FAILED_VERIFICATION);
	write_cert(&next, files.ca);
	g_assert_cmpint(curl_easy_perform(s.curl), ==, CURLE_OK);
	stop(&s);
	files_remove(&files);
	identity_fini(&first);
	identity_fini(&next);
}

static void test_our_own(void)
{
	struct identity id = identity_new("both");
	struct files files = files_make();
	struct scene s;

	start(&s, OK, &id);
	write_cert(&id, files.ca);
	write_key(&id, files.key);
	s.conf.ca_file = files.ca;
	g_assert_cmpint(ask(&s), ==, CURLE_OK);
	g_assert_false(s.client_cert);
	s.conf.cert_file = files.ca;
	s.conf.key_file = files.key;
	g_assert_cmpint(ask(&s), ==, CURLE_OK);
	g_assert_true(s.client_cert);
	stop(&s);
	files_remove(&files);
	identity_fini(&id);
}

static void test_old_tls(void)
{
	struct identity id = identity_new("old");
	struct files files = files_make();
	struct scene s;

	start(&s, OK, &id);
	write_cert(&id, files.ca);
	s.conf.ca_file = files.ca;
	SSL_CTX_set_max_proto_version(s.tls, TLS1_2_VERSION);
	g_assert_cmpint(ask(&s), ==, CURLE_OK);
	/* OpenSSL's own policy, which may differ from host to host, is not what refuses it */
	curl_easy_setopt(s.curl, CURLOPT_SSL_CIPHER_LIST, "ALL:@SECLEVEL=0");
	SSL_CTX_set_max_proto_version(s.tls, TLS1_1_VERSION);
	g_assert_cmpint(curl_easy_perform(s.curl), ==, CURLE_SSL_CONNECT_ERROR);
	stop(&s);
	files_remove(&files);
	identity_fini(&id);
}

int main(int argc, char **argv)
{
	static const char *const environment[] = { "http_proxy", "https_proxy",   "HTTPS_PROXY",
						   "all_proxy",  "ALL_PROXY",     "no_proxy",
						   "NO_PROXY",   "SSL_CERT_FILE", "SSL_CERT_DIR" };

	for (size_t i = 0; i < G_N_ELEMENTS(environment); i++) {
		g_unsetenv(environment[i]);
	}
	signal(SIGPIPE, SIG_IGN);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/handle/request", test_request);
	g_test_add_func("/handle/protocols", test_protocols);
	g_test_add_func("/handle/redirect", test_redirect);
	g_test_add_func("/handle/proxy", test_proxy);
	g_test_add_func("/handle/cancel", test_cancel);
	g_test_add_func("/handle/deadline", test_deadline);
	g_test_add_func("/handle/trust", test_trust);
	g_test_add_func("/handle/renewed", test_renewed);
	g_test_add_func("/handle/our-own", test_our_own);
	g_test_add_func("/handle/old-tls", test_old_tls);
	return g_test_run();
}

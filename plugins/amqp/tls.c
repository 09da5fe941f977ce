/* SPDX-License-Identifier: Apache-2.0 */
/* TLS contexts and their errors.  The publisher's thread; blocks on reading small files. */
#include "plugins/amqp/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"

static const struct {
	const char *name;
	int min, max; /* 0: as the library has it */
} versions[] = {
	{ "", TLS1_2_VERSION, 0 },
	{ "sslv23", TLS1_2_VERSION, 0 },
	{ "tls", TLS1_2_VERSION, 0 },
	{ "tlsv1", TLS1_VERSION, TLS1_VERSION },
	{ "tlsv1_1", TLS1_1_VERSION, TLS1_1_VERSION },
	{ "tlsv1_2", TLS1_2_VERSION, TLS1_2_VERSION },
	{ "tlsv1_3", TLS1_3_VERSION, TLS1_3_VERSION },
};

static int find_version(const char *name)
{
	for (size_t i = 0; i < G_N_ELEMENTS(versions); i++) {
		if (g_ascii_strcasecmp(versions[i].name, name ? name : "") == 0) {
			return (int)i;
		}
	}
	return -EINVAL;
}

int tls_check(const struct tls_options *o, struct vmt_error *error)
{
	if (find_version(o->version) < 0) {
		return vmt_error_set(
			error, -EINVAL,
			"ssl_version %s: not spoken here; write TLSv1_2 or TLSv1_3, or "
			"leave it out for both",
			o->version);
	}
	if (o->key_file && !o->cert_file) {
		return vmt_error_set(error, -EINVAL,
				     "ssl_key_file without ssl_cert_file; give both or none");
	}
	return 0;
}

/* ---- why a certificate will not do */

static void subject_of(X509 *cert, char *out, size_t size)
{
	X509_NAME *name = cert ? X509_get_subject_name(cert) : NULL;

	if (!name || X509_NAME_get_text_by_NID(name, NID_commonName, out, (int)size) < 0) {
		g_strlcpy(out, "?", size);
	}
}

static void date_of(const ASN1_TIME *time, char *out, size_t size)
{
	struct tm tm = { 0 };

	if (ASN1_TIME_to_tm(time, &tm) != 1 || strftime(out, size, "%Y-%m-%d", &tm) == 0) {
		g_strlcpy(out, "?", size);
	}
}

static void say(struct tls_handshake *h, X509 *cert, int code)
{
	char name[128], date[16];

	subject_of(cert, name, sizeof(name));
	switch (code) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		date_of(X509_get0_notAfter(cert), date, sizeof(date));
		g_snprintf(h->why, sizeof(h->why),
			   "the certificate of \"%s\" expired on %s; the broker needs a new one",
			   name, date);
		break;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		date_of(X509_get0_notBefore(cert), date, sizeof(date));
		g_snprintf(h->why, sizeof(h->why),
			   "the certificate of \"%s\" is not valid before %s; is the clock right?",
			   name, date);
		break;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		g_snprintf(
			h->why, sizeof(h->why),
			"the broker's certificate (of \"%s\") is not for %s; name the host as its "
			"certificate does",
			name, h->host);
		break;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		g_snprintf(h->why, sizeof(h->why),
			   "the certificate of \"%s\" is signed by an unknown authority; name its "
			   "CA's certificate in ssl_ca_file",
			   name);
		break;
	default:
		g_snprintf(h->why, sizeof(h->why), "the certificate of \"%s\": %s", name,
			   X509_verify_cert_error_string(code));
		break;
	}
}

static int on_verify(int good, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_handshake *h = ssl ? SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)) : NULL;

	if (!good && h && !h->why[0]) {
		say(h, X509_STORE_CTX_get_current_cert(store), X509_STORE_CTX_get_error(store));
	}
	return good;
}

/* The name goes into the first message (librabbitmq was given an address); an alert of the broker's is kept. */
static void on_info(const SSL *ssl, int where, int code)
{
	struct tls_handshake *h = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	if ((where & SSL_CB_HANDSHAKE_START) && h->sni) {
		SSL_set_tlsext_host_name((SSL *)(uintptr_t)ssl, h->host);
	}
	if ((where & SSL_CB_ALERT) && (where & SSL_CB_READ) &&
	    (code & 0xff) != SSL_AD_CLOSE_NOTIFY && !h->why[0]) {
		g_snprintf(h->why, sizeof(h->why), "the broker breaks TLS off: %s",
			   SSL_alert_desc_string_long(code));
	}
}

/* ---- the context */

static int file_failed(struct vmt_error *error, const char *file, const char *what)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(code);
	int missing = access(file, R_OK) < 0 ? errno : 0;

	ERR_clear_error();
	return vmt_error_set(error, -EINVAL, "%s: %s: %s", file, what,
			     missing  ? g_strerror(missing)
			     : reason ? reason
				      : "not usable");
}

static int load_own(SSL_CTX *ctx, const struct tls_options *o, struct vmt_error *error)
{
	const char *key = o->key_file ? o->key_file : o->cert_file;

	if (!o->cert_file) {
		return 0;
	}
	if (SSL_CTX_use_certificate_chain_file(ctx, o->cert_file) != 1) {
		return file_failed(error, o->cert_file, "client certificate");
	}
	if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1) {
		return file_failed(error, key, "private key");
	}
	return 0;
}

static int load_authorities(SSL_CTX *ctx, const struct tls_options *o, struct vmt_error *error)
{
	if (!o->verify) {
		return 0;
	}
	if (!o->ca_file) {
		SSL_CTX_set_default_verify_paths(ctx);
		return 0;
	}
	return SSL_CTX_load_verify_locations(ctx, o->ca_file, NULL) == 1
		       ? 0
		       : file_failed(error, o->ca_file, "authorities");
}

static bool is_address(const char *host)
{
	unsigned char bytes[16];

	return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

int tls_setup(SSL_CTX *ctx, const struct tls_options *o, struct tls_handshake *h,
	      struct vmt_error *error)
{
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);
	int version = find_version(o->version), ret;

	ERR_clear_error();
	h->why[0] = '\0';
	h->sni = !is_address(h->host);
	SSL_CTX_set_app_data(ctx, h);
	SSL_CTX_set_info_callback(ctx, on_info);
	SSL_CTX_set_verify(ctx, o->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, on_verify);
	SSL_CTX_set_min_proto_version(ctx, versions[MAX(version, 0)].min);
	SSL_CTX_set_max_proto_version(ctx, versions[MAX(version, 0)].max);
	if (o->verify && o->verify_host) {
		if (h->sni) {
			X509_VERIFY_PARAM_set1_host(param, h->host, 0);
		} else {
			X509_VERIFY_PARAM_set1_ip_asc(param, h->host);
		}
	}
	ret = load_authorities(ctx, o, error);
	return ret < 0 ? ret : load_own(ctx, o, error);
}

const char *tls_reason(struct tls_handshake *h)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	if (!h->why[0] && reason) {
		g_strlcpy(h->why, reason, sizeof(h->why));
	}
	ERR_clear_error();
	return h->why;
}

void tls_stamp(const struct tls_options *o, struct tls_stamp *ret)
{
	const char *const files[] = { o->ca_file, o->cert_file, o->key_file };
	struct stat st;

	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
		if (files[i] && stat(files[i], &st) == 0) {
			ret->file[i].mtime_ns =
				(int64_t)st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec;
			ret->file[i].size = st.st_size;
			ret->file[i].ino = st.st_ino;
		}
	}
}

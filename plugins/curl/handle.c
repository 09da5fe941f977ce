/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the choice of libcurl's options.  One thread at a time; blocks on nothing.
 */
#include "plugins/curl/handle.h"

#include "base/clock.h"

#if LIBCURL_VERSION_NUM < 0x075500
#define PROTOCOLS CURLOPT_PROTOCOLS
#define HTTPS_ONLY ((long)CURLPROTO_HTTPS)
#define HTTP_AND_HTTPS ((long)(CURLPROTO_HTTP | CURLPROTO_HTTPS))
#else
#define PROTOCOLS CURLOPT_PROTOCOLS_STR
#define HTTPS_ONLY "https"
#define HTTP_AND_HTTPS "http,https"
#endif

#if LIBCURL_VERSION_NUM < 0x075700 /* authorities are not kept between connections */
#define CURLOPT_CA_CACHE_TIMEOUT 0
#endif

/* Not 0: give up.  Called at least about once a second. */
static int on_progress(void *data, curl_off_t total_down, curl_off_t down, curl_off_t total_up,
		       curl_off_t up)
{
	const struct vmt_call *call = *(const struct vmt_call *const *)data;

	return atomic_load(call->cancel) || clock_monotonic() >= call->deadline_ns;
}

static void set_far_side(CURL *curl, const struct handle_conf *c)
{
	curl_easy_setopt(curl, CURLOPT_URL, c->url);
	curl_easy_setopt(curl, PROTOCOLS, c->https_only ? HTTPS_ONLY : HTTP_AND_HTTPS);
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	if (c->direct) {
		curl_easy_setopt(curl, CURLOPT_PROXY, "");
	}
	if (c->user) {
		curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		curl_easy_setopt(curl, CURLOPT_USERNAME, c->user);
		curl_easy_setopt(curl, CURLOPT_PASSWORD, c->password ? c->password : "");
	}
}

static void set_tls(CURL *curl, const struct handle_conf *c)
{
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, c->insecure ? 0L : 1L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, c->insecure ? 0L : 2L);
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (CURLOPT_CA_CACHE_TIMEOUT) {
		curl_easy_setopt(curl, CURLOPT_CA_CACHE_TIMEOUT, 0L);
	}
	if (c->ca_file && c->ca_folder) {
		curl_easy_setopt(curl, CURLOPT_CAPATH, c->ca_file);
	} else if (c->ca_file) {
		curl_easy_setopt(curl, CURLOPT_CAINFO, c->ca_file);
		curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
	}
	curl_easy_setopt(curl, CURLOPT_SSLCERT, c->cert_file);
	curl_easy_setopt(curl, CURLOPT_SSLKEY, c->key_file);
}

static void set_transfer(CURL *curl, const struct handle_conf *c)
{
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, c->ret_error);
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "virtmeter");
	curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)(c->connect_ns / NS_PER_MS));
	if (c->buffer) {
		curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, c->buffer);
	}
	if (c->compressed) {
		curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "");
	}
}

static void set_calls(CURL *curl, const struct handle_conf *c)
{
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, c->on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, c->self);
	if (c->on_head) {
		curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, c->on_head);
		curl_easy_setopt(curl, CURLOPT_HEADERDATA, c->self);
	}
	if (c->call) {
		curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
		curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
		curl_easy_setopt(curl, CURLOPT_XFERINFODATA, c->call);
	}
}

CURL *handle_new(const struct handle_conf *conf)
{
	CURL *curl = curl_easy_init();

	if (curl) {
		set_far_side(curl, conf);
		set_tls(curl, conf);
		set_transfer(curl, conf);
		set_calls(curl, conf);
	}
	return curl;
}

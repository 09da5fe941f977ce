/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the connection, by libcurl, and the cookie of the session.  On a worker, one at a time; blocks on the network
 * until the call's deadline.
 */
#include "plugins/vim/http.h"

#include "base/clock.h"
#include "base/resolve.h"
#include "base/wait.h"
#include "plugins/curl/certificate.h"
#include "plugins/curl/handle.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib.h>
#include <unistd.h>

#define CONNECT_NS (10 * NS_PER_S)
#define ANSWER_NS (60 * NS_PER_S)
#define LOOK_NS NS_PER_S /* at the latest, for the deadline and cancel */
#define PIECES_NS NS_PER_MS
#define ADDRESS_AGE_NS (60 * NS_PER_S)

enum { BUFFER = 256 << 10 };

static const struct certificate_names names = { "ca_file", "client certificate",
						"client certificate" };

struct vim_http {
	struct vim_conf conf;
	char *address;
	CURL *curl; /* NULL: not set up */
	CURLM *multi; /* has the connection */
	struct curl_slist *headers;
	struct resolver *resolver; /* NULL: the host is an address */
	struct curl_slist *told; /* its addresses, "host:port:address,address" */
	bool alive; /* the connection is, as far as is known */
	char error[CURL_ERROR_SIZE];
	uint64_t budget;
	/* the request in hand */
	const struct vmt_call *call;
	struct buf body;
	const char *too_much; /* why the answer was cut off */
};

/* ------------------------------------------------------------------ what libcurl calls */

static size_t on_body(char *p, size_t size, size_t n, void *data)
{
	struct vim_http *h = data;

	n *= size;
	if (h->body.len + n > VIM_ANSWER_MAX) {
		h->too_much = "the answer is longer than 64 MiB";
		return 0;
	}
	if (n > h->budget) {
		h->too_much = "the answers of this cycle are longer than all may be";
		return 0;
	}
	h->budget -= n;
	buf_add(&h->body, p, n);
	return n;
}

/* ------------------------------------------------------------------ the handle */

static int set_up_handle(struct vim_http *h, struct vmt_error *error)
{
	const struct handle_conf handle = {
		.url = h->address,
		.https_only = true,
		.direct = true, /* a password is for the server alone */
		.ca_file = h->conf.ca_file,
		.insecure = h->conf.insecure && !h->conf.ca_file,
		.connect_ns = CONNECT_NS,
		.buffer = BUFFER,
		.compressed = true,
		.on_body = on_body,
		.self = h,
		.call = &h->call,
		.ret_error = h->error,
	};

	if (h->curl) {
		return 0;
	}
	h->curl = handle_new(&handle);
	h->multi = curl_multi_init();
	if (!h->curl || !h->multi) {
		return vmt_error_set(error, -ENOMEM, "%s: libcurl cannot be set up", h->address);
	}
	curl_easy_setopt(h->curl, CURLOPT_COOKIEFILE, ""); /* kept, but not on the disk */
	curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, 1L);
	return 0;
}

void vim_http_forget(struct vim_http *h)
{
	if (h->curl) {
		curl_easy_setopt(h->curl, CURLOPT_COOKIELIST, "ALL");
	}
}

void vim_http_version(struct vim_http *h, const char *version)
{
	char action[64];

	g_snprintf(action, sizeof(action), "SOAPAction: \"urn:vim25/%s\"", version);
	curl_slist_free_all(h->headers);
	h->headers = curl_slist_append(NULL, "Expect:");
	h->headers = curl_slist_append(h->headers, "Content-Type: text/xml; charset=utf-8");
	h->headers = curl_slist_append(h->headers, action);
}

/* ------------------------------------------------------------------ where the server is */

static void add_address(struct buf *out, const struct addrinfo *a)
{
	char text[INET6_ADDRSTRLEN + 32];
	bool v6 = a->ai_family == AF_INET6, first = out->data[out->len - 1] == ':';

	if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST) ==
		    0 &&
	    !strchr(text, '%')) { /* libcurl takes none with a zone */
		buf_printf(out, "%s%s%s%s", first ? "" : ",", v6 ? "[" : "", text, v6 ? "]" : "");
	}
}

/* Before libcurl connects: it would look the name up itself, and wait for that beyond every deadline. */
static int look_up(struct vim_http *h, const struct vmt_call *call, struct vmt_error *error)
{
	struct buf now = BUF_INIT;
	const struct addrinfo *list;
	int err = resolver_get(h->resolver, ADDRESS_AGE_NS, call, h->address, &list, error);

	if (err < 0) {
		return err == -EHOSTUNREACH ? -EIO : err;
	}
	buf_printf(&now, "%s:%d:", h->conf.host, (int)h->conf.port);
	for (; list; list = list->ai_next) {
		add_address(&now, list);
	}
	if (now.data[now.len - 1] != ':' && (!h->told || strcmp(h->told->data, now.data) != 0)) {
		curl_slist_free_all(h->told);
		h->told = curl_slist_append(NULL, now.data);
		curl_easy_setopt(h->curl, CURLOPT_RESOLVE, h->told);
	}
	buf_fini(&now);
	return 0;
}

static bool is_address(const char *host)
{
	struct in_addr a;

	return strchr(host, ':') || inet_pton(AF_INET, host, &a) == 1;
}

/* ------------------------------------------------------------------ one exchange */

/* Codes of libcurl that say nothing against another attempt. */
static bool is_transient(CURLcode code)
{
	return code == CURLE_COULDNT_CONNECT || code == CURLE_SEND_ERROR ||
	       code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING || code == CURLE_PARTIAL_FILE;
}

static int no_answer(struct vim_http *h, CURLcode code, struct vmt_error *error)
{
	char why[CURL_ERROR_SIZE];
	long verified = 0;

	if (atomic_load(h->call->cancel)) {
		return vmt_error_set(error, -ECANCELED, "%s: given up on request", h->address);
	}
	if (code == CURLE_ABORTED_BY_CALLBACK || code == CURLE_OPERATION_TIMEDOUT) {
		return vmt_error_set(error, -ETIMEDOUT, "%s: no answer in time", h->address);
	}
	if (h->too_much) {
		return vmt_error_set(error, -E2BIG, "%s: %s", h->address, h->too_much);
	}
	curl_easy_getinfo(h->curl, CURLINFO_SSL_VERIFYRESULT, &verified);
	if (certificate_reason((int)code, verified, &names, why, sizeof(why))) {
		return vmt_error_set(error, -EKEYREJECTED, "%s: %s", h->address, why);
	}
	return vmt_error_set(error, is_transient(code) ? -ECONNRESET : -EIO, "%s: %s", h->address,
			     h->error[0] ? h->error : curl_easy_strerror(code));
}

/* A fault comes with status 500; what is no XML then is no fault. */
static int judge(const struct vim_http *h, struct vmt_error *error)
{
	const char *type = NULL;
	long status = 0;

	curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(h->curl, CURLINFO_CONTENT_TYPE, &type);
	if (status == 200 || (status == 500 && type && strstr(type, "xml"))) {
		return 0;
	}
	return vmt_error_set(error, status >= 502 && status <= 504 ? -EBUSY : -EIO,
			     "%s: HTTP status %ld; is it a vCenter or an ESXi host?", h->address,
			     status);
}

/* What curl_easy_perform() does, but for the moment that is left to the server between two looks: it writes an answer
 * in dozens of pieces, and to wake up for each would cost more than to read them. */
static CURLcode perform(struct vim_http *h)
{
	CURLcode code = CURLE_ABORTED_BY_CALLBACK;
	CURLMsg *message;
	int running = 1, left;

	curl_multi_add_handle(h->multi, h->curl);
	while (curl_multi_perform(h->multi, &running) == CURLM_OK && running) {
		if (curl_multi_poll(h->multi, NULL, 0, (int)(LOOK_NS / NS_PER_MS), NULL) !=
		    CURLM_OK) {
			break;
		}
		wait_sleep(PIECES_NS);
	}
	while ((message = curl_multi_info_read(h->multi, &left))) {
		code = message->msg == CURLMSG_DONE ? message->data.result : code;
	}
	curl_multi_remove_handle(h->multi, h->curl);
	return code;
}

int vim_http_post(struct vim_http *h, const struct buf *request, const struct buf **ret_answer,
		  const struct vmt_call *call, struct vmt_error *error)
{
	int64_t left = MIN(call->deadline_ns - clock_monotonic(), ANSWER_NS);
	CURLcode code;
	int err;

	h->call = call;
	if (atomic_load(call->cancel)) {
		return vmt_error_set(error, -ECANCELED, "%s: given up on request", h->address);
	}
	if (left <= 0) {
		return vmt_error_set(error, -ETIMEDOUT, "%s: no time is left", h->address);
	}
	err = set_up_handle(h, error);
	if (err == 0 && h->resolver && !h->alive) {
		err = look_up(h, call, error);
	}
	if (err < 0) {
		return err;
	}
	left = MIN(call->deadline_ns - clock_monotonic(), ANSWER_NS);
	h->error[0] = '\0';
	h->too_much = NULL;
	buf_reset(&h->body);
	curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, h->headers);
	curl_easy_setopt(h->curl, CURLOPT_TIMEOUT_MS, (long)MAX(left / NS_PER_MS, 1));
	curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, request->data);
	curl_easy_setopt(h->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->len);
	code = perform(h);
	h->alive = code == CURLE_OK;
	err = code == CURLE_OK ? judge(h, error) : no_answer(h, code, error);
	if (err == 0) {
		*ret_answer = &h->body;
	}
	return err;
}

/* ------------------------------------------------------------------ life */

static int vet(const struct vim_conf *c, struct vmt_error *error)
{
	if (!c->host || !*c->host || strpbrk(c->host, "/?#@ \t\r\n")) {
		vmt_error_set(error, -EINVAL, "host_ip: give the name of the vCenter or ESXi host");
		return -EINVAL;
	}
	if (!c->user || !*c->user) {
		return vmt_error_set(error, -EINVAL, "host_username: give an account");
	}
	if (c->ca_file && *c->ca_file && access(c->ca_file, R_OK) < 0) {
		return vmt_error_set(error, -EINVAL, "ca_file: %s: %s", c->ca_file,
				     g_strerror(errno));
	}
	return 0;
}

int vim_http_new(const struct vim_conf *conf, struct vim_http **ret, struct vmt_error *error)
{
	struct vim_http *h;
	bool v6 = conf->host && strchr(conf->host, ':');
	int err = vet(conf, error);

	if (err < 0) {
		return err;
	}
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		return vmt_error_set(error, -ENOTSUP, "libcurl cannot be set up");
	}
	h = g_new0(struct vim_http, 1);
	h->conf = *conf;
	h->conf.host = g_strdup(conf->host);
	h->conf.user = g_strdup(conf->user);
	h->conf.password = g_strdup(conf->password ? conf->password : "");
	h->conf.ca_file = g_strdup(conf->ca_file && *conf->ca_file ? conf->ca_file : NULL);
	h->address = g_strdup_printf("https://%s%s%s:%d/sdk", v6 ? "[" : "", conf->host,
				     v6 ? "]" : "", (int)conf->port);
	h->budget = UINT64_MAX;
	buf_init(&h->body);
	if (!is_address(conf->host)) {
		h->resolver = resolver_new(conf->host, (int)conf->port, SOCK_STREAM);
	}
	*ret = h;
	return 0;
}

void vim_http_free(struct vim_http *h)
{
	if (!h) {
		return;
	}
	curl_easy_cleanup(h->curl);
	curl_multi_cleanup(h->multi);
	curl_slist_free_all(h->headers);
	curl_slist_free_all(h->told);
	resolver_free(h->resolver);
	buf_fini(&h->body);
	g_free((char *)h->conf.host);
	g_free((char *)h->conf.user);
	g_free((char *)h->conf.password);
	g_free((char *)h->conf.ca_file);
	g_free(h->address);
	g_free(h);
}

const char *vim_http_address(const struct vim_http *h)
{
	return h->address;
}

const struct vim_conf *vim_http_conf(const struct vim_http *h)
{
	return &h->conf;
}

void vim_http_budget(struct vim_http *h, uint64_t bytes)
{
	h->budget = bytes;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns libcurl's handles.  One thread at a time; blocks on the network, until the deadline.
 */
#include "plugins/openstack/http.h"

#include <errno.h>
#include <glib.h>
#include <unistd.h>

#include "base/clock.h"
#include "plugins/curl/certificate.h"
#include "plugins/curl/handle.h"

struct http {
	CURLM *multi;
	CURL *curl;
	char *cafile, *certfile, *keyfile;
	bool insecure;
	int64_t timeout_ns;
	char error[CURL_ERROR_SIZE];
	struct http_answer *answer; /* of the request in hand */
	bool whole_head, too_long;
};

/* ------------------------------------------------------------------ what libcurl calls */

static size_t on_body(char *p, size_t size, size_t n, void *data)
{
	struct http *h = data;

	if (h->answer->body.len + size * n > HTTP_BODY_MAX) {
		h->too_long = true;
		return 0;
	}
	buf_add(&h->answer->body, p, size * n);
	return size * n;
}

/* The value of the header `name` in a line, to be freed; NULL when it is another one. */
static char *header_value(const char *line, size_t n, const char *name)
{
	size_t len = strlen(name);

	if (n <= len || g_ascii_strncasecmp(line, name, len) != 0 || line[len] != ':') {
		return NULL;
	}
	return g_strstrip(g_strndup(line + len + 1, n - len - 1));
}

/* libcurl takes a head that ends in the middle for a whole one. */
static size_t on_head(char *p, size_t size, size_t n, void *data)
{
	struct http *h = data;
	char *token = header_value(p, size * n, "X-Subject-Token");
	char *date = header_value(p, size * n, "Date");

	h->whole_head = size * n == 2 && p[0] == '\r';
	if (token) {
		g_free(h->answer->subject_token);
		h->answer->subject_token = token;
	}
	if (date) {
		time_t seconds = curl_getdate(date, NULL);

		h->answer->date_ns = seconds > 0 ? (int64_t)seconds * NS_PER_S : 0;
		g_free(date);
	}
	return size * n;
}

/* ------------------------------------------------------------------ the handle */

static CURL *set_up(struct http *h)
{
	const struct handle_conf handle = {
		.ca_file = h->cafile,
		.cert_file = h->certfile,
		.key_file = h->keyfile,
		.insecure = h->insecure,
		.compressed = true,
		.on_body = on_body,
		.on_head = on_head,
		.self = h,
		.ret_error = h->error,
	};

	return handle_new(&handle);
}

static int check_file(const char *option, const char *path, struct vmt_error *error)
{
	if (path && *path && access(path, R_OK) < 0) {
		return vmt_error_set(error, -EINVAL, "[service_credentials] %s: %s: %s", option,
				     path, g_strerror(errno));
	}
	return 0;
}

static char *path_dup(const char *path)
{
	return path && *path ? g_strdup(path) : NULL;
}

int http_new(const struct openstack_conf *conf, struct http **ret_http, struct vmt_error *error)
{
	const char *cafile = conf->cafile ? conf->cafile : conf->old_cacert;
	struct http *h;
	int ret = check_file("cafile", cafile, error);

	if (ret == 0) {
		ret = check_file("certfile", conf->certfile, error);
	}
	if (ret == 0) {
		ret = check_file("keyfile", conf->keyfile, error);
	}
	if (ret < 0) {
		return ret;
	}
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		return vmt_error_set(error, -ENOTSUP, "libcurl cannot be set up");
	}
	h = g_new0(struct http, 1);
	h->cafile = path_dup(cafile);
	h->certfile = path_dup(conf->certfile);
	h->keyfile = path_dup(conf->keyfile);
	h->insecure = conf->insecure;
	h->timeout_ns = conf->timeout_ns;
	h->multi = curl_multi_init();
	h->curl = set_up(h);
	if (!h->multi || !h->curl) {
		http_free(h);
		return vmt_error_set(error, -ENOMEM, "libcurl cannot be set up");
	}
	*ret_http = h;
	return 0;
}

void http_free(struct http *h)
{
	if (!h) {
		return;
	}
	curl_easy_cleanup(h->curl);
	curl_multi_cleanup(h->multi);
	g_free(h->cafile);
	g_free(h->certfile);
	g_free(h->keyfile);
	g_free(h);
}

void http_wake(struct http *h)
{
	curl_multi_wakeup(h->multi);
}

/* ------------------------------------------------------------------ one request */

static void begin(struct http *h, const struct http_request *request, struct curl_slist *headers)
{
	h->error[0] = '\0';
	h->whole_head = false;
	h->too_long = false;
	curl_easy_setopt(h->curl, CURLOPT_URL, request->url);
	curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, headers);
	if (request->body) {
		curl_easy_setopt(h->curl, CURLOPT_POST, 1L);
		curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, request->body);
		curl_easy_setopt(h->curl, CURLOPT_POSTFIELDSIZE_LARGE,
				 (curl_off_t)request->body_len);
	} else {
		curl_easy_setopt(h->curl, CURLOPT_HTTPGET, 1L);
	}
}

/* Whether the request is over; its outcome in *ret_code. */
static bool is_over(struct http *h, CURLcode *ret_code)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(h->multi, &left)) != NULL) {
		if (message->msg == CURLMSG_DONE) {
			*ret_code = message->data.result;
			return true;
		}
	}
	return false;
}

/* 0 with the outcome; -ECANCELED, -ETIMEDOUT. */
static int run(struct http *h, const struct vmt_call *call, int64_t deadline_ns, CURLcode *ret_code)
{
	int running;

	for (;;) {
		int64_t left_ns = deadline_ns - clock_monotonic();

		if (atomic_load(call->cancel)) {
			return -ECANCELED;
		}
		if (left_ns <= 0) {
			return -ETIMEDOUT;
		}
		if (curl_multi_perform(h->multi, &running) != CURLM_OK) {
			return -EIO;
		}
		if (is_over(h, ret_code)) {
			return 0;
		}
		curl_multi_poll(h->multi, NULL, 0, (int)MIN(left_ns / NS_PER_MS + 1, INT64_C(1000)),
				NULL);
	}
}

static int no_answer(struct http *h, const char *url, CURLcode code, struct vmt_error *error)
{
	static const struct certificate_names names = { "cafile", "certfile", "keyfile" };
	char reason[160];
	long verified = 0;

	curl_easy_getinfo(h->curl, CURLINFO_SSL_VERIFYRESULT, &verified);
	if (h->too_long) {
		return vmt_error_set(error, -EFBIG, "%s: the answer is longer than %d MiB", url,
				     HTTP_BODY_MAX >> 20);
	}
	if (certificate_reason((int)code, verified, &names, reason, sizeof(reason))) {
		return vmt_error_set(error, -EKEYREJECTED, "%s: %s: %s", url, reason,
				     h->error[0] ? h->error : curl_easy_strerror(code));
	}
	return vmt_error_set(error, -EIO, "%s: %s", url,
			     h->error[0] ? h->error : curl_easy_strerror(code));
}

static int judge(struct http *h, const struct http_request *request, CURLcode code,
		 struct vmt_error *error)
{
	curl_off_t seconds = 0;

	if (code != CURLE_OK) {
		return no_answer(h, request->url, code, error);
	}
	if (!h->whole_head) {
		return vmt_error_set(error, -EIO, "%s: the answer was cut off", request->url);
	}
	curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &h->answer->status);
	curl_easy_getinfo(h->curl, CURLINFO_RETRY_AFTER, &seconds);
	h->answer->retry_after_ns = CLAMP(seconds, 0, 3600) * NS_PER_S;
	return 0;
}

static void reset(struct http_answer *a)
{
	buf_reset(&a->body);
	g_free(a->subject_token);
	a->subject_token = NULL;
	a->status = 0;
	a->date_ns = 0;
	a->retry_after_ns = 0;
}

int http_ask(struct http *h, const struct http_request *request, const struct vmt_call *call,
	     struct http_answer *answer, struct vmt_error *error)
{
	int64_t deadline_ns = MIN(call->deadline_ns, clock_monotonic() + h->timeout_ns);
	struct curl_slist *headers = curl_slist_append(NULL, "Accept: application/json");
	CURLcode code = CURLE_OK;
	int ret;

	for (const char *const *line = request->headers; line && *line; line++) {
		headers = curl_slist_append(headers, *line);
	}
	headers = curl_slist_append(headers, "Expect:");
	reset(answer);
	h->answer = answer;
	begin(h, request, headers);
	curl_multi_add_handle(h->multi, h->curl);
	ret = run(h, call, deadline_ns, &code);
	if (ret == 0) {
		ret = judge(h, request, code, error);
	} else {
		vmt_error_set(error, ret, "%s: %s", request->url,
			      ret == -ECANCELED   ? "given up on request"
			      : ret == -ETIMEDOUT ? "no answer in time"
						  : "libcurl gives up");
	}
	curl_multi_remove_handle(h->multi, h->curl);
	curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
	return ret;
}

void http_answer_init(struct http_answer *answer)
{
	*answer = (struct http_answer){ .body = BUF_INIT };
}

void http_answer_fini(struct http_answer *answer)
{
	g_free(answer->subject_token);
	buf_fini(&answer->body);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The publisher http(s)://HOST/PATH: the samples of a meter as a JSON list, POSTed, as Ceilometer's.  A
 * request that was answered with 2xx is delivered by itself; a frame that comes again goes on where it was.
 * Shared object, for libcurl.  On the publisher's thread; blocks on the network, until the deadline.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/backoff.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/wait.h"
#include "options.h"
#include "plugins/curl/certificate.h"
#include "plugins/curl/handle.h"
#include "reply.h"
#include "target.h"
#include "wire/sample.h"
#include "wire/sample_check.h"

static const struct backoff_limits limits = { NS_PER_S / 10, NS_PER_S };

struct http_publisher {
	struct http_conf conf;
	char *text; /* the URL, for messages */
	struct http_target target;
	CURL *curl; /* NULL: not set up */
	struct curl_slist *headers;
	struct stat files[HTTP_FILES]; /* as they were when `curl` was set up */
	char error[CURL_ERROR_SIZE];
	struct sample_encoder encoder;
	struct sample_check *check;
	struct message_encoder *message; /* in its place with form = message */
	bool encoding; /* one of them is set up */
	enum vmt_profile profile;
	struct buf body;
	uint32_t limit; /* samples in a request */
	/* the request in hand */
	struct reply reply;
	const struct vmt_call *call;
	int64_t progress_ns; /* when bytes last moved */
	curl_off_t moved;
};

/* ------------------------------------------------------------------ what libcurl calls */

static size_t on_body(char *p, size_t size, size_t n, void *data)
{
	struct http_publisher *h = data;

	return reply_body(&h->reply, p, size * n) ? size * n : 0;
}

/* libcurl takes a head that ends in the middle for a whole one. */
static size_t on_head(char *p, size_t size, size_t n, void *data)
{
	struct http_publisher *h = data;

	h->reply.whole_head = size * n == 2 && p[0] == '\r';
	return size * n;
}

/* Not 0: give up.  Called at least about once a second. */
static int on_progress(void *data, curl_off_t total_down, curl_off_t down, curl_off_t total_up,
		       curl_off_t up)
{
	struct http_publisher *h = data;
	int64_t now = clock_monotonic();

	if (down + up != h->moved) {
		h->moved = down + up;
		h->progress_ns = now;
	}
	return atomic_load(h->call->cancel) || now >= h->call->deadline_ns ||
	       (h->conf.timeout_ns > 0 && now - h->progress_ns >= h->conf.timeout_ns);
}

/* ------------------------------------------------------------------ the handle */

static int set_up_handle(struct http_publisher *h, struct vmt_error *error)
{
	const struct http_target *t = &h->target;
	const struct handle_conf handle = {
		.url = t->url,
		.ca_file = t->file[HTTP_CA],
		.ca_folder = t->ca_folder,
		.cert_file = t->file[HTTP_CERT],
		.key_file = t->file[HTTP_KEY],
		.insecure = !t->verify,
		.user = t->user,
		.password = t->password,
		.connect_ns = h->conf.timeout_ns,
		.on_body = on_body,
		.on_head = on_head,
		.self = h,
		.ret_error = h->error,
	};

	h->curl = handle_new(&handle);
	if (!h->curl) {
		return vmt_error_set(error, -ENOMEM, "%s: libcurl cannot be set up", h->text);
	}
	curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, h->headers);
	curl_easy_setopt(h->curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(h->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(h->curl, CURLOPT_XFERINFODATA, h);
	return 0;
}

static void drop_handle(struct http_publisher *h)
{
	curl_easy_cleanup(h->curl);
	h->curl = NULL;
}

/* A handle whose certificates are those that lie in the files now. */
static int get_handle(struct http_publisher *h, struct vmt_error *error)
{
	struct stat now[HTTP_FILES] = { 0 };
	bool same = true;

	for (int i = 0; i < HTTP_FILES; i++) {
		if (h->target.file[i] && stat(h->target.file[i], &now[i]) < 0) {
			return vmt_error_set(error, -errno, "%s: %s: %s", h->text,
					     h->target.file[i], g_strerror(errno));
		}
		same &= now[i].st_ino == h->files[i].st_ino &&
			now[i].st_size == h->files[i].st_size &&
			now[i].st_mtim.tv_sec == h->files[i].st_mtim.tv_sec &&
			now[i].st_mtim.tv_nsec == h->files[i].st_mtim.tv_nsec;
	}
	if (h->curl && same) {
		return 0;
	}
	drop_handle(h);
	memcpy(h->files, now, sizeof(now));
	return set_up_handle(h, error);
}

/* ------------------------------------------------------------------ one request */

static bool not_connected(CURLcode code)
{
	return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST;
}

static CURLcode perform(struct http_publisher *h)
{
	int64_t left = MAX(h->call->deadline_ns - clock_monotonic(), 0);

	reply_reset(&h->reply);
	h->error[0] = '\0';
	h->moved = 0;
	h->progress_ns = clock_monotonic();
	curl_easy_setopt(h->curl, CURLOPT_TIMEOUT_MS,
			 (long)MIN(left / NS_PER_MS + 1, (int64_t)G_MAXINT));
	curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, h->body.data);
	curl_easy_setopt(h->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)h->body.len);
	return curl_easy_perform(h->curl);
}

/* With the retries of connecting. */
static CURLcode perform_with_retries(struct http_publisher *h)
{
	int64_t pause_ns = limits.first_ns;
	CURLcode code = perform(h);

	for (int64_t i = 0; i < h->conf.max_retries && not_connected(code); i++) {
		int64_t end = clock_monotonic() + pause_ns;

		if (end >= h->call->deadline_ns || atomic_load(h->call->cancel)) {
			break;
		}
		wait_sleep(pause_ns);
		pause_ns = backoff_next(pause_ns, &limits);
		code = perform(h);
	}
	return code;
}

static int no_reply(struct http_publisher *h, CURLcode code, struct vmt_error *error)
{
	static const struct certificate_names names = { "verify_ssl", "clientcert", "clientkey" };
	char reason[160];
	long verified = 0;
	bool tls;

	curl_easy_getinfo(h->curl, CURLINFO_SSL_VERIFYRESULT, &verified);
	if (atomic_load(h->call->cancel)) {
		return vmt_error_set(error, -ECANCELED, "%s: given up on request", h->text);
	}
	if (code == CURLE_ABORTED_BY_CALLBACK || code == CURLE_OPERATION_TIMEDOUT) {
		return vmt_error_set(error, -ETIMEDOUT, "%s: no answer in time", h->text);
	}
	tls = certificate_reason((int)code, verified, &names, reason, sizeof(reason));
	return vmt_error_set(error, tls ? -EKEYREJECTED : -EIO, "%s: %s%s%s", h->text,
			     tls ? reason : "", tls ? ": " : "",
			     h->error[0] ? h->error : curl_easy_strerror(code));
}

static void pause_if_asked(struct http_publisher *h)
{
	curl_off_t seconds = 0;

	curl_easy_getinfo(h->curl, CURLINFO_RETRY_AFTER, &seconds);
	if (seconds > 0) {
		vmt_delivery_pause(h->call->delivery, MIN(seconds, (curl_off_t)3600) * NS_PER_S);
	}
}

/* Sends the body.  0: the far side has it; -EBADMSG: refused for good; -EFBIG: too large. */
static int post(struct http_publisher *h, struct vmt_error *error)
{
	CURLcode code = perform_with_retries(h);
	char told[512];

	curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &h->reply.status);
	if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && h->reply.bytes > REPLY_BODY_MAX)) {
		return no_reply(h, code, error);
	}
	if (!h->reply.whole_head) {
		return vmt_error_set(error, -EIO, "%s: the reply was cut off", h->text);
	}
	reply_tell(&h->reply, told, sizeof(told));
	switch (reply_judge(&h->reply)) {
	case REPLY_TAKEN:
		return 0;
	case REPLY_REFUSED:
		return vmt_error_set(error, -EBADMSG, "%s: %s", h->text, told);
	case REPLY_SMALLER:
		return vmt_error_set(error, -EFBIG, "%s: %s", h->text, told);
	case REPLY_LATER:
		break;
	}
	pause_if_asked(h);
	return vmt_error_set(error, -EAGAIN, "%s: %s", h->text, told);
}

/* ------------------------------------------------------------------ samples to requests */

static void settle(struct http_publisher *h, const struct vmt_rows *rows, size_t n, int status,
		   const struct vmt_error *error)
{
	if (status == 0) {
		vmt_delivery_confirm(h->call->delivery, rows, n);
	} else {
		vmt_log(VMT_LOG_WARNING, "%s; these samples are dropped", error->text);
		vmt_delivery_refuse(h->call->delivery, rows, n, error->text, h->body.data,
				    h->body.len);
	}
}

static void add_row(struct vmt_rows *rows, size_t *n, uint32_t batch, uint32_t row)
{
	struct vmt_rows *last = *n > 0 ? &rows[*n - 1] : NULL;

	if (last && last->first + last->count == row) {
		last->count++;
	} else {
		rows[(*n)++] = (struct vmt_rows){ .batch = batch, .first = row, .count = 1 };
	}
}

enum { PIECES = 256 }; /* of rows that follow each other, in a request */

/* NULL, or why it can never be sent. */
static const char *put_row(struct http_publisher *h, const struct vmt_batch *b, uint32_t row)
{
	const char *fault;
	int status;

	if (h->message) {
		status = message_encoder_row(h->message, row, &h->body);
		return status < 0 ? message_refusal(status) : NULL;
	}
	fault = sample_check_row(h->check, b, row);
	if (!fault) {
		sample_encoder_row(&h->encoder, row, &h->body);
	}
	return fault;
}

/* Puts the body together, from row *at on, which moves on; answers how many pieces of rows are in it. */
static size_t fill_body(struct http_publisher *h, const struct vmt_batch *b, uint32_t batch,
			uint32_t *at, struct vmt_rows *rows)
{
	uint32_t limit = h->conf.batch ? h->limit : 1, count = 0;
	struct vmt_delivery *delivery = h->call->delivery;
	size_t n = 0;

	buf_reset(&h->body);
	for (; *at < b->count && count < limit && n < PIECES; ++*at) {
		size_t before = h->body.len;
		const char *fault;

		if (vmt_delivery_settled(delivery, batch, *at)) {
			continue;
		}
		if (h->conf.batch) {
			buf_puts(&h->body, count ? ", " : "[");
		}
		fault = put_row(h, b, *at);
		if (fault) {
			struct vmt_rows bad = { .batch = batch, .first = *at, .count = 1 };

			vmt_delivery_refuse(delivery, &bad, 1, fault, NULL, 0);
			buf_cut(&h->body, before);
			continue;
		}
		add_row(rows, &n, batch, *at);
		count++;
	}
	if (h->conf.batch && count) {
		buf_putc(&h->body, ']');
	}
	return n;
}

static int publish_batch(struct http_publisher *h, const struct vmt_batch *b, uint32_t batch,
			 struct vmt_error *error)
{
	struct vmt_rows rows[PIECES];
	int ret = 0;

	if (h->message) {
		message_encoder_batch(h->message, b);
	} else {
		sample_encoder_batch(&h->encoder, b);
	}
	for (uint32_t at = 0; at < b->count && ret == 0;) {
		uint32_t from = at;
		size_t n = fill_body(h, b, batch, &at, rows);

		ret = n > 0 ? post(h, error) : 0;
		if (ret == -EFBIG && h->conf.batch && at - from > 1 && h->limit > 1) {
			h->limit = MAX(MIN(h->limit, at - from) / 2, 1U);
			at = from;
			ret = 0;
		} else if (n > 0 && (ret == 0 || ret == -EBADMSG || ret == -EFBIG)) {
			settle(h, rows, n, ret, error);
			ret = 0;
		}
	}
	return ret;
}

static void drop_encoder(struct http_publisher *h)
{
	if (h->encoding && !h->message) {
		sample_encoder_fini(&h->encoder);
	}
	message_encoder_free(h->message);
	h->message = NULL;
	h->encoding = false;
}

static int set_up_encoder(struct http_publisher *h, enum vmt_profile profile,
			  struct vmt_error *error)
{
	if (h->encoding && h->profile == profile) {
		return 0;
	}
	drop_encoder(h);
	if (strcmp(h->conf.form, "message") == 0) {
		h->message = message_conf_encoder(&h->conf.message, MESSAGE_JSON, profile, NULL);
		if (!h->message) {
			return vmt_error_set(error, -ENOTSUP, "%s: the library has no HMAC-SHA256",
					     h->text);
		}
	} else {
		sample_encoder_init(&h->encoder, SAMPLE_JSON, profile);
	}
	h->encoding = true;
	h->profile = profile;
	return 0;
}

static int http_publish(void *self, const struct vmt_frame *frame, uint64_t bit,
			const struct vmt_call *call, struct vmt_error *error)
{
	struct http_publisher *h = self;
	int ret = get_handle(h, error);

	h->call = call;
	ret = ret < 0 ? ret : set_up_encoder(h, frame->profile, error);
	for (uint32_t i = 0; i < frame->count && ret == 0; i++) {
		if (frame->batch[i].publishers & bit) {
			ret = publish_batch(h, &frame->batch[i], i, error);
		}
	}
	return ret;
}

/* ------------------------------------------------------------------ life */

static int http_open(const void *conf, const struct vmt_url *url, bool read_only, void **ret_self,
		     struct vmt_error *error)
{
	struct http_publisher *h;
	struct http_target target;
	int ret = read_only ? vmt_error_set(error, -ENOTSUP, "%s: keeps nothing that could be read",
					    url->text)
			    : http_target_init(&target, conf, url, error);

	if (ret < 0) {
		return ret;
	}
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		http_target_fini(&target);
		return vmt_error_set(error, -ENOTSUP, "%s: libcurl cannot be set up", url->text);
	}
	h = g_new0(struct http_publisher, 1);
	h->conf = *(const struct http_conf *)conf;
	h->text = g_strdup(url->text);
	h->target = target;
	h->limit = (uint32_t)h->conf.batch_size;
	h->check = sample_check_new();
	buf_init(&h->body);
	h->headers = curl_slist_append(NULL, "Content-type: application/json");
	h->headers = curl_slist_append(h->headers, "Expect:");
	*ret_self = h;
	return 0;
}

static void http_shape(void *self, struct vmt_message_shape *ret_shape)
{
	const struct http_publisher *h = self;

	*ret_shape = (struct vmt_message_shape){ .samples = h->conf.batch
								    ? (uint32_t)h->conf.batch_size
								    : 1 };
}

static void http_close(void *self)
{
	struct http_publisher *h = self;

	if (h) {
		drop_handle(h);
		curl_slist_free_all(h->headers);
		drop_encoder(h);
		sample_check_free(h->check);
		http_target_fini(&h->target);
		buf_fini(&h->body);
		g_free(h->text);
		g_free(h);
	}
}

static const struct vmt_publisher_ops ops = {
	.open = http_open,
	.publish = http_publish,
	.close = http_close,
	.shape = http_shape,
};

VMT_PLUGIN(publisher, http) = {
	HTTP_PLUGIN,
	.ops.publisher = &ops,
};

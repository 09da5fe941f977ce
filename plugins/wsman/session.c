/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the connection, by libcurl, and who we are on it.  On a worker, one at a time; blocks on the network until
 * the call's deadline.
 */
#include "plugins/wsman/session.h"

#include "base/clock.h"
#include "plugins/curl/handle.h"
#include "plugins/wsman/auth.h"
#include "plugins/wsman/sealed.h"

#include <errno.h>
#include <glib.h>
#include <unistd.h>

#define CONNECT_NS (10 * NS_PER_S)
#define BEYOND_NS (15 * NS_PER_S) /* that an answer may come later than the server was asked for */
#define SOAP "Content-Type: application/soap+xml;charset=UTF-8"

enum { LEGS = 8, TOKEN_MAX = 64 << 10, BUFFER = 256 << 10 };

struct wsman_session {
	struct wsman_conf conf;
	char *address;
	CURL *curl; /* NULL: not set up */
	char error[CURL_ERROR_SIZE];
	struct auth *auth; /* NULL: basic */
	bool known; /* the server knows us on this connection */
	uint64_t connection;
	uint64_t budget;
	/* the request in hand */
	const struct vmt_call *call;
	struct buf body, plain, sealed;
	const char *too_much; /* why the answer was cut off */
	bool is_sealed; /* the answer's Content-Type says so */
	struct buf token; /* of the answer's WWW-Authenticate, in base64 */
};

/* ------------------------------------------------------------------ what libcurl calls */

static size_t on_body(char *p, size_t size, size_t n, void *data)
{
	struct wsman_session *s = data;

	n *= size;
	if (s->body.len + n > WSMAN_ANSWER_MAX) {
		s->too_much = "the answer is longer than 8 MiB";
		return 0;
	}
	if (n > s->budget) {
		s->too_much = "the answers of this cycle are longer than all may be";
		return 0;
	}
	s->budget -= n;
	buf_add(&s->body, p, n);
	return n;
}

/* The value of a header of that name, or NULL; *ret_len without the line's end. */
static const char *header(const char *line, size_t len, const char *name, size_t *ret_len)
{
	size_t n = strlen(name);

	if (len <= n || g_ascii_strncasecmp(line, name, n) != 0) {
		return NULL;
	}
	while (n < len && line[n] == ' ') {
		n++;
	}
	while (len > n && g_ascii_isspace(line[len - 1])) {
		len--;
	}
	*ret_len = len - n;
	return line + n;
}

static size_t on_head(char *p, size_t size, size_t n, void *data)
{
	struct wsman_session *s = data;
	size_t len;
	const char *value;

	n *= size;
	if (n > 5 && memcmp(p, "HTTP/", 5) == 0) { /* another answer begins */
		s->is_sealed = false;
		buf_reset(&s->token);
	}
	value = header(p, n, "WWW-Authenticate:", &len);
	value = value ? header(value, len, "Negotiate ", &len) : NULL;
	if (value && len < TOKEN_MAX) {
		buf_reset(&s->token);
		buf_add(&s->token, value, len);
	}
	value = header(p, n, "Content-Type:", &len);
	if (value) {
		s->is_sealed = header(value, len, "multipart/encrypted", &len) != NULL;
	}
	return n;
}

/* ------------------------------------------------------------------ the handle */

static int set_up_handle(struct wsman_session *s, struct vmt_error *error)
{
	const struct handle_conf handle = {
		.url = s->address,
		.direct = true, /* a password is for the host alone */
		.ca_file = s->conf.ca_file,
		.insecure = s->conf.insecure,
		.user = s->auth ? NULL : s->conf.user,
		.password = s->auth ? NULL : s->conf.password,
		.connect_ns = CONNECT_NS,
		.buffer = BUFFER,
		.on_body = on_body,
		.on_head = on_head,
		.self = s,
		.call = &s->call,
		.ret_error = s->error,
	};

	if (s->curl) {
		return 0;
	}
	s->curl = handle_new(&handle);
	if (!s->curl) {
		return vmt_error_set(error, -ENOMEM, "%s: libcurl cannot be set up", s->address);
	}
	curl_easy_setopt(s->curl, CURLOPT_MAXCONNECTS, 1L);
	return 0;
}

void wsman_session_drop(struct wsman_session *s)
{
	curl_easy_cleanup(s->curl);
	s->curl = NULL;
	s->known = false;
	s->connection = s->connection ? s->connection + 1 : 0;
	if (s->auth) {
		auth_reset(s->auth);
	}
}

/* ------------------------------------------------------------------ one exchange */

static int no_answer(struct wsman_session *s, CURLcode code, struct vmt_error *error)
{
	bool tls = code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CONNECT_ERROR ||
		   code == CURLE_SSL_CACERT_BADFILE;

	if (atomic_load(s->call->cancel)) {
		return vmt_error_set(error, -ECANCELED, "%s: given up on request", s->address);
	}
	if (code == CURLE_ABORTED_BY_CALLBACK || code == CURLE_OPERATION_TIMEDOUT) {
		return vmt_error_set(error, -ETIMEDOUT, "%s: no answer in time", s->address);
	}
	if (s->too_much) {
		return vmt_error_set(error, -E2BIG, "%s: %s", s->address, s->too_much);
	}
	return vmt_error_set(error, tls ? -EKEYREJECTED : -EIO, "%s: %s", s->address,
			     s->error[0] ? s->error : curl_easy_strerror(code));
}

/* `type` and `authorization` are header lines, or NULL.  Answers the status. */
static int exchange(struct wsman_session *s, const struct buf *body, const char *type,
		    const char *authorization, bool *ret_new, struct vmt_error *error)
{
	int64_t left =
		MIN(s->call->deadline_ns - clock_monotonic(), s->conf.timeout_ns + BEYOND_NS);
	struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
	long status = 0, connects = 0;
	CURLcode code;

	headers = curl_slist_append(headers, type);
	if (authorization) {
		headers = curl_slist_append(headers, authorization);
	}
	s->error[0] = '\0';
	s->too_much = NULL;
	buf_reset(&s->body);
	buf_reset(&s->token);
	curl_easy_setopt(s->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(s->curl, CURLOPT_TIMEOUT_MS, (long)MAX(left / NS_PER_MS, 1));
	curl_easy_setopt(s->curl, CURLOPT_POSTFIELDS, body ? body->data : "");
	curl_easy_setopt(s->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)(body ? body->len : 0));
	code = curl_easy_perform(s->curl);
	curl_slist_free_all(headers);
	curl_easy_getinfo(s->curl, CURLINFO_NUM_CONNECTS, &connects);
	curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &status);
	if (connects > 0) {
		s->connection++;
	}
	*ret_new = connects > 0;
	if (code != CURLE_OK) {
		int err = no_answer(s, code, error);

		wsman_session_drop(s);
		return err;
	}
	return (int)status;
}

/* ------------------------------------------------------------------ who we are */

static int refused(struct wsman_session *s, int status, struct vmt_error *error)
{
	wsman_session_drop(s);
	return vmt_error_set(error, -EACCES,
			     "%s: %s (HTTP %d); the account has to be one of the groups Hyper-V "
			     "Administrators and Remote Management Users",
			     s->address,
			     s->auth ? auth_said(s->auth) : "user or password is not accepted",
			     status);
}

/* One message of the handshake, on an empty body.  1: the other side wants more; 0: it knows us. */
static int one_leg(struct wsman_session *s, int leg, struct vmt_error *error)
{
	struct buf line = BUF_INIT;
	bool made = false;
	int status;

	buf_puts(&line, "Authorization: Negotiate ");
	status = auth_step(s->auth, leg ? s->token.data : NULL, &line, s->call, error);
	if (status < 0 || (status > 0 && leg && !s->token.len)) {
		buf_fini(&line);
		return status < 0 ? status : refused(s, 401, error);
	}
	status = exchange(s, NULL, SOAP, line.data, &made, error);
	buf_fini(&line);
	if (status < 0) {
		return status;
	}
	if (made && leg) { /* what was begun on another connection is worth nothing on this one */
		return vmt_error_set(error, -EIO, "%s: the connection went during authentication",
				     s->address);
	}
	if (status == 401) {
		return s->token.len ? 1 : refused(s, status, error);
	}
	return auth_finish(s->auth, s->token.data, error);
}

static int authenticate(struct wsman_session *s, struct vmt_error *error)
{
	int more = 1;

	auth_reset(s->auth);
	for (int leg = 0; leg < LEGS && more > 0; leg++) {
		more = one_leg(s, leg, error);
	}
	if (more != 0) {
		int err = more < 0 ? more : refused(s, 401, error);

		if (s->curl) {
			wsman_session_drop(s);
		}
		return err;
	}
	s->known = true;
	return 0;
}

/* ------------------------------------------------------------------ requests */

static bool seals(const struct wsman_session *s)
{
	return s->auth && !s->conf.tls && !s->conf.allow_unencrypted;
}

static int unseal(struct wsman_session *s, const struct buf **ret_answer, struct vmt_error *error)
{
	struct vmt_error why = { .text = "" };
	int err;

	if (!s->is_sealed) {
		return vmt_error_set(error, -EPROTO, "%s: the answer is not encrypted", s->address);
	}
	err = sealed_open(s->auth, &s->body, &s->plain, &why);
	if (err < 0) {
		return vmt_error_set(error, err, "%s: %s", s->address, why.text);
	}
	*ret_answer = &s->plain;
	return 0;
}

/* The request once, on this connection or a new one.  -EAGAIN: we have to say once more who we are. */
static int post_once(struct wsman_session *s, const struct buf *request,
		     const struct buf **ret_answer, struct vmt_error *error)
{
	const char *type = SOAP;
	bool made = false;
	int status = set_up_handle(s, error);

	if (status == 0 && s->auth && !s->known) {
		status = authenticate(s, error);
	}
	if (status < 0) {
		return status;
	}
	if (seals(s)) {
		status = sealed_make(s->auth, request, &s->sealed, error);
		request = &s->sealed;
		type = SEALED_TYPE;
	}
	status = status < 0 ? status : exchange(s, request, type, NULL, &made, error);
	if (status < 0) {
		return status;
	}
	if (s->auth && made) {
		s->known = false;
		return -EAGAIN;
	}
	if (s->auth && status == 401) { /* it knew us, and does not any more */
		wsman_session_drop(s);
		return -EAGAIN;
	}
	*ret_answer = &s->body;
	if (s->body.len && seals(s) && status != 401) {
		int err = unseal(s, ret_answer, error);

		return err < 0 ? err : status;
	}
	return status;
}

/* Without encryption a server of Windows' default answers 500 and nothing. */
static int judge(struct wsman_session *s, int status, const struct buf *answer,
		 struct vmt_error *error)
{
	if (status == 401 || status == 403) {
		return refused(s, status, error);
	}
	if (status != 200 && status != 400 && status != 500) {
		wsman_session_drop(s);
		return vmt_error_set(error, -EIO, "%s: HTTP status %d; is WinRM there?", s->address,
				     status);
	}
	if (status != 200 && !answer->len) {
		wsman_session_drop(s);
		return vmt_error_set(
			error, -EIO, "%s: HTTP status %d without a reason%s", s->address, status,
			s->conf.tls || seals(s) ? "" : "; does it take what is not encrypted?");
	}
	return status;
}

int wsman_session_post(struct wsman_session *s, const struct buf *request,
		       const struct buf **ret_answer, const struct vmt_call *call,
		       struct vmt_error *error)
{
	int status = -EAGAIN;

	s->call = call;
	if (atomic_load(call->cancel)) {
		return vmt_error_set(error, -ECANCELED, "%s: given up on request", s->address);
	}
	if (clock_monotonic() >= call->deadline_ns) {
		return vmt_error_set(error, -ETIMEDOUT, "%s: no time is left", s->address);
	}
	for (int i = 0; i < 2 && status == -EAGAIN; i++) {
		status = post_once(s, request, ret_answer, error);
	}
	if (status == -EAGAIN) {
		wsman_session_drop(s);
		return vmt_error_set(error, -EIO,
				     "%s: forgets who we are from one request to the next",
				     s->address);
	}
	return status < 0 ? status : judge(s, status, *ret_answer, error);
}

/* ------------------------------------------------------------------ life */

static int vet(const struct wsman_conf *c, struct vmt_error *error)
{
	if (!c->host || !*c->host || strpbrk(c->host, "/?#@ \t\r\n")) {
		return vmt_error_set(error, -EINVAL, "host: give the name of the Hyper-V host");
	}
	if (c->auth == WSMAN_BASIC && (!c->user || !c->password)) {
		return vmt_error_set(error, -EINVAL, "auth = basic: needs username and password");
	}
	if (c->auth == WSMAN_BASIC && !c->tls && !c->allow_unencrypted) {
		return vmt_error_set(
			error, -EINVAL,
			"auth = basic over plain HTTP tells everybody the password; use_ssl = true, or "
			"allow_unencrypted = true if that is wanted");
	}
	if (c->tls && !c->insecure && c->ca_file && *c->ca_file && access(c->ca_file, R_OK) < 0) {
		return vmt_error_set(error, -EINVAL, "ca_file: %s: %s", c->ca_file,
				     g_strerror(errno));
	}
	return 0;
}

int wsman_session_new(const struct wsman_conf *conf, struct wsman_session **ret,
		      struct vmt_error *error)
{
	struct wsman_session *s;
	bool v6 = conf->host && strchr(conf->host, ':');
	int err = vet(conf, error);

	if (err < 0) {
		return err;
	}
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		return vmt_error_set(error, -ENOTSUP, "libcurl cannot be set up");
	}
	s = g_new0(struct wsman_session, 1);
	s->conf = *conf;
	s->conf.host = g_strdup(conf->host);
	s->conf.user = g_strdup(conf->user);
	s->conf.password = g_strdup(conf->password);
	s->conf.domain = g_strdup(conf->domain);
	s->conf.ca_file = g_strdup(conf->ca_file && *conf->ca_file ? conf->ca_file : NULL);
	s->address = g_strdup_printf("%s://%s%s%s:%d/wsman", conf->tls ? "https" : "http",
				     v6 ? "[" : "", conf->host, v6 ? "]" : "", (int)conf->port);
	s->auth = conf->auth == WSMAN_BASIC ? NULL : auth_new(&s->conf);
	s->budget = UINT64_MAX;
	buf_init(&s->body);
	buf_init(&s->plain);
	buf_init(&s->sealed);
	buf_init(&s->token);
	*ret = s;
	return 0;
}

void wsman_session_free(struct wsman_session *s)
{
	if (!s) {
		return;
	}
	curl_easy_cleanup(s->curl);
	auth_free(s->auth);
	buf_fini(&s->body);
	buf_fini(&s->plain);
	buf_fini(&s->sealed);
	buf_fini(&s->token);
	g_free((char *)s->conf.host);
	g_free((char *)s->conf.user);
	g_free((char *)s->conf.password);
	g_free((char *)s->conf.domain);
	g_free((char *)s->conf.ca_file);
	g_free(s->address);
	g_free(s);
}

const char *wsman_session_address(const struct wsman_session *s)
{
	return s->address;
}

const struct wsman_conf *wsman_session_conf(const struct wsman_session *s)
{
	return &s->conf;
}

void wsman_session_budget(struct wsman_session *s, uint64_t bytes)
{
	s->budget = bytes;
}

uint64_t wsman_session_connection(const struct wsman_session *s)
{
	return s->curl ? s->connection : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the session.  On a worker, one at a time; blocks on the network until the call's deadline.
 */
#include "plugins/vim/client.h"

#include "base/clock.h"
#include "base/wait.h"
#include "plugins/vim/account.h"

#include <errno.h>
#include <glib.h>

#define PAUSE_FIRST_NS NS_PER_S
#define LOGOUT_NS (2 * NS_PER_S)

static const char *const versions[] = { "6.5", "6.0" };

/* What a view shows; ends with NULL. */
static const char *const *const view_types[VIM_VIEWS] = {
	[VIM_VIEW_MACHINES] = (const char *const[]){ "VirtualMachine", NULL },
	[VIM_VIEW_PLACES] =
		(const char *const[]){ "HostSystem", "ComputeResource", "Folder", NULL },
};

struct vim_client {
	struct vim_http *http;
	struct vim_reader *reader;
	struct arena *arena; /* the service's */
	struct vim_service service;
	struct buf request;
	struct vim_fault fault;
	unsigned version; /* of versions[] */
	/* the session */
	bool open;
	uint64_t number;
	struct vim_texts login;
	char view[VIM_VIEWS][512]; /* "": not open */
	struct account *account; /* the process's */
	/* the cycle */
	unsigned logins;
	int64_t slowest_ns;
	uint64_t requests;
};

/* ------------------------------------------------------------------ one question */

static int tell_fault(struct vim_client *c, int err, struct vmt_error *error)
{
	char told[400];

	vim_fault_tell(&c->fault, told, sizeof(told));
	return vmt_error_set(error, err, "%s: %s", vim_client_address(c), told);
}

/* The request in hand, once.  -EAGAIN: it may go better at the next attempt. */
static int exchange_once(struct vim_client *c, const struct vim_question *q,
			 const struct vmt_call *call, struct vmt_error *error)
{
	struct vmt_error why = { .text = "" };
	const struct buf *answer = NULL;
	int64_t since = clock_monotonic();
	int err = vim_http_post(c->http, &c->request, &answer, call, error);

	c->requests++;
	c->slowest_ns = MAX(c->slowest_ns, clock_monotonic() - since);
	c->fault.there = false;
	if (err < 0) {
		return err == -ECONNRESET || err == -EBUSY ? -EAGAIN : err;
	}
	if (q->known && q->known(q->asker, answer)) {
		return 0;
	}
	err = vim_read(c->reader, answer->data, answer->len, q->shape, q->context, &c->fault, &why);
	if (err < 0) {
		return vmt_error_set(error, err, "%s: %s", vim_client_address(c), why.text);
	}
	if (c->fault.there) {
		return tell_fault(
			c, vim_fault_kind(&c->fault) == VIM_FAULT_TRANSIENT ? -EAGAIN : -EREMOTEIO,
			error);
	}
	return 0;
}

bool vim_client_pause(int64_t ns, const struct vmt_call *call)
{
	int64_t until = clock_monotonic() + ns;

	if (until >= call->deadline_ns) {
		return false;
	}
	while (clock_monotonic() < until && !atomic_load(call->cancel)) {
		wait_sleep(MIN(100 * NS_PER_MS, until - clock_monotonic()));
	}
	return !atomic_load(call->cancel);
}

/* The request in hand, with the attempts that it may have. */
static int exchange(struct vim_client *c, const struct vim_question *q, const struct vmt_call *call,
		    struct vmt_error *error)
{
	int64_t pause_ns = PAUSE_FIRST_NS, left = vim_http_conf(c->http)->retries;
	int err = exchange_once(c, q, call, error);

	while (err == -EAGAIN && !(q->once && c->fault.there) && left-- > 0 &&
	       vim_client_pause(pause_ns, call)) {
		pause_ns *= 2;
		err = exchange_once(c, q, call, error);
	}
	return err == -EAGAIN ? (c->fault.there ? -EREMOTEIO : -ECONNRESET) : err;
}

static int simple(struct vim_client *c, const char *method, struct vim_ref self,
		  const struct vim_argument *arguments, const struct vim_shape *shape,
		  void *context, const struct vmt_call *call, struct vmt_error *error)
{
	struct vim_question q = { .shape = shape, .context = context };

	buf_reset(&c->request);
	vim_request_call(&c->request, method, self, arguments);
	return exchange(c, &q, call, error);
}

/* ------------------------------------------------------------------ the session */

static bool is_fault(const struct vim_client *c, int err, enum vim_fault_kind kind)
{
	return err == -EREMOTEIO && vim_fault_kind(&c->fault) == kind;
}

static const struct vim_ref service_instance = { "ServiceInstance", "ServiceInstance" };

static int open_service(struct vim_client *c, const struct vmt_call *call, struct vmt_error *error)
{
	int err = 0;

	do {
		c->version += is_fault(c, err, VIM_FAULT_VERSION);
		vim_http_version(c->http, versions[c->version]);
		arena_reset(c->arena);
		c->service = (struct vim_service){ .arena = c->arena };
		err = simple(c, "RetrieveServiceContent", service_instance, NULL,
			     &vim_service_shape, &c->service, call, error);
	} while (is_fault(c, err, VIM_FAULT_VERSION) && c->version + 1 < G_N_ELEMENTS(versions));
	if (err < 0) {
		return err;
	}
	if (!c->service.property_collector || !c->service.session_manager ||
	    !c->service.view_manager || !c->service.perf_manager || !c->service.root_folder) {
		return vmt_error_set(error, -EPROTO, "%s: has no inventory or no performance data",
				     vim_client_address(c));
	}
	return 0;
}

/* What a refused login says: its kind, and that an account may be locked by more of them. */
static int refuse_login(struct vim_client *c, struct vmt_error *error)
{
	enum vim_fault_kind kind = vim_fault_kind(&c->fault);
	bool account = kind == VIM_FAULT_LOGIN || kind == VIM_FAULT_PERMISSION;
	int seconds = (int)(account_refuse(c->account, account) / NS_PER_S);
	char told[300];

	vim_fault_tell(&c->fault, told, sizeof(told));
	return vmt_error_set(error, -EACCES, "%s: %s; not tried again for %d s (%s)",
			     vim_client_address(c),
			     account ? "user or password is not accepted" : "there is no login",
			     seconds, told);
}

/* A fault is never a reason to try again: after some an account is locked. */
static int ask_login(struct vim_client *c, const struct vmt_call *call, struct vmt_error *error)
{
	const struct vim_conf *conf = vim_http_conf(c->http);
	const struct vim_argument arguments[] = { { "userName", conf->user, NULL },
						  { "password", conf->password, NULL },
						  { "locale", "en_US", NULL },
						  { NULL, NULL, NULL } };
	const struct vim_question q = { .once = true,
					.shape = &vim_texts_shape,
					.context = &c->login };
	int err;

	vim_http_forget(c->http); /* a login within a session is refused */
	c->logins++;
	c->login = (struct vim_texts){ .key = "" };
	buf_reset(&c->request);
	vim_request_call(&c->request, "Login",
			 (struct vim_ref){ "SessionManager", c->service.session_manager },
			 arguments);
	err = exchange(c, &q, call, error);
	explicit_bzero(c->request.data, c->request.len);
	buf_reset(&c->request);
	return err;
}

static int tell_refused(const struct vim_client *c, struct vmt_error *error)
{
	return vmt_error_set(error, -EACCES, "%s: a login was refused; not tried again for %d s",
			     vim_client_address(c),
			     (int)(account_left_ns(c->account) / NS_PER_S) + 1);
}

/* One at a time with an account: what becomes of it counts for all that wait. */
static int log_in(struct vim_client *c, const struct vmt_call *call, struct vmt_error *error)
{
	int err = account_enter(c->account, call);

	if (err == -EACCES) {
		return tell_refused(c, error);
	}
	if (err < 0) {
		return vmt_error_set(error, err, "%s: another login takes too long",
				     vim_client_address(c));
	}
	err = ask_login(c, call, error);
	if (err == -EREMOTEIO) {
		err = refuse_login(c, error);
	} else if (err == 0) {
		account_accept(c->account);
		c->number++;
	}
	account_leave(c->account);
	return err;
}

static int open_view(struct vim_client *c, enum vim_view view, const struct vmt_call *call,
		     struct vmt_error *error)
{
	struct vim_argument arguments[8] = { { "container", c->service.root_folder, "Folder" } };
	struct vim_texts made = { .result = "" };
	size_t n = 1;
	int err;

	for (const char *const *type = view_types[view]; *type; type++) {
		arguments[n++] = (struct vim_argument){ "type", *type, NULL };
	}
	arguments[n] = (struct vim_argument){ "recursive", "true", NULL };
	err = simple(c, "CreateContainerView",
		     (struct vim_ref){ "ViewManager", c->service.view_manager }, arguments,
		     &vim_texts_shape, &made, call, error);
	if (err == 0 && !made.result[0]) {
		err = vmt_error_set(error, -EPROTO, "%s: a view has no name",
				    vim_client_address(c));
	}
	if (err == 0) {
		memcpy(c->view[view], made.result, sizeof(c->view[view]));
	}
	return err;
}

void vim_client_lose(struct vim_client *c)
{
	c->open = false;
	for (int v = 0; v < VIM_VIEWS; v++) {
		c->view[v][0] = '\0';
	}
}

void vim_client_lose_view(struct vim_client *c, enum vim_view view)
{
	c->view[view][0] = '\0';
}

int vim_client_open(struct vim_client *c, const struct vmt_call *call, struct vmt_error *error)
{
	int err;

	if (c->open) {
		return 0;
	}
	if (account_left_ns(c->account) > 0) {
		return tell_refused(c, error);
	}
	if (c->logins > 0) {
		return vmt_error_set(
			error, -EACCES,
			"%s: forgets who we are at once; not tried again in this cycle",
			vim_client_address(c));
	}
	err = open_service(c, call, error);
	err = err < 0 ? err : log_in(c, call, error);
	c->open = err == 0;
	return err;
}

int vim_client_see(struct vim_client *c, enum vim_view view, const struct vmt_call *call,
		   struct vmt_error *error)
{
	int err = vim_client_open(c, call, error);

	if (err == 0 && view != VIM_NO_VIEW && !c->view[view][0]) {
		err = open_view(c, view, call, error);
		if (is_fault(c, err, VIM_FAULT_SESSION)) {
			vim_client_lose(c);
			err = vim_client_open(c, call, error);
			err = err < 0 ? err : open_view(c, view, call, error);
		}
	}
	return err;
}

bool vim_client_is_there(struct vim_client *c, const struct vmt_call *call)
{
	struct vim_texts answer = { .result = "" };
	const struct vim_question q = { .shape = &vim_texts_shape, .context = &answer };
	struct vmt_error why;

	buf_reset(&c->request);
	vim_request_call(&c->request, "CurrentTime", service_instance, NULL);
	return exchange_once(c, &q, call, &why) == 0 || c->fault.there;
}

bool vim_client_is_known(struct vim_client *c, const struct vmt_call *call)
{
	const struct vim_argument arguments[] = { { "sessionID", c->login.key, NULL },
						  { "userName", c->login.user, NULL },
						  { NULL, NULL, NULL } };
	struct vim_texts answer = { .result = "" };
	struct vmt_error why;

	return c->open &&
	       simple(c, "SessionIsActive",
		      (struct vim_ref){ "SessionManager", c->service.session_manager }, arguments,
		      &vim_texts_shape, &answer, call, &why) == 0 &&
	       strcmp(answer.result, "true") == 0;
}

int vim_client_ask(struct vim_client *c, const struct vim_question *question,
		   const struct vmt_call *call, struct vmt_error *error)
{
	int err = 0;

	for (int attempt = 0; attempt < 2; attempt++) {
		err = vim_client_see(c, question->view, call, error);
		if (err < 0) {
			return err;
		}
		buf_reset(&c->request);
		question->write(&c->request, c, question->asker);
		err = exchange(c, question, call, error);
		if (!is_fault(c, err, VIM_FAULT_SESSION)) {
			return err;
		}
		vim_client_lose(c);
	}
	return err;
}

/* ------------------------------------------------------------------ life */

int vim_client_new(const struct vim_conf *conf, struct vim_client **ret, struct vmt_error *error)
{
	struct vim_http *http;
	struct vim_client *c;
	int err = vim_http_new(conf, &http, error);

	if (err < 0) {
		return err;
	}
	c = g_new0(struct vim_client, 1);
	c->http = http;
	c->account = account_of(vim_http_address(http), vim_http_conf(http)->user,
				vim_http_conf(http)->password);
	c->reader = vim_reader_new();
	c->arena = arena_new(4 << 10);
	buf_init(&c->request);
	*ret = c;
	return 0;
}

/* A session that is left takes one of the server's places for half an hour; but who closes many of them waits once. */
static void log_out(struct vim_client *c)
{
	atomic_bool cancel = false;
	struct vmt_call call = { .deadline_ns = clock_monotonic() + LOGOUT_NS, .cancel = &cancel };
	struct vim_texts answer = { .result = "" };
	const struct vim_question q = { .shape = &vim_texts_shape, .context = &answer };
	struct vmt_error why;

	if (account_is_silent(c->account)) {
		return;
	}
	buf_reset(&c->request);
	vim_request_call(&c->request, "Logout",
			 (struct vim_ref){ "SessionManager", c->service.session_manager }, NULL);
	if (exchange_once(c, &q, &call, &why) < 0 && !c->fault.there) {
		account_set_silent(c->account);
	}
}

void vim_client_free(struct vim_client *c)
{
	if (!c) {
		return;
	}
	if (c->open) {
		log_out(c);
	}
	vim_http_free(c->http);
	vim_reader_free(c->reader);
	arena_free(c->arena);
	buf_fini(&c->request);
	g_free(c);
}

void vim_client_begin(struct vim_client *c, uint64_t bytes)
{
	c->logins = 0;
	c->slowest_ns = 0;
	vim_http_budget(c->http, bytes);
}

const struct vim_fault *vim_client_fault(const struct vim_client *c)
{
	return &c->fault;
}

const struct vim_service *vim_client_service(const struct vim_client *c)
{
	return &c->service;
}

struct vim_ref vim_client_view(const struct vim_client *c, enum vim_view view)
{
	return (struct vim_ref){ "ContainerView", c->view[view] };
}

const char *vim_client_address(const struct vim_client *c)
{
	return vim_http_address(c->http);
}

uint64_t vim_client_session(const struct vim_client *c)
{
	return c->open ? c->number : 0;
}

uint64_t vim_client_requests(const struct vim_client *c)
{
	return c->requests;
}

int64_t vim_client_slowest_ns(const struct vim_client *c)
{
	return c->slowest_ns;
}

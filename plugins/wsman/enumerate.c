/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns an enumeration from its first page to its last.  On a worker; blocks on the network until the call's
 * deadline.
 */
#include "plugins/wsman/enumerate.h"

#include "base/clock.h"
#include "plugins/wsman/fault.h"
#include "plugins/wsman/request.h"

#include <errno.h>
#include <glib.h>

#define MESSAGE_ID 42 /* "uuid:", 36 characters, the zero */
#define LIFE_NS (240 * NS_PER_S) /* of a context that nobody pulls from, on Windows */
#define MARGIN_NS (500 * NS_PER_MS) /* before the deadline that the server is asked to answer by */

enum { ORPHANS = 8 };

/* An enumeration that was given up without its being released. */
struct orphan {
	char *context, *space, *class_name;
	bool query;
	int64_t since_ns;
};

struct wsman_client {
	struct wsman_session *session;
	struct wsman_reader *reader;
	struct buf request;
	char *context; /* of the enumeration in hand */
	int64_t page_size; /* less than configured after answers that were too large */
	uint64_t requests;
	struct orphan orphan[ORPHANS];
	unsigned orphans;
};

enum op { ENUMERATE, PULL, RELEASE };

/* ------------------------------------------------------------------ one request */

static int64_t server_timeout(const struct wsman_client *c, const struct vmt_call *call)
{
	int64_t left = call->deadline_ns - clock_monotonic() - MARGIN_NS;
	int64_t most = wsman_session_conf(c->session)->timeout_ns;

	return CLAMP(left, MIN(NS_PER_S, most), most);
}

static void write_request(struct wsman_client *c, enum op op, const struct wsman_query *q,
			  const char *context, const char *message_id, int64_t timeout_ns)
{
	const struct wsman_conf *conf = wsman_session_conf(c->session);
	struct wsman_head head = {
		.to = wsman_session_address(c->session),
		.space = q->space,
		.class_name = q->wanted.class_name,
		.message_id = message_id,
		.max_envelope = conf->max_envelope,
		.timeout_ns = timeout_ns,
		.namespace_selector = conf->namespace_selector,
	};

	buf_reset(&c->request);
	if (op == ENUMERATE) {
		wsman_request_enumerate(&c->request, &head, q->wql, c->page_size);
	} else if (op == PULL) {
		wsman_request_pull(&c->request, &head, q->wql, context, c->page_size);
	} else {
		wsman_request_release(&c->request, &head, q->wql, context);
	}
}

/* 0: *ret is an answer to this request, a fault perhaps.  One to another request costs the connection. */
static int ask(struct wsman_client *c, enum op op, const struct wsman_query *q, const char *context,
	       const struct wsman_sink *sink, struct wsman_answer *ret, const struct vmt_call *call,
	       struct vmt_error *error)
{
	const char *address = wsman_session_address(c->session);
	char *uuid = g_uuid_string_random(), *upper = g_ascii_strup(uuid, -1);
	char id[MESSAGE_ID];
	const struct buf *answer;
	struct vmt_error why;
	int err;

	g_snprintf(id, sizeof(id), "uuid:%s", upper);
	g_free(uuid);
	g_free(upper);
	write_request(c, op, q, context, id, server_timeout(c, call));
	c->requests++;
	err = wsman_session_post(c->session, &c->request, &answer, call, error);
	if (err < 0 || (op == RELEASE && !answer->len)) {
		return MIN(err, 0);
	}
	err = wsman_read(c->reader, answer->data, answer->len, sink ? &q->wanted : NULL,
			 sink ? sink->item : NULL, sink ? sink->context : NULL, ret, &why);
	if (err < 0) {
		wsman_session_drop(c->session);
		return vmt_error_set(error, err, "%s: %s: %s", address, q->wanted.class_name,
				     why.text);
	}
	if (g_ascii_strcasecmp(ret->relates_to, id) != 0 ||
	    (op != RELEASE && !ret->response && !ret->fault)) {
		wsman_session_drop(c->session);
		return vmt_error_set(error, -EPROTO, "%s: %s: the answer is to another request",
				     address, q->wanted.class_name);
	}
	return 0;
}

/* ------------------------------------------------------------------ release */

static void orphan_fini(struct orphan *o)
{
	g_free(o->context);
	g_free(o->space);
	g_free(o->class_name);
}

/* The server would keep it for minutes, of the few that a user may have. */
static void give_up(struct wsman_client *c, const struct wsman_query *q)
{
	if (c->orphans == ORPHANS) {
		orphan_fini(&c->orphan[0]);
		memmove(c->orphan, c->orphan + 1, (ORPHANS - 1) * sizeof(c->orphan[0]));
		c->orphans--;
	}
	c->orphan[c->orphans++] = (struct orphan){
		.context = g_strdup(c->context),
		.space = g_strdup(q->space),
		.class_name = g_strdup(q->wanted.class_name),
		.query = q->wql,
		.since_ns = clock_monotonic(),
	};
}

/* What the server says to it does not matter. */
static void release_orphans(struct wsman_client *c, const struct vmt_call *call)
{
	while (c->orphans > 0 && !atomic_load(call->cancel) &&
	       clock_monotonic() < call->deadline_ns) {
		struct orphan *o = &c->orphan[c->orphans - 1];
		struct wsman_query q = { .space = o->space,
					 .wanted = { .class_name = o->class_name },
					 .wql = o->query ? "" : NULL };
		struct wsman_answer answer;
		struct vmt_error error;

		if (clock_monotonic() - o->since_ns < LIFE_NS &&
		    ask(c, RELEASE, &q, o->context, NULL, &answer, call, &error) < 0) {
			return;
		}
		orphan_fini(o);
		c->orphans--;
	}
}

/* ------------------------------------------------------------------ faults */

static const struct {
	int err;
	const char *advice;
} meanings[] = {
	[WSMAN_FAULT_OTHER] = { -EIO, "" },
	[WSMAN_FAULT_CONTEXT] = { -ESTALE, "" },
	[WSMAN_FAULT_CLASS] = { -ENOENT, "" },
	[WSMAN_FAULT_ACCESS] = { -EACCES,
				 "; the account has to be one of the groups Hyper-V Administrators "
				 "and Remote Management Users" },
	[WSMAN_FAULT_TOO_LARGE] = { -EMSGSIZE, "" },
	[WSMAN_FAULT_TIMEOUT] = { -ETIME, "" },
	[WSMAN_FAULT_QUOTA] = { -EBUSY, "; the rest of this cycle is left out" },
	[WSMAN_FAULT_QUERY] = { -EINVAL, "" },
};

static int fault(struct wsman_client *c, const struct wsman_query *q,
		 const struct wsman_answer *answer, bool pull, struct vmt_error *error)
{
	enum wsman_fault f = wsman_fault_of(answer, pull);
	char told[400];

	wsman_fault_tell(answer, told, sizeof(told));
	return vmt_error_set(error, meanings[f].err, "%s: %s: %s%s",
			     wsman_session_address(c->session), q->wanted.class_name, told,
			     meanings[f].advice);
}

/* ------------------------------------------------------------------ pages */

/* From the first page to the last.  c->context stays set when the server may still have it. */
static int run(struct wsman_client *c, const struct wsman_query *q, const struct wsman_sink *sink,
	       const struct vmt_call *call, struct vmt_error *error)
{
	unsigned empty = 0;

	g_clear_pointer(&c->context, g_free);
	sink->begin(sink->context);
	for (unsigned page = 0; page < WSMAN_PAGES_MAX; page++) {
		struct wsman_answer answer;
		int err =
			ask(c, page ? PULL : ENUMERATE, q, c->context, sink, &answer, call, error);

		if (err < 0) {
			return err;
		}
		if (answer.fault) {
			err = fault(c, q, &answer, page > 0, error);
			if (err == -ESTALE) { /* with others it may be there still */
				g_clear_pointer(&c->context, g_free);
			}
			return err;
		}
		if (answer.end || !*answer.context) {
			g_clear_pointer(&c->context, g_free);
			return 0;
		}
		empty = answer.items ? 0 : empty + 1;
		g_free(c->context);
		c->context = g_strdup(answer.context);
		if (empty > WSMAN_EMPTY_PAGES) {
			return vmt_error_set(error, -EPROTO, "%s: %s: one empty page after another",
					     wsman_session_address(c->session),
					     q->wanted.class_name);
		}
	}
	return vmt_error_set(error, -EPROTO, "%s: %s: more than %d pages",
			     wsman_session_address(c->session), q->wanted.class_name,
			     WSMAN_PAGES_MAX);
}

/* Whether it is worth beginning again, and with what. */
static bool again(struct wsman_client *c, int err, bool *once)
{
	if (err == -EMSGSIZE && c->page_size > 1) {
		c->page_size /= 2;
		return true;
	}
	if ((err == -ESTALE || err == -ETIME) && *once) {
		*once = false;
		return true;
	}
	return false;
}

/* Names that the caller knows. */
static int to_caller(int err)
{
	return err == -ESTALE     ? -EPROTO
	       : err == -EMSGSIZE ? -E2BIG
	       : err == -ETIME    ? -ETIMEDOUT
				  : err;
}

int wsman_enumerate(struct wsman_client *c, const struct wsman_query *query,
		    const struct wsman_sink *sink, const struct vmt_call *call,
		    struct vmt_error *error)
{
	bool once = true;
	int err;

	release_orphans(c, call);
	do {
		err = run(c, query, sink, call, error);
		if (c->context) {
			give_up(c, query);
			g_clear_pointer(&c->context, g_free);
		}
	} while (err < 0 && again(c, err, &once));
	if (err < 0 && err != -EACCES) { /* while the connection is there */
		release_orphans(c, call);
	}
	return to_caller(err);
}

/* ------------------------------------------------------------------ life */

int wsman_client_new(const struct wsman_conf *conf, struct wsman_client **ret,
		     struct vmt_error *error)
{
	struct wsman_session *session;
	struct wsman_client *c;
	int err = wsman_session_new(conf, &session, error);

	if (err < 0) {
		return err;
	}
	c = g_new0(struct wsman_client, 1);
	c->session = session;
	c->reader = wsman_reader_new();
	c->page_size = conf->page_size;
	buf_init(&c->request);
	*ret = c;
	return 0;
}

void wsman_client_free(struct wsman_client *c)
{
	if (c) {
		while (c->orphans > 0) {
			orphan_fini(&c->orphan[--c->orphans]);
		}
		wsman_session_free(c->session);
		wsman_reader_free(c->reader);
		buf_fini(&c->request);
		g_free(c->context);
		g_free(c);
	}
}

struct wsman_session *wsman_client_session(struct wsman_client *c)
{
	return c->session;
}

uint64_t wsman_client_requests(const struct wsman_client *c)
{
	return c->requests;
}

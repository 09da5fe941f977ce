/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the asking of the system's resolver.  A question is shared by its asker and its thread, and goes with
 * the last of them.  The asker blocks until its deadline, the thread as long as the resolver takes; so does who
 * connects.
 */
#include "base/resolve.h"
#include "base/clock.h"
#include "base/thread.h"
#include "base/wait.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <virtmeter/plugin.h>

#define LOOK_NS (NS_PER_S / 10) /* between two looks at `cancel` */

struct question {
	struct wait wait;
	char *host;
	char port[8];
	struct addrinfo hints;
	/* below: under `wait` */
	unsigned refs;
	bool done;
	int code; /* of getaddrinfo() */
	struct addrinfo *list;
};

struct resolver {
	char *host;
	char port[8];
	int socktype;
	struct question *asked; /* NULL: none outstanding */
	struct addrinfo *list; /* the last good answer */
	int64_t answered_ns;
};

static void question_unref(struct question *q)
{
	unsigned left;

	wait_lock(&q->wait);
	left = --q->refs;
	wait_unlock(&q->wait);
	if (left == 0) {
		if (q->list) {
			freeaddrinfo(q->list);
		}
		wait_fini(&q->wait);
		g_free(q->host);
		g_free(q);
	}
}

static void *answer(void *arg)
{
	struct question *q = arg;
	struct addrinfo *list = NULL;
	int code = getaddrinfo(q->host, q->port, &q->hints, &list);

	wait_lock(&q->wait);
	q->code = code;
	q->list = code == 0 ? list : NULL;
	q->done = true;
	wait_unlock(&q->wait);
	wait_wake(&q->wait);
	question_unref(q);
	return NULL;
}

static struct question *ask(const struct resolver *r)
{
	struct question *q = g_new0(struct question, 1);
	pthread_t thread;

	wait_init(&q->wait);
	q->host = g_strdup(r->host);
	memcpy(q->port, r->port, sizeof(q->port));
	q->hints = (struct addrinfo){ .ai_socktype = r->socktype, .ai_flags = AI_NUMERICSERV };
	q->refs = 2;
	if (thread_start(&thread, "resolve", answer, q) < 0) {
		q->refs = 1;
		q->code = EAI_AGAIN;
		q->done = true;
	} else {
		pthread_detach(thread);
	}
	return q;
}

/* Waits for the answer.  0, or why it did not come. */
static int await(struct question *q, const struct vmt_call *call)
{
	int ret = 0;

	wait_lock(&q->wait);
	while (!q->done && ret == 0) {
		int64_t now = clock_monotonic();

		if (atomic_load(call->cancel)) {
			ret = -ECANCELED;
		} else if (now >= call->deadline_ns) {
			ret = -ETIMEDOUT;
		} else {
			wait_until(&q->wait, MIN(call->deadline_ns, now + LOOK_NS));
		}
	}
	wait_unlock(&q->wait);
	return ret;
}

static void take(struct resolver *r, struct addrinfo *list)
{
	if (r->list) {
		freeaddrinfo(r->list);
	}
	r->list = list;
	r->answered_ns = clock_monotonic();
}

/* An address is written down: nobody is asked. */
static bool is_numeric(struct resolver *r)
{
	struct addrinfo hints = { .ai_socktype = r->socktype,
				  .ai_flags = AI_NUMERICSERV | AI_NUMERICHOST };
	struct addrinfo *list;

	if (getaddrinfo(r->host, r->port, &hints, &list) != 0) {
		return false;
	}
	take(r, list);
	r->answered_ns = INT64_MAX; /* never old */
	return true;
}

static int refresh(struct resolver *r, const struct vmt_call *call, const char *subject,
		   struct vmt_error *error)
{
	struct question *q;
	int ret;

	if (!r->list && is_numeric(r)) {
		return 0;
	}
	if (!r->asked) {
		r->asked = ask(r);
	}
	q = r->asked;
	ret = await(q, call);
	if (ret < 0) {
		return vmt_error_set(error, ret, "%s: looking up %s: %s", subject, r->host,
				     ret == -ETIMEDOUT ? "the name servers do not answer"
						       : "given up on request");
	}
	r->asked = NULL;
	if (q->code == 0) {
		take(r, q->list);
		q->list = NULL;
	} else {
		ret = vmt_error_set(error, -EHOSTUNREACH,
				    "%s: looking up %s: %s; check the name of the host", subject,
				    r->host, gai_strerror(q->code));
	}
	question_unref(q);
	return ret;
}

int resolver_get(struct resolver *r, int64_t max_age_ns, const struct vmt_call *call,
		 const char *subject, const struct addrinfo **ret_list, struct vmt_error *error)
{
	bool old = !r->list ||
		   (r->answered_ns != INT64_MAX && clock_monotonic() - r->answered_ns > max_age_ns);
	int ret = old ? refresh(r, call, subject, error) : 0;

	if (ret < 0 && !r->list) {
		return ret;
	}
	*ret_list = r->list;
	return 0;
}

struct resolver *resolver_new(const char *host, int port, int socktype)
{
	struct resolver *r = g_new0(struct resolver, 1);

	r->host = g_strdup(host);
	g_snprintf(r->port, sizeof(r->port), "%d", port);
	r->socktype = socktype;
	return r;
}

void resolver_free(struct resolver *r)
{
	if (r) {
		if (r->asked) {
			question_unref(r->asked);
		}
		if (r->list) {
			freeaddrinfo(r->list);
		}
		g_free(r->host);
		g_free(r);
	}
}

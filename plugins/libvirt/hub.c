/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the hubs: one for each URI and kind of access, shared and counted.  Any thread; blocks in hub_turn_begin() only,
 * until its deadline.
 */
#define LOG_NAME "libvirt"

#include "plugins/libvirt/hub.h"
#include "plugins/libvirt/process.h"
#include "plugins/libvirt/suspects.h"
#include "plugins/libvirt/uri.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/wait.h"

#include <errno.h>
#include <glib.h>
#include <unistd.h>

/* Asking a local socket costs nothing, a missed cycle does. */
static const struct backoff_limits local = { NS_PER_S, 8 * NS_PER_S };
static const struct backoff_limits remote = { NS_PER_S, 60 * NS_PER_S };

struct hub {
	char *uri;
	bool read_write;
	unsigned refs; /* guarded by hubs_lock */
	struct hub *next;
	struct suspects *suspects;
	struct processes *processes; /* NULL: on another host */
	struct wait lock; /* guards all below; who waits on it waits for the turn */
	struct backoff backoff; /* until the next attempt to connect may be made */
	uint64_t attempts;
	int err; /* of the last attempt, with its text */
	char text[400];
	unsigned left; /* heavy calls left behind */
	unsigned cap; /* of them */
	bool turn; /* somebody has it */
};

static pthread_mutex_t hubs_lock = PTHREAD_MUTEX_INITIALIZER;
static struct hub *hubs;

struct hub *hub_ref(const char *uri, bool read_write)
{
	struct hub *h;

	pthread_mutex_lock(&hubs_lock);
	for (h = hubs; h; h = h->next) {
		if (strcmp(h->uri, uri) == 0 && h->read_write == read_write) {
			break;
		}
	}
	if (!h) {
		h = g_new0(struct hub, 1);
		h->uri = g_strdup(uri);
		h->read_write = read_write;
		h->cap = HUB_CAP;
		h->suspects = suspects_new();
		h->processes = uri_is_local(uri) ? processes_new(NULL) : NULL;
		wait_init(&h->lock);
		h->next = hubs;
		hubs = h;
	}
	h->refs++;
	pthread_mutex_unlock(&hubs_lock);
	return h;
}

struct hub *hub_keep(struct hub *h)
{
	pthread_mutex_lock(&hubs_lock);
	h->refs++;
	pthread_mutex_unlock(&hubs_lock);
	return h;
}

void hub_unref(struct hub *h)
{
	if (!h) {
		return;
	}
	pthread_mutex_lock(&hubs_lock);
	if (--h->refs > 0) {
		pthread_mutex_unlock(&hubs_lock);
		return;
	}
	for (struct hub **at = &hubs; *at; at = &(*at)->next) {
		if (*at == h) {
			*at = h->next;
			break;
		}
	}
	pthread_mutex_unlock(&hubs_lock);
	suspects_free(h->suspects);
	processes_free(h->processes);
	wait_fini(&h->lock);
	g_free(h->uri);
	g_free(h);
}

const char *hub_uri(const struct hub *h)
{
	return h->uri;
}

bool hub_read_write(const struct hub *h)
{
	return h->read_write;
}

unsigned hub_left(struct hub *h)
{
	unsigned n;

	wait_lock(&h->lock);
	n = h->left;
	wait_unlock(&h->lock);
	return n;
}

void hub_set_cap(struct hub *h, unsigned cap)
{
	wait_lock(&h->lock);
	h->cap = MIN(h->cap, cap);
	wait_unlock(&h->lock);
}

unsigned hub_cap(struct hub *h)
{
	unsigned cap;

	wait_lock(&h->lock);
	cap = h->cap;
	wait_unlock(&h->lock);
	return cap;
}

bool hub_turn_begin(struct hub *h, int64_t until_ns)
{
	bool mine;

	wait_lock(&h->lock);
	while (h->turn && wait_until(&h->lock, until_ns) == 0) {
	}
	mine = !h->turn;
	h->turn = true;
	wait_unlock(&h->lock);
	return mine;
}

void hub_turn_end(struct hub *h)
{
	wait_lock(&h->lock);
	h->turn = false;
	wait_unlock(&h->lock);
	wait_wake(&h->lock);
}

struct suspects *hub_suspects(struct hub *h)
{
	return h->suspects;
}

struct processes *hub_processes(struct hub *h)
{
	return h->processes;
}

void hub_count(struct hub *h, int change)
{
	wait_lock(&h->lock);
	h->left += (unsigned)change;
	wait_unlock(&h->lock);
}

/* Between 3/4 and 5/4 of it, differently on every host and at every attempt. */
static int64_t jitter(const struct hub *h, int64_t ns)
{
	char host[256] = "";

	gethostname(host, sizeof(host) - 1);
	return backoff_spread(ns, ns / 4, ns / 4, hash64(host, strlen(host), h->attempts));
}

int hub_may_connect(struct hub *h, struct vmt_error *error)
{
	int64_t wait_ns;
	int err = 0;

	wait_lock(&h->lock);
	wait_ns = h->backoff.until_ns - clock_monotonic();
	if (wait_ns > 0) {
		err = vmt_error_set(error, h->err, "%s", h->text);
	}
	wait_unlock(&h->lock);
	return err;
}

void hub_connected(struct hub *h)
{
	wait_lock(&h->lock);
	h->backoff = (struct backoff){ 0 };
	wait_unlock(&h->lock);
}

int hub_refused(struct hub *h, int err, const char *reason, struct vmt_error *error)
{
	const struct backoff_limits *limits = uri_is_local(h->uri) ? &local : &remote;
	struct backoff *b = &h->backoff;
	int64_t wait_ns;

	wait_lock(&h->lock);
	h->attempts++;
	b->pause_ns = backoff_next(b->pause_ns, limits);
	wait_ns = MIN(jitter(h, b->pause_ns), remote.last_ns);
	b->until_ns = clock_monotonic() + wait_ns;
	h->err = err;
	g_snprintf(h->text, sizeof(h->text), "libvirt %s: connect: %s%s", h->uri, reason,
		   uri_advice(h->uri, reason));
	err = vmt_error_set(error, h->err, "%s", h->text);
	wait_unlock(&h->lock);
	/* not in the reason: a command that ends with it makes no other try */
	log_info("libvirt %s: not connected; next try in %d s", h->uri,
		 (int)((wait_ns + NS_PER_S - 1) / NS_PER_S));
	return err;
}

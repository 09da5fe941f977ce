/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the socket in heartbeat_socket_dir and the times that it tells.  The main thread listens and answers, and blocks
 * on nothing; polling tasks write the times.
 */
#include "agent/heartbeat.h"

#include <errno.h>
#include <glib-unix.h>
#include <glib.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOG_NAME "heartbeat"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/wait.h"
#include "control/listen.h"
#include "wire/sample_time.h"

enum { ANSWERS_MAX = 16, PAUSE_S = 1 }; /* at a time; where descriptors are short */

struct beat {
	char *pollster;
	int64_t time_ns; /* INT64_MIN: never */
};

struct heartbeat {
	atomic_bool on;
	struct listen_socket socket; /* while it is on */
	guint watch, pause; /* GLib's sources: one of them */
	struct wait wait;
	/* below: under `wait` */
	GHashTable *pollsters; /* name → struct beat *, of those that are expected */
	GPtrArray *beats; /* those that there have been, by their first time */
};

static void beat_free(void *data)
{
	struct beat *b = data;

	g_free(b->pollster);
	g_free(b);
}

struct heartbeat *heartbeat_new(void)
{
	struct heartbeat *h = g_new0(struct heartbeat, 1);

	wait_init(&h->wait);
	h->pollsters = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, beat_free);
	h->beats = g_ptr_array_new();
	return h;
}

/* ---- telling */

static void put_all(struct heartbeat *h, struct buf *out)
{
	char time[SAMPLE_TIME_MAX];

	wait_lock(&h->wait);
	for (guint i = 0; i < h->beats->len; i++) {
		const struct beat *b = g_ptr_array_index(h->beats, i);

		sample_time_format(b->time_ns, VMT_PROFILE_26, time);
		buf_printf(out, "%s%s %s", i ? "\n" : "", b->pollster, time);
	}
	wait_unlock(&h->wait);
}

/* All fits into a socket that nothing was written to: what does not is cut, and nobody is waited for. */
static void answer(struct heartbeat *h, int fd)
{
	struct buf text = BUF_INIT;

	put_all(h, &text);
	if (text.len > 0 && send(fd, text.data, text.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		log_debug("%s: %s", h->socket.path, g_strerror(errno));
	}
	buf_fini(&text);
}

static gboolean accept_some(gint listening, GIOCondition condition, gpointer data);

static gboolean pause_over(gpointer data)
{
	struct heartbeat *h = data;

	h->pause = 0;
	h->watch = g_unix_fd_add(h->socket.fd, G_IO_IN, accept_some, h);
	return G_SOURCE_REMOVE;
}

static gboolean accept_some(gint listening, GIOCondition condition, gpointer data)
{
	struct heartbeat *h = data;

	(void)condition;
	for (int i = 0; i < ANSWERS_MAX; i++) {
		int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			answer(h, fd);
			close(fd);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
			   errno == ENOBUFS) {
			/* who waits makes the socket readable again at once */
			log_warn("%s: accept: %s; again in %d s", h->socket.path, g_strerror(errno),
				 PAUSE_S);
			h->watch = 0;
			h->pause = g_timeout_add_seconds(PAUSE_S, pause_over, h);
			return G_SOURCE_REMOVE;
		} else {
			break;
		}
	}
	return G_SOURCE_CONTINUE;
}

/* ---- the socket */

static void stop(struct heartbeat *h)
{
	if (!atomic_exchange(&h->on, false)) {
		return;
	}
	if (h->watch) {
		g_source_remove(h->watch);
	}
	if (h->pause) {
		g_source_remove(h->pause);
	}
	h->watch = h->pause = 0;
	listen_close(&h->socket);
}

static gint by_text(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* As Ceilometer's agent for these namespaces names it. */
static char *socket_path(const struct settings *s)
{
	GPtrArray *names = g_ptr_array_new();
	char *list, *name, *path;

	for (const char *const *n = s->polling_namespaces; *n; n++) {
		g_ptr_array_add(names, (gpointer)(uintptr_t)*n);
	}
	g_ptr_array_sort(names, by_text);
	g_ptr_array_add(names, NULL);
	list = g_strjoinv("-", (char **)names->pdata);
	name = g_strdup_printf("ceilometer-%s.socket", g_strdelimit(list, "/", '_'));
	path = g_build_filename(s->heartbeat_socket_dir, name, NULL);
	g_free(name);
	g_free(list);
	g_ptr_array_unref(names);
	return path;
}

int heartbeat_listen(struct heartbeat *h, const struct settings *s, struct vmt_error *error)
{
	static const struct listen_words words = { "heartbeat_socket_dir", "name another folder" };
	bool wanted = s->heartbeat_socket_dir && s->heartbeat_socket_dir[0] &&
		      !clock_is_simulated();
	char *path = wanted ? socket_path(s) : NULL;
	int ret = 0;

	if (atomic_load(&h->on) && g_strcmp0(path, h->socket.path) == 0) {
		g_free(path);
		return 0;
	}
	stop(h);
	if (path) {
		ret = listen_open(&h->socket, path, s->control_socket_mode, &words, error);
	}
	if (path && ret == 0) {
		h->watch = g_unix_fd_add(h->socket.fd, G_IO_IN, accept_some, h);
		atomic_store(&h->on, true);
		log_info("Listening on %s", path);
	}
	g_free(path);
	return ret;
}

void heartbeat_free(struct heartbeat *h)
{
	if (!h) {
		return;
	}
	stop(h);
	g_ptr_array_unref(h->beats);
	g_hash_table_unref(h->pollsters);
	wait_fini(&h->wait);
	g_free(h);
}

/* ---- the beats */

bool heartbeat_on(const struct heartbeat *h)
{
	return atomic_load_explicit(&h->on, memory_order_relaxed);
}

void heartbeat_expect(struct heartbeat *h, GHashTable *pollsters)
{
	gpointer name, beat;
	GHashTableIter i;

	wait_lock(&h->wait);
	g_hash_table_iter_init(&i, h->pollsters);
	while (g_hash_table_iter_next(&i, &name, &beat)) {
		if (!g_hash_table_contains(pollsters, name)) {
			g_ptr_array_remove(h->beats, beat);
			g_hash_table_iter_remove(&i);
		}
	}
	g_hash_table_iter_init(&i, pollsters);
	while (g_hash_table_iter_next(&i, &name, NULL)) {
		if (!g_hash_table_contains(h->pollsters, name)) {
			struct beat *b = g_new0(struct beat, 1);

			b->pollster = g_strdup(name);
			b->time_ns = INT64_MIN;
			g_hash_table_insert(h->pollsters, b->pollster, b);
		}
	}
	wait_unlock(&h->wait);
}

void heartbeat_beat(struct heartbeat *h, const char *pollster, int64_t time_ns)
{
	struct beat *b;

	wait_lock(&h->wait);
	b = g_hash_table_lookup(h->pollsters, pollster);
	if (b && b->time_ns == INT64_MIN) {
		g_ptr_array_add(h->beats, b);
	}
	if (b) {
		b->time_ns = time_ns;
	}
	wait_unlock(&h->wait);
}

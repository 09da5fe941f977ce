/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The coordinator memcached: a group is a list of names, and beside it each member has an entry of its own that expires
 * (doc/formats.md).  Spoken in the text protocol, because the client library has no deadlines that hold.  The coordination
 * thread; blocks on memcached, until a call's end.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "model/members.h"
#include "plugins/coordinator/place.h"
#include "reply.h"

#define PORT 11211
#define KEY "virtmeter:1:"
#define ATTEMPTS 8 /* at the list, while others change it */

struct memcached_conf {
	struct place_conf place;
};

struct memcached {
	struct place place;
	struct stream stream;
	struct buf in, out;
	size_t used; /* bytes of `in` that were read */
};

/* What is asked, and what is found. */
struct group {
	char *key; /* of the list */
	char *own; /* of the member's entry */
	const char *member;
	bool there; /* there is a list */
	uint64_t cas;
	GPtrArray *listed; /* char *, as the list has them */
	GPtrArray *alive; /* const char *, those of them with an entry */
};

/* ---- answers */

static int failed(struct memcached *m, int code, struct vmt_error *error)
{
	return vmt_error_set(error, code, "%s: %s", m->place.text, stream_reason(code));
}

static int send_out(struct memcached *m, const struct vmt_call *call, struct vmt_error *error)
{
	int ret = stream_write(&m->stream, m->out.data, m->out.len, call);

	buf_reset(&m->out);
	return ret < 0 ? failed(m, ret, error) : 0;
}

/* Forgets what was read of `in`. */
static void shift(struct memcached *m)
{
	size_t left = m->in.len - m->used;

	if (m->used > 0) {
		memmove(m->in.data, m->in.data + m->used, left);
		m->in.len = left;
		m->used = 0;
	}
}

/* The next answer, good until the one after it. */
static int take_reply(struct memcached *m, const struct vmt_call *call, struct mc_reply *ret,
		      struct vmt_error *error)
{
	char bytes[4096], told[200];
	ssize_t n;

	shift(m);
	while ((n = mc_reply_parse(m->in.data ? m->in.data : "", m->in.len, ret)) == 0) {
		n = stream_read(&m->stream, bytes, sizeof(bytes), call);
		if (n < 0) {
			return failed(m, (int)n, error);
		}
		buf_add(&m->in, bytes, (size_t)n);
	}
	if (n < 0) {
		return failed(m, (int)n, error);
	}
	m->used = (size_t)n;
	if (mc_reply_is(ret, "ERROR") || mc_reply_is(ret, "CLIENT_ERROR") ||
	    mc_reply_is(ret, "SERVER_ERROR")) {
		mc_reply_tell(ret, told, sizeof(told));
		return vmt_error_set(error, -EPROTO, "%s: %s", m->place.text, told);
	}
	return 0;
}

/* Sends it and answers whether the one line that comes back is `good`. */
static int tell(struct memcached *m, const char *good, const struct vmt_call *call,
		struct vmt_error *error)
{
	struct mc_reply reply;
	int ret = send_out(m, call, error);

	if (ret == 0) {
		ret = take_reply(m, call, &reply, error);
	}
	return ret < 0 ? ret : mc_reply_is(&reply, good);
}

/* ---- the list */

static char *entry_key(const struct group *g, const char *member)
{
	return g_strconcat(g->key, ":", member, NULL);
}

static int read_list(struct memcached *m, struct group *g, const struct vmt_call *call,
		     struct vmt_error *error)
{
	struct mc_reply reply;
	int ret;

	g->there = false;
	g_ptr_array_set_size(g->alive, 0);
	g_clear_pointer(&g->listed, g_ptr_array_unref);
	buf_printf(&m->out, "gets %s\r\n", g->key);
	ret = send_out(m, call, error);
	while (ret == 0 && (ret = take_reply(m, call, &reply, error)) == 0 && reply.value) {
		if (!g->there) {
			g->there = true;
			g->cas = reply.cas;
			g->listed = mc_list_parse(reply.value, reply.value_len);
		}
	}
	if (ret == 0 && !mc_reply_is(&reply, "END")) {
		ret = failed(m, -EBADMSG, error);
	}
	if (!g->listed) {
		g->listed = g_ptr_array_new_with_free_func(g_free);
	}
	return ret;
}

/* The member of an entry's key. */
static const char *member_of(const struct group *g, const struct mc_reply *reply)
{
	size_t skip = strlen(g->key) + 1;

	for (guint i = 0; reply->key_len > skip && i < g->listed->len; i++) {
		const char *name = g_ptr_array_index(g->listed, i);

		if (strlen(name) == reply->key_len - skip &&
		    memcmp(name, reply->key + skip, reply->key_len - skip) == 0) {
			return name;
		}
	}
	return NULL;
}

/* Which of the listed have an entry. */
static int read_alive(struct memcached *m, struct group *g, const struct vmt_call *call,
		      struct vmt_error *error)
{
	struct mc_reply reply;
	int ret;

	if (g->listed->len == 0) {
		return 0;
	}
	buf_puts(&m->out, "get");
	for (guint i = 0; i < g->listed->len; i++) {
		buf_printf(&m->out, " %s:%s", g->key, (char *)g_ptr_array_index(g->listed, i));
	}
	buf_puts(&m->out, "\r\n");
	ret = send_out(m, call, error);
	while (ret == 0 && (ret = take_reply(m, call, &reply, error)) == 0 && reply.value) {
		const char *name = member_of(g, &reply);

		if (name) {
			g_ptr_array_add(g->alive, (void *)(uintptr_t)name);
		}
	}
	return ret == 0 && g->listed->len > 0 && !mc_reply_is(&reply, "END")
		       ? failed(m, -EBADMSG, error)
		       : ret;
}

static bool has(const GPtrArray *names, const char *name)
{
	return g_ptr_array_find_with_equal_func((GPtrArray *)(uintptr_t)names, name, g_str_equal,
						NULL);
}

/* Writes the living, with or without this member.  1; 0: others were faster; -errno. */
static int write_list(struct memcached *m, struct group *g, bool with, const struct vmt_call *call,
		      struct vmt_error *error)
{
	struct buf text = BUF_INIT;
	int ret;

	for (guint i = 0; i < g->alive->len; i++) {
		const char *name = g_ptr_array_index(g->alive, i);

		if (strcmp(name, g->member) != 0) {
			buf_printf(&text, "%s ", name);
		}
	}
	buf_puts(&text, with ? g->member : "");
	if (g->there) {
		buf_printf(&m->out, "cas %s 0 0 %zu %" G_GUINT64_FORMAT "\r\n", g->key, text.len,
			   g->cas);
	} else {
		buf_printf(&m->out, "add %s 0 0 %zu\r\n", g->key, text.len);
	}
	buf_add(&m->out, text.data ? text.data : "", text.len);
	buf_puts(&m->out, "\r\n");
	buf_fini(&text);
	ret = tell(m, "STORED", call, error);
	return ret;
}

/* The list is made to name the living and this member. */
static int join(struct memcached *m, struct group *g, const struct vmt_call *call,
		struct vmt_error *error)
{
	int64_t seconds = (m->place.lease_ns + NS_PER_S - 1) / NS_PER_S;
	int ret;

	/* first the entry: nobody is to strike a new name off the list */
	buf_printf(&m->out, "set %s 0 %" G_GINT64_FORMAT " 1\r\n1\r\n", g->own, seconds);
	ret = tell(m, "STORED", call, error);
	if (ret <= 0) {
		return ret < 0 ? ret
			       : vmt_error_set(error, -EPROTO, "%s: does not store", m->place.text);
	}
	for (int i = 0; i < ATTEMPTS; i++) {
		ret = read_list(m, g, call, error);
		if (ret == 0) {
			ret = read_alive(m, g, call, error);
		}
		if (ret < 0 || (g->alive->len == g->listed->len && has(g->alive, g->member))) {
			return ret;
		}
		ret = write_list(m, g, true, call, error);
		if (ret != 0) {
			return ret < 0 ? ret : 0;
		}
	}
	return vmt_error_set(error, -EAGAIN, "%s: the list of agents changes all the time",
			     m->place.text);
}

static int part(struct memcached *m, struct group *g, const struct vmt_call *call,
		struct vmt_error *error)
{
	struct mc_reply reply;
	int ret;

	buf_printf(&m->out, "delete %s\r\n", g->own);
	ret = send_out(m, call, error);
	if (ret == 0) {
		ret = take_reply(m, call, &reply, error);
	}
	for (int i = 0; ret == 0 && i < ATTEMPTS; i++) {
		ret = read_list(m, g, call, error);
		if (ret == 0) {
			ret = read_alive(m, g, call, error);
		}
		if (ret < 0 || !has(g->listed, g->member)) {
			return ret;
		}
		ret = write_list(m, g, false, call, error);
	}
	return MIN(ret, 0);
}

/* ---- calls */

static void disconnect(struct memcached *m)
{
	stream_close(&m->stream);
	buf_reset(&m->in);
	buf_reset(&m->out);
	m->used = 0;
}

/* Keys have 250 bytes at most: the group's name is a digest in them. */
static void group_init(struct group *g, const char *name, const char *member)
{
	char *sum = g_compute_checksum_for_string(G_CHECKSUM_MD5, name, -1);

	*g = (struct group){ .member = member };
	g->key = g_strconcat(KEY, sum, NULL);
	g->own = entry_key(g, member);
	g->alive = g_ptr_array_new();
	g_free(sum);
}

static void group_fini(struct group *g)
{
	g_ptr_array_unref(g->alive);
	g_clear_pointer(&g->listed, g_ptr_array_unref);
	g_free(g->key);
	g_free(g->own);
}

static int ask_once(struct memcached *m, struct group *g, bool leaves, const struct vmt_call *call,
		    struct vmt_error *error)
{
	int ret = stream_is_open(&m->stream)
			  ? 0
			  : stream_open(&m->stream, m->place.resolver, m->place.path, m->place.text,
					call, error);

	if (ret == 0) {
		ret = leaves ? part(m, g, call, error) : join(m, g, call, error);
	}
	if (ret < 0) {
		disconnect(m);
	}
	return ret;
}

/* A connection that was closed since the last beat is made anew at once. */
static int ask(struct memcached *m, struct group *g, bool leaves, const struct vmt_call *call,
	       struct vmt_error *error)
{
	bool kept = stream_is_open(&m->stream);
	int ret = ask_once(m, g, leaves, call, error);

	if (kept && (ret == -ECONNRESET || ret == -EPIPE)) {
		ret = ask_once(m, g, leaves, call, error);
	}
	return ret;
}

static int memcached_beat(void *self, const char *name, const char *member,
			  struct vmt_members *members, const struct vmt_call *call,
			  struct vmt_error *error)
{
	struct group g;
	int ret;

	group_init(&g, name, member);
	ret = ask(self, &g, false, call, error);
	for (guint i = 0; ret == 0 && i < g.alive->len; i++) {
		const char *alive = g_ptr_array_index(g.alive, i);

		(void)vmt_members_add(members, alive, strlen(alive));
	}
	group_fini(&g);
	return ret;
}

static int memcached_leave(void *self, const char *name, const char *member,
			   const struct vmt_call *call, struct vmt_error *error)
{
	struct group g;
	int ret;

	group_init(&g, name, member);
	ret = ask(self, &g, true, call, error);
	group_fini(&g);
	return ret;
}

static int64_t memcached_lease(const void *self)
{
	return ((const struct memcached *)self)->place.lease_ns;
}

static void memcached_close(void *self)
{
	struct memcached *m = self;

	if (m) {
		disconnect(m);
		place_fini(&m->place);
		buf_fini(&m->in);
		buf_fini(&m->out);
		g_free(m);
	}
}

static int memcached_open(const void *conf, const struct vmt_url *url, void **ret_self,
			  struct vmt_error *error)
{
	struct memcached *m = g_new0(struct memcached, 1);
	int ret = place_init(&m->place, url, &((const struct memcached_conf *)conf)->place, PORT,
			     error);

	stream_init(&m->stream);
	buf_init(&m->in);
	buf_init(&m->out);
	if (ret == 0 && (url->user || url->password)) {
		ret = vmt_error_set(error, -EINVAL, "%s: the text protocol has no passwords",
				    url->text);
	}
	if (ret < 0) {
		memcached_close(m);
		return ret;
	}
	place_tell_unknown(url);
	*ret_self = m;
	return 0;
}

static const struct vmt_coordinator_ops memcached_ops = {
	.open = memcached_open,
	.lease = memcached_lease,
	.beat = memcached_beat,
	.leave = memcached_leave,
	.close = memcached_close,
};

static const struct vmt_option memcached_options[] = {
	PLACE_ROWS(memcached_conf),
	{ .name = NULL },
};

VMT_PLUGIN(coordinator, memcached) = {
	.abi = VMT_ABI,
	.ns = VMT_COORDINATOR,
	.name = "memcached",
	.version = VIRTMETER_VERSION,
	.help = "Agents that share instances find each other in memcached, from 1.4 on.",
	.options = memcached_options,
	.conf_size = sizeof(struct memcached_conf),
	.ops.coordinator = &memcached_ops,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The coordinator redis: a group is a sorted set of its members by the time, on Redis' clock, at which they are no more
 * in it (doc/formats.md).  The coordination thread; blocks on Redis, until a call's end.
 */
#include <errno.h>
#include <glib.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/resolve.h"
#include "options.h"
#include "reply.h"
#include "tls.h"

#define PORT 6379
#define SENTINEL_PORT 26379
#define KEY "virtmeter:1:"

struct redis {
	struct place place;
	struct tls_options tls;
	bool ssl;
	char *host; /* that the certificate is for */
	char *user, *password; /* NULL: none */
	char *db; /* NULL: 0 */
	char *sentinel;
	GPtrArray *sentinels; /* struct resolver * */
	struct stream stream;
	struct rd_reply_reader *reader;
	struct buf out; /* commands not yet sent */
	unsigned due; /* answers to them */
};

/* ---- commands */

static void add_command(struct redis *r, const char *const *words)
{
	int n = (int)g_strv_length((char **)(uintptr_t)words);
	char *text = NULL;
	int len = redisFormatCommandArgv(&text, n, (const char **)(uintptr_t)words, NULL);

	g_assert(len > 0);
	buf_add(&r->out, text, (size_t)len);
	redisFreeCommand(text);
	r->due++;
}

#define COMMAND(r_, ...) add_command(r_, (const char *const[]){ __VA_ARGS__, NULL })

static int failed(struct redis *r, int code, struct vmt_error *error)
{
	vmt_error_set(error, code, "%s: %s", r->place.text, stream_reason(code));
	return code;
}

static int send_commands(struct redis *r, const struct vmt_call *call, struct vmt_error *error)
{
	int ret = stream_write(&r->stream, r->out.data, r->out.len, call);

	explicit_bzero(r->out.data, r->out.len); /* a password, perhaps */
	buf_reset(&r->out);
	return ret < 0 ? failed(r, ret, error) : 0;
}

/* The next answer, which is no error. */
static int take_reply(struct redis *r, const struct vmt_call *call, struct rd_reply **ret_reply,
		      struct vmt_error *error)
{
	char bytes[4096], told[200];
	int ret;

	while ((ret = rd_reply_reader_next(r->reader, ret_reply)) == 0) {
		ssize_t n = stream_read(&r->stream, bytes, sizeof(bytes), call);

		ret = n < 0 ? (int)n : rd_reply_reader_feed(r->reader, bytes, (size_t)n);
		if (ret < 0) {
			return failed(r, ret, error);
		}
	}
	if (ret < 0) {
		return failed(r, ret, error);
	}
	r->due--;
	if ((*ret_reply)->type == REPLY_ERROR) {
		rd_reply_tell(*ret_reply, told, sizeof(told));
		rd_reply_free(*ret_reply);
		vmt_error_set(error, -EPROTO, "%s: %s", r->place.text, told);
		return -EPROTO;
	}
	return 0;
}

/* Sends what was added, and answers the last reply; all before it only have to be no errors. */
static int run(struct redis *r, const struct vmt_call *call, struct rd_reply **ret_reply,
	       struct vmt_error *error)
{
	struct rd_reply *reply = NULL;
	int ret = send_commands(r, call, error);

	while (ret == 0 && r->due > 0) {
		rd_reply_free(reply);
		reply = NULL;
		ret = take_reply(r, call, &reply, error);
	}
	if (ret == 0) {
		*ret_reply = reply;
	}
	return ret;
}

static int run_only(struct redis *r, const struct vmt_call *call, struct vmt_error *error)
{
	struct rd_reply *reply;
	int ret = run(r, call, &reply, error);

	if (ret == 0) {
		rd_reply_free(reply);
	}
	return ret;
}

/* ---- connection */

static void disconnect(struct redis *r)
{
	stream_close(&r->stream);
	rd_reply_reader_free(r->reader);
	r->reader = NULL;
	buf_reset(&r->out);
	r->due = 0;
}

static int dial(struct redis *r, struct resolver *to, const char *host, const struct vmt_call *call,
		struct vmt_error *error)
{
	int ret = stream_open(&r->stream, to, r->place.path, r->place.text, call, error);

	if (ret == 0) {
		r->reader = rd_reply_reader_new();
	}
	if (ret == 0 && r->ssl) {
		ret = tls_start(&r->stream, &r->tls, host, r->place.text, call, error);
	}
	if (ret < 0) {
		disconnect(r);
	}
	return ret;
}

/* Where the master is, by one sentinel. */
static int ask_sentinel(struct redis *r, struct resolver *at, const struct vmt_call *call,
			struct resolver **ret_master, char **ret_host, struct vmt_error *error)
{
	struct rd_reply *reply = NULL;
	const struct rd_reply *host, *port;
	int ret = dial(r, at, r->host, call, error);

	if (ret < 0) {
		return ret;
	}
	COMMAND(r, "SENTINEL", "get-master-addr-by-name", r->sentinel);
	ret = run(r, call, &reply, error);
	disconnect(r);
	if (ret < 0) {
		return ret;
	}
	if (reply->type != REPLY_ARRAY || reply->elements->len != 2) {
		rd_reply_free(reply);
		return vmt_error_set(error, -ENOENT, "%s: the sentinel knows no master %s",
				     r->place.text, r->sentinel);
	}
	host = g_ptr_array_index(reply->elements, 0);
	port = g_ptr_array_index(reply->elements, 1);
	if (host->type != REPLY_STRING || port->type != REPLY_STRING || host->len == 0 ||
	    strlen(host->text) != host->len || strtol(port->text, NULL, 10) <= 0 ||
	    strtol(port->text, NULL, 10) > 65535) {
		rd_reply_free(reply);
		return failed(r, -EBADMSG, error);
	}
	*ret_master = resolver_new(host->text, (int)strtol(port->text, NULL, 10), SOCK_STREAM);
	*ret_host = g_strdup(host->text);
	rd_reply_free(reply);
	return 0;
}

/* The first of the sentinels that knows counts. */
static int dial_master(struct redis *r, const struct vmt_call *call, struct vmt_error *error)
{
	struct resolver *master = NULL;
	char *host = NULL;
	int ret = -ENOENT;

	for (guint i = 0; i < r->sentinels->len && ret < 0 && ret != -ECANCELED; i++) {
		/* one that hangs leaves time for the others */
		int64_t now = clock_monotonic(),
			share = (call->deadline_ns - now) / (r->sentinels->len - i + 1);
		struct vmt_call one = { .deadline_ns = now + share, .cancel = call->cancel };

		ret = ask_sentinel(r, g_ptr_array_index(r->sentinels, i), &one, &master, &host,
				   error);
	}
	if (ret == 0) {
		ret = dial(r, master, host, call, error);
		resolver_free(master);
		g_free(host);
	}
	return ret;
}

static int log_in(struct redis *r, const struct vmt_call *call, struct vmt_error *error)
{
	if (r->user && r->password) {
		COMMAND(r, "AUTH", r->user, r->password);
	} else if (r->password) {
		COMMAND(r, "AUTH", r->password);
	}
	if (r->db) {
		COMMAND(r, "SELECT", r->db);
	}
	return r->due > 0 ? run_only(r, call, error) : 0;
}

static int connect_redis(struct redis *r, const struct vmt_call *call, struct vmt_error *error)
{
	int ret;

	if (stream_is_open(&r->stream)) {
		return 0;
	}
	ret = r->sentinel ? dial_master(r, call, error)
			  : dial(r, r->place.resolver, r->host, call, error);
	if (ret == 0) {
		ret = log_in(r, call, error);
	}
	if (ret < 0) {
		disconnect(r);
	}
	return ret;
}

/* ---- groups */

struct question {
	const char *group, *member;
	struct vmt_members *members; /* NULL: it leaves */
};

static int ask_beat(struct redis *r, const struct question *q, const char *key,
		    const struct vmt_call *call, struct vmt_error *error)
{
	char until[32], now[32], lease[32];
	int64_t lease_ms = r->place.lease_ns / NS_PER_MS, now_ms;
	struct rd_reply *reply;
	int ret;

	COMMAND(r, "TIME");
	ret = run(r, call, &reply, error);
	if (ret < 0) {
		return ret;
	}
	now_ms = rd_reply_time_ms(reply);
	rd_reply_free(reply);
	if (now_ms < 0) {
		return failed(r, -EBADMSG, error);
	}
	g_snprintf(until, sizeof(until), "%" G_GINT64_FORMAT, now_ms + lease_ms);
	g_snprintf(now, sizeof(now), "(%" G_GINT64_FORMAT, now_ms);
	g_snprintf(lease, sizeof(lease), "%" G_GINT64_FORMAT, lease_ms);
	COMMAND(r, "ZADD", key, until, q->member);
	COMMAND(r, "ZREMRANGEBYSCORE", key, "-inf", now);
	COMMAND(r, "PEXPIRE", key, lease);
	COMMAND(r, "ZRANGE", key, "0", "-1");
	ret = run(r, call, &reply, error);
	if (ret < 0) {
		return ret;
	}
	ret = rd_reply_members(reply, q->members);
	rd_reply_free(reply);
	return ret < 0 ? failed(r, ret, error) : 0;
}

static int ask_once(struct redis *r, const struct question *q, const struct vmt_call *call,
		    struct vmt_error *error)
{
	char *key = g_strconcat(KEY, q->group, NULL);
	int ret = connect_redis(r, call, error);

	if (ret == 0 && q->members) {
		ret = ask_beat(r, q, key, call, error);
	} else if (ret == 0) {
		COMMAND(r, "ZREM", key, q->member);
		ret = run_only(r, call, error);
	}
	g_free(key);
	if (ret < 0) {
		disconnect(r);
	}
	return ret;
}

/* A connection that was closed since the last beat is made anew at once. */
static int ask(struct redis *r, const struct question *q, const struct vmt_call *call,
	       struct vmt_error *error)
{
	bool kept = stream_is_open(&r->stream);
	int ret = ask_once(r, q, call, error);

	if (kept && (ret == -ECONNRESET || ret == -EPIPE)) {
		ret = ask_once(r, q, call, error);
	}
	return ret;
}

static int redis_beat(void *self, const char *group, const char *member,
		      struct vmt_members *members, const struct vmt_call *call,
		      struct vmt_error *error)
{
	const struct question q = { .group = group, .member = member, .members = members };

	return ask(self, &q, call, error);
}

static int redis_leave(void *self, const char *group, const char *member,
		       const struct vmt_call *call, struct vmt_error *error)
{
	const struct question q = { .group = group, .member = member };

	return ask(self, &q, call, error);
}

static int64_t redis_lease(const void *self)
{
	return ((const struct redis *)self)->place.lease_ns;
}

/* ---- life */

static void free_resolver(void *resolver)
{
	resolver_free(resolver);
}

static void wipe(char *secret)
{
	if (secret) {
		explicit_bzero(secret, strlen(secret));
	}
	g_free(secret);
}

static void redis_close(void *self)
{
	struct redis *r = self;

	if (!r) {
		return;
	}
	disconnect(r);
	buf_fini(&r->out);
	place_fini(&r->place);
	g_ptr_array_unref(r->sentinels);
	g_free((char *)(uintptr_t)r->tls.ca_file);
	g_free((char *)(uintptr_t)r->tls.cert_file);
	g_free((char *)(uintptr_t)r->tls.key_file);
	g_free(r->host);
	g_free(r->user);
	wipe(r->password);
	g_free(r->db);
	g_free(r->sentinel);
	g_free(r);
}

/* "HOST:PORT" or "[ADDRESS]:PORT" */
static int add_sentinel(struct redis *r, const char *text, struct vmt_error *error)
{
	const char *colon = strrchr(text, ':');
	guint64 port = SENTINEL_PORT;
	char *host;

	if (colon && strchr(colon, ']')) {
		colon = NULL;
	}
	if (colon && !g_ascii_string_to_unsigned(colon + 1, 10, 1, 65535, &port, NULL)) {
		return vmt_error_set(error, -EINVAL, "%s: sentinel_fallback %s: write HOST:PORT",
				     r->place.text, text);
	}
	host = colon ? g_strndup(text, (size_t)(colon - text)) : g_strdup(text);
	if (host[0] == '[' && strlen(host) > 2) {
		memmove(host, host + 1, strlen(host));
		host[strlen(host) - 1] = '\0';
	}
	g_ptr_array_add(r->sentinels, resolver_new(host, (int)port, SOCK_STREAM));
	g_free(host);
	return 0;
}

static int set_up_sentinels(struct redis *r, const struct redis_conf *conf,
			    const struct vmt_url *url, struct vmt_error *error)
{
	int ret = 0;

	if (!conf->sentinel || !conf->sentinel[0]) {
		return 0;
	}
	if (!url->host[0]) {
		return vmt_error_set(error, -EINVAL, "%s: sentinel without a host", url->text);
	}
	r->sentinel = g_strdup(conf->sentinel);
	g_ptr_array_add(r->sentinels, resolver_new(url->host, url->port ? url->port : SENTINEL_PORT,
						   SOCK_STREAM));
	for (size_t i = 0; conf->fallback[i] && ret == 0; i++) {
		ret = add_sentinel(r, conf->fallback[i], error);
	}
	return ret;
}

/* The option, else the path: "/2".  Of a Unix socket the path is another one. */
static int set_up_db(struct redis *r, const struct redis_conf *conf, const struct vmt_url *url,
		     struct vmt_error *error)
{
	guint64 number = 0;

	if (conf->db >= 0) {
		number = (guint64)conf->db;
	} else if (url->host[0] && url->path[0] && url->path[1] &&
		   !g_ascii_string_to_unsigned(url->path + 1, 10, 0, 1 << 20, &number, NULL)) {
		return vmt_error_set(error, -EINVAL,
				     "%s: the path is the number of a database, such as /0",
				     url->text);
	}
	r->db = number > 0 ? g_strdup_printf("%" G_GUINT64_FORMAT, number) : NULL;
	return 0;
}

static int redis_open(const void *conf_, const struct vmt_url *url, void **ret_self,
		      struct vmt_error *error)
{
	const struct redis_conf *conf = conf_;
	struct redis *r = g_new0(struct redis, 1);
	int ret = place_init(&r->place, url, &conf->place, PORT, error);

	stream_init(&r->stream);
	buf_init(&r->out);
	r->sentinels = g_ptr_array_new_with_free_func(free_resolver);
	r->ssl = conf->ssl || strcmp(url->scheme, "rediss") == 0;
	r->host = g_strdup(url->host[0] ? url->host : "localhost");
	r->user = url->user && url->user[0] ? g_strdup(url->user) : NULL;
	r->password = url->password && url->password[0] ? g_strdup(url->password) : NULL;
	r->tls = (struct tls_options){ .ca_file = g_strdup(conf->ca_file),
				       .cert_file = g_strdup(conf->cert_file),
				       .key_file = g_strdup(conf->key_file) };
	if (ret == 0) {
		ret = set_up_sentinels(r, conf, url, error);
	}
	if (ret == 0) {
		ret = set_up_db(r, conf, url, error);
	}
	if (ret < 0) {
		redis_close(r);
		return ret;
	}
	place_tell_unknown(url);
	*ret_self = r;
	return 0;
}

static const struct vmt_coordinator_ops redis_ops = {
	.open = redis_open,
	.lease = redis_lease,
	.beat = redis_beat,
	.leave = redis_leave,
	.close = redis_close,
};

VMT_PLUGIN(coordinator, redis) = {
	REDIS_PLUGIN,
	.ops.coordinator = &redis_ops,
};

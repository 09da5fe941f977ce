/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns a connection.  Publisher's thread; blocks until the deadline of the call, after which the guard shuts
 * the socket down under it.  Between calls the guard's thread takes what the broker says and sends
 * heartbeats, which librabbitmq does only when it is called.
 */
#include "plugins/amqp/link.h"

#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <errno.h>
#include <glib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/resolve.h"
#include "base/socket.h"
#include "base/uuid.h"
#include "plugins/amqp/link_private.h"

enum { FRAME_MAX = 131072, FAREWELL_S = 1, ADDRESS_TEXT = 64 };

static struct timeval left_of(const struct vmt_call *call)
{
	int64_t ns = MAX(call->deadline_ns - clock_monotonic(), NS_PER_MS);

	return (struct timeval){ .tv_sec = ns / NS_PER_S, .tv_usec = ns % NS_PER_S / NS_PER_US };
}

/* What a call that is over answers; 0 while it is not. */
static int over(const struct link *l)
{
	return atomic_load(l->call->cancel)                ? -ECANCELED
	       : clock_monotonic() >= l->call->deadline_ns ? -ETIMEDOUT
							   : 0;
}

/* ---- why */

/* The connection is given up; the reason of librabbitmq's status, or the better one that is known. */
int link_lost(struct link *l, const char *what, int status, struct vmt_error *error)
{
	const char *tls = l->s->ssl ? tls_reason(&l->handshake) : "";
	int code = over(l);

	if (!tls[0] && status == AMQP_STATUS_SSL_ERROR) {
		/* its alert was lost with the connection, to which we were writing */
		tls = "the broker breaks TLS off and gives no reason; so it does when it does not accept the "
		      "client certificate (ssl_cert_file)";
	}

	if (code == 0) {
		code = status == AMQP_STATUS_TIMEOUT ? -ETIMEDOUT : -ECONNRESET;
	}
	if (l->frames.blocked) {
		vmt_error_set(error, -EBUSY, "%s: blocked by the broker: %s", l->peer,
			      l->frames.text);
	} else if (code == -ECANCELED) {
		vmt_error_set(error, code, "%s: %s: cancelled", l->peer, what);
	} else if (code == -ETIMEDOUT) {
		vmt_error_set(error, code, "%s: %s: no answer in time", l->peer, what);
	} else if (l->frames.state == FRAMES_CLOSED) {
		vmt_error_set(error, code, "%s: %s: %d %s", l->peer, what, l->frames.code,
			      l->frames.text);
	} else {
		vmt_error_set(error, code, "%s: %s: %s", l->peer, what,
			      tls[0] ? tls : amqp_error_string2(status));
	}
	link_close(l);
	return code;
}

static int open_channel(struct link *l, struct vmt_error *error);

int link_check(struct link *l, const char *what, int *ret_code, struct vmt_error *error)
{
	amqp_rpc_reply_t r = amqp_get_rpc_reply(l->c);
	const amqp_channel_close_t *channel = r.reply.decoded;
	const amqp_connection_close_t *connection = r.reply.decoded;
	struct vmt_error why;

	if (r.reply_type == AMQP_RESPONSE_NORMAL) {
		return 0;
	}
	if (r.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION && ret_code &&
	    r.reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
		amqp_channel_close_ok_t ok = { .dummy = '\0' };
		int code = channel->reply_code, ret;

		vmt_error_set(error, 0, "%s: %s: %d %.*s", l->peer, what, code,
			      (int)MIN(channel->reply_text.len, 300),
			      (const char *)channel->reply_text.bytes);
		amqp_send_method(l->c, FRAMES_CHANNEL, AMQP_CHANNEL_CLOSE_OK_METHOD, &ok);
		ret = open_channel(l, &why);
		if (ret < 0) {
			return vmt_error_set(error, ret, "%s", why.text);
		}
		*ret_code = code;
		return 1;
	}
	if (r.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION) {
		vmt_error_set(error, 0, "%s: %s: %d %.*s", l->peer, what, connection->reply_code,
			      (int)MIN(connection->reply_text.len, 300),
			      (const char *)connection->reply_text.bytes);
		link_close(l);
		return -ECONNREFUSED;
	}
	return link_lost(l, what, r.library_error, error);
}

/* ---- opening */

static int open_channel(struct link *l, struct vmt_error *error)
{
	int ret;

	inflight_reset(&l->inflight);
	frames_init(&l->frames, &l->inflight);
	amqp_channel_open(l->c, FRAMES_CHANNEL);
	ret = link_check(l, "channel.open", NULL, error);
	if (ret == 0) {
		amqp_confirm_select(l->c, FRAMES_CHANNEL);
		ret = link_check(l, "confirm.select", NULL, error);
	}
	return ret;
}

static amqp_table_entry_t text_entry(const char *key, const char *text)
{
	return (amqp_table_entry_t){ .key = amqp_cstring_bytes(key),
				     .value = { .kind = AMQP_FIELD_KIND_UTF8,
						.value.bytes = amqp_cstring_bytes(text) } };
}

static amqp_table_entry_t able_to(const char *capability)
{
	return (amqp_table_entry_t){ .key = amqp_cstring_bytes(capability),
				     .value = { .kind = AMQP_FIELD_KIND_BOOLEAN,
						.value.boolean = 1 } };
}

static int login(struct link *l, const struct transport_host *h, struct vmt_error *error)
{
	/* What librabbitmq says of itself lacks them; RabbitMQ would block, or end a consumer, without a word. */
	amqp_table_entry_t able[] = { able_to("connection.blocked"),
				      able_to("consumer_cancel_notify") };
	amqp_table_entry_t entries[] = {
		text_entry("product", "virtmeter"),
		text_entry("connection_name", l->name),
		{ .key = amqp_cstring_bytes("capabilities"),
		  .value = { .kind = AMQP_FIELD_KIND_TABLE,
			     .value.table = { G_N_ELEMENTS(able), able } } },
	};
	const amqp_table_t properties = { G_N_ELEMENTS(entries), entries };
	struct timeval left = left_of(l->call);
	amqp_rpc_reply_t r;

	amqp_set_handshake_timeout(l->c, &left);
	amqp_set_rpc_timeout(l->c, &left);
	if (l->s->external) {
		r = amqp_login_with_properties(l->c, l->s->transport.vhost, 0, FRAME_MAX,
					       l->s->heartbeat_s, &properties,
					       AMQP_SASL_METHOD_EXTERNAL, h->user);
	} else {
		r = amqp_login_with_properties(l->c, l->s->transport.vhost, 0, FRAME_MAX,
					       l->s->heartbeat_s, &properties,
					       AMQP_SASL_METHOD_PLAIN, h->user, h->password);
	}
	if (r.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION &&
	    r.reply.id == AMQP_CONNECTION_CLOSE_METHOD) {
		const amqp_connection_close_t *close = r.reply.decoded;

		vmt_error_set(error, 0, "%s: login of user %s, virtual host %s: %d %.*s", l->peer,
			      l->s->external ? "(by certificate)" : h->user, l->s->transport.vhost,
			      close->reply_code, (int)MIN(close->reply_text.len, 300),
			      (const char *)close->reply_text.bytes);
		link_close(l);
		return -EACCES;
	}
	return r.reply_type == AMQP_RESPONSE_NORMAL ? 0
						    : link_lost(l, "login", r.library_error, error);
}

static unsigned user_timeout_ms(const struct link *l)
{
	return l->s->heartbeat_s > 0 ? (unsigned)l->s->heartbeat_s * 1000 : 60000;
}

static int open_tcp(struct link *l, const struct addrinfo *address)
{
	amqp_socket_t *socket = amqp_tcp_socket_new(l->c);
	int fd = socket ? socket_connect(address, user_timeout_ms(l), l->call) : -ENOMEM;

	if (fd < 0) {
		return vmt_error_set(l->error, fd, "%s: connect: %s", l->peer, g_strerror(-fd));
	}
	amqp_tcp_socket_set_sockfd(socket, fd);
	return 0;
}

/* librabbitmq connects by itself: it is given the address, OpenSSL the name. */
static int open_tls(struct link *l, const struct transport_host *h, const char *address)
{
	amqp_socket_t *socket = amqp_ssl_socket_new(l->c);
	struct timeval left = left_of(l->call);
	struct vmt_error why;
	int ret;

	if (!socket) {
		return vmt_error_set(l->error, -ENOMEM, "%s: no TLS in this librabbitmq", l->peer);
	}
	amqp_ssl_socket_set_verify_hostname(socket, false);
	amqp_ssl_socket_set_verify_peer(socket, false);
	l->handshake.host = h->host;
	ret = tls_setup(amqp_ssl_socket_get_context(socket), &l->s->tls, &l->handshake, &why);
	if (ret < 0) {
		return vmt_error_set(l->error, ret, "%s: %s", l->peer, why.text);
	}
	tls_stamp(&l->s->tls, &l->stamp);
	ret = amqp_socket_open_noblock(socket, address, h->port, &left);
	if (ret != AMQP_STATUS_OK) {
		return link_lost(l, ret == AMQP_STATUS_SOCKET_ERROR ? "connect" : "TLS", ret,
				 l->error);
	}
	socket_tune(amqp_get_sockfd(l->c), user_timeout_ms(l));
	return 0;
}

static int try_address(struct link *l, const struct addrinfo *address)
{
	const struct transport_host *h = &l->s->transport.host[l->host];
	char text[ADDRESS_TEXT];
	bool v6;
	int ret;

	link_close(l);
	if (getnameinfo(address->ai_addr, address->ai_addrlen, text, sizeof(text), NULL, 0,
			NI_NUMERICHOST) != 0) {
		return vmt_error_set(l->error, -EHOSTUNREACH, "broker %s: no address", h->host);
	}
	v6 = strchr(text, ':') != NULL;
	g_snprintf(l->peer, sizeof(l->peer), "broker %s%s%s:%d", v6 ? "[" : "", text, v6 ? "]" : "",
		   h->port);
	l->c = amqp_new_connection();
	if (!l->c) {
		return vmt_error_set(l->error, -ENOMEM, "%s: out of memory", l->peer);
	}
	ret = l->s->ssl ? open_tls(l, h, text) : open_tcp(l, address);
	if (ret == 0) {
		guard_socket(l->guard, amqp_get_sockfd(l->c));
		ret = login(l, h, l->error);
	}
	if (ret == 0) {
		ret = open_channel(l, l->error);
	}
	if (ret < 0) {
		link_close(l);
	}
	return ret;
}

/* The addresses of a host, one after the other; names are looked up anew each time. */
static int try_host(struct link *l, const struct transport_host *h)
{
	const struct addrinfo *list = NULL;
	char subject[sizeof(l->peer)];
	int ret;

	g_snprintf(subject, sizeof(subject), "broker %s:%d", h->host, h->port);
	g_strlcpy(l->peer, subject, sizeof(l->peer));
	ret = resolver_get(l->resolver[l->host], -1, l->call, subject, &list, l->error);
	if (ret < 0) {
		return ret;
	}
	ret = -EHOSTUNREACH;
	for (; list && ret < 0; list = list->ai_next) {
		ret = try_address(l, list);
	}
	return ret;
}

/* Files of certificates that were replaced count from now on. */
static void look_at_certificates(struct link *l)
{
	struct tls_stamp now;

	if (l->c && l->s->ssl) {
		tls_stamp(&l->s->tls, &now);
		if (memcmp(&now, &l->stamp, sizeof(now)) != 0) {
			vmt_log(VMT_LOG_INFO, "%s: certificates were replaced; connecting anew",
				l->peer);
			link_close(l);
		}
	}
}

int link_open(struct link *l, struct vmt_error *error)
{
	size_t hosts = l->s->transport.hosts;
	int ret = -EHOSTUNREACH;

	look_at_certificates(l);
	if (l->c) {
		return 0;
	}
	l->error = error;
	g_snprintf(l->peer, sizeof(l->peer), "broker");
	for (size_t i = 0; i < hosts && ret < 0 && over(l) == 0; i++) {
		ret = try_host(l, &l->s->transport.host[l->host]);
		if (ret < 0) {
			l->host = (l->host + 1) % hosts;
		}
	}
	if (ret < 0 && over(l) < 0 && error->text[0] == '\0') {
		ret = vmt_error_set(error, over(l), "%s: no time left to connect", l->peer);
	}
	return ret < 0 ? ret : 1;
}

void link_close(struct link *l)
{
	if (l->c) {
		guard_socket(l->guard, -1);
		amqp_destroy_connection(l->c);
		l->c = NULL;
	}
	l->consuming = false;
	l->look = 0;
	inflight_reset(&l->inflight);
}

/* ---- entities */

int link_exchange(struct link *l, const struct link_entity *e, int *ret_code,
		  struct vmt_error *error)
{
	char what[300];

	g_snprintf(what, sizeof(what), "exchange %s", e->name);
	amqp_exchange_declare(l->c, FRAMES_CHANNEL, amqp_cstring_bytes(e->name),
			      amqp_cstring_bytes(e->type ? e->type : "topic"), e->passive,
			      e->durable, e->auto_delete, 0,
			      e->arguments ? *e->arguments : amqp_empty_table);
	return link_check(l, what, ret_code, error);
}

int link_queue(struct link *l, const struct link_entity *e, int *ret_code, struct vmt_error *error)
{
	char what[300];

	g_snprintf(what, sizeof(what), "queue %s", e->name);
	amqp_queue_declare(l->c, FRAMES_CHANNEL, amqp_cstring_bytes(e->name), e->passive,
			   e->durable, 0, e->auto_delete,
			   e->arguments ? *e->arguments : amqp_empty_table);
	return link_check(l, what, ret_code, error);
}

int link_bind(struct link *l, const char *queue, const char *exchange, const char *key,
	      int *ret_code, struct vmt_error *error)
{
	amqp_queue_bind(l->c, FRAMES_CHANNEL, amqp_cstring_bytes(queue),
			amqp_cstring_bytes(exchange), amqp_cstring_bytes(key), amqp_empty_table);
	return link_check(l, "queue.bind", ret_code, error);
}

/* ---- the object */

/* On the guard's thread, between calls: heartbeats, and what the broker says. */
static void look_after(void *arg)
{
	static const atomic_bool never;
	const struct vmt_call call = { .deadline_ns = clock_monotonic() + NS_PER_S,
				       .cancel = &never };
	struct link *l = arg;
	struct vmt_error error = { "" };

	if (!l->c || l->consuming) {
		return; /* a receiver is called again at once */
	}
	l->call = &call;
	if (link_take(l, 0, &error) < 0) {
		vmt_log(VMT_LOG_INFO, "%s; connecting anew when there is something to send",
			error.text);
		if (l->c) {
			link_close(l);
		}
	}
	l->call = NULL;
}

/* Every process begins with another of the hosts. */
static unsigned first_host(const struct amqp_settings *s)
{
	return s->transport.hosts ? g_random_int() % (unsigned)s->transport.hosts : 0;
}

struct link *link_new(const struct amqp_settings *settings, const char *program,
		      inflight_fn settled, void *arg)
{
	struct link *l = g_new0(struct link, 1);
	unsigned char id[16];
	char uuid[UUID_TEXT];

	l->s = settings;
	l->host = first_host(settings);
	l->resolver = g_new0(struct resolver *, settings->transport.hosts + 1);
	for (size_t i = 0; i < settings->transport.hosts; i++) {
		const struct transport_host *h = &settings->transport.host[i];

		l->resolver[i] = resolver_new(h->host, h->port, SOCK_STREAM);
	}
	uuid1_block(1, id);
	uuid_format(id, uuid);
	l->name = g_strdup_printf("%s:%d:%s", program, (int)getpid(), uuid);
	inflight_init(&l->inflight, settings->window, settled, arg);
	frames_init(&l->frames, &l->inflight);
	return l;
}

int link_begin(struct link *l, const struct vmt_call *call, struct vmt_error *error)
{
	int64_t tick_ns = l->s->heartbeat_s * NS_PER_S / l->s->heartbeat_rate / 2;
	int ret = l->guard ? 0 : guard_new(look_after, l, tick_ns, &l->guard);

	if (ret < 0) {
		return vmt_error_set(error, ret, "thread: %s", g_strerror(-ret));
	}
	guard_begin(l->guard, call);
	l->call = call;
	return 0;
}

void link_end(struct link *l)
{
	if (guard_end(l->guard)) {
		link_close(l);
	}
	l->call = NULL;
}

void link_free(struct link *l)
{
	struct timeval farewell = { .tv_sec = FAREWELL_S };

	if (!l) {
		return;
	}
	guard_free(l->guard);
	l->guard = NULL;
	if (l->c) {
		amqp_set_rpc_timeout(l->c, &farewell);
		amqp_connection_close(l->c, AMQP_REPLY_SUCCESS);
		amqp_destroy_connection(l->c);
	}
	for (size_t i = 0; i < l->s->transport.hosts; i++) {
		resolver_free(l->resolver[i]);
	}
	g_free(l->resolver);
	inflight_fini(&l->inflight);
	g_free(l->name);
	g_free(l);
}

const char *link_returned(const struct link *l)
{
	return l->frames.returned;
}

struct inflight_message *link_message(struct link *l)
{
	return inflight_begin(&l->inflight);
}

void link_message_end(struct link *l, struct inflight_message *m)
{
	inflight_end(&l->inflight, m);
}

size_t link_size_limit(const struct link *l)
{
	return l->size_limit;
}

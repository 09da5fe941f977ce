/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked of a server, request by request, when an enumeration is given up: its context is released, at once or
 * before the next one.  The server is a thread that answers by a script, on loopback.
 */
#include "plugins/wsman/enumerate.h"

#include <errno.h>
#include <glib.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define S "http://www.w3.org/2003/05/soap-envelope"
#define A "http://schemas.xmlsoap.org/ws/2004/08/addressing"
#define N "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
#define W "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
#define NOBODY "uuid:00000000-0000-4000-8000-000000000000"

/* What becomes of an Enumerate or a Pull; a Release is always answered to. */
enum act {
	LAST, /* an instance, and no more of them; also when the script is over */
	PAGE, /* an instance, and more */
	EMPTY, /* none, and more */
	DENIED, /* a fault */
	SLOW, /* another one, after which it is begun again */
	STALE, /* and another such one: there is no context */
	NONSENSE,
	OTHERS, /* an answer to another request */
	CUT, /* the connection, without a word */
	HANG, /* until the client leaves */
	CANCEL, /* the call, and hang */
};

enum { ACTS = 8 };

struct far {
	int fd, port;
	pthread_t thread;
	const enum act *script;
	unsigned at, pages; /* pages: the contexts that were given are c1, c2, … */
	GString *asked;
	atomic_bool cancel;
};

/* ------------------------------------------------------------------ the server */

/* The text between two marks, or "". */
static char *between(const char *text, const char *begin, const char *end)
{
	const char *from = strstr(text, begin), *to;

	if (!from) {
		return g_strdup("");
	}
	from += strlen(begin);
	to = strstr(from, end);
	return g_strndup(from, (gsize)(to - from));
}

/* A request, head and body; NULL: the client has gone. */
static char *take(int fd)
{
	GString *in = g_string_new("");
	const char *body = NULL, *length;
	char bytes[4096];

	while (!body || strlen(body + 4) < strtoul(length + 16, NULL, 10)) {
		ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

		if (n <= 0) {
			g_string_free(in, TRUE);
			return NULL;
		}
		g_string_append_len(in, bytes, n);
		body = strstr(in->str, "\r\n\r\n");
		length = strstr(in->str, "Content-Length: ");
	}
	return g_string_free(in, FALSE);
}

static void answer(int fd, const char *relates_to, const char *body)
{
	char *xml = g_strdup_printf("<s:Envelope xmlns:s='" S "' xmlns:a='" A "' xmlns:n='" N
				    "' xmlns:w='" W
				    "'><s:Header><a:RelatesTo>%s</a:RelatesTo></s:Header>"
				    "<s:Body>%s</s:Body></s:Envelope>",
				    relates_to, body);
	char *all = g_strdup_printf("HTTP/1.1 %s\r\nContent-Type: application/soap+xml\r\n"
				    "Content-Length: %zu\r\n\r\n%s",
				    strstr(body, "<s:Fault>") ? "500 No" : "200 OK", strlen(xml),
				    xml);

	send(fd, all, strlen(all), MSG_NOSIGNAL); /* who has gone is noticed by reading */
	g_free(all);
	g_free(xml);
}

static void give_page(struct far *far, int fd, const char *verb, const char *id, enum act act)
{
	const char *items = strcmp(verb, "Pull") == 0 ? "n:Items" : "w:Items";
	const char *item = act == EMPTY ? "" : "<p:C xmlns:p='urn:c'><p:Name>x</p:Name></p:C>";
	char *context = act == LAST ? g_strdup("<n:EndOfSequence/>")
				    : g_strdup_printf("<n:EnumerationContext>c%u"
						      "</n:EnumerationContext>",
						      ++far->pages);
	char *body = g_strdup_printf("<n:%sResponse>%s<%s>%s</%s></n:%sResponse>", verb, context,
				     items, item, items, verb);

	answer(fd, id, body);
	g_free(body);
	g_free(context);
}

static void give_fault(int fd, const char *id, const char *subcode)
{
	char *body = g_strdup_printf(
		"<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>%s</s:Value>"
		"</s:Subcode></s:Code><s:Reason><s:Text>no</s:Text></s:Reason></s:Fault>",
		subcode);

	answer(fd, id, body);
	g_free(body);
}

/* False: the connection is to end. */
static bool act_on(struct far *far, int fd, const char *verb, const char *id)
{
	enum act act = far->script[far->at];

	far->at += act != LAST;
	switch (act) {
	case DENIED:
		give_fault(fd, id, "w:AccessDenied");
		return true;
	case SLOW:
		give_fault(fd, id, "w:TimedOut");
		return true;
	case STALE:
		give_fault(fd, id, "n:InvalidEnumerationContext");
		return true;
	case NONSENSE:
		answer(fd, id, "<n:PullResponse>");
		return true;
	case OTHERS:
		give_page(far, fd, verb, NOBODY, PAGE);
		far->pages--; /* which the client does not take */
		return true;
	case CANCEL:
		atomic_store(&far->cancel, true);
		return true;
	case HANG:
		return true;
	case CUT:
		return false;
	default:
		give_page(far, fd, verb, id, act);
		return true;
	}
}

static bool serve(struct far *far, int fd, const char *request)
{
	char *verb = between(request, N "/", "<"), *id = between(request, "MessageID>", "<");
	char *context = between(request, "<n:EnumerationContext>", "<");
	char *uri = between(request, "<w:ResourceURI", "</w:ResourceURI>");
	bool on = true;

	g_string_append_printf(far->asked, "%s%s %s%s%s", far->asked->len ? ", " : "", verb,
			       strrchr(uri, '/') + 1, *context ? " " : "", context);
	if (strcmp(verb, "Release") == 0) {
		answer(fd, id, "<n:ReleaseResponse/>");
	} else {
		on = act_on(far, fd, verb, id);
	}
	g_free(verb);
	g_free(id);
	g_free(context);
	g_free(uri);
	return on;
}

static void *run(void *arg)
{
	struct far *far = arg;
	char *request;
	int fd;

	while ((fd = accept(far->fd, NULL, NULL)) >= 0) {
		bool on = true;

		while (on && (request = take(fd))) {
			on = serve(far, fd, request);
			g_free(request);
		}
		close(fd);
	}
	return NULL;
}

static void far_init(struct far *far, const enum act *script)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);

	*far = (struct far){ .script = script, .asked = g_string_new("") };
	far->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	g_assert_cmpint(bind(far->fd, (struct sockaddr *)&at, len), ==, 0);
	g_assert_cmpint(listen(far->fd, 8), ==, 0);
	g_assert_cmpint(getsockname(far->fd, (struct sockaddr *)&at, &len), ==, 0);
	far->port = ntohs(at.sin_port);
	g_assert_cmpint(pthread_create(&far->thread, NULL, run, far), ==, 0);
}

/* After the client has left: what it asked. */
static char *far_fini(struct far *far)
{
	shutdown(far->fd, SHUT_RDWR);
	pthread_join(far->thread, NULL);
	close(far->fd);
	return g_string_free(far->asked, FALSE);
}

/* ------------------------------------------------------------------ the client */

static struct wsman_client *client_to(int port)
{
	struct wsman_conf conf = { .host = "127.0.0.1",
				   .port = port,
				   .auth = WSMAN_BASIC,
				   .user = "u",
				   .password = "p",
				   .allow_unencrypted = true,
				   .timeout_ns = 60 * NS_PER_S,
				   .max_envelope = 512000,
				   .page_size = 2 };
	struct vmt_error error;
	struct wsman_client *c;

	g_assert_cmpint(wsman_client_new(&conf, &c, &error), ==, 0);
	return c;
}

static void begin(void *context)
{
	*(unsigned *)context = 0;
}

static void count(void *context, const struct wsman_item *item)
{
	g_assert_cmpstr(item->value[0], ==, "x");
	++*(unsigned *)context;
}

static int enumerate(struct far *far, struct wsman_client *c, const char *wql, int64_t ns,
		     unsigned *ret_items)
{
	const struct wsman_query query = {
		.space = "root/v2",
		.wanted = { "C", (const char *const[]){ "Name", NULL } },
		.wql = wql,
	};
	const struct wsman_sink sink = { begin, count, ret_items };
	const struct vmt_call call = { .deadline_ns = clock_monotonic() + ns,
				       .cancel = &far->cancel };
	struct vmt_error error = { .text = "" };
	int err = wsman_enumerate(c, &query, &sink, &call, &error);

	g_test_message("%s", error.text);
	return err;
}

/* ------------------------------------------------------------------ tests */

static const struct given_up {
	const char *name;
	enum act script[ACTS];
	int64_t ns; /* that the call has; 0: enough */
	int err;
	const char *asked; /* by it, and by another that goes well */
	const char *wql;
} cases[] = {
	{ .name = "nothing",
	  .script = { PAGE, PAGE, EMPTY },
	  .asked = "Enumerate C, Pull C c1, Pull C c2, Pull C c3, Enumerate C" },
	{ .name = "out_of_time",
	  .script = { PAGE, PAGE, HANG },
	  .ns = 500 * NS_PER_MS,
	  .err = -ETIMEDOUT,
	  .asked = "Enumerate C, Pull C c1, Pull C c2, Release C c2, Enumerate C" },
	{ .name = "cancelled",
	  .script = { PAGE, CANCEL },
	  .err = -ECANCELED,
	  .asked = "Enumerate C, Pull C c1, Release C c1, Enumerate C" },
	{ .name = "of_a_query",
	  .script = { PAGE, CANCEL },
	  .err = -ECANCELED,
	  .wql = "SELECT * FROM C",
	  .asked = "Enumerate *, Pull * c1, Release * c1, Enumerate *" },
	{ .name = "nonsense",
	  .script = { PAGE, NONSENSE },
	  .err = -EBADMSG,
	  .asked = "Enumerate C, Pull C c1, Release C c1, Enumerate C" },
	{ .name = "of_another",
	  .script = { PAGE, OTHERS },
	  .err = -EPROTO,
	  .asked = "Enumerate C, Pull C c1, Release C c1, Enumerate C" },
	{ .name = "without_end",
	  .script = { PAGE, EMPTY, EMPTY, EMPTY, EMPTY },
	  .err = -EPROTO,
	  .asked = "Enumerate C, Pull C c1, Pull C c2, Pull C c3, Pull C c4, Release C c5, "
		   "Enumerate C" },
	{ .name = "cut", /* what goes over a connection that had gone is sent once more */
	  .script = { PAGE, CUT, CUT },
	  .err = -EIO,
	  .asked = "Enumerate C, Pull C c1, Pull C c1, Release C c1, Enumerate C" },
	{ .name = "denied",
	  .script = { PAGE, DENIED },
	  .err = -EACCES,
	  .asked = "Enumerate C, Pull C c1, Release C c1, Enumerate C" },
	{ .name = "slow",
	  .script = { PAGE, SLOW, PAGE },
	  .asked = "Enumerate C, Pull C c1, Enumerate C, Pull C c2, Release C c1, Enumerate C" },
	/* there is nothing to release */
	{ .name = "stale",
	  .script = { PAGE, STALE },
	  .asked = "Enumerate C, Pull C c1, Enumerate C, Enumerate C" },
	{ .name = "stale_twice",
	  .script = { PAGE, STALE, PAGE, STALE },
	  .err = -EPROTO,
	  .asked = "Enumerate C, Pull C c1, Enumerate C, Pull C c2, Enumerate C" },
};

static void test_given_up(const void *data)
{
	const struct given_up *g = data;
	unsigned items;
	struct far far;
	struct wsman_client *c;
	char *asked;

	far_init(&far, g->script);
	c = client_to(far.port);
	g_assert_cmpint(enumerate(&far, c, g->wql, g->ns ? g->ns : 60 * NS_PER_S, &items), ==,
			g->err);
	atomic_store(&far.cancel, false);
	g_assert_cmpint(enumerate(&far, c, g->wql, 60 * NS_PER_S, &items), ==, 0);
	g_assert_cmpuint(items, ==, 1);
	wsman_client_free(c);
	asked = far_fini(&far);
	g_assert_cmpstr(asked, ==, g->asked);
	g_free(asked);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		char *path = g_strdup_printf("/wsman/given_up/%s", cases[i].name);

		g_test_add_data_func(path, &cases[i], test_given_up);
		g_free(path);
	}
	return g_test_run();
}

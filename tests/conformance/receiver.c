/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every receiver has to keep of the contract, whether its far side is there or not.  Each is opened as the host
 * opens it, by its URL; those of a broker find none.  What they do with messages is in their own tests.
 */
#include <errno.h>

#include "plugin/object.h"
#include "plugins/receiver/fixture.h"

extern const struct vmt_plugin vmt_plugin_receiver_udp, vmt_plugin_receiver_tcp,
	vmt_plugin_receiver_rpc, vmt_plugin_receiver_notifications;

/* A receiver under test. */
struct subject {
	const struct vmt_plugin *plugin;
	const char *url; /* %d: a port that nobody has */
	const char *wrong[5]; /* URLs that it must refuse */
	int socktype;
	bool broker; /* connects to a far side, and shares it with others */
};

static const struct subject subjects[] = {
	{ .plugin = &vmt_plugin_receiver_udp,
	  .url = "udp://127.0.0.1:%d",
	  .wrong = { "udp://here", "udp:///x", "udp://?nonsense=1", "udp://127.0.0.1:70000" },
	  .socktype = SOCK_DGRAM },
	{ .plugin = &vmt_plugin_receiver_tcp,
	  .url = "tcp://127.0.0.1:%d",
	  .wrong = { "tcp://here", "tcp:///x", "tcp://?nonsense=1", "tcp://127.0.0.1:70000" },
	  .socktype = SOCK_STREAM },
	{ .plugin = &vmt_plugin_receiver_rpc,
	  .url = "rpc://guest:secret@127.0.0.1:%d/",
	  .wrong = { "rpc://?nonsense=1", "rpc://h:port", "rpc://?amqp_prefetch=0",
		     "rpc://?amqp_exclusive=perhaps" },
	  .socktype = SOCK_STREAM,
	  .broker = true },
	{ .plugin = &vmt_plugin_receiver_notifications,
	  .url = "notifications://guest:secret@127.0.0.1:%d/",
	  .wrong = { "notifications://?nonsense=1", "notifications://h:port",
		     "notifications://?amqp_prefetch=many" },
	  .socktype = SOCK_STREAM,
	  .broker = true },
};

static int open_url(const struct subject *s, const char *url, struct plugin_object **ret_object,
		    struct vmt_error *error)
{
	struct ini *ini = ini_new();
	int ret;

	error->text[0] = '\0';
	ret = plugin_object_open(s->plugin, ini, url, NULL, false, ret_object, NULL, error);
	ini_free(ini);
	return ret;
}

static struct plugin_object *must_open(const struct subject *s)
{
	GString *url = g_string_new(s->url);
	struct plugin_object *object;
	struct vmt_error error;
	char port[8];

	g_snprintf(port, sizeof(port), "%d", free_port(s->socktype));
	g_string_replace(url, "%d", port, 1);
	g_assert_cmpint(open_url(s, url->str, &object, &error), ==, 0);
	g_assert_cmpstr(error.text, ==, "");
	g_string_free(url, TRUE);
	return object;
}

/* It is described, and every option is. */
static void test_described(gconstpointer data)
{
	const struct subject *s = data;
	const struct vmt_plugin *p = s->plugin;

	g_assert_cmpuint(p->abi, ==, VMT_ABI);
	g_assert_cmpint(p->ns, ==, VMT_RECEIVER);
	g_assert_true(p->help && p->version);
	g_assert_true(p->ops.receiver->open && p->ops.receiver->receive && p->ops.receiver->close);
	for (const struct vmt_option *o = p->options; o && o->name; o++) {
		g_test_message("%s", o->name);
		g_assert_true(o->help && g_str_has_suffix(o->help, "."));
		g_assert_cmpuint(o->offset, <, p->conf_size);
	}
	p->ops.receiver->close(NULL);
}

/* A wrong URL is refused with a reason; a right one is taken with nobody there. */
static void test_open(gconstpointer data)
{
	const struct subject *s = data;
	struct plugin_object *object;
	struct vmt_error error;

	for (size_t i = 0; s->wrong[i]; i++) {
		g_test_message("%s", s->wrong[i]);
		g_assert_cmpint(open_url(s, s->wrong[i], &object, &error), <, 0);
		g_assert_cmpstr(error.text, !=, "");
		g_assert_null(strchr(error.text, '\n'));
	}
	object = must_open(s);
	g_assert_cmpint(s->plugin->ops.receiver->shared &&
				s->plugin->ops.receiver->shared(object->self),
			==, s->broker);
	g_assert_null(strstr(plugin_object_url(object), "secret"));
	plugin_object_close(object);
}

/* Lets it receive; with a far side that is not there it says why, without secrets. */
static void receive_once(const struct subject *s, struct plugin_object *object, struct kept *k,
			 int64_t ms, const atomic_bool *cancel)
{
	struct vmt_call call = { .deadline_ns = clock_monotonic() + ms * NS_PER_MS,
				 .cancel = cancel };
	struct vmt_error error = { .text = "" };
	int ret = s->plugin->ops.receiver->receive(object->self, &k->public, &call, &error);

	g_test_message("%d %s", ret, error.text);
	g_assert_cmpint(ret, <=, 0);
	g_assert_true(s->broker || ret == 0);
	g_assert_true((ret < 0) == (error.text[0] != '\0'));
	g_assert_null(strstr(error.text, "secret"));
	g_assert_cmpuint(k->messages->len, ==, 0);
}

/* It comes back at the deadline, when it is cancelled, and when the program leaves, again and again; nothing is handed
 * over that did not come in. */
static void test_comes_back(gconstpointer data)
{
	static const atomic_bool never, now = true;
	const struct subject *s = data;
	struct plugin_object *object = must_open(s);
	struct kept k;

	kept_init(&k);
	for (int i = 0; i < 3; i++) {
		receive_once(s, object, &k, 20, &never);
		receive_once(s, object, &k, 0, &never);
		receive_once(s, object, &k, 3600000, s->broker ? &never : &now);
	}
	atomic_store(&k.public.closing, true);
	receive_once(s, object, &k, 3600000, &never);
	kept_fini(&k);
	plugin_object_close(object);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(gconstpointer subject);
	} tests[] = {
		{ "described", test_described },
		{ "open", test_open },
		{ "comes-back", test_comes_back },
	};

	g_test_init(&argc, &argv, NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(subjects); i++) {
		for (size_t t = 0; t < G_N_ELEMENTS(tests); t++) {
			char *path = g_strdup_printf("/receiver/%s/%s", subjects[i].plugin->name,
						     tests[t].name);

			g_test_add_data_func(path, &subjects[i], tests[t].run);
			g_free(path);
		}
	}
	return g_test_run();
}

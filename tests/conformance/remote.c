/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a plugin has to keep of the contract and what can be seen without its far side, of each discovery, inspector and
 * coordinator that has one: bad options are told at once; a far side that is not there, or is silent, costs no more than
 * the call's time and has a reason; who is cancelled comes back.  Shared objects are opened as the program opens them.
 */
#include <errno.h>
#include <glib.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "model/inspection.h"
#include "model/members.h"
#include "model/snapshot.h"
#include "plugin/object.h"
#include "src/builtin.h"

enum { INSTANCES = 3 };

#define VMWARE                                                                                     \
	"[vmware]\nhost_ip = 127.0.0.1\nhost_port = %d\nhost_password = p\napi_retry_count = 0\n"  \
	"insecure = true\n"
#define HYPERV "[hyperv]\nport = %d\nauth = basic\nusername = u\npassword = p\n"
#define NOVA                                                                                       \
	"[service_credentials]\nusername = u\npassword = p\nproject_name = p\nuser_domain_id = d\n"

static const struct subject {
	enum vmt_namespace ns;
	const char *name;
	const char *conf, *url; /* %d: the far side's port */
	const char *bad_conf, *bad_url; /* without a port; both NULL: it has no options */
	bool own; /* it has no far side, and never fails */
} subjects[] = {
	{ .ns = VMT_DISCOVERY, .name = "local_node", .conf = "", .own = true },
	{ .ns = VMT_DISCOVERY,
	  .name = "vsphere",
	  .conf = VMWARE "host_username = u\n",
	  .bad_conf = "[vmware]\nhost_ip = 127.0.0.1\nhost_port = 0\n" },
	{ .ns = VMT_INSPECTOR,
	  .name = "vsphere",
	  .conf = VMWARE "host_username = u\n",
	  .bad_conf = "[vmware]\nhost_ip = 127.0.0.1\nhost_port = 0\n" },
	{ .ns = VMT_DISCOVERY,
	  .name = "hyperv",
	  .conf = HYPERV "host = 127.0.0.1\n",
	  .bad_conf = "[hyperv]\nauth = basic\nusername = u\npassword = p\n" },
	{ .ns = VMT_INSPECTOR,
	  .name = "hyperv",
	  .conf = HYPERV "host = 127.0.0.1\n",
	  .bad_conf = "[hyperv]\nauth = basic\nusername = u\npassword = p\n" },
	{ .ns = VMT_DISCOVERY,
	  .name = "nova",
	  .conf = NOVA "auth_url = http://127.0.0.1:%d/v3\n",
	  .bad_conf = NOVA },
	{ .ns = VMT_COORDINATOR,
	  .name = "redis",
	  .conf = "",
	  .url = "redis://127.0.0.1:%d",
	  .bad_conf = "",
	  .bad_url = "redis://127.0.0.1:6379?db=none" },
	{ .ns = VMT_COORDINATOR,
	  .name = "memcached",
	  .conf = "",
	  .url = "memcached://127.0.0.1:%d",
	  .bad_conf = "",
	  .bad_url = "memcached://127.0.0.1:11211?timeout=none" },
};

/* Of these namespaces, and of what has to have a row above, these are tested by their whole work: hypervisor.c. */
static const char *const elsewhere[] = { "simulated", "libvirt", "local_instances" };

static struct registry *registry;
static atomic_bool cancel;

/* ------------------------------------------------------------------ the far side */

/* A port of loopback at which nobody is, or, `silent`, at which somebody listens and says nothing. */
static int far_side(bool silent, int *ret_port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	g_assert_cmpint(bind(fd, (struct sockaddr *)&at, len), ==, 0);
	g_assert_cmpint(getsockname(fd, (struct sockaddr *)&at, &len), ==, 0);
	if (silent) {
		g_assert_cmpint(listen(fd, 64), ==, 0);
	}
	*ret_port = ntohs(at.sin_port);
	return fd; /* bound, so that nobody else gets it */
}

static char *with_port(const char *text, int port)
{
	GString *out = g_string_new(text);
	char number[16];

	g_snprintf(number, sizeof(number), "%d", port);
	g_string_replace(out, "%d", number, 0);
	return g_string_free(out, FALSE);
}

/* ------------------------------------------------------------------ the plugin */

static const struct vmt_plugin *plugin_of(const struct subject *s)
{
	struct vmt_error error = { .text = "" };
	const struct vmt_plugin *p = registry_find(registry, s->ns, s->name, &error);

	g_assert_cmpstr(error.text, ==, "");
	g_assert_nonnull(p);
	return p;
}

static int open_object(const struct subject *s, const char *conf, const char *url,
		       struct plugin_object **ret, struct vmt_error *error)
{
	struct ini *ini = ini_new();
	struct problems *problems = problems_new();
	int err;

	g_assert_cmpint(ini_read_text(ini, "test", conf, strlen(conf), NULL), ==, 0);
	err = plugin_object_open(plugin_of(s), ini, url, NULL, false, ret, problems, error);
	if (err < 0 && !error->text[0] && problems_count(problems) > 0) {
		g_strlcpy(error->text, "told among the problems", sizeof(error->text));
	}
	problems_free(problems);
	ini_free(ini);
	return err;
}

static struct plugin_object *must_open(const struct subject *s, int port)
{
	struct plugin_object *object = NULL;
	struct vmt_error error = { .text = "" };
	char *conf = with_port(s->conf, port), *url = s->url ? with_port(s->url, port) : NULL;

	g_assert_cmpint(open_object(s, conf, url, &object, &error), ==, 0);
	g_assert_cmpstr(error.text, ==, "");
	g_free(conf);
	g_free(url);
	return object;
}

static struct snapshot *some_instances(void)
{
	struct vmt_snapshot_builder *builder = snapshot_builder_new(0);

	for (int i = 0; i < INSTANCES; i++) {
		char *id = g_strdup_printf("00000000-0000-4000-8000-%012d", i);

		g_assert_cmpint(vmt_snapshot_add(builder,
						 &(struct vmt_instance){ .id = id, .name = id }),
				==, 0);
		g_free(id);
	}
	return snapshot_builder_finish(builder, NULL, clock_real());
}

static int discover(const struct plugin_object *o, const struct vmt_call *call,
		    struct vmt_error *error)
{
	struct vmt_snapshot_builder *builder = snapshot_builder_new(0);
	int code = o->plugin->ops.discovery->discover(o->self, "", builder, call, error);

	snapshot_builder_free(builder);
	return code;
}

/* Whatever it answers: nothing was read. */
static int inspect(const struct plugin_object *o, const struct vmt_call *call,
		   struct vmt_error *error)
{
	struct vmt_inspect_request request = { .groups = VMT_GROUP_ALL,
					       .interval_ns = 10 * NS_PER_S };
	struct vmt_inspection *in = inspection_new();
	struct snapshot *list = some_instances();
	int code;

	inspection_reset(in, list->list.count);
	code = o->plugin->ops.inspector->inspect(o->self, &list->list, &request, in, call, error);
	for (size_t i = 0; i < in->count; i++) {
		g_assert_cmpint(in->reading[i].outcome, ==, VMT_UNREACHABLE);
		g_assert_cmpuint(in->reading[i].present, ==, 0);
	}
	g_assert_cmpuint(in->disks + in->nics, ==, 0);
	snapshot_unref(list);
	inspection_free(in);
	return code;
}

static int beat(const struct plugin_object *o, const struct vmt_call *call, struct vmt_error *error)
{
	struct vmt_members members;
	int code;

	members_init(&members);
	code = o->plugin->ops.coordinator->beat(o->self, "group", "member", &members, call, error);
	members_fini(&members);
	return code;
}

static int leave(const struct plugin_object *o, const struct vmt_call *call,
		 struct vmt_error *error)
{
	return o->plugin->ops.coordinator->leave(o->self, "group", "member", call, error);
}

/* Does its work once; answers what it answers. */
static int work(const struct subject *s, const struct plugin_object *o, int64_t ns,
		struct vmt_error *error)
{
	const struct vmt_call call = { .deadline_ns = clock_monotonic() + ns, .cancel = &cancel };

	error->text[0] = '\0';
	return s->ns == VMT_DISCOVERY   ? discover(o, &call, error)
	       : s->ns == VMT_INSPECTOR ? inspect(o, &call, error)
					: MIN(beat(o, &call, error), leave(o, &call, error));
}

/* A failure, with a reason for a person: one line. */
static void must_fail(const struct subject *s, const struct plugin_object *o, int64_t ns)
{
	struct vmt_error error;
	int code = work(s, o, ns, &error);

	g_test_message("%s", error.text);
	if (s->own) {
		g_assert_cmpint(code, >=, 0);
		return;
	}
	g_assert_cmpint(code, <, 0);
	g_assert_cmpstr(error.text, !=, "");
	g_assert_null(strchr(error.text, '\n'));
	g_assert_null(strstr(error.text, "password"));
}

/* ------------------------------------------------------------------ tests */

static void test_bad(const void *data)
{
	const struct subject *s = data;
	struct plugin_object *object = NULL;
	struct vmt_error error = { .text = "" };

	if (s->bad_conf) {
		g_assert_cmpint(open_object(s, s->bad_conf, s->bad_url, &object, &error), <, 0);
		g_assert_null(object);
		g_assert_cmpstr(error.text, !=, "");
		g_assert_null(strchr(error.text, '\n'));
	}
}

/* Nobody is there: it opens all the same, and each call says why. */
static void test_absent(const void *data)
{
	const struct subject *s = data;
	int port, fd = far_side(false, &port);
	struct plugin_object *o = must_open(s, port);

	for (int i = 0; i < 2; i++) {
		must_fail(s, o, 20 * NS_PER_S);
	}
	plugin_object_close(o);
	close(fd);
}

/* Somebody is there and says nothing: the call's time is all that it costs. */
static void test_silent(const void *data)
{
	const struct subject *s = data;
	int port, fd = far_side(true, &port);
	struct plugin_object *o = must_open(s, port);

	must_fail(s, o, 300 * NS_PER_MS);
	must_fail(s, o, 0);
	must_fail(s, o, -NS_PER_S);
	plugin_object_close(o);
	close(fd);
}

/* Who hangs in spite of it is ended by the suite's time-out. */
static void test_cancelled(const void *data)
{
	const struct subject *s = data;
	int port, fd = far_side(true, &port);
	struct plugin_object *o = must_open(s, port);

	atomic_store(&cancel, true);
	must_fail(s, o, 3600 * NS_PER_S);
	atomic_store(&cancel, false);
	plugin_object_close(o);
	close(fd);
}

static void test_close(const void *data)
{
	const struct subject *s = data;
	const struct vmt_plugin *p = plugin_of(s);
	int port, fd = far_side(false, &port);

	plugin_object_close(must_open(s, port));
	if (s->ns == VMT_DISCOVERY) {
		p->ops.discovery->close(NULL);
	} else if (s->ns == VMT_INSPECTOR) {
		p->ops.inspector->close(NULL);
	} else {
		p->ops.coordinator->close(NULL);
	}
	close(fd);
}

static bool is_known(const struct vmt_plugin *p)
{
	if (p->ns != VMT_DISCOVERY && p->ns != VMT_INSPECTOR && p->ns != VMT_COORDINATOR) {
		return true;
	}
	for (size_t i = 0; i < G_N_ELEMENTS(elsewhere); i++) {
		if (strcmp(elsewhere[i], p->name) == 0) {
			return true;
		}
	}
	for (size_t i = 0; i < G_N_ELEMENTS(subjects); i++) {
		if (subjects[i].ns == p->ns && strcmp(subjects[i].name, p->name) == 0) {
			return true;
		}
	}
	return false;
}

/* A plugin that comes with the program has a row. */
static void test_all(void)
{
	for (size_t i = 0; builtin_plugins[i]; i++) {
		if (!is_known(builtin_plugins[i])) {
			g_error("%s %s has no row", registry_namespace(builtin_plugins[i]->ns),
				builtin_plugins[i]->name);
		}
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		GTestDataFunc fn;
	} tests[] = { { "bad", test_bad },
		      { "absent", test_absent },
		      { "silent", test_silent },
		      { "cancelled", test_cancelled },
		      { "close", test_close } };
	int ret;

	g_test_init(&argc, &argv, NULL);
	g_assert_cmpint(argc, ==, 3); /* --plugins FOLDER */
	registry = registry_new(builtin_plugins);
	g_assert_cmpint(registry_load_dir(registry, argv[2], NULL), ==, 0);
	g_test_add_func("/conformance/remote/all", test_all);
	for (size_t s = 0; s < G_N_ELEMENTS(subjects); s++) {
		for (size_t t = 0; t < G_N_ELEMENTS(tests); t++) {
			char *path = g_strdup_printf("/conformance/%s/%s/%s",
						     registry_namespace(subjects[s].ns),
						     subjects[s].name, tests[t].name);

			g_test_add_data_func(path, &subjects[s], tests[t].fn);
			g_free(path);
		}
	}
	ret = g_test_run();
	registry_free(registry);
	return ret;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every publisher has to keep of the contract, whatever it does with samples; and a store with its
 * queries.  Each is opened as the host opens it, by its URL; those that send have a far side on loopback.
 */
#include <dirent.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "far.h"
#include "model/delivery.h"
#include "plugin/object.h"
#include "publisher/fixture.h"

extern const struct vmt_plugin vmt_plugin_publisher_file, vmt_plugin_publisher_null,
	vmt_plugin_publisher_sqlite, vmt_plugin_publisher_test, vmt_plugin_publisher_udp,
	vmt_plugin_publisher_tcp, vmt_plugin_publisher_rpc, vmt_plugin_publisher_notifier,
	vmt_plugin_publisher_polling, vmt_plugin_publisher_postgresql,
	vmt_plugin; /* http, which is a shared object */

/* A publisher under test. */
struct subject {
	const struct vmt_plugin *plugin;
	const char *url; /* %s: a path in a fresh folder; %d: the far side's port */
	const char *wrong[7]; /* URLs that it must refuse */
	bool disk; /* keeps samples in a file */
	enum far_kind far; /* sends them there */
};

static const struct subject subjects[] = {
	{ .plugin = &vmt_plugin_publisher_file,
	  .url = "file://%s?json&max_bytes=100000000&backup_count=3",
	  .wrong = { "file://", "file://host/x", "file:///x?nonsense=1",
		     "file:///x?max_bytes=many" },
	  .disk = true },
	{ .plugin = &vmt_plugin_publisher_sqlite,
	  .url = "sqlite://%s?synchronous=off",
	  .wrong = { "sqlite://", "sqlite://host/x", "sqlite:///x?nonsense=1",
		     "sqlite:///x?synchronous=2" },
	  .disk = true },
	{ .plugin = &vmt_plugin_publisher_null,
	  .url = "null://",
	  .wrong = { "null://host", "null:///path", "null://?nonsense=1" } },
	{ .plugin = &vmt_plugin_publisher_test,
	  .url = "test://?keep=100000",
	  .wrong = { "test://host", "test:///path", "test://?nonsense=1", "test://?keep=-1" } },
	{ .plugin = &vmt_plugin_publisher_udp,
	  .url = "udp://127.0.0.1:%d",
	  .wrong = { "udp://", "udp://h/path", "udp://u:p@h", "udp://h?nonsense=1",
		     "udp://h?strings=short" },
	  .far = FAR_UDP },
	{ .plugin = &vmt_plugin_publisher_tcp,
	  .url = "tcp://127.0.0.1:%d",
	  .wrong = { "tcp://", "tcp://h/path", "tcp://u:p@h", "tcp://h?nonsense=1",
		     "tcp://h:70000" },
	  .far = FAR_TCP },
	{ .plugin = &vmt_plugin,
	  .url = "http://127.0.0.1:%d/samples",
	  .wrong = { "http://", "http:///path", "http://h?timeout=soon", "http://h?batch=some",
		     "http://h?verify_ssl=/no/such/file" },
	  .far = FAR_HTTP },
	{ .plugin = &vmt_plugin_publisher_postgresql,
	  .url = "postgresql://tester@/postgres?host=%s&schema=conformance_",
	  .wrong = { "postgresql://", "postgresql://h", "postgresql://h/d?nonsense=1",
		     "postgresql://h/d?sslmode=maybe", "postgresql://h/d?schema=pg_x",
		     "postgresql://h:port/d" },
	  .far = FAR_POSTGRESQL },
	{ .plugin = &vmt_plugin_publisher_rpc,
	  .url = "rpc://guest:guest@127.0.0.1:%d/",
	  .wrong = { "rpc://?nonsense=1", "rpc://?amqp_window=0", "rpc://h:port",
		     "rpc://?rabbit_login_method=GSSAPI",
		     "rpc://?rabbit_quorum_queue=true&rabbit_ha_queues=true" },
	  .far = FAR_AMQP },
	{ .plugin = &vmt_plugin_publisher_notifier,
	  .url = "notifier://guest:guest@127.0.0.1:%d/",
	  .wrong = { "notifier://?nonsense=1", "notifier://?driver=kafka", "notifier://h:port",
		     "notifier://?ssl=maybe", "notifier://?ssl=1&ssl_key_file=/no/such/file" },
	  .far = FAR_AMQP },
	{ .plugin = &vmt_plugin_publisher_polling,
	  .url = "polling://guest:guest@127.0.0.1:%d/",
	  .wrong = { "polling://?nonsense=1", "polling://?batch_size=-1", "polling://h:port",
		     "polling://?heartbeat_timeout_threshold=x" },
	  .far = FAR_AMQP },
};

struct place {
	const struct subject *subject;
	char *folder, *path, *url;
	int port;
	struct far *far; /* NULL: not there, or not yet */
	struct plugin_object *object;
	const struct vmt_publisher_ops *ops;
	struct vmt_delivery delivery; /* of those that send */
	struct vmt_error error;
	struct fixture f;
};

static int place_open(struct place *p, const char *url, bool read_only)
{
	struct ini *ini = ini_new();
	int code;

	p->error.text[0] = '\0';
	p->object = NULL;
	code = plugin_object_open(p->subject->plugin, ini, url, NULL, read_only, &p->object, NULL,
				  &p->error);
	ini_free(ini);
	return code;
}

/* With the path or port of the place where its %s or %d is. */
static char *make_url(const struct place *p)
{
	const char *url = p->subject->url, *gap = strchr(url, '%');

	if (gap && p->subject->far) {
		return far_url(p->subject->far, url, p->port);
	}
	return gap ? g_strdup_printf("%.*s%s%s", (int)(gap - url), url, p->path, gap + 2)
		   : g_strdup(url);
}

/* Where what is sent goes is `below` the fresh folder; the far side is there unless that is a folder more. */
static void place_init(struct place *p, const struct subject *subject, const char *below)
{
	memset(p, 0, sizeof *p);
	p->subject = subject;
	p->ops = subject->plugin->ops.publisher;
	p->folder = fixture_folder();
	p->path = g_build_filename(p->folder, below, NULL);
	if (subject->far) {
		p->port = far_port(subject->far);
		p->far = strchr(below, '/') ? NULL : far_new(subject->far, p->port);
	}
	p->url = make_url(p);
	if (subject->far && !p->far) {
		far_end(subject->far);
	}
	delivery_init(&p->delivery);
	fixture_init(&p->f, 20, 6);
	fixture_cycle(&p->f, 0, FIXTURE_TIME);
}

static void place_fini(struct place *p)
{
	if (p->object) {
		plugin_object_close(p->object);
	}
	far_free(p->far);
	delivery_fini(&p->delivery);
	fixture_fini(&p->f);
	fixture_remove(p->folder);
	g_free(p->path);
	g_free(p->url);
}

static int publish_call(struct place *p, struct vmt_call *call)
{
	p->error.text[0] = '\0';
	delivery_begin(&p->delivery, &p->f.frame, 1);
	call->delivery = &p->delivery;
	return p->ops->publish(p->object->self, &p->f.frame, 1, call, &p->error);
}

static int publish(struct place *p, int64_t seconds)
{
	struct vmt_call call = fixture_call(seconds);

	return publish_call(p, &call);
}

/* Whether it can be looked at what became of samples, and so nothing is taken before its time. */
static bool is_kept(const struct place *p)
{
	return p->subject->disk || p->subject->far;
}

/* A reason for a person: one line that begins with the URL. */
static void assert_reason(const struct place *p, const char *begin)
{
	g_test_message("%s", p->error.text);
	g_assert_cmpstr(p->error.text, !=, "");
	g_assert_null(strchr(p->error.text, '\n'));
	if (begin) {
		g_assert_true(g_str_has_prefix(p->error.text, begin));
	}
}

static unsigned entries(const char *folder)
{
	GDir *dir = g_dir_open(folder, 0, NULL);
	unsigned count = 0;

	while (g_dir_read_name(dir)) {
		count++;
	}
	g_dir_close(dir);
	return count;
}

static int count_row(void *context, const struct vmt_store_row *row)
{
	g_assert_nonnull(row->resource);
	++*(unsigned *)context;
	return 0;
}

/* Samples kept: records of the file, rows of the store, samples on the far side; 0 for those that cannot be
 * looked at. */
static unsigned kept(struct place *p)
{
	const struct vmt_query all = { 0 };
	unsigned count = 0;
	char *text = NULL;

	if (p->subject->far && !p->ops->store) {
		count = p->far ? far_samples(p->far) : 0;
	} else if (p->ops->store && (p->far || !p->subject->far)) {
		g_assert_cmpint(p->ops->store->samples(p->object->self, &all, count_row, &count,
						       &p->error),
				==, 0);
	} else if (p->subject->disk && g_file_get_contents(p->path, &text, NULL, NULL)) {
		for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++) {
			count++;
		}
		g_free(text);
	}
	return count;
}

/* ------------------------------------------------------------------ the suite */

static void test_table(gconstpointer data)
{
	const struct vmt_plugin *plugin = ((const struct subject *)data)->plugin;
	const struct vmt_publisher_ops *ops = plugin->ops.publisher;

	g_assert_cmpuint(plugin->abi, ==, VMT_ABI);
	g_assert_cmpint(plugin->ns, ==, VMT_PUBLISHER);
	g_assert_nonnull(plugin->help);
	g_assert_nonnull(ops->open);
	g_assert_nonnull(ops->publish);
	g_assert_nonnull(ops->close);
	if (ops->store) {
		g_assert_true(ops->store->samples && ops->store->resources && ops->store->meters);
	}
	for (const struct vmt_option *o = plugin->options; o && o->name; o++) {
		g_assert_cmpuint(o->offset, <, plugin->conf_size);
		g_assert_nonnull(o->help);
		g_assert_true(g_str_has_suffix(o->help, "."));
	}
	ops->close(NULL);
}

static void test_wrong_urls(gconstpointer data)
{
	struct place p;

	place_init(&p, data, "samples");
	for (size_t i = 0; p.subject->wrong[i]; i++) {
		g_assert_cmpint(place_open(&p, p.subject->wrong[i], false), ==, -EINVAL);
		g_assert_null(p.object);
		assert_reason(&p, NULL);
	}
	place_fini(&p);
}

/* Opening touches nothing, for writing or for reading. */
static void test_open_creates_nothing(gconstpointer data)
{
	struct place p;

	place_init(&p, data, "samples");
	g_assert_cmpint(place_open(&p, p.url, false), ==, 0);
	g_assert_cmpuint(entries(p.folder), ==, 0);
	plugin_object_close(p.object);
	if (place_open(&p, p.url, true)) {
		assert_reason(&p, p.subject->plugin->name);
		g_assert_null(p.object);
	}
	g_assert_cmpuint(entries(p.folder), ==, 0);
	place_fini(&p);
}

static void test_publish(gconstpointer data)
{
	struct place p;
	unsigned rows;

	place_init(&p, data, "samples");
	p.f.batch[5].publishers = 2; /* somebody else's */
	g_assert_cmpint(place_open(&p, p.url, false), ==, 0);
	g_assert_cmpint(publish(&p, 30), ==, 0);
	rows = kept(&p);
	g_assert_cmpuint(rows, ==, is_kept(&p) ? 100 : 0);
	/* A retry: a confirmation may have been lost. */
	g_assert_cmpint(publish(&p, 30), ==, 0);
	if (p.ops->store || p.subject->far) {
		g_assert_cmpuint(kept(&p), ==, rows);
	}
	/* Nothing for this publisher. */
	rows = kept(&p);
	p.f.frame.sequence++;
	for (uint32_t i = 0; i < p.f.meters; i++) {
		p.f.batch[i].publishers = 2;
	}
	g_assert_cmpint(publish(&p, 30), ==, 0);
	g_assert_cmpuint(kept(&p), ==, rows);
	place_fini(&p);
}

/* No time left, or cancelled: soon back with the reason; what is not settled then comes with the next try.
 * Datagrams need no time. */
static void test_call(gconstpointer data)
{
	static const atomic_bool cancelled = true;
	struct vmt_call call = fixture_call(30);
	struct place p;
	int64_t start = clock_monotonic();
	int code;

	place_init(&p, data, "samples");
	g_assert_cmpint(place_open(&p, p.url, false), ==, 0);
	code = publish(&p, -1);
	if (is_kept(&p) && p.subject->far != FAR_UDP) {
		g_assert_cmpint(code, ==, -ETIMEDOUT);
		assert_reason(&p, p.subject->plugin->name);
		g_assert_null(strstr(p.error.text, ": :"));
		call.cancel = &cancelled;
		g_assert_cmpint(publish_call(&p, &call), ==, -ECANCELED);
		g_assert_cmpuint(kept(&p), ==, p.delivery.confirmed);
	}
	g_assert_cmpint(clock_monotonic() - start, <, 5 * NS_PER_S);
	g_assert_cmpint(publish(&p, 30), ==, 0);
	g_assert_cmpuint(kept(&p), ==, is_kept(&p) ? 120 : 0);
	place_fini(&p);
}

/* What was missing is there from now on. */
static void come(struct place *p)
{
	char *folder = g_path_get_dirname(p->path);

	g_assert_cmpuint(entries(p->folder), ==, 0);
	if (p->subject->far) {
		p->far = far_new(p->subject->far, p->port);
	} else {
		g_assert_cmpint(g_mkdir(folder, 0700), ==, 0);
	}
	g_free(folder);
}

/* A far side that is not there is a matter of trying again, by the same object.  Of datagrams the kernel takes
 * some before it knows. */
static void test_comes_later(gconstpointer data)
{
	struct place p;
	uint64_t lost;
	int tries;

	place_init(&p, data, "later/samples");
	tries = p.subject->far == FAR_UDP ? 1 : 3;
	if (!is_kept(&p)) {
		place_fini(&p);
		return;
	}
	g_assert_cmpint(place_open(&p, p.url, false), ==, 0);
	for (int i = 0; i < tries; i++) {
		int code = publish(&p, 30);

		g_assert_cmpint(code, <, 0);
		g_assert_cmpint(code, !=, -EBADMSG);
		assert_reason(&p, p.subject->plugin->name);
		if (p.subject->disk) {
			g_assert_nonnull(strstr(p.error.text, "later"));
		}
	}
	lost = p.delivery.confirmed;
	g_assert_cmpuint(lost, <, p.subject->far == FAR_UDP ? 120 : 1);
	come(&p);
	while (publish(&p, 30) == -ECONNREFUSED) { /* the last one's word of its absence */
		g_assert_cmpint(p.subject->far, ==, FAR_UDP);
		lost = p.delivery.confirmed;
	}
	g_assert_cmpstr(p.error.text, ==, "");
	g_assert_cmpuint(kept(&p), ==, 120 - lost);
	place_fini(&p);
}

/* Opened, used and closed often, it keeps no descriptor. */
static void test_leaves_nothing_open(gconstpointer data)
{
	unsigned before = entries("/proc/self/fd");

	for (int i = 0; i < 20; i++) {
		struct place p;

		place_init(&p, data, i % 2 ? "samples" : "none/samples");
		g_assert_cmpint(place_open(&p, p.url, false), ==, 0);
		publish(&p, 30);
		publish(&p, 30);
		place_fini(&p);
	}
	g_assert_cmpuint(entries("/proc/self/fd"), ==, before);
}

/* ------------------------------------------------------------------ stores */

/* Everything at once in each order of restrictions; details are in the store's own tests. */
static void test_store(gconstpointer data)
{
	const char *const meters[] = { "meter.[01]", NULL };
	const struct vmt_pair metadata[] = { { .key = "display_name", .value = "vm-7" }, { 0 } };
	const struct vmt_query cases[] = {
		{ 0 },
		{ .meters = meters },
		{ .metadata = metadata, .meters = meters },
		{ .limit = 13 },
		{ .start_ns = FIXTURE_TIME + NS_PER_S },
		{ .resource = "no such resource" },
	};
	static const unsigned samples[] = { 240, 80, 4, 13, 120, 0 };
	static const unsigned resources[] = { 20, 20, 1, 13, 20, 0 };
	static const unsigned of_meters[] = { 120, 40, 2, 13, 120, 0 };
	struct place p;

	place_init(&p, data, "samples");
	if (!p.ops->store) {
		place_fini(&p);
		return;
	}
	g_assert_cmpint(place_open(&p, p.url, false), ==, 0);
	g_assert_cmpint(publish(&p, 30), ==, 0);
	fixture_cycle(&p.f, 1, FIXTURE_TIME + NS_PER_S);
	g_assert_cmpint(publish(&p, 30), ==, 0);
	plugin_object_close(p.object);
	g_assert_cmpint(place_open(&p, p.url, true), ==, 0);
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		const struct vmt_store_ops *store = p.ops->store;
		unsigned count[3] = { 0 };

		g_test_message("case %zu", i);
		g_assert_cmpint(store->samples(p.object->self, &cases[i], count_row, &count[0],
					       &p.error),
				==, 0);
		g_assert_cmpint(store->resources(p.object->self, &cases[i], count_row, &count[1],
						 &p.error),
				==, 0);
		g_assert_cmpint(store->meters(p.object->self, &cases[i], count_row, &count[2],
					      &p.error),
				==, 0);
		g_assert_cmpuint(count[0], ==, samples[i]);
		g_assert_cmpuint(count[1], ==, resources[i]);
		g_assert_cmpuint(count[2], ==, of_meters[i]);
	}
	place_fini(&p);
}

static void test_missing(gconstpointer data)
{
	g_test_skip(far_missing(((const struct subject *)data)->far));
}

int main(int argc, char **argv)
{
	const struct {
		const char *name;
		void (*run)(gconstpointer data);
	} suite[] = {
		{ "table", test_table },
		{ "wrong-urls", test_wrong_urls },
		{ "open-creates-nothing", test_open_creates_nothing },
		{ "publish", test_publish },
		{ "call", test_call },
		{ "comes-later", test_comes_later },
		{ "leaves-nothing-open", test_leaves_nothing_open },
		{ "store", test_store },
	};

	int status;

	g_test_init(&argc, &argv, NULL);
	for (size_t s = 0; s < G_N_ELEMENTS(subjects); s++) {
		for (size_t i = 0; i < G_N_ELEMENTS(suite); i++) {
			char *path = g_strdup_printf("/conformance/publisher/%s/%s",
						     subjects[s].plugin->name, suite[i].name);

			g_test_add_data_func(path, &subjects[s],
					     far_missing(subjects[s].far) ? test_missing
									  : suite[i].run);
			g_free(path);
		}
	}
	status = g_test_run();
	far_end(FAR_NONE);
	return status;
}

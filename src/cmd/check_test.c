/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `virtmeter check` and `virtmeter list` as a user meets them: exit status and output, in a process of
 * their own, with plugins of the test's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "builtin.h"
#include "cmd/cmd_fixture.h"

/* ---- plugins */

static int open_nothing(const void *conf, void **ret_self, struct vmt_error *error)
{
	*ret_self = NULL;
	return 0;
}

/* An inspector that says why not, where the environment does. */
static int open_inspector(const void *conf, void **ret_self, struct vmt_error *error)
{
	const char *why = g_getenv("TEST_REFUSED");

	*ret_self = NULL;
	return why ? vmt_error_set(error, -EINVAL, "%s", why) : 0;
}

static int open_publisher(const void *conf, const struct vmt_url *url, bool read_only,
			  void **ret_self, struct vmt_error *error)
{
	*ret_self = NULL;
	return url->path && url->path[1]
		       ? 0
		       : vmt_error_set(error, -EINVAL, "%s: no file named", url->text);
}

static void close_publisher(void *self)
{
}

static int discover(void *self, const char *param, struct vmt_snapshot_builder *builder,
		    const struct vmt_call *call, struct vmt_error *error)
{
	struct vmt_instance one = { .id = "7d3a1c66-0000-4000-8000-000000000001",
				    .name = "instance-00000001",
				    .display_name = "web\n1",
				    .state = "running",
				    .has_flavor = true,
				    .flavor = { .name = "m1.tiny", .vcpus = 2, .ram_mib = 512 } };

	if (g_getenv("TEST_ABSENT")) {
		return vmt_error_set(error, -ECONNREFUSED, "test: nobody answers; start it");
	}
	vmt_snapshot_add(builder, &one);
	one.id = "7d3a1c66-0000-4000-8000-000000000002";
	one.has_flavor = false;
	vmt_snapshot_add(builder, &one);
	return 1;
}

struct file_conf {
	int64_t size;
};

static const struct vmt_option file_options[] = {
	{ .group = "file",
	  .name = "size",
	  .type = VMT_OPT_INT,
	  .offset = offsetof(struct file_conf, size),
	  .def = "1",
	  .min = 1,
	  .max = 9,
	  .flags = VMT_OPT_URL,
	  .help = "A size." },
	{ .name = NULL },
};

static const struct vmt_inspector_ops inspector_ops = { .open = open_inspector };
static const struct vmt_discovery_ops discovery_ops = { .open = open_nothing,
							.discover = discover };
static const struct vmt_publisher_ops publisher_ops = { .open = open_publisher,
							.close = close_publisher };
static const struct vmt_meter own_meters[] = {
	{ .name = "vm.test", .unit = "x", .type = VMT_GAUGE, .help = "A test." }
};
static const struct vmt_pollster_ops pollster_ops = { .meters = own_meters,
						      .count = 1,
						      .open = open_nothing };

static const struct vmt_plugin libvirt = {
	.abi = VMT_ABI, .ns = VMT_INSPECTOR, .name = "libvirt", .ops.inspector = &inspector_ops
};
static const struct vmt_plugin local = { .abi = VMT_ABI,
					 .ns = VMT_DISCOVERY,
					 .name = "local_instances",
					 .ops.discovery = &discovery_ops };
static const struct vmt_plugin file = { .abi = VMT_ABI,
					.ns = VMT_PUBLISHER,
					.name = "file",
					.version = "1",
					.help = "Writes.",
					.options = file_options,
					.conf_size = sizeof(struct file_conf),
					.ops.publisher = &publisher_ops };
static const struct vmt_plugin pollster = {
	.abi = VMT_ABI, .ns = VMT_POLLSTER, .name = "tester", .ops.pollster = &pollster_ops
};

/* A receiver that is shared, unless its host is "alone", and a transformer that keeps samples. */
static int open_receiver(const void *conf, const struct vmt_url *url, void **ret_self,
			 struct vmt_error *error)
{
	static char alone[] = "alone", crowd[] = "crowd";

	if (strcmp(url->host, "wrong") == 0) {
		return vmt_error_set(error, -EINVAL, "%s: no such host", url->text);
	}
	*ret_self = strcmp(url->host, "alone") == 0 ? alone : crowd;
	return 0;
}

static bool is_shared(const void *self)
{
	return strcmp(self, "crowd") == 0;
}

static int open_stage(const void *conf, const struct vmt_stage *stage, void **ret_self,
		      struct vmt_error *error)
{
	*ret_self = NULL;
	return 0;
}

static int flush_stage(void *self, struct vmt_transform *out, struct vmt_error *error)
{
	return 0;
}

static const struct vmt_receiver_ops receiver_ops = { .open = open_receiver,
						      .close = close_publisher,
						      .shared = is_shared };
static const struct vmt_transformer_ops keeper_ops = { .open = open_stage,
						       .flush = flush_stage,
						       .close = close_publisher };
static const struct vmt_transformer_ops plain_ops = { .open = open_stage,
						      .close = close_publisher };
static const struct vmt_plugin receiver = {
	.abi = VMT_ABI, .ns = VMT_RECEIVER, .name = "queue", .ops.receiver = &receiver_ops
};
static const struct vmt_plugin keeper = {
	.abi = VMT_ABI, .ns = VMT_TRANSFORMER, .name = "keeper", .ops.transformer = &keeper_ops
};
static const struct vmt_plugin plain = {
	.abi = VMT_ABI, .ns = VMT_TRANSFORMER, .name = "plain", .ops.transformer = &plain_ops
};

const struct vmt_plugin *const builtin_plugins[] = { &libvirt,  &local,  &file,  &pollster,
						     &receiver, &keeper, &plain, NULL };

const char *builtin_plugin_folder(void)
{
	return "";
}

#define POLLING "sources:\n  - name: some\n    interval: 10\n    meters: [cpu, vm.test]\n"
#define PIPELINE(url_)                                                                                      \
	"sources:\n  - name: all\n    meters: [\"*\", \"vm.*\"]\n    sinks: [out]\nsinks:\n  - name: out\n" \
	"    publishers: [" url_ "]\n"
#define READ "read v.conf\nread ./pipeline.yaml\nread ./polling.yaml\n"

static void write_good(void)
{
	put("v.conf",
	    "[DEFAULT]\npipeline_cfg_file=./pipeline.yaml\nplugin_dir=\n[polling]\ncfg_file=./polling.yaml\n");
	put("polling.yaml", POLLING);
	put("pipeline.yaml", PIPELINE("\"file:///x?size=2\""));
}

/* ---- check */

static void remove_all(const char *path)
{
	GDir *dir = g_dir_open(path, 0, NULL);
	const char *name;

	while (dir && (name = g_dir_read_name(dir)) != NULL) {
		char *inner = g_build_filename(path, name, NULL);

		g_remove(inner);
		g_free(inner);
	}
	if (dir) {
		g_dir_close(dir);
	}
	g_remove(path);
}

static void test_good(void)
{
	write_good();
	expect(cmd_check, "check --config-file v.conf", 0, READ "ok\n", "");
	expect(cmd_check, "check --config-file v.conf --explain", 0,
	       READ "ok\n"
		    "METER    EVERY  SOURCE  PIPELINE  PUBLISHERS\n"
		    "cpu         10  some    all:out   file:///x?size=2\n"
		    "vm.test     10  some    all:out   file:///x?size=2\n",
	       "");
}

static void test_faults(void)
{
	write_good();
	put("v.conf",
	    "[DEFAULT]\nhypervisor_inspector=kvm\npipeline_cfg_file=./pipeline.yaml\nplugin_dir=\n"
	    "rabbit_host=h\nlog_fiel=x\n[polling]\ncfg_file=./polling.yaml\n[file]\nsize=10\n");
	put("polling.yaml", "sources:\n  - name: some\n    interval: -1\n    meters: [cpu]\n");
	put("pipeline.yaml", PIPELINE("\"file:///x?size=0\""));
	expect(cmd_check, "check --config-file v.conf", 1,
	       READ
	       "v.conf:2:22: hypervisor_inspector: there is no 'kvm'; write one of libvirt\n"
	       "v.conf:5:1: [DEFAULT] rabbit_host: an option of Ceilometer's, without effect here\n"
	       "v.conf:6:1: [DEFAULT] log_fiel: no such option, ignored; did you mean log_file?\n"
	       "v.conf:10:6: size: '10' will not do; write a whole number from 1 to 9\n"
	       "./pipeline.yaml:6:5: sink out is left with no publisher\n"
	       "./pipeline.yaml:7:18: URL: size: '0' will not do; write a whole number from 1 to 9; its sink goes on "
	       "without\n"
	       "./polling.yaml:3:15: Interval value should > 0\n"
	       "errors: 4, warnings: 2\n",
	       "");
}

/* In Juno's shapes a source has sinks of its own. */
static void test_juno_ways(void)
{
	put("juno.yaml", "sources:\n- {name: a, interval: 5, meters: ['*'], sinks: [s]}\n"
			 "- {name: b, interval: 5, meters: [vm.test], resources: [x], sinks: [t]}\n"
			 "- {name: c, interval: 5, meters: [vm.*], sinks: [t]}\n"
			 "sinks:\n- {name: s, transformers: , publishers: ['file:///s']}\n"
			 "- {name: t, transformers: , publishers: ['file:///t']}\n");
	struct said said;
	const char *own;

	run(cmd_check, "check juno.yaml --explain", &said);
	own = strstr(said.out, "vm.test");
	g_assert_nonnull(own);
	g_assert_cmpstr(own, ==,
			"vm.test                                 5  b       b:t       file:///t\n"
			"vm.test                                 5  c       c:t       file:///t\n");
	g_free(said.out);
	g_free(said.err);
}

/* The way to a notification agent beside the sinks. */
static void test_both_ways(void)
{
	struct said said;

	write_good();
	put("v.conf", "[DEFAULT]\npipeline_cfg_file=./pipeline.yaml\nplugin_dir=\n[polling]\n"
		      "cfg_file=./polling.yaml\n[virtmeter]\ndeliver=both\n");
	put("pipeline.yaml",
	    "sources:\n  - name: all\n    meters: [memory]\n    sinks: [out]\nsinks:\n  - name: out\n"
	    "    publishers: [\"file:///x\"]\n");
	run(cmd_check, "check --config-file v.conf --explain", &said);
	g_assert_nonnull(strstr(said.out,
				"METER    EVERY  SOURCE  PIPELINE         PUBLISHERS\n"
				"cpu         10  some    notifications    polling:// (left out)\n"
				"vm.test     10  some    (none takes it)"));
	g_free(said.out);
	g_free(said.err);
}

/* The same for scripts: an object a line. */
static void test_json(void)
{
	write_good();
	put("v.conf",
	    "[DEFAULT]\npipeline_cfg_file=./pipeline.yaml\nplugin_dir=\nlog_fiel=x\n[polling]\n"
	    "cfg_file=./polling.yaml\n[virtmeter]\ndeliver=both\n");
	put("pipeline.yaml",
	    "sources:\n  - name: all\n    meters: [cpu]\n    sinks: [out]\nsinks:\n  - name: out\n"
	    "    transformers:\n      - {name: delta, parameters: {}}\n"
	    "    publishers: [\"file:///x\", \"file://me:pw@h/y\"]\n");
	expect(cmd_check, "check --config-file v.conf --explain --format json", 1,
	       "{\"read\":\"v.conf\"}\n{\"read\":\"./pipeline.yaml\"}\n{\"read\":\"./polling.yaml\"}\n"
	       "{\"level\":\"warning\",\"file\":\"v.conf\",\"line\":4,\"column\":1,\"failed\":false,\"text\":"
	       "\"v.conf:4:1: [DEFAULT] log_fiel: no such option, ignored; did you mean log_file?\"}\n"
	       "{\"level\":\"warning\",\"file\":\"v.conf\",\"line\":8,\"column\":9,\"failed\":false,\"text\":"
	       "\"v.conf:8:9: deliver: no transport_url says where the bus is; it is looked for on this host "
	       "(rabbit://guest@127.0.0.1:5672)\"}\n"
	       "{\"level\":\"warning\",\"file\":\"v.conf\",\"line\":8,\"column\":9,\"failed\":true,\"text\":"
	       "\"v.conf:8:9: polling://: no publisher of that scheme in this virtmeter; its sink goes on "
	       "without\"}\n"
	       "{\"level\":\"error\",\"file\":\"v.conf\",\"line\":8,\"column\":9,\"failed\":true,\"text\":"
	       "\"v.conf:8:9: sink notifications is left with no publisher\"}\n"
	       "{\"level\":\"error\",\"file\":\"./pipeline.yaml\",\"line\":8,\"column\":16,\"failed\":true,\"text\":"
	       "\"./pipeline.yaml:8:16: No transformer named delta loaded\"}\n"
	       "{\"ok\":false,\"errors\":2,\"warnings\":3}\n"
	       "{\"meter\":\"cpu\",\"every_s\":10,\"source\":\"some\",\"pipeline\":\"all:out\",\"transformers\":"
	       "[\"delta\"],\"publishers\":[\"file:///x\",\"file://me:****@h/y\"]}\n"
	       "{\"meter\":\"cpu\",\"every_s\":10,\"source\":\"some\",\"pipeline\":\"notifications\",\"transformers\":"
	       "[],\"publishers\":[]}\n"
	       "{\"meter\":\"vm.test\",\"every_s\":10,\"source\":\"some\",\"pipeline\":null,\"transformers\":[],"
	       "\"publishers\":[]}\n",
	       "");
	put("tests.yaml", "tests: []\n");
	put("pipeline.yaml", PIPELINE("\"file:///x\""));
	expect(cmd_check, "check pipeline.yaml --test tests.yaml --format json", 1,
	       "{\"read\":\"pipeline.yaml\"}\n"
	       "{\"level\":\"error\",\"file\":\"tests.yaml\",\"line\":1,\"column\":1,\"failed\":true,\"text\":"
	       "\"tests.yaml:1:1: tests: there are none\"}\n"
	       "{\"ok\":false,\"errors\":1,\"warnings\":0}\n",
	       "");
	expect(cmd_check, "check --format xml", 2, "", NULL);
}

/* What only warns of a thing that is not there: exit 1 all the same. */
static void test_failed(void)
{
	write_good();
	put("pipeline.yaml", PIPELINE("\"nosuch://me:pw@x\", \"file:///x\""));
	expect(cmd_check, "check --config-file v.conf", 1,
	       READ
	       "./pipeline.yaml:7:18: nosuch://me:****@x: no publisher of that scheme in this virtmeter; its sink "
	       "goes on without\nerrors: 0, warnings: 1\n",
	       "");
	put("pipeline.yaml", PIPELINE("\"nosuch://x\""));
	expect(cmd_check, "check --config-file v.conf", 1, NULL, "");
}

/* What the agent would refuse when it opens things. */
static void test_refused(void)
{
	GString *many = g_string_new("sources:\n"), *urls = g_string_new(NULL);
	struct said said;

	write_good();
	put("pipeline.yaml", PIPELINE("\"file:///\", \"file:///x\""));
	expect(cmd_check, "check --config-file v.conf", 1,
	       READ "./pipeline.yaml:7:18: file:///: no file named; its sink goes on without\n"
		    "errors: 0, warnings: 1\n",
	       "");
	for (int i = 0; i < 66; i++) {
		g_string_append_printf(urls, "%s'file:///x%d'", i ? ", " : "", i);
		g_string_append_printf(
			many, "- {name: s%d, interval: 5, meters: [cpu], resources: ['%d']}\n", i,
			i);
	}
	g_string_append(many,
			"- {name: d, interval: 6, meters: [cpu], discovery: ['nosuch://x']}\n");
	put("polling.yaml", many->str);
	g_string_printf(many, PIPELINE("%s"), urls->str);
	put("pipeline.yaml", many->str);
	run(cmd_check, "check --config-file v.conf", &said);
	g_assert_cmpint(said.status, ==, 1);
	g_assert_nonnull(strstr(said.out, "more publishers than 64; its sink goes on without\n"));
	g_assert_nonnull(strstr(
		said.out,
		"./polling.yaml:66:3: source s64: more than 64 different pairs of resources and "
		"discovery at one interval"));
	g_assert_nonnull(
		strstr(said.out, "./polling.yaml:68:53: Unknown discovery extension: nosuch: "));
	g_assert_nonnull(strstr(said.out, "errors: 1, warnings: 3\n"));
	g_free(said.out);
	g_free(said.err);
	g_string_free(many, TRUE);
	g_string_free(urls, TRUE);
}

/* An inspector that does not open: every endpoint's, at the option that its reason names, where that is given. */
static void test_hypervisors(void)
{
	write_good();
	put("v.conf",
	    "[DEFAULT]\nhypervisor_inspector=libvirt, libvirt:east\npipeline_cfg_file=./pipeline.yaml\n"
	    "plugin_dir=\n[polling]\ncfg_file=./polling.yaml\n[file]\nsize=2\n[file:east]\nsize=3\n");
	g_setenv("TEST_REFUSED", "[file] size: too small", TRUE);
	expect(cmd_check, "check --config-file v.conf", 1,
	       READ "v.conf:8:6: hypervisor_inspector = libvirt: [file] size: too small\n"
		    "v.conf:10:6: hypervisor_inspector = libvirt:east: [file] size: too small\n"
		    "errors: 2, warnings: 0\n",
	       "");
	g_setenv("TEST_REFUSED", "[file] host: give one", TRUE);
	expect(cmd_check, "check --config-file v.conf", 1,
	       READ "v.conf:2:22: hypervisor_inspector = libvirt: [file] host: give one\n"
		    "v.conf:2:22: hypervisor_inspector = libvirt:east: [file] host: give one\n"
		    "errors: 2, warnings: 0\n",
	       "");
	g_unsetenv("TEST_REFUSED");
	expect(cmd_check, "check --config-file v.conf", 0, READ "ok\n", "");
}

/* A pollster that there is not. */
static void test_pollsters(void)
{
	write_good();
	put("v.conf", "[DEFAULT]\npipeline_cfg_file=./pipeline.yaml\nplugin_dir=\n[polling]\n"
		      "cfg_file=./polling.yaml\n[virtmeter]\npollsters=test*,nosuch\n");
	expect(cmd_check, "check --config-file v.conf", 1,
	       READ
	       "v.conf:7:11: pollsters: no pollster nosuch is loaded\nerrors: 0, warnings: 1\n",
	       "");
}

#define RECEIVERS(list_)                                                                           \
	"[DEFAULT]\npipeline_cfg_file=./pipeline.yaml\nplugin_dir=\n[polling]\n"                   \
	"cfg_file=./polling.yaml\n[virtmeter]\nreceivers=" list_ "\n"

/* Receivers are looked at as the collector does it, where they are named; what would compare samples of which others get
 * a part is refused. */
static void test_receivers(void)
{
	write_good();
	put("v.conf", RECEIVERS("queue://x,queue://alone"));
	expect(cmd_check, "check --config-file v.conf", 0, READ "ok\n", "");
	put("v.conf", RECEIVERS("queue://wrong,file:///x"));
	expect(cmd_check, "check --config-file v.conf", 1,
	       READ
	       "v.conf:7:11: receivers: queue://wrong: no such host\n"
	       "v.conf:7:11: receivers: file:///x: no receiver of that scheme in this virtmeter\n"
	       "errors: 2, warnings: 0\n",
	       "");
	put("pipeline.yaml",
	    PIPELINE("\"file:///x\"") "    transformers:\n      - {name: plain, parameters: {}}\n"
				      "      - {name: keeper, parameters: {}}\n");
	put("v.conf", RECEIVERS("queue://alone"));
	expect(cmd_check, "check --config-file v.conf", 0, READ "ok\n", "");
	put("v.conf", RECEIVERS("queue://x"));
	expect(cmd_check, "check --config-file v.conf", 1,
	       READ "./pipeline.yaml:10:16: keeper keeps samples, and queue://x gets a part of a "
		    "queue's only; set amqp_exclusive, or transform elsewhere\n"
		    "errors: 1, warnings: 0\n",
	       "");
}

/* What shares instances, or would. */
static void test_coordination(void)
{
	const char *conf = "[DEFAULT]\npipeline_cfg_file=./pipeline.yaml\nplugin_dir=\n[polling]\n"
			   "cfg_file=./polling.yaml\n";
	char *text;

	write_good();
	text = g_strconcat(conf, "[coordination]\nbackend_url=zookeeper://me:labpass@x\n", NULL);
	put("v.conf", text);
	g_free(text);
	expect(cmd_check, "check --config-file v.conf", 1,
	       READ
	       "v.conf:7:13: coordination: zookeeper://me:****@x: no coordinator of that scheme "
	       "in this virtmeter; all instances are polled here\n"
	       "errors: 0, warnings: 1\n",
	       "");
	text = g_strconcat(conf, "[compute]\ninstance_discovery_method=workload_partitioning\n",
			   NULL);
	put("v.conf", text);
	g_free(text);
	expect(cmd_check, "check --config-file v.conf", 1,
	       READ
	       "v.conf:7:27: instance_discovery_method = workload_partitioning: no discovery of "
	       "that name in this virtmeter; instances are as the hypervisor knows them\n"
	       "v.conf:7:27: workload_partitioning shares nothing without [coordination] "
	       "backend_url\nerrors: 0, warnings: 1\n",
	       "");
}

/* Folders that the agent would look for in vain. */
static void test_folders(void)
{
	write_good();
	put("v.conf",
	    "[DEFAULT]\npipeline_cfg_file=./pipeline.yaml\nplugin_dir=/nowhere/p\nlog_file=/nowhere/x.log\n"
	    "[polling]\ncfg_file=./polling.yaml\n[virtmeter]\nqueue_dir=/nowhere/a/b\n");
	expect(cmd_check, "check --config-file v.conf", 1,
	       READ
	       "v.conf:3:12: plugin_dir: /nowhere/p: there is no such folder; make it or name another\n"
	       "v.conf:4:10: log_file: /nowhere: there is no such folder; make it or name another\n"
	       "v.conf:8:11: queue_dir: /nowhere/a: there is no such folder; make it or name another\n"
	       "errors: 3, warnings: 0\n",
	       "");
}

/* So many findings that not all are kept: said, and not hidden. */
static void test_many(void)
{
	GString *many = g_string_new("sources:\n");
	struct said said;

	write_good();
	for (int i = 0; i < 1500; i++) {
		g_string_append_printf(many, "- {name: s%d, interval: x, meters: [cpu]}\n", i);
	}
	put("polling.yaml", many->str);
	run(cmd_check, "check --config-file v.conf", &said);
	g_assert_cmpint(said.status, ==, 1);
	g_assert_nonnull(strstr(said.out, "\n500 more, which are not shown; mend these first\n"));
	g_free(said.out);
	g_free(said.err);
	g_string_free(many, TRUE);
}

/* Warnings that change nothing: still ok. */
static void test_warned(void)
{
	write_good();
	put("polling.yaml",
	    "sources:\n  - name: some\n    interval: 10\n    meters: [cpu, cpuu, hardware.*]\n");
	expect(cmd_check, "check --config-file v.conf", 0,
	       READ
	       "./polling.yaml:4:19: no meter matches cpuu (did you mean cpu?); `virtmeter list meters` has them\n"
	       "./polling.yaml:4:25: hardware.*: a meter of another agent, not polled here\n"
	       "ok\n",
	       "");
	write_good();
	put("pipeline.yaml",
	    "sources:\n  - {name: all, meters: [cpu, memori], sinks: [out]}\nsinks:\n"
	    "  - {name: out, publishers: ['file:///x']}\n  - {name: none, publishers: ['file:///x']}\n");
	expect(cmd_check, "check --config-file v.conf", 0,
	       READ
	       "./pipeline.yaml:2:31: no meter matches memori (did you mean memory?); `virtmeter list meters` has them\n"
	       "./pipeline.yaml:5:5: sink none: no source names it, so nothing comes to it\n"
	       "ok\n",
	       "");
}

static void test_named_files(void)
{
	write_good();
	expect(cmd_check, "check polling.yaml", 0, "read polling.yaml\nok\n", "");
	expect(cmd_check, "check pipeline.yaml", 0, "read pipeline.yaml\nok\n", "");
	put("commented.yaml", "# what the sinks: of pipeline.yaml get\n" POLLING);
	expect(cmd_check, "check commented.yaml", 0, "read commented.yaml\nok\n", "");
	put("stray.yaml", POLLING "publishers: [x]\n");
	expect(cmd_check, "check stray.yaml", 0, NULL, "");
	expect(cmd_check, "check polling.yaml --explain", 0, "read polling.yaml\nok\n",
	       "virtmeter check: --explain needs what is polled and a pipeline; name a pipeline.yaml too\n");
	put("y.conf", "[DEFAULT]\nlog_file = ./${host}-${sample_source}.log\n");
	expect(cmd_check, "check y.conf", 0, "read y.conf\nok\n", "");
	put("empty.yaml", "sources: [{name: a, interval: 5, meters: ['']}]\n");
	expect(cmd_check, "check empty.yaml", 1,
	       "read empty.yaml\nempty.yaml:1:43: Empty meter pattern\nerrors: 1, warnings: 0\n",
	       "");
	expect(cmd_check, "check nowhere.yaml", 1,
	       "nowhere.yaml: there is no such file; check the path\nerrors: 1, warnings: 0\n", "");
	put("x.conf", "[DEFAULT\n");
	expect(cmd_check, "check x.conf", 1,
	       "read x.conf\nx.conf:1:1: section without ']' at the end of its line; write [name]\n"
	       "errors: 1, warnings: 0\n",
	       "");
	expect(cmd_check, "check nowhere.conf", 1,
	       "nowhere.conf: there is no such file; check the path\nerrors: 1, warnings: 0\n", "");
	put("juno.yaml",
	    "- name: a\n  interval: 5\n  meters: [cpu]\n  transformers:\n  publishers: ['file:///x']\n");
	expect(cmd_check, "check juno.yaml --explain", 0, NULL, "");
}

/* A dry test names the pipeline that is configured: it is read as the agent reads it, beside its polling.yaml. */
static void test_pair(void)
{
	write_good();
	put("pipeline.yaml", "sources:\n  - {name: a, interval: 5, meters: [cpu], sinks: [out]}\n"
			     "  - {name: b, meters: [memory], sinks: [out]}\nsinks:\n"
			     "  - {name: out, publishers: ['file:///x']}\n");
	put("d.yaml",
	    "pipeline: pipeline.yaml\ntests: [{name: t, samples: [{name: cpu, volume: 1}], "
	    "expect: [{name: cpu}]}]\n");
	expect(cmd_check, "check --config-file v.conf --test d.yaml", 0,
	       READ
	       "./pipeline.yaml:2:25: interval: has no effect here; polling.yaml says how often to poll\n"
	       "ok t\n1 passed, 0 failed\nok\n",
	       "");
}

/* The later of two wins, file or folder. */
static void test_order(void)
{
	char *dir = path_of("d");

	write_good();
	g_assert_cmpint(g_mkdir(dir, 0700), ==, 0);
	put("d/x.conf", "[DEFAULT]\nhost=h\n");
	expect(cmd_check, "check --config-dir d --config-file=v.conf", 0,
	       "read d/x.conf\n" READ "ok\n", "");
	expect(cmd_check, "check --config-file v.conf --config-dir d", 0,
	       "read v.conf\nread d/x.conf\nread ./pipeline.yaml\nread ./polling.yaml\nok\n", "");
	remove_all(dir);
	g_free(dir);
}

static void test_missing(void)
{
	put("v.conf",
	    "[DEFAULT]\npipeline_cfg_file=/nowhere/p.yaml\nplugin_dir=\n[polling]\ncfg_file=/nowhere/q.yaml\n");
	expect(cmd_check, "check --config-file v.conf", 1,
	       "read v.conf\n"
	       "v.conf:2:19: /nowhere/p.yaml: no such file, neither here nor beside the configuration; write one or "
	       "set pipeline_cfg_file in [DEFAULT]\n"
	       "v.conf:5:10: /nowhere/q.yaml: no such file, neither here nor beside the configuration; write one or set cfg_file "
	       "in [polling]\nerrors: 2, warnings: 0\n",
	       "");
}

static void test_usage(void)
{
	expect(cmd_check, "check --explian", 2, "",
	       "virtmeter check: Unknown option --explian (did you mean --explain?); see virtmeter check --help\n");
	expect(cmd_check, "check --config-file v.conf x.conf", 2, "", NULL);
	expect(cmd_list, "list", 2, "", NULL);
	expect(cmd_list, "list meter", 2, "",
	       "virtmeter list: meter: there is no such list (did you mean meters?); write instances, meters or "
	       "plugins; see virtmeter list --help\n");
	expect(cmd_list, "list meters --format xml", 2, "", NULL);
}

/* ---- list */

static void test_plugins(void)
{
	struct said said;

	write_good();
	run(cmd_list, "list plugins --config-file v.conf --format json", &said);
	g_assert_cmpint(said.status, ==, 0);
	g_assert_nonnull(strstr(
		said.out,
		"{\"namespace\":\"publisher\",\"name\":\"file\",\"aliases\":[],\"version\":\"1\","
		"\"file\":\"built in\",\"help\":\"Writes.\",\"options\":[{\"group\":\"file\","
		"\"name\":\"size\",\"type\":\"integer\",\"default\":\"1\",\"help\":\"A size.\","
		"\"min\":1,\"max\":9,\"in_url\":true,\"secret\":false}]}\n"));
	g_free(said.out);
	g_free(said.err);
	run(cmd_list, "list plugins --config-file v.conf", &said);
	g_assert_cmpint(said.status, ==, 0);
	g_assert_nonnull(
		strstr(said.out, "publisher file  [file] size  integer  1        A size.\n"));
	g_free(said.out);
	g_free(said.err);
}

static void test_meters(void)
{
	struct said said;

	write_good();
	run(cmd_list, "list meters --config-file v.conf --format json", &said);
	g_assert_cmpint(said.status, ==, 0);
	g_assert_nonnull(strstr(
		said.out,
		"{\"name\":\"cpu\",\"sample_name\":\"cpu\",\"type\":\"cumulative\",\"unit\":\"ns\","
		"\"of\":\"instance\","));
	g_assert_nonnull(strstr(
		said.out, "{\"name\":\"vm.test\",\"sample_name\":\"vm.test\",\"type\":\"gauge\","));
	g_free(said.out);
	g_free(said.err);
}

static void test_instances(void)
{
	struct said said;

	write_good();
	expect(cmd_list, "list instances --config-file v.conf", 0,
	       "ID                                    NAME               DISPLAY NAME  STATE    PROJECT  FLAVOR   VCPUS  "
	       "RAM MiB\n"
	       "7d3a1c66-0000-4000-8000-000000000001  instance-00000001  web 1         running           m1.tiny      2  "
	       "    512\n"
	       "7d3a1c66-0000-4000-8000-000000000002  instance-00000001  web 1         running\n",
	       "");
	run(cmd_list, "list instances --config-file v.conf --format json", &said);
	g_assert_nonnull(strstr(
		said.out, "\"display_name\":\"web\\n1\",\"state\":\"running\",\"status\":null,"));
	g_free(said.out);
	g_free(said.err);
	g_setenv("TEST_ABSENT", "1", TRUE);
	expect(cmd_list, "list instances --config-file v.conf", 1, "",
	       "virtmeter list: test: nobody answers; start it\n");
	g_unsetenv("TEST_ABSENT");
	put("bad.conf", "[DEFAULT]\nmeter_profile=27\n");
	expect(cmd_list, "list meters --config-file bad.conf", 1, "",
	       "virtmeter list: bad.conf:2:15: meter_profile: '27' will not do; write one of juno, 19, 26\n");
}

int main(int argc, char **argv)
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	folder = g_dir_make_tmp("check-test-XXXXXX", NULL);
	g_test_add_func("/cmd/check/good", test_good);
	g_test_add_func("/cmd/check/faults", test_faults);
	g_test_add_func("/cmd/check/juno-ways", test_juno_ways);
	g_test_add_func("/cmd/check/both-ways", test_both_ways);
	g_test_add_func("/cmd/check/json", test_json);
	g_test_add_func("/cmd/check/failed", test_failed);
	g_test_add_func("/cmd/check/refused", test_refused);
	g_test_add_func("/cmd/check/hypervisors", test_hypervisors);
	g_test_add_func("/cmd/check/many", test_many);
	g_test_add_func("/cmd/check/receivers", test_receivers);
	g_test_add_func("/cmd/check/coordination", test_coordination);
	g_test_add_func("/cmd/check/folders", test_folders);
	g_test_add_func("/cmd/check/pollsters", test_pollsters);
	g_test_add_func("/cmd/check/warned", test_warned);
	g_test_add_func("/cmd/check/named-files", test_named_files);
	g_test_add_func("/cmd/check/pair", test_pair);
	g_test_add_func("/cmd/check/order", test_order);
	g_test_add_func("/cmd/check/missing", test_missing);
	g_test_add_func("/cmd/check/usage", test_usage);
	g_test_add_func("/cmd/list/plugins", test_plugins);
	g_test_add_func("/cmd/list/meters", test_meters);
	g_test_add_func("/cmd/list/instances", test_instances);
	ret = g_test_run();
	remove_all(folder);
	g_free(folder);
	return ret;
}

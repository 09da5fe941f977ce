/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands that read a store: run as from the command line on a small database, output and reasons
 * compared whole.
 */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "builtin.h"
#include "cmd/cmd.h"
#include "plugin/object.h"
#include "publisher/fixture.h"

extern const struct vmt_plugin vmt_plugin_publisher_sqlite, vmt_plugin_publisher_null;

const struct vmt_plugin *const builtin_plugins[] = { &vmt_plugin_publisher_sqlite,
						     &vmt_plugin_publisher_null, NULL };

const char *builtin_plugin_folder(void)
{
	return "";
}

struct place {
	char *folder, *url, *conf, *pipeline;
};

/* Two resources, two meters, two cycles a minute apart; the last one with a comma and a quote. */
static void fill(const char *url)
{
	struct plugin_object *object = NULL;
	struct ini *ini = ini_new();
	struct vmt_call call = fixture_call(60);
	struct vmt_error error = { "" };
	struct fixture f;

	fixture_init(&f, 2, 2);
	g_assert_cmpint(plugin_object_open(&vmt_plugin_publisher_sqlite, ini, url, NULL, false,
					   &object, NULL, &error),
			==, 0);
	for (uint32_t cycle = 0; cycle < 2; cycle++) {
		fixture_cycle(&f, cycle, FIXTURE_TIME + cycle * INT64_C(60000000000));
		if (cycle == 1) {
			fixture_metadata(&f.resource[1], "{\"display_name\": \"a \\\"b\\\", c\"}");
			f.resource[1].project_name = "p, \"q\"";
			fixture_digest(&f.resource[1]);
			f.value[0].u = UINT64_MAX;
			f.batch[0].kind = VMT_UINT64;
		}
		g_assert_cmpint(object->plugin->ops.publisher->publish(object->self, &f.frame, 1,
								       &call, &error),
				==, 0);
	}
	f.resource[1].project_name = NULL;
	plugin_object_close(object);
	ini_free(ini);
	fixture_fini(&f);
}

static void place_init(struct place *p, const char *parameters)
{
	char *text;

	p->folder = fixture_folder();
	p->url = g_strdup_printf("sqlite://%s/samples.db%s", p->folder, parameters);
	p->conf = g_build_filename(p->folder, "virtmeter.conf", NULL);
	p->pipeline = g_build_filename(p->folder, "pipeline.yaml", NULL);
	g_file_set_contents(p->conf, "", 0, NULL);
	fill(p->url);
	text = g_strdup_printf("sources:\n  - name: a\n    meters: ['*']\n    sinks: [a]\n"
			       "sinks:\n  - name: a\n    publishers: ['null://', '%s']\n",
			       p->url);
	g_file_set_contents(p->pipeline, text, -1, NULL);
	g_free(text);
}

static void place_fini(struct place *p)
{
	fixture_remove(p->folder);
	g_free(p->url);
	g_free(p->conf);
	g_free(p->pipeline);
}

/* Runs the command with the words of `line`; what it wrote, stdout and stderr. */
static char *run(const struct place *p, int (*command)(int, char **), const char *name,
		 const char *line, int expected)
{
	char *path[2] = { g_build_filename(p->folder, "out", NULL),
			  g_build_filename(p->folder, "err", NULL) };
	char *all = g_strdup_printf("%s --config-file %s %s", name, p->conf, line);
	char *out, *err, **argv;
	int saved[2], argc, status;

	g_assert_true(g_shell_parse_argv(all, &argc, &argv, NULL));
	fflush(stdout);
	for (int i = 0; i < 2; i++) {
		int fd = open(path[i], O_WRONLY | O_CREAT | O_TRUNC, 0600);

		saved[i] = dup(i + 1);
		dup2(fd, i + 1);
		close(fd);
	}
	{
		char **words = g_new(char *, argc + 1); /* the parser moves them about */

		memcpy(words, argv, sizeof *words * ((size_t)argc + 1));
		status = command(argc, words);
		g_free(words);
	}
	fflush(stdout);
	for (int i = 0; i < 2; i++) {
		dup2(saved[i], i + 1);
		close(saved[i]);
	}
	g_assert_true(g_file_get_contents(path[0], &out, NULL, NULL));
	g_assert_true(g_file_get_contents(path[1], &err, NULL, NULL));
	g_test_message("%s -> %d %s", all, status, err);
	g_assert_cmpint(status, ==, expected);
	g_strfreev(argv);
	g_free(all);
	for (int i = 0; i < 2; i++) {
		unlink(path[i]);
		g_free(path[i]);
	}
	all = g_strconcat(out, err, NULL);
	g_free(out);
	g_free(err);
	return all;
}

#define ASSERT_RUN(p, command, line, status, expected)                                             \
	do {                                                                                       \
		char *line_ = line, *text_ = run(p, cmd_##command, #command, line_, status);       \
		g_assert_cmpstr(text_, ==, expected);                                              \
		g_free(text_);                                                                     \
		g_free(line_);                                                                     \
	} while (0)

#define ASSERT_FAILS(p, command, line, status, part)                                               \
	do {                                                                                       \
		char *line_ = line, *text_ = run(p, cmd_##command, #command, line_, status);       \
		g_assert_nonnull(strstr(text_, part));                                             \
		g_assert_true(g_str_has_prefix(text_, "virtmeter " #command ": "));                \
		g_assert_true(strchr(text_, '\n') == text_ + strlen(text_) - 1);                   \
		g_free(text_);                                                                     \
		g_free(line_);                                                                     \
	} while (0)

#define VM0                                                                                        \
	"\"resource_metadata\": {\"display_name\": \"vm-0\", \"status\": \"active\", \"flavor\":"  \
	" {\"name\": \"m1.small\", \"ram\": 512}}"

static void test_samples(void)
{
	struct place p;

	place_init(&p, "");
	ASSERT_RUN(
		&p, samples,
		g_strdup_printf("--store %s --format json --meter 'meter.[0]' --resource"
				" 00000000-0000-4000-8000-000000000000",
				p.url),
		0,
		"{\"name\": \"meter.0\", \"type\": \"cumulative\", \"unit\": \"ns\","
		" \"volume\": 18446744073709551615, \"user_id\": \"user-0\", \"user_name\": null,"
		" \"project_id\": \"project-0\", \"project_name\": null,"
		" \"resource_id\": \"00000000-0000-4000-8000-000000000000\","
		" \"timestamp\": \"2026-07-21T13:57:12.123456\", " VM0
		", \"source\": \"openstack\","
		" \"id\": null, \"monotonic_time\": null}\n"
		"{\"name\": \"meter.0\", \"type\": \"cumulative\", \"unit\": \"ns\", \"volume\": 0,"
		" \"user_id\": \"user-0\", \"user_name\": null, \"project_id\": \"project-0\","
		" \"project_name\": null, \"resource_id\": \"00000000-0000-4000-8000-000000000000\","
		" \"timestamp\": \"2026-07-21T13:56:12.123456\", " VM0
		", \"source\": \"openstack\","
		" \"id\": null, \"monotonic_time\": null}\n");
	ASSERT_RUN(
		&p, samples, g_strdup_printf("--store %s --limit 3", p.url), 0,
		"TIME                        RESOURCE                              METER                  "
		"VOLUME  UNIT  TYPE\n"
		"2026-07-21T13:57:12.123456  00000000-0000-4000-8000-000000000000  meter.0  "
		"18446744073709551615  ns    cumulative\n"
		"2026-07-21T13:57:12.123456  00000000-0000-4000-8000-000000000000  meter.1               "
		"1000001  B     gauge\n"
		"2026-07-21T13:57:12.123456  00000000-0000-4000-8000-000000000001  meter.0                  "
		"1001  ns    cumulative\n");
	ASSERT_RUN(
		&p, samples,
		g_strdup_printf("--store %s --format csv --project project-1 --limit 1 --start"
				" 2026-07-21T13:57Z --end '2026-07-21 15:58:00+02:00'",
				p.url),
		0,
		"name,type,unit,volume,user_id,user_name,project_id,project_name,resource_id,timestamp,"
		"resource_metadata,source,id,monotonic_time,message_id\r\n"
		"meter.0,cumulative,ns,1001,user-1,,project-1,\"p, \"\"q\"\"\","
		"00000000-0000-4000-8000-000000000001,2026-07-21T13:57:12.123456,"
		"\"{\"\"display_name\"\": \"\"a \\\"\"b\\\"\", c\"\"}\",openstack,,,\r\n");
	ASSERT_RUN(&p, samples,
		   g_strdup_printf("--store %s --format json --metadata 'display_name=a \"b\", c'"
				   " --metadata x=y",
				   p.url),
		   0, "");
	ASSERT_RUN(&p, samples, g_strdup_printf("--store %s --format json --start -1h", p.url), 0,
		   "");
	ASSERT_RUN(&p, samples,
		   g_strdup_printf("--store %s --format csv --meter 'x[]]' --limit 0", p.url), 0,
		   "name,type,unit,volume,user_id,user_name,project_id,project_name,resource_id,"
		   "timestamp,resource_metadata,source,id,monotonic_time,message_id\r\n");
	place_fini(&p);
}

/* A key of the metadata may be written as --groupby and Ceilometer's queries have it. */
static void test_metadata(void)
{
	static const char *const keys[] = { "flavor.name", "metadata.flavor.name",
					    "resource_metadata.flavor.name" };
	struct place p;

	place_init(&p, "");
	for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
		ASSERT_RUN(
			&p, statistics,
			g_strdup_printf(
				"--store %s --format csv --meter meter.1 --metadata %s=m1.small"
				" --aggregate count,sum",
				p.url, keys[i]),
			0,
			"name,unit,period_start,period_end,duration_start,duration_end,count,sum\r\n"
			"meter.1,B,2026-07-21T13:56:12.123456,2026-07-21T13:57:12.123456,"
			"2026-07-21T13:56:12.123456,2026-07-21T13:57:12.123456,3,3001001\r\n");
	}
	place_fini(&p);
}

/* An empty table says how far the store goes; to scripts an empty answer is an answer. */
static void test_nothing(void)
{
	struct place p;

	place_init(&p, "");
	ASSERT_RUN(&p, samples, g_strdup_printf("--store %s --meter cpu", p.url), 0,
		   "virtmeter samples: nothing matches; the store's newest sample is of meter.0,"
		   " 2026-07-21T13:57:12.123456\n");
	ASSERT_RUN(&p, resources, g_strdup_printf("--store %s --user nobody", p.url), 0,
		   "virtmeter resources: nothing matches; the store's newest sample is of meter.0,"
		   " 2026-07-21T13:57:12.123456\n");
	ASSERT_RUN(&p, statistics, g_strdup_printf("--store %s --start -1h --aggregate avg", p.url),
		   0,
		   "virtmeter statistics: nothing matches; the store's newest sample is of meter.0,"
		   " 2026-07-21T13:57:12.123456\n");
	place_fini(&p);
}

static void test_message_ids(void)
{
	struct place p;

	place_init(&p, "?store_message_ids");
	ASSERT_FAILS(&p, samples, g_strdup("--store nothing://x"), 1,
		     "no store is called 'nothing'");
	ASSERT_RUN(
		&p, samples,
		g_strdup_printf(
			"--store '%s' --format json --meter meter.1 --limit 1 --user user-0",
			p.url),
		0,
		"{\"name\": \"meter.1\", \"type\": \"gauge\", \"unit\": \"B\", \"volume\": 1000001,"
		" \"user_id\": \"user-0\", \"user_name\": null, \"project_id\": \"project-0\","
		" \"project_name\": null, \"resource_id\": \"00000000-0000-4000-8000-000000000000\","
		" \"timestamp\": \"2026-07-21T13:57:12.123456\", " VM0
		", \"source\": \"openstack\","
		" \"id\": \"01000000-2030-1101-8000-010203040506\", \"monotonic_time\": 98765.0,"
		" \"message_id\": \"01000000-2030-1101-8000-010203040506\"}\n");
	place_fini(&p);
}

static void test_lists(void)
{
	struct place p;

	place_init(&p, "");
	ASSERT_RUN(
		&p, resources, g_strdup_printf("--store %s --format json --user user-1", p.url), 0,
		"{\"resource_id\": \"00000000-0000-4000-8000-000000000001\", \"source\": \"openstack\","
		" \"user_id\": \"user-1\", \"user_name\": null, \"project_id\": \"project-1\","
		" \"project_name\": \"p, \\\"q\\\"\","
		" \"first_sample_timestamp\": \"2026-07-21T13:56:12.123456\","
		" \"last_sample_timestamp\": \"2026-07-21T13:57:12.123456\","
		" \"metadata\": {\"display_name\": \"a \\\"b\\\", c\"}}\n");
	ASSERT_RUN(
		&p, meters, g_strdup_printf("--store %s --format csv --meter '*1'", p.url), 0,
		"name,type,unit,resource_id,user_id,user_name,project_id,project_name,source\r\n"
		"meter.1,gauge,B,00000000-0000-4000-8000-000000000000,user-0,,project-0,,openstack\r\n"
		"meter.1,gauge,B,00000000-0000-4000-8000-000000000001,user-1,,project-1,"
		"\"p, \"\"q\"\"\",openstack\r\n");
	place_fini(&p);
}

/* Without --store: the option, else the first of the pipelines that is one. */
static void test_configured(void)
{
	struct place p;
	char *text;

	place_init(&p, "");
	ASSERT_RUN(&p, meters, g_strdup("--format csv --limit 1"), 0,
		   "name,type,unit,resource_id,user_id,user_name,project_id,project_name,source\r\n"
		   "meter.0,cumulative,ns,00000000-0000-4000-8000-000000000000,user-0,,project-0,,"
		   "openstack\r\n");
	g_file_set_contents(p.conf, "[virtmeter]\nstore = sqlite:///no/such/file\n", -1, NULL);
	ASSERT_FAILS(&p, meters, g_strdup(""), 1,
		     "sqlite:///no/such/file: No such file or directory; name an existing store");
	g_file_set_contents(p.conf, "", 0, NULL);
	text = g_strdup("sources: [{name: a, meters: ['*'], sinks: [a]}]\n"
			"sinks: [{name: a, publishers: ['null://']}]\n");
	g_file_set_contents(p.pipeline, text, -1, NULL);
	ASSERT_FAILS(&p, samples, g_strdup(""), 1, "--store sqlite:///path");
	g_free(text);
	place_fini(&p);
}

static void test_reasons(void)
{
	struct place p;

	place_init(&p, "");
	ASSERT_FAILS(&p, samples, g_strdup_printf("--store sqlite://%s/none.db", p.folder), 1,
		     "No such file or directory; name an existing store with --store");
	ASSERT_FAILS(&p, samples, g_strdup_printf("--store sqlite://%s/none.db", p.folder), 1,
		     "; what writes it makes it with the first sample");
	ASSERT_FAILS(&p, samples, g_strdup("--store /some/x.db"), 1,
		     "--store: '/some/x.db' is no URL; write sqlite:///some/x.db");
	ASSERT_FAILS(&p, samples, g_strdup("--store x.db"), 1,
		     "--store: 'x.db' is no URL; write sqlite:///path/to/file");
	ASSERT_FAILS(&p, samples, g_strdup("--store null://"), 1, "null:// cannot be read");
	ASSERT_FAILS(&p, samples, g_strdup_printf("--store sqlite://%s", p.pipeline), 1,
		     "is not an SQLite database");
	ASSERT_FAILS(&p, samples, g_strdup("--start yesterday"), 2, "'yesterday' is no time");
	ASSERT_FAILS(&p, samples, g_strdup("--start -1h --end -2h"), 2, "is not after");
	ASSERT_FAILS(&p, samples, g_strdup("--metadata flavor"), 2, "write key=value");
	ASSERT_FAILS(&p, samples, g_strdup("--format xml"), 2, "table, json or csv");
	ASSERT_FAILS(&p, samples, g_strdup("--limit -3"), 2, "--limit: -3 will not do");
	ASSERT_FAILS(&p, samples, g_strdup("--limit -1"), 2, "--limit: -1 will not do");
	ASSERT_FAILS(&p, samples, g_strdup("--resource a --resource b"), 2,
		     "--resource: given more than once");
	ASSERT_FAILS(&p, resources, g_strdup("--project a --project b"), 2, "--project: given");
	ASSERT_FAILS(&p, meters, g_strdup("--user a --user b"), 2, "--user: given");
	ASSERT_FAILS(&p, samples, g_strdup("--meter 'cpu['"), 2, "--meter: 'cpu[' will not do");
	ASSERT_FAILS(&p, samples, g_strdup("--meter 'a[b]c[!]'"), 2, "close its '['");
	ASSERT_FAILS(&p, samples, g_strdup("--metadata metadata.=x"), 2, "write key=value");
	ASSERT_FAILS(&p, samples, g_strdup("cpu"), 2, "'cpu' is not expected");
	g_assert_cmpint(g_access(p.folder, F_OK), ==, 0);
	place_fini(&p);
}

static void test_statistics(void)
{
	struct place p;

	place_init(&p, "");
	ASSERT_RUN(
		&p, statistics,
		g_strdup_printf(
			"--store %s --format json --meter meter.0 --groupby resource,project"
			" --resource 00000000-0000-4000-8000-000000000001",
			p.url),
		0,
		"{\"name\": \"meter.0\", \"unit\": \"ns\", \"groupby\": {\"resource_id\":"
		" \"00000000-0000-4000-8000-000000000001\", \"project_id\": \"project-1\"},"
		" \"period\": 0, \"period_start\": \"2026-07-21T13:56:12.123456\","
		" \"period_end\": \"2026-07-21T13:57:12.123456\", \"duration\": 60.0,"
		" \"duration_start\": \"2026-07-21T13:56:12.123456\","
		" \"duration_end\": \"2026-07-21T13:57:12.123456\", \"count\": 2, \"min\": 1000,"
		" \"max\": 1001, \"avg\": 1000.5, \"sum\": 2001, \"stddev\": 0.5, \"first\": 1000,"
		" \"last\": 1001, \"increase\": 1, \"rate\": 0.016666666666666666}\n");
	ASSERT_RUN(&p, statistics,
		   g_strdup_printf("--store %s --format csv --meter 'meter.*' --period 60 --start"
				   " 2026-07-21T13:56Z --aggregate count,first,rate --groupby"
				   " metadata.display_name --limit 2",
				   p.url),
		   0,
		   "name,unit,metadata.display_name,period_start,period_end,duration_start,"
		   "duration_end,count,first,rate\r\n"
		   "meter.0,ns,\"a \"\"b\"\", c\",2026-07-21T13:57:00,2026-07-21T13:58:00,"
		   "2026-07-21T13:57:12.123456,2026-07-21T13:57:12.123456,1,1001,"
		   "0.016666666666666666\r\n"
		   "meter.0,ns,vm-0,2026-07-21T13:56:00,2026-07-21T13:57:00,"
		   "2026-07-21T13:56:12.123456,2026-07-21T13:56:12.123456,1,0,\r\n");
	ASSERT_RUN(&p, statistics,
		   g_strdup_printf("--store %s --meter meter.1 --groupby user --metadata"
				   " flavor.ram=512",
				   p.url),
		   0,
		   "START                       METER    USER ID  COUNT      MIN      MAX      AVG"
		   "      SUM  INCREASE  RATE  UNIT\n"
		   "2026-07-21T13:56:12.123456  meter.1  user-0       2  1000000  1000001  1000000"
		   "  2000001         -     -  B\n"
		   "2026-07-21T13:56:12.123456  meter.1  user-1       1  1001000  1001000  1001000"
		   "  1001000         -     -  B\n");
	ASSERT_RUN(&p, statistics, g_strdup_printf("--store %s --format json --start -1h", p.url),
		   0, "");
	ASSERT_FAILS(&p, statistics, g_strdup("--groupby shape"), 2, "there is no field 'shape'");
	ASSERT_FAILS(&p, statistics, g_strdup("--aggregate avg,median"), 2,
		     "'median' will not do; write some of count,");
	ASSERT_FAILS(&p, statistics, g_strdup("--aggregate ''"), 2, "--aggregate: '' will not do");
	ASSERT_FAILS(&p, statistics, g_strdup("--aggregate avg,"), 2,
		     "--aggregate: '' will not do");
	ASSERT_FAILS(&p, statistics, g_strdup("--groupby ''"), 2, "there is no field ''");
	ASSERT_FAILS(&p, statistics, g_strdup("--groupby metadata."), 2,
		     "there is no field 'metadata.'");
	ASSERT_FAILS(&p, statistics, g_strdup("--groupby resource_metadata."), 2,
		     "there is no field 'metadata.'");
	ASSERT_FAILS(&p, statistics, g_strdup("--period -60"), 2, "--period: -60 will not do");
	ASSERT_FAILS(&p, statistics, g_strdup("--period 0"), 2, "--period: 0 will not do");
	place_fini(&p);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/cmd/samples/samples", test_samples);
	g_test_add_func("/cmd/samples/metadata", test_metadata);
	g_test_add_func("/cmd/samples/nothing", test_nothing);
	g_test_add_func("/cmd/samples/message-ids", test_message_ids);
	g_test_add_func("/cmd/samples/lists", test_lists);
	g_test_add_func("/cmd/samples/statistics", test_statistics);
	g_test_add_func("/cmd/samples/configured", test_configured);
	g_test_add_func("/cmd/samples/reasons", test_reasons);
	return g_test_run();
}

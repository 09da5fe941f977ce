/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `virtmeter send` with the file publisher and transformers: what is sent, through which sinks, and what it
 * says when it cannot.
 */
#include "builtin.h"
#include "cmd/cmd_fixture.h"

extern const struct vmt_plugin vmt_plugin_publisher_file, vmt_plugin_publisher_test,
	vmt_plugin_transformer_unit_conversion, vmt_plugin_transformer_rate_of_change;

const struct vmt_plugin *const builtin_plugins[] = { &vmt_plugin_publisher_file,
						     &vmt_plugin_publisher_test,
						     &vmt_plugin_transformer_unit_conversion,
						     &vmt_plugin_transformer_rate_of_change, NULL };

const char *builtin_plugin_folder(void)
{
	return "";
}

/* A source of all meters, and these sinks. */
static void begin(const char *sinks, const char *list)
{
	char *text;

	folder = g_dir_make_tmp("send-test-XXXXXX", NULL);
	put("v.conf",
	    "[DEFAULT]\npipeline_cfg_file=./pipeline.yaml\nplugin_dir=\nsample_source=src\n");
	text = g_strdup_printf("sources:\n  - name: all\n    meters: ['*', '!unwanted']\n"
			       "    sinks: [%s]\nsinks:\n%s",
			       sinks, list);
	put("pipeline.yaml", text);
	g_free(text);
}

static void end(void)
{
	GDir *dir = g_dir_open(folder, 0, NULL);
	const char *name;

	while ((name = g_dir_read_name(dir)) != NULL) {
		char *path = path_of(name);

		g_remove(path);
		g_free(path);
	}
	g_dir_close(dir);
	g_rmdir(folder);
	g_free(folder);
}

#define FILE_SINK(name_, file_)                                                                    \
	"  - name: " name_ "\n    publishers: ['file:///proc/self/cwd/" file_ "?json']\n"
#define TAKEN(file_) "file:///proc/self/cwd/" file_ "?json: taken\n"

/* The lines of a file; "" when there is none. */
static char *read_file(const char *name)
{
	char *path = path_of(name), *text = NULL;

	if (!g_file_get_contents(path, &text, NULL, NULL)) {
		text = g_strdup("");
	}
	g_free(path);
	return text;
}

static unsigned count(const char *name, const char *part)
{
	char *text = read_file(name);
	unsigned n = 0;

	g_test_message("%s: %s", name, text);
	for (const char *at = text; (at = strstr(at, part)) != NULL; at++) {
		n++;
	}
	g_free(text);
	return n;
}

static void test_sample(void)
{
	const char *const parts[] = {
		"\"name\": \"m\"",
		"\"type\": \"delta\"",
		"\"unit\": \"B\"",
		"\"volume\": 18446744073709551615",
		"\"user_id\": \"u\"",
		"\"project_id\": \"p\"",
		"\"resource_id\": \"r\"",
		"\"timestamp\": \"2026-07-21T13:56:12",
		"\"resource_metadata\": {\"a b\": [1, null]}",
		"\"source\": \"src\"",
	};

	begin("k", FILE_SINK("k", "all"));
	expect(cmd_send,
	       "send --config-file v.conf --name m --resource r --type delta --unit B --user u "
	       "--project p --volume 18446744073709551615 --timestamp 2026-07-21T13:56:12 "
	       "--metadata '{\"a b\": [1, null]}'",
	       0, TAKEN("all"), "");
	for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
		g_assert_cmpuint(count("all", parts[i]), ==, 1);
	}
	/* what is not said; the names of ceilometer-send-sample */
	expect(cmd_send,
	       "send --config-file v.conf --sample-name n --sample-resource q --sample-volume -2.5",
	       0, TAKEN("all"), "");
	g_assert_cmpuint(count("all", "\"name\": \"n\", \"type\": \"gauge\", \"unit\": \"\", "
				      "\"volume\": -2.5, \"user_id\": null"),
			 ==, 1);
	end();
}

#define SCALED                                                                                      \
	"  - name: scaled\n    transformers:\n      - name: unit_conversion\n        parameters:\n" \
	"          target: {name: kilo, unit: kB, scale: 'volume / 1000.0'}\n"                      \
	"    publishers: ['file:///proc/self/cwd/scaled?json']\n"
#define RATE                                                                                       \
	"  - name: rate\n    transformers:\n      - name: rate_of_change\n        parameters:\n"   \
	"          target: {name: rate, unit: B/s, type: gauge}\n"                                 \
	"    publishers: ['file:///proc/self/cwd/rate?json']\n"

/* Through the sinks' transformers, as the agent's own samples. */
static void test_transformers(void)
{
	struct said said;

	begin("k, scaled", FILE_SINK("k", "all") SCALED);
	expect(cmd_send, "send --config-file v.conf -n bytes -r r -l 1500 -t cumulative", 0,
	       TAKEN("all") TAKEN("scaled"), "");
	g_assert_cmpuint(count("all", "\"name\": \"bytes\""), ==, 1);
	g_assert_cmpuint(count("all", "\"volume\": 1500,"), ==, 1);
	g_assert_cmpuint(count("scaled", "\"name\": \"kilo\""), ==, 1);
	g_assert_cmpuint(count("scaled", "\"volume\": 1.5,"), ==, 1);
	g_assert_cmpuint(count("scaled", "\n"), ==, 1);
	end();
	/* one sample has no rate: that is said, and the other sink is not held up */
	begin("rate, k", RATE FILE_SINK("k", "all"));
	run(cmd_send, "send --config-file v.conf -n bytes -r r -t cumulative", &said);
	g_assert_cmpint(said.status, ==, 1);
	g_assert_cmpstr(said.out, ==, TAKEN("all"));
	g_assert_nonnull(strstr(said.err, "virtmeter send: file:///proc/self/cwd/rate?json: the "
					  "transformers of its sink make nothing of this sample"));
	g_assert_cmpuint(count("rate", "\n"), ==, 0);
	g_free(said.out);
	g_free(said.err);
	expect(cmd_send,
	       "send --config-file v.conf -n bytes -r r --publisher "
	       "file:///proc/self/cwd/rate?json",
	       0, TAKEN("rate"), "");
	g_assert_cmpuint(count("rate", "\"name\": \"bytes\""), ==, 1);
	end();
}

/* Two sinks with one publisher send once; one that fails does not stop the others, and is told. */
static void test_publishers(void)
{
	struct said said;

	begin("a, b, c", FILE_SINK("a", "all") FILE_SINK("b", "all") FILE_SINK("c", "no/such"));
	run(cmd_send, "send --config-file v.conf -n m -r r", &said);
	g_assert_cmpint(said.status, ==, 1);
	g_assert_cmpstr(said.out, ==, TAKEN("all"));
	g_assert_true(
		g_str_has_prefix(said.err, "virtmeter send: file:///proc/self/cwd/no/such?json: "));
	g_assert_cmpuint(count("all", "\n"), ==, 1);
	g_free(said.out);
	g_free(said.err);
	end();
	begin("a", "  - name: a\n    publishers: ['test://?refuse=1', 'none://x?password=hid']\n");
	run(cmd_send, "send --config-file v.conf -n m -r r", &said);
	g_test_message("%s%s", said.out, said.err);
	g_assert_cmpint(said.status, ==, 1);
	g_assert_nonnull(strstr(said.err, "test://?refuse=1: "));
	g_assert_nonnull(strstr(said.err, "none://x?password=****: no publisher of that scheme"));
	g_assert_null(strstr(said.err, "hid"));
	g_free(said.out);
	g_free(said.err);
	end();
}

static void wrong(const char *words, int status, const char *reason)
{
	char *all = g_strdup_printf("send --config-file v.conf %s", words);
	struct said said;

	run(cmd_send, all, &said);
	g_test_message("%s: %s", words, said.err);
	g_assert_cmpint(said.status, ==, status);
	g_assert_cmpstr(said.out, ==, "");
	g_assert_true(g_str_has_prefix(said.err, "virtmeter send: "));
	g_assert_nonnull(strstr(said.err, reason));
	g_assert_true(strchr(said.err, '\n') == said.err + strlen(said.err) - 1);
	g_free(said.out);
	g_free(said.err);
	g_free(all);
}

static void test_wrong_words(void)
{
	begin("k", FILE_SINK("k", "all"));
	wrong("", 2, "give --name and --resource");
	wrong("-n m", 2, "give --name and --resource");
	wrong("-n m -r r --type total", 2, "--type total: one of cumulative, gauge, delta");
	wrong("-n m -r r --volume 1x", 2, "--volume 1x: not a finite number");
	wrong("-n m -r r --volume inf", 2, "not a finite number");
	wrong("-n m -r r --volume ''", 2, "not a finite number");
	wrong("-n m -r r --metadata '[]'", 2, "--metadata: not a JSON object");
	wrong("-n m -r r --timestamp soon", 2, "--timestamp soon: write 2026-07-21T13:56:12");
	wrong("-n m -r r more", 2, "more: takes options only");
	wrong("-n m -r r --unknown", 2, "--unknown");
	wrong("-n unwanted -r r", 1, "unwanted: no pipeline takes a meter of that name");
	wrong("-n m -r r --config-file nowhere", 1, "nowhere");
	g_assert_cmpuint(count("all", "\n"), ==, 0);
	end();
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/cmd/send/sample", test_sample);
	g_test_add_func("/cmd/send/transformers", test_transformers);
	g_test_add_func("/cmd/send/publishers", test_publishers);
	g_test_add_func("/cmd/send/wrong-words", test_wrong_words);
	return g_test_run();
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `virtmeter poll` and the command line of `virtmeter agent` as a user meets them, on the simulated hypervisor, in a
 * process of their own.
 */
#include "builtin.h"
#include "cmd/cmd_fixture.h"

extern const struct vmt_plugin vmt_plugin_discovery_simulated, vmt_plugin_inspector_simulated,
	vmt_plugin_publisher_null;

const struct vmt_plugin *const builtin_plugins[] = { &vmt_plugin_discovery_simulated,
						     &vmt_plugin_inspector_simulated,
						     &vmt_plugin_publisher_null, NULL };

const char *builtin_plugin_folder(void)
{
	return "";
}

/* The FROM of each row that is about the meter, one a line. */
static char *origins(const char *table, const char *meter)
{
	char **lines = g_strsplit(table, "\n", -1);
	GString *out = g_string_new("");

	for (size_t i = 0; lines[i]; i++) {
		char **word = g_regex_split_simple(" +", g_strstrip(lines[i]), 0, 0);
		guint n = g_strv_length(word);

		if (n > 3 && strcmp(word[1], meter) == 0) {
			g_string_append_printf(out, "%s\n", word[n - 1]);
		}
		g_strfreev(word);
	}
	g_strfreev(lines);
	return g_string_free(out, FALSE);
}

static void test_explain(void)
{
	static const struct {
		const char *meter, *from;
	} rows[] = {
		{ "cpu", "simulated\n" },
		{ "vcpus", "simulated\n" },
		{ "disk.root.size", "discovery\n" },
		{ "vm.outcome", "inspector\n" },
		{ "vm.sample.age", "inspector\n" },
		{ "vm.host.lateness", "agent\n" },
	};
	struct said said;

	put("one.conf", "[DEFAULT]\nplugin_dir =\n[simulated]\ninstances = 1\nstopped = 0\n");
	run(cmd_poll, "poll --demo --config-file one.conf --explain", &said);
	g_assert_cmpint(said.status, ==, 0);
	g_assert_cmpstr(said.err, ==, "");
	g_assert_nonnull(strstr(said.out, " AGE  FROM"));
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		char *from = origins(said.out, rows[i].meter);

		g_test_message("%s", rows[i].meter);
		g_assert_cmpstr(from, ==, rows[i].from);
		g_free(from);
	}
	g_free(said.out);
	g_free(said.err);
	run(cmd_poll,
	    "poll --demo --config-file one.conf --explain --format json --meter vm.outcome --meter cpu",
	    &said);
	g_assert_cmpint(said.status, ==, 0);
	g_assert_nonnull(strstr(said.out, "\"read_from\": \"simulated\"}\n"));
	g_assert_nonnull(strstr(said.out, "\"read_from\": \"inspector\"}\n"));
	g_assert_nonnull(strstr(said.out, "\"age_s\": 0."));
	g_free(said.out);
	g_free(said.err);
}

static void test_pattern(void)
{
	struct said said;

	put("one.conf", "[DEFAULT]\nplugin_dir =\n[simulated]\ninstances = 1\nstopped = 0\n");
	expect(cmd_poll, "poll --demo --config-file one.conf --meter cpuu", 1, "",
	       "virtmeter poll: command line: no meter matches cpuu (did you mean cpu?); `virtmeter list "
	       "meters` has them\n");
	/* the others are shown all the same */
	run(cmd_poll, "poll --demo --config-file one.conf --meter memori --meter cpu", &said);
	g_assert_cmpint(said.status, ==, 1);
	g_assert_nonnull(strstr(said.err, "(did you mean memory?)"));
	g_assert_nonnull(strstr(said.out, " cpu "));
	g_free(said.out);
	g_free(said.err);
}

static void test_usage(void)
{
	static const char *const numbers[] = { "--cycles 0",       "--cycles -1",
					       "--interval 0",     "--interval -1",
					       "--interval 1e-12", "--interval nan",
					       "--interval 1e10" };

	for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
		char *agent = g_strdup_printf("agent --demo %s", numbers[i]);
		char *poll = g_strdup_printf("poll --demo %s", numbers[i]);

		expect(cmd_agent, agent, 2, "",
		       "virtmeter agent: --cycles and --interval take numbers above 0; see virtmeter agent "
		       "--help\n");
		expect(cmd_poll, poll, 2, "",
		       "virtmeter poll: --cycles and --interval take numbers above 0; see virtmeter poll "
		       "--help\n");
		g_free(agent);
		g_free(poll);
	}
	expect(cmd_poll, "poll --inspector simulated --uri qemu:///system", 2, "",
	       "virtmeter poll: --uri names a hypervisor for inspector libvirt, --inspector another; leave "
	       "one of them out; see virtmeter poll --help\n");
	expect(cmd_poll, "poll --demo --uri vsphere://user@host", 2, "",
	       "virtmeter poll: --uri names a hypervisor for inspector vsphere, --demo another; leave one of "
	       "them out; see virtmeter poll --help\n");
}

int main(int argc, char **argv)
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	folder = g_dir_make_tmp("poll-XXXXXX", NULL);
	g_test_add_func("/cmd/poll/explain", test_explain);
	g_test_add_func("/cmd/poll/pattern", test_pattern);
	g_test_add_func("/cmd/poll/usage", test_usage);
	ret = g_test_run();
	for (size_t i = 0; i < 3; i++) {
		char *path = path_of((const char *[]){ "one.conf", "out", "err" }[i]);

		g_remove(path);
		g_free(path);
	}
	g_rmdir(folder);
	g_free(folder);
	return ret;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of Ceilometer's log that monitoring looks for (log_format = oslo), over some cycles with a publisher that
 * fails.
 */
#include "tests/scenario/stage.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

static const char pipeline[] =
	"sources:\n- {name: one, interval: 60, meters: [cpu], sinks: [k]}\n"
	"- {name: two, interval: 60, meters: [memory.usage, 'disk.root.*'], sinks: [l]}\n"
	"sinks:\n- name: k\n  transformers: [{name: rate_of_change, parameters: {target: {name: u}}}]\n"
	"  publishers: ['test://']\n"
	"- name: l\n  transformers:\n"
	"  publishers: ['test://?fail=1000000&policy=queue&max_queue_length=1', 'test://?fail=1&policy=drop']\n";

static void run_agent(const char *conf, const char *log)
{
	struct stage stage = { NULL };
	struct log_settings settings = { .level = VMT_LOG_INFO,
					 .form = LOG_FORM_OSLO,
					 .file = log };
	struct vmt_error error = { "" };
	struct buf answer = BUF_INIT;

	stage_open(&stage, conf, 60, "'test://'");
	stage_write(&stage, "pipeline.yaml", "%s", pipeline);
	g_assert_cmpint(agent_reload(stage.agent, &answer), ==, 0);
	g_assert_cmpint(log_init(&settings, &error), ==, 0);
	stage_run(&stage, 10 * 60 * NS_PER_S); /* it leaves samples behind, so not with 0 */
	stage_close(&stage);
	log_fini();
	buf_fini(&answer);
}

/* In a process of its own, as the simulation begins once in each. */
static char *run_logged(const char *conf)
{
	char *path, *text = NULL;
	int status;
	pid_t pid;

	g_close(g_file_open_tmp("words-XXXXXX", &path, NULL), NULL);
	pid = fork();
	g_assert_cmpint(pid, >=, 0);
	if (pid == 0) {
		run_agent(conf, path);
		_exit(0);
	}
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	g_assert_cmpint(status, ==, 0);
	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	g_remove(path);
	g_free(path);
	return text;
}

static void test_words(void)
{
	static const char *const words[] = {
		"INFO ceilometer.polling.manager [-] Polling pollster cpu in the context of one\n",
		"INFO ceilometer.polling.manager [-] Finished polling pollster cpu in the context of one\n",
		"INFO ceilometer.polling.manager [-] Polling pollster memory.usage in the context of two\n",
		"WARNING rate_of_change [-] dropping sample with no predecessor: cpu of 3 resources\n",
		"Failed to publish 6 samples, queue them: ",
		"Failed to publish 6 samples, dropping them: ",
		"Publisher max local_queue length is exceeded, dropping 6 oldest samples\n",
	};
	char *text = run_logged(
		"[DEFAULT]\nlog_format = oslo\n[simulated]\ninstances = 3\nstopped = 0\n");

	for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
		if (!strstr(text, words[i])) {
			g_test_message("%s", text);
			g_test_message("not there: %s", words[i]);
			g_test_fail();
		}
	}
	g_free(text);
	/* not where nobody asked for them */
	text = run_logged("[simulated]\ninstances = 3\nstopped = 0\n");
	g_assert_null(strstr(text, "ollster"));
	g_free(text);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/scenario/words", test_words);
	return g_test_run();
}

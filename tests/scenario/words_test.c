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
#include "base/wait.h"

static const char pipeline[] =
	"sources:\n- {name: one, interval: 60, meters: [cpu], sinks: [k]}\n"
	"- {name: two, interval: 60, meters: [memory.usage, 'disk.root.*', sleeps], sinks: [l]}\n"
	"sinks:\n- name: k\n  transformers: [{name: rate_of_change, parameters: {target: {name: u}}}]\n"
	"  publishers: ['test://']\n"
	"- name: l\n  transformers:\n"
	"  publishers: ['test://?fail=1000000&policy=queue&max_queue_length=1', 'test://?fail=1&policy=drop']\n";

#define SLEEPER "pollsters = sleeper\n"

/* A pollster that takes longer than the interval, whatever time it is given. */
static int sleeper_open(const void *conf, void **ret_self, struct vmt_error *error)
{
	*ret_self = NULL;
	return 0;
}

static int sleeper_poll(void *self, const struct vmt_snapshot *instances,
			const struct vmt_inspection *readings, struct vmt_samples *out,
			const struct vmt_call *call, struct vmt_error *error)
{
	wait_sleep(90 * NS_PER_S);
	return 0;
}

static void sleeper_close(void *self)
{
}

static const struct vmt_meter sleeps = {
	.name = "sleeps", .unit = "s", .type = VMT_GAUGE, .help = "None."
};
static const struct vmt_pollster_ops sleeper_ops = { .meters = &sleeps,
						     .count = 1,
						     .open = sleeper_open,
						     .poll = sleeper_poll,
						     .close = sleeper_close };
static const struct vmt_plugin sleeper = {
	.abi = VMT_ABI, .ns = VMT_POLLSTER, .name = "sleeper", .ops.pollster = &sleeper_ops
};

static void run_agent(const char *conf, enum vmt_log_level level, const char *log)
{
	struct stage stage = { NULL };
	struct log_settings settings = { .level = level, .form = LOG_FORM_OSLO, .file = log };
	struct vmt_error error = { "" };
	struct buf answer = BUF_INIT;

	if (strstr(conf, SLEEPER)) {
		stage_add_plugin(&sleeper);
	}
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
static char *run_logged(const char *conf, enum vmt_log_level level)
{
	char *path, *text = NULL;
	int status;
	pid_t pid;

	g_close(g_file_open_tmp("words-XXXXXX", &path, NULL), NULL);
	pid = fork();
	g_assert_cmpint(pid, >=, 0);
	if (pid == 0) {
		run_agent(conf, level, path);
		_exit(0);
	}
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	g_assert_cmpint(status, ==, 0);
	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	g_remove(path);
	g_free(path);
	return text;
}

#define CONF "[simulated]\ninstances = 3\nstopped = 0\n"
#define OSLO "[DEFAULT]\nlog_format = oslo\n" CONF

/* All of the words are in the log; `words` ends with NULL. */
static void assert_words(const char *text, const char *const *words)
{
	for (size_t i = 0; words[i]; i++) {
		if (!strstr(text, words[i])) {
			g_test_message("%s", text);
			g_test_message("not there: %s", words[i]);
			g_test_fail();
		}
	}
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
		NULL,
	};
	char *text = run_logged(OSLO, VMT_LOG_INFO);

	assert_words(text, words);
	g_assert_null(strstr(text, "Skip pollster"));
	g_free(text);
	/* not where nobody asked for them */
	text = run_logged(CONF, VMT_LOG_INFO);
	g_assert_null(strstr(text, "ollster"));
	g_free(text);
}

/* Discovery fails, at the start and later. */
static void test_trouble(void)
{
	static const char *const words[] = {
		"WARNING polling [-] Unable to discover resources: simulated: the script says blind; "
		"nothing to poll in this cycle\n",
		"DEBUG ceilometer.polling.manager [-] Skip pollster cpu, no resources found this cycle\n",
		"WARNING ceilometer.compute.discovery [-] Unable to discover resources: simulated: the "
		"script says blind; keeping the last list of instances\n",
		NULL,
	};
	char *text = run_logged(OSLO "script = ..+90s blind; +190s..+250s blind\n", VMT_LOG_DEBUG);

	assert_words(text, words);
	g_free(text);
}

/* A cycle takes longer than its interval. */
static void test_late(void)
{
	char *text = run_logged("[DEFAULT]\nlog_format = oslo\n[virtmeter]\n" SLEEPER CONF,
				VMT_LOG_INFO);

	assert_words(text, (const char *const[]){ "WARNING polling [-] task ",
						  " run outlasted interval by 30.00 sec\n", NULL });
	g_free(text);
}

/* Nobody is there: each pollster is skipped, and none is said to be polled. */
static void test_nobody(void)
{
	static const char *const words[] = {
		"DEBUG ceilometer.polling.manager [-] Skip pollster cpu, no resources found this cycle\n",
		"Skip pollster memory.usage, no resources found this cycle\n",
		NULL,
	};
	char *text = run_logged(OSLO "script = gone\n", VMT_LOG_DEBUG);

	assert_words(text, words);
	g_assert_null(strstr(text, "olling pollster"));
	g_free(text);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/scenario/words", test_words);
	g_test_add_func("/scenario/words/trouble", test_trouble);
	g_test_add_func("/scenario/words/late", test_late);
	g_test_add_func("/scenario/words/nobody", test_nobody);
	return g_test_run();
}

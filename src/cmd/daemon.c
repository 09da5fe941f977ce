/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A daemon's life in the foreground: signals, control socket, service manager.  Main thread; it blocks only in the
 * main loop.
 */
#include "cmd/daemon.h"

#include <glib-unix.h>
#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define LOG_NAME agent_logger
#include "agent/agent.h"
#include "agent/watchdog.h"
#include "base/buf.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "control/control.h"
#include "control/notify.h"
#include "version.h"

struct running {
	struct agent *agent;
	struct control *control;
	unsigned signals;
};

static void on_status(void *context, struct buf *json)
{
	agent_status(((struct running *)context)->agent, json);
}

static void on_reload(void *context, struct buf *json)
{
	notify_reloading();
	agent_reload(((struct running *)context)->agent, json);
	notify_ready();
}

static const struct control_ops control_ops = { .status = on_status, .reload = on_reload };

/* SIGTERM, SIGINT: the first in good order, the second at once. */
static gboolean on_end(gpointer data)
{
	struct running *r = data;

	if (r->signals++ > 0) {
		log_warn("second signal: leaving at once");
		log_fini();
		_exit(CMD_FAILED);
	}
	log_info("stopping: what is under way is finished and the queues flushed first");
	notify_stopping();
	agent_stop(r->agent);
	return G_SOURCE_CONTINUE;
}

static gboolean on_hangup(gpointer data)
{
	struct buf answer = BUF_INIT;

	log_reopen();
	on_reload(data, &answer);
	buf_fini(&answer);
	return G_SOURCE_CONTINUE;
}

char *daemon_overrides(const struct daemon_arguments *a)
{
	GString *text = g_string_new("[DEFAULT]\n");

	if (a->debug || a->no_debug) {
		g_string_append_printf(text, "debug = %s\n", a->debug ? "true" : "false");
	}
	if (a->log_file) {
		g_string_append_printf(text, "log_file = %s\n", a->log_file);
	}
	if (a->log_dir) {
		g_string_append_printf(text, "log_dir = %s\n", a->log_dir);
	}
	g_string_append(text, a->syslog ? "use_syslog = true\n" : "");
	g_string_append(text, a->journal ? "use_journal = true\n" : "");
	return g_string_free(text, FALSE);
}

void daemon_arguments_fini(struct daemon_arguments *a)
{
	g_strfreev(a->config_files);
	g_strfreev(a->config_dirs);
	g_strfreev(a->publishers);
	g_free(a->log_file);
	g_free(a->log_dir);
	g_free(a->control);
}

/* Where `virtmeter status` will ask.  Without it the daemon works all the same. */
static void open_control(struct running *r, const char *role, const char *socket)
{
	const char *configured = agent_settings(r->agent)->control_socket;
	struct control_settings settings = { .path = socket ? socket : configured,
					     .role = role,
					     .ops = &control_ops,
					     .context = r };
	struct vmt_error error;

	settings.mode = (unsigned)agent_settings(r->agent)->control_socket_mode;
	if (control_open(&settings, &r->control, &error) < 0) {
		log_warn("%s; going on without a control socket", error.text);
	}
}

int daemon_run(struct agent *agent, const char *role, const char *socket)
{
	struct running r = { .agent = agent };
	guint sources[3];
	struct watchdog *watchdog;
	int status;

	open_control(&r, role, socket);
	sources[0] = g_unix_signal_add(SIGTERM, on_end, &r);
	sources[1] = g_unix_signal_add(SIGINT, on_end, &r);
	sources[2] = g_unix_signal_add(SIGHUP, on_hangup, &r);
	signal(SIGPIPE, SIG_IGN);
	log_info("virtmeter %s", VIRTMETER_VERSION);
	watchdog = watchdog_new(agent);
	notify_ready();
	status = agent_run(agent);
	notify_stopping();
	watchdog_free(watchdog);
	for (size_t i = 0; i < G_N_ELEMENTS(sources); i++) {
		g_source_remove(sources[i]);
	}
	control_close(r.control);
	if (!agent_clean(agent)) {
		/* a thread that does not come back from the hypervisor or a far side is left behind */
		log_fini();
		fflush(NULL);
		_exit(status);
	}
	return status;
}

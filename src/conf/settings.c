/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program's own options: their table, and what a table cannot check.  Built on the main thread, then
 * constant; blocks on nothing.
 */
#include "conf/settings.h"

#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "base/arena.h"
#include "base/clock.h"
#include "conf/nearest.h"
#include "conf/option.h"

static const char *const methods[] = { "libvirt_metadata", "naive", "workload_partitioning", NULL };
static const char *const profiles[] = { "juno", "19", "26", NULL }; /* by enum vmt_profile */
static const char *const delivers[] = { "auto", "sinks", "notifications", "both",
					NULL }; /* by enum settings_deliver */
static const char *const log_formats[] = { "plain", "oslo", "json", NULL }; /* by enum log_form */

/* oslo.log takes the name with and without LOG_, in any case. */
static const struct {
	const char *name;
	int facility;
} facilities[] = {
	{ "LOG_USER", LOG_USER },     { "LOG_DAEMON", LOG_DAEMON },
	{ "LOG_AUTH", LOG_AUTH },     { "LOG_AUTHPRIV", LOG_AUTHPRIV },
	{ "LOG_CRON", LOG_CRON },     { "LOG_FTP", LOG_FTP },
	{ "LOG_KERN", LOG_KERN },     { "LOG_LPR", LOG_LPR },
	{ "LOG_MAIL", LOG_MAIL },     { "LOG_NEWS", LOG_NEWS },
	{ "LOG_SYSLOG", LOG_SYSLOG }, { "LOG_UUCP", LOG_UUCP },
	{ "LOG_LOCAL0", LOG_LOCAL0 }, { "LOG_LOCAL1", LOG_LOCAL1 },
	{ "LOG_LOCAL2", LOG_LOCAL2 }, { "LOG_LOCAL3", LOG_LOCAL3 },
	{ "LOG_LOCAL4", LOG_LOCAL4 }, { "LOG_LOCAL5", LOG_LOCAL5 },
	{ "LOG_LOCAL6", LOG_LOCAL6 }, { "LOG_LOCAL7", LOG_LOCAL7 },
};

#define OPTION(group_, name_, type_, member_, def_, help_, ...)                                    \
	{                                                                                          \
		.group = group_, .name = name_, .type = VMT_OPT_##type_,                           \
		.offset = offsetof(struct settings, member_), .def = def_, .help = help_,          \
		__VA_ARGS__                                                                        \
	}
#define OWN "virtmeter"
#define DISPATCHERS(group_, name_, i_, help_)                                                      \
	OPTION(group_, name_, LIST, dispatchers[i_], NULL, help_, .flags = VMT_OPT_MULTI)
#define WORKERS(group_, name_, i_, help_)                                                          \
	OPTION(group_, name_, INT, workers_given[i_], "1", help_, .min = 0, .max = 1024)

const struct vmt_option settings_options[] = {
	OPTION(NULL, "host", STRING, host, NULL,
	       "Name of this host, as Nova knows it; without it the system's."),
	OPTION(NULL, "sample_source", STRING, sample_source, "openstack",
	       "Source field of every sample.", .deprecated = "counter_source"),
	OPTION(NULL, "hypervisor_inspector", LIST, inspectors, "libvirt",
	       "Inspectors that read the instances; `virtmeter list plugins` names them. For several endpoints of one kind: "
	       "INSPECTOR:NAME."),
	OPTION(NULL, "pipeline_cfg_file", STRING, pipeline_cfg_file, "pipeline.yaml",
	       "Where samples go; searched beside the configuration file."),
	OPTION(NULL, "reserved_metadata_namespace", LIST, reserved_metadata_namespace, "metering.",
	       "Server metadata whose keys begin so becomes user_metadata, without that beginning."),
	OPTION(NULL, "reserved_metadata_keys", LIST, reserved_metadata_keys, NULL,
	       "Further keys of server metadata that become user_metadata."),
	OPTION(NULL, "reserved_metadata_length", INT, reserved_metadata_length, "256",
	       "Characters of a value of user_metadata that are kept.", .min = 0, .max = 1 << 20),
	OPTION(NULL, "polling_namespaces", LIST, polling_namespaces, "compute",
	       "What is polled; there is only compute, others are left out."),
	OPTION(NULL, "graceful_shutdown_timeout", SECONDS, graceful_shutdown_timeout_ns, "60",
	       "After SIGTERM: time for the running cycle and for the publishers' queues.",
	       .min = 0, .max = 86400),
	OPTION(NULL, "shuffle_time_before_polling_task", SECONDS, shuffle_ns, "0",
	       "Delay the first cycle after a start by up to this, at random, as in Kilo to Pike.",
	       .min = 0, .max = 86400),

	OPTION(NULL, "debug", BOOL, debug, "false", "Log at level DEBUG instead of INFO."),
	OPTION(NULL, "log_file", STRING, log_file, NULL,
	       "File to log to, below log_dir if it is relative.", .deprecated = "logfile"),
	OPTION(NULL, "log_dir", STRING, log_dir, NULL,
	       "Folder of the log file; alone: the program's name and .log.",
	       .deprecated = "logdir"),
	OPTION(NULL, "log_date_format", STRING, log_date_format, "%Y-%m-%d %H:%M:%S",
	       "Form of times in the log, as for strftime(3)."),
	OPTION(NULL, "use_stderr", BOOL, use_stderr, "false",
	       "Log to stderr beside other places too."),
	OPTION(NULL, "use_syslog", BOOL, use_syslog, "false", "Log to syslog."),
	OPTION(NULL, "syslog_log_facility", STRING, syslog_log_facility, "LOG_USER",
	       "Facility in syslog."),
	OPTION(NULL, "use_journal", BOOL, use_journal, "false", "Log to systemd's journal."),
	OPTION(NULL, "use_json", BOOL, use_json, "false", "The same as log_format = json."),
	OPTION(NULL, "watch_log_file", BOOL, watch_log_file, "false",
	       "Open the log file anew when it was moved or removed."),
	OPTION(NULL, "default_log_levels", LIST, default_log_levels, NULL,
	       "Levels of single loggers, as logger=LEVEL."),
	OPTION(NULL, "log_options", BOOL, log_options, "true",
	       "With debug: log all option values at the start."),

	OPTION("compute", "instance_discovery_method", STRING, instance_discovery_method,
	       "libvirt_metadata",
	       "Who knows the instances: libvirt_metadata, libvirt alone; naive or workload_partitioning, Nova is "
	       "asked, too, for what it knows of libvirt's domains.",
	       .choices = methods),
	OPTION("compute", "workload_partitioning", BOOL, workload_partitioning, "true",
	       "Share the instances with other agents of this host, where [coordination] backend_url says how they find "
	       "each other."),
	OPTION("compute", "report_stopped_instance_metrics", BOOL, report_stopped_instance_metrics,
	       "false", "Report sizes of instances that do not run, too."),
	OPTION("polling", "cfg_file", STRING, cfg_file, "polling.yaml",
	       "What is polled and how often; searched beside the configuration file."),
	OPTION("polling", "enable_notifications", BOOL, enable_notifications, "true",
	       "Whether deliver = auto may choose a notification agent."),
	OPTION("polling", "identity_name_discovery", BOOL, identity_name_discovery, "false",
	       "Ask Keystone for the names of users and projects. Needs [service_credentials].",
	       .deprecated = "tenant_name_discovery"),
	OPTION("polling", "ignore_disabled_projects", BOOL, ignore_disabled_projects, "false",
	       "Leave out the instances of projects that Keystone has disabled, or whose domain it has. Needs "
	       "[service_credentials]."),
	OPTION("polling", "partitioning_group_prefix", STRING, partitioning_group_prefix, NULL,
	       "Agents share instances with those of the same prefix alone."),
	OPTION("polling", "heartbeat_socket_dir", STRING, heartbeat_socket_dir, NULL,
	       "Folder of a socket, ceilometer-compute.socket, that tells whoever connects when each meter was polled "
	       "last; without it there is none."),
	OPTION("coordination", "backend_url", STRING, coordination_url, NULL,
	       "Where agents that share instances find each other: redis:// or memcached://; without it nothing is shared.",
	       .flags = VMT_OPT_SECRET),
	OPTION("coordination", "heartbeat", SECONDS, coordination_heartbeat_ns, "1",
	       "How often an agent says there that it lives, and looks who else does.", .min = 0,
	       .max = 3600),

	OPTION(OWN, "meter_profile", STRING, meter_profile_name, "26",
	       "Release of Ceilometer whose names, units and metadata the samples have.",
	       .choices = profiles),
	OPTION(OWN, "deliver", STRING, deliver_name, "auto",
	       "Where samples go: through the sinks of pipeline.yaml, as telemetry.polling notifications to a "
	       "notification agent, or both; auto takes the sinks, unless there are none for this program and a "
	       "message bus is configured.",
	       .choices = delivers),
	OPTION(OWN, "align", BOOL, align, "false",
	       "Poll at whole multiples of the interval on the clock, on all hosts at once."),
	OPTION(OWN, "jitter", SECONDS, jitter_ns, "0", "Delay each cycle by up to this, at random.",
	       .min = 0, .max = 86400),
	OPTION(OWN, "fast_interval", SECONDS, fast_interval_ns, "0",
	       "Between the polls of the sources, read what the host's kernel knows of instances (CPU, resident memory, "
	       "network, vm.io) so often, from 1 s on, for those of its meters that some source has; 0: do not.",
	       .min = 0, .max = 86400),
	OPTION(OWN, "state_dir", STRING, state_dir, NULL,
	       "Folder of the counters from which deltas and rates go on after a restart; without it that of systemd "
	       "(STATE_DIRECTORY), or none."),
	OPTION(OWN, "plugin_dir", STRING, plugin_dir, VIRTMETER_PLUGIN_DIR,
	       "Folder of plugins that are shared objects; empty: none."),
	OPTION(OWN, "control_socket", STRING, control_socket, NULL,
	       "Socket for virtmeter status and reload; without it below /run or the user's runtime folder."),
	OPTION(OWN, "control_socket_mode", STRING, control_socket_mode_name, "0660",
	       "Who may use the control socket, in octal digits."),
	OPTION(OWN, "log_format", STRING, log_format, "plain",
	       "Form of log lines: plain, oslo (as Ceilometer's), json."),
	OPTION(OWN, "store", STRING, store, NULL,
	       "URL of the store that samples, resources and meters read; else the first of pipeline.yaml."),
	OPTION(OWN, "publish_timeout", SECONDS, publish_timeout_ns, "30",
	       "Longest time of one attempt to publish.", .min = 1, .max = 3600),
	OPTION(OWN, "queue_bytes", INT, queue_bytes, "67108864",
	       "Bytes of samples in memory that wait for publishers at most; the oldest are dropped beyond it, "
	       "or are only on the disk where the log is durable.",
	       .min = 1 << 16, .max = INT64_C(1) << 40),
	OPTION(OWN, "queue_dir", STRING, queue_dir, NULL,
	       "Folder of the durable log, where samples that wait for publishers survive a restart; "
	       "without it the folder queue in the state directory of the service manager, and where there "
	       "is none, or it is empty, the log is in memory."),
	OPTION(OWN, "queue_dir_bytes", INT, queue_dir_bytes, "1073741824",
	       "Bytes of samples in queue_dir at most; the oldest are dropped beyond it.",
	       .min = 1 << 16, .max = INT64_C(1) << 50),
	OPTION(OWN, "queue_age", SECONDS, queue_age_ns, "2592000",
	       "Samples that have waited longer are dropped; 0: never.", .min = 0,
	       .max = 2000000000),
	OPTION(OWN, "queue_rate", DOUBLE, queue_rate, "50000",
	       "Samples of a backlog that a publisher sends in a second; 0: as fast as it can.",
	       .min = 0, .max = 1000000000),
	OPTION(OWN, "dead_letter_bytes", INT, dead_letter_bytes, "67108864",
	       "Bytes of refused and rejected messages that are kept in queue_dir; the oldest go beyond it.",
	       .min = 0, .max = INT64_C(1) << 40),
	OPTION(OWN, "receivers", LIST, receivers, "udp://,rpc://,notifications://",
	       "URLs that the collector receives from."),
	OPTION(OWN, "accept_unsigned", BOOL, accept_unsigned, "false",
	       "Whether the collector takes samples without a signature though it has a secret."),
	OPTION(OWN, "message_bytes", INT, message_bytes, "8388608",
	       "Bytes of the longest message that the collector takes.", .min = 1 << 10,
	       .max = 64 << 20),
	DISPATCHERS(
		NULL, "dispatcher", 0,
		"What the collector writes to beside the publishers of pipeline.yaml: file, http; database "
		"is the store there."),
	DISPATCHERS("collector", "dispatcher", 1, "As [DEFAULT] dispatcher, in other releases."),
	DISPATCHERS(NULL, "meter_dispatchers", 2, "As dispatcher, in other releases."),
	OPTION("dispatcher_file", "file_path", STRING, dispatcher_file_path, NULL,
	       "File that the dispatcher file appends messages to, as Python shows them."),
	OPTION("dispatcher_file", "max_bytes", INT, dispatcher_max_bytes, "0",
	       "It is rotated before it reaches this size; 0: never.", .min = 0, .max = INT64_MAX),
	OPTION("dispatcher_file", "backup_count", INT, dispatcher_backup_count, "0",
	       "Rotated files that are kept; 0: it is not rotated.", .min = 0, .max = 1000000),
	OPTION("dispatcher_http", "target", STRING, dispatcher_target, NULL,
	       "URL that the dispatcher http posts messages to, in JSON.", .flags = VMT_OPT_SECRET),
	OPTION("dispatcher_http", "timeout", INT, dispatcher_timeout_s, "5",
	       "Seconds that it may take to connect, and to go on.", .min = 0, .max = 3600),
	OPTION("dispatcher_http", "verify_ssl", STRING, dispatcher_verify_ssl, NULL,
	       "Whether the certificate there has to be valid; or a file or folder of certificates of "
	       "authorities to check it with."),
	OPTION("dispatcher_http", "batch_mode", BOOL, dispatcher_batch, "false",
	       "A list of messages in a request; else one."),
	WORKERS("collector", "workers", 0,
		"Consumers of a receiver that takes from queues, each with a connection and a thread of its own. Of this "
		"and its other names the largest counts."),
	WORKERS(NULL, "collector_workers", 1, "As [collector] workers, in older releases."),
	WORKERS("notification", "workers", 2, "As [collector] workers, of the notification agent."),
	WORKERS(NULL, "notification_workers", 3,
		"As [collector] workers, of the notification agent of older releases."),
	OPTION("publisher", "telemetry_secret", STRING, secret, NULL,
	       "Secret that samples are signed with; empty: no signature.", .flags = VMT_OPT_SECRET,
	       .deprecated = "metering_secret"),
	OPTION("publisher_rpc", "metering_secret", STRING, secret_rpc, NULL,
	       "The same, as older releases have it.", .flags = VMT_OPT_SECRET),
	OPTION(NULL, "metering_secret", STRING, secret_default, NULL,
	       "The same, as older releases have it.", .flags = VMT_OPT_SECRET),
	OPTION("database", "time_to_live", INT, time_to_live, "-1",
	       "Seconds after which a stored sample is deleted; 0 or less: never.",
	       .deprecated = "metering_time_to_live"),
	OPTION(OWN, "pollsters", LIST, pollsters, "*",
	       "Pollster plugins to use beside the built-in meters; * for all."),
	{ .name = NULL },
};

/* ---- what the table cannot check */

static struct position place(const struct ini *ini, const char *group, const char *name,
			     const char *older)
{
	const struct ini_value *v = ini_find(ini, group, name, older);

	if (!v && group && strcmp(group, OWN) == 0) {
		v = ini_find(ini, NULL, name, older);
	}
	return v ? v->value_at : (struct position){ 0 };
}

static int index_of(const char *const *list, const char *text)
{
	for (int i = 0; list[i]; i++) {
		if (strcmp(list[i], text) == 0) {
			return i;
		}
	}
	return -1;
}

static int check_host(struct settings *s, const struct ini *ini, struct problems *problems)
{
	struct position at = place(ini, NULL, "host", NULL);

	if (!s->host || !s->host[0]) {
		s->host = arena_strdup(s->arena, g_get_host_name());
		return 0;
	}
	for (const char *p = s->host; *p; p++) {
		if ((unsigned char)*p <= ' ' || *p == 0x7f) {
			problems_add(problems, PROBLEM_ERROR, &at,
				     "host: '%s' will not do; write a name without white space",
				     s->host);
			return -EINVAL;
		}
	}
	return 0;
}

/* Juno's log_format is a template of Python's logging, and so without effect here. */
static int check_log_format(struct settings *s, const struct ini *ini, struct problems *problems)
{
	struct position at = place(ini, OWN, "log_format", NULL);

	if (index_of(log_formats, s->log_format) >= 0) {
		return 0;
	}
	if (strchr(s->log_format, '%')) {
		problems_add_ignored(problems, &at, "DEFAULT", "log_format");
		s->log_format = log_formats[LOG_FORM_PLAIN];
		return 0;
	}
	problems_add(problems, PROBLEM_ERROR, &at,
		     "log_format: '%s' will not do; write one of plain, oslo, json", s->log_format);
	s->log_format = log_formats[LOG_FORM_PLAIN];
	return -EINVAL;
}

static int find_facility(const char *name)
{
	for (size_t i = 0; i < G_N_ELEMENTS(facilities); i++) {
		if (g_ascii_strcasecmp(facilities[i].name, name) == 0 ||
		    g_ascii_strcasecmp(facilities[i].name + 4, name) == 0) {
			return facilities[i].facility;
		}
	}
	return -1;
}

static int check_facility(struct settings *s, const struct ini *ini, struct problems *problems)
{
	struct position at = place(ini, NULL, "syslog_log_facility", NULL);

	if (find_facility(s->syslog_log_facility) >= 0) {
		return 0;
	}
	problems_add(
		problems, PROBLEM_ERROR, &at,
		"syslog_log_facility: '%s' will not do; write LOG_USER, LOG_DAEMON or LOG_LOCAL0 to LOG_LOCAL7",
		s->syslog_log_facility);
	s->syslog_log_facility = facilities[0].name;
	return -EINVAL;
}

static int check_mode(struct settings *s, const struct ini *ini, struct problems *problems)
{
	struct position at = place(ini, OWN, "control_socket_mode", NULL);
	const char *text = s->control_socket_mode_name;
	char *end;
	unsigned long mode = strtoul(text, &end, 8);

	if (end == text || *end || mode > 0777 || !g_ascii_isdigit(text[0])) {
		problems_add(
			problems, PROBLEM_ERROR, &at,
			"control_socket_mode: '%s' will not do; write octal digits, such as 0660",
			text);
		return -EINVAL;
	}
	s->control_socket_mode = (unsigned)mode;
	return 0;
}

static int check_fast(struct settings *s, const struct ini *ini, struct problems *problems)
{
	struct position at = place(ini, OWN, "fast_interval", NULL);

	if (s->fast_interval_ns > 0 && s->fast_interval_ns < NS_PER_S) {
		problems_add(problems, PROBLEM_ERROR, &at,
			     "fast_interval: less than a second; write 1 or more, or 0 for none");
		return -EINVAL;
	}
	return 0;
}

static int check_levels(struct settings *s, const struct ini *ini, struct problems *problems)
{
	struct position at = place(ini, NULL, "default_log_levels", NULL);
	enum vmt_log_level level;

	for (const char *const *l = s->default_log_levels; *l; l++) {
		const char *equal = strchr(*l, '=');

		if (!equal || equal == *l || log_level_parse(equal + 1, &level) < 0) {
			problems_add(
				problems, PROBLEM_ERROR, &at,
				"default_log_levels: '%s' will not do; write logger=LEVEL, such as "
				"libvirt=WARNING",
				*l);
			return -EINVAL;
		}
	}
	return 0;
}

static void check_namespaces(struct settings *s, const struct ini *ini, struct problems *problems)
{
	struct position at = place(ini, NULL, "polling_namespaces", NULL);

	if (index_of(s->polling_namespaces, "compute") < 0) {
		problems_add(problems, PROBLEM_WARNING, &at,
			     "polling_namespaces: compute is polled all the same; write compute");
	} else if (s->polling_namespaces[1]) {
		problems_add(problems, PROBLEM_NOTE, &at,
			     "polling_namespaces: compute is polled here; the others remain for "
			     "Ceilometer's own agent");
	}
}

static void choose_workers(struct settings *s)
{
	s->workers = 1;
	for (size_t i = 0; i < G_N_ELEMENTS(s->workers_given); i++) {
		s->workers = MAX(s->workers, s->workers_given[i]);
	}
}

int settings_read(struct settings *s, const struct ini *ini, struct problems *problems)
{
	static int (*const checks[])(struct settings *, const struct ini *, struct problems *) = {
		check_host, check_log_format, check_facility, check_mode, check_fast, check_levels,
	};
	int ret;

	*s = (struct settings){ .arena = arena_new(4096) };
	ret = options_decode(settings_options, ini, NULL, NULL, s->arena, s, problems);
	for (size_t i = 0; i < G_N_ELEMENTS(checks); i++) {
		int one = checks[i](s, ini, problems);

		ret = ret ? ret : one;
	}
	check_namespaces(s, ini, problems);
	choose_workers(s);
	s->control_socket = s->control_socket && s->control_socket[0] ? s->control_socket : NULL;
	s->store = s->store && s->store[0] ? s->store : NULL;
	s->meter_profile = (enum vmt_profile)index_of(profiles, s->meter_profile_name);
	s->deliver = (enum settings_deliver)index_of(delivers, s->deliver_name);
	return ret;
}

void settings_fini(struct settings *s)
{
	if (s) {
		arena_free(s->arena);
		*s = (struct settings){ 0 };
	}
}

int settings_inspector_known(const char *name, const char *const *inspectors,
			     struct vmt_error *error)
{
	const char *near;
	char *list;

	if (index_of(inspectors, name) >= 0) {
		return 0;
	}
	if (strcmp(name, "xenapi") == 0) {
		return vmt_error_set(
			error, -EINVAL,
			"xenapi is not served; write libvirt and libvirt_type = xen, libvirt's driver for Xen");
	}
	near = conf_nearest(name, inspectors);
	list = g_strjoinv(", ", (char **)inspectors);
	vmt_error_set(error, -EINVAL, "there is no '%s'; write one of %s%s%s%s", name, list,
		      near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
	g_free(list);
	return -EINVAL;
}

int settings_check_inspector(const struct settings *s, const struct ini *ini,
			     const char *const *inspectors, struct problems *problems)
{
	struct position at = place(ini, NULL, "hypervisor_inspector", NULL);
	int ret = 0;

	for (size_t i = 0; s->inspectors[i]; i++) {
		char *name = g_strndup(s->inspectors[i], strcspn(s->inspectors[i], ":"));
		struct vmt_error error;

		if (settings_inspector_known(name, inspectors, &error) < 0) {
			problems_add(problems, PROBLEM_ERROR, &at, "hypervisor_inspector: %s",
				     error.text);
			ret = -EINVAL;
		}
		g_free(name);
	}
	return ret;
}

/* ---- for the log */

static const char *log_path(const struct settings *s, const char *program)
{
	bool in_dir = s->log_dir && s->log_dir[0];

	if (!s->log_file || !s->log_file[0]) {
		return in_dir ? arena_printf(s->arena, "%s/%s.log", s->log_dir, program) : NULL;
	}
	if (in_dir && s->log_file[0] != '/') {
		return arena_printf(s->arena, "%s/%s", s->log_dir, s->log_file);
	}
	return s->log_file;
}

void settings_log(const struct settings *s, const char *program, struct log_settings *ret_log)
{
	size_t count = g_strv_length((char **)s->default_log_levels), n = 0;
	struct log_level_of *levels = arena_array(s->arena, sizeof(*levels), count + 1);

	for (size_t i = 0; i < count; i++) {
		const char *text = s->default_log_levels[i], *equal = strchr(text, '=');

		if (equal && log_level_parse(equal + 1, &levels[n].level) == 0) {
			levels[n].logger = arena_strndup(s->arena, text, (size_t)(equal - text));
			n++;
		}
	}
	*ret_log = (struct log_settings){
		.level = s->debug ? VMT_LOG_DEBUG : VMT_LOG_INFO,
		.form = s->use_json ? LOG_FORM_JSON
				    : (enum log_form)index_of(log_formats, s->log_format),
		.use_stderr = s->use_stderr,
		.file = log_path(s, program),
		.watch_file = s->watch_log_file,
		.syslog = s->use_syslog,
		.syslog_facility = find_facility(s->syslog_log_facility),
		.journal = s->use_journal,
		.program = program,
		.date_format = s->log_date_format,
		.levels = levels,
	};
}

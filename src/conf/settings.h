/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program's own options, as a table (struct vmt_option) and a structure.  What belongs to a plugin
 * (libvirt_uri…) is in the plugin's table.  Built once, then constant and for any thread.
 */
#ifndef CONF_SETTINGS_H
#define CONF_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <virtmeter/plugin.h>

#include "base/log.h"
#include "conf/ini.h"

/* Where samples go. */
enum settings_deliver {
	DELIVER_AUTO, /* what the files of Ceilometer's era mean: conf/pipelines.h */
	DELIVER_SINKS, /* through the sinks of pipeline.yaml */
	DELIVER_NOTIFICATIONS, /* telemetry.polling, to a notification agent */
	DELIVER_BOTH,
};

struct settings {
	struct arena *arena; /* owns all strings below */

	/* [DEFAULT] */
	const char *host; /* never empty: else the system's name */
	const char *sample_source;
	const char *const *inspectors; /* hypervisor_inspector: NAME or NAME:ENDPOINT */
	const char *pipeline_cfg_file;
	const char *const *reserved_metadata_namespace;
	const char *const *reserved_metadata_keys;
	int64_t reserved_metadata_length;
	const char *const *polling_namespaces;
	int64_t graceful_shutdown_timeout_ns;
	int64_t shuffle_ns; /* shuffle_time_before_polling_task */

	/* logging, [DEFAULT] */
	bool debug, use_syslog, use_journal, use_stderr, use_json, watch_log_file, log_options;
	const char *log_file, *log_dir, *log_date_format, *syslog_log_facility;
	const char *const *default_log_levels; /* logger=LEVEL */

	/* [compute] */
	const char *instance_discovery_method;
	bool workload_partitioning;
	bool report_stopped_instance_metrics;

	/* [polling] */
	const char *cfg_file;
	bool enable_notifications;
	bool identity_name_discovery, ignore_disabled_projects;
	const char *partitioning_group_prefix, *heartbeat_socket_dir; /* NULL or "": none */

	/* [coordination] */
	const char *coordination_url; /* NULL or "": nothing is shared */
	int64_t coordination_heartbeat_ns;

	/* [virtmeter] */
	const char *meter_profile_name;
	enum vmt_profile meter_profile;
	const char *deliver_name;
	enum settings_deliver deliver;
	bool align;
	int64_t jitter_ns;
	int64_t fast_interval_ns; /* 0: none */
	const char *state_dir; /* NULL or "": $STATE_DIRECTORY, or nowhere */
	const char *plugin_dir;
	const char *control_socket; /* NULL: the place that belongs to the user */
	const char *control_socket_mode_name;
	unsigned control_socket_mode;
	const char *log_format; /* plain, oslo, json */
	const char *
		store; /* URL that samples, resources, meters read; NULL: the first store configured */
	int64_t publish_timeout_ns; /* bound of one attempt */
	int64_t queue_bytes; /* of samples in memory that wait for publishers */
	const char
		*queue_dir; /* NULL: the service manager's folder; "": none, the log is in memory */
	int64_t queue_dir_bytes, dead_letter_bytes; /* bounds on the disk */
	int64_t queue_age_ns; /* 0: none */
	double queue_rate; /* samples a second of a backlog; 0: no bound */
	/* of the collector */
	const char *const *receivers; /* URLs */
	const char *secret, *secret_rpc, *secret_default; /* of signatures; NULL: not given */
	int64_t time_to_live; /* seconds, [database]; 0 or less: for ever */
	bool accept_unsigned;
	int64_t message_bytes;
	int64_t workers_given[4]; /* as the eras name them */
	const char *const *dispatchers[3]; /* names, as the eras call the option */
	const char *dispatcher_file_path, *dispatcher_target,
		*dispatcher_verify_ssl; /* NULL or "": none */
	int64_t dispatcher_max_bytes, dispatcher_backup_count, dispatcher_timeout_s;
	bool dispatcher_batch;
	int64_t workers; /* the most of them: consumers of a receiver's queues, 1 or more */
	const char *const *pollsters; /* plugins to use beside the table of meters; "*": all */
};

extern const struct vmt_option settings_options[];

/* The table's defaults, then *ini's values, checked.  0, or -EINVAL with each error in `problems`;
 * *settings can then still be looked at, and must be given to settings_fini() in any case. */
int settings_read(struct settings *settings, const struct ini *ini, struct problems *problems);
/* Whether `name` is one of `inspectors` (registry_names()): -EINVAL with the list, and for xenapi with what
 * takes its place. */
int settings_inspector_known(const char *name, const char *const *inspectors,
			     struct vmt_error *error);
/* The same of hypervisor_inspector, with its place in the file. */
int settings_check_inspector(const struct settings *settings, const struct ini *ini,
			     const char *const *inspectors, struct problems *problems);
void settings_fini(struct settings *settings); /* NULL is fine */

/* For log_init(), valid as long as *settings.  `program` ("virtmeter-agent") is the file's name in log_dir. */
void settings_log(const struct settings *settings, const char *program,
		  struct log_settings *ret_log);

#endif

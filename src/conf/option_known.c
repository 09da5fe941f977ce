/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which keys of a configuration file mean something: those of the option tables, and those of Ceilometer
 * and its libraries that are accepted without effect.  Any thread; blocks on nothing.
 */
#include <string.h>

#include "conf/ini_private.h"
#include "conf/nearest.h"
#include "conf/option.h"

enum { SUGGESTED_MAX = 100 }; /* unknown keys that are told one by one */

/* What keystoneauth registers in a section: sessions, adapters, and its own plugins' options. */
static const char *const keystoneauth[] = { "auth_section",
					    "auth_type",
					    "auth_plugin",
					    "cafile",
					    "certfile",
					    "collect_timing",
					    "insecure",
					    "keyfile",
					    "split_loggers",
					    "timeout",
					    "connect_retries",
					    "connect_retry_delay",
					    "endpoint_override",
					    "interface",
					    "max_version",
					    "min_version",
					    "region_name",
					    "retriable_status_codes",
					    "service_name",
					    "service_type",
					    "status_code_retries",
					    "status_code_retry_delay",
					    "valid_interfaces",
					    "version",
					    "access_key",
					    "access_secret",
					    "access_token",
					    "access_token_endpoint",
					    "access_token_type",
					    "application_credential_id",
					    "application_credential_name",
					    "application_credential_secret",
					    "auth_methods",
					    "auth_url",
					    "authorization_code",
					    "client_id",
					    "client_secret",
					    "code",
					    "consumer_key",
					    "consumer_secret",
					    "default_domain_id",
					    "default_domain_name",
					    "discovery_endpoint",
					    "domain_id",
					    "domain_name",
					    "endpoint",
					    "gnocchi_endpoint",
					    "identity_provider",
					    "identity_provider_url",
					    "mutual_auth",
					    "oauth2_client_id",
					    "oauth2_client_secret",
					    "oauth2_endpoint",
					    "passcode",
					    "password",
					    "project_domain_id",
					    "project_domain_name",
					    "project_id",
					    "project_name",
					    "protocol",
					    "redirect_uri",
					    "roles",
					    "scope",
					    "service_provider_endpoint",
					    "service_provider_entity_id",
					    "system_scope",
					    "tenant_id",
					    "tenant_name",
					    "token",
					    "trust_id",
					    "url",
					    "user",
					    "user_domain_id",
					    "user_domain_name",
					    "user_id",
					    "user_name",
					    "username",
					    NULL };

/* What was there before keystoneauth. */
static const char *const credentials[] = { "os_username",    "os_password",      "os_tenant_id",
					   "os_tenant_name", "os_cacert",        "os_auth_url",
					   "os_region_name", "os_endpoint_type", NULL };

/* Of keystonemiddleware, for Ceilometer's API. */
static const char *const authtoken[] = { "www_authenticate_uri",
					 "auth_uri",
					 "auth_version",
					 "delay_auth_decision",
					 "http_connect_timeout",
					 "http_request_max_retries",
					 "cache",
					 "signing_dir",
					 "memcached_servers",
					 "token_cache_time",
					 "revocation_cache_time",
					 "memcache_security_strategy",
					 "memcache_secret_key",
					 "memcache_pool_dead_retry",
					 "memcache_pool_maxsize",
					 "memcache_pool_socket_timeout",
					 "memcache_pool_unused_timeout",
					 "memcache_pool_conn_get_timeout",
					 "memcache_use_advanced_pool",
					 "memcache_tls_enabled",
					 "memcache_tls_cafile",
					 "memcache_tls_certfile",
					 "memcache_tls_keyfile",
					 "memcache_tls_allowed_ciphers",
					 "memcache_sasl_enabled",
					 "memcache_username",
					 "memcache_password",
					 "include_service_catalog",
					 "enforce_token_bind",
					 "check_revocations_for_cached",
					 "hash_algorithms",
					 "service_token_roles",
					 "service_token_roles_required",
					 "auth_admin_prefix",
					 "auth_host",
					 "auth_port",
					 "auth_protocol",
					 "identity_uri",
					 "admin_token",
					 "admin_user",
					 "admin_password",
					 "admin_tenant_name",
					 NULL };

/* Of oslo.messaging's RabbitMQ driver, all releases. */
static const char *const rabbit[] = { "ssl",
				      "ssl_version",
				      "ssl_key_file",
				      "ssl_cert_file",
				      "ssl_ca_file",
				      "ssl_enforce_fips_mode",
				      "amqp_durable_queues",
				      "amqp_auto_delete",
				      "rabbit_quorum_queue",
				      "rabbit_transient_quorum_queue",
				      "rabbit_quorum_delivery_limit",
				      "rabbit_quorum_max_memory_length",
				      "rabbit_quorum_max_memory_bytes",
				      "kombu_ssl_version",
				      "kombu_ssl_keyfile",
				      "kombu_ssl_certfile",
				      "kombu_ssl_ca_certs",
				      "kombu_reconnect_delay",
				      "kombu_reconnect_splay",
				      "kombu_reconnect_timeout",
				      "kombu_compression",
				      "kombu_missing_consumer_retry_timeout",
				      "kombu_failover_strategy",
				      "heartbeat_in_pthread",
				      "heartbeat_timeout_threshold",
				      "heartbeat_rate",
				      "heartbeat_interval",
				      "rabbit_host",
				      "rabbit_port",
				      "rabbit_hosts",
				      "rabbit_use_ssl",
				      "rabbit_userid",
				      "rabbit_password",
				      "rabbit_login_method",
				      "rabbit_virtual_host",
				      "rabbit_retry_interval",
				      "rabbit_retry_backoff",
				      "rabbit_interval_max",
				      "rabbit_max_retries",
				      "rabbit_ha_queues",
				      "rabbit_transient_queues_ttl",
				      "rabbit_qos_prefetch_count",
				      "rabbit_stream_fanout",
				      "direct_mandatory_flag",
				      "enable_cancel_on_failover",
				      "use_queue_manager",
				      "hostname",
				      "processname",
				      "fake_rabbit",
				      "channel_max",
				      "frame_max",
				      "socket_timeout",
				      "tcp_user_timeout",
				      "host_connection_reconnect_delay",
				      "connection_factory",
				      "pool_max_size",
				      "pool_max_overflow",
				      "pool_timeout",
				      "pool_recycle",
				      "pool_stale",
				      "default_serializer_type",
				      "notification_persistence",
				      "default_notification_exchange",
				      "notification_listener_prefetch_count",
				      "default_notification_retry_attempts",
				      "notification_retry_delay",
				      "rpc_queue_expiration",
				      "default_rpc_exchange",
				      "rpc_reply_exchange",
				      "rpc_listener_prefetch_count",
				      "rpc_reply_listener_prefetch_count",
				      "rpc_reply_retry_attempts",
				      "rpc_reply_retry_delay",
				      "default_rpc_retry_attempts",
				      "rpc_retry_delay",
				      "rpc_conn_pool_size",
				      "conn_pool_min_size",
				      "conn_pool_ttl",
				      "send_single_reply",
				      NULL };

/* Of Ceilometer's notification agent and collector. */
static const char *const notification[] = { "notification_control_exchanges",
					    "pipelines",
					    "ack_on_event_error",
					    "store_events",
					    "disable_non_metric_meters",
					    "workload_partitioning",
					    "messaging_urls",
					    "messaging_url",
					    "batch_size",
					    "batch_timeout",
					    "pipeline_processing_queues",
					    "meter_definitions",
					    "event_definitions",
					    "retain_original_notifications",
					    NULL };

static const char *const collector[] = { "udp_address",
					 "udp_port",
					 "requeue_sample_on_dispatcher_error",
					 "requeue_event_on_dispatcher_error",
					 "enable_rpc",
					 "batch_size",
					 "batch_timeout",
					 NULL };

/* Options of Ceilometer, Juno to today, and of oslo.log, oslo.messaging and cotyledon under it.  `names`
 * NULL: all of the section.  `open`: there may be others, of keystoneauth's plugins from elsewhere; what looks like
 * one of these is a typo.  An option that a table has takes precedence over its row here. */
static const struct {
	const char *group;
	const char *const *names;
	bool open;
} without_effect[] = {
	{ "DEFAULT",
	  (const char *const[]){
		  /* polling and its releases between */
		  "batch_polled_samples", "refresh_pipeline_cfg", "refresh_event_pipeline_cfg",
		  "pipeline_polling_interval", "pollster_list", "event_dispatchers",
		  "event_pipeline_cfg_file", "rootwrap_config", "control_exchange",
		  "notification_topics", "nova_http_log_debug", "max_parallel_requests",
		  "nova_control_exchange", "glance_control_exchange", "cinder_control_exchange",
		  "neutron_control_exchange", "heat_control_exchange", "sahara_control_exchange",
		  "keystone_control_exchange", "swift_control_exchange", "trove_control_exchange",
		  "http_control_exchanges", "partitioning_group_prefix",
		  "pollsters_definitions_dirs", "heartbeat_socket_dir", "enable_notifications",
		  "enable_prometheus_exporter", "prometheus_listen_addresses",
		  "prometheus_tls_enable", "prometheus_tls_certfile", "prometheus_tls_keyfile",
		  "threads_to_process_pollsters", "ignore_disabled_projects",
		  "identity_name_discovery", "tenant_name_discovery", "api_paste_config",
		  "reseller_prefix", "kwapi_url", "event_topic", "metering_secret", "cfg_file",
		  "batch_size", "cinder_catalog_info", "host_ip",
		  /* messaging */
		  "transport_url", "rpc_backend", "rpc_conn_pool_size", "rpc_response_timeout",
		  "rpc_thread_pool_size", "executor_thread_pool_size", "rpc_cast_timeout",
		  "rpc_zmq_bind_address", "amqp_durable_queues", "amqp_auto_delete", "rabbit_host",
		  "rabbit_port", "rabbit_hosts", "rabbit_userid", "rabbit_password",
		  "rabbit_virtual_host", "rabbit_use_ssl", "rabbit_login_method",
		  "rabbit_retry_interval", "rabbit_retry_backoff", "rabbit_max_retries",
		  "rabbit_ha_queues", "kombu_ssl_version", "kombu_ssl_keyfile",
		  "kombu_ssl_certfile", "kombu_ssl_ca_certs", "kombu_reconnect_delay",
		  "fake_rabbit", "qpid_hostname", "qpid_port", "qpid_username", "qpid_password",
		  "notification_driver", "default_notification_level", "default_publisher_id",
		  "conn_pool_min_size", "conn_pool_ttl",
		  /* logging and service */
		  "verbose", "log_config_append", "log_config", "use_eventlog",
		  "fatal_deprecations", "log_rotation_type", "log_rotate_interval",
		  "log_rotate_interval_type", "max_logfile_count", "max_logfile_size_mb",
		  "rate_limit_burst", "rate_limit_interval", "rate_limit_except_level",
		  "publish_errors", "instance_format", "instance_uuid_format",
		  "logging_context_format_string", "logging_default_format_string",
		  "logging_debug_format_suffix", "logging_exception_prefix",
		  "logging_user_identity_format", "use_syslog_rfc_format", "use_ssl",
		  "backdoor_port", "backdoor_socket", "disable_process_locking", "lock_path",
		  "run_external_periodic_tasks", "policy_file", "policy_default_rule",
		  "policy_dirs", "auth_strategy", "state_path", "sqlite_db", "sqlite_synchronous",
		  "db_backend", "connection", "tempdir", "memcached_servers", NULL } },
	{ "compute",
	  (const char *const[]){ "workload_partitioning", "fetch_extra_metadata", NULL } },
	{ "polling",
	  (const char *const[]){
		  "partitioning_group_prefix", "pollsters_definitions_dirs", "heartbeat_socket_dir",
		  "enable_prometheus_exporter", "prometheus_listen_addresses",
		  "prometheus_tls_enable", "prometheus_tls_certfile", "prometheus_tls_keyfile",
		  "threads_to_process_pollsters", "ignore_disabled_projects",
		  "identity_name_discovery", "tenant_name_discovery", "batch_size", NULL } },
	{ "publisher", (const char *const[]){ "telemetry_secret", "metering_secret", NULL } },
	{ "publisher_rpc", (const char *const[]){ "metering_topic", "metering_secret", NULL } },
	{ "publisher_notifier",
	  (const char *const[]){ "metering_topic", "event_topic", "telemetry_driver",
				 "metering_driver", NULL } },
	{ "coordination", (const char *const[]){ "backend_url", "heartbeat", "check_watchers",
						 "retry_backoff", "max_retry_interval", NULL } },
	{ "notification", notification },
	{ "service_types", NULL },
	{ "service_credentials", keystoneauth, true },
	{ "service_credentials", credentials, true },
	{ "collector", collector, true },
	{ "dispatcher_gnocchi", NULL },
	{ "dispatcher_http", (const char *const[]){ "cadf_only", "event_target", NULL } },
	{ "database", NULL },
	{ "storage", NULL },
	{ "api", NULL },
	{ "alarm", NULL },
	{ "event", NULL },
	{ "exchange_control", NULL },
	{ "meter", NULL },
	{ "ipmi", NULL },
	{ "hardware", NULL },
	{ "magnetodb", NULL },
	{ "vmware", NULL },
	{ "xenapi", NULL },
	{ "gnocchi", keystoneauth, true },
	{ "gnocchi", (const char *const[]){ "request_timeout", NULL }, true },
	{ "zaqar", keystoneauth, true },
	{ "monasca", NULL },
	{ "cache", NULL },
	{ "central", NULL },
	{ "rgw_admin_credentials", NULL },
	{ "rgw_client", NULL },
	{ "keystone_authtoken", keystoneauth, true },
	{ "keystone_authtoken", authtoken, true },
	{ "keystoneauth", NULL },
	{ "matchmaker_redis", NULL },
	{ "matchmaker_ring", NULL },
	{ "oslo_concurrency", NULL },
	{ "oslo_messaging_amqp", NULL },
	{ "oslo_messaging_kafka", NULL },
	{ "oslo_messaging_metrics", NULL },
	{ "oslo_messaging_notifications",
	  (const char *const[]){ "driver", "transport_url", "topics", "retry", NULL } },
	{ "oslo_messaging_qpid", NULL },
	{ "oslo_messaging_rabbit", rabbit },
	{ "oslo_messaging_zmq", NULL },
	{ "oslo_middleware", NULL },
	{ "oslo_policy", NULL },
	{ "oslo_reports", NULL },
	{ "privsep", NULL },
	{ "ceilometer_sys_admin", NULL },
	{ "profiler", NULL },
};

static bool in_list(const char *const *list, const char *name)
{
	for (; *list; list++) {
		if (strcmp(*list, name) == 0) {
			return true;
		}
	}
	return false;
}

static bool takes(const struct vmt_option *o, const char *group, const char *name)
{
	bool ours = o->group && strcmp(o->group, "virtmeter") == 0 && strcmp(group, "DEFAULT") == 0;

	size_t len = strlen(o->name);
	bool file = (o->flags & VMT_OPT_SECRET) && strncmp(o->name, name, len) == 0 &&
		    strcmp(name + len, "_file") == 0;

	return (ours || strcmp(option_group(o), group) == 0) &&
	       (strcmp(o->name, name) == 0 || file ||
		(o->deprecated && strcmp(o->deprecated, name) == 0));
}

/* All names, or all groups, that the tables and the rows above have; of one group, or of any (NULL). */
static GPtrArray *candidates(const struct vmt_option *const *tables, const char *group, bool groups)
{
	GPtrArray *names = g_ptr_array_new();

	for (; *tables; tables++) {
		for (const struct vmt_option *o = *tables; o->name; o++) {
			if (!group || strcmp(option_group(o), group) == 0) {
				g_ptr_array_add(names,
						(void *)(groups ? option_group(o) : o->name));
			}
		}
	}
	for (size_t i = 0; i < G_N_ELEMENTS(without_effect); i++) {
		const char *const *n = without_effect[i].names;

		if (groups) {
			g_ptr_array_add(names, (void *)without_effect[i].group);
		}
		if (groups || !n || !group || strcmp(without_effect[i].group, group) != 0) {
			continue;
		}
		for (; *n; n++) {
			g_ptr_array_add(names, (void *)*n);
		}
	}
	g_ptr_array_add(names, NULL);
	return names;
}

static bool has_no_effect(const struct vmt_option *const *tables, const char *group,
			  const char *name)
{
	bool open = false, near = false;

	for (size_t i = 0; i < G_N_ELEMENTS(without_effect); i++) {
		if (strcmp(without_effect[i].group, group) != 0) {
			continue;
		}
		if (!without_effect[i].names || in_list(without_effect[i].names, name)) {
			return true;
		}
		open |= without_effect[i].open;
	}
	if (open) {
		GPtrArray *names = candidates(tables, group, false);

		near = conf_nearest(name, (const char *const *)names->pdata);
		g_ptr_array_unref(names);
	}
	return open && !near;
}

static const struct vmt_option *elsewhere(const struct vmt_option *const *tables, const char *name)
{
	for (; *tables; tables++) {
		for (const struct vmt_option *o = *tables; o->name; o++) {
			if (strcmp(o->name, name) == 0) {
				return o;
			}
		}
	}
	return NULL;
}

static void tell_unknown(const struct ini_value *v, const struct vmt_option *const *tables,
			 struct problems *problems)
{
	GPtrArray *groups = candidates(tables, NULL, true),
		  *names = candidates(tables, v->group, false);
	const char *near_group = conf_nearest(v->group, (const char *const *)groups->pdata);
	const char *near = conf_nearest(v->name, (const char *const *)names->pdata);
	const struct vmt_option *other = elsewhere(tables, v->name);
	bool known_group = in_list((const char *const *)groups->pdata, v->group);

	if (!known_group && near_group) {
		problems_add(problems, PROBLEM_WARNING, &v->at,
			     "[%s] %s: no such section, ignored; did you mean [%s]?", v->group,
			     v->name, near_group);
	} else if (other) {
		problems_add(problems, PROBLEM_WARNING, &v->at,
			     "[%s] %s: no such option, ignored; it belongs in [%s]", v->group,
			     v->name, option_group(other));
	} else if (near) {
		problems_add(problems, PROBLEM_WARNING, &v->at,
			     "[%s] %s: no such option, ignored; did you mean %s?", v->group,
			     v->name, near);
	} else {
		problems_add(problems, PROBLEM_WARNING, &v->at,
			     "[%s] %s: no such %s, ignored; leave it out", v->group, v->name,
			     known_group ? "option" : "section");
	}
	g_ptr_array_unref(groups);
	g_ptr_array_unref(names);
}

/* Whether the section is the one that auth_section names for the option. */
static bool is_auth_section(const struct ini *ini, const struct vmt_option *o, const char *group)
{
	const struct ini_value *v =
		o->flags & VMT_OPT_AUTH ? ini_find(ini, o->group, "auth_section", NULL) : NULL;

	return v && strcmp(v->text, group) == 0;
}

static bool in_tables(const struct ini *ini, const struct vmt_option *const *tables,
		      const struct ini_value *v)
{
	for (; *tables; tables++) {
		for (const struct vmt_option *o = *tables; o->name; o++) {
			if (takes(o, v->group, v->name) || (is_auth_section(ini, o, v->group) &&
							    takes(o, option_group(o), v->name))) {
				return true;
			}
		}
	}
	return false;
}

/* ---- keys that stand twice */

static void tell_twice(const GPtrArray *values, unsigned *told, struct problems *problems)
{
	for (guint i = 1; values && i < values->len && *told < SUGGESTED_MAX; i++) {
		const struct ini_value *before = g_ptr_array_index(values, i - 1),
				       *v = g_ptr_array_index(values, i);

		if (v->source == before->source && v->at.line > 0) {
			problems_add(
				problems, PROBLEM_WARNING, &v->at,
				"[%s] %s: stands in line %u, too; this one counts, leave one out",
				v->group, v->name, before->at.line);
			++*told;
		}
	}
}

static void check_twice(const struct ini *ini, const struct vmt_option *const *tables,
			struct problems *problems)
{
	GHashTable *seen = g_hash_table_new(NULL, NULL); /* two plugins may have one option */
	unsigned told = 0;

	for (; *tables; tables++) {
		for (const struct vmt_option *o = *tables; o->name; o++) {
			const char *group[] = { o->group, NULL };
			size_t groups = o->group && strcmp(o->group, "virtmeter") == 0 ? 2 : 1;

			for (size_t i = 0; i < groups && !(o->flags & VMT_OPT_MULTI); i++) {
				const GPtrArray *values = ini_values(ini, group[i], o->name);

				if (values && g_hash_table_add(seen, (void *)(uintptr_t)values)) {
					tell_twice(values, &told, problems);
				}
			}
		}
	}
	g_hash_table_unref(seen);
}

/* Of an endpoint's section, "vmware:east", as if it stood in "vmware"; the group is to be freed. */
static char *group_of_all(const struct ini_value *v)
{
	size_t len = strcspn(v->group, ":");

	return strncmp(v->group, "default:", len + 1) == 0 ? g_strdup("DEFAULT")
							   : g_strndup(v->group, len);
}

static void check_value(const struct ini *ini, const struct vmt_option *const *tables,
			const struct ini_value *v, size_t *unknown, struct problems *problems)
{
	if (in_tables(ini, tables, v)) {
		return;
	}
	if (has_no_effect(tables, v->group, v->name)) {
		problems_add_ignored(problems, &v->at, v->group, v->name);
	} else if ((*unknown)++ < SUGGESTED_MAX) {
		tell_unknown(v, tables, problems);
	}
}

void options_check_unknown(const struct ini *ini, const struct vmt_option *const *tables,
			   struct problems *problems)
{
	size_t unknown = 0;

	for (size_t i = 0; i < ini_count(ini); i++) {
		struct ini_value v = *ini_at(ini, i);
		char *group = group_of_all(&v);

		v.group = group;
		if (v.at.line > 0) { /* the environment has keys of others */
			check_value(ini, tables, &v, &unknown, problems);
		}
		g_free(group);
	}
	check_twice(ini, tables, problems);
	if (unknown > SUGGESTED_MAX) {
		problems_add(problems, PROBLEM_WARNING, NULL,
			     "%zu more unknown options; are these the right files?",
			     unknown - SUGGESTED_MAX);
	}
}

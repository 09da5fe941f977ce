/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `virtmeter list instances|meters|plugins`.  Main thread; blocks on the configuration's files, and for
 * instances on the hypervisor, at most ASK_S seconds.
 */
#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/instances.h"
#include "agent/plan.h"
#include "base/clock.h"
#include "base/log.h"
#include "builtin.h"
#include "cmd/cmd.h"
#include "cmd/parse.h"
#include "cmd/table.h"
#include "conf/ini.h"
#include "conf/nearest.h"
#include "conf/option.h"
#include "conf/settings.h"
#include "model/json_text.h"
#include "model/meter.h"
#include "model/snapshot.h"
#include "plugin/object.h"
#include "plugin/registry.h"

enum { ASK_S = 30 };

struct list {
	char **config_files, **config_dirs;
	char *format_name;
	enum table_format format;
	struct ini *ini;
	struct settings settings;
	struct registry *registry;
	struct problems *problems;
};

static int fail(const char *reason)
{
	fprintf(stderr, "virtmeter list: %s\n", reason);
	return CMD_FAILED;
}

static int close_table(struct table *table)
{
	int ret = table_close(table);

	return ret < 0 ? fail(g_strerror(-ret)) : CMD_OK;
}

/* ---- plugins */

static const struct table_column plugin_columns[] = {
	{ .key = "namespace" },
	{ .key = "name" },
	{ .key = "aliases", .json_only = true },
	{ .key = "version" },
	{ .key = "file" },
	{ .key = "help", .wide = true },
	{ .key = "options", .json_only = true },
};

static const struct table_column option_columns[] = {
	{ .key = "plugin" },
	{ .key = "option" },
	{ .key = "type" },
	{ .key = "default" },
	{ .key = "help", .wide = true },
};

static void json_pair(struct buf *out, const char *key, const char *value)
{
	buf_puts(out, out->data[out->len - 1] == '{' ? "" : ",");
	json_add(out, key);
	buf_putc(out, ':');
	json_add(out, value);
}

static void json_number_pair(struct buf *out, const char *key, int64_t value)
{
	buf_putc(out, ',');
	json_add(out, key);
	buf_printf(out, ":%" PRId64, value);
}

static void json_list(struct buf *out, const char *const *list)
{
	buf_putc(out, '[');
	for (size_t i = 0; list && list[i]; i++) {
		buf_puts(out, i ? "," : "");
		json_add(out, list[i]);
	}
	buf_putc(out, ']');
}

static void json_option(struct buf *out, const struct vmt_option *o)
{
	buf_putc(out, '{');
	json_pair(out, "group", option_group(o));
	json_pair(out, "name", o->name);
	json_pair(out, "type", option_type_name(o));
	json_pair(out, "default", o->def);
	json_pair(out, "help", o->help);
	if (o->min < o->max) {
		json_number_pair(out, "min", o->min);
		json_number_pair(out, "max", o->max);
	}
	if (o->choices) {
		buf_puts(out, ",\"choices\":");
		json_list(out, o->choices);
	}
	if (o->deprecated) {
		json_pair(out, "deprecated", o->deprecated);
	}
	buf_printf(out, ",\"in_url\":%s,\"secret\":%s}", o->flags & VMT_OPT_URL ? "true" : "false",
		   o->flags & VMT_OPT_SECRET ? "true" : "false");
}

static void add_plugin(struct table *table, const struct vmt_plugin *p, const char *file)
{
	struct buf json = BUF_INIT;

	table_text(table, registry_namespace(p->ns));
	table_text(table, p->name);
	json_list(&json, p->aliases);
	table_raw(table, json.data, NULL);
	table_text(table, p->version);
	table_text(table, file ? file : p->ops.publisher ? "built in" : "not installed");
	table_text(table, p->help);
	buf_reset(&json);
	buf_putc(&json, '[');
	for (const struct vmt_option *o = p->options; o && o->name; o++) {
		buf_puts(&json, o == p->options ? "" : ",");
		json_option(&json, o);
	}
	buf_putc(&json, ']');
	table_raw(table, json.data, NULL);
	table_row(table);
	buf_fini(&json);
}

static void add_options(struct table *table, const struct vmt_plugin *p)
{
	for (const struct vmt_option *o = p->options; o && o->name; o++) {
		char *help = o->choices ? g_strjoinv(", ", (char **)o->choices) : NULL;

		table_printf(table, "%s %s", registry_namespace(p->ns), p->name);
		if (p->ns == VMT_TRANSFORMER) { /* parameters in pipeline.yaml */
			table_text(table, o->name);
		} else {
			table_printf(table, "[%s] %s", option_group(o), o->name);
		}
		table_text(table, option_type_name(o));
		table_text(table, o->def);
		table_printf(table, "%s%s%s%s", o->help ? o->help : "", help ? " (" : "",
			     help ? help : "", help ? ")" : "");
		table_row(table);
		g_free(help);
	}
}

static int list_plugins(struct list *l)
{
	struct table *table;
	int status;

	registry_load_all(l->registry, l->problems);
	table = table_new(stdout, l->format, plugin_columns, G_N_ELEMENTS(plugin_columns), 0);
	for (size_t i = 0; i < registry_count(l->registry); i++) {
		add_plugin(table, registry_at(l->registry, i), registry_file(l->registry, i));
	}
	status = close_table(table);
	if (l->format == TABLE_TEXT && status == CMD_OK) {
		printf("\n");
		table = table_new(stdout, l->format, option_columns, G_N_ELEMENTS(option_columns),
				  0);
		for (size_t i = 0; i < registry_count(l->registry); i++) {
			add_options(table, registry_at(l->registry, i));
		}
		status = close_table(table);
	}
	for (size_t i = 0; i < registry_failures(l->registry); i++) {
		fprintf(stderr, "left out: %s\n", registry_failure(l->registry, i));
	}
	return status;
}

/* ---- meters */

static const struct table_column meter_columns[] = {
	{ .key = "name" },
	{ .key = "sample_name", .json_only = true },
	{ .key = "type" },
	{ .key = "unit" },
	{ .key = "of" },
	{ .key = "since" },
	{ .key = "until" },
	{ .key = "origin", .wide = true },
	{ .key = "own", .json_only = true },
	{ .key = "help", .wide = true },
};

static void add_meter(struct table *table, const struct meter_row *row, enum vmt_profile profile)
{
	table_text(table, row->name);
	table_text(table, meter_name(row, profile));
	table_text(table, meter_type_name((enum vmt_meter_type)row->type));
	table_text(table, row->unit[profile]);
	table_text(table, meter_level_name(row));
	table_text(table, row->since);
	table_text(table, row->until);
	table_text(table, row->source);
	table_raw(table, row->flags & METER_OWN ? "true" : "false", NULL);
	table_text(table, row->help);
	table_row(table);
}

static void add_plugin_meter(struct table *table, const struct vmt_plugin *p,
			     const struct vmt_meter *m)
{
	table_text(table, m->name);
	table_text(table, m->name);
	table_text(table, meter_type_name(m->type));
	table_text(table, m->unit);
	table_text(table, NULL);
	table_text(table, NULL);
	table_text(table, NULL);
	table_printf(table, "pollster %s", p->name);
	table_raw(table, "true", NULL);
	table_text(table, m->help);
	table_row(table);
}

static int list_meters(struct list *l)
{
	struct table *table =
		table_new(stdout, l->format, meter_columns, G_N_ELEMENTS(meter_columns), 0);

	for (size_t i = 0; i < meter_count(); i++) {
		add_meter(table, meter_at(i), l->settings.meter_profile);
	}
	registry_load_all(l->registry, l->problems);
	for (size_t i = 0; i < registry_count(l->registry); i++) {
		const struct vmt_plugin *p = registry_at(l->registry, i);

		for (size_t m = 0; p->ns == VMT_POLLSTER && m < p->ops.pollster->count; m++) {
			add_plugin_meter(table, p, &p->ops.pollster->meters[m]);
		}
	}
	return close_table(table);
}

/* ---- instances */

static const struct table_column instance_columns[] = {
	{ .key = "id" },
	{ .key = "name" },
	{ .key = "display_name", .title = "DISPLAY NAME", .wide = true },
	{ .key = "state" },
	{ .key = "status", .json_only = true },
	{ .key = "host", .json_only = true },
	{ .key = "project_id", .title = "PROJECT", .wide = true },
	{ .key = "user_id", .json_only = true },
	{ .key = "flavor" },
	{ .key = "vcpus", .right = true },
	{ .key = "ram_mib", .title = "RAM MiB", .right = true },
	{ .key = "image", .json_only = true },
};

static void add_instance(struct table *table, const struct vmt_instance *in)
{
	table_text(table, in->id);
	table_text(table, in->name);
	table_text(table, in->display_name);
	table_text(table, in->state);
	table_text(table, in->status);
	table_text(table, in->host);
	table_text(table, in->project_id);
	table_text(table, in->user_id);
	if (in->has_flavor) {
		table_text(table, in->flavor.name);
		table_number(table, in->flavor.vcpus);
		table_number(table, in->flavor.ram_mib);
	} else {
		table_text(table, NULL);
		table_text(table, NULL);
		table_text(table, NULL);
	}
	table_text(table, in->has_image ? in->image.name : NULL);
	table_row(table);
}

static int print_instances(struct list *l, const struct vmt_snapshot *snapshot)
{
	struct table *table;

	if (snapshot->count == 0 && l->format == TABLE_TEXT) {
		printf("no instances on this host\n");
		return CMD_OK;
	}
	table = table_new(stdout, l->format, instance_columns, G_N_ELEMENTS(instance_columns), 0);
	for (size_t i = 0; i < snapshot->count; i++) {
		add_instance(table, &snapshot->instances[i]);
	}
	return close_table(table);
}

static int print_snapshot(struct list *l, struct snapshot *snapshot)
{
	int ret = print_instances(l, &snapshot->list);

	snapshot_unref(snapshot);
	return ret;
}

/* The inspector's own instances are found by the discovery of its name. */
static const struct vmt_plugin *find_discovery(struct list *l, const struct endpoint *e)
{
	const struct vmt_plugin *p = NULL;

	if (strcmp(e->inspector, "libvirt") != 0) {
		p = registry_find(l->registry, VMT_DISCOVERY, e->inspector, NULL);
	}
	return p ? p : registry_find(l->registry, VMT_DISCOVERY, "local_instances", NULL);
}

static int open_discovery(struct list *l, const struct endpoint *e, const struct vmt_plugin *plugin,
			  struct plugin_object **ret_object)
{
	struct vmt_error error = { "" };
	int ret = plugin_object_open(plugin, e->ini, NULL, NULL, false, ret_object, l->problems,
				     &error);

	return ret < 0 ? fail(error.text) : 0;
}

/* The discovery that finds the instances, and those that know more of them, as far as they are configured. */
struct known {
	struct plugin_object *here, *joined, *lookups;
};

static void tell(bool asked, const char *error, const char *consequence)
{
	if (asked && error[0]) {
		fprintf(stderr, "virtmeter list: %s; %s\n", error, consequence);
	}
}

/* Asks once. */
static int ask_instances(struct list *l, const struct known *k)
{
	static const atomic_bool never;
	const struct vmt_call call = {
		.deadline_ns = clock_monotonic() + ASK_S * INT64_C(1000000000), .cancel = &never
	};
	struct instances *instances = instances_new(k->here->plugin->name, "",
						    k->here->plugin->ops.discovery, k->here->self);
	struct vmt_error error = { "" };
	struct snapshot *snapshot;

	if (k->joined) {
		instances_join(instances, k->joined->plugin->name, k->joined->plugin->ops.discovery,
			       k->joined->self, plan_joins_by_name(k->here->plugin->name));
	}
	if (k->lookups) {
		instances_describe(instances, k->lookups->plugin->name,
				   k->lookups->plugin->ops.discovery, k->lookups->self);
		instances_patient(instances, INSTANCES_PATIENCE_NS);
	}
	snapshot = instances_get(instances, &call, &error);
	if (snapshot) {
		int64_t age_ns;

		tell(instances_joined_age(instances, &age_ns, error.text), error.text,
		     "as the hypervisor knows them");
		tell(instances_described_age(instances, &age_ns, error.text), error.text,
		     "without what that would tell");
	}
	instances_free(instances);
	return snapshot ? print_snapshot(l, snapshot) : fail(error.text);
}

/* `name` NULL: nothing. */
static int open_more(struct list *l, const struct endpoint *e, const char *name,
		     struct plugin_object **ret_object)
{
	const struct vmt_plugin *plugin;
	struct vmt_error error = { "" };

	if (!name) {
		return 0;
	}
	plugin = registry_find(l->registry, VMT_DISCOVERY, name, &error);
	return plugin ? open_discovery(l, e, plugin, ret_object) : fail(error.text);
}

static int list_endpoint(struct list *l, const struct endpoint *e)
{
	const struct vmt_plugin *plugin = find_discovery(l, e);
	struct known k = { NULL };
	int ret;

	if (!plugin) {
		return fail("discovery local_instances: no such plugin in this virtmeter");
	}
	ret = open_discovery(l, e, plugin, &k.here);
	if (ret == 0) {
		ret = open_more(l, e, e->joined, &k.joined);
	}
	if (ret == 0) { /* who is here can be told without it */
		(void)open_more(l, e, e->lookups, &k.lookups);
		ret = ask_instances(l, &k);
	}
	plugin_object_close(k.lookups);
	plugin_object_close(k.joined);
	plugin_object_close(k.here);
	return ret;
}

/* Of all endpoints; one that fails does not stop the others. */
static int list_instances(struct list *l)
{
	struct endpoints endpoints;
	int ret = endpoints_init(&endpoints, l->settings.inspectors, NULL, &l->settings, l->ini,
				 l->problems);

	if (ret < 0) {
		ret = fail(problems_first_error(l->problems));
	}
	for (size_t i = 0; i < endpoints.count; i++) {
		int one = list_endpoint(l, &endpoints.at[i]);

		ret = ret ? ret : one;
	}
	endpoints_fini(&endpoints);
	return ret;
}

/* ---- the command */

static const struct {
	const char *name;
	int (*run)(struct list *l);
} things[] = {
	{ "instances", list_instances },
	{ "meters", list_meters },
	{ "plugins", list_plugins },
};

static int unknown(const char *word)
{
	const char *names[G_N_ELEMENTS(things) + 1] = { NULL };
	const char *near;

	for (size_t i = 0; i < G_N_ELEMENTS(things); i++) {
		names[i] = things[i].name;
	}
	near = conf_nearest(word, names);
	return cmd_usage("list",
			 "%s: there is no such list%s%s%s; write instances, meters or plugins",
			 word, near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

static int run(struct list *l, int (*what)(struct list *l))
{
	const struct log_settings quiet = { .level = VMT_LOG_ERROR };
	const struct ini_search search = cmd_search(l->config_files, l->config_dirs);
	int ret;

	log_init(&quiet, NULL);
	ret = ini_search(l->ini, &search, l->problems);
	if (settings_read(&l->settings, l->ini, l->problems) < 0 || ret < 0) {
		return fail(problems_first_error(l->problems));
	}
	l->registry = registry_new(builtin_plugins);
	registry_load_dir(l->registry, builtin_plugin_folder(), l->problems);
	registry_load_dir(l->registry, l->settings.plugin_dir, l->problems);
	return what(l);
}

int cmd_list(int argc, char **argv)
{
	struct list l = { .config_files = NULL };
	const GOptionEntry entries[] = {
		CMD_CONFIG_OPTIONS(l.config_files, l.config_dirs),
		{ "format", 0, 0, G_OPTION_ARG_STRING, &l.format_name,
		  "table (the default) or json", "FORM" },
		{ NULL },
	};
	int status = cmd_parse(
		&argc, &argv, entries, "instances|meters|plugins",
		"Lists what discovery finds on this host, every meter with its type and unit, or every plugin\n"
		"with its options.");
	int (*what)(struct list *) = NULL;

	for (size_t i = 0; status < 0 && argc == 2 && i < G_N_ELEMENTS(things); i++) {
		what = strcmp(argv[1], things[i].name) == 0 ? things[i].run : what;
	}
	if (status < 0 && argc != 2) {
		status = cmd_usage("list", "of what? write one of instances, meters, plugins");
	} else if (status < 0 && !what) {
		status = unknown(argv[1]);
	} else if (status < 0 && cmd_format("list", l.format_name, &l.format) < 0) {
		status = CMD_USAGE;
	}
	if (status < 0) {
		g_assert(what);
		l.ini = ini_new();
		l.problems = problems_new();
		status = run(&l, what);
		registry_free(l.registry);
		settings_fini(&l.settings);
		ini_free(l.ini);
		problems_free(l.problems);
	}
	g_strfreev(l.config_files);
	g_strfreev(l.config_dirs);
	g_free(l.format_name);
	return status;
}

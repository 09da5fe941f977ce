/* SPDX-License-Identifier: Apache-2.0 */
/* The program's own options. */
#include "conf/settings.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <syslog.h>

#include "base/arena.h"
#include "conf/option.h"

struct fixture {
	struct ini *ini;
	struct problems *problems;
	struct settings settings;
	int ret;
};

static void begin(struct fixture *f, const char *text)
{
	*f = (struct fixture){ .ini = ini_new(), .problems = problems_new() };
	g_assert_cmpint(ini_read_text(f->ini, "t.conf", text, strlen(text), f->problems), ==, 0);
	f->ret = settings_read(&f->settings, f->ini, f->problems);
}

static void end(struct fixture *f)
{
	settings_fini(&f->settings);
	problems_free(f->problems);
	ini_free(f->ini);
}

/* Juno, Kilo to Pike, and the notification agent's: the largest counts, and there is one at least. */
static void test_workers(void)
{
	static const struct {
		const char *text;
		int workers;
	} cases[] = {
		{ "", 1 },
		{ "[DEFAULT]\ncollector_workers = 3\n", 3 },
		{ "[collector]\nworkers = 4\n", 4 },
		{ "[DEFAULT]\nnotification_workers = 2\n", 2 },
		{ "[notification]\nworkers = 5\n[collector]\nworkers = 2\n", 5 },
		{ "[collector]\nworkers = 0\n", 1 },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct fixture f;

		begin(&f, cases[i].text);
		g_assert_cmpint(f.ret, ==, 0);
		g_assert_cmpint(f.settings.workers, ==, cases[i].workers);
		end(&f);
	}
}

static void test_defaults(void)
{
	struct fixture f;
	const struct settings *s = &f.settings;

	begin(&f, "");
	g_assert_cmpint(f.ret, ==, 0);
	g_assert_cmpuint(problems_count(f.problems), ==, 0);
	g_assert_cmpstr(s->host, ==, g_get_host_name());
	g_assert_cmpstr(s->sample_source, ==, "openstack");
	g_assert_cmpstr(s->inspectors[0], ==, "libvirt");
	g_assert_null(s->inspectors[1]);
	g_assert_cmpstr(s->pipeline_cfg_file, ==, "pipeline.yaml");
	g_assert_cmpstr(s->cfg_file, ==, "polling.yaml");
	g_assert_cmpstr(s->reserved_metadata_namespace[0], ==, "metering.");
	g_assert_null(s->reserved_metadata_namespace[1]);
	g_assert_null(s->reserved_metadata_keys[0]);
	g_assert_cmpint(s->reserved_metadata_length, ==, 256);
	g_assert_cmpint(s->graceful_shutdown_timeout_ns, ==, INT64_C(60000000000));
	g_assert_cmpint(s->meter_profile, ==, VMT_PROFILE_26);
	g_assert_cmpstr(s->instance_discovery_method, ==, "libvirt_metadata");
	g_assert_false(s->report_stopped_instance_metrics || s->align || s->debug);
	g_assert_cmpint(s->jitter_ns, ==, 0);
	g_assert_cmpuint(s->control_socket_mode, ==, 0660);
	g_assert_null(s->control_socket);
	g_assert_true(g_str_has_suffix(s->plugin_dir, "/virtmeter"));
	end(&f);
	settings_fini(NULL);
}

static void test_values(void)
{
	struct fixture f;
	const struct settings *s = &f.settings;

	begin(&f,
	      "[DEFAULT]\nhost=node-1\ncounter_source=mine\nmeter_profile=juno\nreserved_metadata_length=3\n"
	      "polling_namespaces=central,compute\n[virtmeter]\nalign=on\njitter=0.5\ncontrol_socket_mode=600\n"
	      "[compute]\nreport_stopped_instance_metrics=true\n[polling]\ncfg_file=/p.yaml\n");
	g_assert_cmpint(f.ret, ==, 0);
	g_assert_cmpstr(s->host, ==, "node-1");
	g_assert_cmpstr(s->sample_source, ==, "mine");
	g_assert_cmpint(s->meter_profile, ==, VMT_PROFILE_JUNO);
	g_assert_cmpint(s->reserved_metadata_length, ==, 3);
	g_assert_true(s->align && s->report_stopped_instance_metrics);
	g_assert_cmpstr(
		problems_at(f.problems, problems_count(f.problems) - 1)->text, ==,
		"t.conf:6:20: polling_namespaces: compute is polled here; the others remain for "
		"Ceilometer's own agent");
	g_assert_cmpint(s->jitter_ns, ==, 500000000);
	g_assert_cmpuint(s->control_socket_mode, ==, 0600);
	g_assert_cmpstr(s->cfg_file, ==, "/p.yaml");
	end(&f);
	begin(&f, "[virtmeter]\nmeter_profile=19\ncontrol_socket=\nstore=\n");
	g_assert_true(!f.settings.control_socket && !f.settings.store);
	g_assert_cmpint(f.settings.meter_profile, ==, VMT_PROFILE_19);
	end(&f);
}

static void test_faults(void)
{
	static const struct {
		const char *text, *wanted;
	} rows[] = {
		{ "meter_profile=27",
		  "t.conf:2:15: meter_profile: '27' will not do; write one of juno, 19, 26" },
		{ "host=a b",
		  "t.conf:2:6: host: 'a b' will not do; write a name without white space" },
		{ "graceful_shutdown_timeout=soon",
		  "t.conf:2:27: graceful_shutdown_timeout: 'soon' will not do; write seconds, such as 30 or 0.5" },
		{ "log_format=xml",
		  "t.conf:2:12: log_format: 'xml' will not do; write one of plain, oslo, json" },
		{ "syslog_log_facility=LOG_X",
		  "t.conf:2:21: syslog_log_facility: 'LOG_X' will not do; write "
		  "LOG_USER, LOG_DAEMON or LOG_LOCAL0 to LOG_LOCAL7" },
		{ "control_socket_mode=rw",
		  "t.conf:2:21: control_socket_mode: 'rw' will not do; write octal digits, such as 0660" },
		{ "control_socket_mode=0999",
		  "t.conf:2:21: control_socket_mode: '0999' will not do; write octal digits, such as 0660" },
		{ "default_log_levels=a=INFO,b",
		  "t.conf:2:20: default_log_levels: 'b' will not do; write "
		  "logger=LEVEL, such as libvirt=WARNING" },
		{ "[virtmeter]\njitter=-1",
		  "t.conf:3:8: jitter: '-1' will not do; write seconds, such as 30 or 0.5 from 0 to 86400" },
		{ "[virtmeter]\nfast_interval=0.1",
		  "t.conf:3:15: fast_interval: less than a second; write 1 or more, or 0 for none" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		char *text = g_strconcat("[DEFAULT]\n", rows[i].text, "\n", NULL);
		struct log_settings log;
		struct fixture f;

		begin(&f, text);
		g_assert_cmpint(f.ret, ==, -EINVAL);
		g_assert_cmpuint(problems_of(f.problems, PROBLEM_ERROR), ==, 1);
		g_assert_cmpstr(problems_first_error(f.problems), ==, rows[i].wanted);
		settings_log(&f.settings, "p", &log); /* can still be looked at */
		end(&f);
		g_free(text);
	}
}

static void test_juno_log_format(void)
{
	struct fixture f;

	begin(&f, "[DEFAULT]\nlog_format=%(asctime)s %(message)s\n");
	g_assert_cmpint(f.ret, ==, 0);
	g_assert_cmpstr(f.settings.log_format, ==, "plain");
	g_assert_cmpstr(problems_at(f.problems, 0)->ignored, ==, "[DEFAULT] log_format");
	end(&f);
}

static void test_inspector(void)
{
	static const char *const known[] = { "libvirt", "simulated", NULL };
	static const struct {
		const char *text, *wanted;
	} rows[] = {
		{ "[DEFAULT]\nhypervisor_inspector=simulated\n", NULL },
		{ "", NULL },
		{ "[DEFAULT]\nhypervisor_inspector=libvirt:a, simulated, libvirt:b\n", NULL },
		{ "[DEFAULT]\nhypervisor_inspector=libvirt, kvm:a\n",
		  "t.conf:2:22: hypervisor_inspector: there is no 'kvm'; write one of libvirt, simulated" },
		{ "[DEFAULT]\nhypervisor_inspector=libvrit\n",
		  "t.conf:2:22: hypervisor_inspector: there is no 'libvrit'; write one of libvirt, simulated (did "
		  "you mean libvirt?)" },
		{ "[DEFAULT]\nhypervisor_inspector=kvm\n",
		  "t.conf:2:22: hypervisor_inspector: there is no 'kvm'; write one of libvirt, simulated" },
		{ "[DEFAULT]\nhypervisor_inspector=xenapi\n",
		  "t.conf:2:22: hypervisor_inspector: xenapi is not served; write libvirt and libvirt_type = xen, "
		  "libvirt's driver for Xen" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct fixture f;

		begin(&f, rows[i].text);
		g_assert_cmpint(settings_check_inspector(&f.settings, f.ini, known, f.problems), ==,
				rows[i].wanted ? -EINVAL : 0);
		g_assert_cmpstr(problems_first_error(f.problems), ==,
				rows[i].wanted ? rows[i].wanted : "");
		end(&f);
	}
}

static void expect_log(const char *text, const char *file, enum log_form form)
{
	struct log_settings log;
	struct fixture f;

	begin(&f, text);
	g_assert_cmpint(f.ret, ==, 0);
	settings_log(&f.settings, "virtmeter-agent", &log);
	g_assert_cmpstr(log.file, ==, file);
	g_assert_cmpint(log.form, ==, form);
	end(&f);
}

static void test_log(void)
{
	struct log_settings log;
	struct fixture f;

	expect_log("", NULL, LOG_FORM_PLAIN);
	expect_log("[DEFAULT]\nlog_file=a.log\n", "a.log", LOG_FORM_PLAIN);
	expect_log("[DEFAULT]\nlog-dir=/d\nlog-file=a.log\n", "/d/a.log", LOG_FORM_PLAIN);
	expect_log("[DEFAULT]\nlogdir=/d\nlogfile=/x/a.log\nlog_format=oslo\n", "/x/a.log",
		   LOG_FORM_OSLO);
	expect_log("[DEFAULT]\nlog_dir=/d\nuse_json=1\n", "/d/virtmeter-agent.log", LOG_FORM_JSON);
	begin(&f,
	      "[DEFAULT]\ndebug=true\nuse_syslog=yes\nsyslog_log_facility=local3\nwatch_log_file=1\n"
	      "default_log_levels=libvirt=WARN,polling=ERROR\n");
	settings_log(&f.settings, "virtmeter-agent", &log);
	g_assert_cmpint(log.level, ==, VMT_LOG_DEBUG);
	g_assert_true(log.syslog && log.watch_file && !log.journal && !log.use_stderr);
	g_assert_cmpint(log.syslog_facility, ==, LOG_LOCAL3);
	g_assert_cmpstr(log.levels[0].logger, ==, "libvirt");
	g_assert_cmpint(log.levels[0].level, ==, VMT_LOG_WARNING);
	g_assert_cmpstr(log.levels[1].logger, ==, "polling");
	g_assert_null(log.levels[2].logger);
	end(&f);
}

/* Every row of the table can be printed and found; none is without help or twice there. */
static void test_table(void)
{
	static const struct vmt_option *const tables[] = { settings_options, NULL };
	GHashTable *seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	struct buf out = BUF_INIT, text = BUF_INIT;
	struct fixture f;

	begin(&f, "");
	for (const struct vmt_option *o = settings_options; o->name; o++) {
		g_assert_true(o->help && g_str_has_suffix(o->help, "."));
		g_assert_true(
			g_hash_table_add(seen, g_strconcat(option_group(o), ".", o->name, NULL)));
		buf_reset(&out);
		option_print_value(o, &f.settings, &out);
		buf_printf(&text, "[%s]\n%s = ", option_group(o), o->name);
		for (const char *p = out.data; *p; p++) {
			buf_puts(&text, *p == '$' ? "$$" : (char[]){ *p, '\0' });
		}
		buf_putc(&text, '\n');
	}
	end(&f);
	/* what was printed, read again, is the same and known */
	begin(&f, text.data);
	g_assert_cmpint(f.ret, ==, 0);
	options_check_unknown(f.ini, tables, f.problems);
	g_assert_cmpuint(problems_count(f.problems), ==, 0);
	end(&f);
	buf_fini(&out);
	buf_fini(&text);
	g_hash_table_unref(seen);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/conf/settings/defaults", test_defaults);
	g_test_add_func("/conf/settings/workers", test_workers);
	g_test_add_func("/conf/settings/values", test_values);
	g_test_add_func("/conf/settings/faults", test_faults);
	g_test_add_func("/conf/settings/juno-log-format", test_juno_log_format);
	g_test_add_func("/conf/settings/inspector", test_inspector);
	g_test_add_func("/conf/settings/log", test_log);
	g_test_add_func("/conf/settings/table", test_table);
	return g_test_run();
}

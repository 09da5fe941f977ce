/* SPDX-License-Identifier: Apache-2.0 */
/* Option tables: decoding, faults, printing back, unknown keys. */
#include "conf/option.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"

struct conf {
	bool flag;
	int64_t number, timeout_ns;
	double ratio;
	const char *text, *choice, *secret, *own;
	const char *const *list;
	const char *const *multi;
	const struct vmt_pair *dict;
};

static const char *const choices[] = { "kvm", "lxc", NULL };

#define AT(member_) .offset = offsetof(struct conf, member_)
static const struct vmt_option options[] = {
	{ .name = "flag", .type = VMT_OPT_BOOL, AT(flag), .def = "true", .flags = VMT_OPT_URL },
	{ .name = "number",
	  .type = VMT_OPT_INT,
	  AT(number),
	  .def = "5",
	  .min = 1,
	  .max = 10,
	  .deprecated = "count",
	  .flags = VMT_OPT_URL },
	{ .name = "timeout", .type = VMT_OPT_SECONDS, AT(timeout_ns), .def = "1.5", .max = 60 },
	{ .group = "g", .name = "ratio", .type = VMT_OPT_DOUBLE, AT(ratio), .def = "0.25" },
	{ .group = "g", .name = "text", .type = VMT_OPT_STRING, AT(text) },
	{ .name = "choice", .type = VMT_OPT_STRING, AT(choice), .def = "kvm", .choices = choices },
	{ .name = "secret",
	  .type = VMT_OPT_STRING,
	  AT(secret),
	  .flags = VMT_OPT_SECRET | VMT_OPT_URL },
	{ .group = "virtmeter", .name = "own", .type = VMT_OPT_STRING, AT(own), .def = "" },
	{ .name = "list", .type = VMT_OPT_LIST, AT(list), .def = "a, b", .flags = VMT_OPT_URL },
	{ .name = "multi",
	  .type = VMT_OPT_LIST,
	  AT(multi),
	  .flags = VMT_OPT_MULTI | VMT_OPT_URL,
	  .def = "x, y",
	  .deprecated = "many" },
	{ .name = "dict",
	  .type = VMT_OPT_DICT,
	  AT(dict),
	  .def = "a:$number",
	  .flags = VMT_OPT_URL },
	{ .name = NULL },
};
static const struct vmt_option *const tables[] = { options, NULL };

struct fixture {
	struct ini *ini;
	struct arena *arena;
	struct problems *problems;
	struct url *url;
	struct conf conf;
	int ret;
};

static void decode(struct fixture *f, const char *text, const char *url)
{
	struct position at = { "pipeline.yaml", 9, 7 };

	*f = (struct fixture){ .ini = ini_new(),
			       .arena = arena_new(0),
			       .problems = problems_new() };
	g_assert_cmpint(ini_read_text(f->ini, "t.conf", text, strlen(text), f->problems), ==, 0);
	ini_know(f->ini, options);
	if (url) {
		g_assert_cmpint(url_parse(url, &f->url, NULL), ==, 0);
	}
	f->ret = options_decode(options, f->ini, f->url, &at, f->arena, &f->conf, f->problems);
}

static void done(struct fixture *f)
{
	url_free(f->url);
	problems_free(f->problems);
	arena_free(f->arena);
	ini_free(f->ini);
}

static void assert_list(const char *const *list, const char *wanted)
{
	char *joined = g_strjoinv("|", (char **)list);

	g_assert_cmpstr(joined, ==, wanted);
	g_free(joined);
}

/* NAME_file names a file that has the secret; a value given directly wins. */
static void test_secret_file(void)
{
	char *path = NULL, *text, *url;
	int fd = g_file_open_tmp("secret-XXXXXX", &path, NULL);
	struct fixture f;

	g_assert_cmpint(fd, >=, 0);
	close(fd);
	g_assert_true(g_file_set_contents(path, "s3cr\u00e9t two\n", -1, NULL));
	text = g_strdup_printf("[DEFAULT]\nsecret_file = %s\n", path);
	decode(&f, text, NULL);
	g_assert_cmpint(f.ret, ==, 0);
	g_assert_cmpstr(f.conf.secret, ==, "s3cr\u00e9t two");
	options_check_unknown(f.ini, tables, f.problems);
	g_assert_cmpuint(problems_count(f.problems), ==, 0);
	done(&f);
	g_free(text);
	text = g_strdup_printf("[DEFAULT]\nsecret_file = %s\nsecret = direct\n", path);
	decode(&f, text, NULL);
	g_assert_cmpstr(f.conf.secret, ==, "direct");
	done(&f);
	url = g_strdup_printf("x://h?secret_file=%s", path);
	decode(&f, "", url);
	g_assert_cmpstr(f.conf.secret, ==, "s3cr\u00e9t two");
	g_assert_null(url_get(f.url)->query->key);
	done(&f);
	g_assert_true(g_file_set_contents(path, "a\xff", -1, NULL));
	decode(&f, "", url);
	g_assert_cmpint(f.ret, ==, -EINVAL);
	g_assert_nonnull(strstr(problems_first_error(f.problems), "is not UTF-8 text"));
	done(&f);
	unlink(path);
	decode(&f, text, NULL);
	g_assert_cmpint(f.ret, ==, -EINVAL);
	g_assert_nonnull(strstr(problems_first_error(f.problems), "t.conf:2:15: secret_file: "));
	done(&f);
	g_free(text);
	g_free(url);
	g_free(path);
}

static void test_defaults(void)
{
	struct fixture f;

	decode(&f, "", NULL);
	g_assert_cmpint(f.ret, ==, 0);
	g_assert_true(f.conf.flag);
	g_assert_cmpint(f.conf.number, ==, 5);
	g_assert_cmpint(f.conf.timeout_ns, ==, 1500000000);
	g_assert_cmpfloat(f.conf.ratio, ==, 0.25);
	g_assert_null(f.conf.text);
	g_assert_cmpstr(f.conf.choice, ==, "kvm");
	assert_list(f.conf.list, "a|b");
	assert_list(f.conf.multi, "x|y");
	done(&f);
}

static void test_values(void)
{
	struct fixture f;

	decode(&f,
	       "[DEFAULT]\nflag = No\ncount = +7\ntimeout = 0.000000001\nchoice=lxc\nsecret=s\n"
	       "list = ,one,\n  two ,, three,\nown = in default\nmulti = 1,2\nmulti = $choice\nmany=0\n"
	       "[g]\nratio=-1e3\ntext=\n",
	       NULL);
	g_assert_cmpint(f.ret, ==, 0);
	g_assert_false(f.conf.flag);
	g_assert_cmpint(f.conf.number, ==, 7);
	g_assert_cmpint(f.conf.timeout_ns, ==, 1);
	g_assert_cmpfloat(f.conf.ratio, ==, -1000);
	g_assert_cmpstr(f.conf.text, ==, "");
	g_assert_cmpstr(f.conf.choice, ==, "lxc");
	g_assert_cmpstr(f.conf.own, ==, "in default");
	assert_list(f.conf.list, "one|two|three");
	assert_list(f.conf.multi, "1,2|lxc|0");
	g_assert_cmpuint(problems_count(f.problems), ==, 1);
	g_assert_cmpstr(problems_at(f.problems, 0)->text, ==,
			"t.conf:3:1: count: an older name; write number");
	done(&f);
	decode(&f, "[DEFAULT]\nown=1\nnumber=\ntimeout=\nlist=\n[virtmeter]\nown=2\n", NULL);
	g_assert_cmpint(f.ret, ==, 0);
	g_assert_cmpstr(f.conf.own, ==, "2");
	g_assert_cmpint(f.conf.number, ==, 5);
	g_assert_cmpint(f.conf.timeout_ns, ==, 1500000000);
	assert_list(f.conf.list, "");
	done(&f);
}

static void test_environment(void)
{
	static const char text[] = "[DEFAULT]\nmulti=1\nmulti=2\nnumber=2\n";
	static const char *const environment[] = { "OS_DEFAULT__MULTI=e", "OS_DEFAULT__NUMBER=99",
						   NULL };
	struct fixture f = { .ini = ini_new(), .arena = arena_new(0), .problems = problems_new() };

	ini_read_text(f.ini, "t.conf", text, strlen(text), f.problems);
	ini_read_environment(f.ini, environment);
	f.ret = options_decode(options, f.ini, NULL, NULL, f.arena, &f.conf, f.problems);
	assert_list(f.conf.multi, "e");
	g_assert_cmpint(f.ret, ==, -EINVAL);
	g_assert_cmpstr(
		problems_first_error(f.problems), ==,
		"environment: OS_DEFAULT__NUMBER: number: '99' will not do; write a whole number from 1 to 10");
	done(&f);
}

static void test_booleans(void)
{
	static const char *const yes[] = { "true", "TRUE", "1", "On", "yes", "'true'" },
				 *const no[] = { "false", "False", "0", "off", "NO" },
				 *const bad[] = { "f", "2", "", "y", "none" };
	char text[64];
	struct fixture f;

	for (size_t i = 0; i < G_N_ELEMENTS(yes); i++) {
		snprintf(text, sizeof(text), "[DEFAULT]\nflag = %s\n", yes[i]);
		decode(&f, text, NULL);
		g_assert_true(f.ret == 0 && f.conf.flag);
		done(&f);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(no); i++) {
		snprintf(text, sizeof(text), "[DEFAULT]\nflag = %s\n", no[i]);
		decode(&f, text, NULL);
		g_assert_true(f.ret == 0 && !f.conf.flag);
		done(&f);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		snprintf(text, sizeof(text), "[DEFAULT]\nflag = %s\n", bad[i]);
		decode(&f, text, NULL);
		g_assert_cmpint(f.ret, ==, -EINVAL);
		g_assert_true(f.conf.flag); /* its default */
		done(&f);
	}
}

static void assert_dict(const struct vmt_pair *pairs, const char *wanted)
{
	struct buf out = BUF_INIT;

	buf_puts(&out, "");
	for (; pairs->key; pairs++) {
		buf_printf(&out, "<%s=%s>", pairs->key, pairs->value);
	}
	g_assert_cmpstr(out.data, ==, wanted);
	buf_fini(&out);
}

static void test_dicts(void)
{
	static const struct {
		const char *text, *wanted;
	} rows[] = {
		{ "", "<a=5>" },
		{ "number = 2", "<a=2>" },
		{ "dict =", "" },
		{ "dict = k:v", "<k=v>" },
		{ "dict = k : v w ,\n  url:http://h:80/,e:", "<k=v w><url=http://h:80/><e=>" },
		{ "dict = a,b:c", "<a,b=c>" },
		{ "dict = n:$number,m:${number}", "<n=5><m=5>" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		char *text = g_strconcat("[DEFAULT]\n", rows[i].text, "\n", NULL);
		struct fixture f, same;

		decode(&f, text, NULL);
		decode(&same, text, NULL);
		g_assert_cmpint(f.ret, ==, 0);
		assert_dict(f.conf.dict, rows[i].wanted);
		g_assert_cmpuint(options_hash(options, &f.conf, 1), ==,
				 options_hash(options, &same.conf, 1));
		same.conf.dict = (const struct vmt_pair[]){ { "other", "" }, { NULL, NULL } };
		g_assert_cmpuint(options_hash(options, &f.conf, 1), !=,
				 options_hash(options, &same.conf, 1));
		done(&f);
		done(&same);
		g_free(text);
	}
}

static void test_faults(void)
{
	static const struct {
		const char *text, *wanted;
	} rows[] = {
		{ "flag=maybe", "t.conf:2:6: flag: 'maybe' will not do; write true or false" },
		{ "number = 0",
		  "t.conf:2:10: number: '0' will not do; write a whole number from 1 to 10" },
		{ "number=11",
		  "t.conf:2:8: number: '11' will not do; write a whole number from 1 to 10" },
		{ "number=5.0", "t.conf:2:8: number: '5.0' will not do; write a whole number" },
		{ "number=0x1", "t.conf:2:8: number: '0x1' will not do; write a whole number" },
		{ "number=99999999999999999999",
		  "t.conf:2:8: number: '99999999999999999999' will not do; write a whole number" },
		{ "timeout=61",
		  "t.conf:2:9: timeout: '61' will not do; write seconds, such as 30 or 0.5 from 0 to 60" },
		{ "timeout=60.000000001",
		  "t.conf:2:9: timeout: '60.000000001' will not do; write seconds, such as 30 or 0.5 from 0 to 60" },
		{ "timeout=-1",
		  "t.conf:2:9: timeout: '-1' will not do; write seconds, such as 30 or 0.5 from 0 to 60" },
		{ "timeout=1m",
		  "t.conf:2:9: timeout: '1m' will not do; write seconds, such as 30 or 0.5" },
		{ "timeout=.",
		  "t.conf:2:9: timeout: '.' will not do; write seconds, such as 30 or 0.5" },
		{ "choice=xen", "t.conf:2:8: choice: 'xen' will not do; write one of kvm, lxc" },
		{ "choice=", "t.conf:2:8: choice: '' will not do; write one of kvm, lxc" },
		{ "secret=$s3cret",
		  "t.conf:2:8: secret: $s3cret: no such option, or one that is not set; write $$ for a dollar sign" },
		{ "dict=a", "t.conf:2:6: dict: 'a' will not do; write key:value, key:value" },
		{ "dict=a:b,", "t.conf:2:6: dict: 'a:b,' will not do; write key:value, key:value" },
		{ "dict=:b", "t.conf:2:6: dict: ':b' will not do; write key:value, key:value" },
		{ "dict=a:b,a:c", "t.conf:2:6: dict: 'a:b,a:c' will not do; write each key once" },
		{ "[g]\nratio=0x1p3", "t.conf:3:7: ratio: '0x1p3' will not do; write a number" },
		{ "[g]\nratio=nan", "t.conf:3:7: ratio: 'nan' will not do; write a number" },
		{ "[g]\nratio=1e999", "t.conf:3:7: ratio: '1e999' will not do; write a number" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		char *text = g_strconcat("[DEFAULT]\n", rows[i].text, "\n", NULL);
		struct fixture f;

		decode(&f, text, NULL);
		g_assert_cmpint(f.ret, ==, -EINVAL);
		g_assert_cmpstr(problems_first_error(f.problems), ==, rows[i].wanted);
		g_assert_cmpint(f.conf.number, ==, 5);
		done(&f);
		g_free(text);
	}
}

static void test_url(void)
{
	struct fixture f;

	decode(&f, "[DEFAULT]\nflag=false\nnumber=2\nsecret=file\n",
	       "x://h?flag&number=3&number=4&secret=of+url&list=p,q&other=1&timeout=9"
	       "&multi=m,n&multi=o");
	g_assert_cmpint(f.ret, ==, 0);
	g_assert_true(f.conf.flag); /* a key without a value */
	g_assert_cmpint(f.conf.number, ==, 4); /* the last */
	g_assert_cmpstr(f.conf.secret, ==, "of url");
	assert_list(f.conf.list, "p|q");
	assert_list(f.conf.multi, "m,n|o"); /* all of them */
	g_assert_cmpint(f.conf.timeout_ns, ==, 1500000000); /* not an option of URLs */
	g_assert_cmpstr(url_get(f.url)->query[0].key, ==, "other");
	g_assert_cmpstr(url_get(f.url)->query[1].key, ==, "timeout");
	g_assert_null(url_get(f.url)->query[2].key);
	g_assert_nonnull(strstr(url_get(f.url)->text, "secret=****"));
	done(&f);
	decode(&f, "", "x://h?number=99");
	g_assert_cmpstr(
		problems_first_error(f.problems), ==,
		"pipeline.yaml:9:7: URL: number: '99' will not do; write a whole number from 1 to 10");
	done(&f);
}

static void test_print(void)
{
	struct buf out = BUF_INIT;
	struct fixture f;

	decode(&f, "[DEFAULT]\nsecret=abc\ntimeout=0.25\ndict=a:5,b:c\n[g]\nratio=0.1\n", NULL);
	options_print(options, &f.conf, &out);
	g_assert_cmpstr(
		out.data, ==,
		"flag = true\nnumber = 5\ntimeout = 0.25\ng.ratio = 0.10000000000000001\ng.text = \n"
		"choice = kvm\nsecret = ****\nvirtmeter.own = \nlist = a, b\nmulti = x, y\n"
		"dict = a:5, b:c\n");
	buf_fini(&out);
	done(&f);
}

static void test_unknown(void)
{
	static const struct {
		const char *text;
		enum problem_level level;
		const char *wanted; /* NULL: nothing */
	} rows[] = {
		{ "[DEFAULT]\nnumber=1\ncount=1\nown=1\n[virtmeter]\nown=1\n[g]\nratio=1\n", 0,
		  NULL },
		{ "[DEFAULT]\nnumbr=1\n", PROBLEM_WARNING,
		  "t.conf:2:1: [DEFAULT] numbr: no such option, ignored; did you mean number?" },
		{ "[DEFAULT]\nratio=1\n", PROBLEM_WARNING,
		  "t.conf:2:1: [DEFAULT] ratio: no such option, ignored; it belongs in [g]" },
		{ "[DEFAULT]\nzzzzzz=1\n", PROBLEM_WARNING,
		  "t.conf:2:1: [DEFAULT] zzzzzz: no such option, ignored; leave it out" },
		{ "[default]\nnumber=1\n", PROBLEM_WARNING,
		  "t.conf:2:1: [default] number: no such section, ignored; did you mean [DEFAULT]?" },
		{ "[zzzzzz]\nq=1\n", PROBLEM_WARNING,
		  "t.conf:2:1: [zzzzzz] q: no such section, ignored; leave it out" },
		{ "[DEFAULT]\nrabbit_host=h\n", PROBLEM_NOTE,
		  "t.conf:2:1: [DEFAULT] rabbit_host: an option of Ceilometer's, without effect here" },
		{ "[Collector]\nanything=h\n", PROBLEM_NOTE,
		  "t.conf:2:1: [collector] anything: an option of Ceilometer's, without effect here" },
		{ "[service_credentials]\nusernam=u\n", PROBLEM_WARNING,
		  "t.conf:2:1: [service_credentials] usernam: no such option, ignored; did you mean username?" },
		{ "[service_credentials]\nos-auth-ulr=u\n", PROBLEM_WARNING,
		  "t.conf:2:1: [service_credentials] os_auth_ulr: no such option, ignored; did you mean os_auth_url?" },
		{ "[collector]\nudp_prot=1\n", PROBLEM_WARNING,
		  "t.conf:2:1: [collector] udp_prot: no such option, ignored; did you mean udp_port?" },
		{ "[notification]\nbatch_size=1\n", PROBLEM_NOTE,
		  "t.conf:2:1: [notification] batch_size: an option of Ceilometer's, without effect here" },
		{ "[notification]\nbatchsize=1\n", PROBLEM_WARNING,
		  "t.conf:2:1: [notification] batchsize: no such option, ignored; did you mean batch_size?" },
		{ "[oslo_messaging_rabbit]\nrabbit_retry_intervall=1\n", PROBLEM_WARNING,
		  "t.conf:2:1: [oslo_messaging_rabbit] rabbit_retry_intervall: no such option, ignored; did you mean rabbit_retry_interval?" },
		{ "[oslo_messaging_rabbit]\nanything=1\n", PROBLEM_WARNING,
		  "t.conf:2:1: [oslo_messaging_rabbit] anything: no such option, ignored; leave it out" },
		{ "[keystone_authtoken]\nmemcache_server=u\n", PROBLEM_WARNING,
		  "t.conf:2:1: [keystone_authtoken] memcache_server: no such option, ignored; did you mean memcached_servers?" },
		{ "[service_credentials]\nauth_type=password\n", PROBLEM_NOTE,
		  "t.conf:2:1: [service_credentials] auth_type: an option of Ceilometer's, without effect here" },
		{ "[keystone_authtoken]\nuser_domain_name=u\n", PROBLEM_NOTE,
		  "t.conf:2:1: [keystone_authtoken] user_domain_name: an option of Ceilometer's, without effect here" },
		{ "[gnocchi]\nof_some_plugin=u\n", PROBLEM_NOTE,
		  "t.conf:2:1: [gnocchi] of_some_plugin: an option of Ceilometer's, without effect here" },
		{ "[DEFAULT]\nnumber=1\n[g]\nratio=1\n[DEFAULT]\nnumber=2\n", PROBLEM_WARNING,
		  "t.conf:6:1: [DEFAULT] number: stands in line 2, too; this one counts, leave one out" },
		{ "[DEFAULT]\nown=1\nown=1\n", PROBLEM_WARNING,
		  "t.conf:3:1: [DEFAULT] own: stands in line 2, too; this one counts, leave one out" },
		{ "[DEFAULT]\nmulti=1\nmulti=2\n", 0, NULL },
		{ "[coordination]\nhartbeat=h\n", PROBLEM_WARNING,
		  "t.conf:2:1: [coordination] hartbeat: no such option, ignored; did you mean heartbeat?" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct ini *ini = ini_new();
		struct problems *problems = problems_new();

		ini_read_text(ini, "t.conf", rows[i].text, strlen(rows[i].text), problems);
		options_check_unknown(ini, tables, problems);
		g_assert_cmpuint(problems_count(problems), ==, rows[i].wanted ? 1 : 0);
		if (rows[i].wanted) {
			g_assert_cmpstr(problems_at(problems, 0)->text, ==, rows[i].wanted);
			g_assert_cmpint(problems_at(problems, 0)->level, ==, rows[i].level);
			g_assert_false(problems_at(problems, 0)->failed);
		}
		problems_free(problems);
		ini_free(ini);
	}
}

/* A later file that says it anew is what several files are for. */
static void test_again_elsewhere(void)
{
	struct ini *ini = ini_new();
	struct problems *problems = problems_new();

	ini_read_text(ini, "a.conf", "[DEFAULT]\nnumber=1\n", 19, problems);
	ini_read_text(ini, "b.conf", "[DEFAULT]\nnumber=2\n", 19, problems);
	ini_read_environment(ini, (const char *const[]){ "OS_DEFAULT__NUMBER=3", NULL });
	options_check_unknown(ini, tables, problems);
	g_assert_cmpuint(problems_count(problems), ==, 0);
	problems_free(problems);
	ini_free(ini);
}

static void test_problems(void)
{
	struct problems *p = problems_new();
	struct position at = { "f", 1, 2 };

	for (unsigned i = 0; i < 1500; i++) {
		problems_add(p, PROBLEM_ERROR, &at, "fault %u\n\xff", i);
	}
	g_assert_cmpuint(problems_count(p), ==, 1000);
	g_assert_cmpuint(problems_of(p, PROBLEM_ERROR), ==, 1500);
	g_assert_cmpstr(problems_first_error(p), ==, "f:1:2: fault 0 \xef\xbf\xbd");
	problems_free(p);
	problems_free(NULL);
	problems_add(NULL, PROBLEM_ERROR, NULL, "nobody listens");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/conf/option/defaults", test_defaults);
	g_test_add_func("/option/secret-file", test_secret_file);
	g_test_add_func("/conf/option/values", test_values);
	g_test_add_func("/conf/option/environment", test_environment);
	g_test_add_func("/conf/option/booleans", test_booleans);
	g_test_add_func("/conf/option/dicts", test_dicts);
	g_test_add_func("/conf/option/faults", test_faults);
	g_test_add_func("/conf/option/url", test_url);
	g_test_add_func("/conf/option/print", test_print);
	g_test_add_func("/conf/option/unknown", test_unknown);
	g_test_add_func("/conf/option/again-elsewhere", test_again_elsewhere);
	g_test_add_func("/conf/option/problems", test_problems);
	return g_test_run();
}

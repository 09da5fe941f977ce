/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests, answers and faults beside those that were exchanged with vCenter simulators (tests/golden/vcsim), and the
 * hostile ones that no server sends.
 */
#include <errno.h>
#include <glib.h>
#include <netdb.h>
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "plugins/vim/answers.h"
#include "plugins/vim/fault.h"
#include "plugins/vim/http.h"
#include "plugins/vim/request.h"

static struct vmt_error error;
static struct vim_fault fault;

static char *load(const char *name, gsize *ret_len)
{
	char *path = g_strdup_printf(GOLDEN "/%s.xml", name), *text;

	g_assert_true(g_file_get_contents(path, &text, ret_len, NULL));
	g_free(path);
	return text;
}

static int read_text(const char *xml, size_t len, const struct vim_shape *shape, void *context)
{
	struct vim_reader *r = vim_reader_new();
	int err;

	error.text[0] = '\0';
	err = vim_read(r, xml, len, shape, context, &fault, &error);
	vim_reader_free(r);
	return err;
}

static int read_golden(const char *name, const struct vim_shape *shape, void *context)
{
	gsize len;
	char *xml = load(name, &len);
	int err = read_text(xml, len, shape, context);

	g_free(xml);
	return err;
}

/* ------------------------------------------------------------------ requests */

/* Without the spaces between elements and with single ones between attributes. */
static char *pack(const char *text)
{
	GRegex *between = g_regex_new(">\\s+<", 0, 0, NULL),
	       *within = g_regex_new("\\s+xmlns", 0, 0, NULL);
	char *once = g_regex_replace_literal(between, text, -1, 0, "><", 0, NULL);
	char *twice = g_regex_replace_literal(within, once, -1, 0, " xmlns", 0, NULL);

	g_regex_unref(between);
	g_regex_unref(within);
	g_free(once);
	return g_strchomp(twice);
}

static void check_request(const char *name, struct buf *ours)
{
	gsize len;
	char *text = load(name, &len), *packed = pack(text);

	g_assert_cmpstr(ours->data, ==, packed);
	g_free(text);
	g_free(packed);
	buf_reset(ours);
}

static const struct vim_ref collector = { "PropertyCollector", "propertyCollector" };

static void test_requests(void)
{
	struct buf out = BUF_INIT;

	vim_request_call(&out, "RetrieveServiceContent",
			 (struct vim_ref){ "ServiceInstance", "ServiceInstance" }, NULL);
	check_request("lab/01-RetrieveServiceContent.req", &out);
	vim_request_call(&out, "Login", (struct vim_ref){ "SessionManager", "SessionManager" },
			 (const struct vim_argument[]){ { "userName", "user", NULL },
							{ "password", "pass", NULL },
							{ "locale", "en_US", NULL },
							{ NULL, NULL, NULL } });
	check_request("lab/04-Login.req", &out);
	vim_request_call(&out, "CreateContainerView",
			 (struct vim_ref){ "ViewManager", "ViewManager" },
			 (const struct vim_argument[]){ { "container", "group-d1", "Folder" },
							{ "type", "VirtualMachine", NULL },
							{ "recursive", "true", NULL },
							{ NULL, NULL, NULL } });
	check_request("lab/09-CreateContainerView.req", &out);
	vim_request_call(&out, "ContinueRetrievePropertiesEx", collector,
			 (const struct vim_argument[]){
				 { "token", "d3fa8530-a4ec-4573-ad28-fc3b4810d03f", NULL },
				 { NULL, NULL, NULL } });
	check_request("lab/11-ContinueRetrievePropertiesEx.req", &out);
	buf_fini(&out);
}

static void test_requests_of_properties(void)
{
	const struct vim_wanted machines = {
		"VirtualMachine",
		(const char *const[]){
			"name", "runtime.powerState", "runtime.host", "config.instanceUuid",
			"config.uuid", "config.template", "config.hardware.numCPU",
			"config.hardware.memoryMB", "config.extraConfig[\"nvp.vm-uuid\"].value",
			"summary.config.numCpu", "summary.config.memorySizeMB", NULL }
	};
	const struct vim_wanted counters = { "PerformanceManager",
					     (const char *const[]){ "perfCounter", NULL } };
	struct buf out = BUF_INIT;

	vim_request_properties(&out, collector, &machines, 1,
			       (struct vim_ref){ "ContainerView",
						 "session[fc10801f-8db4-409b-991f-321cf116eb04]"
						 "13fb730c-4502-4046-ae45-868148996c72" },
			       true, 2);
	check_request("lab/10-RetrievePropertiesEx-vms-page1.req", &out);
	vim_request_properties(&out, collector, &counters, 1,
			       (struct vim_ref){ "PerformanceManager", "PerfMgr" }, false, 1);
	check_request("lab/08-RetrievePropertiesEx-perfCounter.req", &out);
	buf_fini(&out);
}

static void test_requests_of_performance(void)
{
	static const struct vim_metric metrics[] = { { 2, false },  { 98, false }, { 148, true },
						     { 149, true }, { 130, true }, { 131, true },
						     { 136, true }, { 137, true } };
	struct buf out = BUF_INIT;

	vim_request_perf_begin(&out, (struct vim_ref){ "PerformanceManager", "PerfMgr" });
	vim_request_perf_add(&out, "vm-36", 3, metrics, G_N_ELEMENTS(metrics));
	vim_request_perf_add(&out, "vm-39", 3, metrics, G_N_ELEMENTS(metrics));
	vim_request_perf_end(&out);
	check_request("lab/22-QueryPerf-all-csv.req", &out);
	buf_fini(&out);
}

/* What a person may have chosen as a password arrives as it is. */
static void test_text(void)
{
	struct buf out = BUF_INIT;

	vim_request_call(
		&out, "Login", (struct vim_ref){ "SessionManager", "s" },
		(const struct vim_argument[]){ { "password", "a&b<c>]]>\"\r\x01\xc3\xa4", NULL },
					       { NULL, NULL, NULL } });
	g_assert_nonnull(strstr(out.data, "<password>a&amp;b&lt;c&gt;]]&gt;\"&#13;\xc3\xa4<"));
	buf_fini(&out);
}

/* ------------------------------------------------------------------ answers */

static void test_service(void)
{
	struct vim_service s = { .arena = arena_new(0) };

	g_assert_cmpint(read_golden("lab/01-RetrieveServiceContent.resp", &vim_service_shape, &s),
			==, 0);
	g_assert_cmpstr(s.root_folder, ==, "group-d1");
	g_assert_cmpstr(s.property_collector, ==, "propertyCollector");
	g_assert_cmpstr(s.perf_manager, ==, "PerfMgr");
	g_assert_cmpstr(s.setting, ==, "VpxSettings");
	g_assert_cmpstr(s.custom_fields, ==, "CustomFieldsManager");
	g_assert_cmpstr(s.api_type, ==, "VirtualCenter");
	g_assert_cmpstr(s.api_version, ==, "6.5");
	arena_free(s.arena);
}

static void test_texts(void)
{
	struct vim_texts t = { .key = "" };

	g_assert_cmpint(read_golden("lab/04-Login.resp", &vim_texts_shape, &t), ==, 0);
	g_assert_cmpstr(t.key, ==, "fc10801f-8db4-409b-991f-321cf116eb04");
	g_assert_cmpstr(t.user, ==, "user");
	g_assert_cmpint(read_golden("lab/05-SessionIsActive.resp", &vim_texts_shape, &t), ==, 0);
	g_assert_cmpstr(t.result, ==, "true");
	g_assert_cmpint(read_golden("lab/07-QueryOptions-maxQueryMetrics.resp", &vim_texts_shape,
				    &t),
			==, 0);
	g_assert_cmpstr(t.value, ==, "64");
	g_assert_cmpint(read_golden("lab/09-CreateContainerView.resp", &vim_texts_shape, &t), ==,
			0);
	g_assert_cmpstr(t.result, ==,
			"session[fc10801f-8db4-409b-991f-321cf116eb04]"
			"13fb730c-4502-4046-ae45-868148996c72");
}

static const char *const paths[] = { "name",
				     "runtime.powerState",
				     "runtime.host",
				     "config.extraConfig[\"nvp.vm-uuid\"].value",
				     "config.hardware.numCPU",
				     NULL };

static void add_object(void *context, const struct vim_object *o)
{
	g_string_append_printf(context, "%s %s", o->type, o->id);
	for (int i = 0; paths[i]; i++) {
		g_string_append_printf(context, " %s", o->value[i] ? o->value[i] : "-");
	}
	g_string_append_printf(context, "%s%s\n", o->unauthenticated ? " unauthenticated" : "",
			       o->refused ? " refused" : "");
}

static void check_objects(const char *name, const char *token, const char *expected)
{
	GString *said = g_string_new(NULL);
	struct vim_objects o = { .paths = paths, .object = add_object, .context = said };

	g_assert_cmpint(read_golden(name, &vim_objects_shape, &o), ==, 0);
	g_assert_cmpstr(o.token.len ? o.token.data : "", ==, token);
	g_assert_cmpstr(said->str, ==, expected);
	vim_objects_fini(&o);
	g_string_free(said, TRUE);
}

static void test_objects(void)
{
	check_objects("lab/10-RetrievePropertiesEx-vms-page1.resp",
		      "d3fa8530-a4ec-4573-ad28-fc3b4810d03f",
		      "VirtualMachine vm-36 DC0_C0_RP0_VM0 poweredOn host-31 "
		      "4dc7b1c0-0000-4000-8000-000000000001 1\n"
		      "VirtualMachine vm-39 DC0_C0_RP0_VM1 poweredOn host-23 - 2\n");
	/* the last page has no token */
	check_objects("lab/12-ContinueRetrievePropertiesEx.resp", "",
		      "VirtualMachine vm-48 DC0_C0_RP0_VM4 poweredOn host-23 "
		      "4dc7b1c0-0000-4000-8000-000000000005 1\n"
		      "VirtualMachine vm-51 DC0_C0_RP0_VM5 poweredOn host-31 - 2\n");
	/* another spelling of names; a property without a value is not set */
	check_objects("govmomi-0.52/11-ContinueRetrievePropertiesEx.resp",
		      "b1c9a637-7c7e-418f-aa19-c04cf41df00d",
		      "VirtualMachine vm-58 DC0_H0_VM2 poweredOn host-21 - 1\n"
		      "VirtualMachine vm-61 DC0_H0_VM3 poweredOn host-21 - 1\n");
	/* a server that does not know keyed paths tells it of each object */
	check_objects("govmomi-0.24/10-RetrievePropertiesEx-vms-page1.resp", "",
		      "VirtualMachine vm-36 DC0_C0_RP0_VM0 poweredOn host-31 - 1 refused\n"
		      "VirtualMachine vm-39 DC0_C0_RP0_VM1 poweredOn host-23 - 1 refused\n"
		      "VirtualMachine vm-42 DC0_C0_RP0_VM2 poweredOn host-23 - 1 refused\n"
		      "VirtualMachine vm-45 DC0_C0_RP0_VM3 poweredOn host-31 - 1 refused\n");
}

static void add_counter(void *context, unsigned path, const struct vim_element *e)
{
	if (strcmp(e->rollup, "average") == 0 && strcmp(e->group_key, "virtualDisk") != 0) {
		g_string_append_printf(context, "%s=%s.%s ", e->key, e->group_key, e->name_key);
	}
}

static void test_elements(void)
{
	static const char *const counters[] = { "perfCounter", NULL };
	GString *said = g_string_new(NULL);
	struct vim_objects o = { .paths = counters, .element = add_counter, .context = said };

	g_assert_cmpint(read_golden("lab/08-RetrievePropertiesEx-perfCounter.resp",
				    &vim_objects_shape, &o),
			==, 0);
	g_assert_cmpuint(o.count, ==, 1);
	g_assert_true(g_str_has_prefix(said->str, "2=cpu.usage "));
	g_assert_nonnull(strstr(said->str, " 98=mem.consumed "));
	g_assert_nonnull(strstr(said->str, " 137=disk.numberWriteAveraged "));
	g_assert_nonnull(strstr(said->str, " 148=net.received "));
	vim_objects_fini(&o);
	g_string_free(said, TRUE);
}

static void check_no_text(void *context, const struct vim_object *o)
{
	g_assert_null(o->value[0]);
}

/* What is an array has elements, and is no text besides. */
static void test_arrays(void)
{
	static const char *const counters[] = { "perfCounter", NULL };
	struct vim_objects o = { .paths = counters, .object = check_no_text };

	g_assert_cmpint(read_golden("lab/08-RetrievePropertiesEx-perfCounter.resp",
				    &vim_objects_shape, &o),
			==, 0);
	g_assert_cmpuint(o.count, ==, 1);
	vim_objects_fini(&o);
}

/* ------------------------------------------------------------------ performance */

static void add_machine(void *context, const char *id, size_t len)
{
	g_assert_cmpuint(strlen(id), ==, len);
	g_string_append_printf(context, "%s: ", id);
}

static void add_series(void *context, const struct vim_series *s)
{
	g_string_append_printf(context, "%d/%s %" G_GINT64_FORMAT "/%u ", s->counter, s->instance,
			       s->sum, s->count);
}

static void check_perf(const char *name, const char *expected)
{
	GString *said = g_string_new(NULL);
	struct vim_perf p = { .machine = add_machine, .series = add_series, .context = said };

	g_assert_cmpint(read_golden(name, &vim_perf_shape, &p), ==, 0);
	if (!g_str_has_prefix(said->str, expected)) {
		g_assert_cmpstr(said->str, ==, expected);
	}
	vim_perf_fini(&p);
	g_string_free(said, TRUE);
}

static void test_performance(void)
{
	check_perf("lab/22-QueryPerf-all-csv.resp",
		   "vm-36: 2/ 1866/3 98/ 31457280/3 130/naa.600508b1001c0000 232/3 "
		   "130/naa.600508b1001c0001 232/3 131/naa.600508b1001c0000 1369/3 ");
	check_perf("lab/24-QueryPerf-minus-one.resp", "vm-36: 2/ 3234/2 ");
	check_perf("lab/25-QueryPerf-poweredOff.resp", "vm-51: ");
	/* in the normal form, whatever was asked */
	check_perf("govmomi-0.24/18-QueryPerf-all-normal.resp",
		   "vm-36: 2/ 1806/3 98/ 29446205/3 148/* 804/3 149/* 725/3 ");
}

/* ------------------------------------------------------------------ faults */

static void test_faults(void)
{
	static const struct {
		const char *name, *told;
		enum vim_fault_kind kind;
		const char *object;
	} all[] = {
		{ "lab/02-fault-NotAuthenticated.resp", "NotAuthenticated: no reason given",
		  VIM_FAULT_SESSION, "ViewManager" },
		{ "lab/03-fault-InvalidLogin.resp", "InvalidLogin: Login failure", VIM_FAULT_LOGIN,
		  "" },
		{ "lab/15-fault-InvalidProperty.resp",
		  "InvalidProperty: no reason given (config.noSuchThing)", VIM_FAULT_ARGUMENT, "" },
		{ "lab/16-fault-ContinueRetrieve-bad-token.resp",
		  "InvalidArgument: A specified parameter was not correct: token (token)",
		  VIM_FAULT_ARGUMENT, "" },
		{ "lab/26-fault-QueryPerf-too-many.resp",
		  "RestrictedByAdministrator: This operation is restricted by the administrator - "
		  "'vpxd.stats.maxQueryMetrics'. Contact your system administrator.",
		  VIM_FAULT_TOO_MUCH, "" },
		{ "lab/27-fault-QueryPerf-ManagedObjectNotFound.resp",
		  "ManagedObjectNotFound: The object has already been deleted or has not been "
		  "completely created",
		  VIM_FAULT_GONE, "vm-99999" },
		{ "lab/28-fault-QueryPerf-bad-counter.resp",
		  "InvalidArgument: A specified parameter was not correct: querySpec[0].metricId "
		  "(querySpec[0].metricId)",
		  VIM_FAULT_ARGUMENT, "" },
		{ "lab/30-fault-malformed.resp",
		  "InvalidRequest: no vmomi type defined for 'NoSuchMethod'", VIM_FAULT_ARGUMENT,
		  "" },
		{ "lab/33-fault-after-Logout.resp", "NotAuthenticated: no reason given",
		  VIM_FAULT_SESSION, "ServiceInstance" },
	};
	struct vim_texts t;
	char told[300];

	for (size_t i = 0; i < G_N_ELEMENTS(all); i++) {
		g_assert_cmpint(read_golden(all[i].name, &vim_texts_shape, &t), ==, 0);
		g_assert_true(fault.there);
		vim_fault_tell(&fault, told, sizeof(told));
		g_assert_cmpstr(told, ==, all[i].told);
		g_assert_cmpint(vim_fault_kind(&fault), ==, all[i].kind);
		g_assert_cmpstr(fault.object, ==, all[i].object);
	}
}

#define ENVELOPE(body)                                                                             \
	"<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body>" body          \
	"</e:Body></e:Envelope>"

/* By the element's name where there is no type; by words where the type says little. */
static void test_faults_of_others(void)
{
	static const struct {
		const char *xml;
		enum vim_fault_kind kind;
	} all[] = {
		{ ENVELOPE("<e:Fault><faultstring>x</faultstring><detail><NotAuthenticatedFault "
			   "xmlns=\"urn:vim25\"/></detail></e:Fault>"),
		  VIM_FAULT_SESSION },
		{ ENVELOPE("<e:Fault><faultstring>A specified parameter was not correct: "
			   "querySpec.size</faultstring><detail><InvalidArgumentFault/></detail>"
			   "</e:Fault>"),
		  VIM_FAULT_TOO_MUCH },
		{ ENVELOPE("<e:Fault><faultstring>Unsupported version URI \"urn:vim25/6.5\""
			   "</faultstring><detail><InvalidRequestFault/></detail></e:Fault>"),
		  VIM_FAULT_VERSION },
		{ ENVELOPE("<e:Fault><faultstring>out of sorts</faultstring></e:Fault>"),
		  VIM_FAULT_TRANSIENT },
		{ ENVELOPE("<e:Fault><faultstring>x</faultstring><detail><PasswordExpiredFault/>"
			   "</detail></e:Fault>"),
		  VIM_FAULT_LOGIN },
		{ ENVELOPE("<e:Fault><faultstring>x</faultstring><detail>"
			   "<InvalidClientCertificateFault/></detail></e:Fault>"),
		  VIM_FAULT_LOGIN },
	};
	struct vim_texts t;

	for (size_t i = 0; i < G_N_ELEMENTS(all); i++) {
		g_assert_cmpint(read_text(all[i].xml, strlen(all[i].xml), &vim_texts_shape, &t), ==,
				0);
		g_assert_true(fault.there);
		g_assert_cmpint(vim_fault_kind(&fault), ==, all[i].kind);
	}
}

/* Whom it is about and what is missing, in the order of the schema. */
static void test_permission(void)
{
	static const char xml[] =
		ENVELOPE("<e:Fault><faultstring>no</faultstring><detail><NoPermissionFault "
			 "xmlns=\"urn:vim25\"><object type=\"VirtualMachine\">vm-36</object>"
			 "<privilegeId>System.Read</privilegeId></NoPermissionFault></detail>"
			 "</e:Fault>");
	struct vim_texts t;

	g_assert_cmpint(read_text(xml, strlen(xml), &vim_texts_shape, &t), ==, 0);
	g_assert_cmpint(vim_fault_kind(&fault), ==, VIM_FAULT_PERMISSION);
	g_assert_cmpstr(fault.object, ==, "vm-36");
	g_assert_cmpstr(fault.privilege, ==, "System.Read");
}

/* ------------------------------------------------------------------ what no server sends */

#define RESPONSE(body) ENVELOPE("<XResponse xmlns=\"urn:vim25\">" body "</XResponse>")

static void check_bad(const char *xml, const char *why)
{
	struct vim_texts t = { .key = "" };

	g_assert_cmpint(read_text(xml, strlen(xml), &vim_texts_shape, &t), ==, -EBADMSG);
	if (!strstr(error.text, why)) {
		g_assert_cmpstr(error.text, ==, why);
	}
}

static void test_hostile(void)
{
	GString *deep = g_string_new(ENVELOPE("")), *deeper = g_string_new("");
	char *close = strstr(deep->str, "</e:Body>"), *tail = g_strdup(close);
	char *much = g_strnfill(VIM_TEXT_MAX + 1, 'x');

	check_bad("<!DOCTYPE b [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]>" RESPONSE(
			  "<returnval>&b;</returnval>"),
		  "document type");
	check_bad("<!DOCTYPE b [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>" RESPONSE(
			  "<returnval>&x;</returnval>"),
		  "document type");
	check_bad(RESPONSE("<returnval>&x;</returnval>"), "not well formed");
	check_bad(RESPONSE("<returnval>"), "not well formed");
	check_bad("<html>no</html>", "not one of a vCenter");
	check_bad(ENVELOPE("<XResponse xmlns=\"urn:other\"/>"), "not one of a vCenter");
	check_bad("", "empty");
	for (int i = 0; i < 60; i++) {
		g_string_append(deeper, "<a>");
	}
	g_string_truncate(deep, (gsize)(close - deep->str));
	g_string_append(deep, deeper->str);
	g_string_append(deep, tail);
	check_bad(deep->str, "nested too deep");
	g_string_printf(
		deep,
		"<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body>"
		"<XResponse xmlns=\"urn:vim25\"><returnval>%s</returnval></XResponse></e:Body></e:Envelope>",
		much);
	check_bad(deep->str, "a text that is too long");
	g_free(much);
	g_free(tail);
	g_string_free(deep, TRUE);
	g_string_free(deeper, TRUE);
}

/* An element of another namespace is not ours, whatever it is called. */
static void test_namespaces(void)
{
	static const char xml[] = RESPONSE("<o:returnval xmlns:o=\"urn:other\">no</o:returnval>");
	static const char prefixed[] =
		ENVELOPE("<v:XResponse xmlns:v=\"urn:vim25\"><v:returnval>yes</v:returnval>"
			 "</v:XResponse>");
	struct vim_texts t = { .result = "" };

	g_assert_cmpint(read_text(xml, strlen(xml), &vim_texts_shape, &t), ==, 0);
	g_assert_cmpstr(t.result, ==, "");
	g_assert_cmpint(read_text(prefixed, strlen(prefixed), &vim_texts_shape, &t), ==, 0);
	g_assert_cmpstr(t.result, ==, "yes");
}

static void test_configuration(void)
{
	struct vim_conf c = { .port = 443, .user = "u" };
	struct vim_http *h;

	g_assert_cmpint(vim_http_new(&c, &h, &error), ==, -EINVAL);
	c.host = "a/b";
	g_assert_cmpint(vim_http_new(&c, &h, &error), ==, -EINVAL);
	c.host = "::1";
	c.user = "";
	g_assert_cmpint(vim_http_new(&c, &h, &error), ==, -EINVAL);
	c.user = "u";
	c.ca_file = "/nonexistent/ca.pem";
	g_assert_cmpint(vim_http_new(&c, &h, &error), ==, -EINVAL);
	g_assert_cmpstr(error.text, ==, "ca_file: /nonexistent/ca.pem: No such file or directory");
	c.ca_file = "";
	g_assert_cmpint(vim_http_new(&c, &h, &error), ==, 0);
	g_assert_cmpstr(vim_http_address(h), ==, "https://[::1]:443/sdk");
	vim_http_free(h);
}

/* ------------------------------------------------------------------ a name server that hangs */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool answers;
	int asked, answered;
} names = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0, 0 };

/* In place of the system's, for all in this process. */
__attribute__((visibility("default"))) int getaddrinfo(const char *node, const char *service,
						       const struct addrinfo *hints,
						       struct addrinfo **ret)
{
	if (!hints || !(hints->ai_flags & AI_NUMERICHOST)) {
		pthread_mutex_lock(&names.lock);
		names.asked++;
		while (!names.answers) {
			pthread_cond_wait(&names.changed, &names.lock);
		}
		names.answered++;
		pthread_cond_broadcast(&names.changed);
		pthread_mutex_unlock(&names.lock);
	}
	return EAI_NONAME;
}

/* Neither a request nor the end waits for it. */
static void test_names(void)
{
	struct vim_conf c = { .host = "vcenter.test", .port = 443, .user = "u" };
	atomic_bool cancel = false;
	struct vmt_call call = { .deadline_ns = clock_monotonic() + 300 * NS_PER_MS,
				 .cancel = &cancel };
	struct buf request = BUF_INIT;
	const struct buf *answer;
	struct vim_http *h;

	buf_puts(&request, "x");
	g_assert_cmpint(vim_http_new(&c, &h, &error), ==, 0);
	g_assert_cmpint(vim_http_post(h, &request, &answer, &call, &error), ==, -ETIMEDOUT);
	g_assert_nonnull(strstr(error.text, "name servers do not answer"));
	vim_http_free(h);
	pthread_mutex_lock(&names.lock);
	names.answers = true;
	pthread_cond_broadcast(&names.changed);
	while (names.answered < names.asked) {
		pthread_cond_wait(&names.changed, &names.lock);
	}
	pthread_mutex_unlock(&names.lock);
	buf_fini(&request);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/vim/requests", test_requests);
	g_test_add_func("/vim/requests/properties", test_requests_of_properties);
	g_test_add_func("/vim/requests/performance", test_requests_of_performance);
	g_test_add_func("/vim/requests/text", test_text);
	g_test_add_func("/vim/service", test_service);
	g_test_add_func("/vim/texts", test_texts);
	g_test_add_func("/vim/objects", test_objects);
	g_test_add_func("/vim/elements", test_elements);
	g_test_add_func("/vim/arrays", test_arrays);
	g_test_add_func("/vim/performance", test_performance);
	g_test_add_func("/vim/faults", test_faults);
	g_test_add_func("/vim/faults/others", test_faults_of_others);
	g_test_add_func("/vim/faults/permission", test_permission);
	g_test_add_func("/vim/hostile", test_hostile);
	g_test_add_func("/vim/namespaces", test_namespaces);
	g_test_add_func("/vim/configuration", test_configuration);
	g_test_add_func("/vim/names", test_names);
	return g_test_run();
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests, answers and faults beside those that were exchanged with a real WS-Management server (Microsoft's OMI
 * 1.0.8, tests/golden/hyperv/omi), and the hostile ones that no server sends.
 */
#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/wait.h"
#include "plugins/wsman/fault.h"
#include "plugins/wsman/request.h"
#include "plugins/wsman/sealed.h"

static struct vmt_error error;

static char *load(const char *name, gsize *ret_len)
{
	char *path = g_strdup_printf(GOLDEN "/%s.xml", name), *text;

	g_assert_true(g_file_get_contents(path, &text, ret_len, NULL));
	g_free(path);
	return text;
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

static struct wsman_head head_of(const char *class_name, const char *id)
{
	return (struct wsman_head){ .to = "http://127.0.0.1:15985/wsman",
				    .space = "root/virtualization/v2",
				    .class_name = class_name,
				    .message_id = id,
				    .max_envelope = 153600,
				    .timeout_ns = INT64_C(60000000000),
				    .namespace_selector = true };
}

/* Byte for byte what the server answered to. */
static void test_requests(void)
{
	struct wsman_head h =
		head_of("Msvm_ComputerSystem", "uuid:2559F406-DC06-4CCE-BF9B-7C76411129C2");
	struct buf out = BUF_INIT;

	wsman_request_enumerate(&out, &h, NULL, 1);
	check_request("04-Enumerate-optimized-page1.req", &out);
	h.message_id = "uuid:50F70646-75A6-4282-A830-C6BE29AF81C5";
	wsman_request_pull(&out, &h, false, "1215496192", 1);
	check_request("05-Pull-page.req", &out);
	h.message_id = "uuid:B98C4B1F-C01F-478C-A1FA-4764790FE054";
	wsman_request_enumerate(
		&out, &h,
		"SELECT * FROM Msvm_ComputerSystem WHERE ElementName = 'instance-00000001'", 10);
	check_request("14-WQL-star-uri.req", &out);
	h = head_of("Msvm_ProcessorSettingData", "uuid:F2B8A41E-58A8-4291-B6AA-34AEC882344E");
	wsman_request_release(&out, &h, false, "1560215552");
	check_request("11-Release.req", &out);
	buf_fini(&out);
}

static void test_escapes(void)
{
	struct wsman_head h = head_of("A&B", "uuid:1");
	struct buf out = BUF_INIT;

	wsman_request_enumerate(&out, &h, "a<'>\"", 1);
	g_assert_nonnull(strstr(out.data, ">a&lt;'&gt;&quot;</w:Filter>"));
	buf_reset(&out);
	wsman_request_pull(&out, &h, false, "<c>", 1);
	g_assert_nonnull(strstr(out.data, "/A&amp;B<"));
	g_assert_nonnull(strstr(out.data, "<n:EnumerationContext>&lt;c&gt;</n:"));
	buf_fini(&out);
}

/* ------------------------------------------------------------------ answers */

/* "a|b|-" for each instance, a line each. */
static void note(void *context, const struct wsman_item *item)
{
	struct buf *out = context;

	for (int i = 0; i < 3; i++) {
		buf_printf(out, "%s%s", i ? "|" : "", item->value[i] ? item->value[i] : "-");
	}
	buf_putc(out, '\n');
}

static int read_text(const char *text, gsize len, const struct wsman_wanted *wanted,
		     struct buf *out, struct wsman_answer *ret)
{
	static struct wsman_reader *reader; /* one for all, as it is used */

	if (!reader) {
		reader = wsman_reader_new();
	}
	if (!text) {
		g_clear_pointer(&reader, wsman_reader_free);
		return 0;
	}
	buf_reset(out);
	return wsman_read(reader, text, len, wanted, note, out, ret, &error);
}

static const struct wsman_wanted systems = {
	"Msvm_ComputerSystem", (const char *const[]){ "Name", "ElementName", "InstallDate", NULL }
};

static void test_answers(void)
{
	static const struct {
		const char *name, *relates_to, *context, *items;
		size_t count;
		bool end;
	} cases[] = {
		{ "04-Enumerate-optimized-page1.resp", "uuid:2559F406-DC06-4CCE-BF9B-7C76411129C2",
		  "1215496192", "WIN-HV01|WIN-HV01|-\n", 1, false },
		{ "05-Pull-page.resp", "uuid:50F70646-75A6-4282-A830-C6BE29AF81C5", "1215496192",
		  "11111111-AAAA-4BBB-8CCC-000000000001|instance-00000001|2026-11-01T10:11:12.123456Z\n",
		  1, false },
		{ "08-Enumerate-not-optimized.resp", NULL, NULL, "", 0, false },
		{ "11-Release.resp", "uuid:F2B8A41E-58A8-4291-B6AA-34AEC882344E", "", "", 0,
		  false },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct buf out = BUF_INIT;
		struct wsman_answer a;
		gsize len;
		char *text = load(cases[i].name, &len);

		g_assert_cmpint(read_text(text, len, &systems, &out, &a), ==, 0);
		g_assert_cmpstr(out.data, ==, cases[i].items);
		g_assert_cmpuint(a.items, ==, cases[i].count);
		g_assert_cmpint(a.end, ==, cases[i].end);
		g_assert_false(a.fault);
		if (cases[i].context) {
			g_assert_cmpstr(a.context, ==, cases[i].context);
			g_assert_cmpstr(a.relates_to, ==, cases[i].relates_to);
		} else {
			g_assert_cmpstr(a.context, !=, "");
		}
		g_free(text);
		buf_fini(&out);
	}
}

#define SOAP "<e:Envelope xmlns:e='http://www.w3.org/2003/05/soap-envelope'>"
#define ENVELOPE(body)                                                                             \
	"<e:Envelope xmlns:e='http://www.w3.org/2003/05/soap-envelope'"                            \
	" xmlns:n='http://schemas.xmlsoap.org/ws/2004/09/enumeration'"                             \
	" xmlns:w='http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd'"                                \
	" xmlns:a='http://schemas.xmlsoap.org/ws/2004/08/addressing'"                              \
	" xmlns:c='http://schemas.dmtf.org/wbem/wscim/1/common'"                                   \
	" xmlns:x='http://www.w3.org/2001/XMLSchema-instance'><e:Body>" body                       \
	"</e:Body></e:Envelope>"
#define ITEMS(inner) ENVELOPE("<n:PullResponse><n:Items>" inner "</n:Items></n:PullResponse>")

static const struct wsman_wanted any = { "C", (const char *const[]){ "A", "B", "T", NULL } };

/* What Windows does that OMI does not: times in elements of their own, references, arrays; by its manuals. */
static void test_values(void)
{
	static const struct {
		const char *xml, *items;
	} cases[] = {
		{ ITEMS("<C><A>1</A><A>2</A><B x:nil='true'/><T><c:Datetime>now</c:Datetime></T></C>"),
		  "1|-|now\n" },
		{ ITEMS("<p:C xmlns:p='urn:p'><p:B>&amp;&#65;<![CDATA[<]]></p:B><p:A></p:A></p:C>"),
		  "|&A<|-\n" },
		{ ITEMS("<C><A><a:Address>x</a:Address><a:ReferenceParameters><w:ResourceURI>u</w:ResourceURI>"
			"<w:SelectorSet><w:Selector Name='CreationClassName'>c</w:Selector>"
			"<w:Selector Name='Name'>n</w:Selector></w:SelectorSet></a:ReferenceParameters></A>"
			"<B><a:EndpointReference><a:ReferenceParameters><w:SelectorSet><w:Selector Name='Name'>n"
			"</w:Selector><w:Selector Name='InstanceID'>i\\j</w:Selector></w:SelectorSet>"
			"</a:ReferenceParameters></a:EndpointReference></B></C>"),
		  "n|i\\j|-\n" },
		{ ITEMS("<D><A>1</A></D><C><X><A>2</A></X></C>"), "-|-|-\n" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct buf out = BUF_INIT;
		struct wsman_answer a;

		g_assert_cmpint(read_text(cases[i].xml, strlen(cases[i].xml), &any, &out, &a), ==,
				0);
		g_assert_cmpstr(out.data, ==, cases[i].items);
		buf_fini(&out);
	}
}

static void test_hostile(void)
{
	GString *deep = g_string_new(NULL), *text = g_string_new(SOAP);
	struct {
		const char *xml, *why;
	} cases[] = {
		{ "", "empty" },
		{ "<a>", "not well formed" },
		{ "<html/>", "not one of WS-Enumeration" },
		{ ENVELOPE("<n:PullResponse>"), "not well formed" },
		{ "<!DOCTYPE e [<!ENTITY a 'aa'><!ENTITY b '&a;&a;'>]>" ITEMS("<C><A>&b;</A></C>"),
		  "document type" },
		{ "<!DOCTYPE e SYSTEM 'file:///etc/passwd'>" ITEMS(""), "document type" },
		{ ITEMS("<C><A>&file;</A></C>"), "not well formed" },
		{ ITEMS("<w:XmlFragment><A>1</A></w:XmlFragment>"), "fragments" },
		{ NULL, "nested too deep" },
		{ NULL, "too long" },
	};
	size_t n = G_N_ELEMENTS(cases);

	for (int k = 0; k < 60; k++) {
		g_string_append(deep, "<a>");
	}
	while (text->len < (size_t)WSMAN_TEXT_MAX + 1000) {
		g_string_append(text, "0123456789");
	}
	cases[n - 2].xml = deep->str;
	cases[n - 1].xml = text->str;
	for (size_t i = 0; i < n; i++) {
		struct buf out = BUF_INIT;
		struct wsman_answer a;

		g_assert_cmpint(read_text(cases[i].xml, strlen(cases[i].xml), &systems, &out, &a),
				==, -EBADMSG);
		g_test_message("%s", error.text);
		g_assert_nonnull(strstr(error.text, cases[i].why));
		g_assert_null(strchr(error.text, '\n'));
		buf_fini(&out);
	}
	g_string_free(deep, TRUE);
	g_string_free(text, TRUE);
}

/* ------------------------------------------------------------------ faults */

static void test_recorded_faults(void)
{
	static const struct {
		const char *name;
		bool pull;
		enum wsman_fault fault;
		const char *told;
	} cases[] = {
		{ "07-fault-Pull-after-end.resp", true, WSMAN_FAULT_CONTEXT,
		  "DestinationUnreachable: Enumeration context not found" },
		{ "12-fault-Pull-released.resp", true, WSMAN_FAULT_CONTEXT, NULL },
		{ "17-fault-WQL-syntax.resp", false, WSMAN_FAULT_OTHER,
		  "InternalError: The query is not valid for the specified query language." },
		{ "30-fault-no-such-class.resp", false, WSMAN_FAULT_CLASS, NULL },
		{ "31-fault-no-such-namespace.resp", false, WSMAN_FAULT_CLASS, NULL },
		{ "37-fault-MaxEnvelopeSize-small.resp", false, WSMAN_FAULT_TOO_LARGE, NULL },
		{ "39-fault-bad-action.resp", false, WSMAN_FAULT_OTHER, NULL },
		{ "40-fault-mustUnderstand.resp", false, WSMAN_FAULT_OTHER, NULL },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct buf out = BUF_INIT;
		struct wsman_answer a;
		char told[400];
		gsize len;
		char *text = load(cases[i].name, &len);

		g_assert_cmpint(read_text(text, len, &systems, &out, &a), ==, 0);
		g_assert_true(a.fault);
		wsman_fault_tell(&a, told, sizeof(told));
		g_test_message("%s: %s", cases[i].name, told);
		g_assert_cmpint(wsman_fault_of(&a, cases[i].pull), ==, cases[i].fault);
		if (cases[i].told) {
			g_assert_cmpstr(told, ==, cases[i].told);
		}
		g_free(text);
		buf_fini(&out);
	}
}

#define FAULT(subcode, detail)                                                                     \
	ENVELOPE(                                                                                  \
		"<e:Fault><e:Code><e:Value>e:Sender</e:Value><e:Subcode><e:Value>" subcode         \
		"</e:Value></e:Subcode></e:Code><e:Reason><e:Text>why \r\n so</e:Text></e:Reason>" \
		"<e:Detail>" detail "</e:Detail></e:Fault>")
#define CODE(code)                                                                                 \
	"<f:WSManFault xmlns:f='http://schemas.microsoft.com/wbem/wsman/1/wsmanfault' Code='" code \
	"'><f:Message>m</f:Message></f:WSManFault>"

static void test_windows_faults(void)
{
	static const struct {
		const char *xml;
		bool pull;
		enum wsman_fault fault;
	} cases[] = {
		{ FAULT("n:InvalidEnumerationContext", ""), true, WSMAN_FAULT_CONTEXT },
		{ FAULT("w:InternalError", CODE("2150858779")), true, WSMAN_FAULT_CONTEXT },
		{ FAULT("w:InternalError", CODE("2150858780")), true, WSMAN_FAULT_CONTEXT },
		{ FAULT("w:InternalError", CODE("2147749904")), false, WSMAN_FAULT_CLASS },
		{ FAULT("w:InternalError", CODE("2147749902")), false, WSMAN_FAULT_CLASS },
		{ FAULT("w:InvalidResourceURINamespace", ""), false, WSMAN_FAULT_CLASS },
		{ FAULT("w:AccessDenied", ""), false, WSMAN_FAULT_ACCESS },
		{ FAULT("x:y", CODE("5")), false, WSMAN_FAULT_ACCESS },
		{ FAULT("w:EncodingLimit", ""), false, WSMAN_FAULT_TOO_LARGE },
		{ FAULT("x:y", CODE("2150859025")), false, WSMAN_FAULT_TOO_LARGE },
		{ FAULT("w:TimedOut", ""), false, WSMAN_FAULT_TIMEOUT },
		{ FAULT("w:QuotaLimit", ""), false, WSMAN_FAULT_QUOTA },
		{ FAULT("w:InternalError", CODE("2150859174")), false, WSMAN_FAULT_QUOTA },
		{ FAULT("w:CannotProcessFilter", ""), false, WSMAN_FAULT_QUERY },
		{ FAULT("w:InvalidParameter", ""), false, WSMAN_FAULT_QUERY },
		{ FAULT("w:Else", CODE("12345678901234567890123456789")), false,
		  WSMAN_FAULT_OTHER },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct buf out = BUF_INIT;
		struct wsman_answer a;
		char told[400];

		g_assert_cmpint(read_text(cases[i].xml, strlen(cases[i].xml), NULL, &out, &a), ==,
				0);
		g_assert_true(a.fault);
		g_assert_cmpint(wsman_fault_of(&a, cases[i].pull), ==, cases[i].fault);
		wsman_fault_tell(&a, told, sizeof(told));
		g_assert_true(g_str_has_suffix(told, ": why so"));
		buf_fini(&out);
	}
	read_text(NULL, 0, NULL, NULL, NULL);
}

/* ------------------------------------------------------------------ encrypted bodies */

#define SEALED_HEAD                                                                                \
	"--Encrypted Boundary\r\n\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n"    \
	"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length="
#define SEALED_MIDDLE "\r\n--Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n"

static void test_sealed(void)
{
	static const char good[] = SEALED_HEAD "3" SEALED_MIDDLE
					       "\x02\0\0\0sgabc--Encrypted Boundary--\r\n";
	static const struct {
		const char *body;
		size_t len;
	} bad[] = {
#define BAD(text) { text, sizeof(text) - 1 }
		BAD(""),
		BAD("<xml/>"),
		BAD(SEALED_HEAD "3" SEALED_MIDDLE "\x02\0\0\0sgabc"),
		BAD(SEALED_HEAD "3" SEALED_MIDDLE "\x09\0\0\0sgabc--Encrypted Boundary--\r\n"),
		BAD(SEALED_HEAD "3" SEALED_MIDDLE "\x02\0--Encrypted Boundary--\r\n"),
		BAD(SEALED_HEAD "x" SEALED_MIDDLE "\x02\0\0\0sgabc--Encrypted Boundary--\r\n"),
		BAD(SEALED_HEAD "99999999999999999999" SEALED_MIDDLE
				"\x02\0\0\0sgabc--Encrypted Boundary--\r\n"),
	};
	struct sealed s;

	g_assert_cmpint(sealed_parse(good, sizeof(good) - 1, &s), ==, 0);
	g_assert_cmpuint(s.length, ==, 3);
	g_assert_cmpmem(s.data, s.len, "sgabc", 5);
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_assert_cmpint(sealed_parse(bad[i].body, bad[i].len, &s), ==, -EBADMSG);
	}
}

/* ------------------------------------------------------------------ a KDC that is silent */

/* A port at which nobody answers, by datagram or stream; 0: any.  -1: somebody has it. */
static int silent_port(int type, int port, int *ret_port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				  .sin_port = htons((uint16_t)port) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&at, len) < 0) {
		close(fd);
		return -1;
	}
	g_assert_cmpint(getsockname(fd, (struct sockaddr *)&at, &len), ==, 0);
	if (type == SOCK_STREAM) {
		g_assert_cmpint(listen(fd, 5), ==, 0);
	}
	*ret_port = ntohs(at.sin_port);
	return fd;
}

static unsigned steps_on_their_way(void)
{
	GDir *tasks = g_dir_open("/proc/self/task", 0, NULL);
	const char *id;
	unsigned n = 0;

	while ((id = g_dir_read_name(tasks))) {
		char *path = g_strdup_printf("/proc/self/task/%s/comm", id), *name = NULL;

		n += g_file_get_contents(path, &name, NULL, NULL) &&
		     strcmp(g_strchomp(name), "wsman-gss") == 0;
		g_free(name);
		g_free(path);
	}
	g_dir_close(tasks);
	return n;
}

static int step_once(const struct wsman_conf *conf, int64_t ns, struct buf *out)
{
	static const atomic_bool never;
	struct vmt_call call = { .deadline_ns = clock_monotonic() + ns, .cancel = &never };
	struct auth *a = auth_new(conf);
	int err = auth_step(a, NULL, out, &call, &error);

	auth_free(a);
	return err;
}

/* The step is left behind, and a few of them are all, until they have come back. */
static void test_silent_kdc(void)
{
	struct wsman_conf conf = { .host = "localhost",
				   .auth = WSMAN_KERBEROS,
				   .user = "u@SILENT.TEST",
				   .password = "p" };
	char *dir = g_dir_make_tmp("vm-wsman-XXXXXX", NULL);
	char *path = g_build_filename(dir, "krb5.conf", NULL), *text;
	struct buf out = BUF_INIT;
	int port = 0, tcp = -1, udp = -1;

	while (udp < 0) { /* the same number of both kinds */
		if (tcp >= 0) {
			close(tcp);
		}
		tcp = silent_port(SOCK_STREAM, 0, &port);
		udp = silent_port(SOCK_DGRAM, port, &port);
	}
	text = g_strdup_printf(
		"[libdefaults]\ndefault_realm = SILENT.TEST\ndns_lookup_kdc = false\n"
		"[realms]\nSILENT.TEST = {\n kdc = 127.0.0.1:%d\n}\n",
		port);
	g_assert_true(g_file_set_contents(path, text, -1, NULL));
	g_setenv("KRB5_CONFIG", path, TRUE);
	for (int i = 0; i < 5; i++) {
		g_assert_cmpint(step_once(&conf, 50 * NS_PER_MS, &out), ==,
				i < 4 ? -ETIMEDOUT : -EBUSY);
	}
	g_assert_nonnull(strstr(error.text, "answers of a KDC are still missing"));
	close(tcp);
	close(udp);
	for (int i = 0; i < 6000 && steps_on_their_way() > 0; i++) {
		wait_sleep(10 * NS_PER_MS);
	}
	g_assert_cmpuint(steps_on_their_way(), ==, 0);
	g_assert_cmpint(step_once(&conf, 60 * NS_PER_S, &out), !=, -EBUSY);
	buf_fini(&out);
	unlink(path);
	rmdir(dir);
	g_free(text);
	g_free(path);
	g_free(dir);
}

/* What would be refused at the first request, or should not be sent, is refused before. */
static void test_configuration(void)
{
	struct wsman_conf c = { .port = 5986, .auth = WSMAN_BASIC, .user = "u", .password = "p" };
	struct wsman_session *s;

	g_assert_cmpint(wsman_session_new(&c, &s, &error), ==, -EINVAL);
	g_assert_nonnull(strstr(error.text, "host: "));
	c.host = "::1";
	g_assert_cmpint(wsman_session_new(&c, &s, &error), ==, -EINVAL);
	g_assert_nonnull(strstr(error.text, "tells everybody the password"));
	c.tls = true;
	c.ca_file = "/nonexistent/ca.pem";
	g_assert_cmpint(wsman_session_new(&c, &s, &error), ==, -EINVAL);
	g_assert_cmpstr(error.text, ==, "ca_file: /nonexistent/ca.pem: No such file or directory");
	c.insecure = true; /* and it is not looked at */
	g_assert_cmpint(wsman_session_new(&c, &s, &error), ==, 0);
	wsman_session_free(s);
	c.insecure = false;
	c.ca_file = "";
	g_assert_cmpint(wsman_session_new(&c, &s, &error), ==, 0);
	g_assert_cmpstr(wsman_session_address(s), ==, "https://[::1]:5986/wsman");
	wsman_session_free(s);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/wsman/requests", test_requests);
	g_test_add_func("/wsman/escapes", test_escapes);
	g_test_add_func("/wsman/answers", test_answers);
	g_test_add_func("/wsman/values", test_values);
	g_test_add_func("/wsman/hostile", test_hostile);
	g_test_add_func("/wsman/recorded_faults", test_recorded_faults);
	g_test_add_func("/wsman/windows_faults", test_windows_faults);
	g_test_add_func("/wsman/sealed", test_sealed);
	g_test_add_func("/wsman/configuration", test_configuration);
	g_test_add_func("/wsman/silent_kdc", test_silent_kdc);
	return g_test_run();
}

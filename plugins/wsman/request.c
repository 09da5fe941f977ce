/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes requests.  Any thread; never blocks.
 */
#include "plugins/wsman/request.h"

#include "base/clock.h"

#include <inttypes.h>

#define WMI "http://schemas.microsoft.com/wbem/wsman/1/wmi/"
#define WQL "http://schemas.microsoft.com/wbem/wsman/1/WQL"
#define ENUMERATION "http://schemas.xmlsoap.org/ws/2004/09/enumeration"

static const char envelope[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
			       "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\""
			       " xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\""
			       " xmlns:n=\"" ENUMERATION "\""
			       " xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\""
			       " xmlns:b=\"http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd\""
			       " xmlns:x=\"http://schemas.xmlsoap.org/ws/2004/09/transfer\">";

static const char reply_to[] =
	"<a:ReplyTo><a:Address s:mustUnderstand=\"true\">"
	"http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>";

/* With what stands for a character in text. */
static void add_text(struct buf *out, const char *text)
{
	static const char *const names[128] = {
		['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\r'] = "&#13;",
	};

	for (const char *c = text; *c; c++) {
		const char *name = (unsigned char)*c < 128 ? names[(unsigned char)*c] : NULL;

		if (name) {
			buf_puts(out, name);
		} else {
			buf_putc(out, *c);
		}
	}
}

static void add_head(struct buf *out, const struct wsman_head *h, bool query, const char *action)
{
	buf_puts(out, envelope);
	buf_puts(out, "<s:Header><a:To s:mustUnderstand=\"true\">");
	add_text(out, h->to);
	buf_puts(out, "</a:To><w:ResourceURI s:mustUnderstand=\"true\">" WMI);
	add_text(out, h->space);
	buf_putc(out, '/');
	add_text(out, query ? "*" : h->class_name);
	buf_puts(out, "</w:ResourceURI>");
	buf_puts(out, reply_to);
	buf_printf(out, "<a:Action s:mustUnderstand=\"true\">" ENUMERATION "/%s</a:Action>",
		   action);
	buf_printf(out,
		   "<w:MaxEnvelopeSize s:mustUnderstand=\"true\">%" PRId64 "</w:MaxEnvelopeSize>",
		   h->max_envelope);
	buf_printf(out, "<a:MessageID>%s</a:MessageID>", h->message_id);
	buf_puts(out, "<w:Locale xml:lang=\"en-US\" s:mustUnderstand=\"false\"/>");
	buf_printf(out, "<w:OperationTimeout>PT%" PRId64 ".%03" PRId64 "S</w:OperationTimeout>",
		   h->timeout_ns / NS_PER_S, h->timeout_ns % NS_PER_S / NS_PER_MS);
	if (h->namespace_selector) {
		buf_puts(out, "<w:SelectorSet><w:Selector Name=\"__cimnamespace\">");
		add_text(out, h->space);
		buf_puts(out, "</w:Selector></w:SelectorSet>");
	}
	buf_puts(out, "</s:Header><s:Body>");
}

static void add_context(struct buf *out, const char *context)
{
	buf_puts(out, "<n:EnumerationContext>");
	add_text(out, context);
	buf_puts(out, "</n:EnumerationContext>");
}

static void add_end(struct buf *out, const char *verb)
{
	buf_printf(out, "</n:%s></s:Body></s:Envelope>", verb);
}

void wsman_request_enumerate(struct buf *out, const struct wsman_head *head, const char *query,
			     int64_t max_elements)
{
	add_head(out, head, query, "Enumerate");
	buf_printf(out,
		   "<n:Enumerate><w:OptimizeEnumeration/><w:MaxElements>%" PRId64
		   "</w:MaxElements>",
		   max_elements);
	if (query) {
		buf_puts(out, "<w:Filter Dialect=\"" WQL "\">");
		add_text(out, query);
		buf_puts(out, "</w:Filter>");
	}
	add_end(out, "Enumerate");
}

void wsman_request_pull(struct buf *out, const struct wsman_head *head, bool query,
			const char *context, int64_t max_elements)
{
	add_head(out, head, query, "Pull");
	buf_puts(out, "<n:Pull>");
	add_context(out, context);
	buf_printf(out, "<n:MaxElements>%" PRId64 "</n:MaxElements>", max_elements);
	add_end(out, "Pull");
}

void wsman_request_release(struct buf *out, const struct wsman_head *head, bool query,
			   const char *context)
{
	add_head(out, head, query, "Release");
	buf_puts(out, "<n:Release>");
	add_context(out, context);
	add_end(out, "Release");
}

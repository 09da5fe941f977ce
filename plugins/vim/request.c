/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes requests.  Any thread; never blocks.
 */
#include "plugins/vim/request.h"

#include <inttypes.h>

static const char begin[] =
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
	"<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\""
	" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\""
	" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body>";
static const char end[] = "</soapenv:Body></soapenv:Envelope>";

/* With what stands for a character in text; what XML cannot say is left out. */
static void add_text(struct buf *out, const char *text)
{
	static const char *const names[128] = {
		['&'] = "&amp;",
		['<'] = "&lt;",
		['>'] = "&gt;",
		['\r'] = "&#13;",
	};

	for (const char *c = text; *c; c++) {
		unsigned char u = (unsigned char)*c;

		if (u < 128 && names[u]) {
			buf_puts(out, names[u]);
		} else if (u >= ' ' || u == '\t' || u == '\n') {
			buf_putc(out, *c);
		}
	}
}

static void add_element(struct buf *out, const char *name, const char *type, const char *text)
{
	buf_putc(out, '<');
	buf_puts(out, name);
	if (type) {
		buf_puts(out, " type=\"");
		add_text(out, type);
		buf_putc(out, '"');
	}
	buf_putc(out, '>');
	add_text(out, text);
	buf_puts(out, "</");
	buf_puts(out, name);
	buf_putc(out, '>');
}

static void add_head(struct buf *out, const char *method, struct vim_ref self)
{
	buf_puts(out, begin);
	buf_printf(out, "<%s xmlns=\"urn:vim25\">", method);
	add_element(out, "_this", self.type, self.id);
}

static void add_tail(struct buf *out, const char *method)
{
	buf_printf(out, "</%s>", method);
	buf_puts(out, end);
}

void vim_request_call(struct buf *out, const char *method, struct vim_ref self,
		      const struct vim_argument *arguments)
{
	add_head(out, method, self);
	for (const struct vim_argument *a = arguments; a && a->name; a++) {
		add_element(out, a->name, a->type, a->text);
	}
	add_tail(out, method);
}

/* ------------------------------------------------------------------ properties */

void vim_request_properties(struct buf *out, struct vim_ref collector,
			    const struct vim_wanted *wanted, size_t count, struct vim_ref object,
			    bool view, int64_t page)
{
	add_head(out, "RetrievePropertiesEx", collector);
	buf_puts(out, "<specSet>");
	for (size_t i = 0; i < count; i++) {
		buf_puts(out, "<propSet>");
		add_element(out, "type", NULL, wanted[i].type);
		for (const char *const *p = wanted[i].paths; *p; p++) {
			add_element(out, "pathSet", NULL, *p);
		}
		buf_puts(out, "</propSet>");
	}
	buf_puts(out, "<objectSet>");
	add_element(out, "obj", object.type, object.id);
	if (view) {
		buf_puts(out, "<skip>true</skip><selectSet xsi:type=\"TraversalSpec\">"
			      "<name>view</name><type>ContainerView</type><path>view</path>"
			      "<skip>false</skip></selectSet>");
	}
	buf_printf(out,
		   "</objectSet></specSet><options><maxObjects>%" PRId64 "</maxObjects></options>",
		   page);
	add_tail(out, "RetrievePropertiesEx");
}

/* ------------------------------------------------------------------ performance */

void vim_request_perf_begin(struct buf *out, struct vim_ref manager)
{
	add_head(out, "QueryPerf", manager);
}

static void add_number(struct buf *out, int32_t number)
{
	char text[16], *p = text + sizeof(text);
	uint32_t rest = number < 0 ? -(uint32_t)number : (uint32_t)number;

	do {
		*--p = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest);
	if (number < 0) {
		*--p = '-';
	}
	buf_add(out, p, (size_t)(text + sizeof(text) - p));
}

void vim_request_perf_add(struct buf *out, const char *machine, int samples,
			  const struct vim_metric *metrics, size_t count)
{
	buf_puts(out, "<querySpec>");
	add_element(out, "entity", "VirtualMachine", machine);
	buf_puts(out, "<maxSample>");
	add_number(out, samples);
	buf_puts(out, "</maxSample>");
	for (size_t i = 0; i < count; i++) {
		buf_puts(out, "<metricId><counterId>");
		add_number(out, metrics[i].counter);
		buf_puts(out, metrics[i].devices ? "</counterId><instance>*</instance></metricId>"
						 : "</counterId><instance></instance></metricId>");
	}
	buf_puts(out, "<intervalId>20</intervalId><format>csv</format></querySpec>");
}

void vim_request_perf_end(struct buf *out)
{
	add_tail(out, "QueryPerf");
}

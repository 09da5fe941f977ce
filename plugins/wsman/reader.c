/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the reading of answers.  A stream parser walks the envelope along a table of the elements that count; what
 * lies in a page of items is walked by a few rules of its own, since classes and properties are names there.
 * Any thread, one at a time for a reader; never blocks.
 */
#include "plugins/wsman/reader.h"

#include "base/buf.h"

#include <errno.h>
#include <glib.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>

#define DEPTH 48
#define ABSENT SIZE_MAX

enum space { OTHER = 0, SOAP = 1, ADDRESSING = 2, ENUMERATION = 4, WSMAN = 8, CIM = 16 };

static const struct {
	const char *uri;
	enum space space;
} spaces[] = {
	{ "http://www.w3.org/2003/05/soap-envelope", SOAP },
	{ "http://schemas.xmlsoap.org/ws/2004/08/addressing", ADDRESSING },
	{ "http://schemas.xmlsoap.org/ws/2004/09/enumeration", ENUMERATION },
	{ "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd", WSMAN },
	{ "http://schemas.dmtf.org/wbem/wscim/1/common", CIM },
};

enum node {
	DOCUMENT,
	ENVELOPE,
	HEADER,
	RELATES_TO,
	BODY,
	RESPONSE,
	CONTEXT,
	ITEMS,
	END,
	FAULT,
	CODE,
	SUBCODE,
	SUBCODE_VALUE,
	REASON,
	REASON_TEXT,
	DETAIL, /* and all within */
	ITEM,
	PROPERTY, /* and what stands around a time */
	REFERENCE, /* and what stands around its keys */
	KEY,
	NODES
};

/* Which child of which element counts, in which namespaces. */
static const struct step {
	enum node from;
	unsigned spaces;
	const char *name;
	enum node to;
} steps[] = {
	{ DOCUMENT, SOAP, "Envelope", ENVELOPE },
	{ ENVELOPE, SOAP, "Header", HEADER },
	{ HEADER, ADDRESSING, "RelatesTo", RELATES_TO },
	{ ENVELOPE, SOAP, "Body", BODY },
	{ BODY, ENUMERATION, "EnumerateResponse", RESPONSE },
	{ BODY, ENUMERATION, "PullResponse", RESPONSE },
	{ BODY, ENUMERATION, "ReleaseResponse", RESPONSE },
	{ RESPONSE, ENUMERATION, "EnumerationContext", CONTEXT },
	{ RESPONSE, ENUMERATION | WSMAN, "Items", ITEMS },
	{ RESPONSE, ENUMERATION | WSMAN, "EndOfSequence", END },
	{ BODY, SOAP, "Fault", FAULT },
	{ FAULT, SOAP, "Code", CODE },
	{ CODE, SOAP, "Subcode", SUBCODE },
	{ SUBCODE, SOAP, "Value", SUBCODE_VALUE },
	{ FAULT, SOAP, "Reason", REASON },
	{ REASON, SOAP, "Text", REASON_TEXT },
	{ FAULT, SOAP, "Detail", DETAIL },
};

struct wsman_reader {
	xmlParserCtxtPtr xml;
	const char *bad; /* why it stopped */
	enum node path[DEPTH];
	unsigned depth, skipped; /* skipped: elements that do not count, around what is read now */
	struct buf text; /* of the element in hand */
	/* the instance in hand: its texts with their zeros, and where they begin */
	struct buf values;
	size_t at[WSMAN_PROPERTIES];
	unsigned property;
	bool better; /* the key in hand is the one of choice */
	bool nil;
	const struct wsman_wanted *wanted;
	wsman_item_fn item;
	void *context;
	/* the answer */
	struct wsman_answer answer;
	struct buf relates_to, enumeration, subcode, reason;
	unsigned codes;
	bool body;
};

static void stop(struct wsman_reader *r, const char *why)
{
	if (!r->bad) {
		r->bad = why;
		xmlStopParser(r->xml);
	}
}

static enum space space_of(const char *uri)
{
	for (size_t i = 0; uri && i < G_N_ELEMENTS(spaces); i++) {
		if (strcmp(uri, spaces[i].uri) == 0) {
			return spaces[i].space;
		}
	}
	return OTHER;
}

/* ------------------------------------------------------------------ items */

static enum node begin_item(struct wsman_reader *r, const char *name, const char *uri)
{
	if (space_of(uri) == WSMAN) { /* never asked for */
		stop(r, "holds fragments or references in place of instances");
		return NODES;
	}
	r->answer.items++;
	if (!r->wanted || strcmp(name, r->wanted->class_name) != 0) {
		return NODES;
	}
	buf_reset(&r->values);
	for (unsigned i = 0; i < WSMAN_PROPERTIES; i++) {
		r->at[i] = ABSENT;
	}
	return ITEM;
}

static bool is_attribute(const xmlChar **attribute, const char *name, const char *value)
{
	size_t len = (size_t)(attribute[4] - attribute[3]);

	return strcmp((const char *)attribute[0], name) == 0 && len == strlen(value) &&
	       memcmp(attribute[3], value, len) == 0;
}

static bool has_attribute(int count, const xmlChar **attribute, const char *name, const char *value)
{
	for (int i = 0; i < count; i++) {
		if (is_attribute(attribute + (size_t)5 * (size_t)i, name, value)) {
			return true;
		}
	}
	return false;
}

static enum node begin_property(struct wsman_reader *r, const char *name, int attributes,
				const xmlChar **attribute)
{
	const char *const *p = r->wanted->properties;

	for (unsigned i = 0; p[i]; i++) {
		if (*p[i] != *name || strcmp(p[i], name) != 0) {
			continue;
		}
		if (r->at[i] != ABSENT || has_attribute(attributes, attribute, "nil", "true") ||
		    has_attribute(attributes, attribute, "nil", "1")) {
			return NODES;
		}
		r->property = i;
		return PROPERTY;
	}
	return NODES;
}

/* Of a reference the keys are what counts. */
static enum node begin_in_reference(struct wsman_reader *r, const char *name, const char *uri,
				    int attributes, const xmlChar **attribute)
{
	if (strcmp(name, "Selector") != 0 || space_of(uri) != WSMAN) {
		return REFERENCE;
	}
	r->better = has_attribute(attributes, attribute, "Name", "InstanceID");
	return r->better || (has_attribute(attributes, attribute, "Name", "Name") &&
			     r->at[r->property] == ABSENT)
		       ? KEY
		       : NODES;
}

static void keep_value(struct wsman_reader *r)
{
	r->at[r->property] = r->values.len;
	buf_add(&r->values, r->text.data, r->text.len + 1); /* with its zero */
}

static void end_item(struct wsman_reader *r)
{
	struct wsman_item item = { 0 };

	for (unsigned i = 0; i < WSMAN_PROPERTIES; i++) {
		item.value[i] = r->at[i] == ABSENT ? NULL : r->values.data + r->at[i];
	}
	if (r->item) {
		r->item(r->context, &item);
	}
}

/* ------------------------------------------------------------------ faults */

static void add_code(struct wsman_reader *r, const char *text)
{
	char *end;
	uint64_t code = g_ascii_strtoull(text, &end, 0);

	if (end != text && code && r->codes < WSMAN_CODES) {
		r->answer.code[r->codes++] = code;
	}
}

/* Codes are numbers: what is longer is none. */
static void take_codes(struct wsman_reader *r, const char *name, int attributes,
		       const xmlChar **attribute)
{
	char text[24];

	if (strcmp(name, "WSManFault") != 0) {
		return;
	}
	for (int i = 0; i < attributes; i++, attribute += 5) {
		size_t len = (size_t)(attribute[4] - attribute[3]);

		if (strcmp((const char *)attribute[0], "Code") == 0 && len < sizeof(text)) {
			memcpy(text, attribute[3], len);
			text[len] = '\0';
			add_code(r, text);
		}
	}
}

/* "wsa:DestinationUnreachable" without what is before the colon. */
static void keep_subcode(struct wsman_reader *r)
{
	const char *colon = strrchr(r->text.data, ':');

	buf_reset(&r->subcode);
	buf_puts(&r->subcode, colon ? colon + 1 : r->text.data);
}

/* ------------------------------------------------------------------ elements */

static enum node step_to(struct wsman_reader *r, const char *name, const char *uri, int attributes,
			 const xmlChar **attribute)
{
	enum node from = r->path[r->depth];
	enum space space;

	switch (from) {
	case ITEMS:
		return begin_item(r, name, uri);
	case ITEM:
		return begin_property(r, name, attributes, attribute);
	case PROPERTY:
		return space_of(uri) == CIM ? PROPERTY : REFERENCE;
	case REFERENCE:
		return begin_in_reference(r, name, uri, attributes, attribute);
	case DETAIL:
		take_codes(r, name, attributes, attribute);
		return DETAIL;
	default:
		break;
	}
	space = space_of(uri);
	for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
		if (steps[i].from == from && steps[i].spaces & space &&
		    strcmp(steps[i].name, name) == 0) {
			return steps[i].to;
		}
	}
	return NODES;
}

static void start_element(void *user, const xmlChar *name, const xmlChar *prefix,
			  const xmlChar *uri, int namespaces, const xmlChar **namespace,
			  int attributes, int defaulted, const xmlChar **attribute)
{
	struct wsman_reader *r = user;
	enum node node = NODES;

	if (r->depth + r->skipped + 1 >= DEPTH) {
		stop(r, "is nested too deep");
		return;
	}
	if (!r->skipped) {
		node = step_to(r, (const char *)name, (const char *)uri, attributes, attribute);
	}
	if (node == NODES) {
		r->skipped++;
		return;
	}
	r->path[++r->depth] = node;
	buf_reset(&r->text);
	r->body |= node == BODY;
	r->answer.response |= node == RESPONSE;
}

static void characters(void *user, const xmlChar *text, int len)
{
	struct wsman_reader *r = user;

	if (r->skipped) {
		return;
	}
	if (r->text.len + (size_t)len > WSMAN_TEXT_MAX) {
		stop(r, "holds a text that is too long");
		return;
	}
	buf_add(&r->text, text, (size_t)len);
}

static void keep(struct buf *to, const struct buf *text)
{
	buf_reset(to);
	buf_add(to, text->data, text->len);
}

static void end_property(struct wsman_reader *r)
{
	if (r->path[r->depth - 1] == ITEM && r->at[r->property] == ABSENT) {
		keep_value(r);
	}
}

static void end(struct wsman_reader *r, enum node node)
{
	switch (node) {
	case RELATES_TO:
		keep(&r->relates_to, &r->text);
		break;
	case CONTEXT:
		keep(&r->enumeration, &r->text);
		break;
	case END:
		r->answer.end = true;
		break;
	case FAULT:
		r->answer.fault = true;
		break;
	case SUBCODE_VALUE:
		keep_subcode(r);
		break;
	case REASON_TEXT:
		keep(&r->reason, &r->text);
		break;
	case ITEM:
		end_item(r);
		break;
	case KEY:
		keep_value(r);
		break;
	default:
		break;
	}
}

static void end_element(void *user, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
	struct wsman_reader *r = user;
	enum node node = r->path[r->depth];

	if (r->skipped) {
		r->skipped--;
		return;
	}
	if (node == PROPERTY) { /* around a time the text goes on to the outer element */
		end_property(r);
	} else {
		end(r, node);
	}
	if (node != PROPERTY || r->path[r->depth - 1] == ITEM) {
		buf_reset(&r->text);
	}
	r->depth--;
}

/* No answer has one; in a document with one, entities could be defined. */
static void document_type(void *user, const xmlChar *name, const xmlChar *external,
			  const xmlChar *system)
{
	stop(user, "has a document type");
}

static xmlEntityPtr entity(void *user, const xmlChar *name)
{
	return xmlGetPredefinedEntity(name);
}

static void complain(void *user, xmlErrorPtr error)
{
	/* xmlCtxtGetLastError() has it; this keeps libxml2 from writing to stderr. */
}

static const xmlSAXHandler handler = {
	.initialized = XML_SAX2_MAGIC,
	.startElementNs = start_element,
	.endElementNs = end_element,
	.characters = characters,
	.ignorableWhitespace = characters,
	.cdataBlock = characters,
	.internalSubset = document_type,
	.getEntity = entity,
	.serror = complain,
};

/* ------------------------------------------------------------------ the reader */

struct wsman_reader *wsman_reader_new(void)
{
	struct wsman_reader *r = g_new0(struct wsman_reader, 1);

	buf_init(&r->text);
	buf_init(&r->values);
	buf_init(&r->relates_to);
	buf_init(&r->enumeration);
	buf_init(&r->subcode);
	buf_init(&r->reason);
	return r;
}

void wsman_reader_free(struct wsman_reader *r)
{
	if (r) {
		buf_fini(&r->text);
		buf_fini(&r->values);
		buf_fini(&r->relates_to);
		buf_fini(&r->enumeration);
		buf_fini(&r->subcode);
		buf_fini(&r->reason);
		g_free(r);
	}
}

static void begin(struct wsman_reader *r)
{
	r->bad = NULL;
	r->depth = r->skipped = r->codes = 0;
	r->path[0] = DOCUMENT;
	r->body = false;
	r->answer = (struct wsman_answer){ 0 };
	buf_reset(&r->text);
	buf_reset(&r->relates_to);
	buf_reset(&r->enumeration);
	buf_reset(&r->subcode);
	buf_reset(&r->reason);
}

static int judge(struct wsman_reader *r, struct vmt_error *error)
{
	const xmlError *why = xmlCtxtGetLastError(r->xml);

	if (r->bad) {
		return vmt_error_set(error, -EBADMSG, "the answer %s", r->bad);
	}
	if (!r->xml->wellFormed) {
		return vmt_error_set(error, -EBADMSG, "the answer is not well formed: %.100s",
				     why && why->message ? g_strchomp(why->message) : "");
	}
	if (!r->body) {
		return vmt_error_set(error, -EBADMSG, "the answer is not one of WS-Enumeration");
	}
	if (r->enumeration.len > WSMAN_CONTEXT_MAX) {
		return vmt_error_set(error, -EBADMSG, "the answer's context is too long");
	}
	return 0;
}

int wsman_read(struct wsman_reader *r, const char *xml, size_t len,
	       const struct wsman_wanted *wanted, wsman_item_fn item, void *context,
	       struct wsman_answer *ret, struct vmt_error *error)
{
	int err;

	begin(r);
	if (len == 0 || len > G_MAXINT) {
		return vmt_error_set(error, -EBADMSG, "the answer is %s",
				     len ? "too long" : "empty");
	}
	r->wanted = wanted;
	r->item = item;
	r->context = context;
	r->xml = xmlCreateMemoryParserCtxt(xml, (int)len);
	g_assert(r->xml); /* only without memory */
	*r->xml->sax = handler;
	r->xml->userData = r;
	/* NOENT turns &amp; in attributes into what it means; other entities there are none. */
	xmlCtxtUseOptions(r->xml, XML_PARSE_NOENT | XML_PARSE_NONET);
	xmlParseDocument(r->xml);
	err = judge(r, error);
	xmlFreeParserCtxt(r->xml);
	r->xml = NULL;
	if (err == 0) {
		r->answer.relates_to = r->relates_to.data;
		r->answer.context = r->enumeration.data;
		r->answer.subcode = r->subcode.data;
		r->answer.reason = r->reason.len ? g_strstrip(r->reason.data) : "";
		*ret = r->answer;
	}
	return err;
}

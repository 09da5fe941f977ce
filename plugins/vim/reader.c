/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the stream parser and the way through envelope and fault.  Any thread, one at a time for a reader; never blocks.
 *
 * Thousands of small elements come each cycle, so what libxml2 offers on top of its parser stays off: no tree, no
 * locators, no error texts but the last, and names are looked for only where some may count.
 */
#include "plugins/vim/reader.h"

#include "base/buf.h"
#include "base/utf8.h"

#include <errno.h>
#include <glib.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>

#define SOAP "http://schemas.xmlsoap.org/soap/envelope/"
#define VIM "urn:vim25"
#define XSI "http://www.w3.org/2001/XMLSchema-instance"

/* Nodes of the envelope, beyond those of any shape. */
enum {
	DOCUMENT = 200,
	ENVELOPE,
	BODY,
	FAULT,
	FAULT_TEXT,
	DETAIL,
	DETAIL_KIND,
	DETAIL_NAME,
	DETAIL_OBJECT,
	DETAIL_PRIVILEGE,
	SKIPPED,
};

static const struct frame_step {
	unsigned char from, to;
	bool soap;
	const char *name;
} frame_steps[] = {
	{ DOCUMENT, ENVELOPE, true, "Envelope" },
	{ ENVELOPE, BODY, true, "Body" },
	{ BODY, FAULT, true, "Fault" },
	{ FAULT, FAULT_TEXT, false, "faultstring" },
	{ FAULT, DETAIL, false, "detail" },
	{ DETAIL, DETAIL_KIND, false, NULL },
	{ DETAIL_KIND, DETAIL_NAME, false, "name" },
	{ DETAIL_KIND, DETAIL_NAME, false, "invalidProperty" },
	{ DETAIL_KIND, DETAIL_OBJECT, false, "obj" },
	{ DETAIL_KIND, DETAIL_OBJECT, false, "object" },
	{ DETAIL_KIND, DETAIL_PRIVILEGE, false, "privilegeId" },
};

struct vim_attributes {
	const xmlChar **at; /* five each: name, prefix, namespace, begin and end of the value */
	int count;
};

struct vim_reader {
	xmlParserCtxtPtr xml;
	const char *bad; /* why it stopped */
	unsigned char path[VIM_DEPTH];
	unsigned depth, skipped; /* skipped: elements that do not count, around what is read now */
	struct buf text; /* of the element in hand */
	const struct vim_shape *shape;
	void *context;
	struct vim_fault *fault;
	const xmlChar *
		space; /* of the response and all in it, in the parser's dictionary; NULL: none yet */
};

/* ------------------------------------------------------------------ attributes */

static const xmlChar **find_attribute(const struct vim_attributes *a, const char *name,
				      const char *space)
{
	for (int i = 0; i < a->count; i++) {
		const xmlChar **at = a->at + (size_t)5 * (size_t)i;

		if (strcmp((const char *)at[0], name) == 0 &&
		    (space ? at[2] && strcmp((const char *)at[2], space) == 0 : !at[2])) {
			return at;
		}
	}
	return NULL;
}

/* Without what is before the colon. */
static const char *local_part(const xmlChar **at, size_t *ret_len)
{
	const char *from = (const char *)at[3], *end = (const char *)at[4];
	const char *colon = memchr(from, ':', (size_t)(end - from));

	from = colon ? colon + 1 : from;
	*ret_len = (size_t)(end - from);
	return from;
}

bool vim_is_type(const struct vim_attributes *a, const char *name)
{
	const xmlChar **at = find_attribute(a, "type", XSI);
	size_t len = 0;
	const char *type = at ? local_part(at, &len) : NULL;

	return type && len == strlen(name) && memcmp(type, name, len) == 0;
}

const char *vim_reference_type(const struct vim_attributes *a, size_t *ret_len)
{
	const xmlChar **at = find_attribute(a, "type", NULL);

	return at ? local_part(at, ret_len) : NULL;
}

/* ------------------------------------------------------------------ faults */

static void keep(char *to, size_t size, const char *text, size_t len)
{
	len = MIN(len, size - 1);
	memcpy(to, text, len);
	to[utf8_cut(to, len)] = '\0';
}

/* By its xsi:type, else by the element's name without "Fault". */
static void take_kind(struct vim_reader *r, const char *name, const struct vim_attributes *a)
{
	const xmlChar **at = find_attribute(a, "type", XSI);
	size_t len = strlen(name);

	if (at) {
		name = local_part(at, &len);
	} else if (g_str_has_suffix(name, "Fault")) {
		len -= strlen("Fault");
	}
	if (!r->fault->type[0]) {
		keep(r->fault->type, sizeof(r->fault->type), name, len);
	}
}

static void end_frame(struct vim_reader *r, unsigned node)
{
	struct vim_fault *f = r->fault;

	switch (node) {
	case FAULT:
		f->there = true;
		break;
	case FAULT_TEXT:
		keep(f->text, sizeof(f->text), r->text.data, r->text.len);
		break;
	case DETAIL_NAME:
		keep(f->name, sizeof(f->name), r->text.data, r->text.len);
		break;
	case DETAIL_OBJECT:
		keep(f->object, sizeof(f->object), r->text.data, r->text.len);
		break;
	case DETAIL_PRIVILEGE:
		keep(f->privilege, sizeof(f->privilege), r->text.data, r->text.len);
		break;
	default:
		break;
	}
}

/* ------------------------------------------------------------------ elements */

static void stop(struct vim_reader *r, const char *why)
{
	if (!r->bad) {
		r->bad = why;
		xmlStopParser(r->xml);
	}
}

static unsigned frame_to(struct vim_reader *r, unsigned from, const char *name, const char *uri)
{
	bool soap = uri && strcmp(uri, SOAP) == 0;

	for (size_t i = 0; i < G_N_ELEMENTS(frame_steps); i++) {
		const struct frame_step *s = &frame_steps[i];

		if (s->from == from && (soap || !s->soap) &&
		    (!s->name || strcmp(s->name, name) == 0)) {
			return s->to;
		}
	}
	if (from == BODY && !r->space && uri && strcmp(uri, VIM) == 0 &&
	    g_str_has_suffix(name, "Response")) {
		r->space = (const xmlChar *)uri;
		return VIM_RESPONSE;
	}
	return SKIPPED;
}

static bool is_vim(const struct vim_reader *r, const xmlChar *uri)
{
	return uri == r->space || (uri && strcmp((const char *)uri, VIM) == 0);
}

static unsigned shape_to(const struct vim_reader *r, unsigned from, const char *name)
{
	for (const struct vim_step *s = r->shape->steps; s->to; s++) {
		if (s->from == from && (!s->name || strcmp(s->name, name) == 0)) {
			return s->to;
		}
	}
	return SKIPPED;
}

static void start_element(void *user, const xmlChar *name, const xmlChar *prefix,
			  const xmlChar *uri, int namespaces, const xmlChar **namespace,
			  int attributes, int defaulted, const xmlChar **attribute)
{
	struct vim_reader *r = user;
	struct vim_attributes a = { attribute, attributes };
	unsigned from = r->path[r->depth], node = SKIPPED;

	if (r->depth + r->skipped + 1 >= VIM_DEPTH) {
		stop(r, "is nested too deep");
		return;
	}
	if (!r->skipped) {
		node = from >= DOCUMENT ? frame_to(r, from, (const char *)name, (const char *)uri)
		       : is_vim(r, uri) ? shape_to(r, from, (const char *)name)
					: SKIPPED;
	}
	if (node == SKIPPED) {
		r->skipped++;
		return;
	}
	r->path[++r->depth] = (unsigned char)node;
	buf_reset(&r->text);
	if (node == DETAIL_KIND) {
		take_kind(r, (const char *)name, &a);
	} else if (node < DOCUMENT && r->shape->start) {
		r->shape->start(r->context, node, &a);
	}
}

static void characters(void *user, const xmlChar *text, int len)
{
	struct vim_reader *r = user;

	if (r->skipped) {
		return;
	}
	if (r->text.len + (size_t)len > VIM_TEXT_MAX) {
		stop(r, "holds a text that is too long");
		return;
	}
	buf_add(&r->text, text, (size_t)len);
}

static void end_element(void *user, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
	struct vim_reader *r = user;
	unsigned node = r->path[r->depth];

	if (r->skipped) {
		r->skipped--;
		return;
	}
	r->depth--;
	if (node >= DOCUMENT) {
		end_frame(r, node);
	} else if (r->shape->end) {
		r->shape->end(r->context, node, r->text.data, r->text.len);
	}
	buf_reset(&r->text);
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

struct vim_reader *vim_reader_new(void)
{
	struct vim_reader *r = g_new0(struct vim_reader, 1);

	buf_init(&r->text);
	return r;
}

void vim_reader_free(struct vim_reader *r)
{
	if (r) {
		buf_fini(&r->text);
		g_free(r);
	}
}

static int judge(struct vim_reader *r, struct vmt_error *error)
{
	const xmlError *why = xmlCtxtGetLastError(r->xml);

	if (r->bad) {
		return vmt_error_set(error, -EBADMSG, "the answer %s", r->bad);
	}
	if (!r->xml->wellFormed) {
		return vmt_error_set(error, -EBADMSG, "the answer is not well formed: %.100s",
				     why && why->message ? g_strchomp(why->message) : "");
	}
	if (!r->space && !r->fault->there) {
		return vmt_error_set(error, -EBADMSG, "the answer is not one of a vCenter");
	}
	return 0;
}

int vim_read(struct vim_reader *r, const char *xml, size_t len, const struct vim_shape *shape,
	     void *context, struct vim_fault *ret_fault, struct vmt_error *error)
{
	int err;

	*ret_fault = (struct vim_fault){ .there = false };
	if (len == 0 || len > G_MAXINT) {
		return vmt_error_set(error, -EBADMSG, "the answer is %s",
				     len ? "too long" : "empty");
	}
	r->bad = NULL;
	r->depth = r->skipped = 0;
	r->path[0] = DOCUMENT;
	r->space = NULL;
	r->shape = shape;
	r->context = context;
	r->fault = ret_fault;
	buf_reset(&r->text);
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
	return err;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the reading of a domain's XML.  A stream parser walks the tree along a table of the elements that
 * count (`steps`); a second table (`fields`) says where their texts and attributes go.  All else is
 * skipped unseen.  Any thread; never blocks.
 */
#include "plugins/libvirt/domxml.h"

#include "base/buf.h"
#include "base/uuid.h"

#include <errno.h>
#include <glib.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>

#define NOVA_NAMESPACE "http://openstack.org/xmlns/libvirt/nova/1."

enum node {
	DOCUMENT,
	DOMAIN,
	NAME,
	UUID,
	TITLE,
	MEMORY,
	VCPU,
	OS,
	OS_TYPE,
	METADATA,
	NOVA,
	NOVA_NAME,
	FLAVOR,
	FLAVOR_MEMORY,
	FLAVOR_DISK,
	FLAVOR_SWAP,
	FLAVOR_EPHEMERAL,
	FLAVOR_VCPUS,
	EXTRA_SPECS,
	EXTRA_SPEC,
	IMAGE,
	IMAGE_CONTAINER,
	IMAGE_FORMAT,
	IMAGE_MIN_DISK,
	IMAGE_MIN_RAM,
	PROPERTIES,
	PROPERTY,
	OWNER,
	USER,
	PROJECT,
	ROOT,
	DEVICES,
	DISK,
	DISK_DRIVER,
	DISK_SOURCE,
	DISK_TARGET,
	DISK_ALIAS,
	NIC,
	NIC_MAC,
	NIC_TARGET,
	NIC_SOURCE,
	NIC_ALIAS,
	NIC_PORT,
	NIC_PORT_PARAMETERS,
	NIC_FILTER,
	NIC_PARAMETER,
	BALLOON,
	NODES
};

struct step {
	enum node from;
	const char *name;
	enum node to;
};

/* Which child of which element counts. */
static const struct step steps[] = {
	{ DOCUMENT, "domain", DOMAIN },
	{ DOMAIN, "name", NAME },
	{ DOMAIN, "uuid", UUID },
	{ DOMAIN, "title", TITLE },
	{ DOMAIN, "memory", MEMORY },
	{ DOMAIN, "vcpu", VCPU },
	{ DOMAIN, "os", OS },
	{ OS, "type", OS_TYPE },
	{ DOMAIN, "metadata", METADATA },
	{ METADATA, "instance", NOVA },
	{ NOVA, "name", NOVA_NAME },
	{ NOVA, "flavor", FLAVOR },
	{ FLAVOR, "memory", FLAVOR_MEMORY },
	{ FLAVOR, "disk", FLAVOR_DISK },
	{ FLAVOR, "swap", FLAVOR_SWAP },
	{ FLAVOR, "ephemeral", FLAVOR_EPHEMERAL },
	{ FLAVOR, "vcpus", FLAVOR_VCPUS },
	{ FLAVOR, "extraSpecs", EXTRA_SPECS },
	{ EXTRA_SPECS, "extraSpec", EXTRA_SPEC },
	{ NOVA, "image", IMAGE },
	{ IMAGE, "containerFormat", IMAGE_CONTAINER },
	{ IMAGE, "diskFormat", IMAGE_FORMAT },
	{ IMAGE, "minDisk", IMAGE_MIN_DISK },
	{ IMAGE, "minRam", IMAGE_MIN_RAM },
	{ IMAGE, "properties", PROPERTIES },
	{ PROPERTIES, "property", PROPERTY },
	{ NOVA, "owner", OWNER },
	{ OWNER, "user", USER },
	{ OWNER, "project", PROJECT },
	{ NOVA, "root", ROOT },
	{ DOMAIN, "devices", DEVICES },
	{ DEVICES, "disk", DISK },
	{ DISK, "driver", DISK_DRIVER },
	{ DISK, "source", DISK_SOURCE },
	{ DISK, "target", DISK_TARGET },
	{ DISK, "alias", DISK_ALIAS },
	{ DEVICES, "interface", NIC },
	{ NIC, "mac", NIC_MAC },
	{ NIC, "target", NIC_TARGET },
	{ NIC, "source", NIC_SOURCE },
	{ NIC, "alias", NIC_ALIAS },
	{ NIC, "virtualport", NIC_PORT },
	{ NIC_PORT, "parameters", NIC_PORT_PARAMETERS },
	{ NIC, "filterref", NIC_FILTER },
	{ NIC_FILTER, "parameter", NIC_PARAMETER },
	{ DEVICES, "memballoon", BALLOON },
};

/* Texts that are kept as they are met. */
struct found {
	const char *uuid, *vcpu_current, *balloon;
	const char *image_id, *container, *format, *min_disk, *min_ram;
	const char *key, *value; /* of the pair in hand */
	int64_t vcpus_max;
};

enum part { IN_DOMAIN, IN_NOVA, IN_DISK, IN_NIC, IN_FOUND };

struct field {
	enum node node;
	const char *attribute; /* NULL: the element's text */
	enum part part;
	bool number; /* int64_t, else const char * */
	size_t offset;
};

#define AT(type, member) offsetof(struct type, member)

static const struct field fields[] = {
	{ NAME, NULL, IN_DOMAIN, false, AT(domxml, name) },
	{ UUID, NULL, IN_FOUND, false, AT(found, uuid) },
	{ TITLE, NULL, IN_DOMAIN, false, AT(domxml, title) },
	{ MEMORY, NULL, IN_DOMAIN, true, AT(domxml, memory_kib) },
	{ VCPU, NULL, IN_FOUND, true, AT(found, vcpus_max) },
	{ VCPU, "current", IN_FOUND, false, AT(found, vcpu_current) },
	{ OS_TYPE, NULL, IN_DOMAIN, false, AT(domxml, os_type) },
	{ OS_TYPE, "arch", IN_DOMAIN, false, AT(domxml, arch) },
	{ NOVA_NAME, NULL, IN_NOVA, false, AT(domxml_nova, name) },
	{ FLAVOR, "name", IN_NOVA, false, AT(domxml_nova, flavor) },
	{ FLAVOR, "id", IN_NOVA, false, AT(domxml_nova, flavor_id) },
	{ FLAVOR_MEMORY, NULL, IN_NOVA, true, AT(domxml_nova, memory_mib) },
	{ FLAVOR_DISK, NULL, IN_NOVA, true, AT(domxml_nova, disk_gib) },
	{ FLAVOR_SWAP, NULL, IN_NOVA, true, AT(domxml_nova, swap_mib) },
	{ FLAVOR_EPHEMERAL, NULL, IN_NOVA, true, AT(domxml_nova, ephemeral_gib) },
	{ FLAVOR_VCPUS, NULL, IN_NOVA, true, AT(domxml_nova, vcpus) },
	{ EXTRA_SPEC, NULL, IN_FOUND, false, AT(found, value) },
	{ EXTRA_SPEC, "name", IN_FOUND, false, AT(found, key) },
	{ IMAGE, "uuid", IN_FOUND, false, AT(found, image_id) },
	{ IMAGE_CONTAINER, NULL, IN_FOUND, false, AT(found, container) },
	{ IMAGE_FORMAT, NULL, IN_FOUND, false, AT(found, format) },
	{ IMAGE_MIN_DISK, NULL, IN_FOUND, false, AT(found, min_disk) },
	{ IMAGE_MIN_RAM, NULL, IN_FOUND, false, AT(found, min_ram) },
	{ PROPERTY, NULL, IN_FOUND, false, AT(found, value) },
	{ PROPERTY, "name", IN_FOUND, false, AT(found, key) },
	{ USER, NULL, IN_NOVA, false, AT(domxml_nova, user_name) },
	{ USER, "uuid", IN_NOVA, false, AT(domxml_nova, user_id) },
	{ PROJECT, NULL, IN_NOVA, false, AT(domxml_nova, project_name) },
	{ PROJECT, "uuid", IN_NOVA, false, AT(domxml_nova, project_id) },
	{ ROOT, "type", IN_NOVA, false, AT(domxml_nova, root_type) },
	{ ROOT, "uuid", IN_NOVA, false, AT(domxml_nova, root_id) },
	{ DISK, "type", IN_DISK, false, AT(domxml_disk, type) },
	{ DISK, "device", IN_DISK, false, AT(domxml_disk, device) },
	{ DISK_DRIVER, "type", IN_DISK, false, AT(domxml_disk, format) },
	{ DISK_SOURCE, "file", IN_DISK, false, AT(domxml_disk, path) },
	{ DISK_SOURCE, "dev", IN_DISK, false, AT(domxml_disk, path) },
	{ DISK_SOURCE, "index", IN_DISK, false, AT(domxml_disk, index) },
	{ DISK_TARGET, "dev", IN_DISK, false, AT(domxml_disk, target) },
	{ DISK_ALIAS, "name", IN_DISK, false, AT(domxml_disk, alias) },
	{ NIC, "type", IN_NIC, false, AT(domxml_nic, type) },
	{ NIC_MAC, "address", IN_NIC, false, AT(domxml_nic, mac) },
	{ NIC_TARGET, "dev", IN_NIC, false, AT(domxml_nic, target) },
	{ NIC_SOURCE, "bridge", IN_NIC, false, AT(domxml_nic, bridge) },
	{ NIC_ALIAS, "name", IN_NIC, false, AT(domxml_nic, alias) },
	{ NIC_PORT, "type", IN_NIC, false, AT(domxml_nic, port) },
	{ NIC_PORT_PARAMETERS, "interfaceid", IN_NIC, false, AT(domxml_nic, interface_id) },
	{ NIC_FILTER, "filter", IN_NIC, false, AT(domxml_nic, filter) },
	{ NIC_PARAMETER, "name", IN_FOUND, false, AT(found, key) },
	{ NIC_PARAMETER, "value", IN_FOUND, false, AT(found, value) },
	{ BALLOON, "model", IN_FOUND, false, AT(found, balloon) },
};

struct parser {
	xmlParserCtxtPtr xml;
	struct arena *arena;
	enum node path[8]; /* elements that count, from DOCUMENT on */
	unsigned depth; /* of `path` */
	unsigned skipped; /* elements inside one that does not count */
	struct buf text; /* of the innermost element that counts */
	const char *nova_uri; /* namespace of the <instance> in hand */
	struct domxml domain;
	struct domxml_nova nova;
	bool has_nova;
	struct domxml_disk disk;
	struct domxml_nic nic;
	struct found found;
	GArray *disks, *nics; /* of the structures above */
	GArray *extra_specs, *properties, *parameters; /* struct vmt_pair */
	const char *bad; /* why it was stopped, or NULL */
};

static void stop(struct parser *p, const char *why)
{
	if (!p->bad) {
		p->bad = why;
	}
	xmlStopParser(p->xml);
}

static char *part_of(struct parser *p, enum part part)
{
	switch (part) {
	case IN_DOMAIN:
		return (char *)&p->domain;
	case IN_NOVA:
		return (char *)&p->nova;
	case IN_DISK:
		return (char *)&p->disk;
	case IN_NIC:
		return (char *)&p->nic;
	default:
		return (char *)&p->found;
	}
}

/* A whole number with white space around it; what is none is not taken. */
static void take_number(const char *text, int64_t *ret)
{
	char *end;
	int64_t v;

	errno = 0;
	v = g_ascii_strtoll(text, &end, 10);
	if (errno || end == text) {
		return;
	}
	while (g_ascii_isspace(*end)) {
		end++;
	}
	if (!*end) {
		*ret = v;
	}
}

/* A copy, cut at a character where it is too long. */
static const char *keep(struct parser *p, const char *text, size_t len)
{
	if (len > DOMXML_TEXT) {
		len = DOMXML_TEXT;
		while (len && ((unsigned char)text[len] & 0xc0) == 0x80) {
			len--;
		}
	}
	return arena_strndup(p->arena, text, len);
}

static void store(struct parser *p, const struct field *f, const char *text, size_t len)
{
	char *at = part_of(p, f->part) + f->offset;
	const char *kept;

	if (!f->number) {
		*(const char **)(void *)at = keep(p, text, len);
		return;
	}
	if (len < 32) {
		kept = keep(p, text, len);
		take_number(kept, (int64_t *)(void *)at);
	}
}

static const struct field *field_of(enum node node, const char *attribute)
{
	for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
		const struct field *f = &fields[i];

		if (f->node == node && !g_strcmp0(f->attribute, attribute)) {
			return f;
		}
	}
	return NULL;
}

/* "…/nova/1.N": N, or -1. */
static int nova_version(const char *uri)
{
	size_t len = strlen(NOVA_NAMESPACE);
	int version = 0;

	if (!uri || strncmp(uri, NOVA_NAMESPACE, len) != 0 || !uri[len]) {
		return -1;
	}
	for (const char *d = uri + len; *d; d++) {
		if (!g_ascii_isdigit(*d) || version > 10000) {
			return -1;
		}
		version = version * 10 + (*d - '0');
	}
	return version;
}

/* A newer <instance> replaces an older one. */
static bool nova_begin(struct parser *p, const char *uri)
{
	int version = nova_version(uri);

	if (version < 0 || (p->has_nova && (unsigned)version <= p->nova.version)) {
		return false;
	}
	p->nova = (struct domxml_nova){ .version = (unsigned)version };
	p->has_nova = true;
	p->nova_uri = uri;
	g_array_set_size(p->extra_specs, 0);
	g_array_set_size(p->properties, 0);
	p->found.image_id = p->found.container = p->found.format = NULL;
	p->found.min_disk = p->found.min_ram = NULL;
	return true;
}

/* Does the element count here?  Answers NODES when not. */
static enum node step_to(struct parser *p, const char *name, const char *uri)
{
	enum node from = p->path[p->depth];
	bool nova = from >= NOVA && from < DEVICES;

	for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
		const struct step *s = &steps[i];

		if (s->from != from || strcmp(s->name, name) != 0) {
			continue;
		}
		if (s->to == NOVA) {
			return nova_begin(p, uri) ? NOVA : NODES;
		}
		if (uri && !(nova && strcmp(uri, p->nova_uri) == 0)) {
			return NODES;
		}
		return s->to;
	}
	return NODES;
}

static void begin(struct parser *p, enum node node)
{
	p->found.key = p->found.value = NULL;
	switch (node) {
	case DISK:
		p->disk = (struct domxml_disk){ 0 };
		break;
	case DISK_SOURCE:
		p->disk.has_source = true;
		break;
	case NIC:
		p->nic = (struct domxml_nic){ 0 };
		g_array_set_size(p->parameters, 0);
		break;
	case EXTRA_SPECS:
		p->nova.has_extra_specs = true;
		break;
	case IMAGE:
		p->nova.has_image = true;
		break;
	default:
		break;
	}
}

static void start_element(void *user, const xmlChar *name, const xmlChar *prefix,
			  const xmlChar *uri, int namespaces, const xmlChar **namespace,
			  int attributes, int defaulted, const xmlChar **attribute)
{
	struct parser *p = user;
	enum node node = NODES;

	if (p->depth + p->skipped >= DOMXML_DEPTH) {
		stop(p, "nested too deep");
		return;
	}
	if (!p->skipped) {
		node = step_to(p, (const char *)name, (const char *)uri);
	}
	if (node == NODES) {
		p->skipped++;
		return;
	}
	g_assert(p->depth + 1 < G_N_ELEMENTS(p->path));
	p->path[++p->depth] = node;
	buf_reset(&p->text);
	begin(p, node);
	for (int i = 0; i < attributes; i++, attribute += 5) {
		const struct field *f = NULL;

		if (!attribute[2]) { /* no namespace */
			f = field_of(node, (const char *)attribute[0]);
		}
		if (f) {
			store(p, f, (const char *)attribute[3],
			      (size_t)(attribute[4] - attribute[3]));
		}
	}
}

static void characters(void *user, const xmlChar *text, int len)
{
	struct parser *p = user;

	if (!p->skipped && p->text.len < DOMXML_TEXT) {
		buf_add(&p->text, text, (size_t)len);
	}
}

/* A repeated key keeps its place and takes the new value, as a dictionary does. */
static void add_pair(GArray *list, const char *key, const char *value)
{
	struct vmt_pair pair = { .key = key, .value = value };

	if (!key) {
		return;
	}
	for (guint i = 0; i < list->len; i++) {
		struct vmt_pair *old = &g_array_index(list, struct vmt_pair, i);

		if (strcmp(old->key, key) == 0) {
			old->value = value;
			return;
		}
	}
	if (list->len < DOMXML_PAIRS) {
		g_array_append_val(list, pair);
	}
}

static const struct vmt_pair *pairs_of(struct parser *p, GArray *list)
{
	struct vmt_pair end = { 0 };

	if (!list->len) {
		return NULL;
	}
	g_array_append_val(list, end);
	return arena_dup(p->arena, list->data, list->len * sizeof(end));
}

static void end_nic(struct parser *p)
{
	p->nic.parameters = pairs_of(p, p->parameters);
	if (p->nics->len < DOMXML_DEVICES) {
		g_array_append_val(p->nics, p->nic);
	}
}

static void end_parameter(struct parser *p)
{
	char *lower;

	if (!p->found.key || !g_utf8_validate(p->found.key, -1, NULL)) {
		return;
	}
	lower = g_utf8_strdown(p->found.key, -1);
	add_pair(p->parameters, arena_strdup(p->arena, lower), p->found.value);
	g_free(lower);
}

static void end_nova(struct parser *p)
{
	const struct found *f = &p->found;
	GArray *list = g_array_new(FALSE, FALSE, sizeof(struct vmt_pair));
	const struct vmt_pair head[] = {
		{ "base_image_ref", f->image_id }, { "container_format", f->container },
		{ "disk_format", f->format },      { "min_disk", f->min_disk },
		{ "min_ram", f->min_ram },
	};

	p->nova.extra_specs = pairs_of(p, p->extra_specs);
	for (size_t i = 0; i < G_N_ELEMENTS(head) && p->nova.has_image; i++) {
		if (i == 0 || head[i].value) {
			add_pair(list, head[i].key, head[i].value);
		}
	}
	for (guint i = 0; i < p->properties->len; i++) {
		struct vmt_pair *pair = &g_array_index(p->properties, struct vmt_pair, i);

		add_pair(list, pair->key, pair->value);
	}
	p->nova.image_meta = pairs_of(p, list);
	g_array_free(list, TRUE);
	p->nova_uri = NULL;
}

static void end(struct parser *p, enum node node)
{
	switch (node) {
	case DISK:
		if (p->disk.target && *p->disk.target && p->disks->len < DOMXML_DEVICES) {
			g_array_append_val(p->disks, p->disk);
		}
		break;
	case NIC:
		end_nic(p);
		break;
	case NIC_PARAMETER:
		end_parameter(p);
		break;
	case EXTRA_SPEC:
		add_pair(p->extra_specs, p->found.key, p->found.value);
		break;
	case PROPERTY:
		add_pair(p->properties, p->found.key, p->found.value);
		break;
	case NOVA:
		end_nova(p);
		break;
	default:
		break;
	}
}

static void end_element(void *user, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
	struct parser *p = user;
	enum node node = p->path[p->depth];
	const struct field *f;

	if (p->skipped) {
		p->skipped--;
		return;
	}
	f = field_of(node, NULL);
	if (f && p->text.len) {
		store(p, f, p->text.data, p->text.len);
	}
	buf_reset(&p->text);
	end(p, node);
	p->depth--;
}

/* libvirt writes none; in a document with one, entities could be defined. */
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

static const void *array_of(struct parser *p, const GArray *list, size_t size)
{
	return list->len ? arena_dup(p->arena, list->data, list->len * size) : NULL;
}

static void finish(struct parser *p, const struct domxml **ret)
{
	struct domxml *d = arena_dup(p->arena, &p->domain, sizeof(*d));
	uint8_t id[16];

	if (p->found.uuid && strlen(p->found.uuid) == UUID_TEXT - 1 &&
	    uuid_parse(p->found.uuid, id) == 0) {
		uuid_format(id, d->id);
	}
	d->vcpus = p->found.vcpus_max;
	d->no_balloon = !g_strcmp0(p->found.balloon, "none");
	if (p->found.vcpu_current) {
		take_number(p->found.vcpu_current, &d->vcpus);
	}
	if (p->has_nova) {
		d->nova = arena_dup(p->arena, &p->nova, sizeof(p->nova));
	}
	d->disks = p->disks->len;
	d->disk = array_of(p, p->disks, sizeof(p->disk));
	d->nics = p->nics->len;
	d->nic = array_of(p, p->nics, sizeof(p->nic));
	*ret = d;
}

static int run(struct parser *p, const char *xml, size_t len, struct vmt_error *error)
{
	const xmlError *why;

	/* NOENT turns &amp; in attributes into what it means; other entities there are none. */
	xmlCtxtUseOptions(p->xml, XML_PARSE_NOENT | XML_PARSE_NONET);
	if (xmlParseChunk(p->xml, xml, (int)len, 1) == 0 && !p->bad && p->xml->wellFormed) {
		return p->path[1] == DOMAIN
			       ? 0
			       : vmt_error_set(error, -EBADMSG, "domain XML: not a <domain>");
	}
	if (p->bad) {
		return vmt_error_set(error, -EBADMSG, "domain XML: %s", p->bad);
	}
	why = xmlCtxtGetLastError(p->xml);
	return vmt_error_set(error, -EBADMSG, "domain XML: line %d: %.200s", why ? why->line : 0,
			     why && why->message ? g_strchomp(why->message) : "not well formed");
}

int domxml_parse(const char *xml, size_t len, struct arena *arena, const struct domxml **ret,
		 struct vmt_error *error)
{
	struct parser p = { .arena = arena, .text = BUF_INIT };
	xmlSAXHandler sax = handler;
	GArray **const lists[] = { &p.disks, &p.nics, &p.extra_specs, &p.properties,
				   &p.parameters };
	const guint sizes[] = { sizeof(p.disk), sizeof(p.nic), sizeof(struct vmt_pair),
				sizeof(struct vmt_pair), sizeof(struct vmt_pair) };
	int err;

	if (len > DOMXML_SIZE) {
		return vmt_error_set(error, -E2BIG, "domain XML: %zu bytes, more than %d", len,
				     DOMXML_SIZE);
	}
	p.xml = xmlCreatePushParserCtxt(&sax, &p, NULL, 0, NULL);
	g_assert(p.xml); /* only without memory */
	p.domain.memory_kib = p.found.vcpus_max = -1;
	for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
		*lists[i] = g_array_new(FALSE, FALSE, sizes[i]);
	}
	err = run(&p, xml, len, error);
	if (err == 0) {
		finish(&p, ret);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
		g_array_free(*lists[i], TRUE);
	}
	xmlFreeParserCtxt(p.xml);
	buf_fini(&p.text);
	return err;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the meaning of a domain as an instance: Nova's metadata where it is, else what libvirt itself knows.
 * Any thread; never blocks.
 */
#include "plugins/discovery/libvirt/instance.h"

#include <errno.h>
#include <glib.h>
#include <libvirt/libvirt.h>
#include <string.h>

/* EVP would load OpenSSL's providers into every agent, half a megabyte, for this one hash. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

/* By virDomainState; the words are Ceilometer's. */
static const struct {
	const char *state, *status;
} words[] = {
	[VIR_DOMAIN_NOSTATE] = { "pending", "building" },
	[VIR_DOMAIN_RUNNING] = { "running", "active" },
	[VIR_DOMAIN_BLOCKED] = { "running", "active" },
	[VIR_DOMAIN_PAUSED] = { "paused", "paused" },
	[VIR_DOMAIN_SHUTDOWN] = { "shutdown", "stopped" },
	[VIR_DOMAIN_SHUTOFF] = { "shutdown", "stopped" },
	[VIR_DOMAIN_CRASHED] = { "crashed", "error" },
	[VIR_DOMAIN_PMSUSPENDED] = { "suspended", "suspended" },
};

/* As Nova makes hostId: the hash of project id and host name. */
static void hash_host(const char *project, const char *host, char ret_hex[57])
{
	char *text = g_strconcat(project ? project : "", host, NULL);
	unsigned char digest[SHA224_DIGEST_LENGTH];
	SHA256_CTX context;

	SHA224_Init(&context);
	SHA224_Update(&context, text, strlen(text));
	SHA224_Final(digest, &context);
	for (unsigned i = 0; i < sizeof(digest); i++) {
		g_snprintf(ret_hex + 2 * i, 3, "%02x", digest[i]);
	}
	g_free(text);
}

static void add_attribute(struct instance_scratch *s, size_t *n, const char *key, const char *value,
			  bool raw)
{
	if (value) {
		s->attributes[(*n)++] = (struct vmt_pair){ .key = key, .value = value, .raw = raw };
	}
}

static const char *number(char *buffer, size_t size, int64_t value)
{
	if (value < 0) {
		return NULL;
	}
	g_snprintf(buffer, size, "%" G_GINT64_FORMAT, value);
	return buffer;
}

static void set_common(const struct domain *domain, const char *host, const char *project,
		       struct instance_scratch *s, struct vmt_instance *out)
{
	unsigned state = domain->state >= 0 && domain->state < (int)G_N_ELEMENTS(words)
				 ? (unsigned)domain->state
				 : VIR_DOMAIN_NOSTATE;

	hash_host(project, host, s->host_id);
	*out = (struct vmt_instance){
		.id = domain->desc->id,
		.name = domain->desc->name,
		.host_id = s->host_id,
		.host = host,
		.state = words[state].state,
		.status = words[state].status,
		.task_state = "",
		.attributes = s->attributes,
		.stopped = state == VIR_DOMAIN_SHUTOFF,
		.epoch = domain->desc->epoch,
	};
}

/* What Nova's metadata must have to be of use, or NULL. */
static const char *missing(const struct domxml_nova *nova)
{
	if (!nova->name) {
		return "no name";
	}
	if (!nova->flavor) {
		return "no flavor name";
	}
	return nova->user_id && nova->project_id ? NULL : "no owner";
}

static void from_nova(const struct domain *domain, const char *host, struct instance_scratch *s,
		      struct vmt_instance *out)
{
	const struct domxml *xml = domain->desc->xml;
	const struct domxml_nova *nova = xml->nova;
	size_t n = 0;

	set_common(domain, host, nova->project_id, s, out);
	add_attribute(s, &n, "architecture", xml->arch, false);
	add_attribute(s, &n, "os_type", xml->os_type, false);
	out->display_name = nova->name;
	out->user_id = nova->user_id;
	out->project_id = nova->project_id;
	out->has_flavor = true;
	out->flavor = (struct vmt_flavor){
		.id = nova->flavor_id,
		.name = nova->flavor,
		.vcpus = nova->vcpus,
		.ram_mib = nova->memory_mib,
		.disk_gib = nova->disk_gib,
		.ephemeral_gib = nova->ephemeral_gib,
		.swap_mib = nova->swap_mib,
		.has_swap = true,
		.has_extra_specs = nova->has_extra_specs,
		.extra_specs = nova->extra_specs,
	};
	if (nova->root_id && g_strcmp0(nova->root_type, "image") == 0) {
		out->has_image = true;
		out->image.id = nova->root_id;
	}
	out->image_meta = nova->image_meta;
}

/* No flavor, no owner: what libvirt knows goes into the metadata as it is. */
static void from_plain(const struct domain *domain, const char *host, struct instance_scratch *s,
		       struct vmt_instance *out)
{
	const struct domxml *xml = domain->desc->xml;
	size_t n = 0;

	set_common(domain, host, NULL, s, out);
	add_attribute(s, &n, "architecture", xml->arch, false);
	add_attribute(s, &n, "os_type", xml->os_type, false);
	add_attribute(s, &n, "title", xml->title, false);
	add_attribute(s, &n, "vcpus", number(s->vcpus, sizeof(s->vcpus), xml->vcpus), true);
	add_attribute(s, &n, "memory_mb",
		      number(s->memory, sizeof(s->memory),
			     xml->memory_kib < 0 ? -1 : xml->memory_kib / 1024),
		      true);
	out->display_name = xml->title ? xml->title : domain->desc->name;
}

int instance_from_domain(const struct domain *domain, enum kinds kinds, const char *host,
			 struct instance_scratch *scratch, struct vmt_instance *ret,
			 struct vmt_error *error)
{
	const struct domain_desc *desc = domain->desc;
	const char *lack;

	*scratch = (struct instance_scratch){ 0 };
	if (!desc->xml) {
		return vmt_error_set(error, -ENODATA, "domain %s (%s): %s; left out", desc->name,
				     desc->id, desc->why);
	}
	lack = desc->xml->nova ? missing(desc->xml->nova) : "none";
	if (!lack && kinds != KINDS_PLAIN) {
		from_nova(domain, host, scratch, ret);
		return 0;
	}
	if (kinds == KINDS_NOVA) {
		return vmt_error_set(
			error, -ENODATA,
			"domain %s (%s): Nova's metadata: %s; left out (discovery = auto would meter it)",
			desc->name, desc->id, lack);
	}
	from_plain(domain, host, scratch, ret);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the defaults of libvirt's URIs and the advice about failures.  Any thread; never blocks.
 */
#include "plugins/libvirt/uri.h"

#include <glib.h>
#include <string.h>

/* Default URIs as the reference has them, of all its releases. */
static const struct {
	const char *type, *uri;
} defaults[] = {
	{ "kvm", "qemu:///system" }, { "qemu", "qemu:///system" },
	{ "lxc", "lxc:///" },        { "uml", "uml:///system" },
	{ "xen", "xen:///" },        { "parallels", "parallels:///system" },
};

/* Schemes of libvirt's drivers (https://libvirt.org/drivers.html). */
static const char *const schemes[] = {
	"qemu",         "lxc",      "xen",          "test",      "esx",    "vpx", "gsx",
	"hyperv",       "vbox",     "vz",           "parallels", "bhyve",  "ch",  "openvz",
	"vmwareplayer", "vmwarews", "vmwarefusion", "uml",       "remote",
};

/* What libvirt's messages mean for whoever runs virtmeter. */
static const struct {
	const char *part, *advice;
} advices[] = {
	{ "Cannot read",
	  "; TLS needs certificates: put them where libvirt looks, or name their folder in "
	  "the URI (?pkipath=FOLDER)" },
	{ "failed to parse xml document",
	  "; the file must be there, readable, and one of libvirt's" },
	{ "Permission denied",
	  "; run as a member of group libvirt, or make libvirt's read-only socket accessible "
	  "(unix_sock_ro_perms, or [SocketMode] of libvirtd-ro.socket)" },
	{ "authentication",
	  "; run as a member of group libvirt, or set libvirt_read_write = false" },
	{ "No such file or directory",
	  "; is libvirtd (or virtqemud) running here? libvirt_uri may name another" },
	{ "Connection refused",
	  "; is libvirtd (or virtqemud) running there? libvirt_uri may name another" },
	{ "no connection driver available", "; libvirt_uri is not one that this libvirt knows" },
	{ "No connection for URI", "; libvirt_uri is not one that this libvirt knows" },
	{ "unable to parse", "; libvirt_uri is no URI" },
	{ "Unable to parse", "; libvirt_uri is no URI" },
};

const char *uri_choose(const char *uri, const char *type)
{
	if (uri && *uri) {
		return uri;
	}
	for (size_t i = 0; type && i < G_N_ELEMENTS(defaults); i++) {
		if (g_ascii_strcasecmp(type, defaults[i].type) == 0) {
			return defaults[i].uri;
		}
	}
	return defaults[0].uri;
}

bool uri_is_local(const char *uri)
{
	const char *host = strstr(uri, "://");

	return !host || host[3] == '/' || host[3] == '\0' || host[3] == '?';
}

/* Whether libvirt has a driver of that name.  With a host it tries any scheme over TLS. */
static bool is_known(const char *uri)
{
	size_t len = strcspn(uri, "+:");
	bool known = false;

	for (size_t i = 0; i < G_N_ELEMENTS(schemes) && !known; i++) {
		known = strlen(schemes[i]) == len && strncmp(uri, schemes[i], len) == 0;
	}
	return known;
}

const char *uri_advice(const char *uri, const char *message)
{
	if (strstr(message, "Cannot read CA certificate") && !is_known(uri)) {
		return "; libvirt_uri is not one that this libvirt knows";
	}
	for (size_t i = 0; i < G_N_ELEMENTS(advices); i++) {
		if (strstr(message, advices[i].part)) {
			return advices[i].advice;
		}
	}
	return "";
}

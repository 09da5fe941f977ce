/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options that discovery and inspector of libvirt have in common.
 */
#ifndef LIBVIRT_OPTIONS_H
#define LIBVIRT_OPTIONS_H

#include <virtmeter/plugin.h>

struct libvirt_conf {
	const char *uri; /* NULL or "": by type */
	const char *type;
	bool read_write;
};

/* Rows of an option table whose configuration structure has the member `libvirt`. */
#define LIBVIRT_OPTIONS(conf_)                                                                                \
	{ .name = "libvirt_uri",                                                                              \
	  .type = VMT_OPT_STRING,                                                                             \
	  .offset = offsetof(struct conf_, libvirt.uri),                                                      \
	  .help = "URI of the hypervisor; without it the default one of libvirt_type." },                     \
		{ .name = "libvirt_type",                                                                     \
		  .type = VMT_OPT_STRING,                                                                     \
		  .offset = offsetof(struct conf_, libvirt.type),                                             \
		  .def = "kvm",                                                                               \
		  .choices = (const char *const[]){ "kvm", "qemu", "lxc", "uml", "xen",                       \
						    "parallels", NULL },                                      \
		  .help = "Kind of hypervisor; decides the default URI.",                                     \
		  .deprecated = "virt_type" },                                                                \
	{                                                                                                     \
		.group = "virtmeter", .name = "libvirt_read_write", .type = VMT_OPT_BOOL,                     \
		.offset = offsetof(struct conf_, libvirt.read_write), .def = "false",                         \
		.help = "Connect with full rights. Nothing needs it but a hypervisor that refuses read-only " \
			"connections."                                                                        \
	}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connection URIs, and what a person can do about an error of libvirt.  Pure; any thread.
 */
#ifndef LIBVIRT_URI_H
#define LIBVIRT_URI_H

#include <stdbool.h>

/* The URI to use: `uri` if given, else the default of the hypervisor type ("kvm", "qemu", "lxc"…; what is
 * not known is taken for kvm, as the reference does). */
const char *uri_choose(const char *uri, const char *type);

/* Whether it leads to this machine: no host in it. */
bool uri_is_local(const char *uri);

/* What to do about a connection that could not be made, beginning with "; ", or "".  `message` is
 * libvirt's own. */
const char *uri_advice(const char *uri, const char *message);

#endif

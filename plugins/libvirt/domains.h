/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The domains of one hypervisor, as discovery and inspector of a process share them: names, states and
 * what their XML says.  The list is read when a connection is made; from then on libvirt's events, which
 * arrive on the main thread, mark what has changed, and domains_sync() reads only that.  As long as
 * nothing changes it asks nothing.  Where events cannot be had (no event loop runs, or the driver has none)
 * each sync lists anew, and the XML is read again now and then.
 *
 * Any thread.
 */
#ifndef LIBVIRT_DOMAINS_H
#define LIBVIRT_DOMAINS_H

#include "plugins/libvirt/connection.h"
#include "plugins/libvirt/domxml.h"
#include "plugins/libvirt/events.h"

#include <stdatomic.h>

/* A disk with a source, or a NIC with target and MAC address. */
struct domain_device {
	struct vmt_device public;
	const struct domxml_disk *disk; /* NULL for a NIC */
	const struct domxml_nic *nic; /* NULL for a disk */
	uint32_t plug; /* 0: there from the start; else grows with each plugging in */
};

/* What is known of a domain since it was last read: immutable, counted. */
struct domain_desc {
	atomic_uint refs;
	uint64_t version; /* unique in the process */
	uint8_t uuid[16];
	char id[37];
	const char *name; /* the hypervisor's own */
	int number; /* libvirt's id while it runs, else -1 */
	uint64_t epoch; /* another one at each start; 0 while it does not run */
	const struct domxml *xml; /* NULL: could not be read, `why` says it */
	const char *why;
	size_t disks, nics;
	const struct domain_device *disk, *nic;
	/* private */
	struct arena *arena;
	uint64_t digest; /* of the XML */
	uint32_t plugs;
	int64_t read_ns;
};

struct domain {
	struct domain_desc *desc;
	int state; /* virDomainState */
	int reason; /* of that state, virDomain*Reason; -1: not known */
};

struct domains;

/* The same ones for the same arguments, counted.  libvirt_prepare() came before. */
struct domains *domains_ref(const char *uri, bool read_write);
void domains_unref(struct domains *d); /* NULL is fine */
struct hub *domains_hub(struct domains *d);

/* Brings them up to date.  0; -EAGAIN: the deadline came before all was read, what is known holds; else
 * -errno, with the reason.  Adds the questions asked to *calls. */
int domains_sync(struct domains *d, const struct vmt_call *call, uint64_t *calls,
		 struct vmt_error *error);

/* Differs whenever what domains_each() shows may differ. */
uint64_t domains_generation(struct domains *d);

/* Calls fn for each domain, in no order; it must not call back. */
void domains_each(struct domains *d, void (*fn)(void *context, const struct domain *domain),
		  void *context);

/* The domain of that UUID, with a reference on its description. */
bool domains_find(struct domains *d, const uint8_t uuid[16], struct domain *ret_domain);
struct domain_desc *domain_desc_ref(struct domain_desc *desc);
void domain_desc_unref(struct domain_desc *desc); /* NULL is fine */

/* How many run. */
size_t domains_running(struct domains *d);

/* Calls fn for each start and end of a domain, on the main thread, where these two are called, too; it must not
 * block. */
typedef void (*domains_life_fn)(void *context, const uint8_t uuid[16], enum event_kind kind);
void domains_watch(struct domains *d, domains_life_fn fn, void *context);
void domains_unwatch(struct domains *d, void *context);

/* Something does not fit what is known of it: it is read again at the next sync. */
void domains_suspect(struct domains *d, const uint8_t uuid[16]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nova's and Glance's documents, read into objects that are counted and do not change any more.  Pure; the objects may
 * be given back on any thread.
 */
#ifndef DISCOVERY_NOVA_READ_H
#define DISCOVERY_NOVA_READ_H

#include <virtmeter/plugin.h>

#include <glib.h>

#include "base/arena.h"

/* A server as Nova lists it. */
struct server {
	atomic_uint refs;
	struct arena *arena;
	/* Flavor and image only by id and link, without their attributes; those of `attributes` that are not the
	 * image's. */
	struct vmt_instance in;
	bool deleted;
	bool whole_flavor; /* Nova told all of it (microversion 2.47) */
};

/* A flavor, or the one in place of it that Nova does not know. */
struct flavor {
	atomic_uint refs;
	struct arena *arena;
	struct vmt_flavor is;
};

struct image {
	atomic_uint refs;
	struct arena *arena;
	const char *name, *kernel_id, *ramdisk_id;
	const struct vmt_pair *meta; /* image_meta */
};

/* Adds the servers of a page to `servers` (struct server *, which it gives back by itself); those without an id are left
 * out.  *ret_more: there is another page.  -EBADMSG with the reason, nothing was added. */
int read_servers(const char *json, size_t len, GPtrArray *servers, bool *ret_more,
		 struct vmt_error *error);
/* The same with flavors (struct flavor *), of which a list may have no more than id and name. */
int read_flavors(const char *json, size_t len, GPtrArray *flavors, bool *ret_more,
		 struct vmt_error *error);
int read_flavor(const char *json, size_t len, struct flavor **ret_flavor, struct vmt_error *error);
/* Of Glance, or of Nova's own images. */
int read_image(const char *json, size_t len, struct image **ret_image, struct vmt_error *error);

/* As Ceilometer names what is not there any more: "unknown-id-<id>". */
struct flavor *flavor_unknown(const char *id);
struct image *image_unknown(const char *id);

struct server *server_ref(struct server *s);
struct flavor *flavor_ref(struct flavor *f);
struct image *image_ref(struct image *i);
void server_unref(struct server *s); /* NULL is fine, for all */
void flavor_unref(struct flavor *f);
void image_unref(struct image *i);

#endif

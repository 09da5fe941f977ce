/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of Nova and Glance: pages of servers, which go into a roster and from there into a snapshot, lists of flavors,
 * flavors, images.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/snapshot.h"
#include "plugins/discovery/nova/roster.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void list(const char *json, size_t size, struct flavor *flavor, struct image *image)
{
	GPtrArray *servers = g_ptr_array_new_with_free_func((GDestroyNotify)server_unref);
	struct vmt_snapshot_builder *builder = snapshot_builder_new(0);
	struct vmt_error error;
	struct roster *roster;
	bool more;
	int ret = read_servers(json, size, servers, &more, &error);

	if (ret < 0 && servers->len > 0) {
		abort();
	}
	roster = roster_new(NULL, servers);
	for (size_t i = 0; i < roster->count; i++) {
		roster->row[i].flavor = flavor ? flavor_ref(flavor) : NULL;
		roster->row[i].image = image ? image_ref(image) : NULL;
	}
	roster_list(roster, true, builder);
	roster_unref(roster);
	snapshot_unref(snapshot_builder_finish(builder, NULL, 1));
	g_ptr_array_unref(servers);
}

static void list_flavors(const char *json, size_t size)
{
	GPtrArray *flavors = g_ptr_array_new_with_free_func((GDestroyNotify)flavor_unref);
	struct vmt_error error;
	bool more;
	int ret = read_flavors(json, size, flavors, &more, &error);

	if (ret < 0 && flavors->len > 0) {
		abort();
	}
	for (guint i = 0; i < flavors->len; i++) {
		const struct flavor *f = g_ptr_array_index(flavors, i);

		if (!f->is.id || !f->is.name) {
			abort();
		}
	}
	g_ptr_array_unref(flavors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *json = (const char *)data;
	struct flavor *flavor = NULL;
	struct image *image = NULL;
	struct vmt_error error;

	read_flavor(json, size, &flavor, &error);
	read_image(json, size, &image, &error);
	list(json, size, flavor, image);
	list_flavors(json, size);
	flavor_unref(flavor);
	image_unref(image);
	return 0;
}

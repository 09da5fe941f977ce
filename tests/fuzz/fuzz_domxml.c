/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: the XML of a domain, of which a tenant chooses parts.  Whatever comes, it is refused or
 * read into strings that end.
 */
#include "plugins/libvirt/domxml.h"

#include <glib.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t pairs_length(const struct vmt_pair *pair)
{
	size_t n = 0;

	for (; pair && pair->key; pair++) {
		n += strlen(pair->key) + (pair->value ? strlen(pair->value) : 0);
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(0);
	const struct domxml *d = NULL;
	struct vmt_error error = { "" };
	size_t n = 0;

	if (domxml_parse((const char *)data, size, arena, &d, &error) == 0) {
		g_assert(d);
		n += d->name ? strlen(d->name) : 0;
		for (size_t i = 0; i < d->disks; i++) {
			g_assert(d->disk[i].target && *d->disk[i].target);
		}
		for (size_t i = 0; i < d->nics; i++) {
			n += pairs_length(d->nic[i].parameters);
		}
		n += d->nova ? pairs_length(d->nova->extra_specs) +
				       pairs_length(d->nova->image_meta)
			     : 0;
		g_assert(n <= 16 * size + 4096);
	} else {
		g_assert(!d && error.text[0]);
	}
	arena_free(arena);
	return 0;
}

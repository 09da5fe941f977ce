/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: the kernel's answers on a netlink socket (plugins/inspector/libvirt/kernel_link.h).
 */
#include "plugins/inspector/libvirt/kernel_link.h"

#include <glib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct links *l = links_new();
	char *exact = g_memdup2(data, size);

	if (exact) {
		links_take(l, exact, size);
		links_take(l, exact, size);
		for (uint32_t i = 0; i < 8; i++) {
			const struct link_counters *c = links_find(l, i);

			g_assert_true(!c || c->index == i);
		}
	}
	g_free(exact);
	links_free(l);
	return 0;
}

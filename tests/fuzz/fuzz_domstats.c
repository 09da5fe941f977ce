/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: a hypervisor's statistics of a domain, as lines "NAME TYPE VALUE" (plugins/inspector/libvirt/params.h).
 */
#include "plugins/inspector/libvirt/params.h"
#include "plugins/inspector/libvirt/stats.h"
#include "plugins/libvirt/desc.h"

#include "model/inspection.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char xml[] =
		"<domain><devices><disk><source file='/a'/><target dev='vda'/></disk>"
		"<disk><source file='/b'/><target dev='vdb'/></disk>"
		"<interface><mac address='m'/><target dev='tap0'/></interface></devices></domain>";
	static const uint8_t uuid[16] = { 1 };
	struct desc_source src = { .uuid = uuid, .name = "d", .xml = xml, .number = 1 };
	struct domain_desc *desc = desc_new(&src, NULL, NULL);
	struct vmt_inspection *out = inspection_new();
	char *text = g_strndup((const char *)data, size);
	GArray *params = params_parse(text);
	struct stats_note note;

	inspection_reset(out, 1);
	stats_read((virTypedParameter *)(void *)params->data, (int)params->len, desc, out, 0, 0,
		   &note);
	for (size_t i = 0; i < out->disks; i++) {
		g_assert(out->disk[i].device && out->disk[i].device->name);
	}
	params_free(params);
	g_free(text);
	inspection_free(out);
	domain_desc_unref(desc);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each inspector can give, on a host that has all of it; for documentation and tests.  Constant, for any thread.
 */
#ifndef INSPECTOR_GIVES_H
#define INSPECTOR_GIVES_H

#include <virtmeter/plugin.h>

/* Bit 1 << field. */
struct inspector_gives {
	uint64_t fields;
	uint32_t disk, nic;
};

extern const struct inspector_gives hyperv_gives, libvirt_gives, simulated_gives, vsphere_gives;

#endif

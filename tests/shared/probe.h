/* SPDX-License-Identifier: Apache-2.0 */
/* What probe.c and its declaration in shared_test.c have in common. */
#ifndef SHARED_PROBE_H
#define SHARED_PROBE_H

#include <virtmeter/plugin.h>

#define PROBE_DECLARATION                                                                          \
	.abi = VMT_ABI, .ns = VMT_PUBLISHER, .name = "probe", .version = "1", .help = "For a test."

#endif

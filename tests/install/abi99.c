/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin of an ABI number that no virtmeter has: it must be refused by name.  Never called. */
#include <virtmeter/plugin.h>

VMT_PLUGIN(publisher, future) = {
	.abi = 99,
	.ns = VMT_PUBLISHER,
	.name = "future",
	.version = "99",
	.help = "Comes from the future.",
};

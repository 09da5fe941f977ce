/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the registry. */
#ifndef PLUGIN_REGISTRY_PRIVATE_H
#define PLUGIN_REGISTRY_PRIVATE_H

#include <virtmeter/plugin.h>

extern void (*const registry_api[])(void); /* ends with NULL */

#endif

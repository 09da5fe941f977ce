/* SPDX-License-Identifier: Apache-2.0 */
/* Options and name of the coordinator redis, for its shared object and for its declaration in the program. */
#ifndef REDIS_OPTIONS_H
#define REDIS_OPTIONS_H

#include "plugins/coordinator/place.h"

struct redis_conf {
	struct place_conf place;
	int64_t db;
	bool ssl;
	const char *ca_file, *cert_file, *key_file, *sentinel;
	const char *const *fallback;
};

extern const struct vmt_option redis_options[];
extern const char *const redis_aliases[];

#define REDIS_PLUGIN                                                                               \
	.abi = VMT_ABI, .ns = VMT_COORDINATOR, .name = "redis", .aliases = redis_aliases,          \
	.version = VIRTMETER_VERSION,                                                              \
	.help = "Agents that share instances find each other in Redis, from 2.6 on.",              \
	.options = redis_options, .conf_size = sizeof(struct redis_conf)

#endif

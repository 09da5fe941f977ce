/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metadata of resource versions as Python text, found by their digest.  Private to the encoder of
 * samples; one thread at a time.
 */
#ifndef WIRE_SAMPLE_CACHE_H
#define WIRE_SAMPLE_CACHE_H

#include <virtmeter/plugin.h>

enum { SAMPLE_CACHE_MAX = 4 << 20 }; /* bytes of text; past it the cache begins anew */

struct sample_cache *sample_cache_new(void);
void sample_cache_free(struct sample_cache *c); /* NULL is fine */

/* The metadata of `r`, *ret_len bytes, valid until the next call.  What is not JSON shows as {}. */
const char *sample_cache_get(struct sample_cache *c, const struct vmt_resource *r,
			     enum vmt_profile profile, size_t *ret_len);

#endif

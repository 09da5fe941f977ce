/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is made of a resource version once and used for each of its samples: text or bytes, found by the
 * version's digest.  Private to encoders; one thread at a time.
 */
#ifndef WIRE_TEXT_CACHE_H
#define WIRE_TEXT_CACHE_H

#include "base/buf.h"

#include <virtmeter/plugin.h>

struct text_cache;

/* Adds what belongs to `r` to `text`, at least one byte. */
typedef void (*text_cache_fill)(void *context, const struct vmt_resource *r, struct buf *text);

/* Past `max` bytes of text the cache begins anew. */
struct text_cache *text_cache_new(size_t max, text_cache_fill fill);
void text_cache_free(struct text_cache *c); /* NULL is fine */

/* What belongs to `r`, *ret_len bytes, valid until the next call; made by `fill` the first time. */
const char *text_cache_get(struct text_cache *c, const struct vmt_resource *r, void *context,
			   size_t *ret_len);

#endif

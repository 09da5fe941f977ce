/* SPDX-License-Identifier: Apache-2.0 */
/* Resources of made samples.  On the pipeline thread; blocks on nothing. */
#include "transform/made.h"

#include <string.h>

const struct vmt_resource *made_get(struct made *made, const struct made_of *of)
{
	const struct vmt_resource *base = of->project;
	uint64_t digest[3] = { of->metadata ? of->metadata->digest : 1, base->digest,
			       of->user->digest };
	struct vmt_resource content = *base;

	if (digest[0] == digest[1] && digest[1] == digest[2] &&
	    strcmp(base->source, of->source) == 0) {
		return base;
	}
	if (made->resource && memcmp(digest, made->digest, sizeof(digest)) == 0) {
		return made->resource;
	}
	content.user_id = of->user->user_id;
	content.user_name = of->user->user_name;
	content.source = of->source;
	content.meta_head = of->metadata ? of->metadata->meta_head : "{";
	content.meta_head_len = of->metadata ? of->metadata->meta_head_len : 1;
	content.meta_tail = of->metadata ? of->metadata->meta_tail : "}";
	content.meta_tail_len = of->metadata ? of->metadata->meta_tail_len : 1;
	made_clear(made);
	made->resource = vmt_resource_make(&content);
	memcpy(made->digest, digest, sizeof(digest));
	return made->resource;
}

void made_clear(struct made *made)
{
	vmt_resource_unref(made->resource);
	made->resource = NULL;
}

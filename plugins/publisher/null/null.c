/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The publisher null://: takes everything and keeps nothing but a count.  For measuring, and as the zero
 * line of the other publishers.  On its own thread; blocks on nothing.
 */
#include <errno.h>
#include <glib.h>

#include "null.h"

struct null_publisher {
	uint64_t frames, samples;
};

uint64_t null_publisher_samples(const void *self)
{
	return ((const struct null_publisher *)self)->samples;
}

uint64_t null_publisher_frames(const void *self)
{
	return ((const struct null_publisher *)self)->frames;
}

static int null_open(const void *conf, const struct vmt_url *url, bool read_only, void **ret_self,
		     struct vmt_error *error)
{
	if ((url->host && *url->host) || (url->path && *url->path)) {
		return vmt_error_set(error, -EINVAL,
				     "%s: takes neither host nor path; write null://", url->text);
	}
	if (url->query && url->query->key) {
		return vmt_error_set(error, -EINVAL, "%s: unknown parameter %s; null:// has none",
				     url->text, url->query->key);
	}
	if (read_only) {
		return vmt_error_set(error, -ENOTSUP, "%s: keeps nothing that could be read",
				     url->text);
	}
	*ret_self = g_new0(struct null_publisher, 1);
	return 0;
}

static int null_publish(void *self, const struct vmt_frame *frame, uint64_t bit,
			const struct vmt_call *call, struct vmt_error *error)
{
	struct null_publisher *p = self;

	p->frames++;
	for (size_t i = 0; i < frame->count; i++) {
		p->samples += frame->batch[i].publishers & bit ? frame->batch[i].count : 0;
	}
	return 0;
}

static void null_close(void *self)
{
	g_free(self);
}

static const struct vmt_publisher_ops ops = {
	.open = null_open,
	.publish = null_publish,
	.close = null_close,
};

VMT_PLUGIN(publisher, null) = {
	.abi = VMT_ABI,
	.ns = VMT_PUBLISHER,
	.name = "null",
	.version = "1",
	.help = "Takes samples and drops them: null://",
	.ops.publisher = &ops,
};

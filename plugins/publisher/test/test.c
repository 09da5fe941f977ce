/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The publisher test://: keeps the last samples in memory, and fails on request, so that what stands before
 * a publisher can be tested.  On its own thread; blocks on nothing.
 */
#include "test.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

struct test_conf {
	int64_t keep, fail, refuse;
};

struct test_publisher {
	struct test_conf conf;
	char *text;
	GPtrArray *kept; /* struct test_sample *, from `first` on; before it: NULL */
	guint first;
	uint64_t confirmed, failed;
};

static const struct vmt_option options[] = {
	{ .group = "test",
	  .name = "keep",
	  .type = VMT_OPT_INT,
	  .offset = offsetof(struct test_conf, keep),
	  .def = "10000",
	  .flags = VMT_OPT_URL,
	  .min = 0,
	  .max = 100000000,
	  .help = "Samples kept; the oldest make room." },
	{ .group = "test",
	  .name = "fail",
	  .type = VMT_OPT_INT,
	  .offset = offsetof(struct test_conf, fail),
	  .def = "0",
	  .flags = VMT_OPT_URL,
	  .min = 0,
	  .max = INT64_MAX,
	  .help = "So many publishes fail at first, as if the far side was away." },
	{ .group = "test",
	  .name = "refuse",
	  .type = VMT_OPT_INT,
	  .offset = offsetof(struct test_conf, refuse),
	  .def = "0",
	  .flags = VMT_OPT_URL,
	  .min = 0,
	  .max = INT64_MAX,
	  .help = "So many publishes are then refused for good." },
	{ 0 },
};

size_t test_publisher_count(const void *self)
{
	const struct test_publisher *p = self;

	return p->kept->len - p->first;
}

const struct test_sample *test_publisher_at(const void *self, size_t i)
{
	const struct test_publisher *p = self;

	return i < p->kept->len - p->first ? g_ptr_array_index(p->kept, p->first + i) : NULL;
}

uint64_t test_publisher_confirmed(const void *self)
{
	return ((const struct test_publisher *)self)->confirmed;
}

uint64_t test_publisher_failed(const void *self)
{
	return ((const struct test_publisher *)self)->failed;
}

static void sample_free(void *data)
{
	struct test_sample *s = data;

	if (!s) {
		return;
	}
	g_free((char *)s->name);
	g_free((char *)s->unit);
	g_free((char *)s->resource);
	g_free((char *)s->metadata);
	g_free((char *)s->source);
	g_free((char *)s->project);
	g_free((char *)s->user);
	g_free(s);
}

/* The places of dropped ones are given back when they are half of all. */
static void drop_oldest(struct test_publisher *p)
{
	sample_free(g_ptr_array_index(p->kept, p->first));
	g_ptr_array_index(p->kept, p->first++) = NULL;
	if (p->first > p->kept->len / 2) {
		g_ptr_array_remove_range(p->kept, 0, p->first);
		p->first = 0;
	}
}

static struct test_sample *sample_new(const struct vmt_batch *b, uint32_t row, uint64_t frame)
{
	const struct vmt_resource *r = b->resource[row];
	struct test_sample *s = g_new0(struct test_sample, 1);

	s->name = g_strdup(b->name);
	s->unit = g_strdup(b->unit);
	s->resource = g_strdup(r->id);
	s->source = g_strdup(r->source);
	s->project = g_strdup(r->project_id);
	s->user = g_strdup(r->user_id);
	s->metadata = g_strdup_printf("%.*s%.*s", (int)r->meta_head_len, r->meta_head,
				      (int)r->meta_tail_len, r->meta_tail);
	s->type = b->type;
	s->kind = b->kinds ? b->kinds[row] : b->kind;
	s->value = b->value[row];
	s->time_ns = b->times ? b->times[row] : b->time_ns;
	s->mono_ns = b->monos ? b->monos[row] : b->mono_ns;
	s->frame = frame;
	vmt_batch_id(b, row, s->id);
	return s;
}

static int test_open(const void *conf, const struct vmt_url *url, bool read_only, void **ret_self,
		     struct vmt_error *error)
{
	struct test_publisher *p;

	if ((url->host && *url->host) || (url->path && *url->path)) {
		return vmt_error_set(error, -EINVAL,
				     "%s: takes neither host nor path; write test://", url->text);
	}
	if (url->query && url->query->key) {
		return vmt_error_set(error, -EINVAL,
				     "%s: unknown parameter %s; known are keep, fail, refuse",
				     url->text, url->query->key);
	}
	if (read_only) {
		return vmt_error_set(error, -ENOTSUP, "%s: can only be read by the process itself",
				     url->text);
	}
	p = g_new0(struct test_publisher, 1);
	p->conf = *(const struct test_conf *)conf;
	p->text = g_strdup(url->text);
	p->kept = g_ptr_array_new_with_free_func(sample_free);
	*ret_self = p;
	return 0;
}

static int test_publish(void *self, const struct vmt_frame *frame, uint64_t bit,
			const struct vmt_call *call, struct vmt_error *error)
{
	struct test_publisher *p = self;

	if (p->conf.fail > 0) {
		p->conf.fail--;
		p->failed++;
		return vmt_error_set(error, -EAGAIN, "%s: fails on request", p->text);
	}
	if (p->conf.refuse > 0) {
		p->conf.refuse--;
		p->failed++;
		return vmt_error_set(error, -EBADMSG, "%s: refuses on request", p->text);
	}
	for (size_t i = 0; i < frame->count; i++) {
		const struct vmt_batch *b = &frame->batch[i];

		for (uint32_t row = 0; b->publishers & bit && row < b->count; row++) {
			g_ptr_array_add(p->kept, sample_new(b, row, frame->sequence));
			p->confirmed++;
			if (p->kept->len - p->first > (guint64)p->conf.keep) {
				drop_oldest(p);
			}
		}
	}
	return 0;
}

static void test_close(void *self)
{
	struct test_publisher *p = self;

	if (p) {
		g_ptr_array_unref(p->kept);
		g_free(p->text);
		g_free(p);
	}
}

static const struct vmt_publisher_ops ops = {
	.open = test_open,
	.publish = test_publish,
	.close = test_close,
};

VMT_PLUGIN(publisher, test) = {
	.abi = VMT_ABI,
	.ns = VMT_PUBLISHER,
	.name = "test",
	.version = "1",
	.help = "Keeps the last samples in memory, for tests: test://",
	.options = options,
	.conf_size = sizeof(struct test_conf),
	.ops.publisher = &ops,
};

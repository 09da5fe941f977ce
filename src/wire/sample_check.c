/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks samples.  One thread at a time for an object; blocks on nothing.
 */
#include "wire/sample_check.h"
#include "base/utf8.h"
#include "wire/json.h"
#include "wire/message.h"
#include "wire/text_cache.h"

#include <errno.h>
#include <glib.h>
#include <math.h>

enum { CACHE_MAX = 1 << 20 };

struct sample_check {
	struct text_cache *cache; /* a byte for each resource version: 'y', 'n' */
	struct buf json;
};

bool sample_check_object(const char *json, size_t n)
{
	struct json_reader r;
	enum json_event event;

	json_reader_init(&r, json, n);
	if (json_next(&r) != JSON_OBJECT) {
		return false;
	}
	while ((event = json_next(&r)) > JSON_END) {
	}
	return event == JSON_END;
}

static bool is_text(const char *s)
{
	return s && utf8_valid(s, strlen(s));
}

static bool is_text_or_null(const char *s)
{
	return !s || utf8_valid(s, strlen(s));
}

static void fill(void *context, const struct vmt_resource *r, struct buf *text)
{
	struct buf *json = context;

	buf_reset(json);
	buf_add(json, r->meta_head, r->meta_head_len);
	buf_add(json, r->meta_tail, r->meta_tail_len);
	buf_putc(text, is_text(r->id) && is_text(r->source) && is_text_or_null(r->user_id) &&
				       is_text_or_null(r->project_id) &&
				       is_text_or_null(r->user_name) &&
				       is_text_or_null(r->project_name) &&
				       (!json->len || sample_check_object(json->data, json->len))
			       ? 'y'
			       : 'n');
}

const char *sample_check_row(struct sample_check *c, const struct vmt_batch *b, uint32_t row)
{
	size_t len;
	bool real = (b->kinds ? b->kinds[row] : b->kind) == VMT_DOUBLE;

	if (real && !isfinite(b->value[row].d)) {
		return message_refusal(-EDOM);
	}
	if (!is_text(b->name) || !is_text_or_null(b->unit) ||
	    *text_cache_get(c->cache, b->resource[row], &c->json, &len) != 'y') {
		return message_refusal(-EBADMSG);
	}
	return NULL;
}

struct sample_check *sample_check_new(void)
{
	struct sample_check *c = g_new0(struct sample_check, 1);

	c->cache = text_cache_new(CACHE_MAX, fill);
	buf_init(&c->json);
	return c;
}

void sample_check_free(struct sample_check *c)
{
	if (c) {
		text_cache_free(c->cache);
		buf_fini(&c->json);
		g_free(c);
	}
}

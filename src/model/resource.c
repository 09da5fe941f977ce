/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns resources and their heads: one heap block each, strings included.  Any thread (atomic
 * counts); blocks on nothing.
 */
#include "model/resource.h"
#include "base/hash.h"

#include <glib.h>
#include <string.h>

enum { OWNER_STRINGS = 5 };

/* Adds a string to the digest; NULL and "" differ, and the length takes part. */
static uint64_t digest_add(uint64_t digest, const char *s, size_t n)
{
	return hash64(s ? s : "", n, digest + (s ? 1 : 2));
}

uint64_t resource_instance(const char *id)
{
	uint64_t hash = hash64(id, strlen(id), 3);

	return hash ? hash : 1;
}

struct resource_head *resource_head_new(const struct resource_owner *owner, const char *text,
					size_t len)
{
	const char *from[OWNER_STRINGS] = { owner->project_id, owner->user_id, owner->project_name,
					    owner->user_name, owner->source };
	size_t length[OWNER_STRINGS] = { 0 }, total = len + 1;
	struct resource_head *h;
	const char **to[OWNER_STRINGS];
	char *at;

	g_assert(len && text[0] == '{' && owner->source && len < UINT32_MAX);
	for (int i = 0; i < OWNER_STRINGS; i++) {
		length[i] = from[i] ? strlen(from[i]) : 0;
		total += from[i] ? length[i] + 1 : 0;
	}
	h = g_malloc(sizeof(*h) + total);
	atomic_init(&h->refs, 1);
	atomic_init(&h->mark, 0);
	h->digest = 0;
	h->instance = owner->instance_id ? resource_instance(owner->instance_id) : 0;
	at = h->bytes;
	to[0] = &h->project_id, to[1] = &h->user_id, to[2] = &h->project_name,
	to[3] = &h->user_name;
	to[4] = &h->source;
	for (int i = 0; i < OWNER_STRINGS; i++) {
		h->digest = digest_add(h->digest, from[i], length[i]);
		*to[i] = from[i] ? at : NULL;
		if (from[i]) {
			memcpy(at, from[i], length[i] + 1);
			at += length[i] + 1;
		}
	}
	memcpy(at, text, len);
	at[len] = '\0';
	h->text = at;
	h->text_len = (uint32_t)len;
	h->digest = digest_add(h->digest, text, len);
	return h;
}

struct resource_head *resource_head_ref(struct resource_head *h)
{
	atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
	return h;
}

void resource_head_unref(struct resource_head *h)
{
	if (h && atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) == 1) {
		g_free(h);
	}
}

struct resource *resource_new(struct resource_head *head, const char *id, const char *tail,
			      size_t tail_len)
{
	size_t id_len = strlen(id);
	struct resource *r = g_malloc(sizeof(*r) + id_len + 1 + tail_len + 1);
	char *text = r->bytes + id_len + 1;

	g_assert(tail_len && tail[tail_len - 1] == '}' && tail_len < UINT32_MAX);
	memcpy(r->bytes, id, id_len + 1);
	memcpy(text, tail, tail_len);
	text[tail_len] = '\0';
	r->head = resource_head_ref(head);
	r->public = (struct vmt_resource){
		.id = r->bytes,
		.project_id = head->project_id,
		.user_id = head->user_id,
		.project_name = head->project_name,
		.user_name = head->user_name,
		.source = head->source,
		.meta_head = head->text,
		.meta_tail = text,
		.meta_head_len = head->text_len,
		.meta_tail_len = (uint32_t)tail_len,
		.digest = digest_add(digest_add(head->digest, id, id_len), tail, tail_len),
		.instance = head->instance,
	};
	atomic_init(&r->mark, 0);
	atomic_init(&r->refs, 1);
	return r;
}

struct resource *resource_ref(struct resource *r)
{
	atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
	return r;
}

void resource_unref(struct resource *r)
{
	if (r && atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) == 1) {
		resource_head_unref(r->head);
		g_free(r);
	}
}

size_t resource_bytes(const struct resource *r)
{
	return sizeof(*r) + strlen(r->public.id) + 1 + r->public.meta_tail_len + 1;
}

size_t resource_head_bytes(const struct resource_head *h)
{
	return (size_t)(h->text - (const char *)h) + h->text_len + 1;
}

VMT_API const struct vmt_resource *vmt_resource_ref(const struct vmt_resource *resource)
{
	return &resource_ref(resource_of(resource))->public;
}

VMT_API void vmt_resource_unref(const struct vmt_resource *resource)
{
	resource_unref(resource ? resource_of(resource) : NULL);
}

VMT_API const struct vmt_resource *vmt_resource_make(const struct vmt_resource *content)
{
	struct resource_owner owner = {
		.project_id = content->project_id,
		.user_id = content->user_id,
		.project_name = content->project_name,
		.user_name = content->user_name,
		.source = content->source,
	};
	struct resource_head *head =
		resource_head_new(&owner, content->meta_head, content->meta_head_len);
	struct resource *r;

	head->instance = content->instance;
	r = resource_new(head, content->id, content->meta_tail, content->meta_tail_len);
	resource_head_unref(head);
	return &r->public;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the forms of Nova's and Glance's documents.  Any thread, one at a time for an object that is being made; blocks on
 * nothing.
 */
#include "plugins/discovery/nova/read.h"

#include <errno.h>
#include <string.h>

#include "plugins/openstack/walk.h"
#include "wire/pytext.h"

enum { PAIRS = 256 }; /* of a list; further ones are left out, as a snapshot would */

/* A list of pairs that grows. */
struct pairs {
	struct vmt_pair *pair;
	size_t count, cap;
};

/* Room for another one and for the end; NULL: enough. */
static struct vmt_pair *pairs_next(struct pairs *p, struct arena *arena)
{
	if (p->count == PAIRS) {
		return NULL;
	}
	if (p->count + 1 >= p->cap) {
		struct vmt_pair *old = p->pair;

		p->cap = p->cap ? 2 * p->cap : 8;
		p->pair = ARENA_ARRAY(arena, struct vmt_pair, p->cap);
		for (size_t i = 0; i < p->count; i++) {
			p->pair[i] = old[i];
		}
	}
	return &p->pair[p->count++];
}

static int end_of(struct json_reader *r, bool found, const char *what, struct vmt_error *error)
{
	if (json_next(r) != JSON_END) {
		return vmt_error_set(error, -EBADMSG, "the answer is not JSON: %s",
				     r->error ? r->error : "more than one value");
	}
	return found ? 0 : vmt_error_set(error, -EBADMSG, "the answer has no %s", what);
}

/* ------------------------------------------------------------------ links */

static const char *read_href(struct json_reader *r, struct arena *arena)
{
	const char *href = NULL;

	while (walk_key(r)) {
		if (json_is(r, "href")) {
			href = walk_text(r, arena);
		} else {
			walk_skip(r);
		}
	}
	return href;
}

/* The first of the list. */
static const char *read_links(struct json_reader *r, struct arena *arena)
{
	const char *first = NULL;

	if (walk_into(r, JSON_ARRAY)) {
		while (walk_object(r)) {
			const char *href = read_href(r, arena);

			first = first ? first : href;
		}
	}
	return first;
}

/* ------------------------------------------------------------------ flavors */

static void read_flavor_members(struct json_reader *r, struct arena *arena, struct vmt_flavor *f)
{
	static const struct {
		const char *key;
		size_t offset;
	} numbers[] = {
		{ "vcpus", offsetof(struct vmt_flavor, vcpus) },
		{ "ram", offsetof(struct vmt_flavor, ram_mib) },
		{ "disk", offsetof(struct vmt_flavor, disk_gib) },
		{ "ephemeral", offsetof(struct vmt_flavor, ephemeral_gib) },
		{ "OS-FLV-EXT-DATA:ephemeral", offsetof(struct vmt_flavor, ephemeral_gib) },
	};

	while (walk_key(r)) {
		size_t i = 0;

		while (i < G_N_ELEMENTS(numbers) && !json_is(r, numbers[i].key)) {
			i++;
		}
		if (i < G_N_ELEMENTS(numbers)) {
			*(int64_t *)(void *)((char *)f + numbers[i].offset) = walk_int(r, 0);
		} else if (json_is(r, "id")) {
			f->id = walk_text(r, arena);
		} else if (json_is(r, "name") || json_is(r, "original_name")) {
			f->name = walk_text(r, arena);
		} else if (json_is(r, "links")) {
			f->href = read_links(r, arena);
		} else {
			walk_skip(r);
		}
	}
}

static struct flavor *flavor_new(void)
{
	struct flavor *f = g_new0(struct flavor, 1);

	atomic_init(&f->refs, 1);
	f->arena = arena_new(256);
	return f;
}

int read_flavor(const char *json, size_t len, struct flavor **ret_flavor, struct vmt_error *error)
{
	struct flavor *f = flavor_new();
	struct json_reader r;
	int ret;

	json_reader_init(&r, json, len);
	if (walk_into(&r, JSON_OBJECT)) {
		while (walk_key(&r)) {
			if (!json_is(&r, "flavor")) {
				walk_skip(&r);
			} else if (walk_into(&r, JSON_OBJECT)) {
				read_flavor_members(&r, f->arena, &f->is);
			}
		}
	}
	ret = end_of(&r, f->is.name != NULL, "flavor", error);
	if (ret < 0) {
		flavor_unref(f);
		return ret;
	}
	*ret_flavor = f;
	return 0;
}

struct flavor *flavor_unknown(const char *id)
{
	struct flavor *f = flavor_new();

	f->is.name = arena_printf(f->arena, "unknown-id-%s", id);
	return f;
}

/* ------------------------------------------------------------------ images */

/* str(value) of Python, of the next value. */
static const char *read_python(struct json_reader *r, struct arena *arena)
{
	enum json_event event = json_next(r);
	const char *start = r->start;
	struct buf text = BUF_INIT;
	const char *copy;

	if (event == JSON_STRING) {
		return walk_copy(r, arena);
	}
	if (json_skip(r, event) < 0 ||
	    pytext_add_json(&text, start, (size_t)(r->at - start), PYTEXT_STR) < 0) {
		buf_fini(&text);
		return NULL;
	}
	copy = arena_strndup(arena, text.data, text.len);
	buf_fini(&text);
	return copy;
}

static const char *value_of(const struct vmt_pair *pairs, const char *key)
{
	for (; pairs && pairs->key; pairs++) {
		if (strcmp(pairs->key, key) == 0) {
			return pairs->value;
		}
	}
	return NULL;
}

/* Nova's own images have what Glance has as attributes in a list. */
static void read_image_metadata(struct json_reader *r, struct image *image)
{
	if (!walk_into(r, JSON_OBJECT)) {
		return;
	}
	while (walk_key(r)) {
		if (json_is(r, "kernel_id")) {
			image->kernel_id = walk_text(r, image->arena);
		} else if (json_is(r, "ramdisk_id")) {
			image->ramdisk_id = walk_text(r, image->arena);
		} else {
			walk_skip(r);
		}
	}
}

static void read_image_members(struct json_reader *r, struct image *image, struct pairs *meta)
{
	struct arena *arena = image->arena;

	while (walk_key(r)) {
		if (json_is(r, "name")) {
			image->name = walk_text(r, arena);
		} else if (json_is(r, "id")) {
			const char *id = walk_text(r, arena);
			struct vmt_pair *base = pairs_next(meta, arena);

			if (base) {
				*base = (struct vmt_pair){ "base_image_ref", id, false };
			}
		} else if (json_is(r, "kernel_id")) {
			image->kernel_id = walk_text(r, arena);
		} else if (json_is(r, "ramdisk_id")) {
			image->ramdisk_id = walk_text(r, arena);
		} else if (json_is(r, "metadata")) {
			read_image_metadata(r, image);
		} else {
			const char *key = walk_copy(r, arena), *value = read_python(r, arena);
			struct vmt_pair *pair = value ? pairs_next(meta, arena) : NULL;

			if (pair) {
				*pair = (struct vmt_pair){ key, value, false };
			}
		}
	}
}

static struct image *image_new(void)
{
	struct image *i = g_new0(struct image, 1);

	atomic_init(&i->refs, 1);
	i->arena = arena_new(1024);
	return i;
}

int read_image(const char *json, size_t len, struct image **ret_image, struct vmt_error *error)
{
	struct image *image = image_new();
	struct pairs meta = { NULL };
	struct json_reader r;
	int ret;

	json_reader_init(&r, json, len);
	if (walk_into(&r, JSON_OBJECT)) {
		struct json_reader before = r;

		/* {"image": {…}} is Nova's; Glance's object has no such member */
		if (walk_key(&r) && json_is(&r, "image") && walk_into(&r, JSON_OBJECT)) {
			read_image_members(&r, image, &meta);
			while (walk_key(&r)) {
				walk_skip(&r);
			}
		} else {
			r = before;
			read_image_members(&r, image, &meta);
		}
	}
	image->meta = meta.pair;
	ret = end_of(&r, value_of(image->meta, "base_image_ref") != NULL, "image", error);
	if (ret < 0) {
		image_unref(image);
		return ret;
	}
	*ret_image = image;
	return 0;
}

struct image *image_unknown(const char *id)
{
	struct image *image = image_new();

	image->name = arena_printf(image->arena, "unknown-id-%s", id);
	return image;
}

/* ------------------------------------------------------------------ servers */

static const struct vmt_pair *read_metadata(struct json_reader *r, struct arena *arena)
{
	struct pairs pairs = { NULL };

	if (walk_into(r, JSON_OBJECT)) {
		while (walk_key(r)) {
			const char *key = walk_copy(r, arena), *value = walk_text(r, arena);
			struct vmt_pair *pair = pairs_next(&pairs, arena);

			if (pair) {
				*pair = (struct vmt_pair){ key, value, false };
			}
		}
	}
	return pairs.pair;
}

static void read_server_flavor(struct json_reader *r, struct server *s)
{
	if (walk_into(r, JSON_OBJECT)) {
		read_flavor_members(r, s->arena, &s->in.flavor);
		s->whole_flavor = s->in.flavor.name != NULL;
		s->in.has_flavor = s->in.flavor.id || s->whole_flavor;
	}
}

/* An empty text where the server boots from a volume. */
static void read_server_image(struct json_reader *r, struct server *s)
{
	if (!walk_into(r, JSON_OBJECT)) {
		return;
	}
	while (walk_key(r)) {
		if (json_is(r, "id")) {
			s->in.image.id = walk_text(r, s->arena);
		} else if (json_is(r, "links")) {
			s->in.image.href = read_links(r, s->arena);
		} else {
			walk_skip(r);
		}
	}
	s->in.has_image = s->in.image.id != NULL;
}

/* Members that are texts of the instance. */
static const struct {
	const char *key;
	size_t offset;
} texts[] = {
	{ "id", offsetof(struct vmt_instance, id) },
	{ "name", offsetof(struct vmt_instance, display_name) },
	{ "status", offsetof(struct vmt_instance, status) },
	{ "tenant_id", offsetof(struct vmt_instance, project_id) },
	{ "user_id", offsetof(struct vmt_instance, user_id) },
	{ "hostId", offsetof(struct vmt_instance, host_id) },
	{ "OS-EXT-SRV-ATTR:host", offsetof(struct vmt_instance, host) },
	{ "OS-EXT-SRV-ATTR:instance_name", offsetof(struct vmt_instance, name) },
	{ "OS-EXT-STS:vm_state", offsetof(struct vmt_instance, state) },
	{ "OS-EXT-STS:task_state", offsetof(struct vmt_instance, task_state) },
};

/* Members that go into the metadata as they are. */
static const char *const attributes[] = { "reservation_id", "architecture",
					  "OS-EXT-AZ:availability_zone", "os_type" };

static size_t find_attribute(const struct json_reader *r)
{
	size_t i = 0;

	while (i < G_N_ELEMENTS(attributes) && !json_is(r, attributes[i])) {
		i++;
	}
	return i;
}

static void read_server_member(struct json_reader *r, struct server *s, struct pairs *more)
{
	size_t i = 0;

	while (i < G_N_ELEMENTS(texts) && !json_is(r, texts[i].key)) {
		i++;
	}
	if (i < G_N_ELEMENTS(texts)) {
		*(const char **)(void *)((char *)&s->in + texts[i].offset) = walk_text(r, s->arena);
	} else if (json_is(r, "metadata")) {
		s->in.metadata = read_metadata(r, s->arena);
	} else if (json_is(r, "flavor")) {
		read_server_flavor(r, s);
	} else if (json_is(r, "image")) {
		read_server_image(r, s);
	} else if (json_is(r, "OS-EXT-STS:power_state")) {
		s->in.stopped = walk_int(r, 0) == 4; /* SHUTDOWN */
	} else if ((i = find_attribute(r)) < G_N_ELEMENTS(attributes)) {
		const char *value = walk_text(r, s->arena);
		struct vmt_pair *pair = pairs_next(more, s->arena);

		if (pair) {
			*pair = (struct vmt_pair){ attributes[i], value, false };
		}
	} else {
		walk_skip(r);
	}
}

static struct server *read_server(struct json_reader *r)
{
	struct server *s = g_new0(struct server, 1);
	struct pairs more = { NULL };
	char *status;

	atomic_init(&s->refs, 1);
	s->arena = arena_new(1024);
	s->in.name = s->in.host = s->in.state = s->in.task_state = ""; /* where Nova says nothing */
	while (walk_key(r)) {
		read_server_member(r, s, &more);
	}
	s->in.attributes = more.pair;
	s->deleted = g_strcmp0(s->in.state, "deleted") == 0;
	if (s->in.status) {
		status = g_ascii_strdown(s->in.status, -1);
		s->in.status = arena_strdup(s->arena, status);
		g_free(status);
	}
	return s;
}

static void add_server(struct json_reader *r, GPtrArray *servers)
{
	struct server *s = read_server(r);

	if (s->in.id && *s->in.id) {
		g_ptr_array_add(servers, s);
	} else {
		server_unref(s);
	}
}

static void add_flavor(struct json_reader *r, GPtrArray *flavors)
{
	struct flavor *f = flavor_new();

	read_flavor_members(r, f->arena, &f->is);
	if (f->is.id && *f->is.id && f->is.name) {
		g_ptr_array_add(flavors, f);
	} else {
		flavor_unref(f);
	}
}

/* Whether there is a link to the next page. */
static bool read_next(struct json_reader *r)
{
	bool next = false;

	while (walk_object(r)) {
		while (walk_key(r)) {
			bool rel = json_is(r, "rel");
			enum json_event event = json_next(r);

			next |= rel && event == JSON_STRING && json_is(r, "next");
			json_skip(r, event);
		}
	}
	return next;
}

/* What a page has: the member with the list, the one with the links, and how to read an element of the list. */
struct page {
	const char *list, *links;
	void (*add)(struct json_reader *r, GPtrArray *objects);
};

static void read_list(const struct page *page, struct json_reader *r, GPtrArray *objects)
{
	while (walk_object(r)) {
		page->add(r, objects);
	}
}

static int read_page(const struct page *page, const char *json, size_t len, GPtrArray *objects,
		     bool *ret_more, struct vmt_error *error)
{
	bool found = false, more = false;
	struct json_reader r;
	guint before = objects->len;
	int ret;

	json_reader_init(&r, json, len);
	if (walk_into(&r, JSON_OBJECT)) {
		while (walk_key(&r)) {
			bool list = json_is(&r, page->list), links = json_is(&r, page->links);

			if (!list && !links) {
				walk_skip(&r);
			} else if (walk_into(&r, JSON_ARRAY)) {
				found |= list;
				links ? (void)(more = read_next(&r)) : read_list(page, &r, objects);
			}
		}
	}
	ret = end_of(&r, found, page->list, error);
	if (ret < 0) {
		g_ptr_array_set_size(objects, (gint)before);
		return ret;
	}
	*ret_more = more;
	return 0;
}

int read_servers(const char *json, size_t len, GPtrArray *servers, bool *ret_more,
		 struct vmt_error *error)
{
	static const struct page page = { "servers", "servers_links", add_server };

	return read_page(&page, json, len, servers, ret_more, error);
}

int read_flavors(const char *json, size_t len, GPtrArray *flavors, bool *ret_more,
		 struct vmt_error *error)
{
	static const struct page page = { "flavors", "flavors_links", add_flavor };

	return read_page(&page, json, len, flavors, ret_more, error);
}

/* ------------------------------------------------------------------ references */

static bool is_last(atomic_uint *refs)
{
	return atomic_fetch_sub_explicit(refs, 1, memory_order_acq_rel) == 1;
}

struct server *server_ref(struct server *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void server_unref(struct server *s)
{
	if (s && is_last(&s->refs)) {
		arena_free(s->arena);
		g_free(s);
	}
}

struct flavor *flavor_ref(struct flavor *f)
{
	atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
	return f;
}

void flavor_unref(struct flavor *f)
{
	if (f && is_last(&f->refs)) {
		arena_free(f->arena);
		g_free(f);
	}
}

struct image *image_ref(struct image *i)
{
	atomic_fetch_add_explicit(&i->refs, 1, memory_order_relaxed);
	return i;
}

void image_unref(struct image *i)
{
	if (i && is_last(&i->refs)) {
		arena_free(i->arena);
		g_free(i);
	}
}

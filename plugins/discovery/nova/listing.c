/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the questions to Nova and Glance, and what is kept of their answers.  On the discovery's own thread; blocks on
 * the network, until the deadline.
 */
#include "plugins/discovery/nova/listing.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "plugins/openstack/session.h"
#include "wire/sample_time.h"

/* Nova's clock and that of its database may differ; what is told twice changes nothing. */
#define CHANGES_MARGIN_NS (10 * NS_PER_S)

enum { SERVERS_MAX = 16384, PAGES_MAX = 16384 };

enum kind { FLAVOR, IMAGE, KINDS };

/* A flavor or an image that is kept. */
struct kept {
	void *object; /* struct flavor or image */
	uint64_t era; /* of the whole list that it was asked for with; 0: again next time */
	uint64_t used; /* of the whole list that it was used in last */
};

struct listing {
	struct session *session;
	char *host, *compute, *image;
	int64_t expiry_ns;
	char *nova; /* address, of the update in hand */
	uint64_t era; /* whole lists so far */
	int64_t came_ns; /* when the last one came (monotonic) */
	int64_t since_ns; /* what was told before is known (Nova's clock); 0: nothing is */
	GHashTable *kept[KINDS]; /* id → struct kept */
	bool tired[KINDS]; /* did not answer in this update: it is not asked again */
	struct vmt_error note; /* why */
};

static const char *const headers[] = { "X-OpenStack-Nova-API-Version: 2.1", NULL };

/* ------------------------------------------------------------------ life */

static void free_kept_flavor(void *data)
{
	struct kept *k = data;

	flavor_unref(k->object);
	g_free(k);
}

static void free_kept_image(void *data)
{
	struct kept *k = data;

	image_unref(k->object);
	g_free(k);
}

struct listing *listing_new(const struct nova_conf *conf, struct session *session)
{
	struct listing *l = g_new0(struct listing, 1);

	l->session = session;
	l->host = g_strdup(conf->host && *conf->host ? conf->host : g_get_host_name());
	l->compute = g_strdup(conf->openstack.compute);
	l->image = g_strdup(conf->openstack.image);
	l->expiry_ns = conf->expiry_ns;
	l->kept[FLAVOR] = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_kept_flavor);
	l->kept[IMAGE] = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_kept_image);
	return l;
}

void listing_free(struct listing *l)
{
	if (!l) {
		return;
	}
	g_hash_table_unref(l->kept[FLAVOR]);
	g_hash_table_unref(l->kept[IMAGE]);
	g_free(l->host);
	g_free(l->compute);
	g_free(l->image);
	g_free(l->nova);
	g_free(l);
}

/* ------------------------------------------------------------------ addresses */

static void put_escaped(struct buf *out, const char *text)
{
	char *escaped = g_uri_escape_string(text, NULL, FALSE);

	buf_puts(out, escaped);
	g_free(escaped);
}

/* Some catalogues have the address without a version. */
static int find_nova(struct listing *l, const struct vmt_call *call, struct vmt_error *error)
{
	const char *url;
	int ret = session_endpoint(l->session, l->compute, call, &url, error);

	if (ret == 0) {
		g_free(l->nova);
		l->nova = g_strconcat(url, strstr(url, "/v2") ? "" : "/v2.1", NULL);
	}
	return ret;
}

static void put_page(const struct listing *l, bool whole, const char *marker, struct buf *out)
{
	char since[SAMPLE_TIME_MAX];

	buf_printf(out, "%s/servers/detail?all_tenants=True", l->nova);
	if (!whole) {
		sample_time_format(l->since_ns, VMT_PROFILE_19, since);
		buf_puts(out, "&changes-since=");
		put_escaped(out, since);
		buf_puts(out, "%2B00%3A00");
	}
	buf_puts(out, "&host=");
	put_escaped(out, l->host);
	if (marker) {
		buf_puts(out, "&marker=");
		put_escaped(out, marker);
	}
}

/* ------------------------------------------------------------------ the list */

typedef int (*read_fn)(const char *json, size_t len, GPtrArray *objects, bool *ret_more,
		       struct vmt_error *error);

static int get_page(struct listing *l, const char *url, read_fn read, const struct vmt_call *call,
		    GPtrArray *objects, bool *ret_more, int64_t *ret_date_ns,
		    struct vmt_error *error)
{
	const struct http_answer *answer;
	struct vmt_error why;
	int ret = session_get(l->session, url, headers, call, &answer, error);

	if (ret < 0) {
		return ret;
	}
	ret = read(answer->body.data, answer->body.len, objects, ret_more, &why);
	if (ret < 0) {
		return vmt_error_set(error, ret, "%s: %s", url, why.text);
	}
	*ret_date_ns = answer->date_ns ? answer->date_ns : clock_real();
	return 0;
}

/* All pages; *ret_date_ns is Nova's time of the first. */
static int get_list(struct listing *l, bool whole, const struct vmt_call *call, GPtrArray *servers,
		    int64_t *ret_date_ns, struct vmt_error *error)
{
	struct buf url = BUF_INIT;
	bool more = true;
	int ret = 0;

	for (unsigned page = 0; more && ret == 0; page++) {
		const struct server *last =
			servers->len > 0 ? g_ptr_array_index(servers, servers->len - 1) : NULL;
		guint before = servers->len;
		int64_t date_ns = 0;

		buf_reset(&url);
		put_page(l, whole, last ? last->in.id : NULL, &url);
		ret = get_page(l, url.data, read_servers, call, servers, &more, &date_ns, error);
		if (ret == 0 && page == 0) {
			*ret_date_ns = date_ns;
		}
		more = more && servers->len > before; /* an empty page is the last */
		if (ret == 0 && (servers->len > SERVERS_MAX || page == PAGES_MAX)) {
			ret = vmt_error_set(error, -E2BIG,
					    "%s: more than %d servers, or pages without an end",
					    url.data, SERVERS_MAX);
		}
	}
	buf_fini(&url);
	return ret;
}

/* ------------------------------------------------------------------ flavors and images */

static int ask_flavor(struct listing *l, const char *id, const struct vmt_call *call,
		      void **ret_object, struct vmt_error *error)
{
	const struct http_answer *answer;
	struct buf url = BUF_INIT;
	struct vmt_error why;
	struct flavor *flavor = NULL;
	int ret;

	buf_printf(&url, "%s/flavors/", l->nova);
	put_escaped(&url, id);
	ret = session_get(l->session, url.data, headers, call, &answer, error);
	if (ret == -ENOENT) {
		flavor = flavor_unknown(id);
		ret = 0;
	} else if (ret == 0) {
		ret = read_flavor(answer->body.data, answer->body.len, &flavor, &why);
		if (ret < 0) {
			vmt_error_set(error, ret, "%s: %s", url.data, why.text);
		}
	}
	buf_fini(&url);
	*ret_object = flavor;
	return ret;
}

/* Glance's address of an image; that of Nova where the catalogue has no Glance. */
static int put_image_url(struct listing *l, const char *id, const struct vmt_call *call,
			 struct buf *out, struct vmt_error *error)
{
	const char *glance;
	size_t n;
	int ret = session_endpoint(l->session, l->image, call, &glance, error);

	if (ret < 0 && ret != -ENOENT) {
		return ret;
	}
	if (ret == 0) {
		n = strlen(glance);
		if (g_str_has_suffix(glance, "/v1") || g_str_has_suffix(glance, "/v2")) {
			n -= 3;
		}
		buf_add(out, glance, n);
		buf_puts(out, "/v2");
	} else {
		buf_puts(out, l->nova);
	}
	buf_puts(out, "/images/");
	put_escaped(out, id);
	return 0;
}

static int ask_image(struct listing *l, const char *id, const struct vmt_call *call,
		     void **ret_object, struct vmt_error *error)
{
	const struct http_answer *answer;
	struct buf url = BUF_INIT;
	struct image *image = NULL;
	struct vmt_error why;
	int ret = put_image_url(l, id, call, &url, error);

	if (ret == 0) {
		ret = session_get(l->session, url.data, headers, call, &answer, error);
		if (ret == -ENOENT) {
			image = image_unknown(id);
			ret = 0;
		} else if (ret == 0) {
			ret = read_image(answer->body.data, answer->body.len, &image, &why);
			if (ret < 0) {
				vmt_error_set(error, ret, "%s: %s", url.data, why.text);
			}
		}
	}
	buf_fini(&url);
	*ret_object = image;
	return ret;
}

static const struct {
	int (*ask)(struct listing *l, const char *id, const struct vmt_call *call,
		   void **ret_object, struct vmt_error *error);
} kinds[KINDS] = { [FLAVOR] = { ask_flavor }, [IMAGE] = { ask_image } };

static void unref_object(enum kind kind, void *object)
{
	kind == FLAVOR ? flavor_unref(object) : image_unref(object);
}

/* The flavor or image, from what is kept or from the far side.  Where that does not answer, the one of before, or the one
 * in place of what is not known, until the next update.  -ECANCELED. */
static int get_object(struct listing *l, enum kind kind, const char *id,
		      const struct vmt_call *call, void **ret_object)
{
	struct kept *k = g_hash_table_lookup(l->kept[kind], id);
	void *object = NULL;

	if (!k) {
		k = g_new0(struct kept, 1);
		g_hash_table_insert(l->kept[kind], g_strdup(id), k);
	}
	if (k->era != l->era && !l->tired[kind]) {
		int ret = kinds[kind].ask(l, id, call, &object, &l->note);

		if (ret == -ECANCELED) {
			return ret;
		}
		l->tired[kind] = ret < 0;
	}
	if (object) {
		unref_object(kind, k->object);
		k->object = object;
		k->era = l->era;
	} else if (!k->object) {
		k->object = kind == FLAVOR ? (void *)flavor_unknown(id) : image_unknown(id);
	}
	k->used = l->era;
	*ret_object = kind == FLAVOR ? (void *)flavor_ref(k->object) : image_ref(k->object);
	return 0;
}

static gboolean is_unused(gpointer key, gpointer value, gpointer data)
{
	return ((struct kept *)value)->used != ((struct listing *)data)->era;
}

static int complete(struct listing *l, struct roster *t, bool objects, const struct vmt_call *call,
		    struct vmt_error *error)
{
	int ret = 0;

	l->tired[FLAVOR] = l->tired[IMAGE] = false;
	for (size_t i = 0; i < t->count && ret == 0 && objects; i++) {
		struct row *row = &t->row[i];
		const struct vmt_instance *in = &row->server->in;

		if (in->has_flavor && !row->server->whole_flavor) {
			ret = get_object(l, FLAVOR, in->flavor.id, call, (void **)&row->flavor);
		}
		if (ret == 0 && in->has_image) {
			ret = get_object(l, IMAGE, in->image.id, call, (void **)&row->image);
		}
	}
	if (ret < 0) {
		return vmt_error_set(error, ret, "nova: given up on request");
	}
	for (enum kind kind = FLAVOR; kind < KINDS; kind++) {
		g_hash_table_foreach_remove(l->kept[kind], is_unused, l);
	}
	if (l->tired[FLAVOR] || l->tired[IMAGE]) {
		vmt_log(VMT_LOG_WARNING,
			"nova: %s; flavors or images are as before, or unknown, until it answers",
			l->note.text);
	}
	return 0;
}

/* ------------------------------------------------------------------ an update */

/* Whether there is nothing to do about what came. */
static bool is_same(const struct listing *l, bool whole, const GPtrArray *servers)
{
	return !whole && servers->len == 0 && !l->tired[FLAVOR] && !l->tired[IMAGE];
}

int listing_update(struct listing *l, const struct roster *old, bool objects,
		   const struct vmt_call *call, struct roster **ret_roster, struct vmt_error *error)
{
	bool whole = !old || l->since_ns == 0 || clock_monotonic() - l->came_ns >= l->expiry_ns;
	GPtrArray *servers = g_ptr_array_new_with_free_func((GDestroyNotify)server_unref);
	struct roster *roster = NULL;
	int64_t date_ns = 0;
	int ret = find_nova(l, call, error);

	ret = ret == 0 ? get_list(l, whole, call, servers, &date_ns, error) : ret;
	if (ret == 0 && is_same(l, whole, servers)) {
		roster = roster_ref((struct roster *)(uintptr_t)old);
	} else if (ret == 0) {
		l->era += whole;
		roster = roster_new(whole ? NULL : old, servers);
		ret = complete(l, roster, objects, call, error);
	}
	g_ptr_array_unref(servers);
	if (ret < 0) {
		roster_unref(roster);
		return ret;
	}
	l->came_ns = whole ? clock_monotonic() : l->came_ns;
	l->since_ns = date_ns - CHANGES_MARGIN_NS;
	*ret_roster = roster;
	return 0;
}

int listing_complete(struct listing *l, const struct roster *old, const struct vmt_call *call,
		     struct roster **ret_roster, struct vmt_error *error)
{
	GPtrArray *none = g_ptr_array_new();
	struct roster *roster = roster_new(old, none);
	int ret = find_nova(l, call, error);

	ret = ret == 0 ? complete(l, roster, true, call, error) : ret;
	g_ptr_array_unref(none);
	if (ret < 0) {
		roster_unref(roster);
		return ret;
	}
	*ret_roster = roster;
	return 0;
}

/* ------------------------------------------------------------------ flavors by name */

/* Notes the ids of the flavors that are asked for. */
static void note_ids(const GPtrArray *flavors, GHashTable *ids)
{
	for (guint i = 0; i < flavors->len; i++) {
		const struct flavor *f = g_ptr_array_index(flavors, i);
		gpointer key;

		if (g_hash_table_lookup_extended(ids, f->is.name, &key, NULL)) {
			g_hash_table_replace(ids, g_strdup(f->is.name), g_strdup(f->is.id));
		}
	}
}

int listing_flavor_ids(struct listing *l, GHashTable *ids, const struct vmt_call *call,
		       struct vmt_error *error)
{
	GPtrArray *flavors = g_ptr_array_new_with_free_func((GDestroyNotify)flavor_unref);
	struct buf url = BUF_INIT;
	char *marker = NULL;
	int64_t date_ns = 0;
	bool more = true;
	int ret = find_nova(l, call, error);

	for (unsigned page = 0; more && ret == 0; page++) {
		buf_reset(&url);
		buf_printf(&url, "%s/flavors?is_public=None", l->nova);
		if (marker) {
			buf_puts(&url, "&marker=");
			put_escaped(&url, marker);
		}
		g_ptr_array_set_size(flavors, 0);
		ret = get_page(l, url.data, read_flavors, call, flavors, &more, &date_ns, error);
		if (ret == 0) {
			note_ids(flavors, ids);
			more = more && flavors->len > 0 && page < PAGES_MAX;
		}
		if (ret == 0 && more) {
			const struct flavor *last = g_ptr_array_index(flavors, flavors->len - 1);

			g_free(marker);
			marker = g_strdup(last->is.id);
		}
	}
	g_free(marker);
	buf_fini(&url);
	g_ptr_array_unref(flavors);
	return ret;
}

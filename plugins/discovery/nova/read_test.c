/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of Nova 26.2 (tests/golden/nova) as instances: their metadata is what Ceilometer 19.0.0 made of the same
 * answers, field by field; and what is not as it should be.
 */
#include "plugins/discovery/nova/roster.h"

#include <errno.h>
#include <string.h>

#include "model/alloc_count.h"
#include "model/metadata.h"
#include "model/snapshot.h"
#include "wire/flatten.h"
#include "wire/json_path.h"

static struct vmt_error error;

static char *golden(const char *name)
{
	char *path = g_build_filename(GOLDEN, "nova", name, NULL), *text;

	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	g_free(path);
	return text;
}

static GPtrArray *servers_of(const char *name, bool *ret_more)
{
	GPtrArray *servers = g_ptr_array_new_with_free_func((GDestroyNotify)server_unref);
	char *text = golden(name);

	g_assert_cmpint(read_servers(text, strlen(text), servers, ret_more, &error), ==, 0);
	g_free(text);
	return servers;
}

/* The list of Nova, with the flavor and image that all of its servers have. */
static struct snapshot *nova_list(const char *name)
{
	struct vmt_snapshot_builder *builder = snapshot_builder_new(0);
	char *flavor_text = golden("flavor.json"), *image_text = golden("image.json");
	struct flavor *flavor;
	struct image *image;
	struct roster *roster;
	bool more;
	GPtrArray *servers = servers_of(name, &more);

	g_assert_cmpint(read_flavor(flavor_text, strlen(flavor_text), &flavor, &error), ==, 0);
	g_assert_cmpint(read_image(image_text, strlen(image_text), &image, &error), ==, 0);
	roster = roster_new(NULL, servers);
	for (size_t i = 0; i < roster->count; i++) {
		if (!roster->row[i].server->whole_flavor) {
			roster->row[i].flavor = flavor_ref(flavor);
		}
		roster->row[i].image = image_ref(image);
	}
	roster_list(roster, false, builder);
	roster_unref(roster);
	flavor_unref(flavor);
	image_unref(image);
	g_ptr_array_unref(servers);
	g_free(flavor_text);
	g_free(image_text);
	return snapshot_builder_finish(builder, NULL, 1);
}

/* All fields, sorted, a line. */
static void flat(const char *json, size_t len, struct buf *out)
{
	struct flatten f;

	flatten_init(&f);
	g_assert_cmpint(flatten_json(&f, json, len, FLATTEN_PY3, out), ==, 0);
	flatten_fini(&f);
}

static void check_sample(const struct snapshot *s, const char *line)
{
	static const char *const namespace[] = { "metering.", NULL };
	static const char *const keys[] = { NULL };
	const struct metadata_options o = { .profile = VMT_PROFILE_19,
					    .reserved_namespace = namespace,
					    .reserved_keys = keys,
					    .reserved_length = 256 };
	const char *meta = strstr(line, "\"resource_metadata\": ") + 21;
	struct buf id = BUF_INIT, got = BUF_INIT, a = BUF_INIT, b = BUF_INIT;
	const struct vmt_instance *in;
	ssize_t at;

	g_assert_true(json_path_text(line, strlen(line), "resource_id", &id));
	at = snapshot_find(s, id.data);
	g_assert_cmpint(at, >=, 0);
	in = &s->list.instances[at];
	g_assert_true(json_path_is(line, strlen(line), "project_id", in->project_id));
	g_assert_true(json_path_is(line, strlen(line), "user_id", in->user_id));
	metadata_head(in, &o, false, &got);
	metadata_tail_plain(in, &got);
	flat(got.data, got.len, &a);
	flat(meta, strlen(meta) - 1, &b); /* without the sample's own brace */
	g_assert_cmpstr(a.data, ==, b.data);
	buf_fini(&id);
	buf_fini(&got);
	buf_fini(&a);
	buf_fini(&b);
}

static void test_golden(void)
{
	struct snapshot *s = nova_list("servers.json");
	char *text = golden("samples-19.jsonl"), **lines = g_strsplit(g_strchomp(text), "\n", -1);

	g_assert_cmpuint(s->list.count, ==, 5);
	g_assert_cmpuint(g_strv_length(lines), ==, 4);
	for (char **line = lines; *line; line++) {
		check_sample(s, *line);
	}
	g_assert_true(s->list.instances[0].stopped); /* the fifth is shut off */
	g_assert_cmpstr(s->list.instances[0].status, ==, "shutoff");
	g_strfreev(lines);
	g_free(text);
	snapshot_unref(s);
}

static void test_pages(void)
{
	bool more = false;
	GPtrArray *one = servers_of("page-1.json", &more), *all;

	g_assert_true(more);
	g_ptr_array_unref(one);
	all = servers_of("servers.json", &more);
	g_assert_false(more);
	g_assert_cmpuint(all->len, ==, 5);
	g_ptr_array_unref(all);
}

/* Names and ids of a list of flavors; those without are left out. */
static void test_flavors(void)
{
	GPtrArray *flavors = g_ptr_array_new_with_free_func((GDestroyNotify)flavor_unref);
	const char *more_of =
		"{\"flavors_links\": [{\"rel\": \"next\", \"href\": \"x\"}], \"flavors\": "
		"[{\"id\": \"1\"}, {\"name\": \"a\"}, {\"id\": \"2\", \"name\": \"b\"}]}";
	char *text = golden("flavors.json");
	const struct flavor *f;
	bool more = true;

	g_assert_cmpint(read_flavors(text, strlen(text), flavors, &more, &error), ==, 0);
	g_assert_false(more);
	g_assert_cmpuint(flavors->len, ==, 1);
	f = g_ptr_array_index(flavors, 0);
	g_assert_cmpstr(f->is.id, ==, "42");
	g_assert_cmpstr(f->is.name, ==, "m1.nano");
	g_assert_cmpint(read_flavors(more_of, strlen(more_of), flavors, &more, &error), ==, 0);
	g_assert_true(more);
	g_assert_cmpuint(flavors->len, ==, 2);
	f = g_ptr_array_index(flavors, 1);
	g_assert_cmpstr(f->is.id, ==, "2");
	g_ptr_array_unref(flavors);
	g_free(text);
}

/* A later microversion tells all of the flavor but its id. */
static void test_whole_flavor(void)
{
	struct snapshot *s = nova_list("servers-2.47.json");
	const struct vmt_flavor *f = &s->list.instances[0].flavor;

	g_assert_null(f->id);
	g_assert_cmpstr(f->name, ==, "m1.nano");
	g_assert_cmpint(f->ram_mib, ==, 64);
	g_assert_cmpint(f->disk_gib, ==, 1);
	snapshot_unref(s);
}

static struct roster *merge(const struct roster *old, const char *json)
{
	GPtrArray *servers = g_ptr_array_new_with_free_func((GDestroyNotify)server_unref);
	struct roster *t;
	bool more;

	g_assert_cmpint(read_servers(json, strlen(json), servers, &more, &error), ==, 0);
	t = roster_new(old, servers);
	g_ptr_array_unref(servers);
	return t;
}

static const char *names(const struct roster *t, bool all)
{
	static char text[64];
	struct vmt_snapshot_builder *b = snapshot_builder_new(0);
	struct snapshot *s;

	roster_list(t, all, b);
	s = snapshot_builder_finish(b, NULL, 1);
	text[0] = '\0';
	for (size_t i = 0; i < s->list.count; i++) {
		g_strlcat(text, s->list.instances[i].display_name, sizeof(text));
	}
	snapshot_unref(s);
	return text;
}

/* What has changed takes the place of what was known; deleted ones go; those in error are told only if asked for. */
static void test_changes(void)
{
	struct roster *a = merge(
		NULL, "{\"servers\": [{\"id\": \"1\", \"name\": \"a\"}, {\"id\": \"2\", \"name\": "
		      "\"b\"}, {\"id\": \"3\", \"name\": \"c\"}, {\"name\": \"no id\"}]}");
	struct roster *b = merge(
		a,
		"{\"servers\": [{\"id\": \"4\", \"name\": \"x\"}, {\"id\": \"2\", \"name\": \"b\", "
		"\"OS-EXT-STS:vm_state\": \"deleted\"}, {\"id\": \"3\", \"name\": \"C\", "
		"\"OS-EXT-STS:vm_state\": \"error\"}, {\"id\": \"4\", \"name\": \"d\"}, {\"id\": \"5\", "
		"\"OS-EXT-STS:vm_state\": \"deleted\"}], \"servers_links\": []}");

	g_assert_cmpstr(names(a, false), ==, "abc");
	g_assert_cmpstr(names(b, true), ==, "aCd");
	g_assert_cmpstr(names(b, false), ==, "ad");
	roster_unref(a);
	g_assert_cmpstr(names(b, false), ==, "ad");
	roster_unref(b);
}

/* Servers come and go by the thousand, as changes: what is kept is what is there. */
static void test_bounded(void)
{
	enum { ROUNDS = 300, HERE = 40 };
	struct roster *t = merge(NULL, "{\"servers\": []}");
	uint64_t held = 0;

	for (int round = 0; round < ROUNDS; round++) {
		GString *json = g_string_new("{\"servers\": [");
		struct roster *fresh;

		for (int i = 0; i < HERE; i++) {
			int n = round * HERE + i + 1000000;

			g_string_append_printf(
				json,
				"%s{\"id\": \"%d\", \"name\": \"vm-%d\", \"metadata\": {\"k\": "
				"\"%d\"}}, {\"id\": \"%d\", \"OS-EXT-STS:vm_state\": \"deleted\"}",
				i ? ", " : "", n, n, n, n - HERE);
		}
		g_string_append(json, "]}");
		fresh = merge(t, json->str);
		g_assert_cmpuint(fresh->count, ==, HERE);
		roster_unref(t);
		t = fresh;
		g_string_free(json, TRUE);
		if (round == 10) {
			held = alloc_bytes();
		}
	}
	g_assert_cmpuint(alloc_bytes(), <=, held + ALLOC_SLACK);
	roster_unref(t);
}

static const char *find(const struct vmt_pair *pair, const char *key)
{
	for (; pair && pair->key; pair++) {
		if (strcmp(pair->key, key) == 0) {
			return pair->value;
		}
	}
	return NULL;
}

/* Values as Python's str() shows them. */
static void test_images(void)
{
	const char *glance =
		"{\"min_disk\": 20, \"protected\": false, \"owner\": null, \"tags\": [\"a\", \"\xc3\xa9\"], "
		"\"id\": \"i1\", \"name\": \"n\", \"kernel_id\": \"k\", \"checksum\": \"c\"}";
	const char *nova =
		"{\"image\": {\"id\": \"i2\", \"name\": \"old\", \"metadata\": {\"ramdisk_id\": \"r\", "
		"\"x\": \"y\"}, \"minDisk\": 0}}";
	struct image *i;

	g_assert_cmpint(read_image(glance, strlen(glance), &i, &error), ==, 0);
	g_assert_cmpstr(i->name, ==, "n");
	g_assert_cmpstr(i->kernel_id, ==, "k");
	g_assert_null(i->ramdisk_id);
	g_assert_cmpstr(find(i->meta, "base_image_ref"), ==, "i1");
	g_assert_cmpstr(find(i->meta, "min_disk"), ==, "20");
	g_assert_cmpstr(find(i->meta, "protected"), ==, "False");
	g_assert_cmpstr(find(i->meta, "owner"), ==, "None");
	g_assert_cmpstr(find(i->meta, "tags"), ==, "['a', '\xc3\xa9']");
	g_assert_cmpstr(find(i->meta, "checksum"), ==, "c");
	g_assert_null(find(i->meta, "name"));
	image_unref(i);
	g_assert_cmpint(read_image(nova, strlen(nova), &i, &error), ==, 0);
	g_assert_cmpstr(i->name, ==, "old");
	g_assert_cmpstr(i->ramdisk_id, ==, "r");
	g_assert_cmpstr(find(i->meta, "base_image_ref"), ==, "i2");
	image_unref(i);
	i = image_unknown("i3");
	g_assert_cmpstr(i->name, ==, "unknown-id-i3");
	image_unref(i);
}

static void test_wrong(void)
{
	static const char *const texts[] = {
		"",
		"[]",
		"{}",
		"{\"servers\": {}}",
		"{\"servers\": [{\"id\": \"1\"}",
		"<html>oh</html>",
		"{\"servers\": [{\"id\": \"1\"}]} {}",
	};
	GPtrArray *servers = g_ptr_array_new_with_free_func((GDestroyNotify)server_unref);
	struct flavor *f;
	struct image *i;
	bool more;

	for (size_t n = 0; n < G_N_ELEMENTS(texts); n++) {
		const char *t = texts[n];

		g_assert_cmpint(read_servers(t, strlen(t), servers, &more, &error), ==, -EBADMSG);
		g_assert_cmpuint(servers->len, ==, 0);
		g_assert_cmpint(read_flavors(t, strlen(t), servers, &more, &error), ==, -EBADMSG);
		g_assert_cmpint(read_flavor(t, strlen(t), &f, &error), ==, -EBADMSG);
		g_assert_cmpint(read_image(t, strlen(t), &i, &error), ==, -EBADMSG);
	}
	g_ptr_array_unref(servers);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/nova/read/golden", test_golden);
	g_test_add_func("/nova/read/pages", test_pages);
	g_test_add_func("/nova/read/flavors", test_flavors);
	g_test_add_func("/nova/read/whole-flavor", test_whole_flavor);
	g_test_add_func("/nova/read/changes", test_changes);
	g_test_add_func("/nova/read/bounded", test_bounded);
	g_test_add_func("/nova/read/images", test_images);
	g_test_add_func("/nova/read/wrong", test_wrong);
	return g_test_run();
}

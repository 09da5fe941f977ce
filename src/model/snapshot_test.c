/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of snapshots: copies, bounds, bad text, look-up, recognising the same content.
 */
#include "model/snapshot.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

static struct vmt_instance web(void)
{
	static const struct vmt_pair attributes[] = { { "architecture", "x86_64", false },
						      { "memory_mb", "64", true },
						      { "kernel_id", NULL, false },
						      { NULL, NULL, false } };

	return (struct vmt_instance){ .id = "c40c7cc3-2022-5bb6-afcd-6d9804d1b23a",
				      .name = "instance-00000001",
				      .display_name = "web",
				      .attributes = attributes };
}

static struct snapshot *one(const struct vmt_instance *in, struct snapshot *previous, int64_t time)
{
	struct vmt_snapshot_builder *b = snapshot_builder_new(0);

	g_assert_cmpint(vmt_snapshot_add(b, in), ==, 0);
	return snapshot_builder_finish(b, previous, time);
}

static void test_copies_deep(void)
{
	char name[] = "instance-00000001";
	struct vmt_instance in = web();
	struct snapshot *s;
	const struct vmt_instance *out;

	in.name = name;
	s = one(&in, NULL, 7);
	memset(name, 'x', sizeof(name) - 1);
	out = &s->list.instances[0];
	g_assert_cmpstr(out->name, ==, "instance-00000001");
	g_assert_cmpstr(out->attributes[1].key, ==, "memory_mb");
	g_assert_cmpstr(out->attributes[1].value, ==, "64");
	g_assert_true(out->attributes[1].raw);
	g_assert_null(out->attributes[2].value);
	g_assert_null(out->attributes[3].key);
	g_assert_null(out->user_id);
	g_assert_cmpint(s->list.time_ns, ==, 7);
	g_assert_cmpuint(s->list.generation, !=, 0);
	snapshot_unref(s);
}

static void test_refuses(void)
{
	struct vmt_snapshot_builder *b = snapshot_builder_new(2);
	struct vmt_instance in = web();
	char *longest = g_strnfill(SNAPSHOT_ID + 1, 'a');
	struct snapshot *s;

	g_assert_cmpint(vmt_snapshot_add(b, &in), ==, 0);
	in.display_name = "another";
	g_assert_cmpint(vmt_snapshot_add(b, &in), ==, -EEXIST);
	in.id = NULL;
	g_assert_cmpint(vmt_snapshot_add(b, &in), ==, -EINVAL);
	in.id = "";
	g_assert_cmpint(vmt_snapshot_add(b, &in), ==, -EINVAL);
	in.id = "bad\xff";
	g_assert_cmpint(vmt_snapshot_add(b, &in), ==, -EINVAL);
	in.id = longest;
	g_assert_cmpint(vmt_snapshot_add(b, &in), ==, -EINVAL);
	longest[SNAPSHOT_ID] = '\0';
	g_assert_cmpint(vmt_snapshot_add(b, &in), ==, 0);
	in.id = "third";
	g_assert_cmpint(vmt_snapshot_add(b, &in), ==, -E2BIG);
	s = snapshot_builder_finish(b, NULL, 0);
	g_assert_cmpuint(s->list.count, ==, 2);
	g_assert_cmpuint(s->refused, ==, 6);
	g_assert_cmpstr(s->list.instances[0].display_name, ==, "web");
	snapshot_unref(s);
	g_free(longest);
}

static void test_repairs_text(void)
{
	struct vmt_instance in = web();
	char *big = g_strnfill(SNAPSHOT_STRING + 100, 'b');
	struct snapshot *s;

	in.display_name = "caf\xe9 \xf0\x9f\x98\x80";
	memcpy(big + SNAPSHOT_STRING - 1, "\xc3\xa9", 2); /* é across the bound */
	in.name = big;
	s = one(&in, NULL, 0);
	g_assert_cmpstr(s->list.instances[0].display_name, ==, "caf\xef\xbf\xbd \xf0\x9f\x98\x80");
	g_assert_cmpuint(strlen(s->list.instances[0].name), ==, SNAPSHOT_STRING - 1);
	g_assert_cmpuint(s->cut, ==, 1);
	snapshot_unref(s);
	g_free(big);
}

static void test_bounds_lists(void)
{
	struct vmt_pair many[SNAPSHOT_PAIRS + 10] = { 0 };
	char keys[SNAPSHOT_PAIRS + 10][8], *value = g_strnfill(SNAPSHOT_STRING, 'v');
	struct vmt_pair raw[] = { { "good", "{\"a\": [1, null]}", true },
				  { "bad", "{\"a\": ", true },
				  { "none", NULL, true },
				  { "good", "2", true },
				  { NULL, NULL, false } };
	struct vmt_instance in = web();
	struct snapshot *s;
	size_t n = 0;

	for (int i = 0; i < SNAPSHOT_PAIRS + 9; i++) {
		g_snprintf(keys[i], sizeof(keys[i]), "k%d", i);
		many[i] = (struct vmt_pair){ keys[i], i < 100 ? value : "v", false };
	}
	in.metadata = many;
	in.attributes = raw;
	s = one(&in, NULL, 0);
	/* of what cannot be JSON nothing is left, of a key given twice the last value */
	g_assert_cmpstr(s->list.instances[0].attributes[0].key, ==, "good");
	g_assert_cmpstr(s->list.instances[0].attributes[0].value, ==, "2");
	g_assert_null(s->list.instances[0].attributes[1].key);
	while (s->list.instances[0].metadata[n].key) {
		n++;
	}
	g_assert_cmpuint(n, <,
			 SNAPSHOT_PAIRS - 50); /* 100 values of 4 KiB do not fit into 64 KiB */
	g_assert_cmpuint(n, >, 100);
	g_assert_cmpuint(s->cut, >, 50);
	snapshot_unref(s);
	g_free(value);
}

static void test_finds(void)
{
	struct vmt_snapshot_builder *b = snapshot_builder_new(0);
	struct snapshot *s;
	char id[16];

	for (int i = 0; i < 1000; i++) {
		g_snprintf(id, sizeof(id), "id-%d", i);
		g_assert_cmpint(vmt_snapshot_add(b, &(struct vmt_instance){ .id = id }), ==, 0);
	}
	s = snapshot_builder_finish(b, NULL, 0);
	for (int i = 0; i < 1000; i++) {
		g_snprintf(id, sizeof(id), "id-%d", i);
		g_assert_cmpint(snapshot_find(s, id), ==, i);
	}
	g_assert_cmpint(snapshot_find(s, "id-1000"), ==, -ENOENT);
	snapshot_unref(s);
	s = snapshot_builder_finish(snapshot_builder_new(0), NULL, 0);
	g_assert_cmpint(snapshot_find(s, "id-1"), ==, -ENOENT);
	g_assert_cmpuint(s->list.count, ==, 0);
	snapshot_unref(s);
}

/* The next snapshot with another value in one member. */
#define CHANGED(member, other)                                                                     \
	do {                                                                                       \
		struct vmt_instance changed = web();                                               \
		struct snapshot *t;                                                                \
		changed.member = other;                                                            \
		t = one(&changed, s, 3);                                                           \
		g_assert_true(t != s);                                                             \
		g_assert_cmpuint(t->list.generation, !=, s->list.generation);                      \
		g_assert_true((t->hash[0] == s->hash[0]) == !visible);                             \
		snapshot_unref(t);                                                                 \
	} while (0)

static void test_recognises_the_same(void)
{
	static const struct vmt_pair metadata[] = { { "metering.a", "1", false },
						    { NULL, NULL, false } };
	struct vmt_instance in = web();
	struct snapshot *s = one(&in, NULL, 1), *again = one(&in, s, 2);
	bool visible = true;

	g_assert_true(again == s);
	g_assert_cmpint(s->list.time_ns, ==, 2);
	snapshot_unref(again);
	CHANGED(id, "other");
	CHANGED(display_name, "other");
	CHANGED(display_name, NULL);
	CHANGED(state, "paused");
	CHANGED(has_flavor, true);
	CHANGED(metadata, metadata);
	CHANGED(attributes, NULL);
	visible = false; /* another snapshot, but no other metadata */
	CHANGED(stopped, true);
	CHANGED(epoch, 9);
	snapshot_unref(s);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/model/snapshot/copies-deep", test_copies_deep);
	g_test_add_func("/model/snapshot/refuses", test_refuses);
	g_test_add_func("/model/snapshot/repairs-text", test_repairs_text);
	g_test_add_func("/model/snapshot/bounds-lists", test_bounds_lists);
	g_test_add_func("/model/snapshot/finds", test_finds);
	g_test_add_func("/model/snapshot/recognises-the-same", test_recognises_the_same);
	return g_test_run();
}

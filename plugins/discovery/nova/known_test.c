/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of look-ups: what is due when, what it makes of instances, and that it goes with them. */
#include "plugins/discovery/nova/known.h"

#include <string.h>

#include "model/alloc_count.h"
#include "model/snapshot.h"

#define HOUR INT64_C(3600000000000)

static const struct known_wants all = { .names = true, .enabled = true, .expiry_ns = HOUR };

/* Instances by words "ID USER PROJECT FLAVOR", '|' between them; "-" for none.  FLAVOR@ID has an id. */
static struct snapshot *instances(const char *text)
{
	struct vmt_snapshot_builder *b = snapshot_builder_new(0);
	char **list = g_strsplit(text, "|", -1);

	for (char **word = list; *word && **word; word++) {
		char **w = g_strsplit(*word, " ", 4), *at = strchr(w[3], '@');
		struct vmt_instance in = { .id = w[0], .has_flavor = *w[3] != '-' };

		in.user_id = *w[1] == '-' ? NULL : w[1];
		in.project_id = *w[2] == '-' ? NULL : w[2];
		in.flavor.name = w[3];
		if (at) {
			*at = '\0';
			in.flavor.id = at + 1;
		}
		vmt_snapshot_add(b, &in);
		g_strfreev(w);
	}
	g_strfreev(list);
	return snapshot_builder_finish(b, NULL, 1);
}

/* "ID:FLAVOR-ID,USER,PROJECT" of each. */
static const char *described(const struct known *k, const struct snapshot *s)
{
	static char text[512];
	struct vmt_snapshot_builder *b = snapshot_builder_new(0);
	struct snapshot *made;

	known_describe(k, &s->list, b);
	made = snapshot_builder_finish(b, NULL, 1);
	text[0] = '\0';
	for (size_t i = 0; i < made->list.count; i++) {
		const struct vmt_instance *in = &made->list.instances[i];
		char *one = g_strdup_printf("%s%s:%s,%s,%s", i ? " " : "", in->id,
					    in->flavor.id ? in->flavor.id : "-",
					    in->user_name ? in->user_name : "-",
					    in->project_name ? in->project_name : "-");

		g_strlcat(text, one, sizeof(text));
		g_free(one);
	}
	snapshot_unref(made);
	return text;
}

static void set(struct known *k, enum known_kind kind, const char *key, const char *value,
		int64_t now)
{
	const struct known_answer answer = { .value = value, .enabled = true };

	known_set(k, kind, key, &answer, now);
}

static bool due(const struct known *k, enum known_kind kind, int64_t now)
{
	return known_is_due(k, kind, now, INT64_MAX);
}

static void test_names(void)
{
	struct snapshot *s = instances("1 u p small|2 u q large@7|3 - - -");
	struct known *k = known_new(&all);
	uint64_t version = known_version(k);

	known_follow(k, &s->list);
	g_assert_true(due(k, KNOWN_USER, 1) && due(k, KNOWN_PROJECT, 1) && due(k, KNOWN_FLAVOR, 1));
	g_assert_cmpuint(known_count(k), ==, 4); /* u, p, q, small: large has its id */
	g_assert_cmpstr(described(k, s), ==, "1:-,-,- 2:7,-,- 3:-,-,-");
	set(k, KNOWN_USER, "u", "demo", 1);
	set(k, KNOWN_PROJECT, "p", "alpha", 1);
	set(k, KNOWN_PROJECT, "q", NULL, 1); /* nobody knows it */
	set(k, KNOWN_FLAVOR, "small", "42", 1);
	g_assert_cmpuint(known_version(k), >, version);
	g_assert_cmpstr(described(k, s), ==, "1:42,demo,alpha 2:7,demo,- 3:-,-,-");
	for (enum known_kind kind = 0; kind < KNOWN_KINDS; kind++) {
		g_assert_false(due(k, kind, HOUR));
	}

	/* a while later; the same again changes nothing, no answer neither */
	g_assert_true(due(k, KNOWN_USER, HOUR + 1));
	version = known_version(k);
	set(k, KNOWN_USER, "u", "demo", HOUR + 1);
	g_assert_false(due(k, KNOWN_USER, HOUR + 1));
	known_set(k, KNOWN_PROJECT, "p", NULL, HOUR + 1);
	g_assert_true(due(k, KNOWN_PROJECT, HOUR + 1));
	g_assert_cmpuint(known_version(k), ==, version);
	g_assert_cmpstr(described(k, s), ==, "1:42,demo,alpha 2:7,demo,- 3:-,-,-");
	known_free(k);
	snapshot_unref(s);
}

/* The one that was not tried for longest; within a round each once. */
static void test_order(void)
{
	struct snapshot *s = instances("1 a - -|2 b - -|3 c - -");
	struct known *k = known_new(&all);
	const char *first, *second, *third;

	known_follow(k, &s->list);
	first = known_next(k, KNOWN_USER, 10, 10);
	known_set(k, KNOWN_USER, first, NULL, 10);
	second = known_next(k, KNOWN_USER, 10, 10);
	known_set(k, KNOWN_USER, second, NULL, 11);
	third = known_next(k, KNOWN_USER, 10, 10);
	g_assert_cmpstr(first, !=, second);
	set(k, KNOWN_USER, third, "x", 12);
	g_assert_cmpstr(third, !=, second);
	g_assert_cmpstr(third, !=, first);
	g_assert_null(known_next(k, KNOWN_USER, 10, 10));
	g_assert_cmpstr(known_next(k, KNOWN_USER, 20, 20), ==, first);
	known_free(k);
	snapshot_unref(s);
}

static void test_disabled(void)
{
	struct snapshot *s = instances("1 - p -|2 - q -");
	struct known_answer answer = { "alpha", "d", true };
	struct known_wants wants = all;
	struct known *k = known_new(&all);

	known_follow(k, &s->list);
	g_assert_false(due(k, KNOWN_DOMAIN, 1));
	known_set(k, KNOWN_PROJECT, "p", &answer, 1);
	g_assert_true(due(k, KNOWN_DOMAIN, 1)); /* whose domain it is is known now */
	answer = (struct known_answer){ "beta", "e", false };
	known_set(k, KNOWN_PROJECT, "q", &answer, 1);
	g_assert_cmpstr(described(k, s), ==, "1:-,-,alpha");
	answer = (struct known_answer){ "other", NULL, false };
	known_set(k, KNOWN_DOMAIN, "d", &answer, 1);
	g_assert_cmpstr(described(k, s), ==, "");
	answer.enabled = true;
	known_set(k, KNOWN_DOMAIN, "d", &answer, 2);
	g_assert_cmpstr(described(k, s), ==, "1:-,-,alpha");
	known_follow(k, &s->list);
	g_assert_cmpuint(known_count(k), ==, 4); /* p, q, d, e */
	known_free(k);

	wants.enabled = false;
	k = known_new(&wants);
	known_follow(k, &s->list);
	answer = (struct known_answer){ "beta", "e", false };
	known_set(k, KNOWN_PROJECT, "q", &answer, 1);
	g_assert_false(due(k, KNOWN_DOMAIN, 1));
	g_assert_cmpstr(described(k, s), ==, "1:-,-,- 2:-,-,beta");
	known_free(k);
	snapshot_unref(s);
}

static struct roster *servers(const char *json)
{
	GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)server_unref);
	struct vmt_error error;
	struct roster *t;
	bool more;

	g_assert_cmpint(read_servers(json, strlen(json), list, &more, &error), ==, 0);
	t = roster_new(NULL, list);
	g_ptr_array_unref(list);
	return t;
}

static void test_servers(void)
{
	struct snapshot *s = instances("1 - - small|2 - - small"), *made;
	struct vmt_snapshot_builder *b = snapshot_builder_new(0);
	struct known_wants wants = { .expiry_ns = HOUR };
	struct known *k = known_new(&wants);
	struct roster *t =
		servers("{\"servers\": [{\"id\": \"1\", \"flavor\": {\"id\": \"9\"}, \"metadata\": "
			"{\"metering.a\": \"b\"}}, {\"id\": \"7\"}]}");
	uint64_t version;

	known_set_servers(k, t);
	known_follow(k, &s->list);
	g_assert_true(due(k, KNOWN_FLAVOR, 1)); /* of the second */
	g_assert_cmpuint(known_count(k), ==, 3);
	set(k, KNOWN_FLAVOR, "small", "42", 1);
	g_assert_cmpstr(described(k, s), ==, "1:9,-,- 2:42,-,-");
	known_describe(k, &s->list, b);
	made = snapshot_builder_finish(b, NULL, 1);
	g_assert_cmpstr(made->list.instances[0].metadata[0].key, ==, "metering.a");
	g_assert_cmpstr(made->list.instances[0].metadata[0].value, ==, "b");
	g_assert_null(made->list.instances[1].metadata);
	snapshot_unref(made);
	version = known_version(k);
	known_set_servers(k, roster_ref(t));
	g_assert_cmpuint(known_version(k), ==, version);
	known_set_servers(k, NULL);
	g_assert_cmpuint(known_version(k), >, version);
	g_assert_cmpstr(described(k, s), ==, "1:42,-,- 2:42,-,-");
	known_free(k);
	snapshot_unref(s);
}

/* Words that stand on a machine beside those that Nova has: Nova's count where both have one, and no other is lost. */
static void test_words(void)
{
	static const struct vmt_pair found[] = { { "metering.annotation", "of the vCenter", false },
						 { "metering.a", "of the vCenter", false },
						 { NULL, NULL, false } };
	const struct vmt_instance first = { .id = "1", .metadata = found },
				  second = { .id = "2", .metadata = found };
	struct vmt_snapshot_builder *b = snapshot_builder_new(0);
	struct known_wants wants = { .expiry_ns = HOUR };
	struct known *k = known_new(&wants);
	const struct vmt_pair *words;
	struct snapshot *s, *made;

	vmt_snapshot_add(b, &first);
	vmt_snapshot_add(b, &second);
	s = snapshot_builder_finish(b, NULL, 1);
	known_set_servers(k,
			  servers("{\"servers\": [{\"id\": \"1\", \"metadata\": {\"metering.a\": "
				  "\"of Nova\", \"b\": \"c\"}}, {\"id\": \"2\"}]}"));
	b = snapshot_builder_new(0);
	known_describe(k, &s->list, b);
	made = snapshot_builder_finish(b, NULL, 1);
	words = made->list.instances[0].metadata;
	g_assert_cmpstr(words[0].key, ==, "metering.a");
	g_assert_cmpstr(words[0].value, ==, "of Nova");
	g_assert_cmpstr(words[1].key, ==, "b");
	g_assert_cmpstr(words[2].key, ==, "metering.annotation");
	g_assert_cmpstr(words[2].value, ==, "of the vCenter");
	g_assert_null(words[3].key);
	words = made->list.instances[1].metadata;
	g_assert_cmpstr(words[0].key, ==, "metering.annotation");
	g_assert_cmpstr(words[1].value, ==, "of the vCenter");
	snapshot_unref(made);
	known_free(k);
	snapshot_unref(s);
}

/* Instances, users, projects, flavors come and go by the thousand: what is kept is what the present ones use, and the heap
 * does not grow. */
static void test_bounded(void)
{
	enum { ROUNDS = 300, HERE = 40 };
	struct known *k = known_new(&all);
	size_t held = 0;

	for (int round = 0; round < ROUNDS; round++) {
		GString *text = g_string_new(NULL);
		struct snapshot *s;

		for (int i = 0; i < HERE; i++) {
			int n = round * HERE + i + 100000;

			g_string_append_printf(text, "%s%d u%d p%d f%d", i ? "|" : "", n, n, n, n);
		}
		s = instances(text->str);
		known_follow(k, &s->list);
		for (int i = 0; i < HERE; i++) {
			const struct known_answer answer = { "name", "default", true };
			char key[16];

			for (enum known_kind kind = 0; kind < KNOWN_DOMAIN; kind++) {
				g_snprintf(key, sizeof(key), "%c%d", "fup"[kind],
					   round * HERE + i + 100000);
				known_set(k, kind, key, &answer, 1);
			}
		}
		g_assert_cmpuint(known_count(k), ==, 3 * HERE + 1);
		snapshot_unref(s);
		g_string_free(text, TRUE);
		if (round == 10) {
			held = alloc_bytes();
		}
	}
	g_assert_cmpuint(alloc_bytes(), <=, held + ALLOC_SLACK);
	known_free(k);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/lookups/known/names", test_names);
	g_test_add_func("/lookups/known/order", test_order);
	g_test_add_func("/lookups/known/disabled", test_disabled);
	g_test_add_func("/lookups/known/servers", test_servers);
	g_test_add_func("/lookups/known/words", test_words);
	g_test_add_func("/lookups/known/bounded", test_bounded);
	return g_test_run();
}

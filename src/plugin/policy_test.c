/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the common part of publishers' URLs. */
#include "plugin/policy.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/arena.h"
#include "conf/problem.h"

static const struct {
	const char *url;
	int ret;
	struct policy policy;
	const char *problem; /* a part of it */
	const char *left; /* what the URL's query still has first, or NULL */
} cases[] = {
	{ "file:///x", 0, { POLICY_DEFAULT, 0, 100 }, NULL, NULL },
	{ "rpc://?policy=queue&max_queue_length=5", 0, { POLICY_QUEUE, 5, 100 }, NULL, NULL },
	{ "udp://h:1?policy=drop&other=1", 0, { POLICY_DROP, 0, 100 }, NULL, "other" },
	{ "rpc://?policy=default&max_retry=3", 0, { POLICY_DEFAULT, 0, 3 }, NULL, NULL },
	{ "rpc://?policy=drop&policy=queue", 0, { POLICY_QUEUE, 0, 100 }, NULL, NULL },
	{ "rpc://?max_queue_length=-1&max_retry=0", 0, { POLICY_DEFAULT, 0, 1 }, NULL, NULL },
	{ "rpc://?policy=keep",
	  0,
	  { POLICY_DEFAULT, 0, 100 },
	  "policy: 'keep' is none; taken as default",
	  NULL },
	{ "rpc://?max_queue_length=many",
	  -EINVAL,
	  { POLICY_DEFAULT, 0, 100 },
	  "max_queue_length: 'many' will not do; write a whole number",
	  NULL },
	{ "rpc://?max_retry=1.5",
	  -EINVAL,
	  { POLICY_DEFAULT, 0, 100 },
	  "max_retry: '1.5' will not do",
	  NULL },
};

static void test_decode(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct problems *problems = problems_new();
		struct arena *arena = arena_new(0);
		struct vmt_error error = { "" };
		struct policy policy;
		struct url *url;

		g_test_message("%s", cases[i].url);
		g_assert_cmpint(url_parse(cases[i].url, &url, &error), ==, 0);
		g_assert_cmpint(policy_decode(url, NULL, arena, &policy, problems), ==,
				cases[i].ret);
		g_assert_cmpint(policy.kind, ==, cases[i].policy.kind);
		g_assert_cmpint(policy.max_queue_length, ==, cases[i].policy.max_queue_length);
		g_assert_cmpint(policy.max_retry, ==, cases[i].policy.max_retry);
		g_assert_cmpuint(problems_count(problems), ==, cases[i].problem ? 1 : 0);
		if (cases[i].problem) {
			g_assert_nonnull(strstr(problems_at(problems, 0)->text, cases[i].problem));
		}
		g_assert_cmpstr(url_get(url)->query[0].key, ==, cases[i].left);
		url_free(url);
		arena_free(arena);
		problems_free(problems);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/policy/decode", test_decode);
	return g_test_run();
}

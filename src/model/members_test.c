/* SPDX-License-Identifier: Apache-2.0 */
/* Names from outside: which are taken, and how many. */
#include "model/members.h"

#include <errno.h>
#include <string.h>

static void test_names(void)
{
	struct vmt_members m;
	char longest[MEMBER_NAME_MAX + 2];

	members_init(&m);
	memset(longest, 'x', sizeof(longest));
	g_assert_cmpint(vmt_members_add(&m, "one two", 3), ==, 0);
	g_assert_cmpint(vmt_members_add(&m, longest, MEMBER_NAME_MAX), ==, 0);
	g_assert_cmpint(vmt_members_add(&m, longest, MEMBER_NAME_MAX + 1), ==, -EINVAL);
	g_assert_cmpint(vmt_members_add(&m, "", 0), ==, -EINVAL);
	g_assert_cmpint(vmt_members_add(&m, "a b", 3), ==, -EINVAL);
	g_assert_cmpint(vmt_members_add(&m, "a\0b", 3), ==, -EINVAL);
	g_assert_cmpint(vmt_members_add(&m, "\x7f", 1), ==, -EINVAL);
	g_assert_cmpint(vmt_members_add(&m, "\xc3\xa4", 2), ==, -EINVAL);
	g_assert_cmpuint(m.names->len, ==, 2);
	g_assert_cmpstr(g_ptr_array_index(m.names, 0), ==, "one");
	members_fini(&m);
	members_fini(NULL);
}

static void test_cap(void)
{
	struct vmt_members m;

	members_init(&m);
	for (unsigned i = 0; i < MEMBERS_MAX; i++) {
		g_assert_cmpint(vmt_members_add(&m, "m", 1), ==, 0);
	}
	g_assert_cmpint(vmt_members_add(&m, "m", 1), ==, -E2BIG);
	g_assert_cmpuint(m.names->len, ==, MEMBERS_MAX);
	members_fini(&m);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/members/names", test_names);
	g_test_add_func("/members/cap", test_cap);
	return g_test_run();
}

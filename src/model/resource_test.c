/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of resources: what they hold, how they share, and what their digest depends on.
 */
#include "model/resource.h"

#include <glib.h>
#include <string.h>

static struct resource *make(const char *project, const char *source, const char *head,
			     const char *id, const char *tail)
{
	struct resource_owner owner = { .project_id = project, .user_id = "u", .source = source };
	struct resource_head *h = resource_head_new(&owner, head, strlen(head));
	struct resource *r = resource_new(h, id, tail, strlen(tail));

	resource_head_unref(h);
	return r;
}

static void test_holds(void)
{
	struct resource *r =
		make("p", "openstack", "{\"a\":1", "id-vda", ",\"disk_name\":\"vda\"}");

	g_assert_cmpstr(r->public.id, ==, "id-vda");
	g_assert_cmpstr(r->public.project_id, ==, "p");
	g_assert_cmpstr(r->public.user_id, ==, "u");
	g_assert_null(r->public.project_name);
	g_assert_cmpstr(r->public.source, ==, "openstack");
	g_assert_cmpstr(r->public.meta_head, ==, "{\"a\":1");
	g_assert_cmpuint(r->public.meta_head_len, ==, strlen("{\"a\":1"));
	g_assert_cmpstr(r->public.meta_tail, ==, ",\"disk_name\":\"vda\"}");
	g_assert_cmpuint(r->public.meta_tail_len, ==, strlen(r->public.meta_tail));
	g_assert_true(resource_of(&r->public) == r);
	resource_unref(resource_ref(r));
	g_assert_cmpstr(r->public.id, ==, "id-vda");
	resource_unref(r);
	resource_unref(NULL);
	resource_head_unref(NULL);
}

static void test_digest(void)
{
	static const char *const others[][5] = {
		{ "q", "openstack", "{\"a\":1", "id", "}" },
		{ NULL, "openstack", "{\"a\":1", "id", "}" },
		{ "", "openstack", "{\"a\":1", "id", "}" },
		{ "p", "other", "{\"a\":1", "id", "}" },
		{ "p", "openstack", "{\"a\":2", "id", "}" },
		{ "p", "openstack", "{\"a\":1", "ie", "}" },
		{ "p", "openstack", "{\"a\":1", "id", ",}" },
	};
	struct resource *r = make("p", "openstack", "{\"a\":1", "id", "}");
	struct resource *same = make("p", "openstack", "{\"a\":1", "id", "}");

	g_assert_cmpuint(r->public.digest, ==, same->public.digest);
	/* stored by others: as long as this value stands, digests of old stores are ours */
	g_assert_cmphex(r->public.digest, ==, UINT64_C(0x0f8d65979b302869));
	for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
		const char *const *o = others[i];
		struct resource *other = make(o[0], o[1], o[2], o[3], o[4]);

		g_assert_cmphex(other->public.digest, !=, r->public.digest);
		resource_unref(other);
	}
	resource_unref(same);
	resource_unref(r);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/model/resource/holds", test_holds);
	g_test_add_func("/model/resource/digest", test_digest);
	return g_test_run();
}

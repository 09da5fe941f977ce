/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of flavors and images goes with the last server that has it.  The session is a stub. */
#include "plugins/discovery/nova/listing.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/buf.h"
#include "model/alloc_count.h"
#include "plugins/openstack/session.h"

enum { SERVERS = 40, ROUNDS = 300 };

static struct {
	struct http_answer answer;
	int round; /* names flavors and images */
	unsigned lists, flavors, images;
} far = { .answer = { .body = BUF_INIT } };

int session_endpoint(struct session *s, const char *type, const struct vmt_call *call,
		     const char **ret_url, struct vmt_error *error)
{
	(void)s;
	(void)call;
	(void)error;
	*ret_url = strcmp(type, "image") == 0 ? "http://glance" : "http://nova/v2.1";
	return 0;
}

static void put_servers(struct buf *out)
{
	buf_puts(out, "{\"servers\": [");
	for (int i = 0; i < SERVERS; i++) {
		buf_printf(out,
			   "%s{\"id\": \"server-%d\", \"name\": \"s\", \"status\": \"ACTIVE\", "
			   "\"flavor\": {\"id\": \"f-%d-%d\", \"links\": []}, "
			   "\"image\": {\"id\": \"i-%d-%d\", \"links\": []}}",
			   i ? ", " : "", i, far.round, i, far.round, i);
	}
	buf_puts(out, "]}");
}

int session_get(struct session *s, const char *url, const char *const *headers,
		const struct vmt_call *call, const struct http_answer **ret_answer,
		struct vmt_error *error)
{
	struct buf *body = &far.answer.body;

	(void)s;
	(void)headers;
	(void)call;
	(void)error;
	buf_reset(body);
	if (strstr(url, "/servers/detail")) {
		far.lists++;
		put_servers(body);
	} else if (strstr(url, "/flavors/")) {
		far.flavors++;
		buf_puts(body,
			 "{\"flavor\": {\"id\": \"f\", \"name\": \"m1\", \"ram\": 1, \"vcpus\": 1, "
			 "\"disk\": 1}}");
	} else {
		far.images++;
		buf_puts(body, "{\"id\": \"i\", \"name\": \"cirros\", \"min_disk\": 0}");
	}
	*ret_answer = &far.answer;
	return 0;
}

static void update(struct listing *l, struct roster **roster)
{
	static const atomic_bool no;
	const struct vmt_call call = { .deadline_ns = INT64_MAX, .cancel = &no };
	struct vmt_error error = { .text = "" };
	struct roster *fresh = NULL;

	g_assert_cmpint(listing_update(l, *roster, true, &call, &fresh, &error), ==, 0);
	roster_unref(*roster);
	*roster = fresh;
}

/* Flavors and images come and go by the thousand: the heap does not grow. */
static void test_bounded(void)
{
	const struct nova_conf conf = { .openstack = { .compute = "compute", .image = "image" },
					.host = "compute-0" };
	struct listing *l = listing_new(&conf, NULL);
	struct roster *roster = NULL;
	size_t held = 0;

	for (far.round = 0; far.round < ROUNDS; far.round++) {
		update(l, &roster);
		g_assert_cmpuint(roster->count, ==, SERVERS);
		if (far.round == 10) {
			held = alloc_bytes();
		}
	}
	g_assert_cmpuint(far.lists, ==, ROUNDS);
	g_assert_cmpuint(far.flavors, ==, ROUNDS * SERVERS);
	g_assert_cmpuint(far.images, ==, ROUNDS * SERVERS);
	g_assert_cmpuint(alloc_bytes(), <=, held + ALLOC_SLACK);
	roster_unref(roster);
	listing_free(l);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/nova/listing/bounded", test_bounded);
	return g_test_run();
}

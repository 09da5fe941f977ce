/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses written down, names of the hosts file, names that nobody has, and a call that is over.
 */
#include "base/clock.h"
#include "base/resolve.h"

#include <errno.h>
#include <glib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <virtmeter/plugin.h>

static atomic_bool no, yes = true;

static struct vmt_call call_for(int64_t ns, atomic_bool *cancel)
{
	return (struct vmt_call){ .deadline_ns = clock_monotonic() + ns, .cancel = cancel };
}

static void test_numeric(void)
{
	struct resolver *r = resolver_new("127.0.0.1", 4952, SOCK_DGRAM);
	struct resolver *r6 = resolver_new("::1", 80, SOCK_STREAM);
	struct vmt_call over = call_for(-1, &yes); /* nobody needs to be asked */
	const struct addrinfo *list, *again;
	struct vmt_error error;

	g_assert_cmpint(resolver_get(r, 0, &over, "x", &list, &error), ==, 0);
	g_assert_cmpint(list->ai_family, ==, AF_INET);
	g_assert_cmpint(list->ai_socktype, ==, SOCK_DGRAM);
	g_assert_cmpint(ntohs(((struct sockaddr_in *)(void *)list->ai_addr)->sin_port), ==, 4952);
	g_assert_cmpint(resolver_get(r, -1, &over, "x", &again, &error), ==, 0);
	g_assert_true(again == list);
	g_assert_cmpint(resolver_get(r6, 0, &over, "x", &list, &error), ==, 0);
	g_assert_cmpint(list->ai_family, ==, AF_INET6);
	resolver_free(r);
	resolver_free(r6);
	resolver_free(NULL);
}

static void test_names(void)
{
	struct resolver *r = resolver_new("localhost", 80, SOCK_STREAM);
	struct resolver *nobody = resolver_new("no-such-host.invalid", 80, SOCK_STREAM);
	struct vmt_call call = call_for(60 * NS_PER_S, &no);
	const struct addrinfo *list = NULL, *again = NULL;
	struct vmt_error error = { .text = "" };

	g_assert_cmpint(resolver_get(r, NS_PER_S * 60, &call, "x", &list, &error), ==, 0);
	g_assert_nonnull(list);
	g_assert_cmpint(resolver_get(r, NS_PER_S * 60, &call, "x", &again, &error), ==, 0);
	g_assert_true(again == list);
	g_assert_cmpint(resolver_get(r, -1, &call, "x", &again, &error), ==, 0); /* anew */
	g_assert_cmpint(resolver_get(nobody, 0, &call, "udp://x", &list, &error), ==,
			-EHOSTUNREACH);
	g_assert_true(g_str_has_prefix(error.text, "udp://x: looking up no-such-host.invalid: "));
	resolver_free(r);
	resolver_free(nobody);
}

/* The question goes on by itself; its answer is there for the next call. */
static void test_over(void)
{
	struct resolver *r = resolver_new("localhost", 80, SOCK_STREAM);
	struct vmt_call cancelled = call_for(60 * NS_PER_S, &yes);
	struct vmt_call call = call_for(60 * NS_PER_S, &no);
	const struct addrinfo *list;
	struct vmt_error error;
	int ret = resolver_get(r, 0, &cancelled, "x", &list, &error);

	g_assert_true(ret == 0 || ret == -ECANCELED); /* whoever is faster */
	g_assert_cmpint(resolver_get(r, NS_PER_S * 60, &call, "x", &list, &error), ==, 0);
	resolver_free(r);
	r = resolver_new("localhost", 80, SOCK_STREAM);
	ret = resolver_get(r, 0, &cancelled, "x", &list, &error);
	resolver_free(r); /* perhaps while it is asked */
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/resolve/numeric", test_numeric);
	g_test_add_func("/resolve/names", test_names);
	g_test_add_func("/resolve/over", test_over);
	return g_test_run();
}

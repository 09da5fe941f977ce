/* SPDX-License-Identifier: Apache-2.0 */
/* libvirt's functions as the program has them: passed on, or failed with the loader's reason.  One thread. */
#include <glib.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdlib.h>

/* libvirt has a hypervisor of its own for tests, with one domain. */
static void test_there(void)
{
	virConnectPtr conn;
	virDomainPtr *domains;
	unsigned char uuid[VIR_UUID_BUFLEN];
	int state = -1, reason = -1;

	g_assert_cmpint(virInitialize(), ==, 0);
	conn = virConnectOpen("test:///default");
	g_assert_nonnull(conn);
	g_assert_cmpint(virConnectIsAlive(conn), ==, 1);
	g_assert_cmpint(virConnectListAllDomains(conn, &domains, 0), ==, 1);
	g_assert_cmpstr(virDomainGetName(domains[0]), ==, "test");
	g_assert_cmpuint(virDomainGetID(domains[0]), ==, 1);
	g_assert_cmpint(virDomainGetState(domains[0], &state, &reason, 0), ==, 0);
	g_assert_cmpint(state, ==, VIR_DOMAIN_RUNNING);
	g_assert_cmpint(virDomainGetUUID(domains[0], uuid), ==, 0);
	virDomainFree(domains[0]);
	free(domains);
	domains = NULL;
	g_assert_null(virDomainLookupByUUID(conn, (const unsigned char *)"no such instance"));
	g_assert_cmpint(virGetLastError()->code, ==, VIR_ERR_NO_DOMAIN);
	virResetLastError();
	g_assert_cmpint(virConnectClose(conn), ==, 0);
}

static void test_missing(void)
{
	g_assert_cmpint(virInitialize(), ==, -1);
	virSetErrorFunc(NULL, NULL);
	virEventRegisterImpl(NULL, NULL, NULL, NULL, NULL, NULL);
	virTypedParamsClear(NULL, 0);
	virResetLastError();
	g_assert_null(virConnectOpen("test:///default"));
	g_assert_cmpint(virConnectIsAlive(NULL), ==, -1);
	g_assert_cmpint(virGetLastError()->code, ==, VIR_ERR_INTERNAL_ERROR);
	g_assert_nonnull(strstr(virGetLastError()->message, "libnone.so.0"));
	g_assert_cmpstr(virGetLastErrorMessage(), ==, virGetLastError()->message);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	if (argc > 1 && strcmp(argv[1], "missing") == 0) {
		g_test_add_func("/libvirt/late/missing", test_missing);
	} else {
		g_test_add_func("/libvirt/late/there", test_there);
	}
	return g_test_run();
}

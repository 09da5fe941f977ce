/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the table of domains, on libvirt's test driver: in this process, with events.
 */
#include "plugins/libvirt/desc.h"
#include "plugins/libvirt/domains.h"

#include "base/clock.h"
#include "base/uuid.h"
#include "base/wait.h"

#include <glib.h>
#include <string.h>

#define URI "test:///default"
#define TEST_ID "6695eb01-f6a4-8304-79aa-97f2502e193f" /* the driver's own domain */
#define OTHER_ID "0b1f5d4a-7f0e-4c55-9a39-2f6d7f3f3c11"

static atomic_bool never;

static int sync_calls(struct domains *d, uint64_t *ret_calls)
{
	struct vmt_call call = { .deadline_ns = clock_monotonic() + 20 * NS_PER_S,
				 .cancel = &never };
	struct vmt_error error = { "" };
	int err;

	*ret_calls = 0;
	err = domains_sync(d, &call, ret_calls, &error);
	if (err < 0) {
		g_test_message("%s", error.text);
	}
	return err;
}

/* Lets events arrive. */
static void turn(void)
{
	for (int i = 0; i < 50; i++) {
		while (g_main_context_iteration(NULL, FALSE)) {
		}
		wait_sleep(NS_PER_MS);
	}
}

static struct domain find(struct domains *d, const char *id)
{
	struct domain domain = { 0 };
	uint8_t uuid[16];

	g_assert_cmpint(uuid_parse(id, uuid), ==, 0);
	domains_find(d, uuid, &domain);
	return domain;
}

static void expect(struct domains *d, const char *id, const char *name, int state)
{
	struct domain domain = find(d, id);

	g_assert_nonnull(domain.desc);
	g_assert_cmpstr(domain.desc->name, ==, name);
	g_assert_cmpstr(domain.desc->id, ==, id);
	g_assert_cmpint(domain.state, ==, state);
	domain_desc_unref(domain.desc);
}

static void count_one(void *context, const struct domain *domain)
{
	++*(int *)context;
}

static int count(struct domains *d)
{
	int n = 0;

	domains_each(d, count_one, &n);
	return n;
}

static void test_steady(void)
{
	struct domains *d = domains_ref(URI, false);
	uint64_t calls, generation;

	g_assert_cmpint(sync_calls(d, &calls), ==, 0);
	g_assert_cmpuint(calls, >, 2);
	g_assert_cmpint(count(d), ==, 1);
	expect(d, TEST_ID, "test", VIR_DOMAIN_RUNNING);
	generation = domains_generation(d);
	for (int i = 0; i < 5; i++) {
		turn();
		g_assert_cmpint(sync_calls(d, &calls), ==, 0);
		g_assert_cmpuint(calls, ==, 0);
	}
	g_assert_cmpuint(domains_generation(d), ==, generation);
	domains_unref(d);
}

static void test_changes(void)
{
	static const char xml[] =
		"<domain type='test'><name>other</name><uuid>" OTHER_ID "</uuid>"
		"<memory>65536</memory><vcpu>1</vcpu><os><type>hvm</type></os></domain>";
	struct domains *d = domains_ref(URI, false);
	virConnectPtr conn = virConnectOpen(URI);
	virDomainPtr dom;
	struct domain before, after;
	uint64_t calls, generation;

	g_assert_cmpint(sync_calls(d, &calls), ==, 0);
	generation = domains_generation(d);

	dom = virDomainDefineXML(conn, xml);
	g_assert_nonnull(dom);
	turn();
	g_assert_cmpint(sync_calls(d, &calls), ==, 0);
	g_assert_cmpuint(calls, ==, 2); /* the list, one XML */
	expect(d, OTHER_ID, "other", VIR_DOMAIN_SHUTOFF);
	g_assert_cmpuint(domains_generation(d), !=, generation);

	before = find(d, OTHER_ID);
	g_assert_cmpint(before.desc->number, ==, -1);
	g_assert_cmpuint(before.desc->epoch, ==, 0);
	g_assert_cmpint(virDomainCreate(dom), ==, 0);
	turn();
	g_assert_cmpint(sync_calls(d, &calls), ==, 0);
	expect(d, OTHER_ID, "other", VIR_DOMAIN_RUNNING);
	after = find(d, OTHER_ID);
	g_assert_cmpint(after.desc->number, >, 0);
	g_assert_cmpuint(after.desc->epoch, !=, 0);
	domain_desc_unref(before.desc);

	/* Another start is another epoch. */
	before = after;
	g_assert_cmpint(virDomainDestroy(dom), ==, 0);
	g_assert_cmpint(virDomainCreate(dom), ==, 0);
	turn();
	g_assert_cmpint(sync_calls(d, &calls), ==, 0);
	after = find(d, OTHER_ID);
	g_assert_cmpuint(after.desc->epoch, !=, before.desc->epoch);
	domain_desc_unref(before.desc);
	domain_desc_unref(after.desc);

	generation = domains_generation(d);
	g_assert_cmpint(virDomainSuspend(dom), ==, 0);
	turn();
	g_assert_cmpint(sync_calls(d, &calls), ==, 0);
	expect(d, OTHER_ID, "other", VIR_DOMAIN_PAUSED);
	g_assert_cmpuint(domains_generation(d), !=, generation);

	g_assert_cmpint(virDomainSetMetadata(dom, VIR_DOMAIN_METADATA_TITLE, "new title", NULL,
					     NULL, VIR_DOMAIN_AFFECT_LIVE),
			==, 0);
	turn();
	g_assert_cmpint(sync_calls(d, &calls), ==, 0);
	after = find(d, OTHER_ID);
	g_assert_cmpstr(after.desc->xml->title, ==, "new title");
	domain_desc_unref(after.desc);

	g_assert_cmpint(virDomainDestroy(dom), ==, 0);
	g_assert_cmpint(virDomainUndefine(dom), ==, 0);
	turn();
	g_assert_cmpint(sync_calls(d, &calls), ==, 0);
	g_assert_cmpuint(calls, ==, 1);
	g_assert_cmpint(count(d), ==, 1);
	virDomainFree(dom);
	virConnectClose(conn);
	domains_unref(d);
}

/* Without a main loop nothing is missed either.  The first of all: no loop has turned yet. */
static void test_no_loop(void)
{
	static const char xml[] =
		"<domain type='test'><name>other</name><uuid>" OTHER_ID "</uuid>"
		"<memory>65536</memory><vcpu>1</vcpu><os><type>hvm</type></os></domain>";
	struct domains *d = domains_ref(URI, false);
	virConnectPtr conn = virConnectOpen(URI);
	virDomainPtr dom;
	uint64_t calls;

	g_assert_cmpint(sync_calls(d, &calls), ==, 0);
	g_assert_cmpint(sync_calls(d, &calls), ==, 0);
	dom = virDomainDefineXML(conn, xml);
	wait_sleep(1200 * NS_PER_MS);
	g_assert_cmpint(sync_calls(d, &calls), ==, 0);
	expect(d, OTHER_ID, "other", VIR_DOMAIN_SHUTOFF);
	g_assert_cmpint(virDomainUndefine(dom), ==, 0);
	g_assert_cmpint(sync_calls(d, &calls), ==, 0);
	g_assert_cmpuint(calls, ==, 1);
	g_assert_cmpint(count(d), ==, 1);
	virDomainFree(dom);
	virConnectClose(conn);
	turn();
	domains_unref(d);
}

static void test_suspect(void)
{
	struct domains *d = domains_ref(URI, false), *same = domains_ref(URI, false);
	uint8_t uuid[16];
	uint64_t calls, generation;

	g_assert_true(same == d);
	g_assert_cmpint(sync_calls(d, &calls), ==, 0);
	turn();
	generation = domains_generation(d);
	uuid_parse(TEST_ID, uuid);
	domains_suspect(d, uuid);
	g_assert_cmpint(sync_calls(d, &calls), ==, 0);
	g_assert_cmpuint(calls, ==, 2);
	/* It was read again and is the same. */
	g_assert_cmpuint(domains_generation(d), ==, generation);
	domains_unref(same);
	domains_unref(d);
}

/* ------------------------------------------------------------------ descriptions */

static const uint8_t some_uuid[16] = { 1, 2, 3 };

static struct domain_desc *describe(int number, const char *devices, const struct domain_desc *old,
				    const char *removed)
{
	char *xml =
		g_strdup_printf("<domain><name>d</name><devices>%s</devices></domain>", devices);
	GPtrArray *list = removed ? g_ptr_array_new() : NULL;
	struct desc_source src = { .uuid = some_uuid, .name = "d", .xml = xml, .number = number };
	struct domain_desc *desc;

	if (removed) {
		g_ptr_array_add(list, (gpointer)removed);
	}
	desc = desc_new(&src, old, list);
	if (list) {
		g_ptr_array_free(list, TRUE);
	}
	g_free(xml);
	return desc;
}

#define VDA "<disk><source file='/a'/><target dev='vda'/><alias name='d0'/></disk>"
#define VDB "<disk><source file='/b'/><target dev='vdb'/><alias name='d1'/></disk>"
#define CDROM "<disk device='cdrom'><target dev='hda'/></disk>"
#define NIC(filter)                                                                                  \
	"<interface><mac address='52:54:00:00:00:01'/><target dev='tap0'/><alias name='n0'/>" filter \
	"</interface>"

static void test_devices_stay(void)
{
	struct domain_desc *a = describe(3, VDA CDROM NIC(""), NULL, NULL), *b;

	g_assert_cmpuint(a->disks, ==, 1);
	g_assert_cmpuint(a->nics, ==, 1);
	g_assert_cmpuint(a->disk[0].public.version, !=, 0);
	g_assert_cmpuint(a->disk[0].public.epoch, !=, 0);
	g_assert_cmpuint(a->disk[0].public.epoch, !=, a->nic[0].public.epoch);
	g_assert_null(describe(3, VDA CDROM NIC(""), a, NULL));

	/* A disk more: the others stay as they are, wherever they stand now. */
	b = describe(3, VDB VDA NIC(""), a, NULL);
	g_assert_cmpuint(b->disks, ==, 2);
	g_assert_cmpstr(b->disk[1].public.name, ==, "vda");
	g_assert_cmpuint(b->disk[1].public.version, ==, a->disk[0].public.version);
	g_assert_cmpuint(b->disk[1].public.epoch, ==, a->disk[0].public.epoch);
	g_assert_cmpuint(b->disk[0].public.version, !=, a->disk[0].public.version);
	g_assert_cmpuint(b->nic[0].public.version, ==, a->nic[0].public.version);
	domain_desc_unref(a);

	/* Another filter is another version; the counters go on. */
	a = describe(3, VDB VDA NIC("<filterref filter='f'/>"), b, NULL);
	g_assert_cmpuint(a->nic[0].public.version, !=, b->nic[0].public.version);
	g_assert_cmpuint(a->nic[0].public.epoch, ==, b->nic[0].public.epoch);
	domain_desc_unref(a);
	domain_desc_unref(b);
}

static void test_devices_change(void)
{
	struct domain_desc *a = describe(3, VDA VDB, NULL, NULL), *b, *c;

	/* Out and in again between two readings: the event told of it. */
	b = describe(3, VDA VDB, a, "d1");
	g_assert_cmpuint(b->disk[0].public.epoch, ==, a->disk[0].public.epoch);
	g_assert_cmpuint(b->disk[1].public.epoch, !=, a->disk[1].public.epoch);
	g_assert_cmpuint(b->disk[1].public.version, !=, a->disk[1].public.version);

	/* Out, then in. */
	c = describe(3, VDA, b, NULL);
	domain_desc_unref(a);
	a = describe(3, VDA VDB, c, NULL);
	g_assert_cmpuint(a->disk[1].public.epoch, !=, b->disk[1].public.epoch);
	g_assert_cmpuint(a->disk[0].public.epoch, ==, b->disk[0].public.epoch);
	domain_desc_unref(b);
	domain_desc_unref(c);

	/* Another start. */
	b = describe(4, VDA VDB, a, NULL);
	g_assert_cmpuint(b->disk[0].public.epoch, !=, a->disk[0].public.epoch);
	c = describe(-1, VDA VDB, b, NULL);
	g_assert_cmpuint(c->disk[0].public.epoch, ==, 0);
	domain_desc_unref(a);
	domain_desc_unref(b);
	domain_desc_unref(c);
}

static void test_broken(void)
{
	struct domain_desc *a = describe(3, "<disk", NULL, NULL);

	g_assert_null(a->xml);
	g_assert_nonnull(strstr(a->why, "domain XML: line 1"));
	g_assert_cmpstr(a->name, ==, "d");
	g_assert_cmpuint(a->disks + a->nics, ==, 0);
	domain_desc_unref(a);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	libvirt_prepare();
	g_test_add_func("/domains/no_loop", test_no_loop);
	g_test_add_func("/domains/steady", test_steady);
	g_test_add_func("/domains/changes", test_changes);
	g_test_add_func("/domains/suspect", test_suspect);
	g_test_add_func("/domains/devices_stay", test_devices_stay);
	g_test_add_func("/domains/devices_change", test_devices_change);
	g_test_add_func("/domains/broken", test_broken);
	return g_test_run();
}

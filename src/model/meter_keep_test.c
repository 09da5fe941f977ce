/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of what deltas and rates are counted from over a restart of the program.
 */
#include "model/meter_scene.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#define MAC_A "fa:16:3e:00:00:01"
#define MAC_B "fa:16:3e:00:00:02"
#define NIC "i-" SCENE_ID "-tap0"
#define DELTA "network.incoming.bytes.delta"

static const char *const kept_meters[] = { "network.incoming.bytes", "network.incoming.bytes.delta",
					   "vm.network.incoming.bytes.rate",
					   "vm.network.incoming.packets.rate", NULL };

/* Its instance, in the epoch `domain`. */
static void describe(struct scene *s, uint64_t domain)
{
	struct vmt_instance in = { .id = SCENE_ID, .name = "i", .epoch = domain };

	scene_instances(s, &in, 1);
}

static void one_nic(struct scene *s, double seconds, uint64_t domain, uint64_t nic, uint64_t bytes)
{
	struct scene_nic_read read = { "tap0", MAC_A, nic, bytes, UINT64_MAX };

	describe(s, domain);
	scene_nics(s, seconds, &read, 1);
}

#define NICS(scene, ...)                                                                           \
	scene_nics(scene, 10, (const struct scene_nic_read[]){ __VA_ARGS__ },                      \
		   G_N_ELEMENTS(((const struct scene_nic_read[]){ __VA_ARGS__ })))

/* Another program of the same boot goes on where the last one was. */
static void resume(struct scene *s, const char *boot, int expect)
{
	struct buf text = BUF_INIT;

	meter_state_save(s->state, "boot-1", &text);
	meter_state_free(s->state);
	s->state = meter_state_new(&s->settings);
	g_assert_cmpint(meter_state_load(s->state, boot, text.data, text.len), ==, expect);
	buf_fini(&text);
}

static void test_kept(void)
{
	struct scene s;

	scene_init(&s, VMT_PROFILE_26, kept_meters);
	one_nic(&s, 0, 7, 70, 100);
	scene_check_uint(&s, DELTA, NIC, 0);
	resume(&s, "boot-1", 1);
	one_nic(&s, 10, 7, 70, 150);
	scene_check_uint(&s, DELTA, NIC, 50);
	scene_check_double(&s, "vm.network.incoming.bytes.rate", NIC, 5);
	resume(&s, "boot-1",
	       1); /* plugged in while the first program ran: the second cannot know that */
	one_nic(&s, 10, 7, 71, 180);
	scene_check_uint(&s, DELTA, NIC, 30);
	one_nic(&s, 10, 7, 72, 200); /* while the program runs it is told of it */
	scene_check_uint(&s, DELTA, NIC, 200);
	resume(&s, "boot-1", 1); /* the domain was started anew in between */
	one_nic(&s, 10, 8, 80, 1000);
	scene_check_uint(&s, DELTA, NIC, 1000);
	resume(&s, "boot-2", -EBADMSG); /* the host was */
	one_nic(&s, 10, 8, 80, 1010);
	scene_check_uint(&s, DELTA, NIC, 0);
	scene_fini(&s);
}

/* Plugged in anew while no program ran: as far as one can tell, it is told. */
static void test_kept_another(void)
{
	struct scene s;

	scene_init(&s, VMT_PROFILE_26, kept_meters);
	describe(&s, 7);
	NICS(&s, { "tap0", MAC_A, 70, 100, 10 });
	resume(&s, "boot-1", 1); /* its packets went back: its bytes are another one's, too */
	NICS(&s, { "tap0", MAC_A, 70, 150, 5 });
	scene_check_uint(&s, DELTA, NIC, 150);
	resume(&s, "boot-1", 1); /* of the same MAC, but another interface of the host */
	NICS(&s, { "tap1", MAC_A, 71, 160, 6 });
	scene_check_uint(&s, DELTA, "i-" SCENE_ID "-tap1", 160);
	resume(&s, "boot-1", 1); /* and so again, of no epoch: another name says nothing */
	NICS(&s, { "tap0", MAC_A, 0, 170, 7 });
	scene_check_uint(&s, DELTA, NIC, 10);
	scene_fini(&s);
}

/* Unplugged while no program ran, and plugged in again when one did. */
static void test_kept_missing(void)
{
	struct scene s;

	scene_init(&s, VMT_PROFILE_26, kept_meters);
	describe(&s, 7);
	NICS(&s, { "tap0", MAC_A, 71, 100, 10 }, { "tap1", MAC_B, 72, 100, 10, 1 });
	resume(&s, "boot-1", 1);
	NICS(&s, { "tap1", MAC_B, 72, 130, 13 });
	scene_check_uint(&s, DELTA, "i-" SCENE_ID "-tap1", 30);
	NICS(&s, { "tap1", MAC_B, 72, 140, 14 }, { "tap0", MAC_A, 71, 300, 30, 1 });
	scene_check_uint(&s, DELTA, NIC, 300);
	scene_check_uint(&s, DELTA, "i-" SCENE_ID "-tap1", 10);
	resume(&s, "boot-1", 1);
	scene_nics(&s, 10, NULL, 0); /* there is none at all */
	NICS(&s, { "tap0", MAC_A, 71, 400, 40 });
	scene_check_uint(&s, DELTA, NIC, 400);
	scene_fini(&s);
}

/* The first reading of one that was plugged in anew may lack counters: the next one tells all. */
static void test_another_unread(void)
{
	struct scene s;

	scene_init(&s, VMT_PROFILE_26, kept_meters);
	describe(&s, 7);
	NICS(&s, { "tap0", MAC_A, 70, 100, 10 });
	NICS(&s, { "tap0", MAC_A, 71, UINT64_MAX, 40 });
	scene_check_none(&s, DELTA, NIC);
	resume(&s, "boot-1", 1);
	NICS(&s, { "tap0", MAC_A, 71, 500, 50 });
	scene_check_uint(&s, DELTA, NIC, 500);
	scene_check_double(&s, "vm.network.incoming.packets.rate", NIC, 1);
	scene_fini(&s);
}

/* What is no such text is refused as a whole. */
static void test_kept_bad(void)
{
	static const char *const bad[] = {
		"",
		"virtmeter-counters 2 b\n",
		"virtmeter-counters 1 b\ni a 1 2 0 5 6\ni a 1 2 0 5 6\n",
		"virtmeter-counters 1 b\ni a 1 2 0 5\n",
		"virtmeter-counters 1 b\ni a 1 2 0 5 6",
		"virtmeter-counters 1 b\nn 1 1 1 1 1 1 1 1 1 x\n",
		"virtmeter-counters 1 b\ni a 1 2 0 5 6\nn 1 1 1 1 1 1 1 1 1 \n",
		"virtmeter-counters 1 b\ni a 1 2 0 99999999999999999999 6\n",
		"virtmeter-counters 1 b\nx a 1 2 0 5 6\n",
		"virtmeter-counters 1 b\ni a 1 2 0 5 6\nn 1 1 1 1 1 1 1 1 1 \ttap0\n",
	};
	struct meter_settings settings = { .metadata.reserved_length = 256 };
	struct meter_state *s = meter_state_new(&settings);

	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_assert_cmpint(meter_state_load(s, "b", bad[i], strlen(bad[i])), ==, -EBADMSG);
	}
	g_assert_cmpint(meter_state_load(s, "b", "virtmeter-counters 1 b\n", 23), ==, 0);
	meter_state_free(s);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/model/meter-keep/kept", test_kept);
	g_test_add_func("/model/meter-keep/kept-another", test_kept_another);
	g_test_add_func("/model/meter-keep/kept-missing", test_kept_missing);
	g_test_add_func("/model/meter-keep/another-unread", test_another_unread);
	g_test_add_func("/model/meter-keep/kept-bad", test_kept_bad);
	return g_test_run();
}

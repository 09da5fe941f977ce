/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UUIDs: text, version-1 blocks that never overlap, on the simulated clock.
 */
#include "base/clock.h"
#include "base/uuid.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

static void test_text(void)
{
	static const uint8_t id[16] = { 0xc2, 0x32, 0xab, 0x00, 0x94, 0x14, 0x11, 0xec,
					0xb3, 0xc8, 0x9f, 0x6b, 0xde, 0xce, 0xd8, 0x46 };
	static const char text[] = "c232ab00-9414-11ec-b3c8-9f6bdeced846"; /* RFC 9562, A.1 */
	char got[UUID_TEXT];
	uint8_t back[16];

	uuid_format(id, got);
	g_assert_cmpstr(got, ==, text);
	g_assert_cmpint(uuid_parse("C232AB00-9414-11EC-B3C8-9F6BDECED846 tail", back), ==, 0);
	g_assert_cmpmem(back, 16, id, 16);
	for (int c = 0; c < 256; c++) {
		char all[UUID_TEXT];
		uint8_t same[16];

		memset(same, c, 16);
		uuid_format(same, all);
		g_assert_cmpint(uuid_parse(all, back), ==, 0);
		g_assert_cmpmem(back, 16, same, 16);
	}
}

static void test_refuse(void)
{
	static const char *const bad[] = { "",
					   "c232ab00",
					   "c232ab00-9414-11ec-b3c8-9f6bdeced84",
					   "c232ab00x9414-11ec-b3c8-9f6bdeced846",
					   "c232ab00-9414-11ec-b3c8-9f6bdeced84g",
					   "c232ab009414-11ec-b3c8-9f6bdeced84612" };
	uint8_t id[16] = { 9 };

	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_assert_cmpint(uuid_parse(bad[i], id), ==, -EINVAL);
		g_assert_cmpint(id[0], ==, 9);
	}
}

static void test_time(void)
{
	struct uuid_clock c;
	char text[UUID_TEXT];
	uint8_t id[16], next[16];

	uuid_clock_init(&c, 4711);
	uuid_clock_block(&c, 1, id);
	uuid_format(id, text);
	text[18] = '\0'; /* the time: RFC 9562's example is of 2022-02-22T19:22:22Z */
	g_assert_cmpstr(text, ==, "c232ab00-9414-11ec");
	g_assert_cmpint(id[8] >> 6, ==, 2);
	g_assert_cmpint(id[10] & 1, ==, 1);

	memset(id, 0xff, 16);
	id[6] = 0x1e; /* the carry runs through all three parts */
	uuid1_add(id, 1, next);
	uuid_format(next, text);
	g_assert_cmpstr(text, ==, "00000000-0000-1f00-ffff-ffffffffffff");
	uuid_clock_fini(&c);
}

static uint64_t time_of(const uint8_t id[16])
{
	uint64_t t = 0;
	static const uint8_t order[] = { 6, 7, 4, 5, 0, 1, 2, 3 };

	for (size_t i = 0; i < 8; i++) {
		t = t << 8 | id[order[i]];
	}
	return t;
}

static void test_blocks(void)
{
	uint8_t a[16], b[16], c[16], last[16];
	struct uuid_clock clock;

	uuid_clock_init(&clock, 1);
	uuid_clock_block(&clock, 1000, a);
	uuid_clock_block(&clock, 5, b); /* the clock stood */
	uuid1_add(a, 999, last);
	g_assert_cmpuint(time_of(b), ==, time_of(last) + 1);
	clock_simulate_step(-5 * NS_PER_S); /* a little back: goes on */
	uuid_clock_block(&clock, 1, c);
	g_assert_cmpuint(time_of(c), ==, time_of(b) + 5);
	g_assert_cmpmem(c + 8, 8, a + 8, 8);
	clock_simulate_step(-3600 *
			    NS_PER_S); /* far back: another sequence, time follows the clock */
	uuid_clock_block(&clock, 1, c);
	g_assert_cmpuint(time_of(c), <, time_of(a));
	g_assert_cmpint(memcmp(c + 8, a + 8, 2), !=, 0);
	uuid_clock_fini(&clock);
}

static void test_process(void)
{
	uint8_t a[16], b[16];

	uuid1_block(3, a);
	uuid1_block(3, b);
	g_assert_cmpuint(time_of(b), ==, time_of(a) + 3);
	g_assert_cmpint(a[6] >> 4, ==, 1);
}

/* The example of RFC 9562, appendix A.4. */
static void test_name(void)
{
	uint8_t dns[16], id[16];
	char text[UUID_TEXT];

	g_assert_cmpint(uuid_parse("6ba7b810-9dad-11d1-80b4-00c04fd430c8", dns), ==, 0);
	for (int i = 0; i < 2; i++) { /* the second time with what the thread has */
		uuid5(dns, "www.example.com", 15, id);
		uuid_format(id, text);
		g_assert_cmpstr(text, ==, "2ed6657d-e927-568b-95e1-2665a8aea6a2");
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	clock_simulate(INT64_C(1645557742) * NS_PER_S, 0);
	g_test_add_func("/uuid/text", test_text);
	g_test_add_func("/uuid/refuse", test_refuse);
	g_test_add_func("/uuid/time", test_time);
	g_test_add_func("/uuid/blocks", test_blocks);
	g_test_add_func("/uuid/name", test_name);
	g_test_add_func("/uuid/process", test_process);
	return g_test_run();
}

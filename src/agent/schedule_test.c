/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the times at which polling tasks fall due. */
#include "agent/schedule.h"

#include <glib.h>

#define S INT64_C(1000000000)
#define WALL (INT64_C(1784641000) * S)

static void test_spacing(void)
{
	struct schedule s = { .interval_ns = 10 * S };
	uint64_t missed = 0;
	int64_t last, t;

	schedule_start(&s, "compute-0", 5 * S, WALL);
	last = schedule_next(&s, 5 * S, WALL, &missed);
	/* the first gap is half an interval to one and a half, then always one */
	g_assert_cmpint(last, >, 5 * S + 5 * S - 1);
	g_assert_cmpint(last, <=, 5 * S + 15 * S);
	for (int i = 0; i < 1000; i++) {
		/* the wall clock runs away: nothing changes without align */
		t = schedule_next(&s, last + 3, WALL + i * 7 * S, &missed);
		g_assert_cmpint(t - last, ==, 10 * S);
		last = t;
	}
	g_assert_cmpuint(missed, ==, 0);
}

static void test_phase(void)
{
	uint64_t missed = 0;
	int64_t phase[2][2];

	for (int host = 0; host < 2; host++) {
		for (int start = 0; start < 2; start++) {
			struct schedule s = { .interval_ns = 600 * S };
			int64_t mono = start ? 77 * S : 12345 * S, real = WALL + start * 130 * S;

			schedule_start(&s, host ? "compute-1" : "compute-2", mono, real);
			phase[host][start] =
				(schedule_next(&s, mono, real, &missed) - mono + real) % (600 * S);
		}
	}
	/* a restart keeps the host's phase; another host has another */
	g_assert_cmpint(phase[0][0], ==, phase[0][1]);
	g_assert_cmpint(phase[1][0], ==, phase[1][1]);
	g_assert_cmpint(phase[0][0], !=, phase[1][0]);
}

static void test_in_step(void)
{
	struct schedule s = { .interval_ns = 58 * S };
	uint64_t missed = 0;
	int64_t last = 17 * S + 3;

	schedule_start(&s, NULL, last, WALL + 5);
	for (int i = 0; i < 5; i++) {
		int64_t t = schedule_next(&s, last + i, WALL + i * S, &missed);

		g_assert_cmpint(t - last, ==, 58 * S);
		last = t;
	}
	g_assert_cmpuint(missed, ==, 0);
}

static void test_missed(void)
{
	struct schedule s = { .interval_ns = 10 * S };
	uint64_t missed = 0;
	int64_t a, b;

	schedule_start(&s, "h", 0, WALL);
	a = schedule_next(&s, 0, WALL, &missed);
	b = schedule_next(&s, a + 35 * S, WALL, &missed);
	g_assert_cmpint(b, ==, a + 40 * S);
	g_assert_cmpuint(missed, ==, 3);
}

static void test_align(void)
{
	struct schedule s = { .interval_ns = 60 * S, .align = true };
	uint64_t missed = 0;
	int64_t mono = 1000 * S, real = WALL + 17 * S;

	schedule_start(&s, "h", mono, real);
	for (int i = 0; i < 100; i++) {
		int64_t t = schedule_next(&s, mono, real, &missed);

		g_assert_cmpint((real + (t - mono)) % (60 * S), ==, 0);
		real += t - mono;
		mono = t;
		if (i == 50) { /* somebody sets the clock */
			real += 13 * S;
		}
	}
}

static void test_start_aligned(void)
{
	for (int second = 0; second < 60; second++) {
		struct schedule s = { .interval_ns = 60 * S, .align = true };
		int64_t mono = 1000 * S, real = WALL - WALL % (60 * S) + second * S, t;
		uint64_t missed = 0;

		t = schedule_start_aligned(&s, "h", mono, real);
		g_assert_cmpint(t - mono, ==, (60 - second) * S);
		g_assert_cmpint(schedule_next(&s, t, real + (t - mono), &missed), ==, t + 60 * S);
		g_assert_cmpuint(missed, ==, 0);
	}
}

static void test_slot(void)
{
	int64_t full = WALL - WALL % (60 * S);

	g_assert_cmpint(schedule_slot(60 * S, full), ==, full);
	g_assert_cmpint(schedule_slot(60 * S, full + 59 * S), ==, full);
	/* a clock that is set back a little while one waits */
	g_assert_cmpint(schedule_slot(60 * S, full - S / 4), ==, full);
	g_assert_cmpint(schedule_slot(60 * S, full - S), ==, full - 60 * S);
	g_assert_cmpint(schedule_slot(S, full - S / 4), ==, full - S);
	g_assert_cmpint(schedule_slot(60 * S, -S), ==, -60 * S);
}

static void test_jitter(void)
{
	struct schedule s = { .interval_ns = 10 * S, .jitter_ns = 2 * S };
	struct schedule plain = { .interval_ns = 10 * S };
	uint64_t missed = 0;
	int64_t t = 0, p = 0;
	bool moved = false;

	schedule_start(&s, "h", 0, WALL);
	schedule_start(&plain, "h", 0, WALL);
	for (int i = 0; i < 100; i++) {
		t = schedule_next(&s, t, WALL + t, &missed);
		p = schedule_next(&plain, p, WALL + p, &missed);
		g_assert_cmpint(t, >=, p);
		g_assert_cmpint(t, <=, p + 2 * S);
		moved = moved || t - p > S;
	}
	g_assert_true(moved);
	g_assert_cmpuint(missed, ==, 0);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/schedule/spacing", test_spacing);
	g_test_add_func("/schedule/phase", test_phase);
	g_test_add_func("/schedule/in-step", test_in_step);
	g_test_add_func("/schedule/missed", test_missed);
	g_test_add_func("/schedule/align", test_align);
	g_test_add_func("/schedule/start-aligned", test_start_aligned);
	g_test_add_func("/schedule/slot", test_slot);
	g_test_add_func("/schedule/jitter", test_jitter);
	return g_test_run();
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the record of settled rows: what is confirmed, refused, left; over several attempts. */
#include "model/delivery.h"

#include <glib.h>
#include <string.h>

/* Three batches: 4 rows for publishers 0 and 1, 3 for 1 alone, 5 for 0. */
static const struct vmt_batch batches[3] = {
	{ .name = "cpu", .count = 4, .publishers = 3 },
	{ .name = "memory", .count = 3, .publishers = 2 },
	{ .name = "disk", .count = 5, .publishers = 1 },
};
static const struct vmt_frame frame = { .sequence = 7, .count = 3, .batch = batches };

static void test_confirm(void)
{
	struct vmt_delivery d;
	const struct vmt_rows some[] = { { 0, 1, 2 }, { 2, 0, 5 } }, again = { 0, 0, 3 };
	const struct vmt_rows wrong[] = { { 1, 0, 1 }, { 0, 3, 2 }, { 9, 0, 1 }, { 0, 5, 0 } };

	delivery_init(&d);
	delivery_begin(&d, &frame, 1);
	g_assert_cmpuint(d.total, ==, 9);
	vmt_delivery_confirm(&d, some, 2);
	g_assert_cmpuint(d.confirmed, ==, 7);
	vmt_delivery_confirm(&d, &again, 1); /* one of the three is new */
	g_assert_cmpuint(d.confirmed, ==, 8);
	vmt_delivery_confirm(&d, wrong, 4); /* another's, beyond the end, no batch */
	g_assert_cmpuint(d.confirmed, ==, 8);
	g_assert_true(vmt_delivery_settled(&d, 0, 2));
	g_assert_false(vmt_delivery_settled(&d, 0, 3));
	g_assert_false(vmt_delivery_settled(&d, 0, 4));
	g_assert_false(vmt_delivery_settled(&d, 1, 0));
	delivery_begin(&d, &frame, 1); /* the next attempt knows */
	g_assert_true(vmt_delivery_settled(&d, 0, 2));
	delivery_end(&d);
	delivery_begin(&d, &frame, 1);
	g_assert_false(vmt_delivery_settled(&d, 0, 2));
	delivery_begin(&d, &frame, 2); /* another publisher's rows */
	g_assert_cmpuint(d.total, ==, 7);
	delivery_fini(&d);
}

static void test_refuse(void)
{
	struct vmt_delivery d;
	const struct vmt_rows first[] = { { 0, 0, 2 }, { 2, 4, 1 } }, second = { 2, 0, 5 };

	delivery_init(&d);
	delivery_begin(&d, &frame, 1);
	vmt_delivery_refuse(&d, first, 2, "too large", "{body}", 6);
	g_assert_cmpuint(d.refused, ==, 3);
	vmt_delivery_refuse(&d, first, 2, "too large", "{body}", 6); /* a retry refuses it again */
	g_assert_cmpuint(d.refused, ==, 3);
	g_assert_cmpuint(d.letters, ==, 1);
	vmt_delivery_confirm(&d, &second, 1);
	g_assert_cmpuint(d.confirmed, ==, 4); /* one row of them is refused and stays so */
	delivery_refuse_rest(&d, "no such queue");
	g_assert_cmpuint(d.confirmed + d.refused, ==, d.total);
	g_assert_cmpuint(d.letters, ==, 2);
	g_assert_cmpstr(d.letter[0].reason, ==, "too large");
	g_assert_cmpuint(d.letter[0].rows, ==, 2);
	g_assert_cmpmem(d.bytes.data + d.letter[0].at, d.letter[0].len, "{body}", 6);
	g_assert_cmpuint(d.row[0].batch, ==, 0);
	g_assert_cmpuint(d.row[0].count, ==, 2);
	g_assert_cmpuint(d.row[1].first, ==, 4);
	g_assert_cmpstr(d.letter[1].reason, ==, "no such queue");
	g_assert_cmpuint(d.letter[1].rows, ==, 1);
	g_assert_cmpuint(d.row[d.letter[1].first_row].first, ==, 2);
	g_assert_cmpuint(d.row[d.letter[1].first_row].count, ==, 2);
	delivery_fini(&d);
}

/* However many messages are refused, what is kept of them is bounded, and each row is counted. */
static void test_bounds(void)
{
	enum { ROWS = DELIVERY_LETTERS + 100 };
	const struct vmt_batch many = { .name = "cpu", .count = ROWS, .publishers = 1 };
	const struct vmt_frame f = { .sequence = 1, .count = 1, .batch = &many };
	size_t len = DELIVERY_BYTES / 2 + 1;
	char *big = g_malloc0(len);
	struct vmt_delivery d;

	delivery_init(&d);
	delivery_begin(&d, &f, 1);
	for (uint32_t i = 0; i < ROWS; i++) {
		const struct vmt_rows row = { 0, i, 1 };

		vmt_delivery_refuse(&d, &row, 1, NULL, big, i < 2 ? len : 1);
	}
	g_assert_cmpuint(d.refused, ==, ROWS);
	g_assert_cmpuint(d.letters, ==, DELIVERY_LETTERS);
	g_assert_cmpuint(d.bytes.len, <=, DELIVERY_BYTES);
	g_assert_cmpuint(d.letter[0].len, ==, len);
	g_assert_cmpuint(d.letter[1].len, ==, 0); /* no room for its bytes */
	g_assert_cmpstr(d.letter[1].reason, ==, "refused");
	vmt_delivery_pause(&d, INT64_MAX);
	g_assert_cmpint(d.pause_ns, ==, INT64_C(3600000000000));
	delivery_begin(&d, &f, 1);
	g_assert_cmpint(d.pause_ns, ==, 0);
	delivery_fini(&d);
	g_free(big);
}

/* Without a host, or without a frame, nothing happens. */
static void test_nobody(void)
{
	const struct vmt_rows row = { 0, 0, 1 };
	struct vmt_delivery d;

	vmt_delivery_confirm(NULL, &row, 1);
	vmt_delivery_refuse(NULL, &row, 1, "no", NULL, 0);
	vmt_delivery_pause(NULL, 1);
	vmt_delivery_absorbed(NULL, 1, 1);
	g_assert_false(vmt_delivery_settled(NULL, 0, 0));
	delivery_init(&d);
	vmt_delivery_confirm(&d, &row, 1);
	g_assert_cmpuint(d.confirmed, ==, 0);
	delivery_fini(&d);
}

/* What a store had is of this frame alone, and not more than there is. */
static void test_absorbed(void)
{
	struct vmt_frame next = frame;
	struct vmt_delivery d;

	delivery_init(&d);
	delivery_begin(&d, &frame, 1);
	vmt_delivery_absorbed(&d, 3, 2);
	g_assert_cmpuint(d.repeats, ==, 3);
	g_assert_cmpuint(d.conflicts, ==, 2);
	vmt_delivery_absorbed(&d, d.total - 1, 5);
	g_assert_cmpuint(d.conflicts, ==, 1);
	next.sequence++;
	delivery_begin(&d, &next, 1);
	g_assert_cmpuint(d.repeats + d.conflicts, ==, 0);
	delivery_fini(&d);
}

static void test_messages(void)
{
	static const struct {
		struct vmt_message_shape shape;
		uint64_t bit, messages;
	} cases[] = {
		{ { .mixed = true }, 1, 1 }, /* a file, a request with everything */
		{ { .mixed = true }, 4, 0 },
		{ { .samples = 1 }, 1, 9 }, /* datagrams */
		{ { .samples = 3 }, 1, 2 + 2 }, /* a notification per meter */
		{ { .samples = 3, .mixed = true }, 1, 3 },
		{ { .samples = 3, .copies = 2 }, 1, 8 },
		{ { .samples = 0 }, 2, 2 },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("case %zu", i);
		g_assert_cmpuint(delivery_messages(&cases[i].shape, &frame, cases[i].bit), ==,
				 cases[i].messages);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/delivery/confirm", test_confirm);
	g_test_add_func("/delivery/refuse", test_refuse);
	g_test_add_func("/delivery/bounds", test_bounds);
	g_test_add_func("/delivery/nobody", test_nobody);
	g_test_add_func("/delivery/absorbed", test_absorbed);
	g_test_add_func("/delivery/messages", test_messages);
	return g_test_run();
}

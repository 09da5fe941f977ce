/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the byte form of frames: what goes in comes out, the very bytes of a small frame, and
 * that no damage passes.
 */
#include "base/hash.h"
#include "model/batch.h"

#include <errno.h>
#include <glib.h>
#include <math.h>
#include <string.h>

static struct frame_pool *pool;

static struct resource_head *head(const char *project, const char *text)
{
	struct resource_owner owner = { .project_id = project,
					.user_name = "ü",
					.source = "openstack" };

	return resource_head_new(&owner, text, strlen(text));
}

static void add_batch(struct frame_builder *b, const char *name, struct resource *const *r,
		      size_t count, bool columns)
{
	static const uint8_t id[16] = { 0x17, 0x01, 0xc4, 0x98, 0xe6, 0xd8, 0x11, 0xf1,
					0x96, 0x45, 0x02, 0xfc, 0,    0,    0,    1 };
	struct batch_spec spec = { .name = name,
				   .unit = "B",
				   .type = VMT_DELTA,
				   .kind = VMT_UINT64,
				   .publishers = UINT64_C(0x8000000000000001),
				   .id = id };

	batch_begin(b, &spec, count);
	for (size_t i = 0; i < count; i++) {
		union vmt_num v = { .u = UINT64_MAX - i };

		if (columns && i == 1) {
			v.d = -0.5;
			batch_add_kind(b, r[i], v, VMT_DOUBLE, -7, INT64_MIN);
		} else {
			batch_add(b, r[i], v, 1000, 10);
		}
	}
	batch_end(b);
}

/* What a transformer makes: rows with ids of their own, from which their message ids are derived. */
static void add_made(struct frame_builder *b, struct resource *const *r, uint32_t count)
{
	static const uint8_t ids[3][16] = { { 1, 2, 3 }, { 4, 5, 6 }, { 7, 8, 9 } };
	const struct vmt_resource *resource[] = { &r[1]->public, &r[0]->public };
	const union vmt_num value[] = { { .d = 1.5 }, { .d = 2.5 } };
	struct vmt_batch made = { .name = "made",
				  .unit = "%",
				  .type = VMT_GAUGE,
				  .kind = VMT_DOUBLE,
				  .count = count,
				  .resource = resource,
				  .value = value,
				  .time_ns = 5,
				  .mono_ns = INT64_MIN,
				  .ids = ids,
				  .derived = "sink/0" };

	batch_copy(b, &made, 2);
}

/* Two batches over three resources with two heads, and one that was made. */
static struct frame *example(void)
{
	struct resource_head *a = head("p", "{\"a\":1"), *c = head(NULL, "{\"a\":\"é\"");
	struct resource *r[] = { resource_new(a, "x", "}", 1),
				 resource_new(a, "x-vda", ",\"b\":null}", 10),
				 resource_new(c, "y", "}", 1) };
	struct frame_builder b;
	struct frame *f;

	frame_builder_init(&b, pool);
	frame_begin(&b, VMT_PROFILE_JUNO, 1000, 10);
	add_batch(&b, "plain", r, 2, false);
	add_batch(&b, "instance:m1.ü", r, 3, true);
	add_made(&b, r, 2);
	f = frame_finish(&b);
	f->public.sequence = 77;
	for (size_t i = 0; i < G_N_ELEMENTS(r); i++) {
		resource_unref(r[i]);
	}
	resource_head_unref(a);
	resource_head_unref(c);
	return f;
}

static void same_batch(const struct vmt_batch *x, const struct vmt_batch *y)
{
	g_assert_cmpstr(x->name, ==, y->name);
	g_assert_cmpstr(x->unit, ==, y->unit);
	g_assert_cmpuint(x->type, ==, y->type);
	g_assert_cmpuint(x->kind, ==, y->kind);
	g_assert_cmpuint(x->count, ==, y->count);
	g_assert_cmpint(x->time_ns, ==, y->time_ns);
	g_assert_cmpint(x->mono_ns, ==, y->mono_ns);
	g_assert_cmphex(x->publishers, ==, y->publishers);
	g_assert_cmpmem(x->id, 16, y->id, 16);
	g_assert_true(!x->kinds == !y->kinds && !x->times == !y->times && !x->monos == !y->monos);
	for (uint32_t i = 0; i < x->count; i++) {
		uint8_t mine[16], its[16];

		vmt_batch_id(x, i, mine);
		vmt_batch_id(y, i, its);
		g_assert_cmpmem(mine, 16, its, 16);
		g_assert_cmphex(x->value[i].u, ==, y->value[i].u);
		g_assert_true(!x->kinds || x->kinds[i] == y->kinds[i]);
		g_assert_true(!x->times || x->times[i] == y->times[i]);
		g_assert_true(!x->monos || x->monos[i] == y->monos[i]);
		g_assert_cmpstr(x->resource[i]->id, ==, y->resource[i]->id);
		g_assert_cmphex(x->resource[i]->digest, ==, y->resource[i]->digest);
		g_assert_cmpstr(x->resource[i]->project_id, ==, y->resource[i]->project_id);
		g_assert_null(y->resource[i]->user_id);
		g_assert_cmpstr(y->resource[i]->user_name, ==, "ü");
		g_assert_cmpstr(x->resource[i]->meta_tail, ==, y->resource[i]->meta_tail);
	}
}

static void test_round_trip(void)
{
	struct frame *f = example(), *g = NULL;
	struct buf bytes = BUF_INIT, again = BUF_INIT;
	struct vmt_error error;

	buf_puts(&bytes, "before");
	g_assert_cmpint(frame_encode(f, &bytes), ==, 0);
	g_assert_cmpint(frame_length(bytes.data + 6), ==, bytes.len - 6);
	g_assert_cmpint(frame_decode(pool, bytes.data + 6, bytes.len - 6, &g, &error), ==, 0);
	g_assert_cmpuint(g->public.sequence, ==, 77);
	g_assert_cmpuint(g->public.profile, ==, VMT_PROFILE_JUNO);
	g_assert_cmpuint(g->public.count, ==, 3);
	g_assert_cmpuint(g->rows, ==, 7);
	g_assert_cmpuint(g->heads, ==, 2); /* shared again */
	same_batch(&f->public.batch[0], &g->public.batch[0]);
	same_batch(&f->public.batch[1], &g->public.batch[1]);
	same_batch(&f->public.batch[2], &g->public.batch[2]);
	g_assert_cmpstr(g->public.batch[2].derived, ==, "sink/0");
	frame_unref(f);
	g_assert_cmpint(frame_encode(g, &again), ==, 0);
	g_assert_cmpmem(bytes.data + 6, bytes.len - 6, again.data, again.len);
	frame_unref(g);
	buf_fini(&bytes);
	buf_fini(&again);
}

/* The bytes themselves, so that another machine's, or another release's, are the same. */
static void test_bytes(void)
{
	static const char body[] =
		"\x05\0\0\0\0\0\0\0" /* sequence */
		"\x02\0\0\0" /* profile */
		"\x01\0\0\0\x01\0\0\0\x01\0\0\0" /* heads, resources, batches */
		"\x02\0\0\0p\0\0\0\0\0\0\0\0\x03\0\0\0\xc3\xbc\x0a\0\0\0openstack\x02\0\0\0{"
		"\0\0\0\0\x02\0\0\0x\x02\0\0\0}"
		"\x02\0\0\0n\x02\0\0\0B\x02\x01\x06\0\x02\0\0\0" /* name, unit, type, kind, columns, rows */
		"\xe8\x03\0\0\0\0\0\0\x0a\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\x80" /* times, publishers */
		"\x17\x01\xc4\x98\xe6\xd8\x11\xf1\x96\x45\x02\xfc\0\0\0\x01"
		"\0\0\0\0\0\0\0\0" /* resources */
		"\xff\xff\xff\xff\xff\xff\xff\xff\x01\0\0\0\0\0\0\0" /* values */
		"\xe8\x03\0\0\0\0\0\0\xf9\xff\xff\xff\xff\xff\xff\xff" /* times */
		"\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x80"; /* monotonic times */
	struct resource_head *h = head("p", "{");
	struct resource *r = resource_new(h, "x", "}", 1);
	struct frame_builder b;
	struct buf bytes = BUF_INIT;
	struct frame *f;

	frame_builder_init(&b, pool);
	frame_begin(&b, VMT_PROFILE_26, 1000, 10);
	add_batch(&b, "n", &r, 0, false);
	batch_begin(&b,
		    &(struct batch_spec){
			    .name = "n",
			    .unit = "B",
			    .type = VMT_DELTA,
			    .kind = VMT_UINT64,
			    .publishers = UINT64_C(0x8000000000000001),
			    .id = (const uint8_t *)"\x17\x01\xc4\x98\xe6\xd8\x11\xf1\x96\x45"
						   "\x02\xfc\0\0\0\x01" },
		    2);
	batch_add(&b, r, (union vmt_num){ .u = UINT64_MAX }, 1000, 10);
	batch_add(&b, r, (union vmt_num){ .u = 1 }, -7, INT64_MIN);
	batch_end(&b);
	f = frame_finish(&b);
	f->public.sequence = 5;
	frame_encode(f, &bytes);
	g_assert_cmpmem(bytes.data, 4, "VMFR", 4);
	g_assert_cmpmem(bytes.data + 4, 4, "\x01\0\0\0", 4);
	g_assert_cmpmem(bytes.data + 12, 4, "\x02\0\0\0", 4);
	g_assert_cmpmem(bytes.data + FRAME_HEADER, bytes.len - FRAME_HEADER, body,
			sizeof(body) - 1);
	frame_unref(f);
	resource_unref(r);
	resource_head_unref(h);
	buf_fini(&bytes);
}

static void reseal(char *bytes, size_t len)
{
	uint64_t sum;

	for (int i = 0; i < 4; i++) {
		bytes[8 + i] = (char)((len - FRAME_HEADER) >> (8 * i));
	}
	sum = hash64(bytes + FRAME_HEADER, len - FRAME_HEADER, hash64(bytes, 16, 0));
	for (int i = 0; i < 8; i++) {
		bytes[16 + i] = (char)(sum >> (8 * i));
	}
}

/* Every single changed byte is noticed; every cut too; with a mended checksum it is refused or
 * read, never worse. */
static void test_damage(void)
{
	struct frame *f = example(), *g = NULL;
	struct buf bytes = BUF_INIT;
	struct vmt_error error;
	unsigned refused = 0;

	frame_encode(f, &bytes);
	frame_unref(f);
	for (size_t i = 0; i < bytes.len; i++) {
		char *cut = g_memdup2(bytes.data, i ? i : 1),
		     *changed = g_memdup2(bytes.data, bytes.len);
		int r;

		g_assert_cmpint(frame_decode(pool, cut, i, &g, &error), ==, -EBADMSG);
		if (i >= FRAME_HEADER) {
			reseal(cut, i);
			g_assert_cmpint(frame_decode(pool, cut, i, &g, &error), ==, -EBADMSG);
		}
		changed[i] ^= 0x41;
		g_assert_cmpint(frame_decode(pool, changed, bytes.len, &g, &error), ==, -EBADMSG);
		reseal(changed, bytes.len);
		r = frame_decode(pool, changed, bytes.len, &g, &error);
		refused += r < 0;
		g_assert_true(r == 0 || r == -EBADMSG);
		if (!r) {
			frame_unref(g);
		}
		g_free(cut);
		g_free(changed);
	}
	g_assert_cmpuint(refused, >, 100);
	buf_fini(&bytes);
}

static void refuse(const struct frame *f, size_t at, const char *with, size_t n, const char *reason)
{
	struct buf bytes = BUF_INIT;
	struct frame *g = NULL;
	struct vmt_error error;

	frame_encode(f, &bytes);
	memcpy(bytes.data + at, with, n);
	reseal(bytes.data, bytes.len);
	g_assert_cmpint(frame_decode(pool, bytes.data, bytes.len, &g, &error), ==, -EBADMSG);
	if (!strstr(error.text, reason)) {
		g_error("%s; expected: %s", error.text, reason);
	}
	g_assert_null(g);
	buf_fini(&bytes);
}

/* Counts that would ask for more memory than there are bytes, and values that cannot be. */
static void test_hostile(void)
{
	struct frame *f = example();
	double nan = NAN;

	refuse(f, 12, "\xff\xff\xff\xff", 4, "counts that cannot be");
	refuse(f, FRAME_HEADER + 8, "\x03", 1, "counts that cannot be"); /* profile */
	refuse(f, FRAME_HEADER + 12, "\xff\xff\xff\x7f", 4, "a count beyond its end");
	refuse(f, FRAME_HEADER + 16, "\xff\xff\xff\x7f", 4, "a count beyond its end");
	refuse(f, FRAME_HEADER + 20, "\xff\xff\xff\x7f", 4, "a count beyond its end");
	refuse(f, FRAME_HEADER + 24, "\xff\xff\xff\xff", 4, "cut short"); /* a string */
	refuse(f, FRAME_HEADER + 28, "\xff", 1, "text that is not UTF-8");
	refuse(f, FRAME_HEADER + 28, "\0", 1, "text that is not UTF-8");
	f->value[3].d = nan;
	refuse(f, 0, "V", 1, "a value that is no number");
	f->value[3].d = INFINITY;
	refuse(f, 0, "V", 1, "a value that is no number");
	f->value[3].d = 1;
	f->index[1] = 3;
	refuse(f, 0, "V", 1, "a row without resource");
	f->index[1] = 1;
	f->used_head[0] = 2;
	refuse(f, 0, "V", 1, "a resource without head");
	f->used_head[0] = f->used_head[1] = 1;
	refuse(f, 0, "V", 1, "a head without resources");
	frame_unref(f);
}

/* More bytes than are announced, or fewer rows. */
static void test_left_over(void)
{
	struct frame *f = example(), *g = NULL;
	struct buf bytes = BUF_INIT;
	struct vmt_error error;

	frame_encode(f, &bytes);
	buf_putc(&bytes, 'x');
	reseal(bytes.data, bytes.len);
	g_assert_cmpint(frame_decode(pool, bytes.data, bytes.len, &g, &error), ==, -EBADMSG);
	g_assert_nonnull(strstr(error.text, "left over"));
	refuse(f, 12, "\x08", 1, "left over"); /* one row more than there is */
	refuse(f, 12, "\x06", 1, "rows beyond");
	frame_unref(f);
	buf_fini(&bytes);
}

static void test_length(void)
{
	char header[FRAME_HEADER] = "VMFR\x01\0\0\0\x18";

	g_assert_cmpint(frame_length(header), ==, FRAME_HEADER + 24);
	header[8] = 23;
	g_assert_cmpint(frame_length(header), ==, -EBADMSG);
	memset(header + 8, 0xff, 4);
	g_assert_cmpint(frame_length(header), ==, -EFBIG);
	header[4] = 2;
	g_assert_cmpint(frame_length(header), ==, -EBADMSG);
	header[4] = 1;
	header[0] = 'v';
	g_assert_cmpint(frame_length(header), ==, -EBADMSG);
}

int main(int argc, char **argv)
{
	int r;

	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/model/frame-codec/round-trip", test_round_trip);
	g_test_add_func("/model/frame-codec/bytes", test_bytes);
	g_test_add_func("/model/frame-codec/damage", test_damage);
	g_test_add_func("/model/frame-codec/hostile", test_hostile);
	g_test_add_func("/model/frame-codec/left-over", test_left_over);
	g_test_add_func("/model/frame-codec/length", test_length);
	pool = frame_pool_new(2);
	r = g_test_run();
	frame_pool_free(pool);
	return r;
}

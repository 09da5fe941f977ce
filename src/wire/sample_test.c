/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples against lines that Ceilometer 19.0.0 wrote (tests/golden/sample), and the other profiles against
 * what differs there by the rules.  One thread.
 */
#include "base/hash.h"
#include "base/uuid.h"
#include "wire/sample.h"
#include "wire/sample_fixture.h"

#include <glib.h>
#include <math.h>

static void check_golden(enum sample_form form, const char *expected_name)
{
	char **lines = golden_lines("ceilometer-19.jsonl"),
	     **expected = golden_lines(expected_name);
	struct sample_encoder e;
	struct buf out = BUF_INIT;

	sample_encoder_init(&e, form, VMT_PROFILE_19);
	for (int round = 0; round < 2; round++) { /* again: from what was kept */
		for (int i = 0; lines[i]; i++) {
			struct one o;

			one_init(&o, lines[i]);
			buf_reset(&out);
			sample_encoder_batch(&e, &o.batch);
			sample_encoder_row(&e, 0, &out);
			g_assert_cmpstr(out.data, ==, expected[i]);
			g_assert_cmpuint(strlen(out.data), ==, out.len);
			one_fini(&o);
		}
	}
	sample_encoder_fini(&e);
	buf_fini(&out);
	g_strfreev(lines);
	g_strfreev(expected);
}

static void test_golden_json(void)
{
	check_golden(SAMPLE_JSON, "ceilometer-19.jsonl");
}

static void test_golden_text(void)
{
	check_golden(SAMPLE_PYTEXT, "ceilometer-19.txt");
}

/* ------------------------------------------------------------------ other profiles, hard cases */

#define META_HEAD "{\"display_name\": \"caf\u00e9 \u4e91\", \"n\": null"
#define META_TAIL                                                                                  \
	", \"links\": [{\"rel\": \"it's\"}], \"ok\": true, \"f\": 1.50, \"big\": 18446744073709551615}"

static const struct vmt_resource hard = {
	.id = "r\"1\\\n\x01\u00e9",
	.project_id = "p1",
	.project_name = "Ö",
	.source = "openstack",
	.meta_head = META_HEAD,
	.meta_head_len = sizeof(META_HEAD) - 1,
	.meta_tail = META_TAIL,
	.meta_tail_len = sizeof(META_TAIL) - 1,
	.digest = 1,
};
static const struct vmt_resource bare = { .id = "r2", .source = "s", .digest = 2 };

static const struct vmt_resource *const two[] = { &hard, &bare };

static struct vmt_batch hard_batch(const union vmt_num *value, const uint8_t *kinds)
{
	struct vmt_batch b = {
		.name = "memory.usage",
		.unit = "MB",
		.type = VMT_GAUGE,
		.kind = VMT_DOUBLE,
		.kinds = kinds,
		.count = 2,
		.resource = two,
		.value = value,
		.time_ns = INT64_C(1784642172123456789),
		.mono_ns = INT64_C(98765000000000),
	};

	g_assert_cmpint(uuid_parse("724f9bea-e6d8-11f1-82e3-02fc00000001", b.id), ==, 0);
	return b;
}

static void check(enum sample_form form, enum vmt_profile profile, const struct vmt_batch *b,
		  const char *first, const char *second)
{
	struct sample_encoder e;
	struct buf out = BUF_INIT;

	sample_encoder_init(&e, form, profile);
	sample_encoder_batch(&e, b);
	sample_encoder_row(&e, 0, &out);
	g_assert_cmpstr(out.data, ==, first);
	buf_reset(&out);
	sample_encoder_row(&e, 1, &out);
	g_assert_cmpstr(out.data, ==, second);
	sample_encoder_fini(&e);
	buf_fini(&out);
}

static void test_json_profiles(void)
{
	static const union vmt_num value[] = { { .d = 44.84765625 }, { .d = (double)NAN } };
	struct vmt_batch b = hard_batch(value, NULL);

	check(SAMPLE_JSON, VMT_PROFILE_26, &b,
	      "{\"name\": \"memory.usage\", \"type\": \"gauge\", \"unit\": \"MB\", \"volume\": 44.84765625, "
	      "\"user_id\": null, \"user_name\": null, \"project_id\": \"p1\", \"project_name\": \"Ö\", "
	      "\"resource_id\": \"r\\\"1\\\\\\n\\u0001\u00e9\", \"timestamp\": \"2026-07-21T13:56:12.123456\", "
	      "\"resource_metadata\": " META_HEAD META_TAIL
	      ", \"source\": \"openstack\", \"id\": \"724f9bea-e6d8-11f1-82e3-02fc00000001\", "
	      "\"monotonic_time\": 98765.0}",
	      "{\"name\": \"memory.usage\", \"type\": \"gauge\", \"unit\": \"MB\", \"volume\": null, "
	      "\"user_id\": null, \"user_name\": null, \"project_id\": null, \"project_name\": null, "
	      "\"resource_id\": \"r2\", \"timestamp\": \"2026-07-21T13:56:12.123456\", "
	      "\"resource_metadata\": {}, "
	      "\"source\": \"s\", \"id\": \"724f9beb-e6d8-11f1-82e3-02fc00000001\", "
	      "\"monotonic_time\": 98765.0}");
	check(SAMPLE_JSON, VMT_PROFILE_JUNO, &b,
	      "{\"name\": \"memory.usage\", \"type\": \"gauge\", \"unit\": \"MB\", \"volume\": 44.84765625, "
	      "\"user_id\": null, \"project_id\": \"p1\", "
	      "\"resource_id\": \"r\\\"1\\\\\\n\\u0001\u00e9\", \"timestamp\": \"2026-07-21T13:56:12Z\", "
	      "\"resource_metadata\": " META_HEAD META_TAIL
	      ", \"source\": \"openstack\", \"id\": \"724f9bea-e6d8-11f1-82e3-02fc00000001\"}",
	      "{\"name\": \"memory.usage\", \"type\": \"gauge\", \"unit\": \"MB\", \"volume\": null, "
	      "\"user_id\": null, \"project_id\": null, "
	      "\"resource_id\": \"r2\", \"timestamp\": \"2026-07-21T13:56:12Z\", "
	      "\"resource_metadata\": {}, "
	      "\"source\": \"s\", \"id\": \"724f9beb-e6d8-11f1-82e3-02fc00000001\"}");
}

/* Kinds, times and ages of their own. */
static void test_columns(void)
{
	static const union vmt_num value[] = { { .i = -5 }, { .u = UINT64_MAX } };
	static const uint8_t kinds[] = { VMT_INT64, VMT_UINT64 };
	static const int64_t times[] = { INT64_C(1784642172000000999), INT64_C(-1000) };
	static const int64_t monos[] = { INT64_MIN, INT64_C(123456789) };
	struct vmt_batch b = hard_batch(value, kinds);

	b.times = times;
	b.monos = monos;
	check(SAMPLE_PYTEXT, VMT_PROFILE_26, &b,
	      "{'name': 'memory.usage', 'type': 'gauge', 'unit': 'MB', 'volume': -5, "
	      "'user_id': None, 'user_name': None, 'project_id': 'p1', 'project_name': 'Ö', "
	      "'resource_id': 'r\"1\\\\\\n\\x01\u00e9', 'timestamp': '2026-07-21T13:56:12', "
	      "'resource_metadata': {'display_name': 'caf\u00e9 \u4e91', 'n': None, "
	      "'links': [{'rel': \"it's\"}], 'ok': True, 'f': 1.5, 'big': 18446744073709551615}, "
	      "'source': 'openstack', 'id': '724f9bea-e6d8-11f1-82e3-02fc00000001', "
	      "'monotonic_time': None}",
	      "{'name': 'memory.usage', 'type': 'gauge', 'unit': 'MB', 'volume': 18446744073709551615, "
	      "'user_id': None, 'user_name': None, 'project_id': None, 'project_name': None, "
	      "'resource_id': 'r2', 'timestamp': '1969-12-31T23:59:59.999999', "
	      "'resource_metadata': {}, "
	      "'source': 's', 'id': '724f9beb-e6d8-11f1-82e3-02fc00000001', "
	      "'monotonic_time': 0.123456789}");
	check(SAMPLE_PYTEXT, VMT_PROFILE_JUNO, &b,
	      "{'name': 'memory.usage', 'type': 'gauge', 'unit': 'MB', 'volume': -5, "
	      "'user_id': None, 'project_id': u'p1', "
	      "'resource_id': u'r\"1\\\\\\n\\x01\\xe9', 'timestamp': '2026-07-21T13:56:12Z', "
	      "'resource_metadata': {'display_name': u'caf\\xe9 \\u4e91', 'n': None, "
	      "'links': [{u'rel': u\"it's\"}], 'ok': True, 'f': 1.5, 'big': 18446744073709551615L}, "
	      "'source': 'openstack', 'id': '724f9bea-e6d8-11f1-82e3-02fc00000001'}",
	      "{'name': 'memory.usage', 'type': 'gauge', 'unit': 'MB', 'volume': 18446744073709551615L, "
	      "'user_id': None, 'project_id': None, "
	      "'resource_id': u'r2', 'timestamp': '1969-12-31T23:59:59Z', "
	      "'resource_metadata': {}, "
	      "'source': 's', 'id': '724f9beb-e6d8-11f1-82e3-02fc00000001'}");
}

/* The same pointers may hold other text in the next batch. */
static void test_reused_strings(void)
{
	char user[] = "u1", source[] = "s1";
	struct vmt_resource r = { .id = "r", .user_id = user, .source = source };
	const struct vmt_resource *column[] = { &r, &r };
	static const union vmt_num value[2];
	struct vmt_batch b = hard_batch(value, NULL);
	struct sample_encoder e;
	struct buf out = BUF_INIT;

	b.resource = column;
	sample_encoder_init(&e, SAMPLE_JSON, VMT_PROFILE_19);
	for (int i = 0; i < 2; i++) {
		user[1] = source[1] = (char)('1' + i);
		buf_reset(&out);
		sample_encoder_batch(&e, &b);
		sample_encoder_row(&e, 0, &out);
		sample_encoder_row(&e, 1, &out);
		g_assert_nonnull(strstr(out.data, i ? "\"u2\"" : "\"u1\""));
		g_assert_nonnull(strstr(out.data, i ? "\"s2\"" : "\"s1\""));
		g_assert_null(strstr(out.data, i ? "\"u1\"" : "\"u2\""));
		g_assert_null(strstr(out.data, i ? "\"s1\"" : "\"s2\""));
	}
	sample_encoder_fini(&e);
	sample_encoder_fini(NULL);
	buf_fini(&out);
}

/* More resource versions than the cache of texts holds. */
static void test_cache_limit(void)
{
	enum { VERSIONS = 4000, LENGTH = 3000 };
	static const union vmt_num value[1];
	struct vmt_batch b = hard_batch(value, NULL);
	struct sample_encoder e;
	struct buf out = BUF_INIT;

	b.count = 1;
	sample_encoder_init(&e, SAMPLE_PYTEXT, VMT_PROFILE_19);
	for (int i = 0; i < 2 * VERSIONS; i++) {
		char *json = g_strdup_printf("{\"k\": \"%0*d\"}", LENGTH, i % VERSIONS);
		char *expected = g_strdup_printf("{'k': '%0*d'}", LENGTH, i % VERSIONS);
		struct vmt_resource r = { .id = "r",
					  .source = "s",
					  .meta_head = json,
					  .meta_head_len = (uint32_t)strlen(json),
					  .digest = hash64(json, strlen(json), 0) };
		const struct vmt_resource *column = &r;

		b.resource = &column;
		buf_reset(&out);
		sample_encoder_batch(&e, &b);
		sample_encoder_row(&e, 0, &out);
		g_assert_nonnull(strstr(out.data, expected));
		g_free(json);
		g_free(expected);
	}
	sample_encoder_fini(&e);
	buf_fini(&out);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/sample/golden-json", test_golden_json);
	g_test_add_func("/sample/golden-text", test_golden_text);
	g_test_add_func("/sample/json-profiles", test_json_profiles);
	g_test_add_func("/sample/columns", test_columns);
	g_test_add_func("/sample/reused-strings", test_reused_strings);
	g_test_add_func("/sample/cache-limit", test_cache_limit);
	return g_test_run();
}

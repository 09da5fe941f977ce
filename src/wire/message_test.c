/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages against those that Ceilometer 19.0.0 sent, and the signatures of whole samples that its releases
 * computed (tests/golden/sample).  One thread.
 */
#include "wire/message.h"
#include "wire/message_feed.h"
#include "wire/sample_fixture.h"
#include "wire/signature.h"

#include <errno.h>

#define SECRET "change this for valid signing"

static struct message_encoder *encoder(enum message_form form, enum vmt_profile profile,
				       enum flatten_dialect dialect, const char *secret)
{
	struct message_options o = {
		.form = form, .profile = profile, .dialect = dialect, .secret = secret
	};
	struct message_encoder *e = message_encoder_new(&o);

	g_assert_nonnull(e);
	return e;
}

static void encode_one(struct message_encoder *e, const struct one *o, struct buf *out)
{
	buf_reset(out);
	message_encoder_batch(e, &o->batch);
	g_assert_cmpint(message_encoder_row(e, 0, out), ==, 0);
}

/* Byte for byte what Ceilometer put into its AMQP bodies. */
static void test_golden_json(void)
{
	char **lines = golden_lines("messages-19.jsonl");
	struct message_encoder *e = encoder(MESSAGE_JSON, VMT_PROFILE_19, FLATTEN_PY3, SECRET);
	struct buf out = BUF_INIT;

	for (int round = 0; round < 2; round++) { /* again: from what was kept */
		for (int i = 0; lines[i]; i++) {
			struct one o;

			one_init(&o, lines[i]);
			encode_one(e, &o, &out);
			g_assert_cmpstr(out.data, ==, lines[i]);
			one_fini(&o);
		}
	}
	message_encoder_free(e);
	buf_fini(&out);
	g_strfreev(lines);
}

static void test_golden_msgpack(void)
{
	char **lines = golden_lines("datagrams-19.jsonl"), **hex = golden_lines("datagrams-19.hex");
	struct message_encoder *e = encoder(MESSAGE_MSGPACK, VMT_PROFILE_19, FLATTEN_PY3, SECRET);
	struct buf out = BUF_INIT, text = BUF_INIT;

	for (int i = 0; lines[i]; i++) {
		struct one o;

		one_init(&o, lines[i]);
		encode_one(e, &o, &out);
		buf_reset(&text);
		for (size_t b = 0; b < out.len; b++) {
			buf_printf(&text, "%02x", (unsigned char)out.data[b]);
		}
		g_assert_cmpstr(text.data, ==, hex[i]);
		one_fini(&o);
	}
	message_encoder_free(e);
	buf_fini(&out);
	buf_fini(&text);
	g_strfreev(lines);
	g_strfreev(hex);
}

/* ------------------------------------------------------------------ signatures of whole samples */

static void check_signed(const char *message, const char *secret, enum vmt_profile profile,
			 const char *const expected[FLATTEN_DIALECTS])
{
	struct buf out = BUF_INIT;
	struct one o;

	one_init(&o, message);
	for (int d = 0; d < FLATTEN_DIALECTS; d++) {
		struct message_encoder *e =
			encoder(MESSAGE_JSON, profile, (enum flatten_dialect)d, secret);
		struct one sent;

		encode_one(e, &o, &out);
		one_init(&sent, out.data);
		g_assert_cmpstr(sent.signature, ==, expected[d]);
		one_fini(&sent);
		message_encoder_free(e);
	}
	one_fini(&o);
	buf_fini(&out);
}

static char *member(struct json_reader *object, const char *key)
{
	struct json_reader r = *object;
	struct buf b = BUF_INIT;

	while (json_next(&r) == JSON_KEY) {
		bool found = json_is(&r, key);
		enum json_event event = json_next(&r);

		if (found && event == JSON_STRING) {
			json_text(&r, &b);
			return buf_steal(&b);
		}
		if (found) {
			const char *start = r.start;

			g_assert_cmpint(json_skip(&r, event), ==, 0);
			return g_strndup(start, (gsize)(r.at - start));
		}
		g_assert_cmpint(json_skip(&r, event), ==, 0);
	}
	g_assert_not_reached();
}

/* R1 is a sample of Juno, R2 one of today: vectors of signatures.json. */
static void test_vectors(void)
{
	char *text;
	struct json_reader r;
	gsize len;
	int n = 0;

	g_assert_true(g_file_get_contents(GOLDEN "/sample/signatures.json", &text, &len, NULL));
	json_reader_init(&r, text, len);
	g_assert_cmpint(json_next(&r), ==, JSON_ARRAY);
	while (json_next(&r) == JSON_OBJECT) {
		char *name = member(&r, "name");
		bool juno = strcmp(name, "R1-juno-cpu") == 0;

		if (juno || strcmp(name, "R2-today-disk") == 0) {
			char *message = member(&r, "message"), *secret = member(&r, "secret");
			char *expected[] = {
				[FLATTEN_PY3] = member(&r, "sig_py3_today"),
				[FLATTEN_PY2] = member(&r, "sig_py2_2014.2.1_plus"),
				[FLATTEN_PY2_2014_2_0] = member(&r, "sig_py2_2014.2.0"),
			};

			check_signed(message, secret, juno ? VMT_PROFILE_JUNO : VMT_PROFILE_26,
				     (const char *const *)expected);
			for (size_t i = 0; i < G_N_ELEMENTS(expected); i++) {
				g_free(expected[i]);
			}
			g_free(message);
			g_free(secret);
			n++;
		}
		g_free(name);
		g_assert_cmpint(json_skip(&r, JSON_OBJECT), ==, 0);
	}
	g_assert_cmpint(n, ==, 2);
	g_free(text);
}

/* ------------------------------------------------------------------ all forms, hard cases */

#define META_HEAD "{\"z\": [\"it's\", {\"b\": 0.1, \"a\": null}], \"f\": 0.30000000000000004"
#define META_TAIL ", \"caf\u00e9\": \"\u4e91\", \"e\": {}, \"message_signature\": \"kept\"}"

static struct vmt_resource hard = {
	.id = "r\"1\\\n\u00e9",
	.project_id = "p1",
	.project_name = "\u00d6",
	.source = "openstack",
	.meta_head = META_HEAD,
	.meta_head_len = sizeof(META_HEAD) - 1,
	.meta_tail = META_TAIL,
	.meta_tail_len = sizeof(META_TAIL) - 1,
	.digest = 1,
};
static struct vmt_resource bare = { .id = "r2", .source = "s", .digest = 2 };
static const struct vmt_resource *const two[] = { &hard, &bare };

static struct vmt_batch hard_batch(const union vmt_num *value, const uint8_t *kinds)
{
	struct vmt_batch b = { .name = "memory.usage",
			       .type = VMT_GAUGE,
			       .kind = VMT_DOUBLE,
			       .kinds = kinds,
			       .count = 2,
			       .resource = two,
			       .value = value,
			       .time_ns = INT64_C(1784642172123456789),
			       .mono_ns = INT64_C(98765432101234) };

	g_assert_cmpint(uuid_parse("724f9bea-e6d8-11f1-82e3-02fc00000001", b.id), ==, 0);
	return b;
}

/* What is sent, read as JSON and signed the long way round, has the signature that was sent. */
static void check_resigned(enum vmt_profile profile, enum flatten_dialect dialect,
			   const struct vmt_batch *b, uint32_t row)
{
	struct message_options o = { .form = MESSAGE_JSON,
				     .profile = profile,
				     .dialect = dialect,
				     .secret = "s\u00e9cret",
				     .publisher_id = "cmp-\"01\"" };
	struct message_encoder *e = message_encoder_new(&o);
	struct signer *signer = signer_new(dialect, o.secret);
	char text[SIGNATURE_TEXT], *end;
	struct buf out = BUF_INIT;

	message_encoder_batch(e, b);
	g_assert_cmpint(message_encoder_row(e, row, &out), ==, 0);
	g_assert_cmpint(signer_sign(signer, out.data, out.len, text), ==, 0);
	end = g_strdup_printf(
		"\"publisher_id\": \"cmp-\\\"01\\\"\", \"message_signature\": \"%s\"}", text);
	g_assert_true(g_str_has_suffix(out.data, end));
	g_free(end);
	signer_free(signer);
	message_encoder_free(e);
	buf_fini(&out);
}

static void test_signed_as_read(void)
{
	static const union vmt_num doubles[] = { { .d = 44.84765625 },
						 { .d = 1234567.8901234567 } };
	static const union vmt_num integers[] = { { .i = -5 }, { .u = UINT64_MAX } };
	static const uint8_t kinds[] = { VMT_INT64, VMT_UINT64 };
	static const int64_t times[] = { INT64_C(1784642172000000999), INT64_C(-1000) };
	static const int64_t monos[] = { INT64_MIN, INT64_C(123456789123456) };

	for (int p = VMT_PROFILE_JUNO; p <= VMT_PROFILE_26; p++) {
		for (int d = 0; d < FLATTEN_PY2_2014_2_0; d++) {
			struct vmt_batch plain = hard_batch(doubles, NULL);
			struct vmt_batch columns = hard_batch(integers, kinds);

			columns.times = times;
			columns.monos = monos;
			for (uint32_t row = 0; row < 2; row++) {
				check_resigned((enum vmt_profile)p, (enum flatten_dialect)d, &plain,
					       row);
				check_resigned((enum vmt_profile)p, (enum flatten_dialect)d,
					       &columns, row);
			}
		}
	}
}

/* Rows that are signed two by two are those that are signed one by one, however many there are, and whatever
 * is refused between them. */
static void check_pairs(struct message_encoder *e, const struct vmt_batch *b, unsigned order,
			unsigned count)
{
	struct buf one = BUF_INIT, two_by_two = BUF_INIT, other = BUF_INIT;

	message_encoder_batch(e, b);
	for (unsigned i = 0; i < count; i++) {
		message_encoder_row(e, order >> i & 1, &one);
	}
	for (unsigned i = 0; i < count; i++) {
		message_encoder_put(e, order >> i & 1, i == 1 ? &other : &two_by_two);
		if (i == 0 && order & 1) { /* by itself, and then begun anew */
			message_encoder_finish(e);
		}
		if (i == 1) {
			message_encoder_finish(e);
			buf_add(&two_by_two, other.data, other.len);
		}
	}
	message_encoder_finish(e);
	message_encoder_finish(e);
	g_assert_cmpmem(one.data, one.len, two_by_two.data, two_by_two.len);
	buf_fini(&one);
	buf_fini(&two_by_two);
	buf_fini(&other);
}

static void test_pairs(void)
{
	static const union vmt_num good[] = { { .d = 44.84765625 }, { .d = 1e300 } };
	static const union vmt_num half[] = { { .d = 0.1 }, { .d = (double)INFINITY } };
	static const char *const secrets[] = { "s\u00e9cret", "" };

	for (int form = MESSAGE_JSON; form <= MESSAGE_MSGPACK_RAW; form++) {
		for (int d = 0; d < FLATTEN_PY2_2014_2_0 * 2; d++) {
			struct message_encoder *e = encoder((enum message_form)form, VMT_PROFILE_26,
							    (enum flatten_dialect)(d / 2),
							    secrets[d % 2]);
			struct vmt_batch plain = hard_batch(good, NULL);
			struct vmt_batch refused = hard_batch(half, NULL);

			for (unsigned order = 0; order < 32; order++) {
				check_pairs(e, &plain, order, order % 6);
				check_pairs(e, &refused, order, order % 6);
			}
			message_encoder_free(e);
		}
	}
}

/* A frame's messages, all signed when the feed is finished, and after one that was given up. */
static void test_feed(void)
{
	static const union vmt_num good[] = { { .d = 1 }, { .d = 2 } };
	static const union vmt_num half[] = { { .d = 3 }, { .d = (double)INFINITY } };
	struct message_encoder *e = encoder(MESSAGE_JSON, VMT_PROFILE_26, FLATTEN_PY3, SECRET);
	struct vmt_batch batches[] = { hard_batch(good, NULL), hard_batch(half, NULL),
				       hard_batch(good, NULL) };
	const struct vmt_frame frame = { .count = 3, .batch = batches };
	struct buf one = BUF_INIT, fed = BUF_INIT;
	struct message_feed feed;
	struct vmt_rows row;

	batches[0].publishers = batches[1].publishers = 1;
	for (int b = 0; b < 2; b++) {
		message_encoder_batch(e, &batches[b]);
		for (uint32_t i = 0; i < 2; i++) {
			message_encoder_row(e, i, &one);
		}
	}
	message_feed_init(&feed, e, &frame, 1, NULL);
	buf_puts(&fed, "before");
	g_assert_cmpint(message_feed_next(&feed, &fed, &row), ==, 1);
	buf_reset(&fed);
	message_feed_init(&feed, e, &frame, 1, NULL);
	for (uint32_t i = 0; i < 3; i++) {
		g_assert_cmpint(message_feed_next(&feed, &fed, &row), ==, 1);
		g_assert_cmpuint(row.batch * 2 + row.first, ==, i);
	}
	g_assert_cmpint(message_feed_next(&feed, &fed, &row), ==, 0);
	message_feed_finish(&feed);
	g_assert_cmpmem(one.data, one.len, fed.data, fed.len);
	message_encoder_free(e);
	buf_fini(&one);
	buf_fini(&fed);
}

static void test_unsigned(void)
{
	static const union vmt_num value[2];
	struct vmt_batch b = hard_batch(value, NULL);
	struct message_encoder *e = encoder(MESSAGE_JSON, VMT_PROFILE_JUNO, FLATTEN_PY3, "");
	struct buf out = BUF_INIT;

	message_encoder_batch(e, &b);
	g_assert_cmpint(message_encoder_row(e, 1, &out), ==, 0);
	g_assert_cmpstr(
		out.data, ==,
		"{\"source\": \"s\", \"counter_name\": \"memory.usage\", "
		"\"counter_type\": \"gauge\", \"counter_unit\": \"\", \"counter_volume\": 0.0, "
		"\"user_id\": null, \"project_id\": null, \"resource_id\": \"r2\", "
		"\"timestamp\": \"2026-07-21T13:56:12Z\", \"resource_metadata\": {}, "
		"\"message_id\": \"724f9beb-e6d8-11f1-82e3-02fc00000001\", "
		"\"message_signature\": \"\"}");
	message_encoder_free(e);
	buf_fini(&out);
}

/* The older msgpack: the same message, no byte of str8 (0xd9). */
static void test_raw(void)
{
	char **lines = golden_lines("datagrams-19.jsonl");
	struct message_encoder *e =
		encoder(MESSAGE_MSGPACK_RAW, VMT_PROFILE_JUNO, FLATTEN_PY2, SECRET);
	struct buf out = BUF_INIT;
	struct one o;

	one_init(&o, lines[0]);
	encode_one(e, &o, &out);
	g_assert_cmpint((unsigned char)out.data[0], ==, 0x8c);
	g_assert_cmpmem(out.data + out.len - 67, 3, "\xda\0\x40", 3);
	g_assert_null(memchr(out.data, 0xd9, out.len));
	g_assert_nonnull(memmem(out.data, out.len, "message_id\xda", 11));
	one_fini(&o);
	message_encoder_free(e);
	buf_fini(&out);
	g_strfreev(lines);
}

static void test_refused(void)
{
	static const struct {
		const char *metadata, *id, *user, *name;
		double value;
		int py3, py2_old, packed;
	} rows[] = {
		{ "{\"a\": 1}", "r", NULL, "m", 1, 0, 0, 0 },
		{ "{\"a\": 1}", "r", NULL, "m", (double)INFINITY, -EDOM, -EDOM, -EDOM },
		{ "{\"a\": 1", "r", NULL, "m", 1, -EBADMSG, -EBADMSG, -EBADMSG },
		{ "[]", "r", NULL, "m", 1, -EBADMSG, -EBADMSG, -EBADMSG },
		{ "{\"a\": NaN}", "r", NULL, "m", 1, -EBADMSG, -EBADMSG, -EBADMSG },
		{ "{}", "r\xff", NULL, "m", 1, -EBADMSG, -EBADMSG, -EBADMSG },
		{ "{}", NULL, NULL, "m", 1, -EBADMSG, -EBADMSG, -EBADMSG },
		{ "{}", "r", "u\xc0", "m", 1, -EBADMSG, -EBADMSG, -EBADMSG },
		{ "{}", "r", NULL, "", 1, -EBADMSG, -EBADMSG, -EBADMSG },
		{ "{}", "r", NULL, NULL, 1, -EBADMSG, -EBADMSG, -EBADMSG },
		{ "{\"\u00e9\": 1}", "r", NULL, "m", 1, 0, -EILSEQ, 0 },
		{ "{\"a\": 18446744073709551616}", "r", NULL, "m", 1, 0, 0, -ERANGE },
	};
	struct message_encoder *e[] = {
		encoder(MESSAGE_JSON, VMT_PROFILE_26, FLATTEN_PY3, SECRET),
		encoder(MESSAGE_JSON, VMT_PROFILE_26, FLATTEN_PY2_2014_2_0, SECRET),
		encoder(MESSAGE_MSGPACK, VMT_PROFILE_26, FLATTEN_PY3, SECRET),
	};
	struct buf out = BUF_INIT;

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct vmt_resource r = { .id = rows[i].id,
					  .user_id = rows[i].user,
					  .source = "s",
					  .meta_head = rows[i].metadata,
					  .meta_head_len = (uint32_t)strlen(rows[i].metadata),
					  .digest = 100 + i };
		const struct vmt_resource *column[] = { &r, &r };
		union vmt_num value[] = { { .d = rows[i].value }, { .d = rows[i].value } };
		struct vmt_batch b = hard_batch(value, NULL);
		const int expected[] = { rows[i].py3, rows[i].py2_old, rows[i].packed };

		b.resource = column;
		b.name = rows[i].name;
		for (size_t n = 0; n < G_N_ELEMENTS(e); n++) {
			message_encoder_batch(e[n], &b);
			for (uint32_t row = 0; row < 2; row++) { /* then from what was kept */
				buf_reset(&out);
				buf_puts(&out, "kept");
				g_assert_cmpint(message_encoder_row(e[n], row, &out), ==,
						expected[n]);
				g_assert_true(expected[n] == 0 || strcmp(out.data, "kept") == 0);
			}
			if (expected[n]) {
				g_assert_cmpuint(strlen(message_refusal(expected[n])), >, 10);
			}
		}
	}
	for (size_t n = 0; n < G_N_ELEMENTS(e); n++) {
		message_encoder_free(e[n]);
	}
	message_encoder_free(NULL);
	buf_fini(&out);
}

static void test_dialects(void)
{
	g_assert_cmpint(message_dialect(VMT_PROFILE_JUNO), ==, FLATTEN_PY2);
	g_assert_cmpint(message_dialect(VMT_PROFILE_19), ==, FLATTEN_PY3);
	g_assert_cmpint(message_dialect(VMT_PROFILE_26), ==, FLATTEN_PY3);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/message/golden-json", test_golden_json);
	g_test_add_func("/message/golden-msgpack", test_golden_msgpack);
	g_test_add_func("/message/vectors", test_vectors);
	g_test_add_func("/message/signed-as-read", test_signed_as_read);
	g_test_add_func("/message/pairs", test_pairs);
	g_test_add_func("/message/feed", test_feed);
	g_test_add_func("/message/unsigned", test_unsigned);
	g_test_add_func("/message/raw", test_raw);
	g_test_add_func("/message/refused", test_refused);
	g_test_add_func("/message/dialects", test_dialects);
	return g_test_run();
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading what Ceilometer 19.0.0 sent (tests/golden/received, tests/golden/sample): encoded again it is the same,
 * byte for byte, signatures and all.  And what must be refused, reason by reason.  One thread.
 */
#include "wire/message.h"
#include "wire/message_read.h"
#include "wire/pack.h"
#include "wire/sample_fixture.h"
#include "wire/signature.h"

#include <errno.h>

#define SECRET "change this for valid signing"
#define DAY_NS (INT64_C(86400) * 1000000000)

static int64_t now_ns; /* shortly after the goldens were made */

struct bench {
	struct message_reader *reader;
	struct message_tally tally;
	struct frame_pool *pool;
	struct frame_builder builder;
};

static void bench_init(struct bench *b, const struct message_read_options *o)
{
	*b = (struct bench){ .reader = message_reader_new(o), .pool = frame_pool_new(1) };
	g_assert_nonnull(b->reader);
	frame_builder_init(&b->builder, b->pool);
}

static void bench_open(struct bench *b)
{
	bench_init(b, &(struct message_read_options){ .secret = SECRET, .bytes_max = 1 << 20 });
}

static void bench_fini(struct bench *b)
{
	message_reader_free(b->reader);
	frame_builder_fini(&b->builder);
	frame_pool_free(b->pool);
}

static int read_text(struct bench *b, const char *text)
{
	return message_read_json(b->reader, text, strlen(text), now_ns, &b->tally);
}

static struct frame *take_frame(struct bench *b)
{
	return message_reader_frame(b->reader, &b->builder, VMT_PROFILE_19, now_ns);
}

static uint64_t rejected(const struct bench *b)
{
	uint64_t n = 0;

	for (int i = 0; i < MESSAGE_REJECTS; i++) {
		n += b->tally.rejected[i];
	}
	return n;
}

/* The frame's samples as Ceilometer writes them, one behind the other. */
static char *encode(const struct frame *f, enum message_form form, const char *secret)
{
	struct message_options o = { .form = form, .profile = VMT_PROFILE_19, .secret = secret };
	struct message_encoder *e = message_encoder_new(&o);
	struct buf out = BUF_INIT;

	for (size_t i = 0; i < f->public.count; i++) {
		message_encoder_batch(e, &f->public.batch[i]);
		for (uint32_t row = 0; row < f->public.batch[i].count; row++) {
			buf_puts(&out, out.len ? ", " : "");
			g_assert_cmpint(message_encoder_row(e, row, &out), ==, 0);
		}
	}
	message_encoder_free(e);
	return buf_steal(&out);
}

/* ------------------------------------------------------------------ goldens */

static char **received_lines(const char *name)
{
	char *path = g_build_filename(GOLDEN, "received", name, NULL), *text, **lines;

	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	lines = g_strsplit(g_strchomp(text), "\n", -1);
	g_free(path);
	g_free(text);
	return lines;
}

/* The list of samples within a body. */
static char *list_within(const char *body)
{
	struct json_reader r;
	struct buf inner = BUF_INIT;
	char *from, *to, *list;

	json_reader_init(&r, body, strlen(body));
	while (json_next(&r) > JSON_END && !json_is(&r, "oslo.message")) {
	}
	if (json_next(&r) == JSON_STRING) {
		json_text(&r, &inner);
	} else {
		buf_puts(&inner, body);
	}
	from = strstr(inner.data, "[{\"source\"");
	to = g_strrstr(inner.data, "}]");
	g_assert_true(from && to && from < to);
	list = g_strndup(from + 1, (size_t)(to - from));
	buf_fini(&inner);
	return list;
}

static void check_bodies(const char *file, const char *secret)
{
	char **lines = received_lines(file);
	struct bench b;

	bench_init(&b, &(struct message_read_options){ .secret = secret, .bytes_max = 1 << 20 });
	for (int round = 0; round < 2; round++) { /* again: with resources that are known */
		for (int i = 0; lines[i]; i++) {
			struct frame *f;
			char *list = list_within(lines[i]), *again;

			g_assert_cmpint(read_text(&b, lines[i]), ==, 0);
			f = take_frame(&b);
			g_assert_nonnull(f);
			g_assert_cmpuint(f->public.count, ==, 1);
			again = encode(f, MESSAGE_JSON, secret);
			g_assert_cmpstr(again, ==, list);
			frame_unref(f);
			g_free(list);
			g_free(again);
		}
	}
	g_assert_cmpuint(rejected(&b), ==, 0);
	g_assert_cmpuint(b.tally.taken, >, 3);
	g_assert_null(take_frame(&b));
	bench_fini(&b);
	g_strfreev(lines);
}

static void test_bodies(void)
{
	check_bodies("polling-19.jsonl", SECRET);
	check_bodies("notifier-19.jsonl", SECRET);
	check_bodies("bare-unsigned-19.jsonl", "");
}

/* All datagrams in one frame: a batch for each meter, and no sample is lost or twice. */
static void test_datagrams(void)
{
	char **lines = golden_lines("datagrams-19.jsonl"), **hex = golden_lines("datagrams-19.hex");
	struct bench b;
	struct frame *f;
	char *all;
	unsigned n = 0;

	bench_open(&b);
	for (int i = 0; hex[i]; i++, n++) {
		struct buf bytes = BUF_INIT;

		for (const char *p = hex[i]; *p; p += 2) {
			buf_putc(&bytes, (char)(g_ascii_xdigit_value(p[0]) << 4 |
						g_ascii_xdigit_value(p[1])));
		}
		g_assert_cmpint(message_read_msgpack(b.reader, bytes.data, bytes.len, now_ns,
						     &b.tally),
				==, 0);
		buf_fini(&bytes);
	}
	g_assert_cmpuint(message_reader_rows(b.reader), ==, n);
	f = take_frame(&b);
	g_assert_cmpuint(f->rows, ==, n);
	for (size_t i = 0; i < f->public.count; i++) {
		for (size_t k = 0; k < i; k++) {
			g_assert_cmpstr(f->public.batch[i].name, !=, f->public.batch[k].name);
		}
	}
	all = encode(f, MESSAGE_JSON, SECRET);
	for (int i = 0; lines[i]; i++) {
		g_assert_nonnull(strstr(all, lines[i]));
	}
	frame_unref(f);
	bench_fini(&b);
	g_free(all);
	g_strfreev(lines);
	g_strfreev(hex);
}

/* ------------------------------------------------------------------ shapes */

#define SAMPLE_OF(name_, volume_, time_, more_)                                                    \
	"{\"source\": \"openstack\", \"counter_name\": \"" name_                                   \
	"\", \"counter_type\": \"gauge\", \"counter_unit\": \"B\", \"counter_volume\": " volume_   \
	", \"user_id\": null, \"project_id\": \"p\", \"resource_id\": \"r\", \"timestamp\": "      \
	"\"" time_ "\", \"resource_metadata\": {\"k\": \"caf\\u00e9\"}, "                          \
	"\"message_id\": \"0b3f1b9e-6609-11f1-8f0a-525400abcdef\"" more_ "}"
#define TIME "2026-11-23T00:52:00.5"
#define SAMPLE SAMPLE_OF("m", "1", TIME, "")

static void bench_lax(struct bench *b)
{
	bench_init(b, &(struct message_read_options){ .secret = SECRET,
						      .accept_unsigned = true,
						      .keep_ns = 7 * DAY_NS,
						      .bytes_max = 1 << 20 });
}

static void test_shapes(void)
{
	static const struct {
		const char *text;
		unsigned samples;
	} shapes[] = {
		{ SAMPLE, 1 },
		{ "[" SAMPLE ", " SAMPLE "]", 2 },
		{ "[]", 0 },
		{ "{\"method\": \"record_metering_data\", \"version\": \"1.0\", \"args\": {\"data\": " SAMPLE
		  "}}",
		  1 },
		{ "{\"args\": {\"data\": [" SAMPLE ", " SAMPLE
		  "]}, \"method\": \"record_metering_data\", \"_context_user\": null}",
		  2 },
		{ "{\"event_type\": \"metering\", \"payload\": [" SAMPLE "]}", 1 },
		{ "{\"event_type\": \"telemetry.polling\", \"payload\": {\"samples\": [" SAMPLE
		  "]}}",
		  1 },
	};
	struct bench b;
	uint64_t taken = 0;

	bench_lax(&b);
	for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++) {
		struct buf outer = BUF_INIT;
		struct json_writer w;

		g_assert_cmpint(read_text(&b, shapes[i].text), ==, 0);
		taken += shapes[i].samples;
		g_assert_cmpuint(b.tally.taken, ==, taken);
		if (shapes[i].text[0] == '[') {
			continue;
		}
		json_writer_init(&w, &outer);
		json_begin_object(&w);
		json_key(&w, "oslo.version");
		json_put_text(&w, "2.0");
		json_key(&w, "oslo.message");
		json_put_text(&w, shapes[i].text);
		json_end_object(&w);
		g_assert_cmpint(read_text(&b, outer.data), ==, 0);
		taken += shapes[i].samples;
		g_assert_cmpuint(b.tally.taken, ==, taken);
		buf_fini(&outer);
	}
	g_assert_cmpuint(rejected(&b), ==, 0);
	bench_fini(&b);
}

/* Two of one meter, of different kinds and times, and one of another: two batches, the columns that are needed. */
static void test_columns(void)
{
	struct bench b;
	struct frame *f;
	const struct vmt_batch *m;

	bench_lax(&b);
	g_assert_cmpint(
		read_text(
			&b,
			"[" SAMPLE
			", " SAMPLE_OF("n", "-5", TIME, ", \"monotonic_time\": 2.5") ", " SAMPLE_OF(
				"m", "0.25", "2026-11-23 00:51:00Z", "") "]"),
		==, 0);
	f = take_frame(&b);
	g_assert_cmpuint(f->public.count, ==, 2);
	m = &f->public.batch[0];
	g_assert_cmpstr(m->name, ==, "m");
	g_assert_cmpuint(m->count, ==, 2);
	g_assert_cmpuint(m->kinds[0], ==, VMT_UINT64);
	g_assert_cmpuint(m->kinds[1], ==, VMT_DOUBLE);
	g_assert_cmpuint(m->value[0].u, ==, 1);
	g_assert_cmpfloat(m->value[1].d, ==, 0.25);
	g_assert_cmpint(m->times[0] - m->times[1], ==, INT64_C(60500000000));
	g_assert_null(m->monos);
	g_assert_true(m->resource[0] == m->resource[1]);
	g_assert_cmpstr(m->resource[0]->meta_tail, ==, "\"k\": \"caf\303\251\"}");
	g_assert_null(m->resource[0]->user_id);
	m = &f->public.batch[1];
	g_assert_cmpstr(m->name, ==, "n");
	g_assert_cmpuint(m->kind, ==, VMT_INT64);
	g_assert_cmpint(m->value[0].i, ==, -5);
	g_assert_cmpint(m->mono_ns, ==, 2500000000);
	g_assert_null(m->times);
	frame_unref(f);
	bench_fini(&b);
}

/* ------------------------------------------------------------------ signatures */

/* The samples that releases of Ceilometer signed, in each of the three dialects. */
static void check_vector(const char *name, const char *secret)
{
	char *found = NULL, *text, *start, *end;
	gboolean got = g_file_get_contents(GOLDEN "/sample/signatures.json", &text, NULL, NULL);
	struct bench b;

	g_assert_true(got);
	bench_init(&b, &(struct message_read_options){ .secret = secret, .bytes_max = 1 << 20 });
	for (int d = 0; d < FLATTEN_DIALECTS; d++) {
		struct signer *s = signer_new((enum flatten_dialect)d, secret);
		char right[SIGNATURE_TEXT];
		struct json_reader r;

		start = strstr(text, name);
		start = strstr(start, "\"message\": ") + strlen("\"message\": ");
		json_reader_init(&r, start, strlen(start));
		g_assert_cmpint(json_skip(&r, json_next(&r)), ==, 0);
		end = start + (r.at - start);
		found = g_strndup(start, (size_t)(end - start));
		g_assert_cmpint(signer_sign(s, found, strlen(found), right), ==, 0);
		g_assert_nonnull(strstr(end, right)); /* it is Ceilometer's own */
		found[strlen(found) - 1] = '\0';
		start = g_strdup_printf("%s, \"message_signature\": \"%s\"}", found, right);
		g_assert_cmpint(read_text(&b, start), ==, 0);
		start[strlen(start) - 3] ^= 1;
		g_assert_cmpint(read_text(&b, start), ==, -EBADMSG);
		g_free(found);
		g_free(start);
		signer_free(s);
	}
	g_assert_cmpuint(b.tally.taken, ==, FLATTEN_DIALECTS);
	g_assert_cmpuint(b.tally.rejected[REJECT_SIGNATURE], ==, FLATTEN_DIALECTS);
	bench_fini(&b);
	g_free(text);
}

static void test_dialects(void)
{
	check_vector("R1-juno-cpu", "change this or be hacked");
	check_vector("R2-today-disk", SECRET);
}

/* The sample, signed.  The caller frees it. */
static char *sign_sample(enum flatten_dialect dialect, const char *sample)
{
	struct signer *s = signer_new(dialect, SECRET);
	char right[SIGNATURE_TEXT], *text;

	g_assert_cmpint(signer_sign(s, sample, strlen(sample), right), ==, 0);
	text = g_strdup_printf("%.*s, \"message_signature\": \"%s\"}", (int)strlen(sample) - 1,
			       sample, right);
	signer_free(s);
	return text;
}

#define ABOUT(id_, metadata_, more_)                                                               \
	"{\"source\": \"openstack\", \"counter_name\": \"m\", \"counter_type\": \"gauge\", "       \
	"\"counter_unit\": null, \"counter_volume\": 0.1000000000000000055, "                      \
	"\"monotonic_time\": 1e3, \"user_id\": null, \"project_id\": \"caf\\u00e9\", "             \
	"\"resource_id\": \"" id_ "\", \"timestamp\": \"" TIME                                     \
	"\", \"resource_metadata\": " metadata_                                                    \
	", \"message_id\": \"0b3f1b9e-6609-11f1-8f0a-525400abcdef\"" more_ "}"
#define META(value_)                                                                               \
	"{\"n\": {\"b\": [1.50, \"x\", {}], \"a\": \"" value_                                      \
	"\"}, \"e\": \"caf\\u00e9\", \"f\": 1.10}"

/* Metadata that came before, whole or in part, under whichever name and in whichever order: signatures hold as those of
 * what never came before do, and what is taken is what was sent. */
static void test_known(void)
{
	static const struct {
		const char *sample, *id, *tail;
	} rows[] = {
#define TAIL(value_)                                                                               \
	"\"n\": {\"b\": [1.50, \"x\", {}], \"a\": \"" value_                                       \
	"\"}, \"e\": \"caf\303\251\", \"f\": 1.10}"
		{ ABOUT("r", META("one"), ""), "r", TAIL("one") },
		{ ABOUT("r", META("two"), ""), "r", TAIL("two") },
		{ ABOUT("r", META("three"), ""), "r", TAIL("three") },
		{ ABOUT("r", "{}", ""), "r", "}" },
		{ ABOUT("q", META("one"), ""), "q", TAIL("one") },
		/* known under the name that came first */
		{ ABOUT("r", META("one"), ", \"resource_id\": \"q\""), "q", TAIL("one") },
		{ ABOUT("r", META("one"), ", \"resource_id\": \"new\""), "new", TAIL("one") },
		{ ABOUT("r", META("one"), ", \"resource_metadata\": {\"k\": 1}"), "r",
		  "\"k\": 1}" },
		{ ABOUT("r", META("one"), ", \"user_name\": \"u\""), "r", TAIL("one") },
		{ ABOUT("r", META("one"), ", \"more\": [1]"), "r", TAIL("one") },
		{ ABOUT("r", "{\"more\": 1}", ""), "r", "\"more\": 1}" },
		{ ABOUT("r", "{\"more\": 12}", ""), "r", "\"more\": 12}" },
	};
	struct bench b;
	uint64_t taken = 0, refused = 0;

	bench_open(&b);
	for (int round = 0; round < 3 * FLATTEN_DIALECTS; round++) {
		for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
			char *text = sign_sample((enum flatten_dialect)(round / 3), rows[i].sample);
			struct frame *f;

			g_test_message("round %d, %s", round, text);
			g_assert_cmpint(read_text(&b, text), ==, 0);
			g_assert_cmpuint(b.tally.taken, ==, ++taken);
			f = take_frame(&b);
			g_assert_cmpstr(f->public.batch[0].resource[0]->id, ==, rows[i].id);
			g_assert_cmpstr(f->public.batch[0].resource[0]->meta_tail, ==,
					rows[i].tail);
			frame_unref(f);
			strstr(text, "0.1")[0] = '1';
			g_assert_cmpint(read_text(&b, text), ==, -EBADMSG);
			g_assert_cmpuint(b.tally.rejected[REJECT_SIGNATURE], ==, ++refused);
			g_free(text);
		}
	}
	bench_fini(&b);
}

#define NTH(name_, volume_)                                                                        \
	"{\"source\": \"openstack\", \"counter_name\": \"" name_                                   \
	"\", \"counter_type\": \"gauge\", "                                                        \
	"\"counter_unit\": null, \"counter_volume\": " volume_ ", \"user_id\": null, "             \
	"\"project_id\": null, \"resource_id\": \"r" name_ "\", \"timestamp\": \"" TIME            \
	"\", \"resource_metadata\": {\"a\": " volume_ "}, \"message_id\": \"" volume_ "\"}"

/* Of a list any may be signed wrongly, in any dialect: what is taken are the others, in their order. */
static void check_list(const char *const sample[], unsigned count, unsigned wrong,
		       const enum flatten_dialect dialect[])
{
	GString *list = g_string_new("["), *want = g_string_new(NULL), *got = g_string_new(NULL);
	struct bench b;
	struct frame *f;

	bench_open(&b);
	for (unsigned i = 0; i < count; i++) {
		char *text = sign_sample(dialect[i], sample[i]);

		if (wrong >> i & 1) {
			text[strlen(text) - 3] ^= 1;
		} else {
			g_string_append_printf(want, "%u ", i);
		}
		g_string_append_printf(list, "%s%s", i ? ", " : "", text);
		g_free(text);
	}
	g_string_append_c(list, ']');
	g_assert_cmpint(read_text(&b, list->str), ==, wrong ? -EBADMSG : 0);
	g_assert_cmpuint(b.tally.taken, ==, count - (unsigned)__builtin_popcount(wrong));
	g_assert_cmpuint(b.tally.rejected[REJECT_SIGNATURE], ==, __builtin_popcount(wrong));
	g_assert_cmpuint(message_reader_rows(b.reader), ==, b.tally.taken);
	f = take_frame(&b);
	for (size_t m = 0; f && m < f->public.count; m++) {
		const struct vmt_batch *batch = &f->public.batch[m];

		for (uint32_t row = 0; row < batch->count; row++) {
			char *id = g_strdup_printf("r%s", batch->name);

			g_assert_cmpstr(batch->resource[row]->id, ==, id);
			g_string_append_printf(got, "%u ", (unsigned)batch->value[row].u);
			g_free(id);
		}
	}
	g_assert_cmpstr(got->str, ==, want->str);
	frame_unref(f);
	g_string_free(list, TRUE);
	g_string_free(want, TRUE);
	g_string_free(got, TRUE);
	bench_fini(&b);
}

static void test_list(void)
{
	static const char *const sample[] = { NTH("m", "0"), NTH("m", "1"), NTH("m", "2"),
					      NTH("n", "3"), NTH("o", "4") };
	enum { LONGEST = G_N_ELEMENTS(sample) };
	enum flatten_dialect dialect[LONGEST] = { 0 };

	for (unsigned count = 1; count <= LONGEST; count++) {
		for (unsigned wrong = 0; wrong < 1U << count; wrong++) {
			for (unsigned odd = 0; odd <= count; odd++) { /* one of another dialect */
				memset(dialect, 0, sizeof(dialect));
				if (odd < count) {
					dialect[odd] = FLATTEN_DIALECTS - 1;
				}
				check_list(sample, count, wrong, dialect);
			}
		}
	}
}

/* A byte of metadata that are known is another one: the signature is wrong. */
static void test_tampered(void)
{
	char *text = sign_sample(FLATTEN_PY3, ABOUT("r", META("one"), "")), *at;
	struct bench b;

	bench_open(&b);
	for (int i = 0; i < 2; i++) {
		g_assert_cmpint(read_text(&b, text), ==, 0);
		at = strstr(text, "one");
		*at = 'p';
		g_assert_cmpint(read_text(&b, text), ==, -EBADMSG);
		*at = 'o';
		at = strstr(text, "\"a\"");
		at[1] = 'z';
		g_assert_cmpint(read_text(&b, text), ==, -EBADMSG);
		at[1] = 'a';
	}
	g_assert_cmpuint(b.tally.taken, ==, 2);
	g_assert_cmpuint(b.tally.rejected[REJECT_SIGNATURE], ==, 4);
	at = strstr(text, "1.10}");
	*at = '\0'; /* cut short within what is known */
	g_assert_cmpint(read_text(&b, text), ==, -EBADMSG);
	g_assert_cmpuint(b.tally.rejected[REJECT_FORMAT], ==, 1);
	bench_fini(&b);
	g_free(text);
}

static void test_unsigned(void)
{
	struct bench b;

	bench_open(&b);
	g_assert_cmpint(read_text(&b, SAMPLE), ==, -EBADMSG);
	g_assert_cmpint(read_text(&b, SAMPLE_OF("m", "1", TIME, ", \"message_signature\": \"\"")),
			==, -EBADMSG);
	g_assert_cmpint(read_text(&b, SAMPLE_OF("m", "1", TIME, ", \"message_signature\": null")),
			==, -EBADMSG);
	g_assert_cmpuint(b.tally.rejected[REJECT_UNSIGNED], ==, 3);
	g_assert_cmpint(read_text(&b, SAMPLE_OF("m", "1", TIME, ", \"message_signature\": \"0\"")),
			==, -EBADMSG);
	g_assert_cmpuint(b.tally.rejected[REJECT_SIGNATURE], ==, 1);
	g_assert_cmpuint(b.tally.taken, ==, 0);
	bench_fini(&b);

	bench_lax(&b); /* what has a signature must have the right one all the same */
	g_assert_cmpint(read_text(&b, SAMPLE), ==, 0);
	g_assert_cmpint(read_text(&b, SAMPLE_OF("m", "1", TIME, ", \"message_signature\": \"0\"")),
			==, -EBADMSG);
	bench_fini(&b);

	bench_init(&b, &(struct message_read_options){ .secret = "", .bytes_max = 1 << 20 });
	g_assert_cmpint(read_text(&b, SAMPLE_OF("m", "1", TIME, ", \"message_signature\": \"0\"")),
			==, 0);
	bench_fini(&b);
}

/* ------------------------------------------------------------------ refusals */

static void test_rejects(void)
{
	static const struct {
		enum message_reject reason;
		const char *text;
	} bad[] = {
		{ REJECT_FORMAT, "" },
		{ REJECT_FORMAT, "{" },
		{ REJECT_FORMAT, "[" SAMPLE },
		{ REJECT_FORMAT, SAMPLE " x" },
		{ REJECT_FORMAT, "{\"counter_name\": \"\xff\"}" },
		{ REJECT_ENVELOPE, "1" },
		{ REJECT_ENVELOPE, "\"" TIME "\"" },
		{ REJECT_ENVELOPE, "{}" },
		{ REJECT_ENVELOPE, "{\"oslo.version\": \"3.0\", \"oslo.message\": \"{}\"}" },
		{ REJECT_ENVELOPE, "{\"oslo.version\": \"2.0\", \"oslo.message\": {}}" },
		{ REJECT_FORMAT, "{\"oslo.version\": \"2.0\", \"oslo.message\": \"{\"}" },
		{ REJECT_ENVELOPE,
		  "{\"oslo.version\": \"2.0\", \"oslo.message\": "
		  "\"{\\\"oslo.version\\\": \\\"2.0\\\", \\\"oslo.message\\\": \\\"{}\\\"}\"}" },
		{ REJECT_ENVELOPE, "{\"method\": \"other\", \"args\": {\"data\": []}}" },
		{ REJECT_ENVELOPE, "{\"method\": \"record_metering_data\", \"version\": \"2.0\", "
				   "\"args\": {\"data\": []}}" },
		{ REJECT_ENVELOPE, "{\"method\": \"record_metering_data\", \"args\": []}" },
		{ REJECT_ENVELOPE, "{\"event_type\": \"x\", \"payload\": {\"samples\": {}}}" },
		{ REJECT_ENVELOPE, "{\"event_type\": \"x\", \"payload\": 7}" },
		{ REJECT_SHAPE, "[1]" },
		{ REJECT_SHAPE, "{\"counter_name\": \"m\"}" },
		{ REJECT_TYPE, "[" SAMPLE_OF("m", "\"1\"", TIME, "") "]" },
		{ REJECT_TYPE, SAMPLE_OF("m", "null", TIME, "") },
		{ REJECT_TYPE, SAMPLE_OF("m", "true", TIME, "") },
		{ REJECT_TYPE, SAMPLE_OF("", "1", TIME, "") },
		{ REJECT_TYPE, SAMPLE_OF("a\\u0000b", "1", TIME, "") },
		{ REJECT_TYPE, SAMPLE_OF("m", "1", TIME, ", \"counter_type\": \"rate\"") },
		{ REJECT_TYPE, SAMPLE_OF("m", "1", TIME, ", \"resource_metadata\": []") },
		{ REJECT_TYPE, SAMPLE_OF("m", "1", TIME, ", \"resource_id\": null") },
		{ REJECT_TYPE, SAMPLE_OF("m", "1", TIME, ", \"monotonic_time\": \"1\"") },
		{ REJECT_RANGE, SAMPLE_OF("m", "18446744073709551616", TIME, "") },
		{ REJECT_RANGE, SAMPLE_OF("m", "-9223372036854775809", TIME, "") },
		{ REJECT_RANGE, SAMPLE_OF("m", "1e999", TIME, "") },
		{ REJECT_RANGE, SAMPLE_OF("m", "NaN", TIME, "") },
		{ REJECT_RANGE,
		  SAMPLE_OF("m", "1", TIME, ", \"resource_metadata\": {\"a\": NaN}") },
		{ REJECT_RANGE,
		  SAMPLE_OF("m", "1", TIME, ", \"resource_metadata\": {\"a\": [-Infinity]}") },
		{ REJECT_TIME, SAMPLE_OF("m", "1", "yesterday", "") },
		{ REJECT_TIME, SAMPLE_OF("m", "1", "-1h", "") },
		{ REJECT_TIME, SAMPLE_OF("m", "1", "now", "") },
		{ REJECT_FUTURE, SAMPLE_OF("m", "1", "2026-11-24T01:00:01", "") },
		{ REJECT_OLD, SAMPLE_OF("m", "1", "2026-11-16T00:59:59", "") },
	};
	struct bench b;

	bench_lax(&b);
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		uint64_t before = b.tally.rejected[bad[i].reason];

		g_test_message("%s", bad[i].text);
		g_assert_cmpint(read_text(&b, bad[i].text), ==, -EBADMSG);
		g_assert_cmpuint(b.tally.rejected[bad[i].reason], ==, before + 1);
		g_assert_cmpuint(rejected(&b), ==, i + 1);
	}
	g_assert_cmpuint(b.tally.taken, ==, 0);
	g_assert_cmpint(read_text(&b, SAMPLE_OF("m", "1", "2026-11-24T00:59:59", "")), ==, 0);
	g_assert_cmpint(read_text(&b, SAMPLE_OF("m", "1", "2026-11-16T01:00:01", "")), ==, 0);
	/* what is good beside it is taken */
	g_assert_cmpint(read_text(&b, "[" SAMPLE ", {}, " SAMPLE "]"), ==, -EBADMSG);
	g_assert_cmpuint(b.tally.taken, ==, 4);
	g_assert_cmpuint(message_reader_rows(b.reader), ==, 4);
	bench_fini(&b);
}

/* Bounds: the message, a text, the metadata; an id that is no UUID. */
static void test_bounds(void)
{
	struct message_read_options o = { .secret = "", .bytes_max = 4 << 20 };
	char *text =
		g_strdup_printf("%s%01025d%s", "[" SAMPLE ", {\"counter_name\": \"", 1, "\"}]");
	char *meta = g_strdup_printf(SAMPLE_OF("m", "1", TIME,
					       ", \"resource_metadata\": {\"k\": \"%0*d\"}"),
				     1 << 20, 1);
	struct bench b;
	struct frame *f;
	uint8_t id[16];

	bench_init(&b, &o);
	g_assert_cmpint(read_text(&b, text), ==, -EBADMSG);
	g_assert_cmpint(read_text(&b, meta), ==, -EBADMSG);
	g_assert_cmpuint(b.tally.rejected[REJECT_SIZE], ==, 2);
	g_assert_cmpint(message_read_json(b.reader, text, (4 << 20) + 1, now_ns, &b.tally), ==,
			-EBADMSG);
	g_assert_cmpint(message_read_msgpack(b.reader, text, (4 << 20) + 1, now_ns, &b.tally), ==,
			-EBADMSG);
	g_assert_cmpuint(b.tally.rejected[REJECT_SIZE], ==, 4);
	f = take_frame(&b);
	g_assert_cmpuint(f->rows, ==, 1);
	frame_unref(f);
	for (int i = 0; i < 2; i++) {
		g_assert_cmpint(read_text(&b,
					  SAMPLE_OF("m", "1", TIME, ", \"message_id\": \"x1\"")),
				==, 0);
		f = take_frame(&b);
		g_assert_true(i == 0 || memcmp(id, f->public.batch[0].ids[0], sizeof(id)) == 0);
		memcpy(id, f->public.batch[0].ids[0], sizeof(id));
		g_assert_cmpuint(id[6] >> 4, ==, 5);
		frame_unref(f);
	}
	bench_fini(&b);
	g_free(text);
	g_free(meta);
}

/* Lists that are read before it is known that the message is none, or is about something else: nothing is left of
 * them. */
static void test_early(void)
{
	static const struct {
		const char *text;
		uint64_t taken;
		enum message_reject reason;
		uint64_t rejected;
	} rows[] = {
		{ "[" SAMPLE ", " SAMPLE_OF("n", "1", TIME, "") ", tru]", 0, REJECT_FORMAT, 1 },
		{ "[" SAMPLE ", 7] 7", 0, REJECT_FORMAT, 1 },
		{ "[" SAMPLE ", 7, [" SAMPLE "]]", 1, REJECT_SHAPE, 2 },
		{ "{\"payload\": [" SAMPLE "], \"x\": tru}", 0, REJECT_FORMAT, 1 },
		{ "{\"payload\": {\"samples\": [" SAMPLE "], \"x\": }}", 0, REJECT_FORMAT, 1 },
		{ "{\"payload\": {\"samples\": [" SAMPLE "]", 0, REJECT_FORMAT, 1 },
		{ "{\"payload\": [" SAMPLE "], \"method\": \"other\"}", 0, REJECT_ENVELOPE, 1 },
		{ "{\"payload\": [" SAMPLE "], \"payload\": 1}", 0, REJECT_ENVELOPE, 1 },
		{ "{\"payload\": {\"samples\": [" SAMPLE ", " SAMPLE "], \"samples\": [" SAMPLE
		  "]}}",
		  1, REJECT_FORMAT, 0 },
		{ "{\"payload\": [" SAMPLE ", 1], \"payload\": [1, " SAMPLE ", " SAMPLE "]}", 2,
		  REJECT_SHAPE, 1 },
		{ "{\"payload\": [" SAMPLE ", 1], \"method\": \"record_metering_data\", "
		  "\"args\": {\"data\": [" SAMPLE "]}}",
		  1, REJECT_FORMAT, 0 },
		{ "{\"args\": {\"data\": [" SAMPLE ", 1]}, \"payload\": [" SAMPLE "]}", 1,
		  REJECT_FORMAT, 0 },
		{ "{\"payload\": [" SAMPLE ", 1], \"oslo.version\": \"2.0\", \"oslo.message\": "
		  "\"{\\\"payload\\\": []}\"}",
		  0, REJECT_FORMAT, 0 },
	};
	struct bench b;

	bench_lax(&b);
	for (int before = 0; before < 2; before++) {
		for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
			struct frame *f;

			g_test_message("%d: %s", before, rows[i].text);
			b.tally = (struct message_tally){ .taken = 0 };
			if (before) {
				g_assert_cmpint(read_text(&b, SAMPLE_OF("o", "1", TIME, "")), ==,
						0);
			}
			g_assert_cmpint(read_text(&b, rows[i].text), ==,
					rows[i].rejected ? -EBADMSG : 0);
			g_assert_cmpuint(b.tally.taken, ==, rows[i].taken + (unsigned)before);
			g_assert_cmpuint(rejected(&b), ==, rows[i].rejected);
			g_assert_cmpuint(b.tally.rejected[rows[i].reason], ==, rows[i].rejected);
			g_assert_cmpuint(message_reader_rows(b.reader), ==, b.tally.taken);
			f = take_frame(&b);
			g_assert_cmpuint(f ? f->rows : 0, ==, b.tally.taken);
			for (size_t k = 0; f && k < f->public.count; k++) {
				g_assert_cmpuint(f->public.batch[k].count, >, 0);
			}
			frame_unref(f);
		}
	}
	bench_fini(&b);
}

/* More resources than are remembered, more meters than a table begins with: all in, each in its place. */
static void test_many(void)
{
	enum { METERS = 300, RESOURCES = 40 };
	struct message_read_options o = { .secret = "", .bytes_max = 64 << 20 };
	GString *text = g_string_new("[");
	struct bench b;
	struct frame *f;

	bench_init(&b, &o);
	for (int m = 0; m < METERS; m++) {
		for (int r = 0; r < RESOURCES; r++) {
			g_string_append_printf(
				text,
				"%s" SAMPLE_OF("m%d", "%d", TIME, ", \"resource_id\": \"r%d\""),
				m + r ? ", " : "", m, m * RESOURCES + r, m * RESOURCES + r);
		}
	}
	g_string_append_c(text, ']');
	g_assert_cmpint(read_text(&b, text->str), ==, 0);
	f = take_frame(&b);
	g_assert_cmpuint(f->public.count, ==, METERS);
	for (unsigned m = 0; m < METERS; m++) {
		char name[16];

		g_snprintf(name, sizeof(name), "m%u", m);
		g_assert_cmpstr(f->public.batch[m].name, ==, name);
		g_assert_cmpuint(f->public.batch[m].count, ==, RESOURCES);
		for (unsigned r = 0; r < RESOURCES; r++) {
			g_snprintf(name, sizeof(name), "r%u", m * RESOURCES + r);
			g_assert_cmpstr(f->public.batch[m].resource[r]->id, ==, name);
			g_assert_cmpuint(f->public.batch[m].value[r].u, ==, m * RESOURCES + r);
		}
	}
	frame_unref(f);
	bench_fini(&b);
	g_string_free(text, TRUE);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_assert_cmpint(sample_time_parse("2026-11-23T01:00:00", 0, &now_ns), ==, 0);
	g_test_add_func("/message-read/bodies", test_bodies);
	g_test_add_func("/message-read/datagrams", test_datagrams);
	g_test_add_func("/message-read/shapes", test_shapes);
	g_test_add_func("/message-read/columns", test_columns);
	g_test_add_func("/message-read/dialects", test_dialects);
	g_test_add_func("/message-read/known", test_known);
	g_test_add_func("/message-read/tampered", test_tampered);
	g_test_add_func("/message-read/list", test_list);
	g_test_add_func("/message-read/early", test_early);
	g_test_add_func("/message-read/unsigned", test_unsigned);
	g_test_add_func("/message-read/rejects", test_rejects);
	g_test_add_func("/message-read/bounds", test_bounds);
	g_test_add_func("/message-read/many", test_many);
	return g_test_run();
}

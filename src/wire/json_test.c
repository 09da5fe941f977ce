/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reader and writer of JSON.  One thread.
 */
#include "wire/json.h"
#include "wire/json_block.h"

#include <errno.h>
#include <glib.h>
#include <math.h>
#include <stdlib.h>

/* The text as one letter per event, with spans: "{", "}", "[", "]", "k(…)", "s(…)", "n(…)", "t", "f", "0";
 * '!' and the reason at the end of what is refused. */
static void trace(struct buf *out, const char *text, size_t n)
{
	static const char letters[] = "{}[]ksntf0";
	struct json_reader r;
	enum json_event event;
	char *copy = g_malloc(n ? n : 1); /* exact, for the sanitizer */

	memcpy(copy, text, n);
	buf_reset(out);
	json_reader_init(&r, copy, n);
	while ((event = json_next(&r)) > JSON_END) {
		buf_putc(out, letters[event - JSON_OBJECT]);
		if (event == JSON_KEY || event == JSON_STRING) {
			buf_putc(out, '(');
			json_text(&r, out);
			buf_putc(out, ')');
		} else if (event == JSON_NUMBER) {
			buf_printf(out, "(%.*s)", (int)r.span_len, r.span);
		}
	}
	if (event == JSON_ERROR) {
		buf_printf(out, "!%s", r.error);
		g_assert_true(r.at >= copy && r.at <= copy + n);
	}
	g_assert_cmpint(json_next(&r), ==, event); /* and so for ever */
	g_free(copy);
}

static void test_events(void)
{
	static const struct {
		const char *text, *events;
	} rows[] = {
		{ "1", "n(1)" },
		{ " -0.5e+10 ", "n(-0.5e+10)" },
		{ "\"\"", "s()" },
		{ "[]", "[]" },
		{ "{}", "{}" },
		{ "[ ]", "[]" },
		{ "[[],[{}],{\"a\":[]}]", "[[][{}]{k(a)[]}]" },
		{ "{\"a\": 1, \"b\" :\t[true, false ,null],\r\n\"c\":{\"d\":\"e\"}}",
		  "{k(a)n(1)k(b)[tf0]k(c){k(d)s(e)}}" },
		{ "{\"a\":1,\"a\":2}", "{k(a)n(1)k(a)n(2)}" },
		{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u4e91\\uD83D\\ude00\"",
		  "s(\"\\/\b\f\n\r\tA\303\251\344\272\221\360\237\230\200)" },
		{ "\"\\ud83d x\"", "s(\357\277\275 x)" },
		{ "\"\\ude00\\ud83d\"", "s(\357\277\275\357\277\275)" },
		{ "\"\\ud83d\\u0041\"", "s(\357\277\275A)" },
		{ "123456789012345678901234567890", "n(123456789012345678901234567890)" },
		{ "\"caf\303\251\"", "s(caf\303\251)" },
		/* refused */
		{ "", "!value missing" },
		{ "  ", "!value missing" },
		{ "x", "!not a value" },
		{ "1 2", "n(1)!something follows the value" },
		{ "[1,]", "[n(1)!not a value" },
		{ "[1 2]", "[n(1)!',' or an end missing" },
		{ "[1", "[n(1)!',' or an end missing" },
		{ "[1}", "[n(1)!',' or an end missing" },
		{ "[,1]", "[!not a value" },
		{ "{\"a\"}", "{!':' missing" },
		{ "{\"a\":}", "{k(a)!not a value" },
		{ "{\"a\":1,}", "{k(a)n(1)!key missing" },
		{ "{a:1}", "{!key missing" },
		{ "{1:1}", "{!key missing" },
		{ "}", "!not a value" },
		{ "01", "n(0)!something follows the value" },
		{ "+1", "!not a value" },
		{ "1.", "!no digit after the point" },
		{ ".5", "!not a value" },
		{ "1e", "!no digit in the exponent" },
		{ "1e+", "!no digit in the exponent" },
		{ "-", "!value missing" },
		{ "NaN", "!not a value" },
		{ "-Infinity", "!not a value" },
		{ "tru", "!not a value" },
		{ "True", "!not a value" },
		{ "'a'", "!not a value" },
		{ "\"abc", "!string without end" },
		{ "\"a\nb\"", "!control character in a string" },
		{ "\"\\x41\"", "!unknown escape" },
		{ "\"\\u12g4\"", "!unknown escape" },
		{ "\"\\u12", "!unknown escape" },
		{ "\"\\", "!unknown escape" },
		{ "\"\377\"", "!not UTF-8" },
		{ "\"\355\240\200\"", "!not UTF-8" },
		{ "\357\273\2771", "!not a value" },
	};
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		trace(&b, rows[i].text, strlen(rows[i].text));
		g_assert_cmpstr(b.data, ==, rows[i].events);
	}
	trace(&b, "\"a\0b\"", 5);
	g_assert_cmpstr(b.data, ==, "!control character in a string");
	trace(&b, "\"\\u0000\"", 8);
	g_assert_cmpuint(b.len, ==, 4);
	g_assert_cmpmem(b.data, 4, "s(\0)", 4);
	buf_fini(&b);
}

/* Every length around the eight bytes looked at in one go. */
static void test_runs(void)
{
	struct buf in = BUF_INIT, out = BUF_INIT;

	for (int before = 0; before < 20; before++) {
		for (int after = 0; after < 20; after++) {
			char *expected = g_strdup_printf("s(%.*s\n%.*s)", before,
							 "abcdefghijklmnopqrst", after,
							 "abcdefghijklmnopqrst");

			buf_reset(&in);
			buf_printf(&in, "\"%.*s\\n%.*s\"", before, "abcdefghijklmnopqrst", after,
				   "abcdefghijklmnopqrst");
			trace(&out, in.data, in.len);
			g_assert_cmpstr(out.data, ==, expected);
			in.data[before + 1] = '\x01';
			trace(&out, in.data, in.len);
			g_assert_cmpstr(out.data, ==, "!control character in a string");
			g_free(expected);
		}
	}
	buf_fini(&in);
	buf_fini(&out);
}

/* One escape, a second behind it, or a control character: at each place of text longer than what is looked at
 * at once, in memory of just the size. */
static void test_blocks(void)
{
	static const struct {
		const char *text, *means;
	} marks[] = { { "\\n", "\n" },
		      { "\\\"", "\"" },
		      { "\\\\\\\\", "\\\\" },
		      { "\\u00e9", "\xc3\xa9" },
		      { "\\ud83d\\ude00\\/", "\xf0\x9f\x98\x80/" } };
	char *plain = g_strnfill(150, 'x');

	for (size_t i = 0; i < G_N_ELEMENTS(marks) * 150; i++) {
		int before = (int)i % 150;
		const char *mark = marks[i / 150].text, *means = marks[i / 150].means;
		char *in =
			g_strdup_printf("\"%.*s%s%.*s\"", before, plain, mark, 149 - before, plain);
		char *expected =
			g_strdup_printf("%.*s%s%.*s", before, plain, means, 149 - before, plain);
		size_t size = strlen(in);
		char *exact = g_memdup2(in, size), *out = g_malloc(size - 2);
		struct json_reader r;

		json_reader_init(&r, exact, size);
		g_assert_cmpint(json_next(&r), ==, JSON_STRING);
		g_assert_cmpuint(r.span_len, ==, size - 2);
		size = json_decode(r.span, r.span_len, out);
		g_assert_cmpmem(out, size, expected, strlen(expected));
		g_assert_cmpint(json_next(&r), ==, JSON_END);

		exact[1 + before] = '\x1f';
		json_reader_init(&r, exact, strlen(in));
		g_assert_cmpint(json_next(&r), ==, JSON_ERROR);
		g_assert_cmpstr(r.error, ==, "control character in a string");
		g_assert_true(r.at == exact + 1 + before);
		g_free(exact);
		g_free(out);
		g_free(in);
		g_free(expected);
	}
	g_free(plain);
}

static void test_caps(void)
{
	struct json_reader r;
	enum json_event event;
	char *big = g_malloc(JSON_SIZE_MAX + 1);
	char deep[2 * JSON_DEPTH_MAX + 2];

	for (int levels = JSON_DEPTH_MAX; levels <= JSON_DEPTH_MAX + 1; levels++) {
		memset(deep, '[', (size_t)levels);
		memset(deep + levels, ']', (size_t)levels);
		json_reader_init(&r, deep, (size_t)levels * 2);
		do {
			event = json_next(&r);
		} while (event > JSON_END);
		g_assert_cmpint(event, ==, levels > JSON_DEPTH_MAX ? JSON_ERROR : JSON_END);
	}
	g_assert_cmpstr(r.error, ==, "too deep");

	memset(big, ' ', JSON_SIZE_MAX + 1);
	big[0] = '1';
	json_reader_init(&r, big, JSON_SIZE_MAX + 1);
	g_assert_cmpint(json_next(&r), ==, JSON_ERROR);
	g_assert_cmpstr(r.error, ==, "too large");
	json_reader_init(&r, big, JSON_SIZE_MAX);
	g_assert_cmpint(json_next(&r), ==, JSON_NUMBER);
	g_assert_cmpint(json_next(&r), ==, JSON_END);
	g_free(big);
}

static void test_skip_and_is(void)
{
	static const char text[] =
		"{\"a\": [1, {\"b\": 2}], \"\\u0063\\/\": 3, \"d\": {}, \"e\": \"x\"}";
	struct json_reader r;

	json_reader_init(&r, text, sizeof(text) - 1);
	g_assert_cmpint(json_next(&r), ==, JSON_OBJECT);
	g_assert_cmpint(json_next(&r), ==, JSON_KEY);
	g_assert_true(json_is(&r, "a"));
	g_assert_false(json_is(&r, "ab"));
	g_assert_false(json_is(&r, ""));
	g_assert_cmpint(json_skip(&r, JSON_KEY), ==, 0);
	g_assert_cmpint(json_next(&r), ==, JSON_KEY);
	g_assert_true(json_is(&r, "c/"));
	g_assert_false(json_is(&r, "c"));
	g_assert_false(json_is(&r, "c//"));
	g_assert_cmpint(json_skip(&r, JSON_KEY), ==, 0);
	g_assert_cmpint(json_next(&r), ==, JSON_KEY);
	g_assert_true(json_is(&r, "d"));
	g_assert_cmpint(json_next(&r), ==, JSON_OBJECT);
	g_assert_cmpint(*r.start, ==, '{');
	g_assert_cmpint(json_skip(&r, JSON_OBJECT), ==, 0);
	g_assert_cmpint(json_next(&r), ==, JSON_KEY);
	g_assert_true(json_is(&r, "e"));
	g_assert_cmpint(json_skip(&r, JSON_KEY), ==, 0);
	g_assert_cmpint(json_next(&r), ==, JSON_OBJECT_END);
	g_assert_cmpint(json_next(&r), ==, JSON_END);

	json_reader_init(&r, "[[1, 2", 6);
	g_assert_cmpint(json_next(&r), ==, JSON_ARRAY);
	g_assert_cmpint(json_skip(&r, JSON_ARRAY), ==, -EBADMSG);
}

static struct json_reader number(const char *text)
{
	struct json_reader r;

	json_reader_init(&r, text, strlen(text));
	r.nonfinite = true;
	g_assert_cmpint(json_next(&r), ==, JSON_NUMBER);
	g_assert_cmpuint(r.span_len, ==, strlen(text));
	return r;
}

static void test_numbers(void)
{
	static const struct {
		const char *text;
		int status_int, status_uint;
		int64_t i;
		uint64_t u;
	} rows[] = {
		{ "0", 0, 0, 0, 0 },
		{ "-0", 0, 0, 0, 0 },
		{ "-1", 0, -ERANGE, -1, 0 },
		{ "9223372036854775807", 0, 0, INT64_MAX, INT64_MAX },
		{ "-9223372036854775808", 0, -ERANGE, INT64_MIN, 0 },
		{ "9223372036854775808", -ERANGE, 0, 0, UINT64_C(9223372036854775808) },
		{ "-9223372036854775809", -ERANGE, -ERANGE, 0, 0 },
		{ "18446744073709551615", -ERANGE, 0, 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, -ERANGE, 0, 0 },
		{ "99999999999999999999", -ERANGE, -ERANGE, 0, 0 },
		{ "1.0", -EINVAL, -EINVAL, 0, 0 },
		{ "1e3", -EINVAL, -EINVAL, 0, 0 },
	};
	static const char *const doubles[] = { "0",
					       "-0.0",
					       "0.1",
					       "1.5e300",
					       "1e400",
					       "5e-324",
					       "123456.789",
					       "9007199254740993",
					       "-900719925474099.25",
					       "44.84765625",
					       "18446744073709551616",
					       "0.30000000000000004",
					       "1.2345678901234567e17",
					       "0.00000000000000000000000001" };
	struct json_reader r;
	double v = 7;
	char *many;

	for (size_t k = 0; k < G_N_ELEMENTS(rows); k++) {
		int64_t i = 7;
		uint64_t u = 7;

		r = number(rows[k].text);
		g_assert_cmpint(json_int(&r, &i), ==, rows[k].status_int);
		g_assert_cmpint(i, ==, rows[k].status_int ? 7 : rows[k].i);
		g_assert_cmpint(json_uint(&r, &u), ==, rows[k].status_uint);
		g_assert_cmpuint(u, ==, rows[k].status_uint ? 7 : rows[k].u);
	}
	for (size_t k = 0; k < G_N_ELEMENTS(doubles); k++) {
		double expected = strtod(doubles[k], NULL);

		r = number(doubles[k]);
		g_assert_cmpint(json_double(&r, &v), ==, 0);
		g_assert_cmpmem(&v, sizeof(v), &expected, sizeof(expected));
	}
	r = number("NaN");
	g_assert_cmpint(json_double(&r, &v), ==, 0);
	g_assert_true(isnan(v));
	r = number("-Infinity");
	g_assert_cmpint(json_double(&r, &v), ==, 0);
	g_assert_true(isinf(v) && v < 0);
	many = g_strnfill(1001, '9');
	r = number(many);
	g_assert_cmpint(json_double(&r, &v), ==, -ERANGE);
	g_free(many);
}

static void test_random_doubles(void)
{
	GRand *rand = g_rand_new_with_seed(1);
	char text[40];

	for (int i = 0; i < 100000; i++) {
		int n = snprintf(text, sizeof(text), "%.*f", g_rand_int_range(rand, 0, 12),
				 g_rand_double_range(rand, -1e6, 1e6));
		double v, expected = strtod(text, NULL);

		g_assert_cmpint(json_span_double(text, (size_t)n, &v), ==, 0);
		g_assert_cmpmem(&v, sizeof(v), &expected, sizeof(expected));
	}
	g_rand_free(rand);
}

static void write_all(struct buf *out, bool ascii)
{
	struct json_writer w;

	json_writer_init(&w, out);
	w.ascii = ascii;
	json_begin_object(&w);
	json_key(&w, "text");
	json_put_text(&w, "\"\\\b\f\n\r\t\001\037\177 caf\303\251 \360\237\230\200/");
	json_key(&w, "none");
	json_put_text(&w, NULL);
	json_key(&w, "numbers");
	json_begin_array(&w);
	json_put_int(&w, INT64_MIN);
	json_put_uint(&w, UINT64_MAX);
	json_put_double(&w, 0.1);
	json_put_double(&w, (double)INFINITY);
	json_put_bool(&w, true);
	json_put_bool(&w, false);
	json_begin_array(&w);
	json_end_array(&w);
	json_begin_object(&w);
	json_end_object(&w);
	json_end_array(&w);
	json_key(&w, "raw");
	json_put_raw(&w, "[1]", 3);
	json_key(&w, "n");
	json_put_string(&w, "a\0b", 3);
	json_end_object(&w);
}

/* As json.dumps of Python 3.11 writes the same. */
static void test_writer(void)
{
	struct buf out = BUF_INIT;

	write_all(&out, false);
	g_assert_cmpstr(
		out.data, ==,
		"{\"text\": \"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\177 caf\303\251 \360\237\230\200/\", "
		"\"none\": null, \"numbers\": [-9223372036854775808, 18446744073709551615, 0.1, null, "
		"true, false, [], {}], \"raw\": [1], \"n\": \"a\\u0000b\"}");
	buf_reset(&out);
	write_all(&out, true);
	g_assert_cmpstr(
		out.data, ==,
		"{\"text\": \"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f caf\\u00e9 \\ud83d\\ude00/\", "
		"\"none\": null, \"numbers\": [-9223372036854775808, 18446744073709551615, 0.1, null, "
		"true, false, [], {}], \"raw\": [1], \"n\": \"a\\u0000b\"}");
	buf_fini(&out);
}

/* What is written is read back, whatever bytes there are. */
static void test_escape_round_trip(void)
{
	char text[24], escaped[JSON_ESCAPE_ROOM(24)], again[24 * 6];

	for (int c = 0; c < 128; c++) {
		for (size_t at = 0; at < sizeof(text); at++) {
			size_t n;

			memset(text, 'x', sizeof(text));
			text[at] = (char)c;
			n = json_escape(escaped, text, sizeof(text));
			g_assert_cmpuint(n, >=, sizeof(text));
			if (c < 0x20 || c == '"' || c == '\\') {
				g_assert_cmpint(escaped[at], ==, '\\');
			}
			n = json_decode(escaped, n, again);
			g_assert_cmpmem(again, n, text, sizeof(text));
			n = json_escape_ascii(escaped, text, sizeof(text));
			n = json_decode(escaped, n, again);
			g_assert_cmpmem(again, n, text, sizeof(text));
		}
	}
}

/* Strings of bytes that are nearly those that end them: each ends where it does, and what may not be in one is found at
 * its place. */
static void test_ends(void)
{
	static const char near[] = "!#[]\x7f $\"\x01\x1f"; /* the last three are not for strings */
	struct json_reader r;
	char text[64];

	for (unsigned turn = 0; turn < 20000; turn++) {
		size_t n = turn % 40,
		       bad = turn % 3 ? SIZE_MAX : (size_t)g_test_rand_int_range(0, 40);

		text[0] = '"';
		for (size_t i = 0; i < n; i++) {
			text[i + 1] = near[g_test_rand_int_range(0, 7)];
		}
		text[n + 1] = '"';
		if (bad < n) {
			text[bad + 1] = near[g_test_rand_int_range(8, 10)];
		}
		json_reader_init(&r, text, n + 2);
		if (bad < n) {
			g_assert_cmpint(json_next(&r), ==, JSON_ERROR);
			g_assert_cmpuint((size_t)(r.at - text), ==, bad + 1);
			continue;
		}
		g_assert_cmpint(json_next(&r), ==, JSON_STRING);
		g_assert_cmpuint(r.span_len, ==, n);
		g_assert_cmpint(json_next(&r), ==, JSON_END);
	}
}

/* Each byte at each place of a block among others, by the machine's way and by words. */
static void test_block_ways(void)
{
	char block[JSON_BLOCK];

	for (int c = 0; c < 256; c++) {
		for (int i = 0; i < JSON_BLOCK; i++) {
			uint64_t bit = UINT64_C(1) << i;

			for (int k = 0; k < JSON_BLOCK; k++) {
				block[k] = (char)g_test_rand_int_range(0, 256);
			}
			block[i] = (char)c;
			g_assert_cmpuint(json_block_ends(block), ==,
					 json_block_ends_by_words(block));
			g_assert_cmpuint(json_block_escapes(block), ==,
					 json_block_escapes_by_words(block));
			g_assert_true(!!(json_block_ends(block) & bit) ==
				      (c < 0x20 || c == '"' || c == '\\'));
			g_assert_true(!!(json_block_escapes(block) & bit) == (c == '\\'));
		}
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/json/events", test_events);
	g_test_add_func("/json/runs", test_runs);
	g_test_add_func("/json/blocks", test_blocks);
	g_test_add_func("/json/caps", test_caps);
	g_test_add_func("/json/skip-and-is", test_skip_and_is);
	g_test_add_func("/json/numbers", test_numbers);
	g_test_add_func("/json/random-doubles", test_random_doubles);
	g_test_add_func("/json/writer", test_writer);
	g_test_add_func("/json/ends", test_ends);
	g_test_add_func("/json/block-ways", test_block_ways);
	g_test_add_func("/json/escape-round-trip", test_escape_round_trip);
	return g_test_run();
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * msgpack to JSON: against what is written by pack.c, the forms that others write, and bytes that are none.  One
 * thread.
 */
#include "wire/pack.h"
#include "wire/unpack.h"

#include <errno.h>
#include <glib.h>

static void expect(const char *bytes, size_t n, const char *json)
{
	struct buf out = BUF_INIT;

	buf_puts(&out, "kept");
	g_assert_cmpint(unpack_json(bytes, n, &out), ==, 0);
	g_assert_cmpstr(out.data + 4, ==, json);
	buf_fini(&out);
}

static void expect_error(const char *bytes, size_t n, int code)
{
	struct buf out = BUF_INIT;

	buf_puts(&out, "kept");
	g_assert_cmpint(unpack_json(bytes, n, &out), ==, code);
	g_assert_cmpstr(out.data, ==, "kept");
	buf_fini(&out);
}

#define EXPECT(bytes_, json_) expect(bytes_, sizeof(bytes_) - 1, json_)
#define REFUSE(bytes_) expect_error(bytes_, sizeof(bytes_) - 1, -EBADMSG)

/* What goes out as JSON comes back as the same JSON, in both dialects of strings. */
static void test_round_trip(void)
{
	static const char *const texts[] = {
		"{}",
		"[]",
		"{\"a\": [1, -1, 127, 128, -32, -33, 255, 256, 65535, 65536, 4294967296]}",
		"[18446744073709551615, -9223372036854775808, 0.1, 512.0, 1e+22, -0.0, 5e-324]",
		"[null, true, false, \"\", \"caf\303\251\", \"a\\\"b\\\\c\\n\", \"\\u0000\"]",
		"{\"a\": {\"b\": {\"c\": [[[]]]}}}",
	};
	char *longer = g_strdup_printf("[\"%0200d\", \"%070000d\"]", 1, 2);

	for (size_t i = 0; i <= G_N_ELEMENTS(texts); i++) {
		const char *text = i < G_N_ELEMENTS(texts) ? texts[i] : longer;

		for (int raw = 0; raw < 2; raw++) {
			struct buf packed = BUF_INIT;

			g_assert_cmpint(pack_json(&packed, text, strlen(text), raw), ==, 0);
			expect(packed.data, packed.len, text);
			for (size_t n = 0; n < MIN(packed.len, 300U); n++) {
				expect_error(packed.data, n, -EBADMSG);
			}
			buf_fini(&packed);
		}
	}
	g_free(longer);
}

static void test_forms(void)
{
	EXPECT("\xd3\xff\xff\xff\xff\xff\xff\xff\xff", "-1");
	EXPECT("\xd0\x80", "-128");
	EXPECT("\xd1\xff\x00", "-256");
	EXPECT("\xd2\x80\x00\x00\x00", "-2147483648");
	EXPECT("\xca\x3f\x00\x00\x00", "0.5");
	EXPECT("\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", "NaN");
	EXPECT("\xcb\xff\xf0\x00\x00\x00\x00\x00\x00", "-Infinity");
	EXPECT("\xc4\x02hi", "\"hi\"");
	EXPECT("\xdc\x00\x02\x01\x02", "[1, 2]");
	EXPECT("\xdf\x00\x00\x00\x01\xd9\x01k\xc0", "{\"k\": null}");
}

static void test_refused(void)
{
	char deep[UNPACK_DEPTH_MAX + 2];
	struct buf out = BUF_INIT;

	REFUSE("");
	REFUSE("\xc1");
	REFUSE("\xc7\x01\x01x");
	REFUSE("\xd4\x01x");
	REFUSE("\x01\x01"); /* something behind it */
	REFUSE("\x81\x01\x01"); /* a key that is a number */
	REFUSE("\xa2\xff\xfe"); /* not UTF-8 */
	REFUSE("\xdd\xff\xff\xff\xff\x01"); /* more items than bytes */
	REFUSE("\xdf\x7f\xff\xff\xff\xa1k\x01");
	REFUSE("\xdb\xff\xff\xff\xffx");
	memset(deep, '\x91', sizeof(deep));
	deep[sizeof(deep) - 1] = '\x01';
	expect_error(deep, sizeof(deep), -E2BIG);
	deep[UNPACK_DEPTH_MAX] = '\x01';
	g_assert_cmpint(unpack_json(deep, UNPACK_DEPTH_MAX + 1, &out), ==, 0);
	buf_fini(&out);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/unpack/round-trip", test_round_trip);
	g_test_add_func("/unpack/forms", test_forms);
	g_test_add_func("/unpack/refused", test_refused);
	return g_test_run();
}

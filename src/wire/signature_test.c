/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures against those that Ceilometer computed (tests/golden/sample/signatures.json).  One thread.
 */
#include "wire/json.h"
#include "wire/signature.h"

#include <errno.h>
#include <glib.h>

enum { VECTORS = 11 };

struct vector {
	char *name, *secret;
	const char *message;
	size_t len;
	char *expected[FLATTEN_DIALECTS]; /* NULL: cannot be signed */
};

static char *take_text(struct json_reader *r)
{
	struct buf b = BUF_INIT;

	if (json_next(r) == JSON_NULL) {
		return NULL;
	}
	json_text(r, &b);
	return buf_steal(&b);
}

static void take_member(struct vector *v, struct json_reader *r)
{
	const struct {
		const char *key;
		char **text;
	} texts[] = {
		{ "name", &v->name },
		{ "secret", &v->secret },
		{ "sig_py3_today", &v->expected[FLATTEN_PY3] },
		{ "sig_py2_2014.2.1_plus", &v->expected[FLATTEN_PY2] },
		{ "sig_py2_2014.2.0", &v->expected[FLATTEN_PY2_2014_2_0] },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		if (json_is(r, texts[i].key)) {
			*texts[i].text = take_text(r);
			return;
		}
	}
	g_assert_true(json_is(r, "message"));
	g_assert_cmpint(json_next(r), ==, JSON_OBJECT);
	v->message = r->start;
	g_assert_cmpint(json_skip(r, JSON_OBJECT), ==, 0);
	v->len = (size_t)(r->at - v->message);
}

static void check_vector(const struct vector *v)
{
	for (int d = 0; d < FLATTEN_DIALECTS; d++) {
		struct signer *s = signer_new((enum flatten_dialect)d, v->secret);
		char text[SIGNATURE_TEXT] = "";

		g_assert_nonnull(s);
		g_test_message("%s %s", v->name, flatten_dialects[d]);
		for (int round = 0; round < 2; round++) {
			int status = signer_sign(s, v->message, v->len, text);

			g_assert_cmpint(status, ==, v->expected[d] ? 0 : -EILSEQ);
			g_assert_cmpstr(text, ==, v->expected[d] ? v->expected[d] : "");
		}
		signer_free(s);
	}
}

static void test_vectors(void)
{
	char *text;
	struct json_reader r;
	size_t len;
	int n = 0;

	g_assert_true(g_file_get_contents(GOLDEN "/sample/signatures.json", &text, &len, NULL));
	json_reader_init(&r, text, len);
	g_assert_cmpint(json_next(&r), ==, JSON_ARRAY);
	while (json_next(&r) == JSON_OBJECT) {
		struct vector v = { NULL };

		while (json_next(&r) == JSON_KEY) {
			take_member(&v, &r);
		}
		check_vector(&v);
		g_free(v.name);
		g_free(v.secret);
		for (int d = 0; d < FLATTEN_DIALECTS; d++) {
			g_free(v.expected[d]);
		}
		n++;
	}
	g_assert_cmpint(json_next(&r), ==, JSON_END);
	g_assert_cmpint(n, ==, VECTORS);
	g_free(text);
}

/* A message that cannot be signed leaves no trace in the next; the signature in it does not count. */
static void test_after_failure(void)
{
	static const char good[] = "{\"a\":1,\"b\":\"x\",\"message_signature\":\"0\"}";
	struct signer *s = signer_new(FLATTEN_PY3, "change this for valid signing");
	char text[SIGNATURE_TEXT] = "kept";

	g_assert_cmpint(signer_sign(s, "{\"b\":[", 6, text), ==, -EBADMSG);
	g_assert_cmpstr(text, ==, "kept");
	g_assert_cmpint(signer_sign(s, good, sizeof(good) - 1, text), ==, 0);
	g_assert_cmpstr(text, ==,
			"4719713c4d2e2693a27a3580446df939e4e9a8fed0bd98eaa8b53af3b2cf9a35");
	g_assert_cmpint(signer_sign_flat(s, "a1bx", 4, text), ==, 0);
	g_assert_cmpstr(text, ==,
			"4719713c4d2e2693a27a3580446df939e4e9a8fed0bd98eaa8b53af3b2cf9a35");
	signer_free(s);
	signer_free(NULL);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/signature/vectors", test_vectors);
	g_test_add_func("/signature/after-failure", test_after_failure);
	return g_test_run();
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of oslo.messaging: their forms, and the strict reader that holds them to it. */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "envelope_check.h"
#include "wire/json.h"

#define SAMPLE                                                                                     \
	"{\"source\": \"o\", \"counter_name\": \"c\\\"\\u00e9\", \"counter_type\": \"gauge\", "    \
	"\"counter_unit\": \"\", \"counter_volume\": 1.5, \"user_id\": null, \"project_id\": "     \
	"\"p\", \"resource_id\": \"r\", \"timestamp\": \"t\", \"resource_metadata\": {\"a\": "     \
	"[1]}, \"message_id\": \"m\", \"message_signature\": \"\"}"

/* In the form that the envelope wants. */
static void add_sample(struct envelope *e)
{
	struct buf *out = envelope_add(e);
	size_t n = strlen(SAMPLE);

	if (envelope_form(e) == MESSAGE_JSON) {
		buf_add(out, SAMPLE, n);
	} else {
		buf_commit(out, json_escape(buf_reserve(out, JSON_ESCAPE_ROOM(n)), SAMPLE, n));
	}
}

static void make(enum envelope_kind kind, bool bare, bool with_context, size_t samples,
		 struct buf *out)
{
	const struct envelope_copy copy = { .event = "an.event", .time_ns = 1785000000000001000 };
	const char *body;
	struct envelope e;
	size_t n;

	envelope_init(&e);
	e.kind = kind;
	e.bare = bare;
	e.context = with_context;
	e.publisher_id = "who";
	envelope_begin(&e);
	for (size_t i = 0; i < samples; i++) {
		add_sample(&e);
	}
	body = envelope_close(&e, &copy, &n);
	buf_reset(out);
	buf_add(out, body, n);
	envelope_fini(&e);
}

static int check(const char *body, enum envelope_kind kind, bool bare, const char **why)
{
	struct buf scratch = BUF_INIT;
	int ret = envelope_check(body, strlen(body), kind, bare, &scratch, why);

	buf_fini(&scratch);
	return ret;
}

static void test_forms(void)
{
	static const char *const begins[] = {
		[ENVELOPE_POLLING] =
			"\"publisher_id\": \"who\", \"event_type\": \"an.event\", "
			"\"priority\": \"SAMPLE\", \"payload\": {\"samples\": [{\"source\"",
		[ENVELOPE_NOTIFIER] = "\"priority\": \"SAMPLE\", \"payload\": [{\"source\"",
		[ENVELOPE_CAST] =
			"{\"method\": \"an.event\", \"version\": \"1.0\", \"args\": {\"data\": "
			"[{\"source\"",
	};
	const char *why = NULL;

	for (int kind = ENVELOPE_POLLING; kind <= ENVELOPE_CAST; kind++) {
		for (int way = 0; way < 4; way++) {
			struct buf body = BUF_INIT;

			make((enum envelope_kind)kind, way & 1, way & 2, 2, &body);
			g_assert_cmpint(check(body.data, (enum envelope_kind)kind, way & 1, &why),
					==, 0);
			g_assert_true(!strstr(body.data, "_context_user") == !(way & 2));
			if (way & 1) {
				g_assert_nonnull(strstr(body.data, begins[kind]));
				g_assert_true(kind == ENVELOPE_CAST ||
					      strstr(body.data,
						     "\"timestamp\": \"2026-07-25 "
						     "17:20:00.000001\", \"_unique_id\": \""));
			} else {
				g_assert_true(g_str_has_prefix(
					body.data,
					"{\"oslo.version\": \"2.0\", \"oslo.message\": \"{\\\""));
				g_assert_nonnull(strstr(body.data, "c\\\\\\\"\\\\u00e9"));
			}
			/* Another kind of message it is not. */
			g_assert_cmpint(check(body.data, (enum envelope_kind)((kind + 1) % 3),
					      way & 1, &why),
					==, -EBADMSG);
			buf_fini(&body);
		}
	}
}

/* A message that lost any one of its keys, or ends anywhere before its end, does not pass. */
static void test_check(void)
{
	static const char *const keys[] = {
		"source",         "counter_name",      "counter_type", "counter_unit",
		"counter_volume", "user_id",           "project_id",   "resource_id",
		"timestamp",      "resource_metadata", "message_id",   "message_signature",
		"publisher_id",   "event_type",        "priority",     "payload",
		"_unique_id"
	};
	struct buf body = BUF_INIT;
	const char *why = NULL;

	make(ENVELOPE_POLLING, true, false, 1, &body);
	for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
		char *text = g_strdup(body.data), *quoted = g_strdup_printf("\"%s\":", keys[i]);
		char *at = strstr(text, quoted);

		g_assert_nonnull(at);
		at[1] = '~';
		g_assert_cmpint(check(text, ENVELOPE_POLLING, true, &why), ==, -EBADMSG);
		g_free(quoted);
		g_free(text);
	}
	for (size_t n = 0; n < body.len; n++) {
		char *text = g_strndup(body.data, n);

		g_assert_cmpint(check(text, ENVELOPE_POLLING, true, &why), ==, -EBADMSG);
		g_assert_nonnull(why);
		g_free(text);
	}
	make(ENVELOPE_POLLING, true, false, 0, &body);
	g_assert_cmpint(check(body.data, ENVELOPE_POLLING, true, &why), ==, -EBADMSG);
	g_assert_cmpint(check("{\"oslo.version\": \"1.0\", \"oslo.message\": \"{}\"}",
			      ENVELOPE_POLLING, false, &why),
			==, -EBADMSG);
	buf_fini(&body);
}

/* What a sample leaves when it is taken out again. */
static void test_cut(void)
{
	const struct envelope_copy copy = { .event = "e", .time_ns = 0 };
	struct buf scratch = BUF_INIT;
	const char *why = NULL, *body;
	struct envelope e;
	size_t n;

	envelope_init(&e);
	e.publisher_id = "who";
	envelope_begin(&e);
	for (int i = 0; i < 3; i++) { /* the first one, too */
		size_t before = envelope_size(&e);

		buf_puts(envelope_add(&e), "half of a sam");
		envelope_cut(&e, before);
		g_assert_cmpuint(envelope_size(&e), ==, before);
		add_sample(&e);
	}
	body = envelope_close(&e, &copy, &n);
	g_assert_cmpint(envelope_check(body, n, ENVELOPE_POLLING, false, &scratch, &why), ==, 0);
	envelope_fini(&e);
	buf_fini(&scratch);
}

/* Copies of a message differ in what they are told to alone, however long it is; more samples may follow. */
static void test_copies(void)
{
	static const size_t lengths[] = { 3, 5000, 1, 20000, 20000, 7 };
	struct buf scratch = BUF_INIT;
	const char *why = NULL, *body;
	size_t n, fixed = 0, quoted = 0;
	struct envelope e;

	envelope_init(&e);
	e.publisher_id = "who";
	for (size_t i = 0; i < 2 * G_N_ELEMENTS(lengths); i++) {
		size_t length = lengths[i % G_N_ELEMENTS(lengths)];
		size_t count = i % G_N_ELEMENTS(lengths) + 1;
		char *event = g_strnfill(length, '"');
		const struct envelope_copy copy = { .event = event, .time_ns = 0 };

		if (count == 1) {
			envelope_begin(&e);
		}
		add_sample(&e);
		quoted = quoted ? quoted : envelope_size(&e);
		body = envelope_close(&e, &copy, &n);
		g_assert_cmpuint(envelope_size(&e), ==, count * (quoted + 2) - 2);
		g_assert_cmpuint(strlen(body), ==, n);
		g_assert_cmpint(envelope_check(body, n, ENVELOPE_POLLING, false, &scratch, &why),
				==, 0);
		n = scratch.len - count * (strlen(SAMPLE) + 2) - 2 * length;
		g_assert_cmpuint(n, ==, i > 0 ? fixed : n);
		fixed = n;
		g_free(event);
	}
	envelope_fini(&e);
	buf_fini(&scratch);
}

static void test_text(void)
{
	g_assert_true(envelope_text("m\xc3\xa9t\"rage"));
	g_assert_false(envelope_text("m\xe9trage"));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/amqp/envelope/forms", test_forms);
	g_test_add_func("/amqp/envelope/check", test_check);
	g_test_add_func("/amqp/envelope/cut", test_cut);
	g_test_add_func("/amqp/envelope/copies", test_copies);
	g_test_add_func("/amqp/envelope/text", test_text);
	return g_test_run();
}

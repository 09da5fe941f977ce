/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages out of texts, numbers and metadata of any kind: what the encoder takes, the strict reader reads, in every
 * kind of message, bare and in envelopes; what it refuses leaves nothing behind.  Input: texts, one ended by each zero,
 * then numbers.
 */
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "publisher/amqp/envelope_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXTS = 8, PROFILES = 3, KINDS = 3 };

/* In this order; an empty one is NULL where that may be. */
enum { METADATA, NAME, UNIT, ID, SOURCE, USER, PROJECT, USER_NAME };

struct input {
	char *text[TEXTS];
	uint64_t bits; /* the rest */
};

static void take(struct input *in, const uint8_t *data, size_t size)
{
	for (int i = 0; i < TEXTS; i++) {
		const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
		size_t n = zero ? (size_t)(zero - data) : size;

		in->text[i] = g_strndup((const char *)data, n);
		n += zero ? 1 : 0;
		data += n;
		size -= n;
	}
	in->bits = 0;
	memcpy(&in->bits, data, MIN(size, sizeof(in->bits)));
}

static const char *or_null(const char *text)
{
	return *text ? text : NULL;
}

static void must(bool good)
{
	if (!good) {
		abort();
	}
}

/* One message of the row twice, or of none when it is refused. */
static void check(const struct vmt_batch *b, enum vmt_profile profile, enum envelope_kind kind,
		  bool bare)
{
	const struct envelope_copy copy = { .event = "an.event", .time_ns = b->time_ns };
	struct envelope e;
	struct message_options o = { .profile = profile,
				     .dialect = message_dialect(profile),
				     .secret = "secret" };
	struct buf scratch = BUF_INIT;
	struct message_encoder *encoder;
	const char *why, *body;
	int taken = 0;
	size_t n;

	envelope_init(&e);
	e.kind = kind;
	e.bare = bare;
	e.context = profile == VMT_PROFILE_JUNO;
	e.publisher_id = "who";
	o.form = envelope_form(&e);
	encoder = message_encoder_new(&o);
	must(encoder != NULL);
	message_encoder_batch(encoder, b);
	envelope_begin(&e);
	for (uint32_t row = 0; row < b->count; row++) {
		size_t before = envelope_size(&e);
		struct buf *out = envelope_add(&e);
		size_t from = out->len;

		if (message_encoder_put(encoder, row, out) == 0) {
			taken++;
		} else {
			must(out->len == from);
			envelope_cut(&e, before);
		}
	}
	message_encoder_finish(encoder);
	must(taken == 0 || taken == (int)b->count); /* the rows are alike */
	body = envelope_close(&e, &copy, &n);
	must(taken == 0 || envelope_check(body, n, kind, bare, &scratch, &why) == 0);
	message_encoder_free(encoder);
	envelope_fini(&e);
	buf_fini(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in;
	struct vmt_resource r = { .digest = 1 };
	const struct vmt_resource *column[] = { &r, &r };
	union vmt_num value[2];
	struct vmt_batch b = { .count = 2, .resource = column, .value = value };

	take(&in, data, size);
	r.meta_head = in.text[METADATA];
	r.meta_head_len = (uint32_t)strlen(in.text[METADATA]);
	r.meta_tail = "";
	r.id = in.text[ID];
	r.source = in.text[SOURCE];
	r.user_id = or_null(in.text[USER]);
	r.project_id = or_null(in.text[PROJECT]);
	r.user_name = r.project_name = or_null(in.text[USER_NAME]);
	memcpy(&value[0], &in.bits, sizeof(in.bits));
	value[1] = value[0];
	b.name = in.text[NAME];
	b.unit = or_null(in.text[UNIT]);
	b.kind = (uint8_t)(in.bits % 3);
	b.type = (uint8_t)(in.bits / 3 % 3);
	b.time_ns = (int64_t)(in.bits >> 2);
	b.mono_ns = in.bits & 1 ? (int64_t)(in.bits >> 8) : INT64_MIN;
	for (int i = 0; i < PROFILES * KINDS * 2; i++) {
		check(&b, (enum vmt_profile)(i % PROFILES),
		      (enum envelope_kind)(i / PROFILES % KINDS), i >= PROFILES * KINDS);
	}
	for (int i = 0; i < TEXTS; i++) {
		g_free(in.text[i]);
	}
	return 0;
}

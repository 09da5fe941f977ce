/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of oslo.messaging.  The publisher's thread; blocks on nothing. */
#include "envelope.h"

#include <glib.h>
#include <string.h>
#include <sys/random.h>

#include "base/utf8.h"
#include "base/uuid.h"
#include "wire/json.h"
#include "wire/sample_time.h"

/* Keys of the context of Ceilometer's agents of 2014, but for the request's id; receivers make no use of
 * them. */
static const char context[] =
	", \"_context_user\": \"admin\", \"_context_tenant\": \"admin\", \"_context_is_admin\": true, "
	"\"_context_read_only\": false, \"_context_show_deleted\": false, \"_context_auth_token\": null, "
	"\"_context_domain\": null, \"_context_user_domain\": null, \"_context_project_domain\": null, "
	"\"_context_instance_uuid\": null, \"_context_user_identity\": \"admin admin - - -\", "
	"\"_context_request_id\": \"req-";

static void random_id(uint8_t id[16])
{
	if (getrandom(id, 16, 0) != 16) {
		uuid1_block(1, id); /* never on Linux since 3.17 */
	}
	id[6] = (uint8_t)((id[6] & 0x0f) | 0x40); /* version 4 */
	id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
}

bool envelope_text(const char *text)
{
	return utf8_valid(text, strlen(text));
}

void envelope_init(struct envelope *e)
{
	*e = (struct envelope){ .samples = BUF_INIT, .inner = BUF_INIT };
}

void envelope_fini(struct envelope *e)
{
	if (e) {
		buf_fini(&e->samples);
		buf_fini(&e->inner);
	}
}

void envelope_begin(struct envelope *e)
{
	uint8_t id[16];

	buf_reset(&e->samples);
	e->count = 0;
	random_id(id);
	uuid_format(id, e->message_id);
}

/* As it stands in the body: escaped once more where it is a string in the envelope. */
static void add_layer(const struct envelope *e, struct buf *out, const char *p, size_t n)
{
	if (e->bare) {
		buf_add(out, p, n);
	} else {
		buf_commit(out, json_escape(buf_reserve(out, JSON_ESCAPE_ROOM(n)), p, n));
	}
}

struct buf *envelope_add(struct envelope *e)
{
	if (e->count++ > 0) {
		buf_add(&e->samples, ", ", 2);
	}
	return &e->samples;
}

void envelope_cut(struct envelope *e, size_t size)
{
	buf_cut(&e->samples, size);
	e->count--;
}

enum message_form envelope_form(const struct envelope *e)
{
	return e->bare ? MESSAGE_JSON : MESSAGE_JSON_QUOTED;
}

size_t envelope_size(const struct envelope *e)
{
	return e->samples.len;
}

static void put_string(struct buf *out, const char *before, const char *text)
{
	size_t n = strlen(text);

	buf_puts(out, before);
	buf_putc(out, '"');
	buf_commit(out, json_escape(buf_reserve(out, JSON_ESCAPE_ROOM(n)), text, n));
	buf_putc(out, '"');
}

static void put_head(struct envelope *e, const struct envelope_copy *copy)
{
	struct buf *in = &e->inner;

	buf_reset(in);
	if (e->kind == ENVELOPE_CAST) {
		put_string(in, "{\"method\": ", copy->event);
		buf_puts(in, ", \"version\": \"1.0\", \"args\": {\"data\": [");
		return;
	}
	buf_printf(in, "{\"message_id\": \"%s\"", e->message_id);
	put_string(in, ", \"publisher_id\": ", e->publisher_id);
	put_string(in, ", \"event_type\": ", copy->event);
	buf_puts(in, ", \"priority\": \"SAMPLE\", \"payload\": ");
	buf_puts(in, e->kind == ENVELOPE_POLLING ? "{\"samples\": [" : "[");
}

static void put_tail(struct envelope *e, const struct envelope_copy *copy)
{
	char time[SAMPLE_TIME_MAX], text[UUID_TEXT];
	struct buf *in = &e->inner;
	uint8_t id[16];

	buf_reset(in);
	buf_puts(in, e->kind == ENVELOPE_NOTIFIER ? "]" : "]}");
	if (e->kind != ENVELOPE_CAST) {
		sample_time_format(copy->time_ns, VMT_PROFILE_26, time);
		time[10] = ' ';
		buf_printf(in, ", \"timestamp\": \"%s\"", time);
	}
	random_id(id);
	uuid_format(id, text);
	buf_puts(in, ", \"_unique_id\": \"");
	for (const char *c = text; *c; c++) {
		if (*c != '-') {
			buf_putc(in, *c);
		}
	}
	buf_putc(in, '"');
	if (e->context) {
		random_id(id);
		uuid_format(id, text);
		buf_puts(in, context);
		buf_printf(in, "%s\"", text);
	}
	buf_putc(in, '}');
}

void envelope_close(struct envelope *e, const struct envelope_copy *copy, struct buf *out)
{
	buf_reset(out);
	if (!e->bare) {
		buf_puts(out, "{\"oslo.version\": \"2.0\", \"oslo.message\": \"");
	}
	put_head(e, copy);
	add_layer(e, out, e->inner.data, e->inner.len);
	buf_add(out, e->samples.data, e->samples.len);
	put_tail(e, copy);
	add_layer(e, out, e->inner.data, e->inner.len);
	if (!e->bare) {
		buf_puts(out, "\"}");
	}
}

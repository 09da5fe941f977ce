/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of oslo.messaging.  The publisher's thread; blocks on nothing.
 *
 * A message is put together where its samples are added: its head goes before them, where room was left, and
 * its tail behind them.
 */
#include "envelope.h"

#include <glib.h>
#include <string.h>
#include <sys/random.h>

#include "base/utf8.h"
#include "base/uuid.h"
#include "wire/json.h"
#include "wire/sample_time.h"

enum { ROOM = 1024 }; /* for a head, to begin with */

/* Keys of the context of Ceilometer's agents of 2014, but for the request's id; receivers make no use of
 * them. */
static const char context[] =
	", \"_context_user\": \"admin\", \"_context_tenant\": \"admin\", \"_context_is_admin\": true, "
	"\"_context_read_only\": false, \"_context_show_deleted\": false, \"_context_auth_token\": null, "
	"\"_context_domain\": null, \"_context_user_domain\": null, \"_context_project_domain\": null, "
	"\"_context_instance_uuid\": null, \"_context_user_identity\": \"admin admin - - -\", "
	"\"_context_request_id\": \"req-";

static void random_id(struct envelope *e, uint8_t id[16])
{
	if (!e->random_left && getrandom(e->random, sizeof(e->random), 0) == sizeof(e->random)) {
		e->random_left = sizeof(
			e->random); /* always on Linux since 3.17: so few are never cut short */
	}
	if (e->random_left) {
		e->random_left -= 16;
		memcpy(id, e->random + e->random_left, 16);
	} else {
		uuid1_block(1, id);
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
	*e = (struct envelope){
		.body = BUF_INIT, .head = BUF_INIT, .inner = BUF_INIT, .room = ROOM
	};
}

void envelope_fini(struct envelope *e)
{
	if (e) {
		buf_fini(&e->body);
		buf_fini(&e->head);
		buf_fini(&e->inner);
	}
}

void envelope_begin(struct envelope *e)
{
	uint8_t id[16];

	buf_reset(&e->body);
	buf_reserve(&e->body, e->room);
	buf_commit(&e->body, e->room);
	e->end = 0;
	e->count = 0;
	random_id(e, id);
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

/* Takes the tail of the copy before off. */
static void open_again(struct envelope *e)
{
	if (e->end) {
		buf_cut(&e->body, e->end);
		e->end = 0;
	}
}

struct buf *envelope_add(struct envelope *e)
{
	open_again(e);
	if (e->count++ > 0) {
		buf_add(&e->body, ", ", 2);
	}
	return &e->body;
}

void envelope_cut(struct envelope *e, size_t size)
{
	buf_cut(&e->body, e->room + size);
	e->count--;
}

enum message_form envelope_form(const struct envelope *e)
{
	return e->bare ? MESSAGE_JSON : MESSAGE_JSON_QUOTED;
}

size_t envelope_size(const struct envelope *e)
{
	return (e->end ? e->end : e->body.len) - e->room;
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
	random_id(e, id);
	uuid_format(id, text);
	buf_puts(in, ", \"_unique_id\": \"");
	for (const char *c = text; *c; c++) {
		if (*c != '-') {
			buf_putc(in, *c);
		}
	}
	buf_putc(in, '"');
	if (e->context) {
		random_id(e, id);
		uuid_format(id, text);
		buf_puts(in, context);
		buf_printf(in, "%s\"", text);
	}
	buf_putc(in, '}');
}

/* Moves the samples so that there is room for n bytes before them. */
static void make_room(struct envelope *e, size_t n)
{
	size_t samples = envelope_size(e);

	if (n > e->room) {
		buf_reserve(&e->body, n - e->room);
		memmove(e->body.data + n, e->body.data + e->room, samples);
		buf_commit(&e->body, n - e->room);
		e->room = n;
	}
}

const char *envelope_close(struct envelope *e, const struct envelope_copy *copy, size_t *ret_n)
{
	char *begin;

	open_again(e);
	put_head(e, copy);
	buf_reset(&e->head);
	if (!e->bare) {
		buf_puts(&e->head, "{\"oslo.version\": \"2.0\", \"oslo.message\": \"");
	}
	add_layer(e, &e->head, e->inner.data, e->inner.len);
	make_room(e, e->head.len);
	e->end = e->body.len;
	put_tail(e, copy);
	add_layer(e, &e->body, e->inner.data, e->inner.len);
	if (!e->bare) {
		buf_puts(&e->body, "\"}");
	}
	begin = e->body.data + e->room - e->head.len;
	memcpy(begin, e->head.data, e->head.len);
	*ret_n = e->body.len - e->room + e->head.len;
	return begin;
}

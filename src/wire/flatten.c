/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the flattening of messages.  One thread at a time for an object; blocks on nothing.
 *
 * The message is read into a tree of values, members and items as linked lists; a list is put in the
 * order in which the peer visits it when its turn has come.
 */
#include "wire/flatten.h"
#include "wire/json.h"
#include "wire/pynum.h"
#include "wire/pytext.h"

#include <errno.h>
#include <glib.h>

const char *const flatten_dialects[] = {
	[FLATTEN_PY3] = "py3",
	[FLATTEN_PY2] = "py2",
	[FLATTEN_PY2_2014_2_0] = "py2-2014.2.0",
	[FLATTEN_DIALECTS] = NULL,
};

enum { NONE = 0, FIRST_ROOM = 64, DICT_MIN = 8, PROBES = 4 << 20 };
/* A long name before many short values makes much of little: an end to that. */
enum { VALUES_MAX = 1 << 18, OUTPUT_MAX = 64 << 20 };

struct flatten_value {
	const char *key, *text; /* decoded; of a number the digits as sent */
	uint32_t key_len, text_len;
	uint32_t next, child; /* next member or item, first one inside; NONE */
	uint64_t hash; /* of the key, in Python 2 */
	uint8_t event; /* JSON_OBJECT, JSON_ARRAY or a scalar's */
	bool integer;
};

/* What is needed all the way down. */
struct walk {
	struct flatten *f;
	enum flatten_dialect dialect;
	struct buf *out;
	size_t before; /* length of `out` before the message */
};

/* ------------------------------------------------------------------ the tree */

static const char *decoded(struct flatten *f, const struct json_reader *r, uint32_t *ret_len)
{
	char *at = f->strings.data + f->strings.len; /* room was made for the whole message */

	if (!r->escaped) {
		*ret_len = (uint32_t)r->span_len;
		return r->span;
	}
	*ret_len = (uint32_t)json_decode(r->span, r->span_len, at);
	f->strings.len += *ret_len;
	return at;
}

static uint32_t new_value(struct flatten *f)
{
	if (f->count == f->room) {
		f->room = f->room ? f->room * 2 : FIRST_ROOM;
		f->values = g_renew(struct flatten_value, f->values, f->room);
	}
	f->values[f->count] = (struct flatten_value){ .event = JSON_NULL };
	return (uint32_t)f->count++;
}

static int read_tree(struct flatten *f, const char *json, size_t n)
{
	/* by level: the container, and its last member so far */
	uint32_t parents[JSON_DEPTH_MAX + 1] = { NONE }, last[JSON_DEPTH_MAX + 1] = { NONE };
	struct flatten_value pending = { .key = NULL };
	struct json_reader r;
	enum json_event event;

	f->count = 0;
	f->strings.len = 0;
	json_reader_init(&r, json, n);
	r.nonfinite = true;
	buf_reserve(&f->strings, MIN(n, (size_t)JSON_SIZE_MAX));
	while ((event = json_next(&r)) > JSON_END) {
		bool container = event == JSON_OBJECT || event == JSON_ARRAY;
		unsigned level = r.depth - container;
		struct flatten_value *v;
		uint32_t i;

		if (event == JSON_KEY) {
			pending.key = decoded(f, &r, &pending.key_len);
			continue;
		}
		if (event == JSON_OBJECT_END || event == JSON_ARRAY_END) {
			continue;
		}
		if (f->count == VALUES_MAX) {
			return -E2BIG;
		}
		i = new_value(f);
		v = &f->values[i];
		*v = pending;
		v->event = (uint8_t)event;
		pending = (struct flatten_value){ .key = NULL };
		if (event == JSON_STRING) {
			v->text = decoded(f, &r, &v->text_len);
		} else if (event == JSON_NUMBER) {
			v->text = r.span;
			v->text_len = (uint32_t)r.span_len;
			v->integer = r.integer;
		}
		if (last[level]) {
			f->values[last[level]].next = i;
		} else if (level) {
			f->values[parents[level]].child = i;
		}
		last[level] = i;
		if (container) {
			parents[level + 1] = i;
			last[level + 1] = NONE;
		}
	}
	return event == JSON_ERROR || f->values[0].event != JSON_OBJECT ? -EBADMSG : 0;
}

/* ------------------------------------------------------------------ order */

/* By bytes, which is by code points. */
static int compare_keys(const struct flatten_value *a, const struct flatten_value *b)
{
	size_t n = MIN(a->key_len, b->key_len);
	int c = n ? memcmp(a->key, b->key, n) : 0;

	return c ? c : (a->key_len > b->key_len) - (a->key_len < b->key_len);
}

/* Joins two sorted lists; equal keys keep their order. */
static uint32_t merge(struct flatten_value *v, uint32_t a, uint32_t b)
{
	uint32_t first = NONE, *link = &first;

	while (a && b) {
		uint32_t *from = compare_keys(&v[a], &v[b]) <= 0 ? &a : &b;

		*link = *from;
		link = &v[*from].next;
		*from = *link;
	}
	*link = a ? a : b;
	return first;
}

/* Merge sort from below: run[i] is a sorted list of 2^i members. */
static uint32_t sort_keys(struct flatten_value *v, uint32_t list)
{
	uint32_t run[32] = { NONE };
	uint32_t all = NONE;

	while (list) {
		uint32_t one = list;
		int i;

		list = v[one].next;
		v[one].next = NONE;
		for (i = 0; run[i]; i++) {
			one = merge(v, run[i], one);
			run[i] = NONE;
		}
		run[i] = one;
	}
	for (int i = 0; i < 32; i++) {
		all = run[i] ? merge(v, run[i], all) : all;
	}
	return all;
}

/* Of equal keys, beside each other, the last stays. */
static uint32_t drop_repeats(struct flatten_value *v, uint32_t list)
{
	uint32_t first = list, *link = &first;

	while (*link) {
		uint32_t next = v[*link].next;

		if (next && compare_keys(&v[*link], &v[next]) == 0) {
			*link = next;
		} else {
			link = &v[*link].next;
		}
	}
	return first;
}

static void sort_members(struct flatten *f, uint32_t object)
{
	uint32_t list = sort_keys(f->values, f->values[object].child);

	f->values[object].child = drop_repeats(f->values, list);
}

/* hash() of Python 2.7, 64 bits, of a byte string or (by code point) of a unicode string. */
static uint64_t py2_hash(const char *p, size_t n, bool unicode)
{
	const char *end = p + n;
	uint64_t x = 0, length = 0;

	while (p < end) {
		uint64_t c = unicode ? g_utf8_get_char(p) : (unsigned char)*p;

		if (!length++) {
			x = c << 7;
		}
		x = (x * 1000003) ^ c;
		p = unicode ? g_utf8_next_char(p) : p + 1;
	}
	if (!length) {
		return 0;
	}
	x ^= length;
	return x == UINT64_MAX ? UINT64_MAX - 1 : x;
}

/* Puts value i where Python 2.7's dictionary of `size` slots has it. */
static int insert(struct flatten *f, uint32_t *slots, size_t size, uint32_t i)
{
	uint64_t hash = f->values[i].hash, at = hash, perturb = hash;

	while (slots[at & (size - 1)]) {
		if (!f->probes--) {
			return -E2BIG;
		}
		at = 5 * at + 1 + perturb;
		perturb >>= 5;
	}
	slots[at & (size - 1)] = i;
	return 0;
}

static uint32_t *slots_for(struct flatten *f, size_t n)
{
	if (n > f->slots_room) {
		f->slots = g_renew(uint32_t, f->slots, n);
		f->slots_room = n;
	}
	return f->slots;
}

/* Moves the `used` values into a table of its next size.  It stands in the room behind the old one. */
static int grow(struct flatten *f, size_t *size, size_t used)
{
	size_t old = *size, more = used > 50000 ? used * 2 : used * 4, new = DICT_MIN;
	uint32_t *slots;
	int status = 0;

	while (new <= more) {
		new *= 2;
	}
	slots = slots_for(f, old + new);
	memset(slots + old, 0, new * sizeof(*slots));
	for (size_t i = 0; i < old && !status; i++) {
		if (slots[i]) {
			status = insert(f, slots + old, new, slots[i]);
		}
	}
	memmove(slots, slots + old, new * sizeof(*slots));
	*size = new;
	return status;
}

/* Puts the members into the order in which a Python 2 dictionary made of them, one after the other, is
 * walked through. */
static int order_py2(struct flatten *f, uint32_t object, bool unicode)
{
	size_t size = DICT_MIN, used = 0;
	uint32_t *slots = slots_for(f, size), *link;
	int status;

	memset(slots, 0, size * sizeof(*slots));
	for (uint32_t i = f->values[object].child; i; i = f->values[i].next) {
		struct flatten_value *v = &f->values[i];

		v->hash = py2_hash(v->key, v->key_len, unicode);
		status = insert(f, f->slots, size, i);
		used++;
		if (!status && used * 3 >= size * 2) {
			status = grow(f, &size, used);
		}
		if (status) {
			return status;
		}
	}
	link = &f->values[object].child;
	for (size_t i = 0; i < size; i++) {
		if (f->slots[i]) {
			*link = f->slots[i];
			link = &f->values[*link].next;
		}
	}
	*link = NONE;
	return 0;
}

/* ------------------------------------------------------------------ inside lists */

static int add_item(const struct walk *w, uint32_t i, enum pytext_form form, struct buf *out);

static int order_inside_list(const struct walk *w, uint32_t object)
{
	switch (w->dialect) {
	case FLATTEN_PY2:
		sort_members(w->f, object);
		return order_py2(w->f, object, false);
	case FLATTEN_PY2_2014_2_0:
		return order_py2(w->f, object, true);
	default:
		sort_members(w->f, object);
		return 0;
	}
}

static int add_inside(const struct walk *w, uint32_t container, enum pytext_form form,
		      struct buf *out)
{
	bool object = w->f->values[container].event == JSON_OBJECT;
	int status = object ? order_inside_list(w, container) : 0;
	uint32_t first = w->f->values[container].child;

	buf_putc(out, object ? '{' : '[');
	for (uint32_t i = first; i && !status; i = w->f->values[i].next) {
		const struct flatten_value *v = &w->f->values[i];

		if (i != first) {
			buf_add(out, ", ", 2);
		}
		if (object) {
			pytext_add(out, v->key, v->key_len, form);
			buf_add(out, ": ", 2);
		}
		status = add_item(w, i, form, out);
	}
	buf_putc(out, object ? '}' : ']');
	return status;
}

static void add_word(struct buf *out, uint8_t event)
{
	buf_puts(out, event == JSON_TRUE ? "True" : event == JSON_FALSE ? "False" : "None");
}

static int check_number(const struct flatten_value *v)
{
	double d;

	return v->integer ? 0 : json_span_double(v->text, v->text_len, &d);
}

/* As repr() shows it. */
static int add_item(const struct walk *w, uint32_t i, enum pytext_form form, struct buf *out)
{
	const struct flatten_value *v = &w->f->values[i];

	switch (v->event) {
	case JSON_STRING:
		pytext_add(out, v->text, v->text_len, form);
		return 0;
	case JSON_NUMBER:
		if (check_number(v)) {
			return -ERANGE;
		}
		pytext_add_number(out, v->text, v->text_len, v->integer, form);
		return 0;
	case JSON_OBJECT:
	case JSON_ARRAY:
		return add_inside(w, i, form, out);
	default:
		add_word(out, v->event);
		return 0;
	}
}

/* ------------------------------------------------------------------ values outside lists */

int flatten_number(const char *digits, size_t n, bool integer, enum flatten_dialect dialect,
		   struct buf *out)
{
	double d;
	char *at;

	if (integer) {
		pytext_add_number(out, digits, n, true, PYTEXT_STR);
		return 0;
	}
	if (json_span_double(digits, n, &d)) {
		return -ERANGE;
	}
	at = buf_reserve(out, PYNUM_MAX);
	buf_commit(out, dialect == FLATTEN_PY3 ? pynum_double(at, d) : pynum_py2(at, d));
	return 0;
}

/* As str() shows it. */
static int add_scalar(const struct walk *w, const struct flatten_value *v, struct buf *out)
{
	if (v->event == JSON_NUMBER) {
		return flatten_number(v->text, v->text_len, v->integer, w->dialect, out);
	}
	if (v->event == JSON_STRING) {
		buf_add(out, v->text, v->text_len);
	} else {
		add_word(out, v->event);
	}
	return 0;
}

/* 2014.2.0: each item becomes text, whatever it is, and that text is shown as a string. */
static int add_list_of_texts(const struct walk *w, uint32_t list)
{
	struct buf *item = &w->f->item;
	int status = 0;

	buf_putc(w->out, '[');
	for (uint32_t i = w->f->values[list].child; i && !status; i = w->f->values[i].next) {
		uint8_t event = w->f->values[i].event;

		buf_reset(item);
		if (event == JSON_OBJECT || event == JSON_ARRAY) {
			status = add_inside(w, i, PYTEXT_PY2_UNICODE, item);
		} else {
			status = add_scalar(w, &w->f->values[i], item);
		}
		if (i != w->f->values[list].child) {
			buf_add(w->out, ", ", 2);
		}
		pytext_add(w->out, item->data, item->len, PYTEXT_PY2_STR);
	}
	buf_putc(w->out, ']');
	return status;
}

static bool is_ascii(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)p[i] >= 0x80) {
			return false;
		}
	}
	return true;
}

static int add_pair(const struct walk *w, uint32_t i)
{
	const struct flatten_value *v = &w->f->values[i];
	const struct buf *prefix = &w->f->name;

	if (w->dialect == FLATTEN_PY2_2014_2_0 &&
	    !(is_ascii(prefix->data, prefix->len) && is_ascii(v->key, v->key_len))) {
		return -EILSEQ;
	}
	if (w->out->len - w->before > OUTPUT_MAX) {
		return -E2BIG;
	}
	buf_add(w->out, prefix->data, prefix->len);
	buf_add(w->out, v->key, v->key_len);
	if (v->event != JSON_ARRAY) {
		return add_scalar(w, v, w->out);
	}
	switch (w->dialect) {
	case FLATTEN_PY2:
		return add_inside(w, i, PYTEXT_PY2_STR, w->out);
	case FLATTEN_PY2_2014_2_0:
		return add_list_of_texts(w, i);
	default:
		return add_inside(w, i, PYTEXT_BYTES, w->out);
	}
}

static bool is_signature(const struct walk *w, const struct flatten_value *v)
{
	static const char name[] = "message_signature";

	return !w->f->name.len && v->key_len == sizeof(name) - 1 &&
	       memcmp(v->key, name, sizeof(name) - 1) == 0;
}

static int add_object(const struct walk *w, uint32_t object)
{
	struct buf *name = &w->f->name;
	size_t outer = name->len;
	int status = 0;

	sort_members(w->f, object);
	for (uint32_t i = w->f->values[object].child; i && !status; i = w->f->values[i].next) {
		const struct flatten_value *v = &w->f->values[i];

		if (v->event == JSON_OBJECT) {
			buf_add(name, v->key, v->key_len);
			buf_putc(name, ':');
			status = add_object(w, i);
			name->len = outer;
		} else if (!is_signature(w, v)) {
			status = add_pair(w, i);
		}
	}
	return status;
}

/* All names begin with what `name` holds. */
static int flatten(struct flatten *f, const char *json, size_t n, enum flatten_dialect dialect,
		   struct buf *out)
{
	struct walk w = { f, dialect, out, out->len };
	int status = read_tree(f, json, n);

	f->probes = PROBES;
	if (!status) {
		status = add_object(&w, 0);
	}
	if (status) {
		out->len = w.before;
		if (out->cap) {
			out->data[w.before] = '\0';
		}
	}
	return status;
}

int flatten_json(struct flatten *f, const char *json, size_t n, enum flatten_dialect dialect,
		 struct buf *out)
{
	buf_reset(&f->name);
	return flatten(f, json, n, dialect, out);
}

int flatten_member(struct flatten *f, const char *name, const char *json, size_t n,
		   enum flatten_dialect dialect, struct buf *out)
{
	buf_reset(&f->name);
	buf_puts(&f->name, name);
	buf_putc(&f->name, ':');
	return flatten(f, json, n, dialect, out);
}

void flatten_init(struct flatten *f)
{
	*f = (struct flatten){ .strings = BUF_INIT, .name = BUF_INIT, .item = BUF_INIT };
}

void flatten_fini(struct flatten *f)
{
	if (f) {
		g_free(f->values);
		g_free(f->slots);
		buf_fini(&f->strings);
		buf_fini(&f->name);
		buf_fini(&f->item);
		flatten_init(f);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Samples of dry tests.  Main thread; blocks on nothing. */
#include "cmd/dry_sample.h"

#include <math.h>
#include <string.h>

#include "wire/json.h"
#include "wire/pynum.h"
#include "wire/sample_time.h"

static const char *const types[] = { "cumulative", "gauge", "delta", NULL };

void dry_sample_free(void *sample)
{
	struct dry_sample *s = sample;

	if (s) {
		g_free(s->name);
		g_free(s->unit);
		resource_unref(s->resource);
		g_strfreev(s->publishers);
		g_free(s);
	}
}

/* ---- from YAML */

static void put_json(struct json_writer *w, const struct yaml_node *n)
{
	double number;
	int64_t whole;
	bool truth;

	switch (n->kind) {
	case YAML_NULL:
		json_put_null(w);
		return;
	case YAML_LIST:
		json_begin_array(w);
		for (size_t i = 0; i < n->count; i++) {
			put_json(w, n->value[i]);
		}
		json_end_array(w);
		return;
	case YAML_MAP:
		json_begin_object(w);
		for (size_t i = 0; i < n->count; i++) {
			json_key(w, n->key[i]->kind == YAML_SCALAR ? n->key[i]->text : "null");
			put_json(w, n->value[i]);
		}
		json_end_object(w);
		return;
	case YAML_SCALAR:
		break;
	}
	if (yaml_is_text(n)) {
		json_put_text(w, n->text);
	} else if (yaml_bool(n, &truth)) {
		json_put_bool(w, truth);
	} else if (yaml_number(n, &number) && !strpbrk(n->text, ".eE") && yaml_int(n, &whole)) {
		json_put_int(w, whole);
	} else if (yaml_number(n, &number)) {
		json_put_double(w, number);
	} else {
		json_put_text(w, n->text);
	}
}

static const char *text_of(const struct yaml_node *map, const char *key, const char *def)
{
	const struct yaml_node *n = yaml_get(map, key);

	return n && n->kind == YAML_SCALAR ? n->text : def;
}

static bool wrong(struct problems *problems, const struct yaml_node *at, const char *what)
{
	problems_add(problems, PROBLEM_ERROR, &at->at, "%s", what);
	return false;
}

/* A whole number that is written as one, also beyond int64, else a double. */
static bool read_volume(const struct yaml_node *n, enum vmt_kind *ret_kind, union vmt_num *ret)
{
	double number = 0;
	char *end;

	if (!n || n->kind != YAML_SCALAR || n->quoted || !n->text[0] ||
	    (n->text[strspn(n->text, "0123456789")] != '\0' && !yaml_number(n, &number))) {
		return false;
	}
	if (n->text[strspn(n->text, "0123456789")] == '\0') {
		ret->u = g_ascii_strtoull(n->text, &end, 10);
		*ret_kind = VMT_UINT64;
	} else if (n->text[0] == '-' && n->text[1 + strspn(n->text + 1, "0123456789")] == '\0') {
		ret->i = g_ascii_strtoll(n->text, &end, 10);
		*ret_kind = VMT_INT64;
	} else {
		ret->d = number;
		*ret_kind = VMT_DOUBLE;
	}
	return true;
}

static bool read_type(const struct yaml_node *n, enum vmt_meter_type *ret)
{
	for (unsigned i = 0; types[i]; i++) {
		if (n->kind == YAML_SCALAR && strcmp(types[i], n->text) == 0) {
			*ret = (enum vmt_meter_type)i;
			return true;
		}
	}
	return false;
}

static bool read_numbers(const struct yaml_node *n, struct dry_sample *s, struct problems *problems)
{
	const struct yaml_node *type = yaml_get(n, "type"), *volume = yaml_get(n, "volume");
	const struct yaml_node *time = yaml_get(n, "timestamp");
	const struct yaml_node *mono = yaml_get(n, "monotonic_time");
	double seconds;

	if (type && !read_type(type, &s->type)) {
		return wrong(problems, type, "type is cumulative, gauge or delta");
	}
	if (!read_volume(volume, &s->kind, &s->value)) {
		return wrong(problems, volume ? volume : n, "volume: a number is needed");
	}
	if (time && (time->kind != YAML_SCALAR ||
		     sample_time_parse(time->text, s->time_ns, &s->time_ns) < 0)) {
		return wrong(problems, time,
			     "timestamp: a time such as 2014-12-10T04:10:00 is needed");
	}
	if (mono && mono->kind != YAML_NULL) {
		if (!yaml_number(mono, &seconds)) {
			return wrong(problems, mono, "monotonic_time: seconds are needed");
		}
		s->mono_ns = (int64_t)(seconds * 1e9);
	}
	return true;
}

static struct resource *read_resource(const struct yaml_node *n, const char *source)
{
	const struct yaml_node *metadata = yaml_get(n, "resource_metadata");
	struct resource_owner owner = { .project_id = text_of(n, "project_id", NULL),
					.user_id = text_of(n, "user_id", NULL),
					.source = text_of(n, "source", source) };
	struct buf json = BUF_INIT;
	struct json_writer w;
	struct resource_head *head;
	struct resource *r;

	json_writer_init(&w, &json);
	if (metadata && metadata->kind == YAML_MAP) {
		put_json(&w, metadata);
	} else {
		buf_puts(&json, "{}");
	}
	head = resource_head_new(&owner, json.data, json.len - 1);
	r = resource_new(head, text_of(n, "resource_id", "resource"), "}", 1);
	resource_head_unref(head);
	buf_fini(&json);
	return r;
}

static const char *const keys[] = {
	"name",           "type",   "unit",        "volume",    "project_id",
	"user_id",        "source", "resource_id", "timestamp", "resource_metadata",
	"monotonic_time", NULL
};

static bool check_keys(const struct yaml_node *n, bool expected, struct problems *problems)
{
	bool good = true;

	if (n->kind != YAML_MAP) {
		return wrong(problems, n, "a sample is a mapping: name, volume and so on");
	}
	for (size_t i = 0; i < n->count; i++) {
		const char *key = n->key[i]->kind == YAML_SCALAR ? n->key[i]->text : "";

		if (!g_strv_contains(keys, key) && !(expected && strcmp(key, "publishers") == 0)) {
			problems_add(problems, PROBLEM_ERROR, &n->key[i]->at,
				     "%s: no field of a sample", key);
			good = false;
		}
	}
	return good;
}

struct dry_sample *dry_sample_read(const struct yaml_node *node, const char *source,
				   struct problems *problems)
{
	struct dry_sample *s;

	if (!check_keys(node, false, problems)) {
		return NULL;
	}
	if (!text_of(node, "name", NULL)) {
		wrong(problems, node, "name: a sample needs one");
		return NULL;
	}
	s = g_new0(struct dry_sample, 1);
	s->name = g_strdup(text_of(node, "name", ""));
	s->unit = g_strdup(text_of(node, "unit", ""));
	s->type = VMT_GAUGE;
	s->time_ns = INT64_C(1767225600) * 1000000000; /* 2026-01-01 */
	s->mono_ns = INT64_MIN;
	if (!read_numbers(node, s, problems)) {
		dry_sample_free(s);
		return NULL;
	}
	s->resource = read_resource(node, source);
	return s;
}

bool dry_expect_check(const struct yaml_node *node, struct problems *problems)
{
	const struct yaml_node *volume = yaml_get(node, "volume"), *type = yaml_get(node, "type");
	const struct yaml_node *time = yaml_get(node, "timestamp");
	enum vmt_meter_type some_type;
	union vmt_num value;
	enum vmt_kind kind;
	int64_t some_time;

	if (!check_keys(node, true, problems)) {
		return false;
	}
	if (volume && !read_volume(volume, &kind, &value)) {
		return wrong(problems, volume, "volume: a number is needed");
	}
	if (type && !read_type(type, &some_type)) {
		return wrong(problems, type, "type is cumulative, gauge or delta");
	}
	if (time &&
	    (time->kind != YAML_SCALAR || sample_time_parse(time->text, 0, &some_time) < 0)) {
		return wrong(problems, time,
			     "timestamp: a time such as 2014-12-10T04:10:00 is needed");
	}
	return true;
}

/* ---- text */

static void put_number(enum vmt_kind kind, union vmt_num v, struct buf *out)
{
	char text[PYNUM_MAX];
	size_t n = kind == VMT_DOUBLE  ? pynum_double(text, v.d)
		   : kind == VMT_INT64 ? pynum_int(text, v.i)
				       : pynum_uint(text, v.u);

	buf_add(out, text, n);
}

static void put_time(int64_t time_ns, struct buf *out)
{
	char text[SAMPLE_TIME_MAX];
	size_t n = sample_time_format(time_ns, VMT_PROFILE_26, text);

	buf_add(out, text, n);
}

void dry_sample_print(const struct dry_sample *s, struct buf *out)
{
	buf_printf(out, "%s of %s at ", s->name, s->resource->public.id);
	put_time(s->time_ns, out);
	buf_puts(out, ": ");
	put_number(s->kind, s->value, out);
	buf_printf(out, " %s", s->unit);
}

/* ---- comparison */

/* Equal as numbers: integers exactly, else as doubles. */
static bool same_number(const struct dry_sample *s, enum vmt_kind kind, union vmt_num v)
{
	double is, wanted;

	if (s->kind != VMT_DOUBLE && kind != VMT_DOUBLE) {
		return s->value.u == v.u &&
		       ((s->kind == VMT_INT64 && s->value.i < 0) == (kind == VMT_INT64 && v.i < 0));
	}
	is = s->kind == VMT_DOUBLE  ? s->value.d
	     : s->kind == VMT_INT64 ? (double)s->value.i
				    : (double)s->value.u;
	wanted = kind == VMT_DOUBLE ? v.d : kind == VMT_INT64 ? (double)v.i : (double)v.u;
	return is == wanted || (isnan(is) && isnan(wanted));
}

static unsigned say(struct buf *out, const char *key, const char *is, const char *wanted)
{
	if (out) {
		buf_printf(out, "%s%s is %s, expected %s", out->len ? "; " : "", key,
			   is ? is : "null", wanted ? wanted : "null");
	}
	return 1;
}

static unsigned compare_text(const char *key, const char *is, const struct yaml_node *n,
			     struct buf *out)
{
	const char *wanted = n->kind == YAML_SCALAR ? n->text : NULL;

	return g_strcmp0(is, wanted) == 0 ? 0 : say(out, key, is, wanted);
}

static unsigned compare_metadata(const struct dry_sample *s, const struct yaml_node *n,
				 struct buf *out)
{
	const struct vmt_resource *r = &s->resource->public;
	struct buf is = BUF_INIT, wanted = BUF_INIT;
	struct json_writer w;
	unsigned differs = 0;

	buf_add(&is, r->meta_head, r->meta_head_len);
	buf_add(&is, r->meta_tail, r->meta_tail_len);
	json_writer_init(&w, &wanted);
	if (n->kind == YAML_MAP) {
		put_json(&w, n);
	} else {
		buf_puts(&wanted, "{}");
	}
	if (strcmp(is.data, wanted.data) != 0) {
		differs = say(out, "resource_metadata", is.data, wanted.data);
	}
	buf_fini(&is);
	buf_fini(&wanted);
	return differs;
}

static unsigned compare_publishers(const struct dry_sample *s, const struct yaml_node *n,
				   struct buf *out)
{
	char *is = g_strjoinv(", ", s->publishers);
	GString *wanted = g_string_new(NULL);
	bool same = n->kind == YAML_LIST && n->count == g_strv_length(s->publishers);
	unsigned differs = 0;

	for (size_t i = 0; n->kind == YAML_LIST && i < n->count; i++) {
		const char *one = n->value[i]->kind == YAML_SCALAR ? n->value[i]->text : "";

		g_string_append_printf(wanted, "%s%s", i ? ", " : "", one);
		same = same && g_strv_contains((const char *const *)s->publishers, one);
	}
	if (!same) {
		differs = say(out, "publishers", is, wanted->str);
	}
	g_string_free(wanted, TRUE);
	g_free(is);
	return differs;
}

static unsigned compare_volume(const struct dry_sample *s, const struct yaml_node *n,
			       struct buf *out)
{
	struct buf is = BUF_INIT;
	enum vmt_kind kind;
	union vmt_num v;
	unsigned differs = 0;

	if (!read_volume(n, &kind, &v) || !same_number(s, kind, v)) {
		put_number(s->kind, s->value, &is);
		differs = say(out, "volume", is.data, n->kind == YAML_SCALAR ? n->text : NULL);
	}
	buf_fini(&is);
	return differs;
}

static unsigned compare_time(const struct dry_sample *s, const struct yaml_node *n, struct buf *out)
{
	struct buf is = BUF_INIT;
	int64_t wanted;
	unsigned differs = 0;

	if (sample_time_parse(n->text, 0, &wanted) < 0 || wanted != s->time_ns) {
		put_time(s->time_ns, &is);
		differs = say(out, "timestamp", is.data, n->text);
	}
	buf_fini(&is);
	return differs;
}

static unsigned compare_mono(const struct dry_sample *s, const struct yaml_node *n, struct buf *out)
{
	bool none = s->mono_ns == INT64_MIN;
	char is[G_ASCII_DTOSTR_BUF_SIZE];
	double seconds;

	if (n->kind == YAML_NULL
		    ? none
		    : !none && yaml_number(n, &seconds) && s->mono_ns == (int64_t)(seconds * 1e9)) {
		return 0;
	}
	g_ascii_dtostr(is, sizeof(is), (double)s->mono_ns / 1e9);
	return say(out, "monotonic_time", none ? NULL : is,
		   n->kind == YAML_SCALAR ? n->text : NULL);
}

unsigned dry_sample_compare(const struct dry_sample *s, const struct yaml_node *expected,
			    struct buf *out)
{
	const struct vmt_resource *r = &s->resource->public;
	const struct {
		const char *key, *is;
	} texts[] = { { "name", s->name },
		      { "unit", s->unit },
		      { "type", types[s->type] },
		      { "resource_id", r->id },
		      { "project_id", r->project_id },
		      { "user_id", r->user_id },
		      { "source", r->source } };
	static const struct {
		const char *key;
		unsigned (*compare)(const struct dry_sample *, const struct yaml_node *,
				    struct buf *);
	} others[] = { { "volume", compare_volume },
		       { "timestamp", compare_time },
		       { "monotonic_time", compare_mono },
		       { "resource_metadata", compare_metadata },
		       { "publishers", compare_publishers } };
	const struct yaml_node *n;
	unsigned differs = 0;

	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		n = yaml_get(expected, texts[i].key);
		differs += n ? compare_text(texts[i].key, texts[i].is, n, out) : 0;
	}
	for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
		n = yaml_get(expected, others[i].key);
		differs += n ? others[i].compare(s, n, out) : 0;
	}
	return differs;
}

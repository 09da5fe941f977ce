/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of options: from text to the members of a structure and back.  Any thread; blocks on nothing.
 */
#include "conf/option.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/utf8.h"
#include "conf/ini_private.h"
#include "conf/nearest.h"
#include "conf/read.h"

#define NS_PER_S INT64_C(1000000000)
enum { SECONDS_MAX = 2000000000 }; /* 63 years */

struct decoder {
	const struct ini *ini;
	struct arena *arena;
	char *conf;
	struct problems *problems;
	int status;
};

/* One value of one option, and where it stands. */
struct given {
	const struct vmt_option *option;
	const char *text;
	struct position at;
	bool from_url;
	bool number; /* a YAML file has it as one */
};

const char *option_group(const struct vmt_option *option)
{
	return option->group ? option->group : "DEFAULT";
}

static const struct {
	const char *name, *wanted;
} types[] = {
	[VMT_OPT_BOOL] = { "boolean", "true or false" },
	[VMT_OPT_INT] = { "integer", "a whole number" },
	[VMT_OPT_DOUBLE] = { "number", "a number" },
	[VMT_OPT_SECONDS] = { "seconds", "seconds, such as 30 or 0.5" },
	[VMT_OPT_STRING] = { "string", "text" },
	[VMT_OPT_LIST] = { "list", "a list" },
	[VMT_OPT_SCALAR] = { "value", "a number or a text" },
	[VMT_OPT_DICT] = { "dictionary", "key:value, key:value" },
};

const char *option_type_name(const struct vmt_option *option)
{
	return types[option->type].name;
}

/* ---- from text */

static void complain(struct decoder *d, const struct given *g, const char *right)
{
	bool secret = g->option->flags & VMT_OPT_SECRET;

	problems_add(d->problems, PROBLEM_ERROR, &g->at, "%s%s: '%.*s' will not do; write %s",
		     g->from_url ? "URL: " : "", g->option->name, 200, secret ? "****" : g->text,
		     right);
	d->status = -EINVAL;
}

static void complain_range(struct decoder *d, const struct given *g)
{
	char right[96];

	snprintf(right, sizeof(right), "%s from %" PRId64 " to %" PRId64,
		 types[g->option->type].wanted, g->option->min, g->option->max);
	if (g->option->max == INT64_MAX) {
		snprintf(right, sizeof(right), "%s of at least %" PRId64,
			 types[g->option->type].wanted, g->option->min);
	}
	complain(d, g, right);
}

static bool has_range(const struct vmt_option *o)
{
	return o->min < o->max;
}

static bool parse_bool(const char *text, bool *ret)
{
	static const char *const words[2][4] = { { "false", "no", "off", "0" },
						 { "true", "yes", "on", "1" } };

	for (size_t i = 0; i < 8; i++) {
		if (g_ascii_strcasecmp(text, words[i / 4][i % 4]) == 0) {
			*ret = i / 4 == 1;
			return true;
		}
	}
	return false;
}

/* Decimal seconds, exact to the nanosecond. */
static bool parse_seconds(const char *text, int64_t *ret)
{
	bool negative = *text == '-';
	int64_t whole = 0, part = 0, scale = NS_PER_S;
	size_t digits = 0;

	text += *text == '-' || *text == '+';
	for (; g_ascii_isdigit(*text); text++, digits++) {
		whole = whole * 10 + (*text - '0');
		if (whole > SECONDS_MAX) {
			return false;
		}
	}
	if (*text == '.') {
		for (text++; g_ascii_isdigit(*text); text++, digits++) {
			scale /= 10;
			part += (*text - '0') * scale;
		}
	}
	if (*text || digits == 0) {
		return false;
	}
	*ret = (whole * NS_PER_S + part) * (negative ? -1 : 1);
	return true;
}

static bool set_bool(struct decoder *d, const struct given *g, void *to)
{
	bool value;

	if (!parse_bool(g->text, &value)) {
		complain(d, g, types[VMT_OPT_BOOL].wanted);
		return false;
	}
	*(bool *)to = value;
	return true;
}

static bool set_int(struct decoder *d, const struct given *g, void *to)
{
	const struct vmt_option *o = g->option;
	char *end;
	long long value;

	errno = 0;
	value = strtoll(g->text, &end, 10);
	if (end == g->text || *end || errno) {
		complain(d, g, types[VMT_OPT_INT].wanted);
		return false;
	}
	if (has_range(o) && (value < o->min || value > o->max)) {
		complain_range(d, g);
		return false;
	}
	*(int64_t *)to = value;
	return true;
}

static bool set_double(struct decoder *d, const struct given *g, void *to)
{
	const struct vmt_option *o = g->option;
	char *end;
	double value = g_ascii_strtod(g->text, &end);
	bool hexadecimal = strpbrk(g->text, "xX");

	if (end == g->text || *end || hexadecimal || !isfinite(value)) {
		complain(d, g, types[VMT_OPT_DOUBLE].wanted);
		return false;
	}
	if (has_range(o) && (value < (double)o->min || value > (double)o->max)) {
		complain_range(d, g);
		return false;
	}
	*(double *)to = value;
	return true;
}

static bool set_seconds(struct decoder *d, const struct given *g, void *to)
{
	const struct vmt_option *o = g->option;
	int64_t value;

	if (!parse_seconds(g->text, &value)) {
		complain(d, g, types[VMT_OPT_SECONDS].wanted);
		return false;
	}
	if (has_range(o) && ((o->min > -SECONDS_MAX && value < o->min * NS_PER_S) ||
			     (o->max < SECONDS_MAX && value > o->max * NS_PER_S))) {
		complain_range(d, g);
		return false;
	}
	*(int64_t *)to = value;
	return true;
}

static bool is_choice(const struct vmt_option *o, const char *text)
{
	for (size_t i = 0; o->choices[i]; i++) {
		if (strcmp(o->choices[i], text) == 0) {
			return true;
		}
	}
	return false;
}

static bool set_string(struct decoder *d, const struct given *g, void *to)
{
	if (g->option->choices && !is_choice(g->option, g->text)) {
		char *list = g_strjoinv(", ", (char **)g->option->choices);
		char *right = g_strconcat("one of ", list, NULL);

		complain(d, g, right);
		g_free(list);
		g_free(right);
		return false;
	}
	*(const char **)to = arena_strdup(d->arena, g->text);
	return true;
}

static bool set_list(struct decoder *d, const struct given *g, void *to)
{
	char **parts = g_strsplit(g->text, ",", -1);
	const char **list = arena_array(d->arena, sizeof(*list), g_strv_length(parts) + 1);
	size_t n = 0;

	for (char **p = parts; *p; p++) {
		const char *item = g_strstrip(*p);

		if (*item) {
			list[n++] = arena_strdup(d->arena, item);
		}
	}
	*(const char *const **)to = list;
	g_strfreev(parts);
	return true;
}

/* One pair of the text that begins at *at, which goes behind it; false: that is none.  A part without ':' is the
 * beginning of the next one's key. */
static bool take_pair(struct decoder *d, char **at, struct vmt_pair *ret_pair)
{
	char *colon = strchr(*at, ':'), *comma = colon ? strchr(colon, ',') : NULL, *key, *value;

	if (!colon) {
		return false;
	}
	*colon = '\0';
	key = g_strstrip(*at);
	if (comma) {
		*comma = '\0';
	}
	value = g_strstrip(colon + 1);
	*at = comma ? comma + 1 : NULL;
	*ret_pair = (struct vmt_pair){ arena_strdup(d->arena, key), arena_strdup(d->arena, value) };
	return *key != '\0';
}

static bool has_key(const struct vmt_pair *pairs, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(pairs[i].key, key) == 0) {
			return true;
		}
	}
	return false;
}

/* oslo.config's DictOpt: key:value, key:value. */
static bool set_dict(struct decoder *d, const struct given *g, void *to)
{
	char *copy = g_strstrip(g_strdup(g->text)), *at = *copy ? copy : NULL;
	size_t n = 0, most = 1;
	struct vmt_pair *pairs;
	const char *wrong = NULL;

	for (const char *p = copy; *p; p++) {
		most += *p == ',';
	}
	pairs = arena_array(d->arena, sizeof(*pairs), most + 1);
	while (at && !wrong) {
		if (!take_pair(d, &at, &pairs[n])) {
			wrong = types[VMT_OPT_DICT].wanted;
		} else if (has_key(pairs, n, pairs[n].key)) {
			wrong = "each key once";
		}
		n++;
	}
	g_free(copy);
	if (wrong) {
		complain(d, g, wrong);
		return false;
	}
	pairs[n] = (struct vmt_pair){ NULL, NULL };
	*(const struct vmt_pair **)to = pairs;
	return true;
}

static bool set_scalar(struct decoder *d, const struct given *g, void *to)
{
	*(struct vmt_scalar *)to =
		(struct vmt_scalar){ .text = arena_strdup(d->arena, g->text), .number = g->number };
	return true;
}

static bool set(struct decoder *d, const struct given *g)
{
	static bool (*const setters[])(struct decoder *, const struct given *, void *) = {
		[VMT_OPT_BOOL] = set_bool,     [VMT_OPT_INT] = set_int,
		[VMT_OPT_DOUBLE] = set_double, [VMT_OPT_SECONDS] = set_seconds,
		[VMT_OPT_STRING] = set_string, [VMT_OPT_LIST] = set_list,
		[VMT_OPT_SCALAR] = set_scalar, [VMT_OPT_DICT] = set_dict,
	};
	bool number = g->option->type == VMT_OPT_INT || g->option->type == VMT_OPT_DOUBLE ||
		      g->option->type == VMT_OPT_SECONDS;

	if (number && g->text[0] == '\0') {
		return true; /* as if it were not there */
	}
	return setters[g->option->type](d, g, d->conf + g->option->offset);
}

/* ---- where values come from */

static bool is_ours(const struct vmt_option *o)
{
	return o->group && strcmp(o->group, "virtmeter") == 0;
}

static void set_default(struct decoder *d, const struct vmt_option *o)
{
	static const char *const empty[] = { NULL };
	static const struct vmt_pair no_pairs[] = { { NULL, NULL } };
	struct given g = { .option = o, .text = o->def };

	if (o->type == VMT_OPT_LIST) {
		*(const char *const **)(d->conf + o->offset) = empty;
	}
	if (o->type == VMT_OPT_DICT) {
		*(const struct vmt_pair **)(d->conf + o->offset) = no_pairs;
	}
	if (o->def && d->ini && strchr(o->def, '$')) {
		struct ini_value v = { .group = option_group(o), .name = o->name, .text = o->def };

		g.text = ini_substitute(d->ini, &v, d->arena, d->problems);
		d->status = g.text ? d->status : -EINVAL;
	}
	if (g.text) {
		set(d, &g);
	}
}

/* The section that the option is in. */
static const char *section_of(struct decoder *d, const struct vmt_option *o)
{
	const struct ini_value *v =
		o->flags & VMT_OPT_AUTH ? ini_find(d->ini, o->group, "auth_section", NULL) : NULL;
	const char *section = v ? ini_substitute(d->ini, v, d->arena, d->problems) : NULL;

	return section && *section ? section : o->group;
}

static void set_from_file(struct decoder *d, const struct vmt_option *o)
{
	const struct ini_value *v = ini_find(d->ini, section_of(d, o), o->name, o->deprecated);
	struct given g = { .option = o };

	if (!v && is_ours(o)) {
		v = ini_find(d->ini, NULL, o->name, o->deprecated);
	}
	if (!v) {
		return;
	}
	if (o->deprecated && strcmp(v->name, o->deprecated) == 0) {
		problems_add(d->problems, PROBLEM_NOTE, &v->at, "%s: an older name; write %s",
			     v->name, o->name);
	}
	g.text = ini_substitute(d->ini, v, d->arena, d->problems);
	g.at = v->value_at;
	if (!g.text) {
		d->status = -EINVAL;
		return;
	}
	set(d, &g);
}

enum { SECRET_MAX = 64 << 10 };

/* The content of the file, without the end of its last line; NULL when that is told in `problems`. */
static const char *read_secret(struct decoder *d, const struct vmt_option *o,
			       const struct position *at, const char *path)
{
	struct buf text = BUF_INIT;
	const char *secret = NULL;
	int ret = conf_read(path, SECRET_MAX, &text);

	while (ret == 0 && text.len > 0 &&
	       (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r')) {
		buf_cut(&text, text.len - 1);
	}
	if (ret < 0) {
		problems_add(d->problems, PROBLEM_ERROR, at, "%s_file: %s: %s", o->name, path,
			     conf_read_error(ret));
	} else if (memchr(text.data, '\0', text.len) || !utf8_valid(text.data, text.len)) {
		problems_add(d->problems, PROBLEM_ERROR, at, "%s_file: %s: is not UTF-8 text",
			     o->name, path);
	} else {
		secret = arena_strdup(d->arena, text.data);
	}
	if (!secret) {
		d->status = -EINVAL;
	}
	explicit_bzero(text.data, text.cap);
	buf_fini(&text);
	return secret;
}

/* NAME_file of a secret option NAME: names a file that has it.  NAME itself wins. */
static void set_from_secret_file(struct decoder *d, const struct vmt_option *o, struct url *url,
				 const struct position *url_at)
{
	char *name = g_strconcat(o->name, "_file", NULL);
	const struct ini_value *v = ini_find(d->ini, section_of(d, o), name, NULL);
	const char *path = v ? ini_substitute(d->ini, v, d->arena, d->problems) : NULL;
	struct position at = v ? v->value_at : (struct position){ 0 };
	const char *given = url && (o->flags & VMT_OPT_URL) ? url_take(url, name, false) : NULL;

	if (given) {
		path = given;
		at = url_at ? *url_at : at;
	}
	if (path && *path) {
		const char *secret = read_secret(d, o, &at, path);

		if (secret) {
			*(const char **)(d->conf + o->offset) = secret;
		}
	}
	g_free(name);
}

/* All values of a repeated key; those of the environment take the place of the files'. */
static void set_multi(struct decoder *d, const struct vmt_option *o)
{
	const GPtrArray *all[2] = { ini_values(d->ini, o->group, o->name),
				    o->deprecated ? ini_values(d->ini, o->group, o->deprecated)
						  : NULL };
	size_t count = (all[0] ? all[0]->len : 0) + (all[1] ? all[1]->len : 0), n = 0;
	bool environment = false;
	const char **list;

	if (count == 0) {
		return;
	}
	list = arena_array(d->arena, sizeof(*list), count + 1);
	for (size_t source = 0; source <= d->ini->source; source++) {
		for (size_t i = 0; i < count; i++) {
			size_t own = all[0] ? all[0]->len : 0;
			const struct ini_value *v = i < own ? g_ptr_array_index(all[0], i)
							    : g_ptr_array_index(all[1], i - own);

			if (v->source != source) {
				continue;
			}
			if (!v->at.line && !environment) {
				environment = true;
				n = 0; /* in place of the files' */
			}
			list[n] = ini_substitute(d->ini, v, d->arena, d->problems);
			if (list[n]) {
				n++;
			} else {
				d->status = -EINVAL;
			}
		}
	}
	list[n] = NULL;
	*(const char *const **)(d->conf + o->offset) = list;
}

/* Each occurrence of the key in the URL's query is an item. */
static void set_multi_from_url(struct decoder *d, const struct vmt_option *o, struct url *url)
{
	const struct vmt_pair *query = url_get(url)->query;
	const char **list;
	size_t n = 0;

	for (const struct vmt_pair *q = query; q->key; q++) {
		n += strcmp(q->key, o->name) == 0;
	}
	if (n == 0) {
		return;
	}
	list = arena_array(d->arena, sizeof(*list), n + 1);
	n = 0;
	for (const struct vmt_pair *q = query; q->key; q++) {
		if (strcmp(q->key, o->name) == 0) {
			list[n++] = arena_strdup(d->arena, q->value);
		}
	}
	url_take(url, o->name, o->flags & VMT_OPT_SECRET);
	*(const char *const **)(d->conf + o->offset) = list;
}

static void set_from_url(struct decoder *d, const struct vmt_option *o, struct url *url,
			 const struct position *url_at)
{
	const char *value = url_take(url, o->name, o->flags & VMT_OPT_SECRET);
	struct given g = { .option = o, .text = value, .from_url = true };

	if (!value) {
		return;
	}
	if (url_at) {
		g.at = *url_at;
	}
	if (o->type == VMT_OPT_BOOL && value[0] == '\0') {
		g.text = "true";
	}
	set(d, &g);
}

int options_decode(const struct vmt_option *options, const struct ini *ini, struct url *url,
		   const struct position *url_at, struct arena *arena, void *conf,
		   struct problems *problems)
{
	struct decoder d = { .ini = ini, .arena = arena, .conf = conf, .problems = problems };

	for (const struct vmt_option *o = options; o && o->name; o++) {
		set_default(&d, o);
		if (o->type == VMT_OPT_LIST && (o->flags & VMT_OPT_MULTI)) {
			set_multi(&d, o);
		} else {
			if (o->type == VMT_OPT_STRING && (o->flags & VMT_OPT_SECRET)) {
				set_from_secret_file(&d, o, url, url_at);
			}
			set_from_file(&d, o);
		}
		if (url && (o->flags & VMT_OPT_URL)) {
			if (o->type == VMT_OPT_LIST && (o->flags & VMT_OPT_MULTI)) {
				set_multi_from_url(&d, o, url);
			} else {
				set_from_url(&d, o, url, url_at);
			}
		}
	}
	return d.status;
}

void options_default(const struct vmt_option *options, struct arena *arena, void *conf)
{
	struct decoder d = { .arena = arena, .conf = conf };

	for (const struct vmt_option *o = options; o && o->name; o++) {
		set_default(&d, o);
	}
}

int option_set(const struct vmt_option *option, const char *text, bool number,
	       const struct position *at, struct arena *arena, void *conf,
	       struct problems *problems)
{
	struct decoder d = { .arena = arena, .conf = conf, .problems = problems };
	struct given g = { .option = option, .text = text, .at = *at, .number = number };

	set(&d, &g);
	return d.status;
}

/* ---- back to text */

static void print_seconds(int64_t ns, struct buf *out)
{
	uint64_t all = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
	char part[16];
	size_t n;

	buf_printf(out, "%s%" PRIu64, ns < 0 ? "-" : "", all / NS_PER_S);
	n = (size_t)snprintf(part, sizeof(part), ".%09" PRIu64, all % NS_PER_S);
	while (n > 1 && part[n - 1] == '0') {
		n--;
	}
	buf_add(out, part, n > 1 ? n : 0);
}

void option_print_value(const struct vmt_option *o, const void *conf, struct buf *out)
{
	const void *from = (const char *)conf + o->offset;
	char number[G_ASCII_DTOSTR_BUF_SIZE];
	const char *text;
	char *joined;

	if (o->flags & VMT_OPT_SECRET) {
		buf_puts(out, "****");
		return;
	}
	switch (o->type) {
	case VMT_OPT_BOOL:
		buf_puts(out, *(const bool *)from ? "true" : "false");
		break;
	case VMT_OPT_INT:
		buf_printf(out, "%" PRId64, *(const int64_t *)from);
		break;
	case VMT_OPT_DOUBLE:
		buf_puts(out, g_ascii_dtostr(number, sizeof(number), *(const double *)from));
		break;
	case VMT_OPT_SECONDS:
		print_seconds(*(const int64_t *)from, out);
		break;
	case VMT_OPT_STRING:
		text = *(const char *const *)from;
		buf_puts(out, text ? text : "");
		break;
	case VMT_OPT_LIST:
		joined = g_strjoinv(", ", *(char ***)from);
		buf_puts(out, joined);
		g_free(joined);
		break;
	case VMT_OPT_DICT:
		for (const struct vmt_pair *p = *(const struct vmt_pair *const *)from; p->key;
		     p++) {
			buf_printf(out, "%s:%s", p->key, p->value);
			buf_puts(out, p[1].key ? ", " : "");
		}
		break;
	case VMT_OPT_SCALAR:
		text = ((const struct vmt_scalar *)from)->text;
		buf_puts(out, text ? text : "");
		break;
	}
}

void options_print(const struct vmt_option *options, const void *conf, struct buf *out)
{
	for (const struct vmt_option *o = options; o && o->name; o++) {
		if (o->group) {
			buf_printf(out, "%s.", o->group);
		}
		buf_printf(out, "%s = ", o->name);
		option_print_value(o, conf, out);
		buf_putc(out, '\n');
	}
}

static uint64_t hash_text(const char *text, uint64_t seed)
{
	return text ? hash64(text, strlen(text) + 1, seed) : hash64("", 0, ~seed);
}

uint64_t options_hash(const struct vmt_option *options, const void *conf, uint64_t seed)
{
	static const size_t sizes[] = { [VMT_OPT_BOOL] = sizeof(bool),
					[VMT_OPT_INT] = sizeof(int64_t),
					[VMT_OPT_DOUBLE] = sizeof(double),
					[VMT_OPT_SECONDS] = sizeof(int64_t) };

	for (const struct vmt_option *o = options; o && o->name; o++) {
		const void *from = (const char *)conf + o->offset;

		if (o->type == VMT_OPT_STRING) {
			seed = hash_text(*(const char *const *)from, seed);
		} else if (o->type == VMT_OPT_LIST) {
			for (const char *const *item = *(const char *const *const *)from; *item;
			     item++) {
				seed = hash_text(*item, seed);
			}
			seed = hash_text(NULL, seed);
		} else if (o->type == VMT_OPT_DICT) {
			for (const struct vmt_pair *p = *(const struct vmt_pair *const *)from;
			     p->key; p++) {
				seed = hash_text(p->value, hash_text(p->key, seed));
			}
			seed = hash_text(NULL, seed);
		} else if (o->type == VMT_OPT_SCALAR) {
			seed = hash_text(((const struct vmt_scalar *)from)->text,
					 seed + ((const struct vmt_scalar *)from)->number);
		} else {
			seed = hash64(from, sizes[o->type], seed);
		}
	}
	return seed;
}

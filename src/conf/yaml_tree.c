/* SPDX-License-Identifier: Apache-2.0 */
/* YAML to a tree, by libyaml's events.  Blocks on nothing. */
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <yaml.h>

#include "base/arena.h"
#include "base/intern.h"
#include "conf/yaml_tree.h"

struct yaml {
	struct arena *arena;
	const struct yaml_node *root;
};

struct reading {
	yaml_parser_t parser;
	yaml_event_t event; /* the one in hand */
	struct arena *arena;
	struct yaml_origin origin;
	const char *text;
	size_t size;
	struct problems *problems;
	GHashTable *anchors; /* name → const struct yaml_node * */
	size_t nodes;
	bool failed; /* cannot go on */
	bool wrong; /* goes on, to tell what else is wrong */
};

/* Line and column count from 0 here. */
static struct position position_of(const struct reading *r, size_t line, size_t column)
{
	struct position at = r->origin.at;

	if (!r->origin.made) {
		at.line += (unsigned)line;
		at.column += (unsigned)column;
	}
	return at;
}

static struct position position_of_mark(const struct reading *r, yaml_mark_t mark)
{
	return position_of(r, mark.line, mark.column);
}

static void fail(struct reading *r, yaml_mark_t mark, const char *reason)
{
	struct position at = position_of_mark(r, mark);

	if (!r->failed) {
		problems_add(r->problems, PROBLEM_ERROR, &at, "%s", reason);
	}
	r->failed = true;
}

/* libyaml's reasons that need a way out. */
static const struct {
	const char *reason, *hint;
} hints[] = {
	{ "found character that cannot start any token",
	  "; indent with spaces, quote text that begins with % @ ` or a tab" },
	{ "found a tab character that violates indentation", "; indent with spaces" },
	{ "mapping values are not allowed in this context",
	  "; check the indentation, quote text that has ': ' in it" },
	{ "control characters are not allowed", "; the file is not text" },
	{ "did not find expected ',' or ']'", "; a list is not closed" },
	{ "did not find expected ',' or '}'", "; a mapping is not closed" },
	{ "found unexpected end of stream", "; a quoted text is not closed" },
	{ "did not find expected key", "; check the indentation of this line" },
	{ "did not find expected '-' indicator", "; check the indentation of this line" },
	{ "did not find expected alphabetic or numeric character",
	  "; quote text that begins with * or &" },
};

/* The reader knows the offset of what it cannot read, and no line. */
static struct position position_at(const struct reading *r, size_t offset)
{
	size_t line = 0, column = 0;

	for (size_t i = 0; i < offset && i < r->size; i++) {
		column = r->text[i] == '\n' ? 0 : column + 1;
		line += r->text[i] == '\n';
	}
	return position_of(r, line, column);
}

static void fail_parser(struct reading *r)
{
	const char *reason = r->parser.problem ? r->parser.problem : "not YAML", *hint = "";
	struct position at = r->parser.error == YAML_READER_ERROR
				     ? position_at(r, r->parser.problem_offset)
				     : position_of_mark(r, r->parser.problem_mark);

	for (size_t i = 0; i < G_N_ELEMENTS(hints); i++) {
		if (strcmp(reason, hints[i].reason) == 0) {
			hint = hints[i].hint;
		}
	}
	problems_add(r->problems, PROBLEM_ERROR, &at, "%s%s", reason, hint);
	r->failed = true;
}

/* The next event is in hand; false when there is none to be had. */
static bool advance(struct reading *r)
{
	yaml_event_delete(&r->event);
	memset(&r->event, 0, sizeof(r->event));
	if (r->failed) {
		return false;
	}
	if (!yaml_parser_parse(&r->parser, &r->event)) {
		fail_parser(r);
		return false;
	}
	return true;
}

static bool is_null(const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;

	return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       (text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0 ||
		strcmp(text, "Null") == 0 || strcmp(text, "NULL") == 0);
}

/* "!" and "!!str": text, whatever it looks like. */
static bool is_text_tag(const char *tag)
{
	return tag && (strcmp(tag, "!") == 0 || strcmp(tag, YAML_STR_TAG) == 0);
}

/* Those that safe_load takes and that mean nothing more than what the node looks like. */
static bool tag_is_known(const char *tag)
{
	static const char *const known[] = { "!",           YAML_STR_TAG, YAML_NULL_TAG,
					     YAML_BOOL_TAG, YAML_INT_TAG, YAML_FLOAT_TAG,
					     YAML_SEQ_TAG,  YAML_MAP_TAG, YAML_TIMESTAMP_TAG,
					     NULL };

	return !tag || g_strv_contains(known, tag);
}

static const char *tag_of(const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_SCALAR_EVENT:
		return (const char *)e->data.scalar.tag;
	case YAML_SEQUENCE_START_EVENT:
		return (const char *)e->data.sequence_start.tag;
	default:
		return (const char *)e->data.mapping_start.tag;
	}
}

static struct yaml_node *scalar(struct reading *r, struct yaml_node *n)
{
	const yaml_event_t *e = &r->event;

	if (strlen((const char *)e->data.scalar.value) != e->data.scalar.length) {
		fail(r, e->start_mark, "a zero byte is in this text; leave it out");
		return NULL;
	}
	n->quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE ||
		    is_text_tag((const char *)e->data.scalar.tag);
	if (!n->quoted && is_null(e)) {
		return n;
	}
	n->kind = YAML_SCALAR;
	n->literal = e->data.scalar.style == YAML_LITERAL_SCALAR_STYLE;
	n->text = arena_strdup(r->arena, (const char *)e->data.scalar.value);
	return n;
}

/* How many nodes an alias brings in. */
static size_t weight(const struct yaml_node *n)
{
	size_t sum = 1;

	for (size_t i = 0; i < n->count && sum < YAML_NODES_MAX; i++) {
		sum += weight(n->value[i]) + (n->key ? 1 : 0);
	}
	return sum;
}

static const struct yaml_node *alias(struct reading *r)
{
	const struct yaml_node *n =
		g_hash_table_lookup(r->anchors, (const char *)r->event.data.alias.anchor);

	if (!n) {
		fail(r, r->event.start_mark,
		     "an alias of what is not there (yet); put &name before what it stands for");
		return NULL;
	}
	r->nodes += weight(n);
	return n;
}

static const struct yaml_node *node(struct reading *r, unsigned depth);

/* ---- mappings and lists */

static bool is_merge(const struct yaml_node *key)
{
	return key->kind == YAML_SCALAR && !key->quoted && strcmp(key->text, "<<") == 0;
}

static void fail_at(struct reading *r, const struct yaml_node *at, const char *reason)
{
	if (!r->failed) {
		problems_add(r->problems, PROBLEM_ERROR, &at->at, "%s", reason);
	}
	r->failed = true;
}

/* Keys are single texts, each there once.  `items` are key and value in turn. */
static void check_keys(struct reading *r, GPtrArray *items)
{
	GHashTable *seen = g_hash_table_new(g_str_hash, g_str_equal);

	for (guint i = 0; i < items->len && !r->failed; i += 2) {
		const struct yaml_node *key = g_ptr_array_index(items, i), *first;
		const char *text = key->kind == YAML_NULL ? "" : key->text;

		if (key->kind == YAML_LIST || key->kind == YAML_MAP) {
			fail_at(r, key, "a list or a mapping as key; write a text");
			break;
		}
		first = g_hash_table_lookup(seen, text);
		if (first) {
			problems_add(r->problems, PROBLEM_ERROR, &key->at,
				     "duplicate key '%.100s', first in line %u; leave one out",
				     text, first->at.line);
			r->wrong = true;
		}
		g_hash_table_insert(seen, (void *)(uintptr_t)text, (void *)(uintptr_t)key);
	}
	g_hash_table_unref(seen);
}

static void merge_one(struct reading *r, const struct yaml_node *from, GPtrArray *out)
{
	if (from->kind != YAML_MAP) {
		fail_at(r, from, "a mapping, or a list of them, is needed after '<<'");
		return;
	}
	for (size_t i = 0; i < from->count; i++) {
		g_ptr_array_add(out, (void *)(uintptr_t)from->key[i]);
		g_ptr_array_add(out, (void *)(uintptr_t)from->value[i]);
	}
}

/* What "<<" brings in comes before the mapping's own keys: of equal keys the last counts.  In a list of
 * mappings the first wins, so it comes last. */
static GPtrArray *merge(struct reading *r, GPtrArray *items)
{
	GPtrArray *all = g_ptr_array_new();

	for (guint i = 0; i < items->len; i += 2) {
		const struct yaml_node *value = g_ptr_array_index(items, i + 1);

		if (!is_merge(g_ptr_array_index(items, i))) {
			continue;
		}
		if (value->kind != YAML_LIST) {
			merge_one(r, value, all);
		}
		for (size_t k = value->kind == YAML_LIST ? value->count : 0; k-- > 0;) {
			merge_one(r, value->value[k], all);
		}
	}
	for (guint i = 0; i < items->len; i += 2) {
		if (!is_merge(g_ptr_array_index(items, i))) {
			g_ptr_array_add(all, g_ptr_array_index(items, i));
			g_ptr_array_add(all, g_ptr_array_index(items, i + 1));
		}
	}
	g_ptr_array_free(items, TRUE);
	return all;
}

/* Entries up to the end event; a map's are key and value in turn. */
static struct yaml_node *collection(struct reading *r, struct yaml_node *n, yaml_event_type_t end,
				    unsigned depth)
{
	GPtrArray *items = g_ptr_array_new();
	size_t step = end == YAML_MAPPING_END_EVENT ? 2 : 1;
	const struct yaml_node **copy;

	n->kind = step == 2 ? YAML_MAP : YAML_LIST;
	while (advance(r) && r->event.type != end) {
		const struct yaml_node *item = node(r, depth + 1);

		if (!item) {
			break;
		}
		g_ptr_array_add(items, (void *)(uintptr_t)item);
	}
	if (step == 2 && !r->failed) {
		check_keys(r, items);
	}
	if (step == 2 && !r->failed) {
		items = merge(r, items);
	}
	if (!r->failed) {
		n->count = items->len / step;
		copy = arena_alloc(r->arena, (n->count + 1) * sizeof(*copy) * step);
		for (size_t i = 0; i < n->count; i++) {
			copy[i] = g_ptr_array_index(items, i * step + step - 1);
			if (step == 2) {
				copy[n->count + i] = g_ptr_array_index(items, i * 2);
			}
		}
		n->value = copy;
		n->key = step == 2 ? copy + n->count : NULL;
	}
	g_ptr_array_free(items, TRUE);
	return r->failed ? NULL : n;
}

static const yaml_char_t *anchor_of(const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_SCALAR_EVENT:
		return e->data.scalar.anchor;
	case YAML_SEQUENCE_START_EVENT:
		return e->data.sequence_start.anchor;
	default:
		return e->data.mapping_start.anchor;
	}
}

/* The node that begins with the event in hand. */
static const struct yaml_node *node(struct reading *r, unsigned depth)
{
	struct yaml_node *n, *done = NULL;
	const char *anchor = NULL;

	if (depth > YAML_DEPTH_MAX) {
		fail(r, r->event.start_mark, "nested too deep; is it the right file?");
	} else if (++r->nodes > YAML_NODES_MAX) {
		fail(r, r->event.start_mark, "too many entries; is it the right file?");
	}
	if (r->failed) {
		return NULL;
	}
	if (r->event.type == YAML_ALIAS_EVENT) {
		return alias(r);
	}
	if (!tag_is_known(tag_of(&r->event))) {
		fail(r, r->event.start_mark,
		     "a tag that is not taken here; leave it out, quote text that begins with !");
		return NULL;
	}
	n = arena_alloc(r->arena, sizeof(*n));
	*n = (struct yaml_node){ .kind = YAML_NULL,
				 .at = position_of_mark(r, r->event.start_mark) };
	if (anchor_of(&r->event)) {
		anchor = arena_strdup(r->arena, (const char *)anchor_of(&r->event));
	}
	if (r->event.type == YAML_SCALAR_EVENT) {
		done = scalar(r, n);
	} else if (r->event.type == YAML_SEQUENCE_START_EVENT) {
		done = collection(r, n, YAML_SEQUENCE_END_EVENT, depth);
	} else {
		done = collection(r, n, YAML_MAPPING_END_EVENT, depth);
	}
	if (done && anchor) {
		g_hash_table_replace(r->anchors, (void *)(uintptr_t)anchor, done);
	}
	return done;
}

static const struct yaml_node *document(struct reading *r)
{
	const struct yaml_node *root;
	struct yaml_node *empty;

	if (!advance(r)) { /* the stream begins */
		return NULL;
	}
	if (!advance(r)) {
		return NULL;
	}
	if (r->event.type == YAML_STREAM_END_EVENT) {
		empty = ARENA_NEW(r->arena, struct yaml_node);
		*empty = (struct yaml_node){ .kind = YAML_NULL, .at = r->origin.at };
		return empty;
	}
	if (!advance(r)) { /* the document begins */
		return NULL;
	}
	root = node(r, 0);
	if (!root || !advance(r) || !advance(r)) {
		return NULL;
	}
	if (r->event.type != YAML_STREAM_END_EVENT) {
		fail(r, r->event.start_mark,
		     "a second document in one file; leave out what follows '---'");
		return NULL;
	}
	return root;
}

int yaml_tree_parse_at(const struct yaml_origin *origin, const char *text, size_t size,
		       struct yaml **ret_yaml, struct problems *problems)
{
	struct reading r = { .origin = *origin, .text = text, .size = size, .problems = problems };
	const struct yaml_node *root = NULL;

	if (size > YAML_SIZE_MAX) {
		problems_add(problems, PROBLEM_ERROR, &(struct position){ .file = origin->at.file },
			     "larger than %d bytes", YAML_SIZE_MAX);
		return -EINVAL;
	}
	r.arena = arena_new(4096);
	r.anchors = g_hash_table_new(g_str_hash, g_str_equal);
	if (yaml_parser_initialize(&r.parser)) {
		yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, size);
		root = document(&r);
		yaml_event_delete(&r.event);
		yaml_parser_delete(&r.parser);
	}
	g_hash_table_destroy(r.anchors);
	if (!root || r.wrong) {
		arena_free(r.arena);
		return -EINVAL;
	}
	*ret_yaml = g_new(struct yaml, 1);
	**ret_yaml = (struct yaml){ .arena = r.arena, .root = root };
	return 0;
}

int yaml_tree_parse(const char *file, const char *text, size_t size, struct yaml **ret_yaml,
		    struct problems *problems)
{
	const struct yaml_origin origin = {
		.at = { .file = intern(file), .line = 1, .column = 1 }
	};

	return yaml_tree_parse_at(&origin, text, size, ret_yaml, problems);
}

void yaml_tree_free(struct yaml *yaml)
{
	if (!yaml) {
		return;
	}
	arena_free(yaml->arena);
	g_free(yaml);
}

const struct yaml_node *yaml_tree_root(const struct yaml *yaml)
{
	return yaml->root;
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
	const struct yaml_node *found = NULL;

	for (size_t i = 0; map && map->kind == YAML_MAP && i < map->count; i++) {
		if (map->key[i]->kind == YAML_SCALAR && strcmp(map->key[i]->text, key) == 0) {
			found = map->value[i];
		}
	}
	return found;
}

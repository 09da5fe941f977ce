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
	const char *file;
	struct problems *problems;
	GHashTable *anchors; /* name → const struct yaml_node * */
	size_t nodes;
	bool failed;
};

static struct position position_of(const struct reading *r, yaml_mark_t mark)
{
	return (struct position){ .file = r->file,
				  .line = (unsigned)mark.line + 1,
				  .column = (unsigned)mark.column + 1 };
}

static void fail(struct reading *r, yaml_mark_t mark, const char *reason)
{
	struct position at = position_of(r, mark);

	if (!r->failed) {
		problems_add(r->problems, PROBLEM_ERROR, &at, "%s", reason);
	}
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
		fail(r, r->parser.problem_mark, r->parser.problem ? r->parser.problem : "not YAML");
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

static struct yaml_node *scalar(struct reading *r, struct yaml_node *n)
{
	const yaml_event_t *e = &r->event;

	if (strlen((const char *)e->data.scalar.value) != e->data.scalar.length) {
		fail(r, e->start_mark, "a zero byte is in this text");
		return NULL;
	}
	if (is_null(e)) {
		return n;
	}
	n->kind = YAML_SCALAR;
	n->text = arena_strdup(r->arena, (const char *)e->data.scalar.value);
	n->quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
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
		fail(r, r->event.start_mark, "an alias of what is not there (yet)");
		return NULL;
	}
	r->nodes += weight(n);
	return n;
}

static const struct yaml_node *node(struct reading *r, unsigned depth);

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
		fail(r, r->event.start_mark, "nested too deep");
	} else if (++r->nodes > YAML_NODES_MAX) {
		fail(r, r->event.start_mark, "too many entries");
	}
	if (r->failed) {
		return NULL;
	}
	if (r->event.type == YAML_ALIAS_EVENT) {
		return alias(r);
	}
	n = arena_alloc(r->arena, sizeof(*n));
	*n = (struct yaml_node){ .kind = YAML_NULL, .at = position_of(r, r->event.start_mark) };
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
	static const struct yaml_node empty = { .kind = YAML_NULL };
	const struct yaml_node *root;

	if (!advance(r)) { /* the stream begins */
		return NULL;
	}
	if (!advance(r)) {
		return NULL;
	}
	if (r->event.type == YAML_STREAM_END_EVENT) {
		return &empty;
	}
	if (!advance(r)) { /* the document begins */
		return NULL;
	}
	root = node(r, 0);
	if (!root || !advance(r) || !advance(r)) {
		return NULL;
	}
	if (r->event.type != YAML_STREAM_END_EVENT) {
		fail(r, r->event.start_mark, "a second document in one file");
		return NULL;
	}
	return root;
}

int yaml_tree_parse(const char *file, const char *text, size_t size, struct yaml **ret_yaml,
		    struct problems *problems)
{
	struct reading r = { .file = intern(file), .problems = problems };
	const struct yaml_node *root = NULL;

	if (size > YAML_SIZE_MAX) {
		problems_add(problems, PROBLEM_ERROR, &(struct position){ .file = r.file },
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
	if (!root) {
		arena_free(r.arena);
		return -EINVAL;
	}
	*ret_yaml = g_new(struct yaml, 1);
	**ret_yaml = (struct yaml){ .arena = r.arena, .root = root };
	return 0;
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

bool yaml_int(const struct yaml_node *node, int64_t *ret_value)
{
	char *end;
	long long value;

	if (!node || node->kind != YAML_SCALAR || node->text[0] == '\0') {
		return false;
	}
	errno = 0;
	value = strtoll(node->text, &end, 10);
	if (errno || *end || end == node->text) {
		return false;
	}
	*ret_value = value;
	return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * polling.yaml and pipeline.yaml.  The texts of errors are Ceilometer's own, which operators and tools
 * search for; the place stands before them, a way out behind.  Blocks on reading the file.
 */
#include "conf/polling.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/arena.h"
#include "base/intern.h"
#include "conf/nearest.h"
#include "conf/read.h"
#include "conf/yaml_tree.h"

#define NS_PER_S INT64_C(1000000000)
#define INTERVAL_MAX_S INT64_C(1000000000)

struct reading {
	struct polling public; /* first */
	struct arena *arena;
	struct yaml *yaml;
	GPtrArray *patterns; /* struct pattern *, freed with it */
	struct problems *problems;
	enum polling_role role;
	bool failed;
};

static bool is_juno(const struct reading *r)
{
	return r->public.shape == PIPELINE_JUNO || r->public.shape == PIPELINE_FLAT;
}

static void fail(struct reading *r, const struct yaml_node *at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void fail(struct reading *r, const struct yaml_node *at, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	problems_add(r->problems, PROBLEM_ERROR, &at->at, "%s", text);
	g_free(text);
	r->failed = true;
}

/* ---- parts */

static bool has(const struct yaml_node *map, const char *key)
{
	const struct yaml_node *n = yaml_get(map, key);

	return n && n->kind != YAML_NULL;
}

/* Of a source; that of the flat form is a sink too. */
static const char *const source_keys[][14] = {
	[POLLING_TODAY] = { "name", "interval", "meters", "counters", "resources", "discovery",
			    "rules", "group_id_coordination_expression" },
	[PIPELINE_TODAY] = { "name", "interval", "meters", "counters", "resources", "discovery",
			     "rules", "group_id_coordination_expression", "sinks" },
	[PIPELINE_JUNO] = { "name", "interval", "meters", "counters", "resources", "discovery",
			    "rules", "group_id_coordination_expression", "sinks" },
	[PIPELINE_FLAT] = { "name", "interval", "meters", "counters", "resources", "discovery",
			    "rules", "group_id_coordination_expression", "transformers",
			    "publishers" },
};
static const char *const document_keys[] = { "sources", "sinks", NULL };
static const char *const sink_keys[] = { "name", "transformers", "publishers", "rules", NULL };

/* As in Ceilometer an unknown key has no effect; but who misspells `resources` should know that all are polled. */
static void warn_unknown(struct reading *r, const struct yaml_node *map, const char *const *known)
{
	for (size_t i = 0; i < map->count; i++) {
		const struct yaml_node *key = map->key[i];
		const char *near;

		if (key->kind != YAML_SCALAR || g_strv_contains(known, key->text)) {
			continue;
		}
		near = conf_nearest(key->text, known);
		problems_add(r->problems, PROBLEM_WARNING, &key->at,
			     "%s: no such key here%s%s%s; it has no effect", key->text,
			     near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
	}
}

/* A list of texts; what else stands there is an error.  NULL is an empty list. */
static struct polling_list read_list(struct reading *r, const struct yaml_node *n,
				     const char *complaint)
{
	struct polling_list list = { .count = 0 };
	struct polling_text *items;

	if (!n || n->kind == YAML_NULL) {
		return list;
	}
	if (n->kind != YAML_LIST) {
		fail(r, n, "%s", complaint);
		return list;
	}
	items = ARENA_ARRAY(r->arena, struct polling_text, n->count + 1);
	for (size_t i = 0; i < n->count; i++) {
		const struct yaml_node *item = n->value[i];

		if (item->kind == YAML_SCALAR) {
			items[list.count++] =
				(struct polling_text){ .text = item->text, .at = item->at };
		} else {
			fail(r, item, "a text is needed here");
		}
	}
	list.item = items;
	return list;
}

/* Ceilometer takes the keys of a mapping, written `cpu:` instead of `- cpu`, for the list. */
static struct polling_list read_keys(struct reading *r, const struct yaml_node *n)
{
	const struct yaml_node list = {
		.kind = YAML_LIST, .at = n->at, .count = n->count, .value = n->key
	};

	problems_add(r->problems, PROBLEM_WARNING, &n->at,
		     "a mapping instead of a list: its keys are taken; write - before each");
	return read_list(r, &list, "");
}

static const char *read_name(struct reading *r, const struct yaml_node *n)
{
	const struct yaml_node *name = yaml_get(n, "name");

	if (!name || name->kind != YAML_SCALAR || name->text[0] == '\0') {
		fail(r, name && name->kind != YAML_NULL ? name : n,
		     "Required field name not specified");
		return "";
	}
	return name->text;
}

static int64_t read_interval(struct reading *r, const struct yaml_node *n)
{
	const struct yaml_node *interval = yaml_get(n, "interval");
	int64_t seconds;
	double exact;

	if (!interval || interval->kind == YAML_NULL) {
		fail(r, n,
		     is_juno(r) ? "Required field interval not specified"
				: "Missing interval value");
		return 0;
	}
	if (!yaml_int(interval, &seconds) || seconds > INTERVAL_MAX_S) {
		fail(r, interval, "Invalid interval value; write a whole number of seconds");
		return 0;
	}
	if (seconds <= 0) {
		fail(r, interval, "Interval value should > 0");
		return 0;
	}
	if (!yaml_is_text(interval) && yaml_number(interval, &exact) && exact != (double)seconds) {
		problems_add(r->problems, PROBLEM_WARNING, &interval->at,
			     "%s: only whole seconds count: %" G_GINT64_FORMAT, interval->text,
			     seconds);
	}
	return seconds * NS_PER_S;
}

static void read_meters(struct reading *r, const struct yaml_node *n, struct polling_source *source)
{
	const struct yaml_node *meters = yaml_get(n, "meters");
	const char *missing = is_juno(r) ? "No meter specified" : "No meters specified", *reason;
	const char **words;
	struct pattern *match;
	size_t at;

	if (!meters && is_juno(r)) {
		meters = yaml_get(n, "counters");
	}
	if (!meters) {
		fail(r, n, "%s", is_juno(r) ? missing : "Missing meters value");
		return;
	}
	if (meters->kind == YAML_NULL || (meters->kind != YAML_SCALAR && meters->count == 0) ||
	    (meters->kind == YAML_SCALAR && meters->text[0] == '\0')) {
		fail(r, meters, "%s", missing);
		return;
	}
	source->meters = meters->kind == YAML_MAP
				 ? read_keys(r, meters)
				 : read_list(r, meters, "Meters should be a list, such as [\"*\"]");
	words = ARENA_ARRAY(r->arena, const char *, source->meters.count + 1);
	for (size_t i = 0; i < source->meters.count; i++) {
		words[i] = source->meters.item[i].text;
	}
	if (source->meters.count == 0) {
		return;
	}
	match = pattern_new(words, source->meters.count, is_juno(r) ? PATTERN_JUNO : 0, &reason,
			    &at);
	if (!match) {
		problems_add(r->problems, PROBLEM_ERROR, &source->meters.item[at].at, "%s", reason);
		r->failed = true;
		return;
	}
	g_ptr_array_add(r->patterns, match);
	source->match = match;
}

static void read_source(struct reading *r, const struct yaml_node *n, struct polling_source *source)
{
	const struct yaml_node *group;

	source->at = n->at;
	if (n->kind != YAML_MAP) {
		fail(r, n, "a source is a mapping: name, meters and so on");
		source->name = "";
		return;
	}
	warn_unknown(r, n, source_keys[r->public.shape]);
	source->name = read_name(r, n);
	if (r->public.shape != PIPELINE_TODAY) {
		source->interval_ns = read_interval(r, n);
	} else if (has(n, "interval")) {
		problems_add(r->problems, PROBLEM_WARNING, &yaml_get(n, "interval")->at,
			     "interval: has no effect here; polling.yaml says how often to poll");
	}
	read_meters(r, n, source);
	source->resources = read_list(r, yaml_get(n, "resources"), "Resources should be a list");
	source->discovery = read_list(r, yaml_get(n, "discovery"), "Discovery should be a list");
	group = yaml_get(n, "group_id_coordination_expression");
	source->group_id_coordination_expression = group && group->kind == YAML_SCALAR ? group->text
										       : NULL;
	if (r->public.shape == PIPELINE_FLAT) {
		struct polling_text *own = ARENA_NEW(r->arena, struct polling_text);

		*own = (struct polling_text){ .text = source->name, .at = n->at };
		source->sinks = (struct polling_list){ .count = 1, .item = own };
	} else if (r->public.shape != POLLING_TODAY) {
		if (!yaml_get(n, "sinks") && r->public.shape == PIPELINE_TODAY) {
			fail(r, n, "Required field sinks not specified");
			return;
		}
		source->sinks = read_list(r, yaml_get(n, "sinks"), "Sinks should be a list");
		if (source->sinks.count == 0) {
			fail(r, n, "No sink defined in source %s", source->name);
		}
	}
}

static void read_transformers(struct reading *r, const struct yaml_node *n,
			      struct pipeline_sink *sink)
{
	const struct yaml_node *list = yaml_get(n, "transformers");
	struct pipeline_transformer *items;

	if (!list) {
		if (is_juno(r)) {
			fail(r, n, "Required field transformers not specified");
		}
		return;
	}
	if (list->kind == YAML_NULL) {
		return;
	}
	if (list->kind != YAML_LIST) {
		fail(r, list, "Transformers should be a list");
		return;
	}
	items = ARENA_ARRAY(r->arena, struct pipeline_transformer, list->count + 1);
	for (size_t i = 0; i < list->count; i++) {
		const struct yaml_node *item = list->value[i];
		const struct yaml_node *name = yaml_get(item, "name");

		if (!name || name->kind != YAML_SCALAR) {
			fail(r, item, "Required field name not specified");
		} else if (!yaml_get(item, "parameters")) {
			fail(r, item, "Required field parameters not specified");
		} else {
			items[sink->transformer_count++] = (struct pipeline_transformer){
				.name = name->text,
				.at = item->at,
				.name_at = name->at,
				.parameters = yaml_get(item, "parameters")
			};
		}
	}
	sink->transformers = items;
}

static void read_sink(struct reading *r, const struct yaml_node *n, struct pipeline_sink *sink)
{
	sink->at = n->at;
	if (n->kind != YAML_MAP) {
		fail(r, n, "a sink is a mapping: name, publishers and so on");
		sink->name = "";
		return;
	}
	if (r->public.shape == PIPELINE_FLAT) { /* it is its source too, which has read the name */
		const struct yaml_node *name = yaml_get(n, "name");

		sink->name = name && name->kind == YAML_SCALAR ? name->text : "";
	} else {
		sink->name = read_name(r, n);
		warn_unknown(r, n, sink_keys);
	}
	read_transformers(r, n, sink);
	sink->publishers = read_list(r, yaml_get(n, "publishers"), "Publishers should be a list");
	if (sink->publishers.count == 0) {
		fail(r, n, "No publisher specified");
	}
}

/* ---- the whole */

static const struct yaml_node no_entries = { .kind = YAML_LIST };

/* A list of the document, by key or (flat) the document itself. */
static const struct yaml_node *section(struct reading *r, const struct yaml_node *root,
				       const char *key)
{
	const struct yaml_node *n = r->public.shape == PIPELINE_FLAT ? root : yaml_get(root, key);

	if (!n || n->kind == YAML_NULL) {
		return &no_entries;
	}
	if (n->kind != YAML_LIST) {
		fail(r, n, "%s should be a list", key);
		return &no_entries;
	}
	return n;
}

static bool any_interval(const struct yaml_node *sources)
{
	for (size_t i = 0; sources && sources->kind == YAML_LIST && i < sources->count; i++) {
		if (has(sources->value[i], "interval")) {
			return true;
		}
	}
	return false;
}

/* Juno's grammar needs the key in each. */
static bool all_have(const struct yaml_node *list, const char *key)
{
	for (size_t i = 0; list && list->kind == YAML_LIST && i < list->count; i++) {
		if (!yaml_get(list->value[i], key)) {
			return false;
		}
	}
	return true;
}

/* Which of the shapes it is; false when it is none. */
static bool find_shape(struct reading *r, const struct yaml_node *root)
{
	const struct yaml_node *sources = yaml_get(root, "sources");

	if (root->kind == YAML_LIST) {
		r->public.shape = PIPELINE_FLAT;
		problems_add(
			r->problems, PROBLEM_WARNING, &root->at,
			"a list of pipelines is the form that Juno deprecated; sources and sinks say the same");
	} else if (has(root, "sources") && has(root, "sinks")) {
		bool juno = r->role == PIPELINE_OF_PAIR
				    ? all_have(sources, "interval") &&
					      all_have(yaml_get(root, "sinks"), "transformers")
				    : any_interval(sources);

		r->public.shape = juno ? PIPELINE_JUNO : PIPELINE_TODAY;
		if (juno && !all_have(sources, "interval")) {
			problems_add(
				r->problems, PROBLEM_NOTE, &sources->at,
				"some of the sources have an interval, so the file is read in Juno's "
				"form, where each needs one");
		}
	} else if (r->role != POLLING_FILE) {
		r->public.shape =
			PIPELINE_TODAY; /* whatever it is, another file says how often to poll */
		fail(r, root, "Both sources & sinks are required");
		return false;
	} else if (!has(root, "sources")) {
		fail(r, root, "sources required");
		return false;
	} else {
		r->public.shape = POLLING_TODAY;
	}
	if (r->role == POLLING_FILE && r->public.shape == PIPELINE_TODAY) {
		fail(r, sources, "Missing interval value");
		return false;
	}
	return true;
}

/* Adds `name` to those seen; false when it was there before. */
static bool is_first(GHashTable *seen, const char *name, const void *value)
{
	if (g_hash_table_contains(seen, name)) {
		return false;
	}
	g_hash_table_insert(seen, (void *)(uintptr_t)name, (void *)(uintptr_t)value);
	return true;
}

static void fail_name(struct reading *r, const struct position *at, const char *what,
		      const char *name)
{
	problems_add(r->problems, PROBLEM_ERROR, at, "%s: %s", what, name);
	r->failed = true;
}

/* Sinks by name, in Juno's shape the last of each; today's need names to be unique. */
static GHashTable *check_names(struct reading *r)
{
	GHashTable *sources = g_hash_table_new(g_str_hash, g_str_equal);
	GHashTable *sinks = g_hash_table_new(g_str_hash, g_str_equal);
	const struct polling *p = &r->public;

	for (size_t i = 0; i < p->source_count && !is_juno(r); i++) {
		if (p->sources[i].name[0] &&
		    !is_first(sources, p->sources[i].name, &p->sources[i])) {
			fail_name(r, &p->sources[i].at, "Duplicated source names",
				  p->sources[i].name);
		}
	}
	for (size_t i = 0; i < p->sink_count; i++) {
		const struct pipeline_sink *sink = &p->sinks[i];

		if (!sink->name[0] || is_first(sinks, sink->name, sink)) {
			continue;
		}
		if (!is_juno(r)) {
			fail_name(r, &sink->at, "Duplicated sink names", sink->name);
		} else if (r->public.shape == PIPELINE_JUNO) {
			problems_add(r->problems, PROBLEM_WARNING, &sink->at,
				     "sink %s is there twice: sources mean the last one",
				     sink->name);
			g_hash_table_insert(sinks, (void *)(uintptr_t)sink->name,
					    (void *)(uintptr_t)sink);
		}
	}
	g_hash_table_unref(sources);
	return sinks;
}

static const char *pair_name(struct reading *r, const char *source, const char *sink)
{
	return strcmp(source, sink) == 0 ? source : arena_printf(r->arena, "%s:%s", source, sink);
}

static bool is_named_before(const struct polling_list *list, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (strcmp(list->item[k].text, list->item[i].text) == 0) {
			return true;
		}
	}
	return false;
}

/* Joins one source with its sinks: pipelines, whose names are unique today. */
static void join_source(struct reading *r, const struct polling_source *source, GHashTable *sinks,
			GHashTable *names, struct pipeline_pair *pairs, GHashTable *used)
{
	for (size_t k = 0; k < source->sinks.count; k++) {
		const struct polling_text *name = &source->sinks.item[k];
		const struct pipeline_sink *sink = g_hash_table_lookup(sinks, name->text);
		struct pipeline_pair *pair = &pairs[r->public.pair_count];

		if (r->public.shape == PIPELINE_FLAT) { /* each element is its own sink */
			sink = &r->public.sinks[source - r->public.sources];
		}
		if (!sink) {
			problems_add(r->problems, PROBLEM_ERROR, &name->at,
				     "Dangling sink %s from source %s", name->text, source->name);
			r->failed = true;
			continue;
		}
		g_hash_table_add(used, (void *)(uintptr_t)sink);
		if (is_juno(r) && is_named_before(&source->sinks, k)) {
			problems_add(r->problems, PROBLEM_WARNING, &name->at,
				     "sink %s is named twice by source %s: samples go there twice",
				     name->text, source->name);
		}
		*pair = (struct pipeline_pair){ .name = pair_name(r, source->name, sink->name),
						.source = source,
						.sink = sink };
		if (!is_first(names, pair->name, pair) && !is_juno(r)) {
			fail_name(r, &name->at, "Duplicate pipeline name", pair->name);
		}
		r->public.pair_count++;
	}
}

static void join(struct reading *r, GHashTable *sinks)
{
	GHashTable *names = g_hash_table_new(g_str_hash, g_str_equal);
	GHashTable *used = g_hash_table_new(NULL, NULL); /* const struct pipeline_sink * */
	struct pipeline_pair *pairs;
	size_t most = 0;

	for (size_t i = 0; i < r->public.source_count; i++) {
		most += r->public.sources[i].sinks.count;
	}
	pairs = ARENA_ARRAY(r->arena, struct pipeline_pair, most + 1);
	r->public.pairs = pairs;
	for (size_t i = 0; i < r->public.source_count; i++) {
		join_source(r, &r->public.sources[i], sinks, names, pairs, used);
	}
	for (size_t i = 0; i < r->public.sink_count && !r->failed; i++) {
		const struct pipeline_sink *sink = &r->public.sinks[i];

		if (!g_hash_table_contains(used, sink) &&
		    (r->public.shape == PIPELINE_FLAT ||
		     g_hash_table_lookup(sinks, sink->name) == sink)) {
			problems_add(r->problems, PROBLEM_WARNING, &sink->at,
				     "sink %s: no source names it, so nothing comes to it",
				     sink->name);
		}
	}
	g_hash_table_unref(used);
	g_hash_table_unref(names);
}

static void read_document(struct reading *r, const struct yaml_node *root)
{
	const struct yaml_node *sources, *sinks = &no_entries;
	struct polling_source *source;
	struct pipeline_sink *sink;
	GHashTable *names;

	if (!find_shape(r, root)) {
		return;
	}
	if (root->kind == YAML_MAP) {
		warn_unknown(r, root, document_keys);
	}
	sources = section(r, root, "sources");
	if (r->public.shape != POLLING_TODAY) {
		sinks = section(r, root, "sinks");
	}
	if (sources->count == 0) {
		fail(r, root,
		     r->public.shape == POLLING_TODAY ? "sources required"
						      : "Both sources & sinks are required");
	}
	source = ARENA_ARRAY(r->arena, struct polling_source, sources->count + 1);
	sink = ARENA_ARRAY(r->arena, struct pipeline_sink, sinks->count + 1);
	for (size_t i = 0; i < sources->count; i++) {
		read_source(r, sources->value[i], &source[i]);
	}
	for (size_t i = 0; i < sinks->count; i++) {
		read_sink(r, sinks->value[i], &sink[i]);
	}
	r->public.sources = source;
	r->public.source_count = sources->count;
	r->public.sinks = sink;
	r->public.sink_count = sinks->count;
	names = check_names(r);
	join(r, names);
	g_hash_table_unref(names);
}

static void free_pattern(void *pattern)
{
	pattern_free(pattern);
}

int polling_read_part(const struct yaml_origin *origin, const char *text, size_t size,
		      enum polling_role role, struct polling **ret_polling,
		      struct problems *problems)
{
	struct reading *r = g_new0(struct reading, 1);
	int ret;

	*ret_polling = NULL;
	r->problems = problems;
	r->role = role;
	r->arena = arena_new(4096);
	r->patterns = g_ptr_array_new_with_free_func(free_pattern);
	r->public.file = origin->at.file;
	ret = yaml_tree_parse_at(origin, text, size, &r->yaml, problems);
	if (ret < 0) {
		polling_free(&r->public);
		return ret;
	}
	read_document(r, yaml_tree_root(r->yaml));
	r->problems = NULL; /* the caller's */
	*ret_polling = &r->public;
	return r->failed ? -EINVAL : 0;
}

int polling_read_text(const char *name, const char *text, size_t size, enum polling_role role,
		      struct polling **ret_polling, struct problems *problems)
{
	const struct yaml_origin origin = {
		.at = { .file = intern(name), .line = 1, .column = 1 }
	};

	return polling_read_part(&origin, text, size, role, ret_polling, problems);
}

int polling_read_file(const char *path, enum polling_role role, struct polling **ret_polling,
		      struct problems *problems)
{
	struct buf text = BUF_INIT;
	int ret = conf_read_told(path, POLLING_FILE_MAX, &text, problems);

	*ret_polling = NULL;
	if (ret == 0) {
		ret = polling_read_text(path, text.data, text.len, role, ret_polling, problems);
	}
	buf_fini(&text);
	return ret;
}

void polling_free(struct polling *polling)
{
	struct reading *r = (struct reading *)polling;

	if (!r) {
		return;
	}
	g_ptr_array_unref(r->patterns);
	yaml_tree_free(r->yaml);
	arena_free(r->arena);
	g_free(r);
}

bool polling_has_intervals(const struct polling *polling)
{
	return polling->shape != PIPELINE_TODAY;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * polling.yaml and pipeline.yaml: what is polled, how often, and where the samples go, with the place of
 * every node.  Four shapes are told apart:
 *
 *	POLLING_TODAY    sources only, each with an interval            (polling.yaml since Ocata)
 *	PIPELINE_TODAY   sources and sinks, no interval                 (pipeline.yaml since Ocata)
 *	PIPELINE_JUNO    sources with interval, and sinks               (stands for both files)
 *	PIPELINE_FLAT    a list, each element its own source and sink   (deprecated in Juno; both files)
 *
 * A struct polling is immutable; any thread.  Reading blocks on the disk.
 */
#ifndef CONF_POLLING_H
#define CONF_POLLING_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/pattern.h"
#include "conf/problem.h"

struct yaml_node;
struct yaml_origin;

enum polling_shape { POLLING_TODAY, PIPELINE_TODAY, PIPELINE_JUNO, PIPELINE_FLAT };

struct polling_text {
	const char *text;
	struct position at;
};

struct polling_list {
	size_t count;
	const struct polling_text *item;
};

struct polling_source {
	const char *name;
	struct position at;
	int64_t interval_ns; /* 0: none (PIPELINE_TODAY) */
	struct polling_list meters; /* as written */
	const struct pattern *match; /* the same, compiled; owned by the struct polling */
	struct polling_list resources, discovery, sinks;
	const char *group_id_coordination_expression; /* or NULL */
};

struct pipeline_transformer {
	const char *name; /* of a plugin, which whoever opens the sink looks for */
	struct position at, name_at;
	const struct yaml_node *parameters; /* conf/yaml_tree.h; NULL: none */
};

struct pipeline_sink {
	const char *name;
	struct position at;
	size_t transformer_count;
	/* In the order in which they run; what their parameters are is theirs to check.  Pipelines without
	 * intervals may have them too, as up to Rocky (later releases do not run them, this one does). */
	const struct pipeline_transformer *transformers;
	struct polling_list publishers; /* URLs as written, Juno's "rpc" too */
};

/* A source joined with one of its sinks. */
struct pipeline_pair {
	const char *name; /* that of the source if the sink has the same, else "source:sink" */
	const struct polling_source *source;
	const struct pipeline_sink *sink;
};

struct polling {
	enum polling_shape shape;
	const char *file;
	size_t source_count, sink_count, pair_count;
	const struct polling_source *sources;
	const struct pipeline_sink *sinks;
	const struct pipeline_pair *pairs;
};

enum polling_role {
	POLLING_FILE, /* [polling] cfg_file: must have intervals */
	PIPELINE_FILE, /* pipeline_cfg_file: must have sinks */
	PIPELINE_OF_PAIR, /* the same beside a polling.yaml: intervals left over in it have no effect, unless it is
			     Juno's in all its parts */
};

enum { POLLING_FILE_MAX = 4 << 20 };

/* 0; -EINVAL when the file was read but has errors, else -errno: all of them in `problems`.  Warnings
 * (the deprecated list, keys without effect) too.  *ret_polling is what could be read, the caller's also when this fails:
 * for who looks for all errors; NULL where nothing could.  In it a source may lack its pattern (`match` NULL). */
int polling_read_file(const char *path, enum polling_role role, struct polling **ret_polling,
		      struct problems *problems);
int polling_read_text(const char *name, const char *text, size_t size, enum polling_role role,
		      struct polling **ret_polling, struct problems *problems);
/* Of a text within a file, or that was made (conf/yaml_tree.h). */
int polling_read_part(const struct yaml_origin *origin, const char *text, size_t size,
		      enum polling_role role, struct polling **ret_polling,
		      struct problems *problems);
void polling_free(struct polling *polling);

/* Whether it says how often to poll: then no other file is needed for that. */
bool polling_has_intervals(const struct polling *polling);

#endif

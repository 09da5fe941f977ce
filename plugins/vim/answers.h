/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What answers hold: the references of the service, texts, options, objects with their properties, and series of
 * samples.  Each comes with the shape that reads it; the contexts are to be zeroed before.  Pure: any thread, never blocks.
 */
#ifndef VIM_ANSWERS_H
#define VIM_ANSWERS_H

#include "base/arena.h"
#include "base/buf.h"
#include "plugins/vim/reader.h"

/* ------------------------------------------------------------------ of the service */

/* RetrieveServiceContent; NULL where the server has none. */
struct vim_service {
	struct arena *arena; /* in; the texts' */
	const char *root_folder, *property_collector, *view_manager, *session_manager,
		*perf_manager, *setting, *custom_fields;
	const char *full_name, *api_type, *api_version;
};
extern const struct vim_shape vim_service_shape;

/* Login: key and userName; QueryOptions: key and value (the first); others: the text of `returnval`, or of a reference.
 * "" where there was none. */
struct vim_texts {
	char key[128], value[128], user[256], result[512];
};
extern const struct vim_shape vim_texts_shape;

/* ------------------------------------------------------------------ of objects */

enum { VIM_PATHS = 16 };

/* Terminated texts hold during the call. */
struct vim_object {
	const char *type, *id;
	const char *
		value[VIM_PATHS]; /* by path of vim_objects; NULL: not set, or it may not be seen */
	bool unauthenticated; /* a property was kept back: who we are is not known there any more */
	bool refused; /* a path of ours is not understood there */
};

/* An element of a property that is an array: whatever of these it has. */
struct vim_element {
	const char *key, *value, *name, *name_key, *group_key, *rollup;
};

struct vim_objects {
	/* in */
	const char *const *paths; /* ends with NULL; at most VIM_PATHS */
	/* Elements come before the object that they are part of. */
	void (*element)(void *context, unsigned path, const struct vim_element *element);
	void (*object)(void *context, const struct vim_object *object);
	void *context;
	/* out */
	struct buf token; /* of the next page; empty: there is none */
	size_t count; /* of objects */
	/* what is in hand */
	struct buf text;
	size_t type, id, value[VIM_PATHS],
		part[6]; /* where they begin in `text`; SIZE_MAX: absent */
	unsigned path; /* VIM_PATHS: none of ours */
	bool array, unauthenticated, refused;
	size_t mark; /* where the texts of an element begin */
};
/* Of RetrievePropertiesEx and ContinueRetrievePropertiesEx. */
extern const struct vim_shape vim_objects_shape;
void vim_objects_fini(struct vim_objects *o);

/* ------------------------------------------------------------------ of performance */

/* The samples of one counter of one machine, or of one device of it: without those that are missing (-1). */
struct vim_series {
	int32_t counter;
	const char *instance; /* "" for the total */
	size_t instance_len;
	int64_t sum;
	uint32_t count;
};

struct vim_perf {
	/* in */
	void (*machine)(void *context, const char *id, size_t len);
	void (*series)(void *context, const struct vim_series *series); /* of the last machine */
	void *context;
	/* what is in hand */
	struct vim_series in;
	struct buf instance;
};
/* Of QueryPerf, in both forms. */
extern const struct vim_shape vim_perf_shape;
void vim_perf_fini(struct vim_perf *p);

#endif

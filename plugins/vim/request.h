/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests to a vim25 server (VMware vSphere Web Services API 6.5; its schemas: vim-types.xsd).  Pure: any thread,
 * never blocks.
 */
#ifndef VIM_REQUEST_H
#define VIM_REQUEST_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A managed object. */
struct vim_ref {
	const char *type; /* "PropertyCollector" */
	const char *id;
};

/* An argument of a method: <name>text</name>, or <name type="TYPE">text</name> of a reference. */
struct vim_argument {
	const char *name, *text;
	const char *type; /* NULL: no reference */
};

/* A call of `method` of `self`; the arguments in the order of the schema, the last with `name` NULL. */
void vim_request_call(struct buf *out, const char *method, struct vim_ref self,
		      const struct vim_argument *arguments);

/* Properties that are asked for of objects of a type. */
struct vim_wanted {
	const char *type;
	const char *const *paths; /* ends with NULL */
};

/* RetrievePropertiesEx of one object, or, with `view`, of all that a view shows. */
void vim_request_properties(struct buf *out, struct vim_ref collector,
			    const struct vim_wanted *wanted, size_t count, struct vim_ref object,
			    bool view, int64_t page);

/* QueryPerf: begin, a specification for each object, end. */
struct vim_metric {
	int32_t counter;
	bool devices; /* of each device, else the total */
};
void vim_request_perf_begin(struct buf *out, struct vim_ref manager);
void vim_request_perf_add(struct buf *out, const char *machine, int samples,
			  const struct vim_metric *metrics, size_t count);
void vim_request_perf_end(struct buf *out);

#endif

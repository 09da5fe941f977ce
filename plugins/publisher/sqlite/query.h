/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a query selects, worked out before any point is read: which series, which resource versions,
 * between which times.  On the thread of the command; blocks on the database.
 */
#ifndef PUBLISHER_SQLITE_QUERY_H
#define PUBLISHER_SQLITE_QUERY_H

#include <glib.h>

#include "store.h"

struct query_plan {
	struct store *store;
	const struct vmt_query *query;
	bool none; /* nothing can match */
	bool by_meter, by_version; /* is there such a restriction? */
	GHashTable *meter; /* id → name, all of them */
	char *meter_list; /* "1,5,7": what the patterns select */
	GArray *series; /* uint32_t ascending; only with one of the restrictions */
	GArray *version; /* uint32_t ascending; only with by_version */
	int64_t first, last; /* microseconds, both included */
	uint32_t series_end; /* no series has a greater number */
};

int query_plan(struct query_plan *p, struct store *s, const struct vmt_query *query,
	       struct vmt_error *error);
void query_plan_fini(struct query_plan *p);

/* Is `id` in the ascending array?  NULL has all. */
bool query_has(const GArray *ids, uint32_t id);

/* Members of *ret_resource from columns `first` on: resource_id, source, project_id, user_id,
 * project_name, user_name, metadata, digest.  They hold as long as the row of the statement does. */
void query_resource(sqlite3_stmt *statement, int first, struct vmt_resource *ret_resource);

#define QUERY_RESOURCE_COLUMNS                                                                       \
	"r.resource_id, r.source, v.project_id, v.user_id, v.project_name, v.user_name, v.metadata," \
	" v.digest"

#endif

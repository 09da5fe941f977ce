/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queries of a store, each in one view of its data.  One thread; blocks on the store.
 */
#include "select_plan.h"

typedef int (*select_fn)(struct select_db *db, const struct vmt_query *query, vmt_row_fn row,
			 void *context, struct vmt_error *error);

static int run(struct select_db *db, select_fn fn, const struct vmt_query *query, vmt_row_fn row,
	       void *context, struct vmt_error *error)
{
	int code = db->ops->open(db, error);

	return code ? code : db->ops->close(db, fn(db, query, row, context, error), error);
}

static int samples(void *self, const struct vmt_query *query, vmt_row_fn row, void *context,
		   struct vmt_error *error)
{
	return run(self, select_samples, query, row, context, error);
}

static int resources(void *self, const struct vmt_query *query, vmt_row_fn row, void *context,
		     struct vmt_error *error)
{
	return run(self, select_resources, query, row, context, error);
}

static int meters(void *self, const struct vmt_query *query, vmt_row_fn row, void *context,
		  struct vmt_error *error)
{
	return run(self, select_meters, query, row, context, error);
}

const struct vmt_store_ops select_store = {
	.samples = samples,
	.resources = resources,
	.meters = meters,
};

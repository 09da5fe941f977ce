/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of stores: a query of each kind, asked in a way that looks at the plan of each statement.  What grows with
 * time or with the cloud must be found by its key; only a list of all versions may walk through those.
 */
#ifndef PUBLISHER_SELECT_CASES_H
#define PUBLISHER_SELECT_CASES_H

#include "fixture.h"
#include "select.h"

#define CASES_RESOURCE "00000000-0000-4000-8000-000000000007"

static const char *const cases_meters[] = { "meter.1", NULL };
static const struct vmt_pair cases_metadata[] = { { "flavor.name", "m1.small" }, { NULL, NULL } };

static const struct vmt_query select_cases[] = {
	{ .limit = 5 },
	{ .start_ns = FIXTURE_TIME, .end_ns = FIXTURE_TIME + 1000000000 },
	{ .meters = cases_meters },
	{ .meters = cases_meters, .start_ns = FIXTURE_TIME, .bare = true },
	{ .resource = CASES_RESOURCE },
	{ .resource = CASES_RESOURCE, .start_ns = FIXTURE_TIME, .limit = 3 },
	{ .project = "project-1" },
	{ .project = "project-1", .meters = cases_meters, .bare = true },
	{ .user = "user-1" },
	{ .user = "user-1", .resource = CASES_RESOURCE, .project = "project-1" },
	{ .metadata = cases_metadata },
	{ .metadata = cases_metadata, .project = "project-1" },
};

/* One in twenty is of project-1 and of user-1, so that a list of them is worth its look-ups. */
static inline void cases_fixture(struct fixture *f)
{
	for (uint32_t i = 0; i < f->resources; i++) {
		struct vmt_resource *r = &f->resource[i];

		g_free((char *)r->project_id);
		g_free((char *)r->user_id);
		r->project_id = g_strdup(i % 20 == 7 ? "project-1" : "project-0");
		r->user_id = g_strdup(i % 20 == 7 ? "user-1" : "user-0");
		fixture_digest(r);
	}
}

static inline int cases_count(void *context, const struct vmt_store_row *row)
{
	(void)row;
	++*(unsigned *)context;
	return 0;
}

/* Asks all of them; `about` is told before each whether all versions may be read. */
static inline void cases_ask(void *self, void (*about)(bool all_versions))
{
	for (size_t i = 0; i < G_N_ELEMENTS(select_cases); i++) {
		const struct vmt_query *q = &select_cases[i];
		struct vmt_error error = { "" };
		unsigned samples = 0, resources = 0, meters = 0;

		about(!q->resource && !q->project && !q->user);
		select_store.samples(self, q, cases_count, &samples, &error);
		select_store.resources(self, q, cases_count, &resources, &error);
		select_store.meters(self, q, cases_count, &meters, &error);
		g_assert_cmpstr(error.text, ==, "");
		g_assert_cmpuint(samples, >, 0);
		g_assert_cmpuint(resources, >, 0);
		g_assert_cmpuint(meters, >, 0);
	}
}

#endif

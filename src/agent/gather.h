/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which instances a polling task looks at, of the lists that its sources' discoveries give, and for each of
 * them the sources (scopes) that it belongs to.  An instance is in the list once, however many sources find it.
 * Belongs to one polling task's thread; asking may block inside a discovery, until the deadline.
 */
#ifndef AGENT_GATHER_H
#define AGENT_GATHER_H

#include <virtmeter/plugin.h>

struct gather;
struct instances;
struct sharing;
struct snapshot;

enum { GATHER_SCOPES = 64 };

/* What some sources look at.  No lists and no resources: the first list, which is the agent's own discovery.
 * Else: the instances of `lists` (if they have none at all, and there are no resources, of the first list),
 * and those of the first list that a resource names: by id, name or display name. */
struct gather_scope {
	uint64_t lists; /* bit set */
	const char *const *resources; /* NULL-terminated; NULL: none */
	unsigned group; /* in which the resources are shared */
	bool elsewhere; /* names what another task looks at: without lists and resources it has no instances */
	bool host; /* looks at the host itself, and at no instances unless lists or resources say so */
};

struct gather_plan {
	struct instances *const *list;
	size_t lists; /* at least 1 */
	const struct gather_scope *scope;
	size_t scopes; /* 1 to GATHER_SCOPES */
	struct sharing *sharing; /* by which some instances are others' affair; NULL: none are */
	const char *host; /* name of the host, as it is shared */
};

struct gather *gather_new(void);
void gather_free(struct gather *gather);

/* The list to poll now, the caller's to unref; NULL with a reason when no list was to be had.  `plan` may be
 * another one each time. */
struct snapshot *gather_run(struct gather *gather, const struct gather_plan *plan,
			    const struct vmt_call *call, struct vmt_error *error);
/* Per instance of that list, the bit set of its scopes; NULL: all are in all. */
const uint64_t *gather_scopes(const struct gather *gather);
/* Whether the host itself is this agent's to poll. */
bool gather_host(const struct gather *gather);
/* Whether the instance, which is not in the list, is on this host all the same: another agent's. */
bool gather_elsewhere(const struct gather *gather, const char *id);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was looked up, and for whom: only what some instance that is here uses is kept, so that it is bounded by them.
 * One thread at a time; blocks on nothing.
 */
#ifndef DISCOVERY_NOVA_KNOWN_H
#define DISCOVERY_NOVA_KNOWN_H

#include "plugins/discovery/nova/roster.h"

/* What is looked up one by one: the ids of flavors by their names, the names of the others by their ids. */
enum known_kind { KNOWN_FLAVOR, KNOWN_USER, KNOWN_PROJECT, KNOWN_DOMAIN, KNOWN_KINDS };

struct known;

struct known_wants {
	bool names; /* of users and projects */
	bool enabled; /* whether projects and their domains are */
	int64_t expiry_ns; /* of an answer */
};

/* An answer. */
struct known_answer {
	const char *value; /* id or name; NULL: there is none */
	const char *domain_id; /* of a project */
	bool enabled;
};

struct known *known_new(const struct known_wants *wants);
void known_free(struct known *k); /* NULL is fine */

/* These are the instances now: what they use may be due, what none uses any more is dropped. */
void known_follow(struct known *k, const struct vmt_snapshot *found);

/* Something may be due: it was never answered, or too long ago.  `before_ns`: those that were tried since do not count. */
bool known_is_due(const struct known *k, enum known_kind kind, int64_t now_ns, int64_t before_ns);
/* The key of the one that was not tried for longest; NULL: none is due.  Valid until the next known_follow(). */
const char *known_next(const struct known *k, enum known_kind kind, int64_t now_ns,
		       int64_t before_ns);
/* All keys that are due, as keys (copied) of a table without values. */
GHashTable *known_all_due(const struct known *k, enum known_kind kind, int64_t now_ns);

/* `answer` NULL: there was none; what was known before stays. */
void known_set(struct known *k, enum known_kind kind, const char *key,
	       const struct known_answer *answer, int64_t now_ns);
/* Nova's list of servers in place of the one before; takes over the reference.  NULL is fine. */
void known_set_servers(struct known *k, struct roster *servers);
const struct roster *known_servers(const struct known *k);

/* Differs when instances may be described otherwise than before; never 0. */
uint64_t known_version(const struct known *k);
/* How much is kept, in entries. */
size_t known_count(const struct known *k);

/* Adds the instances, described as far as is known.  Those of projects that are known not to be enabled are left out where
 * that is wanted. */
void known_describe(const struct known *k, const struct vmt_snapshot *found,
		    struct vmt_snapshot_builder *builder);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the inspector remembers of each instance from cycle to cycle.  All of it belongs to the one thread that
 * inspects.
 */
#ifndef INSPECTOR_LIBVIRT_TARGET_H
#define INSPECTOR_LIBVIRT_TARGET_H

#include "plugins/inspector/libvirt/last.h"
#include "plugins/inspector/libvirt/stats.h"
#include "plugins/inspector/libvirt/usage.h"

#include <glib.h>

/* How a target is asked in a cycle. */
enum way {
	WAY_NONE, /* it does not run */
	WAY_FULL, /* with all others */
	WAY_FIRST, /* for the first time since its start, which may take seconds: apart from the others */
	WAY_LATE, /* it sleeps uninterruptibly right now: after the others */
	WAY_ALONE, /* a suspect that may be asked again: by itself */
	WAY_LIGHT, /* only what needs no monitor */
};

struct target {
	uint8_t uuid[16]; /* key of the table; first */
	uint64_t cycle; /* the last one whose snapshot had it */
	size_t index; /* in that snapshot */
	struct domain domain; /* in this cycle; desc NULL: libvirt does not know it */
	struct domain_desc *before; /* of the last cycle: its devices are still in use */
	enum way way; /* in this cycle */
	unsigned
		kernel; /* groups that libvirt is not asked for in this cycle: the kernel has them */
	bool left_out; /* not to be read in this cycle */
	struct last *last; /* NULL: never read */
	int err; /* why it was in no answer of this cycle */
	bool is_short; /* its record was, in this cycle */
	int64_t answered_ns; /* when its monitor last answered; 0: never */
	uint64_t scanned; /* in which its process was looked for */
	uint64_t epoch; /* in which its monitor last answered */
	uint32_t cost; /* parameters of its last answer; 0: none yet */
	bool had_rss; /* in this epoch */
	/* What fits the description of this version; another digest: something changed that no event told. */
	uint64_t version, disks_digest, nics_digest;
	bool suspected; /* already told so, of this version */
	size_t disks;
	struct usage_disk *disk; /* by index in desc->disk */
};

struct targets {
	GHashTable *table; /* of struct target, by uuid */
	uint64_t cycle;
	size_t count;
	struct target **list; /* by index of the snapshot; NULL: its id is no UUID */
	size_t cap;
};

void targets_init(struct targets *t);
void targets_fini(struct targets *t);

/* Takes the snapshot's instances, and looks each up in `domains`. */
void targets_bind(struct targets *t, const struct vmt_snapshot *instances, struct domains *domains);
/* Looks one up anew. */
void target_find(struct target *target, struct domains *domains);
/* The end of a cycle: forgets what is not there any more. */
void targets_release(struct targets *t);

/* The target of that UUID in this cycle's snapshot, or NULL. */
struct target *targets_get(const struct targets *t, const uint8_t uuid[16]);

static inline bool target_runs(const struct target *target)
{
	return target && !target->left_out && target->domain.desc &&
	       target->domain.desc->number >= 0;
}

/* Parameters its answer will have, about. */
uint32_t target_cost(const struct target *target);

/* Whether its monitor has not answered in this epoch. */
static inline bool target_is_fresh(const struct target *target)
{
	return target->epoch != target->domain.desc->epoch;
}

/* Its monitor has answered. */
void target_answered(struct target *target, int64_t now_ns);

/* Takes note of an answer: `number` is libvirt's id in it.  Answers the outcome, and false in *ret_fits when
 * what is known of the domain does not fit it (told once). */
enum vmt_outcome target_judge(struct target *target, const struct stats_note *note, int number,
			      unsigned groups, const struct vmt_reading *reading, bool *ret_fits);

#endif

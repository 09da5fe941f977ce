/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of asking share: ask_plan.c (who is asked how), ask_list.c (who with whom), ask_lane.c (the calls),
 * ask.c (their course).  All of it belongs to the one thread that inspects.
 */
#ifndef INSPECTOR_LIBVIRT_ASK_PRIVATE_H
#define INSPECTOR_LIBVIRT_ASK_PRIVATE_H

#include "plugins/inspector/libvirt/ask.h"
#include "plugins/inspector/libvirt/bulk.h"
#include "plugins/inspector/libvirt/lookout.h"
#include "plugins/inspector/libvirt/plan.h"

enum { ASK_LANES = CYCLE_PARALLEL_MAX + 1 }; /* one for those who are asked for the first time */

struct asker {
	struct domains *domains;
	struct hub *hub;
	struct suspects *book;
	struct lookout *lookout;
	struct cycle_conf conf;
	struct caller *caller[ASK_LANES];
	struct caller *light; /* for what needs no monitor */
	struct bell *bell;
	struct plan_durations durations;
	uint64_t message; /* parameters in one message at most */
	bool each; /* the driver has no bulk statistics */
	bool no_nowait;
};

/* A call to be made. */
struct list {
	enum bulk_mode mode;
	unsigned groups;
	bool small, first;
	bool apart; /* of those alone who are asked for the first time */
	bool again; /* a second try */
	size_t count;
	struct target **target;
};

struct lane {
	struct list *list; /* NULL: idle */
	struct bulk *bulk;
	struct job *job;
	int64_t begun_ns, look_ns;
};

/* The work on one order. */
struct ask {
	struct asker *k;
	const struct ask_order *o;
	int64_t hard_ns; /* no call that may hang is waited for after this */
	int64_t apart_ns; /* nor those who are asked for the first time after this */
	int64_t limit_ns;
	GQueue todo; /* of struct list */
	struct lane lane[ASK_LANES];
	size_t busy;
	unsigned hung; /* calls found to hang: small lists from the first on */
	bool turn; /* no other task asks meanwhile */
	bool silent; /* libvirt does not answer */
	bool again; /* what was short is asked for once more */
	unsigned asked; /* groups that somebody was asked for */
	bool answered, only_state; /* somebody has; nobody had more than the state */
	struct vmt_error error; /* of the first that failed */
	int err;
};

/* ------------------------------------------------------------------ ask_plan.c */

/* Has it answered since a call was begun that was found to hang? */
bool ask_is_trusted(const struct asker *k, const struct target *target);

/* ------------------------------------------------------------------ ask_list.c */

void ask_list_free(struct list *l);
/* Queues a list of these; `target` is copied. */
struct list *ask_add_list(struct ask *a, struct target *const *target, size_t count, bool small);
/* Queues them in lists of `size` each, last-answered first. */
void ask_add_in_lists_of(struct ask *a, GPtrArray *those, size_t size);
/* Queues them in as few lists as may be, of equal cost. */
void ask_add_dealt(struct ask *a, GPtrArray *those);
/* Those of that way that have not been read; the caller's to free. */
GPtrArray *ask_those_of(const struct ask *a, enum way way);
/* Queues the lists of a cycle. */
void ask_deal(struct ask *a);
/* Puts what is queued, and the rest of a list that hangs, into small lists. */
void ask_deal_small(struct ask *a, const struct list *hung);

/* ------------------------------------------------------------------ ask_lane.c */

/* The next task may ask. */
void ask_end_turn(struct ask *a);

/* What was read of it before does not count. */
void ask_forget(struct vmt_reading *r);
typedef void (*ask_take_fn)(struct ask *a, const struct list *l, const struct bulk_record *record,
			    uint8_t stamp);
void ask_take_records(struct ask *a, const struct list *l, struct bulk *b, ask_take_fn take);
/* None of the list has a reading, for that reason. */
void ask_fail(struct ask *a, const struct list *l, int err);
/* May it be asked now, seen from the cap? */
bool ask_may_begin(const struct ask *a, const struct list *l);
/* One for the head of the queue; NULL: all are at work. */
struct lane *ask_idle_lane(struct ask *a);
void ask_lane_begin(struct ask *a, struct lane *lane, struct list *l);
/* Its call has come back. */
void ask_lane_end(struct ask *a, struct lane *lane);
/* Leaves the call behind.  `err`: why those in it have no reading; 0: they are asked again. */
void ask_lane_leave(struct ask *a, struct lane *lane, int err);
void ask_lane_clear(struct ask *a, struct lane *lane);
/* Its call takes long: finds who holds it up. */
void ask_lane_look(struct ask *a, struct lane *lane);

#endif

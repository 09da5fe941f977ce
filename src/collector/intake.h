/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a receiver's messages become frames, and what became of them.  A message is read and verified, its samples
 * are gathered with those of the messages behind it into a frame, the frame goes the way of all frames, and when
 * the last publisher has let go of it the messages are settled: stored, or, when a publisher could not take it,
 * to come again.  While a frame is under way, messages that wait for an answer gather for the next one, so that a
 * backlog is stored in large transactions, and a single message at once.
 *
 * A message of which something was rejected becomes a dead letter of the log, where that is durable: with its bytes,
 * at most INTAKE_LETTER of them, and the reason.  It is settled once the letter is on the disk.  The log tells of the
 * first of a burst at once, and of the others as a sum when it is over, or lasts for a minute.
 *
 * Ledger, in samples, at any time (a message that cannot be read counts as one):
 *     received = accepted + duplicates + conflicts + returned + pending + interrupted + sum of rejected
 * A durable log keeps it over restarts, for receivers of one name together.
 *
 * The receiver's thread calls; frames come back on whatever thread lets go of them last.
 */
#ifndef COLLECTOR_INTAKE_H
#define COLLECTOR_INTAKE_H

#include "model/intake.h"
#include "wire/message_read.h"

struct frame_pool;
struct intake;
struct pipeline_runner;
struct pipeline_set;
struct spool;

#define INTAKE_LETTER ((size_t)1 << 20)

struct intake_parts {
	struct message_read_options read; /* copied */
	struct frame_pool *pool; /* these two must outlive the intake */
	struct pipeline_runner *runner;
	struct spool *spool; /* of dead letters, and of the ledger; NULL: nothing is kept */
	enum vmt_profile profile; /* of the frames */
	const char *name; /* of the receiver, for the log; copied */
};

struct intake_ledger {
	uint64_t received; /* samples that came in, again and again */
	uint64_t accepted; /* taken by all publishers, or by none that wants them */
	uint64_t duplicates; /* the same, but a store had them already */
	uint64_t conflicts; /* or had another value at that time, which it kept */
	uint64_t returned; /* given back, to come again */
	uint64_t pending; /* on their way */
	uint64_t
		interrupted; /* were on their way when the receiver, or the process, ended: a broker brings them again */
	uint64_t rejected[MESSAGE_REJECTS];
	uint64_t messages;
	uint64_t lost; /* messages that did not come so far */
	uint64_t dead_letters; /* of `rejected`, samples of messages that were kept */
	uint64_t unkept; /* and of those that were not: without a durable log, or faster than it */
};

/* NULL when the library has no HMAC-SHA256.  What the process before this one left without an end is closed as
 * interrupted, and told.  Main thread. */
struct intake *intake_new(const struct intake_parts *parts);
/* For vmt_receiver_ops. */
struct vmt_intake *intake_public(struct intake *intake);
/* Which pipelines frames go through, from the next one on; takes its own reference.  Any thread. */
void intake_set_pipelines(struct intake *intake, struct pipeline_set *set);
/* Nothing more is to be taken.  Any thread. */
void intake_close(struct intake *intake);
/* Whether nothing is gathered or under way. */
bool intake_idle(struct intake *intake);
void intake_ledger(struct intake *intake, struct intake_ledger *ret_ledger);
/* Whether both count in one ledger, the one that a durable log keeps for their name. */
bool intake_same_ledger(const struct intake *one, const struct intake *other);
/* Frames under way keep what they need; what is gathered only is interrupted.  NULL is fine. */
void intake_free(struct intake *intake);

#endif

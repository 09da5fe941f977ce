/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A receiver at work: the plugin, its intake, and a thread that lets it receive.  What does not work is tried again
 * after a pause that doubles from 1 s to 60 s.  One receiver's trouble never touches another.  Main thread.
 */
#ifndef COLLECTOR_RECEIVER_H
#define COLLECTOR_RECEIVER_H

#include <virtmeter/plugin.h>

#include "base/buf.h"
#include "collector/intake.h"

struct receiver;

struct receiver_parts {
	const char *url; /* without secrets; copied */
	const struct vmt_receiver_ops *ops; /* these two stay the caller's and must outlive it */
	void *self;
	struct intake_parts intake; /* its name is the URL */
};

/* -ENOTSUP: the library has no HMAC-SHA256. */
int receiver_new(const struct receiver_parts *parts, struct receiver **ret_receiver);
void receiver_set_pipelines(struct receiver *receiver, struct pipeline_set *set);
/* From now on it receives.  0 or -errno. */
int receiver_start(struct receiver *receiver);

/* Takes nothing more; what is under way is settled with the far side before the thread ends. */
void receiver_leave(struct receiver *receiver);
/* Whether all that it took is on its way to the publishers, after receiver_leave. */
bool receiver_quiet(struct receiver *receiver);
/* Whether its thread has come to its end, or never ran. */
bool receiver_done(struct receiver *receiver);
/* Ends the thread at once; what was not settled comes again where the far side waits for an answer. */
void receiver_abort(struct receiver *receiver);
/* Waits for the thread; NULL is fine. */
void receiver_free(struct receiver *receiver);

const char *receiver_url(const struct receiver *receiver);
uint64_t receiver_received(struct receiver *receiver);
/* Adds an object of the status document, of `count` receivers that share the work of one: their ledgers summed up, and
 * the trouble of the first that has any. */
void receiver_status(struct receiver *const *workers, size_t count, struct buf *json);

#endif

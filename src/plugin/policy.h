/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the URL of any publisher may say of delivery, whatever its scheme: policy, max_queue_length,
 * max_retry.  Main thread; blocks on nothing.
 */
#ifndef PLUGIN_POLICY_H
#define PLUGIN_POLICY_H

#include <virtmeter/plugin.h>

#include "conf/ini.h"
#include "conf/url.h"

enum policy_kind {
	POLICY_DEFAULT, /* queue where the log is durable, else retry max_retry times, then drop */
	POLICY_QUEUE, /* keep until delivered, or until a bound is reached */
	POLICY_DROP, /* drop what fails */
};

struct policy {
	enum policy_kind kind;
	int64_t max_queue_length; /* messages; 0: no bound of its own */
	int64_t max_retry; /* failures after which the default policy drops; at least 1 */
};

/* The rows of the table, for `virtmeter list plugins` and the manual; their structure is private. */
extern const struct vmt_option policy_options[];

/* Takes them out of `url`; an unknown policy is a warning and means the default one, as in Ceilometer.
 * -EINVAL, with each error in `problems`, for what is no number. */
int policy_decode(struct url *url, const struct position *url_at, struct arena *arena,
		  struct policy *ret_policy, struct problems *problems);

#endif

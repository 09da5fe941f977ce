/* SPDX-License-Identifier: Apache-2.0 */
/* The common part of publishers' URLs.  Main thread; blocks on nothing. */
#include "plugin/policy.h"

#include <glib.h>
#include <string.h>

#include "conf/option.h"

struct values {
	const char *policy;
	int64_t max_queue_length, max_retry;
};

static const char *const kinds[] = {
	[POLICY_DEFAULT] = "default",
	[POLICY_QUEUE] = "queue",
	[POLICY_DROP] = "drop",
};

const struct vmt_option policy_options[] = {
	{ .name = "policy",
	  .type = VMT_OPT_STRING,
	  .offset = offsetof(struct values, policy),
	  .def = "default",
	  .flags = VMT_OPT_URL,
	  .help = "What becomes of samples that cannot be delivered: queue keeps them, drop drops them, "
		  "default keeps them in a durable log and else drops them after max_retry failures." },
	{ .name = "max_queue_length",
	  .type = VMT_OPT_INT,
	  .offset = offsetof(struct values, max_queue_length),
	  .def = "0",
	  .flags = VMT_OPT_URL,
	  .help = "Messages that wait at most, the oldest are dropped beyond it; 0 or less: bounded by "
		  "bytes and age alone." },
	{ .name = "max_retry",
	  .type = VMT_OPT_INT,
	  .offset = offsetof(struct values, max_retry),
	  .def = "100",
	  .flags = VMT_OPT_URL,
	  .help = "Failures after which the default policy without a durable log drops samples." },
	{ .name = NULL },
};

int policy_decode(struct url *url, const struct position *url_at, struct arena *arena,
		  struct policy *ret_policy, struct problems *problems)
{
	struct values v = { .policy = NULL };
	struct ini *none = ini_new();
	int ret = options_decode(policy_options, none, url, url_at, arena, &v, problems);
	unsigned kind = 0;

	ini_free(none);
	while (kind < G_N_ELEMENTS(kinds) && strcmp(kinds[kind], v.policy) != 0) {
		kind++;
	}
	if (kind == G_N_ELEMENTS(kinds)) {
		problems_add(
			problems, PROBLEM_WARNING, url_at,
			"URL: policy: '%.*s' is none; taken as default; write queue, drop or default",
			200, v.policy);
		kind = POLICY_DEFAULT;
	}
	*ret_policy = (struct policy){
		.kind = (enum policy_kind)kind,
		.max_queue_length = MAX(v.max_queue_length, 0),
		.max_retry = MAX(v.max_retry, 1),
	};
	return ret;
}

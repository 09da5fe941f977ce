/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instances shared with agents that come and go, by a coordinator that fails and hangs: who is polled is what the ring
 * says, at the times of the clock, and no cycle waits for the coordinator.
 */
#include "tests/scenario/stage.h"

#include <errno.h>
#include <string.h>

#include "agent/ring.h"
#include "base/buf.h"
#include "base/wait.h"
#include "model/snapshot.h"

#define INTERVAL 60
#define INSTANCES 12

/* ---- the coordinator: a list in memory, and what it is told to do */

static struct {
	bool other; /* another agent is there */
	bool fails, hangs;
	unsigned beats, leaves, hung;
	char own[64], group[128];
} fake;

static int fake_open(const void *conf, const struct vmt_url *url, void **ret_self,
		     struct vmt_error *error)
{
	(void)conf;
	(void)url;
	(void)error;
	*ret_self = &fake;
	return 0;
}

static int64_t fake_lease(const void *self)
{
	(void)self;
	return 30 * NS_PER_S;
}

static int fake_beat(void *self, const char *group, const char *member, struct vmt_members *members,
		     const struct vmt_call *call, struct vmt_error *error)
{
	(void)self;
	if (fake.hangs) {
		fake.hung++;
		wait_sleep(call->deadline_ns - clock_monotonic());
		return -ETIMEDOUT;
	}
	if (fake.fails) {
		return vmt_error_set(error, -ECONNREFUSED, "fake: Connection refused");
	}
	fake.beats++;
	g_strlcpy(fake.own, member, sizeof(fake.own));
	g_strlcpy(fake.group, group, sizeof(fake.group));
	g_assert_cmpint(vmt_members_add(members, member, strlen(member)), ==, 0);
	if (fake.other) {
		g_assert_cmpint(vmt_members_add(members, "other", 5), ==, 0);
	}
	return 0;
}

static int fake_leave(void *self, const char *group, const char *member,
		      const struct vmt_call *call, struct vmt_error *error)
{
	(void)self;
	(void)group;
	(void)call;
	(void)error;
	g_assert_cmpstr(member, ==, fake.own);
	fake.leaves++;
	return 0;
}

static void fake_close(void *self)
{
	(void)self;
}

static const struct vmt_coordinator_ops fake_ops = {
	.open = fake_open,
	.lease = fake_lease,
	.beat = fake_beat,
	.leave = fake_leave,
	.close = fake_close,
};

static const struct vmt_plugin fake_plugin = { .abi = VMT_ABI,
					       .ns = VMT_COORDINATOR,
					       .name = "fake",
					       .version = "1",
					       .help = "Fake.",
					       .ops.coordinator = &fake_ops };

/* ---- the play */

static int64_t begin_ns; /* of the run, on the wall clock */

static void other_comes(struct stage *stage)
{
	(void)stage;
	fake.other = true;
}

static bool status_has(struct stage *stage, const char *text)
{
	struct buf doc = BUF_INIT;
	bool has;

	agent_status(stage->agent, &doc);
	has = strstr(doc.data, text) != NULL;
	buf_fini(&doc);
	return has;
}

/* From here on the coordinator says nothing of the other's going. */
static void coordinator_goes(struct stage *stage)
{
	g_assert_true(status_has(stage, "\"state\":\"ok\",\"member\""));
	g_assert_true(status_has(stage, "\"group\":\"compute-compute-0\",\"members\":2"));
	fake.fails = true;
	fake.other = false;
}

static void coordinator_hangs(struct stage *stage)
{
	g_assert_true(status_has(stage, "\"state\":\"unreachable\""));
	g_assert_true(status_has(stage, "fake: Connection refused"));
	fake.hangs = true;
}

static void coordinator_comes(struct stage *stage)
{
	(void)stage;
	fake.fails = fake.hangs = false;
}

static struct ring *ring_of_two(void)
{
	const char *const both[] = { fake.own, "other" };

	return ring_new(both, 2);
}

/* Minutes of the run: alone, shared, shared without a coordinator, alone again. */
enum { JOINED = 10, DOWN = 20, HANGS = 25, BACK = 30, END = 40 };

static bool is_shared(int64_t minute)
{
	return minute > JOINED && minute <= BACK;
}

static void check_samples(const void *store, const struct ring *ring)
{
	unsigned seen[END + 1] = { 0 }, own = 0, hosts[END + 1] = { 0 };
	bool host = strcmp(ring_owner(ring, "compute-0"), fake.own) == 0;
	GHashTable *ids = g_hash_table_new(g_str_hash, g_str_equal);
	GHashTableIter iter;
	void *id;

	for (size_t i = 0; i < test_publisher_count(store); i++) {
		const struct test_sample *s = test_publisher_at(store, i);
		int64_t minute = (s->time_ns - begin_ns) / (INTERVAL * NS_PER_S);

		if (strcmp(s->name, "cpu") != 0 && strcmp(s->name, "vm.host.overruns") != 0) {
			continue;
		}
		/* the times at which cycles were due, and nothing between */
		g_assert_cmpint(s->time_ns % (INTERVAL * NS_PER_S), ==, 0);
		g_assert_cmpint(minute, <=, END);
		g_assert_null(strstr(s->metadata, "\"final\""));
		if (strcmp(s->name, "cpu") != 0) {
			hosts[minute]++;
			continue;
		}
		g_hash_table_add(ids, (void *)(uintptr_t)s->resource);
		seen[minute]++;
		if (is_shared(minute)) {
			g_assert_cmpstr(ring_owner(ring, s->resource), ==, fake.own);
		}
	}
	g_assert_cmpuint(g_hash_table_size(ids), ==, INSTANCES);
	g_hash_table_iter_init(&iter, ids);
	while (g_hash_table_iter_next(&iter, &id, NULL)) {
		own += strcmp(ring_owner(ring, id), fake.own) == 0;
	}
	for (unsigned m = 1; m < END; m++) {
		g_assert_cmpuint(seen[m], ==, is_shared(m) ? own : INSTANCES);
		g_assert_cmpuint(hosts[m], ==, is_shared(m) ? host : 1);
	}
	g_hash_table_unref(ids);
}

static void test_sharing(void)
{
	struct stage stage = { NULL };
	struct task_status status;
	struct ring *ring;
	int64_t half = INTERVAL * NS_PER_S / 2;

	stage_add_plugin(&fake_plugin);
	stage_open(&stage,
		   "[simulated]\ninstances = 12\nstopped = 0\ndisks = 1\nnics = 1\n"
		   "[coordination]\nbackend_url = fake://user:secret@x/\n",
		   INTERVAL, "'test://?keep=1000000'");
	begin_ns = clock_real() - clock_real() % (INTERVAL * NS_PER_S);
	/* half a minute from a full one, wherever the run begins */
	half += begin_ns - clock_real();
	stage_at(&stage, JOINED * INTERVAL * NS_PER_S + half, other_comes);
	stage_at(&stage, DOWN * INTERVAL * NS_PER_S + half, coordinator_goes);
	stage_at(&stage, HANGS * INTERVAL * NS_PER_S + half, coordinator_hangs);
	stage_at(&stage, BACK * INTERVAL * NS_PER_S + half, coordinator_comes);
	g_assert_cmpint(stage_run(&stage, END * INTERVAL * NS_PER_S + half), ==, 0);
	g_assert_cmpuint(fake.beats, >, 1000);
	g_assert_cmpuint(fake.hung, >, 0);
	g_assert_cmpuint(fake.leaves, ==, 2); /* of the instances, and of the host */
	g_assert_cmpstr(fake.group, ==, "compute-LocalNode-compute-0");
	status = stage_task(&stage, 0);
	g_assert_cmpuint(status.overruns, ==, 0);
	g_assert_false(status_has(&stage, "secret"));
	ring = ring_of_two();
	check_samples(stage_test(&stage, 0), ring);
	ring_free(ring);
	stage_close(&stage);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/scenario/sharing", test_sharing);
	return g_test_run();
}

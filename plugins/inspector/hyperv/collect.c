/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the order of questions and what is kept between cycles.  On a worker, one at a time.
 */
#include "plugins/inspector/hyperv/collect.h"

#include "base/clock.h"
#include "plugins/inspector/hyperv/keys.h"

#include <errno.h>
#include <glib.h>

#define CYCLE_BYTES (UINT64_C(256) << 20)
#define ALONE_FIRST_NS (60 * NS_PER_S)
#define ALONE_MOST_NS (600 * NS_PER_S)

enum { OF_CYCLE, OF_METRICS, OF_HOST };

#define CPUS (VMT_GROUP_CPU | VMT_GROUP_VCPU)
#define USAGE (CPUS | VMT_GROUP_MEMORY)
#define DEVICES (VMT_GROUP_DISK | VMT_GROUP_NIC)
#define MACHINES VMT_GROUP_ALL

/* Which groups need a table, and whose memory it has; in the order of reading. */
static const struct {
	enum table_id id;
	unsigned groups;
	int memory;
} plan[] = {
	{ T_SYSTEMS, MACHINES, OF_CYCLE },
	{ T_CPUS, USAGE | DEVICES, OF_HOST }, /* of the host all is learned at once */
	{ T_TOTAL_DEFINITIONS, USAGE | DEVICES, OF_HOST },
	{ T_VALUE_DEFINITIONS, USAGE | DEVICES, OF_HOST },
	{ T_TOTALS, USAGE, OF_CYCLE },
	{ T_VALUES, DEVICES, OF_CYCLE },
	{ T_PROCESSORS, CPUS, OF_CYCLE },
	{ T_DISKS, VMT_GROUP_DISK, OF_CYCLE },
	{ T_PORTS, VMT_GROUP_NIC, OF_CYCLE },
	{ T_ALLOCATIONS, VMT_GROUP_NIC, OF_CYCLE },
	{ T_ACLS, VMT_GROUP_NIC, OF_CYCLE },
	{ T_METRICS, USAGE | DEVICES, OF_METRICS },
};

/* The values that there are, whatever they are; 0: none. */
static uint64_t fingerprint_of(const struct collector *c)
{
	uint64_t sum = 0;

	for (int id = T_TOTALS; id <= T_VALUES; id++) {
		const struct table *t = &c->table[id];

		for (size_t i = 0; i < t->count; i++) {
			const char *key = t->row[i].value[OBJECT_ID];

			sum += key ? key_hash(key, strlen(key)) | 1 : 0;
		}
	}
	return sum;
}

static bool is_needed(const struct collector *c, enum table_id id)
{
	if (id >= T_TOTAL_DEFINITIONS) {
		return c->learned == 0;
	}
	return id != T_METRICS || fingerprint_of(c) != c->fingerprint;
}

/* Half of what time there is left, so that one that hangs leaves something to the others. */
static struct vmt_call call_for(const struct vmt_call *call, enum table_id id)
{
	struct vmt_call part = *call;
	int64_t now = clock_monotonic();

	if (id != T_SYSTEMS) {
		part.deadline_ns = now + MAX((call->deadline_ns - now) / 2, 0);
	}
	return part;
}

static void leave_alone(struct collector *c, enum table_id id, int err)
{
	if (err == -ETIMEDOUT && id != T_SYSTEMS) {
		c->alone[id].pause_ns =
			CLAMP(c->alone[id].pause_ns * 2, ALONE_FIRST_NS, ALONE_MOST_NS);
		c->alone[id].until_ns = clock_monotonic() + c->alone[id].pause_ns;
	} else {
		c->alone[id].pause_ns = c->alone[id].until_ns = 0;
	}
}

/* A class that is not there is an empty one, and that is said once. */
static int judge(struct collector *c, enum table_id id, int err, const struct vmt_error *error)
{
	if (err == -ENOENT && id != T_SYSTEMS) {
		c->table[id].count = 0;
		if (!c->missed[id]) {
			vmt_log(VMT_LOG_WARNING, "%s; meters that need it are left out",
				error->text);
		}
		c->missed[id] = true;
		return 0;
	}
	c->missed[id] &= err < 0;
	return err;
}

static int read_table(struct collector *c, enum table_id id, struct arena *arena,
		      const struct vmt_call *call, struct vmt_error *error)
{
	struct wsman_sink sink = { table_begin, table_item, &c->table[id] };
	struct vmt_call part = call_for(call, id);
	int64_t since = clock_monotonic();
	int err;

	if (since < c->alone[id].until_ns) {
		return vmt_error_set(error, -EAGAIN,
				     "%s: %s did not answer and is left alone for a while",
				     wsman_session_address(wsman_client_session(c->client)),
				     table_queries[id].wanted.class_name);
	}
	c->table[id].arena = arena;
	err = wsman_enumerate(c->client, &table_queries[id], &sink, &part, error);
	c->slowest_ns = MAX(c->slowest_ns, clock_monotonic() - since);
	leave_alone(c, id, err);
	err = judge(c, id, err, error);
	if (err < 0) {
		c->table[id].count = 0;
	}
	return err;
}

/* Whether there is no use in asking for the rest. */
static bool is_end(int err, const struct vmt_call *call)
{
	return err == -ECANCELED || err == -EACCES || err == -EBUSY || err == -EKEYREJECTED ||
	       err == -E2BIG || clock_monotonic() >= call->deadline_ns;
}

static void begin(struct collector *c, struct arena *arena)
{
	uint64_t connection = wsman_session_connection(wsman_client_session(c->client));

	c->arena[OF_CYCLE] = arena;
	c->slowest_ns = 0;
	c->partial = false;
	memset(c->failed, 0, sizeof(c->failed));
	for (int id = 0; id < T_METRICS; id++) {
		c->table[id].count = 0;
	}
	if (!connection || connection != c->learned) {
		c->learned = 0;
		host_forget(&c->host);
		arena_reset(c->arena[OF_HOST]);
		for (int id = T_TOTAL_DEFINITIONS; id < TABLES; id++) {
			c->table[id].count = 0;
		}
	}
	wsman_session_budget(wsman_client_session(c->client), CYCLE_BYTES);
}

/* What was learned holds as long as all of it was there to be learned. */
static void learn(struct collector *c, unsigned groups)
{
	bool whole = (groups & (USAGE | DEVICES)) != 0;

	if (c->learned) {
		return;
	}
	host_learn(&c->host, c->table);
	for (int id = T_TOTAL_DEFINITIONS; id < TABLES; id++) {
		whole &= !c->failed[id];
	}
	if (whole) {
		c->learned = wsman_session_connection(wsman_client_session(c->client));
	}
}

int collector_run(struct collector *c, unsigned groups, struct arena *arena,
		  const struct vmt_call *call, struct vmt_error *error)
{
	int end = 0;

	begin(c, arena);
	for (size_t i = 0; i < G_N_ELEMENTS(plan); i++) {
		enum table_id id = plan[i].id;
		int err = end;

		if (!(groups & plan[i].groups) || !is_needed(c, id)) {
			continue;
		}
		if (id == T_METRICS) {
			arena_reset(c->arena[OF_METRICS]);
			c->table[id].count = 0;
			c->fingerprint = 0;
		}
		if (err == 0) {
			err = read_table(c, id, c->arena[plan[i].memory], call, error);
		}
		c->failed[id] = err < 0;
		c->partial |= err < 0;
		end = err < 0 && is_end(err, call) ? err : end;
		if (id == T_SYSTEMS) {
			if (err < 0) {
				return err;
			}
			c->systems_ns = clock_real();
			c->systems_mono_ns = clock_monotonic();
		} else if (id == T_METRICS && err == 0) {
			c->fingerprint = fingerprint_of(c);
		}
	}
	learn(c, groups);
	return 0;
}

void collector_init(struct collector *c, struct wsman_client *client)
{
	*c = (struct collector){ .client = client };
	for (int id = 0; id < TABLES; id++) {
		c->table[id].id = id;
	}
	c->arena[OF_METRICS] = arena_new(256 << 10);
	c->arena[OF_HOST] = arena_new(4 << 10);
}

void collector_fini(struct collector *c)
{
	for (int id = 0; id < TABLES; id++) {
		table_fini(&c->table[id]);
	}
	arena_free(c->arena[OF_METRICS]);
	arena_free(c->arena[OF_HOST]);
	host_forget(&c->host);
	wsman_client_free(c->client);
}

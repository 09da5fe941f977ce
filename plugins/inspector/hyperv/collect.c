/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the order of questions and what is kept between cycles.  On a worker, one at a time.
 */
#include "plugins/inspector/hyperv/collect.h"

#include "base/clock.h"
#include "base/hash.h"

#include <errno.h>
#include <glib.h>

#define CYCLE_BYTES (UINT64_C(256) << 20)
#define KEPT_NS (300 * NS_PER_S) /* devices: what tells of a change does not tell of every one */

static const struct backoff_limits limits = { 60 * NS_PER_S, 600 * NS_PER_S };

enum memory { OF_CYCLE, OF_HOST, KEPT };

#define CPUS (VMT_GROUP_CPU | VMT_GROUP_VCPU)
#define USAGE (CPUS | VMT_GROUP_MEMORY)
#define DEVICES (VMT_GROUP_DISK | VMT_GROUP_NIC)
#define MACHINES VMT_GROUP_ALL

/* Which groups need a table, and how long it is kept; in the order of reading. */
static const struct {
	enum table_id id;
	unsigned groups;
	enum memory memory;
} plan[] = {
	{ T_SYSTEMS, MACHINES, OF_CYCLE },
	{ T_CPUS, USAGE | DEVICES, OF_HOST }, /* of the host all is learned at once */
	{ T_TOTAL_DEFINITIONS, USAGE | DEVICES, OF_HOST },
	{ T_VALUE_DEFINITIONS, USAGE | DEVICES, OF_HOST },
	{ T_TOTALS, USAGE, OF_CYCLE },
	{ T_VALUES, DEVICES, OF_CYCLE },
	{ T_PROCESSORS, CPUS, OF_CYCLE },
	{ T_DISKS, VMT_GROUP_DISK, KEPT },
	{ T_PORTS, VMT_GROUP_NIC, KEPT },
	{ T_ALLOCATIONS, VMT_GROUP_NIC, KEPT },
	{ T_ACLS, VMT_GROUP_NIC, KEPT },
	{ T_METRICS, USAGE | DEVICES, KEPT },
};

/* ------------------------------------------------------------------ what is kept */

static uint64_t hash_of(const char *text, uint64_t seed)
{
	return text ? hash64(text, strlen(text), seed) : seed;
}

/* Which rows there are, in whatever order. */
static uint64_t rows_of(const struct table *t, size_t first, size_t second)
{
	uint64_t sum = t->count;

	for (size_t i = 0; i < t->count; i++) {
		sum += hash_of(t->row[i].value[second], hash_of(t->row[i].value[first], 1));
	}
	return sum;
}

/* What there is: machines, which of them run, and values.  Who asks for devices has read the values of devices. */
static void look_around(struct collector *c)
{
	if (!c->looked) {
		c->looked = true;
		c->metrics = rows_of(&c->table[T_VALUES], OBJECT_ID, OBJECT_ID);
		c->devices =
			rows_of(&c->table[T_SYSTEMS], SYSTEM_NAME, SYSTEM_STATE) + c->metrics * 3;
		c->metrics += rows_of(&c->table[T_TOTALS], OBJECT_ID, OBJECT_ID) * 5;
	}
}

static uint64_t scene_of(const struct collector *c, enum table_id id)
{
	return id == T_METRICS ? c->metrics : c->devices;
}

bool kept_holds(const struct kept *k, uint64_t scene, int64_t now_ns)
{
	return k->arena && k->is_read && k->scene == scene && now_ns < k->until_ns;
}

static void forget(struct collector *c, enum table_id id)
{
	c->table[id].count = 0;
	if (c->kept[id].arena) {
		c->kept[id].is_read = false;
		arena_reset(c->kept[id].arena);
	}
}

static void keep(struct collector *c, enum table_id id)
{
	struct kept *k = &c->kept[id];

	if (k->arena) {
		k->is_read = true;
		k->scene = scene_of(c, id);
		k->until_ns = id == T_METRICS ? INT64_MAX : clock_monotonic() + KEPT_NS;
	}
}

static bool is_needed(struct collector *c, enum table_id id)
{
	if (id >= T_TOTAL_DEFINITIONS) {
		return c->learned == 0;
	}
	if (c->kept[id].arena) {
		look_around(c);
	}
	return !kept_holds(&c->kept[id], scene_of(c, id), clock_monotonic());
}

/* ------------------------------------------------------------------ questions */

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
		backoff_fail(&c->alone[id], &limits, clock_monotonic());
	} else {
		c->alone[id] = (struct backoff){ 0 };
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
		forget(c, id);
	} else {
		keep(c, id);
	}
	return err;
}

static struct arena *memory_of(const struct collector *c, enum table_id id, enum memory memory,
			       struct arena *cycle)
{
	return memory == KEPT ? c->kept[id].arena : memory == OF_HOST ? c->of_host : cycle;
}

/* Whether there is no use in asking for the rest. */
static bool is_end(int err, const struct vmt_call *call)
{
	return err == -ECANCELED || err == -EACCES || err == -EBUSY || err == -EKEYREJECTED ||
	       err == -E2BIG || clock_monotonic() >= call->deadline_ns;
}

static void begin(struct collector *c)
{
	uint64_t connection = wsman_session_connection(wsman_client_session(c->client));

	c->slowest_ns = 0;
	c->partial = c->looked = false;
	memset(c->failed, 0, sizeof(c->failed));
	for (int id = 0; id < TABLES; id++) {
		if (!c->kept[id].arena && id < T_TOTAL_DEFINITIONS) {
			c->table[id].count = 0;
		}
	}
	if (!connection || connection != c->learned) {
		c->learned = 0;
		host_forget(&c->host);
		arena_reset(c->of_host);
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

	begin(c);
	for (size_t i = 0; i < G_N_ELEMENTS(plan); i++) {
		enum table_id id = plan[i].id;
		int err = end;

		if (!(groups & plan[i].groups) || !is_needed(c, id)) {
			continue;
		}
		forget(c, id);
		if (err == 0) {
			err = read_table(c, id, memory_of(c, id, plan[i].memory, arena), call,
					 error);
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
	for (size_t i = 0; i < G_N_ELEMENTS(plan); i++) {
		if (plan[i].memory == KEPT) {
			c->kept[plan[i].id].arena = arena_new(64 << 10);
		}
	}
	c->of_host = arena_new(4 << 10);
}

void collector_fini(struct collector *c)
{
	for (int id = 0; id < TABLES; id++) {
		table_fini(&c->table[id]);
		arena_free(c->kept[id].arena);
	}
	arena_free(c->of_host);
	host_forget(&c->host);
	wsman_client_free(c->client);
}

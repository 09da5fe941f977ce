/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the population of the simulated world.  Constant after world_open(), so any thread may ask; blocks on
 * nothing.
 */
#include "plugins/simulated/world.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/uuid.h"
#include "plugins/simulated/activity.h"

#include <errno.h>
#include <glib.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define DAY_NS (INT64_C(86400) * NS_PER_S)
#define BIRTH_NS (INT64_C(1704067200) * NS_PER_S) /* 2024-01-01: all have started by then */
#define DISCOVERED (SCRIPT_BIT(SCRIPT_GONE) | SCRIPT_BIT(SCRIPT_STOP) | SCRIPT_BIT(SCRIPT_RESTART))

enum { SLOTS_MAX = 16384, LIFE_MASK = 0xffffff };

#define OPTION(name_, type_, member_, def_, help_, ...)                                            \
	{                                                                                          \
		.group = "simulated", .name = name_, .type = type_,                                \
		.offset = offsetof(struct simulated_conf, member_), .def = def_, .help = help_,    \
		__VA_ARGS__                                                                        \
	}

const struct vmt_option simulated_options[] = {
	OPTION("instances", VMT_OPT_INT, instances, "5", "How many instances there are.",
	       .max = SLOTS_MAX),
	OPTION("disks", VMT_OPT_INT, disks, "2", "Disks of each instance.", .max = 26),
	OPTION("nics", VMT_OPT_INT, nics, "1", "NICs of each instance.", .max = 64),
	OPTION("seed", VMT_OPT_INT, seed, "1", "Another seed, another world."),
	OPTION("stopped", VMT_OPT_INT, stopped, "20", "Percentage of instances that are shut off.",
	       .max = 100),
	OPTION("churn", VMT_OPT_DOUBLE, churn, "0",
	       "How often a day each instance is replaced by a new one.", .max = 86400),
	OPTION("perf", VMT_OPT_BOOL, perf, "true", "Give performance counters too."),
	OPTION("rates", VMT_OPT_BOOL, rates, "false",
	       "Give rates, as hypervisors do that measure them themselves."),
	OPTION("script", VMT_OPT_STRING, script, NULL,
	       "What goes wrong and when: \"+10m..+20m stuck 3; +1h restart 0-4\" (virtmeter-simulated(7))."),
	{ 0 },
};

struct world {
	struct simulated_conf conf;
	struct script script;
	uint64_t key;
	int64_t lifetime_ns; /* INT64_MAX: nobody is replaced */
};

static const struct vmt_pair burst[] = { { "hw:cpu_policy", "shared", false }, { 0 } };

static const struct vmt_flavor flavors[] = {
	{ "1", "m1.tiny", 1, 512, 1, 0, 0, true, false, NULL, NULL },
	{ "2", "m1.small", 1, 2048, 20, 0, 0, true, false, NULL, NULL },
	{ "3", "m1.medium", 2, 4096, 40, 0, 0, true, true, burst, NULL },
	{ "4", "m1.large", 4, 8192, 80, 0, 1024, true, true, burst, NULL },
	{ "5", "c1.xlarge", 8, 16384, 160, 20, 0, true, false, NULL, NULL },
};

/* Who they are, in turn. */
static const struct {
	const char *name;
	unsigned flavor;
} roles[] = {
	{ "web", 1 },         { "db", 3 },    { "build", 4 }, { "mail", 2 },
	{ "b\xc3\xbcro", 0 }, { "cache", 2 }, { "test", 0 },
};

static const struct {
	const char *id, *name, *user_id, *user_name;
} projects[] = {
	{ "5f1c3a90be5d4a0f8f0e2c5ab7d40b11", "shop", "0c3b7d6f91c84ad58e6bb25a1f6a9e21", "carol" },
	{ "9b2e47d0c6f24b7c9d1be6a3c05f8e22", "research", "1d4c8e70a2d95be69f7cc36b2a7baf32",
	  "dave" },
	{ "c3d58fe1d7a35c8dae2cf7b4d1609f33", "office", "2e5d9f81b3ea6cf7a08dd47c3b8cb043",
	  "erin" },
};

static const struct vmt_image images[] = {
	{ "7a0d6e2b-3f58-4c19-9be4-6d1f0a8c5e71", "debian-12", NULL },
	{ "8b1e7f3c-4069-4d2a-8cf5-7e201b9d6f82", "ubuntu-24.04", NULL },
};

/* Place i of 100 % spread evenly: with 20, each fifth. */
static bool chosen(uint32_t slot, int64_t percent)
{
	return (int64_t)((uint64_t)slot * (uint64_t)percent % 100) + percent >= 100;
}

int world_open(const struct simulated_conf *conf, struct world **ret, struct vmt_error *error)
{
	struct world *w = g_new0(struct world, 1);
	int err;

	w->conf = *conf;
	w->key = hash64(&(uint64_t){ GUINT64_TO_LE((uint64_t)conf->seed) }, 8, 0x51);
	w->lifetime_ns = conf->churn > 0 ? MAX((int64_t)((double)DAY_NS / conf->churn), NS_PER_S)
					 : INT64_MAX;
	err = script_parse(conf->script, clock_real(), &w->script, error);
	if (err < 0) {
		g_free(w);
		return err;
	}
	*ret = w;
	return 0;
}

void world_close(struct world *w)
{
	if (w) {
		script_fini(&w->script);
		g_free(w);
	}
}

const struct simulated_conf *world_conf(const struct world *w)
{
	return &w->conf;
}

const struct script *world_script(const struct world *w)
{
	return &w->script;
}

static uint64_t slot_key(const struct world *w, uint32_t slot)
{
	return activity_mix(w->key, slot);
}

/* Which life is lived in that place now, and when it began. */
static uint32_t life_of(const struct world *w, uint32_t slot, int64_t now, int64_t *ret_born)
{
	int64_t phase, n;

	if (w->lifetime_ns == INT64_MAX) {
		*ret_born = BIRTH_NS - (int64_t)(slot_key(w, slot) % (uint64_t)(100 * DAY_NS));
		return 0;
	}
	phase = (int64_t)(slot_key(w, slot) % (uint64_t)w->lifetime_ns);
	n = MAX(now - phase, 0) / w->lifetime_ns;
	*ret_born = n * w->lifetime_ns + phase;
	return (uint32_t)(n & LIFE_MASK);
}

static void make_id(uint64_t key, uint32_t slot, uint32_t life, char ret[37])
{
	uint8_t id[16];

	for (int i = 0; i < 10; i++) {
		id[i] = (uint8_t)(activity_mix(key, 7) >> (i * 6));
	}
	id[6] = (uint8_t)(0x40 | (id[6] & 0x0f));
	id[8] = (uint8_t)(0x80 | (id[8] & 0x3f));
	for (int i = 0; i < 3; i++) {
		id[10 + i] = (uint8_t)(slot >> (16 - 8 * i));
		id[13 + i] = (uint8_t)(life >> (16 - 8 * i));
	}
	uuid_format(id, ret);
}

int world_actor(const struct world *w, uint32_t slot, int64_t now, struct actor *ret)
{
	struct actor a = { .slot = slot };
	int64_t born;

	if ((int64_t)slot >= w->conf.instances) {
		return -ENOENT;
	}
	a.faults = script_state(&w->script, slot, now);
	if (a.faults & SCRIPT_BIT(SCRIPT_GONE)) {
		return -ENOENT;
	}
	a.life = life_of(w, slot, now, &born);
	a.key = activity_mix(slot_key(w, slot), a.life);
	a.boot_ns = MIN(MAX(born, script_restart(&w->script, slot, now)), now);
	a.epoch = activity_mix(a.key, (uint64_t)a.boot_ns) | 1;
	a.stopped = chosen(slot, w->conf.stopped) || (a.faults & SCRIPT_BIT(SCRIPT_STOP));
	a.flavor = &flavors[roles[slot % G_N_ELEMENTS(roles)].flavor];
	make_id(a.key, slot, a.life, a.id);
	*ret = a;
	return 0;
}

int world_find(const struct world *w, const char *text, int64_t now, struct actor *ret)
{
	struct actor a;
	uint8_t id[16];

	if (uuid_parse(text, id) < 0 ||
	    world_actor(w, (uint32_t)id[10] << 16 | (uint32_t)id[11] << 8 | id[12], now, &a) < 0 ||
	    strcmp(a.id, text) != 0) {
		return -ENOENT;
	}
	*ret = a;
	return 0;
}

int64_t world_next_change(const struct world *w, int64_t now)
{
	int64_t next = script_next(&w->script, DISCOVERED, now), born;

	if (w->lifetime_ns != INT64_MAX) {
		for (uint32_t slot = 0; slot < w->conf.instances; slot++) {
			life_of(w, slot, now, &born);
			next = MIN(next, born > now ? born : born + w->lifetime_ns);
		}
	}
	return next;
}

int world_describe(const struct world *w, const struct actor *a,
		   struct vmt_snapshot_builder *builder)
{
	size_t project = a->key % G_N_ELEMENTS(projects);
	char name[32], display[64], number[16];
	struct vmt_pair metadata[] = { { "metering.stack", projects[project].name, false },
				       { "rank", number, false },
				       { 0 } };
	struct vmt_instance instance = {
		.id = a->id,
		.name = name,
		.display_name = display,
		.user_id = projects[project].user_id,
		.user_name = projects[project].user_name,
		.project_id = projects[project].id,
		.project_name = projects[project].name,
		/* Any 56 hexadecimal digits stand for a host. */
		.host_id = "5be2c60b5a2f0e7a1c4d93867fb0512ead46c83f90d17be25a64f308",
		.host = "simulated",
		.status = a->stopped ? "stopped" : "active",
		.state = a->stopped ? "shutdown" : "running",
		.has_flavor = true,
		.has_image = true,
		.flavor = *a->flavor,
		.image = images[a->slot % G_N_ELEMENTS(images)],
		.metadata = metadata,
		.stopped = a->stopped,
		.epoch = a->epoch,
	};

	snprintf(name, sizeof(name), "instance-%08x",
		 a->life * (unsigned)w->conf.instances + a->slot + 1);
	snprintf(display, sizeof(display), "%s-%u", roles[a->slot % G_N_ELEMENTS(roles)].name,
		 a->slot / (unsigned)G_N_ELEMENTS(roles) + 1);
	snprintf(number, sizeof(number), "%u", a->slot);
	return vmt_snapshot_add(builder, &instance);
}

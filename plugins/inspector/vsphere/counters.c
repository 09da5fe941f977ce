/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the numbers of counters.  On a worker, one at a time; blocks on the network until the call's deadline.
 */
#include "plugins/inspector/vsphere/counters.h"

#include <errno.h>
#include <glib.h>

#define LIMIT "config.vpxd.stats.maxQueryMetrics"

/* Of servers that do not say: 64 until 6.0, 256 since. */
enum { LIMIT_BEFORE = 64, LIMIT_SINCE = 256 };

#define KB 1024 /* what VMware calls kB; Ceilometer's factor */

const struct counter_row counter_rows[COUNTERS] = {
	[COUNTER_CPU] = { "cpu", "usage", VMT_GROUP_CPU, NO_DEVICE, VMT_F_CPU_UTIL, 100, 1 },
	[COUNTER_MEMORY] = { "mem", "consumed", VMT_GROUP_MEMORY, NO_DEVICE, VMT_F_MEM_USED, 1, 1 },
	[COUNTER_RECEIVED] = { "net", "received", VMT_GROUP_NIC, NIC, VMT_N_RX_BYTES_RATE, 1, KB },
	[COUNTER_SENT] = { "net", "transmitted", VMT_GROUP_NIC, NIC, VMT_N_TX_BYTES_RATE, 1, KB },
	[COUNTER_READ] = { "disk", "read", VMT_GROUP_DISK, DISK, VMT_D_READ_BYTES_RATE, 1, KB },
	[COUNTER_WRITTEN] = { "disk", "write", VMT_GROUP_DISK, DISK, VMT_D_WRITE_BYTES_RATE, 1,
			      KB },
	[COUNTER_READS] = { "disk", "numberReadAveraged", VMT_GROUP_DISK, DISK,
			    VMT_D_READ_REQUESTS_RATE, 1, 1 },
	[COUNTER_WRITES] = { "disk", "numberWriteAveraged", VMT_GROUP_DISK, DISK,
			     VMT_D_WRITE_REQUESTS_RATE, 1, 1 },
};

static const char *const paths[] = { "perfCounter", NULL };
static const struct vim_wanted wanted = { "PerformanceManager", paths };

static struct vim_ref manager_of(const struct vim_client *c)
{
	return (struct vim_ref){ "PerformanceManager", vim_client_service(c)->perf_manager };
}

static void on_begin(void *context)
{
	struct counters *k = context;

	for (int i = 0; i < COUNTERS; i++) {
		k->id[i] = -1;
	}
}

/* The first definition of a name counts. */
static void on_counter(void *context, unsigned path, const struct vim_element *e)
{
	struct counters *k = context;

	if (!e->key || !e->group_key || !e->name_key || g_strcmp0(e->rollup, "average") != 0) {
		return;
	}
	for (int i = 0; i < COUNTERS; i++) {
		if (k->id[i] < 0 && strcmp(e->name_key, counter_rows[i].name) == 0 &&
		    strcmp(e->group_key, counter_rows[i].group) == 0) {
			k->id[i] = (int32_t)g_ascii_strtoll(e->key, NULL, 10);
		}
	}
}

static void tell_missing(struct counters *k, const struct vim_client *c)
{
	for (int i = 0; i < COUNTERS; i++) {
		if (k->id[i] < 0 && !k->told[i]) {
			vmt_log(VMT_LOG_WARNING,
				"%s: has no counter %s.%s.average; meters that need it are left out",
				vim_client_address(c), counter_rows[i].group, counter_rows[i].name);
		}
		k->told[i] = k->id[i] < 0;
	}
}

static void write_limit(struct buf *out, struct vim_client *c, void *asker)
{
	const struct vim_argument arguments[] = { { "name", LIMIT, NULL }, { NULL, NULL, NULL } };

	vim_request_call(out, "QueryOptions",
			 (struct vim_ref){ "OptionManager", vim_client_service(c)->setting },
			 arguments);
}

static int64_t usual_limit(const struct vim_service *s)
{
	bool since = s->api_version && g_ascii_strtod(s->api_version, NULL) >= 6.5;

	return since ? LIMIT_SINCE : LIMIT_BEFORE;
}

/* Who may not see the setting, or has none, is as likely as not to have the usual one. */
static int learn_limit(struct counters *k, struct vim_client *c, const struct vmt_call *call,
		       struct vmt_error *error)
{
	struct vim_texts answer = { .key = "" };
	struct vim_question q = { .write = write_limit,
				  .shape = &vim_texts_shape,
				  .context = &answer };
	int err = vim_client_service(c)->setting ? vim_client_ask(c, &q, call, error) : -EREMOTEIO;

	k->limit = usual_limit(vim_client_service(c));
	if (err == 0 && answer.value[0]) {
		k->limit = g_ascii_strtoll(answer.value, NULL, 10);
	}
	return err == -EREMOTEIO ? 0 : err;
}

int counters_learn(struct counters *k, struct vim_client *c, const struct vmt_call *call,
		   struct vmt_error *error)
{
	int err = vim_client_open(c, call, error);

	if (err < 0 || (k->session && k->session == vim_client_session(c))) {
		return err;
	}
	err = vim_list_read(&k->list, c, call, error);
	if (err >= 0) {
		err = learn_limit(k, c, call, error);
	}
	if (err == 0) {
		tell_missing(k, c);
		k->session = vim_client_session(c);
	}
	return err;
}

void counters_init(struct counters *k)
{
	*k = (struct counters){
		.list = { .wanted = &wanted,
			  .types = 1,
			  .object = manager_of,
			  .begin = on_begin,
			  .objects = { .paths = paths, .element = on_counter, .context = k } }
	};
	on_begin(k);
}

void counters_fini(struct counters *k)
{
	vim_list_fini(&k->list);
}

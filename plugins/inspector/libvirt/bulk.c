/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the calls for many domains and the handles that list calls need.  Runs in a caller's thread; blocks in
 * libvirt.
 */
#include "plugins/inspector/libvirt/bulk.h"
#include "plugins/inspector/libvirt/each.h"
#include "plugins/inspector/libvirt/handles.h"
#include "plugins/inspector/libvirt/stats.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct bulk *bulk_new(enum bulk_mode mode, size_t descs)
{
	struct bulk *b = g_new0(struct bulk, 1);

	b->mode = mode;
	b->until_ns = INT64_MAX;
	b->desc = g_new0(struct domain_desc *, descs + 1);
	if (mode == BULK_EACH) {
		b->record = g_new0(struct bulk_record, descs + 1);
		b->params = g_new0(GArray *, descs + 1);
	}
	return b;
}

void bulk_add(struct bulk *b, struct domain_desc *desc)
{
	b->desc[b->descs++] = domain_desc_ref(desc);
}

static void forget_results(struct bulk *b)
{
	if (b->stats) {
		virDomainStatsRecordListFree(b->stats);
		g_free(b->uuid);
		g_free(b->record);
		b->stats = NULL;
		b->uuid = NULL;
		b->record = NULL;
	}
	for (size_t i = 0; b->params && i < b->records; i++) {
		each_params_free(b->params[i]);
	}
	b->records = 0;
}

void bulk_free(void *bulk)
{
	struct bulk *b = bulk;

	forget_results(b);
	for (size_t i = 0; i < b->descs; i++) {
		domain_desc_unref(b->desc[i]);
	}
	g_free(b->record);
	g_free(b->params);
	g_free(b->desc);
	g_free(b);
}

/* ------------------------------------------------------------------ handles */

/* The handles of the wanted domains, ended by NULL; those that are gone are left out.  Asks only when one is
 * missing. */
static virDomainPtr *handles_get(struct session *s, const struct bulk *b, unsigned flags)
{
	GHashTable *handles = handles_of(s);
	virDomainPtr *list = g_new0(virDomainPtr, b->descs + 1);
	bool fetched = false;
	size_t n = 0;

	for (size_t i = 0; i < b->descs; i++) {
		virDomainPtr dom = g_hash_table_lookup(handles, b->desc[i]->uuid);

		if (dom) {
			list[n++] = dom;
		} else if (!fetched) {
			if (handles_fetch(s, handles, flags) < 0) {
				g_free(list);
				return NULL;
			}
			fetched = true;
			memset(list, 0, (b->descs + 1) * sizeof(*list));
			n = 0;
			i = SIZE_MAX; /* from the beginning: all handles are new */
		}
	}
	return list;
}

/* ------------------------------------------------------------------ the calls */

static int failed(const struct session *s, struct vmt_error *error)
{
	const virError *e = virGetLastError();
	bool too_large = e && e->code == VIR_ERR_RPC && e->message &&
			 strstr(e->message, "nable to encode");
	int err = libvirt_error(s, "statistics", error);

	return too_large ? -EMSGSIZE : err;
}

static void keep(struct bulk *b, int count, int64_t mono_ns)
{
	int64_t took = clock_monotonic() - mono_ns, real = clock_real();

	b->stats_count = count;
	b->uuid = g_malloc0(sizeof(*b->uuid) * ((size_t)count + 1));
	b->record = g_new0(struct bulk_record, (size_t)count + 1);
	for (int i = 0; i < count; i++) {
		virDomainGetUUID(b->stats[i]->dom, b->uuid[i]);
		b->record[i] = (struct bulk_record){
			.uuid = b->uuid[i],
			.number = (int)virDomainGetID(b->stats[i]->dom),
			.params = b->stats[i]->params,
			.count = b->stats[i]->nparams,
			.time_ns = real - took / 2,
			.mono_ns = mono_ns + took / 2,
		};
	}
	atomic_store(&b->records, (size_t)count);
}

static int run_bulk(struct session *s, struct bulk *b, struct vmt_error *error)
{
	unsigned flags = b->no_nowait ? 0 : VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT;
	unsigned groups = stats_groups(b->groups);
	virDomainPtr *list = NULL;
	int64_t mono_ns;
	int n;

	if (b->mode == BULK_LIST) {
		list = handles_get(s, b, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
		if (!list) {
			return failed(s, error);
		}
		if (!list[0]) {
			g_free(list);
			return 0;
		}
	}
	mono_ns = clock_monotonic();
	if (b->mode == BULK_LIST) {
		n = RPC(s, virDomainListGetStats(list, groups, &b->stats, flags));
	} else {
		flags |= VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE;
		n = RPC(s, virConnectGetAllDomainStats(s->conn, groups, &b->stats, flags));
	}
	g_free(list);
	if (n < 0) {
		const virError *e = virGetLastError();

		b->stats = NULL;
		if (!b->no_nowait && e && e->code == VIR_ERR_INVALID_ARG) {
			b->no_nowait = true; /* before libvirt 4.5 */
			return run_bulk(s, b, error);
		}
		return failed(s, error);
	}
	keep(b, n, mono_ns);
	return n;
}

static int run_each(struct session *s, struct bulk *b, struct vmt_error *error)
{
	GHashTable *handles = handles_of(s);

	/* Anew every time: this is the only way to know their numbers. */
	if (handles_fetch(s, handles, 0) < 0) {
		return failed(s, error);
	}
	for (; b->next < b->descs && clock_monotonic() < b->until_ns; b->next++) {
		struct domain_desc *desc = b->desc[b->next];
		virDomainPtr dom = g_hash_table_lookup(handles, desc->uuid);
		int64_t mono_ns = clock_monotonic();
		GArray *params = each_params_new();
		size_t at = b->records;

		if (!dom || each_read(s, dom, desc, b->groups, params, error) < 0) {
			each_params_free(params);
			if (dom && virConnectIsAlive(s->conn) == 0) {
				return -ENOTCONN; /* goes on from here on a new connection */
			}
			continue;
		}
		b->params[at] = params;
		b->record[at] = (struct bulk_record){
			.uuid = desc->uuid,
			.number = (int)virDomainGetID(dom),
			.params = (const virTypedParameter *)(void *)params->data,
			.count = (int)params->len,
			.time_ns = clock_real() - (clock_monotonic() - mono_ns) / 2,
			.mono_ns = mono_ns + (clock_monotonic() - mono_ns) / 2,
		};
		atomic_store(&b->records, at + 1);
	}
	return (int)b->records;
}

int bulk_run(struct session *s, void *bulk, struct vmt_error *error)
{
	struct bulk *b = bulk;

	if (b->mode == BULK_EACH) {
		return run_each(s, b, error);
	}
	forget_results(b);
	return run_bulk(s, b, error);
}

size_t bulk_records(struct bulk *b, const struct bulk_record **ret_record)
{
	size_t n = atomic_load(&b->records);

	*ret_record = b->record;
	return n;
}

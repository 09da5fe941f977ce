/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the handles of a connection.  Runs in a caller's thread; blocks in libvirt.
 */
#include "plugins/inspector/libvirt/handles.h"

#include "base/uuid.h"

#include <stdlib.h>
#include <string.h>

static void handle_free(gpointer dom)
{
	virDomainFree(dom);
}

static void handles_close(struct session *s, void *data)
{
	g_hash_table_destroy(data);
}

GHashTable *handles_of(struct session *s)
{
	if (!s->on_close) {
		s->data = g_hash_table_new_full(uuid_key_hash, uuid_key_equal, g_free, handle_free);
		s->on_close = handles_close;
	}
	return s->data;
}

int handles_fetch(struct session *s, GHashTable *handles, unsigned flags)
{
	virDomainPtr *dom;
	unsigned char uuid[VIR_UUID_BUFLEN];
	int n = RPC(s, virConnectListAllDomains(s->conn, &dom, flags));

	if (n < 0) {
		return -1;
	}
	g_hash_table_remove_all(handles);
	for (int i = 0; i < n; i++) {
		if (virDomainGetUUID(dom[i], uuid) == 0) {
			g_hash_table_insert(handles, g_memdup2(uuid, sizeof(uuid)), dom[i]);
		} else {
			virDomainFree(dom[i]);
		}
	}
	free(dom);
	return 0;
}

virDomainPtr handles_find(struct session *s, const uint8_t uuid[16], bool *fetched)
{
	GHashTable *handles = handles_of(s);
	virDomainPtr dom = g_hash_table_lookup(handles, uuid);

	if (!dom && !*fetched) {
		*fetched = true;
		if (handles_fetch(s, handles, VIR_CONNECT_LIST_DOMAINS_ACTIVE) == 0) {
			dom = g_hash_table_lookup(handles, uuid);
		}
	}
	return dom;
}

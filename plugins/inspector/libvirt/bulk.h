/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call for the statistics of many domains, as a job of a caller (plugins/libvirt/connection.h).
 */
#ifndef INSPECTOR_LIBVIRT_BULK_H
#define INSPECTOR_LIBVIRT_BULK_H

#include "plugins/libvirt/domains.h"

#include <glib.h>

enum bulk_mode {
	BULK_ALL, /* all running domains at once, wanted or not */
	BULK_LIST, /* those of `desc` */
	BULK_EACH, /* those of `desc`, one by one: for drivers without bulk statistics */
};

struct bulk_record {
	const uint8_t *uuid;
	int number; /* libvirt's id */
	const virTypedParameter *params;
	int count;
	int64_t time_ns, mono_ns; /* when it was read: the middle of the call */
};

/* The job's argument.  In: what to ask. */
struct bulk {
	enum bulk_mode mode;
	unsigned groups; /* VMT_GROUP_* */
	bool no_nowait; /* libvirt cannot leave out what would wait for a busy monitor; out, too */
	int64_t until_ns; /* BULK_EACH: begin no other domain after this */
	size_t descs;
	struct domain_desc **desc; /* counted */
	/* private */
	virDomainStatsRecordPtr *stats;
	unsigned char (*uuid)[VIR_UUID_BUFLEN]; /* of `stats` */
	int stats_count;
	struct bulk_record *record;
	atomic_size_t records; /* of BULK_EACH grows while it runs */
	GArray **params; /* of BULK_EACH */
	atomic_size_t next; /* of BULK_EACH: which is being read */
};

/* Room for so many domains in `desc`. */
struct bulk *bulk_new(enum bulk_mode mode, size_t descs);
/* Takes its own reference. */
void bulk_add(struct bulk *b, struct domain_desc *desc);
void bulk_free(void *bulk);

/* The job: the number of records; -EMSGSIZE: too large for one message. */
int bulk_run(struct session *s, void *bulk, struct vmt_error *error);

/* What has been read by now: after the job, or (BULK_EACH) while it still runs. */
size_t bulk_records(struct bulk *b, const struct bulk_record **ret_record);

#endif

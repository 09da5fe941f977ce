/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is read of a Hyper-V host: a table for each class, with the properties that count.  The join goes over
 * these tables and nothing else.
 */
#ifndef INSPECTOR_HYPERV_TABLES_H
#define INSPECTOR_HYPERV_TABLES_H

#include "base/arena.h"
#include "plugins/wsman/enumerate.h"

enum table_id {
	T_SYSTEMS,
	T_PROCESSORS, /* of instances */
	T_DISKS,
	T_PORTS,
	T_ALLOCATIONS,
	T_ACLS,
	T_TOTALS, /* metric values of class Aggregation… */
	T_VALUES, /* metric values of class Base… */
	T_METRICS, /* which value is whose */
	T_TOTAL_DEFINITIONS, /* from here on once a connection */
	T_VALUE_DEFINITIONS,
	T_CPUS, /* of the host */
	TABLES
};

/* Where the properties stand in a row. */
enum { SYSTEM_NAME, SYSTEM_ELEMENT, SYSTEM_STATE, SYSTEM_UPTIME };
enum { OBJECT_ID }; /* of all but systems, metrics and what is the host's */
enum { PROCESSOR_QUANTITY = 1 };
enum { PORT_ELEMENT = 1, PORT_ADDRESS };
enum { ALLOCATION_PARENT = 1 };
enum { VALUE_DEFINITION = 1, VALUE_VALUE };
enum { METRIC_ELEMENT, METRIC_VALUE };
enum { DEFINITION_ID, DEFINITION_NAME };
enum { CPU_CLOCK };

extern const struct wsman_query table_queries[TABLES];

struct table_row {
	const char *value[4]; /* NULL: null; in the arena of the table */
};

struct table {
	enum table_id id;
	struct arena *arena;
	struct table_row *row; /* of the heap */
	size_t count, room;
};

void table_fini(struct table *t);

/* A sink that fills the table `context`. */
void table_begin(void *context);
void table_item(void *context, const struct wsman_item *item);

#endif

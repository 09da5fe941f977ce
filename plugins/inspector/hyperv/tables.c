/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the list of classes and the tables' memory.  One thread at a time; never blocks.
 */
#include "plugins/inspector/hyperv/tables.h"

#include "plugins/hyperv/options.h"

#include <glib.h>

#define CLASS(space_, name_, ...)                                                                  \
	{                                                                                          \
		.space = space_, .wanted = {                                                       \
			.class_name = name_,                                                       \
			.properties = (const char *const[]){ __VA_ARGS__, NULL }                   \
		}                                                                                  \
	}

const struct wsman_query table_queries[TABLES] = {
	[T_SYSTEMS] = CLASS(HYPERV_V2, "Msvm_ComputerSystem", "Name", "ElementName", "EnabledState",
			    "OnTimeInMilliseconds"),
	[T_PROCESSORS] =
		CLASS(HYPERV_V2, "Msvm_ProcessorSettingData", "InstanceID", "VirtualQuantity"),
	[T_DISKS] = CLASS(HYPERV_V2, "Msvm_StorageAllocationSettingData", "InstanceID"),
	[T_PORTS] = CLASS(HYPERV_V2, "Msvm_SyntheticEthernetPortSettingData", "InstanceID",
			  "ElementName", "Address"),
	[T_ALLOCATIONS] =
		CLASS(HYPERV_V2, "Msvm_EthernetPortAllocationSettingData", "InstanceID", "Parent"),
	[T_ACLS] = CLASS(HYPERV_V2, "Msvm_EthernetSwitchPortAclSettingData", "InstanceID"),
	[T_TOTALS] = CLASS(HYPERV_V2, "Msvm_AggregationMetricValue", "InstanceID",
			   "MetricDefinitionId", "MetricValue"),
	[T_VALUES] = CLASS(HYPERV_V2, "Msvm_BaseMetricValue", "InstanceID", "MetricDefinitionId",
			   "MetricValue"),
	[T_METRICS] = CLASS(HYPERV_V2, "Msvm_MetricForME", "Antecedent", "Dependent"),
	[T_TOTAL_DEFINITIONS] =
		CLASS(HYPERV_V2, "Msvm_AggregationMetricDefinition", "Id", "ElementName"),
	[T_VALUE_DEFINITIONS] = CLASS(HYPERV_V2, "Msvm_BaseMetricDefinition", "Id", "ElementName"),
	[T_CPUS] = CLASS("root/cimv2", "Win32_Processor", "MaxClockSpeed"),
};

void table_begin(void *context)
{
	struct table *t = context;

	t->count = 0;
}

void table_item(void *context, const struct wsman_item *item)
{
	struct table *t = context;
	struct table_row *row;

	if (t->count == t->room) {
		t->room = MAX(t->room * 2, 64U);
		t->row = g_renew(struct table_row, t->row, t->room);
	}
	row = &t->row[t->count++];
	for (size_t i = 0; i < G_N_ELEMENTS(row->value); i++) {
		row->value[i] = arena_strdup(t->arena, item->value[i]);
	}
}

void table_fini(struct table *t)
{
	g_free(t->row);
	*t = (struct table){ 0 };
}

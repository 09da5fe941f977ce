/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the table of meters: meters.def with the shapes of its rows.  Constant; any thread.
 */
#include "model/meter_private.h"

#include <string.h>

/* Units, by profile: juno, 19, 26. */
#define SAME(text)                                                                                 \
	{                                                                                          \
		text, text, text                                                                   \
	}
#define UNIT_NONE SAME("")
#define UNIT_B SAME("B")
#define UNIT_B_S SAME("B/s")
#define UNIT_COUNT_S SAME("count/s")
#define UNIT_FAULT SAME("fault")
#define UNIT_INSTANCE SAME("instance")
#define UNIT_MS SAME("ms")
#define UNIT_NS SAME("ns")
#define UNIT_PACKET SAME("packet")
#define UNIT_PACKET_S SAME("packet/s")
#define UNIT_PERCENT SAME("%")
#define UNIT_REQUEST SAME("request")
#define UNIT_S SAME("s")
#define UNIT_CALL SAME("call")
#define UNIT_CYCLE SAME("cycle")
#define UNIT_REQUEST_RATE SAME("request/s") /* ours */
#define UNIT_VCPU SAME("vcpu")
#define UNIT_MIB SAME("MiB")
#define UNIT_GIB SAME("GiB")
#define UNIT_MB                                                                                    \
	{                                                                                          \
		"MB", "MB", "MiB"                                                                  \
	}
#define UNIT_GB                                                                                    \
	{                                                                                          \
		"GB", "GB", "GiB"                                                                  \
	}
#define UNIT_REQUEST_S                                                                             \
	{                                                                                          \
		"requests/s", "request/s", "request/s"                                             \
	}

/* Kinds, by profile.  KiB become MiB: whole ones in Juno (Python 2 divided so). */
#define KIND_UINT SAME(VMT_UINT64)
#define KIND_INT SAME(VMT_INT64)
#define KIND_DOUBLE SAME(VMT_DOUBLE)
#define KIND_KIB26 SAME(VMT_DOUBLE)
#define KIND_KIB                                                                                   \
	{                                                                                          \
		VMT_INT64, VMT_DOUBLE, VMT_DOUBLE                                                  \
	}

#define G(group) VMT_GROUP_##group

/* Shapes of rows. */
#define INSTANCE(name_, unit_, type_, kind_, family_, rule_, field_, other_, groups_, flags_,      \
		 since_, until_, source_, help_)                                                   \
	{ .name = (name_),                                                                         \
	  .unit = UNIT_##unit_,                                                                    \
	  .help = (help_),                                                                         \
	  .source = (source_),                                                                     \
	  .since = (since_),                                                                       \
	  .until = (until_),                                                                       \
	  .value = (rule_),                                                                        \
	  .groups = VMT_GROUP_##groups_,                                                           \
	  .type = VMT_##type_,                                                                     \
	  .kind = KIND_##kind_,                                                                    \
	  .level = METER_INSTANCE,                                                                 \
	  .family = METADATA_##family_,                                                            \
	  .flags = (flags_),                                                                       \
	  .field = VMT_F_##field_,                                                                 \
	  .other = VMT_F_##other_ },
#define VMT_F_0 0

#define DISCOVERY(name_, unit_, kind_, rule_, since_, until_, help_)                               \
	KNOWN(name_, unit_, kind_, rule_, METER_DISCOVERY, 0, since_, until_, help_)
#define OWN_DISCOVERY(name_, unit_, kind_, rule_, help_)                                           \
	KNOWN(name_, unit_, kind_, rule_, METER_DISCOVERY, METER_OWN, NULL, NULL, help_)
#define FLAVOR(name_, unit_, kind_, rule_, since_, until_, help_)                                  \
	KNOWN(name_, unit_, kind_, rule_, METER_FLAVOR, 0, since_, until_, help_)
#define KNOWN(name_, unit_, kind_, rule_, level_, flags_, since_, until_, help_)                   \
	{ .name = (name_),                                                                         \
	  .unit = UNIT_##unit_,                                                                    \
	  .help = (help_),                                                                         \
	  .source = "discovery",                                                                   \
	  .since = (since_),                                                                       \
	  .until = (until_),                                                                       \
	  .value = (rule_),                                                                        \
	  .type = VMT_GAUGE,                                                                       \
	  .kind = KIND_##kind_,                                                                    \
	  .level = (level_),                                                                       \
	  .family = METADATA_PLAIN,                                                                \
	  .flags = (flags_) },

/* Of every instance, gone ones too. */
#define OUTCOME(name_, unit_, kind_, rule_, source_, help_)                                        \
	{ .name = (name_),                                                                         \
	  .unit = UNIT_##unit_,                                                                    \
	  .help = (help_),                                                                         \
	  .source = (source_),                                                                     \
	  .value = (rule_),                                                                        \
	  .groups = VMT_GROUP_STATE,                                                               \
	  .type = VMT_GAUGE,                                                                       \
	  .kind = KIND_##kind_,                                                                    \
	  .level = METER_OUTCOME,                                                                  \
	  .family = METADATA_PLAIN,                                                                \
	  .flags = METER_OWN },

/* Of the polling itself. */
#define HOST(name_, unit_, type_, kind_, level_, rule_, field_, source_, help_)                    \
	{ .name = (name_),                                                                         \
	  .unit = UNIT_##unit_,                                                                    \
	  .help = (help_),                                                                         \
	  .source = (source_),                                                                     \
	  .value = (rule_),                                                                        \
	  .groups = VMT_GROUP_STATE,                                                               \
	  .type = VMT_##type_,                                                                     \
	  .kind = KIND_##kind_,                                                                    \
	  .level = (level_),                                                                       \
	  .family = METADATA_PLAIN,                                                                \
	  .flags = METER_OWN,                                                                      \
	  .field = (field_) },

/* `other` is a second field, or the number of a remembered counter. */
#define VMT_D_0 0
#define VMT_D_1 1
#define VMT_D_2 2
#define VMT_D_3 3
#define DISK(name_, unit_, type_, kind_, rule_, field_, other_, groups_, flags_, since_, until_,   \
	     source_, help_)                                                                       \
	{ .name = (name_),                                                                         \
	  .unit = UNIT_##unit_,                                                                    \
	  .help = (help_),                                                                         \
	  .source = (source_),                                                                     \
	  .since = (since_),                                                                       \
	  .until = (until_),                                                                       \
	  .value = (rule_),                                                                        \
	  .groups = VMT_GROUP_##groups_,                                                           \
	  .type = VMT_##type_,                                                                     \
	  .kind = KIND_##kind_,                                                                    \
	  .level = METER_DISK,                                                                     \
	  .family = METADATA_DISK,                                                                 \
	  .flags = (flags_),                                                                       \
	  .field = VMT_D_##field_,                                                                 \
	  .other = VMT_D_##other_ },
#define DISKS(name_, unit_, type_, kind_, rule_, field_, other_, groups_, flags_, since_, until_,  \
	      source_, help_)                                                                      \
	{ .name = (name_),                                                                         \
	  .unit = UNIT_##unit_,                                                                    \
	  .help = (help_),                                                                         \
	  .source = (source_),                                                                     \
	  .since = (since_),                                                                       \
	  .until = (until_),                                                                       \
	  .value = (rule_),                                                                        \
	  .groups = VMT_GROUP_##groups_,                                                           \
	  .type = VMT_##type_,                                                                     \
	  .kind = KIND_##kind_,                                                                    \
	  .level = METER_DISKS,                                                                    \
	  .family = METADATA_DISKS,                                                                \
	  .flags = (flags_),                                                                       \
	  .field = VMT_D_##field_,                                                                 \
	  .other = VMT_D_##other_ },

#define NIC(name_, unit_, type_, kind_, rule_, field_, counter_, flags_, since_, until_, source_,  \
	    help_)                                                                                 \
	{ .name = (name_),                                                                         \
	  .unit = UNIT_##unit_,                                                                    \
	  .help = (help_),                                                                         \
	  .source = (source_),                                                                     \
	  .since = (since_),                                                                       \
	  .until = (until_),                                                                       \
	  .value = (rule_),                                                                        \
	  .groups = VMT_GROUP_NIC,                                                                 \
	  .type = VMT_##type_,                                                                     \
	  .kind = KIND_##kind_,                                                                    \
	  .level = METER_NIC,                                                                      \
	  .family = METADATA_NIC,                                                                  \
	  .flags = (flags_),                                                                       \
	  .field = VMT_N_##field_,                                                                 \
	  .other = (counter_) },
/* Under another name from Wallaby to Zed, by an error of theirs. */
#define NIC_19(name_, renamed_, unit_, type_, kind_, rule_, field_, counter_, flags_, since_,      \
	       until_, source_, help_)                                                             \
	{ .name = (name_),                                                                         \
	  .renamed = { [VMT_PROFILE_19] = (renamed_) },                                            \
	  .unit = UNIT_##unit_,                                                                    \
	  .help = (help_),                                                                         \
	  .source = (source_),                                                                     \
	  .since = (since_),                                                                       \
	  .until = (until_),                                                                       \
	  .value = (rule_),                                                                        \
	  .groups = VMT_GROUP_NIC,                                                                 \
	  .type = VMT_##type_,                                                                     \
	  .kind = KIND_##kind_,                                                                    \
	  .level = METER_NIC,                                                                      \
	  .family = METADATA_NIC,                                                                  \
	  .flags = (flags_),                                                                       \
	  .field = VMT_N_##field_,                                                                 \
	  .other = (counter_) },

static const struct meter_row table[] = {
#include "model/meters.def"
};

size_t meter_count(void)
{
	return G_N_ELEMENTS(table);
}

const struct meter_row *meter_at(size_t i)
{
	return i < G_N_ELEMENTS(table) ? &table[i] : NULL;
}

const struct meter_row *meter_find(const char *name)
{
	for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
		if (strcmp(table[i].name, name) == 0) {
			return &table[i];
		}
	}
	return NULL;
}

const char *meter_name(const struct meter_row *row, enum vmt_profile profile)
{
	return row->renamed[profile] ? row->renamed[profile] : row->name;
}

const char *meter_type_name(enum vmt_meter_type type)
{
	static const char *const names[] = { "cumulative", "gauge", "delta" };

	return names[type];
}

const char *meter_level_name(const struct meter_row *row)
{
	switch (row->level) {
	case METER_DISK:
		return "disk";
	case METER_NIC:
		return "nic";
	case METER_HOST:
	case METER_CALL:
		return "host";
	default:
		return "instance";
	}
}

struct meter_selection *meter_selection_new(meter_match match, void *context)
{
	struct meter_selection *s =
		g_malloc0(sizeof(*s) + G_N_ELEMENTS(table) * sizeof(s->rows[0]));

	for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
		uint64_t publishers = UINT64_MAX;

		if (match(context, &table[i], &publishers)) {
			s->rows[s->count].row = &table[i];
			s->rows[s->count++].publishers = publishers;
			s->groups |= table[i].groups;
			s->remembers |= (table[i].flags & METER_REMEMBERS) != 0;
		}
	}
	return s;
}

void meter_selection_free(struct meter_selection *s)
{
	g_free(s);
}

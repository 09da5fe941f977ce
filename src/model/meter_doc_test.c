/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doc/meters.md is the table of meters, printed: this test compares the two, or writes the page.
 * Usage: meter_doc_test FILE [--update]
 */
#include "model/meter_private.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>

static const char intro[] =
	"<!-- Made from src/model/meters.def by `ninja update-meters-doc`: do not edit. -->\n"
	"# Meters\n"
	"\n"
	"A *pollster* is what the patterns of `polling.yaml` name; its samples have the same name unless said. A value "
	"that a host does not give is absent, never zero. The *profile* (`meter_profile = 26 | 19 | juno`) fixes names, "
	"units, kinds of number and metadata; it hides nothing: a meter that later releases removed keeps the form of "
	"its last one.\n"
	"\n"
	"Type: C cumulative, G gauge, D delta. Number: u unsigned, i signed, f with a fraction. Where profiles differ: "
	"juno, 19, 26. *Since* and *until* are releases of Ceilometer, the first with and the first without it.\n"
	"\n"
	"Ids: of an instance its UUID; of a disk `UUID-DEVICE`; of a NIC the name of its filter if it has one, else "
	"`NAME-UUID-DEVICE` with the hypervisor's name of the instance; of the host its name (`host`).\n"
	"\n";

static const char theirs[] =
	"## Ceilometer's\n"
	"\n"
	"| meter | type | unit | number | of | since | until | from (libvirt) | is |\n"
	"|---|---|---|---|---|---|---|---|---|\n";

static const char ours[] =
	"\n"
	"`network.outgoing.bytes.delta` is emitted as `network.outgoing.packets.delta` in profile 19 (an error of "
	"Wallaby to Zed); `instance_flavor` as `instance:FLAVOR`, with the flavor's name. \"–\" under *from* marks what "
	"only other hypervisors give. With `report_stopped_instance_metrics`, instances that are shut off have the "
	"meters marked *.\n"
	"\n"
	"## Our own\n"
	"\n"
	"Selected only by patterns that begin with `vm.`; the same in every profile.\n"
	"\n"
	"| meter | type | unit | number | of | from (libvirt) | is |\n"
	"|---|---|---|---|---|---|---|\n";

static const char outro[] =
	"\n"
	"Rates and deltas compare with the cycle before, by the monotonic time of the readings, for each polling task "
	"by itself; a device is known by its MAC or name, whatever the order. A counter that went down, or whose "
	"domain started anew, counts from zero; the first reading gives a delta of 0 and no rate.\n"
	"\n"
	"## Known errors that the profiles keep\n"
	"\n"
	"| profile | what |\n"
	"|---|---|\n"
	"| all | `disk.root.size` and `root_gb` are the flavor's disk less its ephemeral disk, though Nova's `disk` is the "
	"root disk already. `vm.disk.root.size` is right |\n"
	"| all | `memory.bandwidth.*` and `perf.*` are counters of type gauge |\n"
	"| 19, 26 | `cpu` adds the time that virtual CPUs waited, so that a utilisation made of it can pass 100 %. "
	"`vm.cpu.time` leaves it out |\n"
	"| 19 | `network.outgoing.packets.delta` for the bytes sent |\n"
	"| juno, 19 | MB and GB for what are MiB and GiB |\n"
	"| juno | memory in whole MB, rounded down; `disk.read.bytes` and its like are 0 for an instance without disks |\n"
	"\n"
	"Not kept, because it would be a made-up value: Juno's `cpu` of an instance that is shut off.\n";

/* "a, b, c", or "a" where they are one. */
static void by_profile(GString *out, const char *juno, const char *p19, const char *p26)
{
	if (strcmp(juno, p19) == 0 && strcmp(p19, p26) == 0) {
		g_string_append_printf(out, " %s |", *juno ? juno : "\"\"");
	} else {
		g_string_append_printf(out, " %s, %s, %s |", juno, p19, p26);
	}
}

static const char *of(const struct meter_row *row)
{
	static const char *const names[] = {
		[METER_INSTANCE] = "instance", [METER_DISCOVERY] = "instance",
		[METER_FLAVOR] = "instance",   [METER_OUTCOME] = "instance",
		[METER_DISK] = "disk",         [METER_DISKS] = "all disks",
		[METER_NIC] = "NIC",           [METER_HOST] = "host",
		[METER_CALL] = "host"
	};

	return names[row->level];
}

static void add_row(GString *out, const struct meter_row *row)
{
	static const char *const kinds[] = { "i", "u", "f" };

	g_string_append_printf(out, "| `%s`%s | %c |", row->name,
			       row->flags & METER_STOPPED ? "*" : "",
			       g_ascii_toupper(meter_type_name(row->type)[0]));
	by_profile(out, row->unit[0], row->unit[1], row->unit[2]);
	by_profile(out, kinds[row->kind[0]], kinds[row->kind[1]], kinds[row->kind[2]]);
	g_string_append_printf(out, " %s |", of(row));
	if (!(row->flags & METER_OWN)) {
		g_string_append_printf(out, " %s | %s |", row->since, row->until ? row->until : "");
	}
	g_string_append_printf(out, " %s | %s |\n", row->source ? row->source : "–", row->help);
}

static char *page(void)
{
	GString *out = g_string_new(intro);

	g_string_append(out, theirs);
	for (size_t i = 0; i < meter_count(); i++) {
		if (!(meter_at(i)->flags & METER_OWN)) {
			add_row(out, meter_at(i));
		}
	}
	g_string_append(out, ours);
	for (size_t i = 0; i < meter_count(); i++) {
		if (meter_at(i)->flags & METER_OWN) {
			add_row(out, meter_at(i));
		}
	}
	g_string_append(out, outro);
	return g_string_free(out, FALSE);
}

static void test_page(gconstpointer path)
{
	char *made = page(), *there = NULL;

	g_assert_true(g_file_get_contents(path, &there, NULL, NULL));
	if (strcmp(made, there) != 0) {
		g_error("doc/meters.md is not the table of meters any more: ninja update-meters-doc");
	}
	g_free(made);
	g_free(there);
}

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : "doc/meters.md";
	char *made;
	bool ok;

	if (argc > 2 && strcmp(argv[2], "--update") == 0) {
		made = page();
		ok = g_file_set_contents(path, made, -1, NULL);
		g_free(made);
		return ok ? 0 : 1;
	}
	g_test_init(&argc, &argv, NULL);
	g_test_add_data_func("/model/meter/doc", path, test_page);
	return g_test_run();
}

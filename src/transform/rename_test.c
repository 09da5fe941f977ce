/* SPDX-License-Identifier: Apache-2.0 */
/* Names and units: by map, fixed, or as they are. */
#include "transform/rename.h"

#include <virtmeter/plugin.h>

#include <glib.h>

#include "base/log.h"

static void check(const struct rename_conf *conf, const char *name, const char *unit,
		  const char *out_name, const char *out_unit)
{
	struct rename *r = rename_new(conf, &(const struct vmt_stage){ .name = "s/1" });
	char *n = rename_name(r, name), *u = rename_unit(r, unit);

	g_assert_cmpstr(n, ==, out_name);
	g_assert_cmpstr(u, ==, out_unit);
	g_free(n);
	g_free(u);
	rename_free(r);
}

static void test_map(void)
{
	/* the sinks of Juno's pipeline.yaml */
	const struct rename_conf disk = { .from_name = "disk\\.(read|write)\\.(bytes|requests)",
					  .from_unit = "(B|request)",
					  .to_name = "disk.\\1.\\2.rate",
					  .to_unit = "\\1/s" };
	const struct rename_conf named = { .from_name = "(?P<way>in|out)coming",
					   .to_name = "\\g<way>",
					   .name = "fixed",
					   .unit = "%" };

	check(&disk, "disk.read.bytes", "B", "disk.read.bytes.rate", "B/s");
	check(&disk, "disk.write.requests", "request", "disk.write.requests.rate", "request/s");
	check(&disk, "cpu", "ns", "cpu", "ns"); /* nothing to replace */
	check(&named, "network.incoming.bytes", "B", "network.in.bytes", "%");
	/* every match is replaced, as re.sub does */
	check(&(struct rename_conf){ .from_name = "a", .to_name = "b" }, "aXa", "", "bXb", "");
	/* but an empty one right behind another: as Python 2.7 has it */
	check(&(struct rename_conf){ .from_name = "(.*)", .to_name = "\\1.x" }, "disk.read", "",
	      "disk.read.x", "");
	check(&(struct rename_conf){ .from_name = "[a-z]*", .to_name = "-" }, "ab.c", "", "-.-",
	      "");
	check(&(struct rename_conf){ .from_name = "x*", .to_name = "-" }, "ab", "", "-a-b-", "");
	/* a group that is not there, or took no part: the map does not count */
	check(&(struct rename_conf){ .from_name = "(a)", .to_name = "\\9", .name = "T" }, "banana",
	      "", "T", "");
	check(&(struct rename_conf){ .from_name = "(x)?cpu", .to_name = "\\1y", .name = "T" },
	      "cpu", "", "T", "");
	check(&(struct rename_conf){ .from_name = "(x)?cpu", .to_name = "\\1y", .name = "T" },
	      "xcpu", "", "xy", "");
}

static void test_fixed(void)
{
	check(&(struct rename_conf){ .name = "cpu_util", .unit = "%" }, "cpu", "ns", "cpu_util",
	      "%");
	check(&(struct rename_conf){ .name = NULL }, "cpu", "ns", "cpu", "ns");
	/* a map needs both its sides; one that leaves nothing does not count */
	check(&(struct rename_conf){ .from_name = "cpu", .name = "x" }, "cpu", "ns", "x", "ns");
	check(&(struct rename_conf){ .from_name = ".*", .to_name = "\\g<0>", .name = "x" }, "cpu",
	      "", "cpu", "");
}

/* As in the reference: an expression that is none has no effect; here it is also told. */
static void test_wrong(void)
{
	check(&(struct rename_conf){ .from_name = "(", .to_name = "y", .name = "x" }, "cpu", "ns",
	      "x", "ns");
	check(&(struct rename_conf){ .from_unit = "n", .to_unit = "\\g<" }, "cpu", "ns", "cpu",
	      "ns");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/rename/map", test_map);
	g_test_add_func("/rename/fixed", test_fixed);
	g_test_add_func("/rename/wrong", test_wrong);
	return g_test_run();
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of metadata: the keys of each form in their order, what is left out, user metadata, ids.
 */
#include "model/json_text.h"
#include "model/metadata.h"

#include <glib.h>
#include <string.h>

static const struct vmt_pair attributes[] = { { "architecture", "x86_64", false },
					      { "kernel_id", NULL, false },
					      { NULL, NULL, false } };
static const struct vmt_pair extra_specs[] = { { "hw_rng:allowed", "True", false },
					       { NULL, NULL, false } };
static const struct vmt_pair image_meta[] = { { "base_image_ref", "i", false },
					      { "min_disk", "1", false },
					      { NULL, NULL, false } };

static struct vmt_instance server(void)
{
	return (struct vmt_instance){
		.id = "uuid",
		.name = "instance-1",
		.display_name = "we\"b é",
		.host_id = "hash",
		.host = "compute-0",
		.status = "active",
		.state = "running",
		.task_state = "",
		.has_flavor = true,
		.flavor = { .id = "42",
			    .name = "m1",
			    .vcpus = 2,
			    .ram_mib = 64,
			    .disk_gib = 1,
			    .ephemeral_gib = 3,
			    .swap_mib = 9,
			    .has_swap = true,
			    .has_extra_specs = true,
			    .extra_specs = extra_specs },
		.has_image = true,
		.image = { .id = "i" },
		.image_meta = image_meta,
		.attributes = attributes,
	};
}

static void check_head(const struct vmt_instance *in, const struct metadata_options *o, bool nic,
		       const char *expected)
{
	struct buf out = BUF_INIT;

	metadata_head(in, o, nic, &out);
	g_assert_cmpstr(out.data, ==, expected);
	buf_putc(&out, '}');
	g_assert_true(json_valid(out.data, out.len, 8));
	buf_fini(&out);
}

static void test_forms(void)
{
	struct vmt_instance in = server();
	struct metadata_options o = { .profile = VMT_PROFILE_26, .reserved_length = 256 };

	check_head(
		&in, &o, false,
		"{\"display_name\":\"we\\\"b é\",\"instance_id\":\"uuid\",\"instance_type\":\"m1\","
		"\"host\":\"hash\",\"instance_host\":\"compute-0\",\"flavor\":{\"id\":\"42\",\"name\":\"m1\","
		"\"vcpus\":2,\"ram\":64,\"disk\":1,\"ephemeral\":3,\"swap\":9,"
		"\"extra_specs\":{\"hw_rng:allowed\":\"True\"}},\"status\":\"active\",\"state\":\"running\","
		"\"task_state\":\"\",\"image\":{\"id\":\"i\"},\"image_ref\":\"i\",\"image_ref_url\":null,"
		"\"image_meta\":{\"base_image_ref\":\"i\",\"min_disk\":\"1\"},\"architecture\":\"x86_64\","
		"\"kernel_id\":null,\"vcpus\":2,\"memory_mb\":64,\"disk_gb\":1,\"ephemeral_gb\":3,"
		"\"root_gb\":-2");
	o.profile = VMT_PROFILE_19; /* neither extra_specs nor image_meta */
	check_head(
		&in, &o, true,
		"{\"display_name\":\"we\\\"b é\",\"instance_id\":\"uuid\",\"instance_type\":\"m1\","
		"\"host\":\"hash\",\"instance_host\":\"compute-0\",\"flavor\":{\"id\":\"42\",\"name\":\"m1\","
		"\"vcpus\":2,\"ram\":64,\"disk\":1,\"ephemeral\":3,\"swap\":9},\"status\":\"active\","
		"\"state\":\"running\",\"task_state\":\"\",\"image\":{\"id\":\"i\"},\"image_ref\":\"i\","
		"\"image_ref_url\":null,\"architecture\":\"x86_64\",\"kernel_id\":null,\"vcpus\":2,"
		"\"memory_mb\":64,\"disk_gb\":1,\"ephemeral_gb\":3,\"root_gb\":-2");
	o.profile = VMT_PROFILE_JUNO;
	in.flavor.href = "http://f";
	in.image.href = "http://i";
	in.image.name = "cirros";
	in.flavor.has_swap = false;
	check_head(
		&in, &o, false,
		"{\"display_name\":\"we\\\"b é\",\"instance_type\":\"42\",\"host\":\"hash\","
		"\"flavor\":{\"id\":\"42\",\"links\":[{\"rel\":\"bookmark\",\"href\":\"http://f\"}],"
		"\"name\":\"m1\",\"vcpus\":2,\"ram\":64,\"disk\":1,\"ephemeral\":3},\"status\":\"active\","
		"\"image\":{\"id\":\"i\",\"links\":[{\"rel\":\"bookmark\",\"href\":\"http://i\"}],"
		"\"name\":\"cirros\"},\"image_ref\":\"i\",\"image_ref_url\":\"http://i\","
		"\"architecture\":\"x86_64\",\"kernel_id\":null,\"vcpus\":2,\"memory_mb\":64,"
		"\"disk_gb\":1,\"ephemeral_gb\":3,\"root_gb\":-2");
	check_head(&in, &o, true, "{\"instance_id\":\"uuid\",\"instance_type\":\"42\"");
}

/* A guest of plain libvirt: what is not known is null or left out, its attributes stand. */
static void test_plain(void)
{
	static const struct vmt_pair plain[] = { { "vcpus", "2", true },
						 { "memory_mb", "64", true },
						 { NULL, NULL, false } };
	struct vmt_instance in = { .id = "uuid", .host = "h", .attributes = plain };
	struct metadata_options o = { .profile = VMT_PROFILE_26, .reserved_length = 256 };

	check_head(
		&in, &o, false,
		"{\"display_name\":null,\"instance_id\":\"uuid\",\"instance_type\":null,\"host\":null,"
		"\"instance_host\":\"h\",\"flavor\":null,\"status\":null,\"state\":\"\","
		"\"task_state\":null,\"image\":null,\"image_ref\":null,\"image_ref_url\":null,"
		"\"vcpus\":2,\"memory_mb\":64");
	in.has_flavor = true;
	in.flavor.name = "only"; /* its id is its name then */
	in.flavor.has_extra_specs = true; /* present and empty */
	in.attributes = NULL;
	check_head(
		&in, &o, false,
		"{\"display_name\":null,\"instance_id\":\"uuid\",\"instance_type\":\"only\",\"host\":null,"
		"\"instance_host\":\"h\",\"flavor\":{\"id\":\"only\",\"name\":\"only\",\"vcpus\":0,\"ram\":0,"
		"\"disk\":0,\"ephemeral\":0,\"extra_specs\":{}},\"status\":null,\"state\":\"\","
		"\"task_state\":null,\"image\":null,\"image_ref\":null,\"image_ref_url\":null,\"vcpus\":0,"
		"\"memory_mb\":0,\"disk_gb\":0,\"ephemeral_gb\":0,\"root_gb\":0");
}

/* No attribute repeats a key of the form or of a tail. */
static void test_collisions(void)
{
	static const struct vmt_pair hostile[] = {
		{ "name", "x", false },         { "vcpus", "x", false },
		{ "display_name", "x", false }, { "cpu_number", "x", false },
		{ "device", "x", false },       { "disk_name", "x", false },
		{ "mac", "x", false },          { "user_metadata", "x", false },
		{ "root_gb", "x", false },      { "image_meta", "x", false },
		{ "raw", "{\"a\"", true },      { NULL, NULL, false }
	};
	struct vmt_instance in = server();
	struct metadata_options o = { .profile = VMT_PROFILE_26, .reserved_length = 256 };
	struct buf out = BUF_INIT;

	in.attributes = hostile;
	metadata_head(&in, &o, false, &out);
	g_assert_null(strstr(out.data, "\"x\""));
	g_assert_nonnull(strstr(out.data, "\"raw\":null"));
	buf_reset(&out);
	in.image_meta = NULL; /* not of this instance's form: then the attribute has it */
	metadata_head(&in, &o, false, &out);
	g_assert_nonnull(strstr(out.data, "\"image_meta\":\"x\""));
	buf_fini(&out);
}

static void check_user(const struct metadata_options *o, bool nic, const struct vmt_pair *metadata,
		       const char *expected)
{
	struct vmt_instance in = server();
	struct buf out = BUF_INIT;
	const char *found;

	in.metadata = metadata;
	metadata_head(&in, o, nic, &out);
	found = strstr(out.data, ",\"user_metadata\":");
	g_assert_cmpstr(found, ==, expected);
	buf_fini(&out);
}

static void test_user_metadata(void)
{
	static const char *const prefixes[] = { "metering.", "x.", NULL };
	static const char *const keys[] = { "plain.key", "vcpus", NULL };
	static const struct vmt_pair example[] = { { "metering.stack", "s1", false },
						   { "metering.a.b", "x", false },
						   { "metering.name", "y", false },
						   { "other", "z", false },
						   { NULL, NULL, false } };
	static const struct vmt_pair more[] = { { "metering.k", "first", false },
						{ "x.k", "second", false },
						{ "plain.key", "éàü-long", false },
						{ "vcpus", "taken", false },
						{ "metering.none", NULL, false },
						{ "metering.number", "12345", true },
						{ "metering.architecture", "taken", false },
						{ NULL, NULL, false } };
	static const struct vmt_pair nothing[] = { { "metering.vcpus", "taken", false },
						   { NULL, NULL, false } };
	static const struct vmt_pair nic[] = { { "metering.mac", "taken", false },
					       { "metering.vcpus", "free here", false },
					       { NULL, NULL, false } };
	struct metadata_options o = { .profile = VMT_PROFILE_26,
				      .reserved_namespace = prefixes,
				      .reserved_length = 256 };

	check_user(&o, false, example, ",\"user_metadata\":{\"stack\":\"s1\",\"a_b\":\"x\"}");
	check_user(&o, false, nothing, NULL);
	o.reserved_keys = keys;
	o.reserved_length = 3; /* characters, and strings only */
	check_user(
		&o, false, more,
		",\"user_metadata\":{\"k\":\"sec\",\"none\":null,\"number\":12345,\"plain_key\":\"éàü\"}");
	o.reserved_length = 256;
	o.profile = VMT_PROFILE_JUNO;
	check_user(&o, true, nic, ",\"user_metadata\":{\"vcpus\":\"free here\"}");
	o.reserved_namespace = NULL;
	o.reserved_keys = NULL;
	check_user(&o, false, example, NULL);
}

static const char *tail(struct buf *out)
{
	g_assert_cmpint(out->data[0], ==, ',');
	g_assert_cmpint(out->data[out->len - 1], ==, '}');
	return out->data;
}

static void test_tails(void)
{
	struct vmt_instance in = server();
	struct metadata_options o = { .profile = VMT_PROFILE_26 };
	struct vmt_device d[2] = { { .name = "vda" }, { .name = "vdb" } };
	struct vmt_device_reading disks[2] = { { .device = &d[0] }, { .device = &d[1] } };
	struct buf out = BUF_INIT;
	uint64_t vcpus = 4;

	metadata_tail_plain(&in, &out);
	g_assert_cmpstr(tail(&out), ==, ",\"name\":\"instance-1\"}");
	buf_reset(&out);
	metadata_tail_cpu(&in, &vcpus, &out);
	g_assert_cmpstr(tail(&out), ==, ",\"name\":\"instance-1\",\"cpu_number\":4}");
	buf_reset(&out);
	metadata_tail_cpu(&in, NULL, &out);
	g_assert_cmpstr(tail(&out), ==, ",\"name\":\"instance-1\",\"cpu_number\":null}");
	buf_reset(&out);
	metadata_tail_disks(&in, disks, 2, &out);
	g_assert_cmpstr(tail(&out), ==, ",\"name\":\"instance-1\",\"device\":[\"vda\",\"vdb\"]}");
	buf_reset(&out);
	metadata_tail_disk(&in, &o, &d[0], &out);
	g_assert_cmpstr(tail(&out), ==, ",\"name\":\"instance-1\",\"disk_name\":\"vda\"}");
	buf_reset(&out);
	o.profile = VMT_PROFILE_JUNO;
	in.name = NULL;
	metadata_tail_disk(&in, &o, &d[0], &out);
	g_assert_cmpstr(tail(&out), ==, ",\"name\":\"\"}");
	buf_fini(&out);
}

static void test_nic_tails(void)
{
	static const struct vmt_pair parameters[] = { { "ip", "10.0.0.5", false },
						      { "bridge", "theirs", false },
						      { NULL, NULL, false } };
	struct vmt_device nic = { .name = "tap0", .mac = "fa:16" };
	struct metadata_options o = { .profile = VMT_PROFILE_19 };
	struct buf out = BUF_INIT;

	metadata_tail_nic(&o, &nic, &out); /* of Hyper-V; vSphere's has no address, either */
	g_assert_cmpstr(tail(&out), ==,
			",\"name\":\"tap0\",\"mac\":\"fa:16\",\"fref\":null,\"parameters\":null,"
			"\"vnic_name\":\"tap0\"}");
	buf_reset(&out);
	nic.parameters = parameters + 2 /* an empty list */;
	metadata_tail_nic(&o, &nic, &out);
	g_assert_cmpstr(tail(&out), ==,
			",\"name\":\"tap0\",\"mac\":\"fa:16\",\"fref\":null,\"parameters\":"
			"{\"interfaceid\":null,\"bridge\":null},\"vnic_name\":\"tap0\"}");
	nic.filter = "nova-filter";
	nic.parameters = parameters;
	nic.interface_id = "port";
	nic.bridge = "br-int";
	buf_reset(&out);
	metadata_tail_nic(&o, &nic, &out);
	g_assert_cmpstr(
		tail(&out), ==,
		",\"name\":\"tap0\",\"mac\":\"fa:16\",\"fref\":\"nova-filter\",\"parameters\":"
		"{\"ip\":\"10.0.0.5\",\"interfaceid\":\"port\",\"bridge\":\"br-int\"},"
		"\"vnic_name\":\"nova-filter\"}");
	o.profile = VMT_PROFILE_JUNO;
	buf_reset(&out);
	metadata_tail_nic(&o, &nic, &out);
	g_assert_cmpstr(
		tail(&out), ==,
		",\"name\":\"tap0\",\"mac\":\"fa:16\",\"fref\":\"nova-filter\",\"parameters\":"
		"{\"ip\":\"10.0.0.5\",\"bridge\":\"theirs\"}}");
	buf_fini(&out);
}

static void test_ids(void)
{
	struct vmt_instance in = server();
	struct vmt_device d = { .name = "tap0" };
	struct buf out = BUF_INIT;

	metadata_disk_id(&in, &d, &out);
	g_assert_cmpstr(out.data, ==, "uuid-tap0");
	buf_reset(&out);
	metadata_nic_id(&in, &d, &out);
	g_assert_cmpstr(out.data, ==, "instance-1-uuid-tap0");
	buf_reset(&out);
	in.name = NULL;
	metadata_nic_id(&in, &d, &out);
	g_assert_cmpstr(out.data, ==, "None-uuid-tap0");
	buf_reset(&out);
	d.filter = "nova-instance-1-fa163e";
	metadata_nic_id(&in, &d, &out);
	g_assert_cmpstr(out.data, ==, "nova-instance-1-fa163e");
	buf_fini(&out);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/model/metadata/forms", test_forms);
	g_test_add_func("/model/metadata/plain", test_plain);
	g_test_add_func("/model/metadata/collisions", test_collisions);
	g_test_add_func("/model/metadata/user-metadata", test_user_metadata);
	g_test_add_func("/model/metadata/tails", test_tails);
	g_test_add_func("/model/metadata/nic-tails", test_nic_tails);
	g_test_add_func("/model/metadata/ids", test_ids);
	return g_test_run();
}

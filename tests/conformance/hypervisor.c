/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every discovery and every inspector has to keep of the contract.  libvirt's run on its own test
 * driver, which needs no daemon and no event loop.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/clock.h"
#include "model/inspection.h"
#include "model/snapshot.h"
#include "plugin/object.h"
#include "plugins/inspector/gives.h"

extern const struct vmt_plugin vmt_plugin_discovery_simulated, vmt_plugin_discovery_local_instances,
	vmt_plugin_inspector_simulated, vmt_plugin_inspector_libvirt;

/* A hypervisor: who finds its instances, who reads them. */
struct subject {
	const char *name;
	const struct vmt_plugin *discovery, *inspector;
	const struct inspector_gives *gives;
	const char *conf;
	const char *absent; /* configuration by which the hypervisor is not there */
};

static const struct subject subjects[] = {
	{ .name = "simulated",
	  .discovery = &vmt_plugin_discovery_simulated,
	  .inspector = &vmt_plugin_inspector_simulated,
	  .gives = &simulated_gives,
	  .conf = "[simulated]\ninstances = 7\nstopped = 30\n",
	  .absent = "[simulated]\nscript = blind; down\n" },
	{ .name = "libvirt",
	  .discovery = &vmt_plugin_discovery_local_instances,
	  .inspector = &vmt_plugin_inspector_libvirt,
	  .gives = &libvirt_gives,
	  .conf = "[DEFAULT]\nlibvirt_uri = test:///default\n[virtmeter]\ndiscovery = plain\n",
	  .absent =
		  "[DEFAULT]\nlibvirt_uri = qemu+unix:///system?socket=/nonexistent/libvirt-sock\n" },
};

struct host {
	struct plugin_object *discovery, *inspector;
	struct vmt_inspection *readings;
	atomic_bool cancel;
};

static struct plugin_object *open_object(const struct vmt_plugin *plugin, const char *conf)
{
	struct plugin_object *object = NULL;
	struct vmt_error error = { .text = "" };
	struct ini *ini = ini_new();

	g_assert_cmpint(ini_read_text(ini, "test", conf, strlen(conf), NULL), ==, 0);
	g_assert_cmpint(plugin_object_open(plugin, ini, NULL, NULL, false, &object, NULL, &error),
			==, 0);
	ini_free(ini);
	return object;
}

static void host_init(struct host *h, const struct subject *s, const char *conf)
{
	memset(h, 0, sizeof(*h));
	h->discovery = open_object(s->discovery, conf);
	h->inspector = open_object(s->inspector, conf);
	h->readings = inspection_new();
}

static void host_fini(struct host *h)
{
	plugin_object_close(h->discovery);
	plugin_object_close(h->inspector);
	inspection_free(h->readings);
}

static struct vmt_call call_of(struct host *h, int64_t seconds)
{
	return (struct vmt_call){ .deadline_ns = clock_monotonic() + seconds * NS_PER_S,
				  .cancel = &h->cancel };
}

/* A reason for a person: one line. */
static void assert_reason(const struct vmt_error *error)
{
	g_test_message("%s", error->text);
	g_assert_cmpstr(error->text, !=, "");
	g_assert_null(strchr(error->text, '\n'));
}

static int discover(struct host *h, int64_t seconds, struct snapshot **ret, struct vmt_error *error)
{
	struct vmt_snapshot_builder *builder = snapshot_builder_new(0);
	struct vmt_call call = call_of(h, seconds);
	int code = h->discovery->plugin->ops.discovery->discover(h->discovery->self, "", builder,
								 &call, error);

	if (code == 1) {
		*ret = snapshot_builder_finish(builder, NULL, clock_real());
	} else {
		snapshot_builder_free(builder);
	}
	return code;
}

static struct snapshot *must_discover(struct host *h)
{
	struct vmt_error error = { .text = "" };
	struct snapshot *list = NULL;
	int code = discover(h, 30, &list, &error);

	g_assert_cmpstr(error.text, ==, "");
	g_assert_cmpint(code, ==, 1);
	return list;
}

static int inspect(struct host *h, const struct vmt_snapshot *list, unsigned groups,
		   int64_t seconds, struct vmt_error *error)
{
	struct vmt_inspect_request request = { .groups = groups, .interval_ns = 10 * NS_PER_S };
	struct vmt_call call = call_of(h, seconds);

	inspection_reset(h->readings, list->count);
	return h->inspector->plugin->ops.inspector->inspect(h->inspector->self, list, &request,
							    h->readings, &call, error);
}

/* Every instance can be named, and an unchanged world says so. */
static void test_discovery(const void *data)
{
	const struct subject *s = data;
	struct vmt_error error = { .text = "" };
	struct snapshot *list, *again = NULL;
	struct host h;

	host_init(&h, s, s->conf);
	list = must_discover(&h);
	g_assert_cmpuint(list->list.count, >, 0);
	for (size_t i = 0; i < list->list.count; i++) {
		const struct vmt_instance *in = &list->list.instances[i];

		g_assert_cmpuint(strlen(in->id), ==, 36);
		g_assert_cmpstr(in->name, !=, NULL);
		g_assert_cmpint(snapshot_find(list, in->id), ==, (gssize)i);
	}
	g_assert_cmpuint(list->refused, ==, 0);
	if (discover(&h, 30, &again, &error) == 1) { /* it may say so, if it says the same */
		g_assert_cmpuint(again->list.count, ==, list->list.count);
		snapshot_unref(again);
	}
	snapshot_unref(list);
	host_fini(&h);
}

static void check_device(const struct vmt_inspection *in, const struct vmt_device_reading *r,
			 unsigned fields)
{
	g_assert_nonnull(r->device);
	g_assert_cmpuint(r->device->version, !=, 0);
	g_assert_cmpstr(r->device->name, !=, NULL);
	g_assert_cmpuint(r->present >> fields, ==, 0);
	for (unsigned f = 0; f < fields; f++) {
		if (r->present >> f & 1) {
			g_assert_cmpuint(r->stamp[f], <, in->stamps);
		}
	}
}

/* Nothing is given that was not declared. */
static void check_gives(const struct inspector_gives *gives, const struct vmt_inspection *in)
{
	uint64_t fields = 0;
	uint32_t disk = 0, nic = 0;

	for (size_t i = 0; i < in->count; i++) {
		fields |= in->reading[i].present;
	}
	for (size_t i = 0; i < in->disks; i++) {
		disk |= in->disk[i].present;
	}
	for (size_t i = 0; i < in->nics; i++) {
		nic |= in->nic[i].present;
	}
	g_assert_cmphex(fields & ~gives->fields, ==, 0);
	g_assert_cmphex(disk & ~gives->disk, ==, 0);
	g_assert_cmphex(nic & ~gives->nic, ==, 0);
}

static void check_reading(const struct vmt_inspection *in, const struct vmt_reading *r)
{
	g_assert_cmpint(r->outcome, !=, VMT_UNREAD);
	g_assert_cmpint(r->outcome, <, VMT_OUTCOMES);
	g_assert_cmpuint(r->first_disk + r->disks, <=, in->disks);
	g_assert_cmpuint(r->first_nic + r->nics, <=, in->nics);
	for (unsigned f = 0; f < VMT_FIELDS; f++) {
		if (r->present >> f & 1) {
			g_assert_cmpuint(r->stamp[f], <, in->stamps);
			g_assert_cmpint(in->stamp[r->stamp[f]].mono_ns, <=, clock_monotonic());
			g_assert_cmpint(in->stamp[r->stamp[f]].time_ns, >, 0);
			g_assert_nonnull(in->stamp[r->stamp[f]].source);
		}
	}
	for (uint32_t d = 0; d < r->disks; d++) {
		check_device(in, &in->disk[r->first_disk + d], VMT_DISK_FIELDS);
	}
	for (uint32_t n = 0; n < r->nics; n++) {
		check_device(in, &in->nic[r->first_nic + n], VMT_NIC_FIELDS);
		g_assert_nonnull(in->nic[r->first_nic + n].device->mac);
	}
}

/* Each instance gets an outcome, each value a stamp, in every cycle and for any groups. */
static void test_inspector(const void *data)
{
	const struct subject *s = data;
	static const unsigned groups[] = { VMT_GROUP_ALL, VMT_GROUP_STATE, VMT_GROUP_CPU,
					   VMT_GROUP_DISK | VMT_GROUP_NIC, VMT_GROUP_ALL };
	struct vmt_error error = { .text = "" };
	struct snapshot *list;
	struct host h;
	size_t ok = 0;

	host_init(&h, s, s->conf);
	list = must_discover(&h);
	for (size_t g = 0; g < G_N_ELEMENTS(groups); g++) {
		g_assert_cmpint(inspect(&h, &list->list, groups[g], 30, &error), ==, 0);
		g_assert_cmpuint(h.readings->count, ==, list->list.count);
		for (size_t i = 0; i < h.readings->count; i++) {
			check_reading(h.readings, &h.readings->reading[i]);
			ok += h.readings->reading[i].outcome == VMT_OK;
		}
		check_gives(s->gives, h.readings);
	}
	g_assert_cmpuint(ok, >, 0);
	g_assert_cmpuint(h.readings->calls, >, 0);
	snapshot_unref(list);
	host_fini(&h);
}

/* One that is not there any more is gone; no instance at all is fine; the others are not touched. */
static void test_gone(const void *data)
{
	const struct subject *s = data;
	struct vmt_snapshot_builder *builder = snapshot_builder_new(0);
	struct vmt_error error = { .text = "" };
	struct snapshot *list, *more;
	struct host h;

	host_init(&h, s, s->conf);
	list = must_discover(&h);
	g_assert_cmpint(vmt_snapshot_add(builder,
					 &(struct vmt_instance){
						 .id = "00000000-dead-4000-8000-000000000001",
						 .name = "instance-0000dead" }),
			==, 0);
	g_assert_cmpint(vmt_snapshot_add(builder, &list->list.instances[0]), ==, 0);
	more = snapshot_builder_finish(builder, NULL, clock_real());
	g_assert_cmpint(inspect(&h, &more->list, VMT_GROUP_ALL, 30, &error), ==, 0);
	g_assert_cmpint(h.readings->reading[0].outcome, ==, VMT_GONE);
	g_assert_cmpuint(h.readings->reading[0].present, ==, 0);
	g_assert_cmpint(h.readings->reading[1].outcome, !=, VMT_GONE);
	check_reading(h.readings, &h.readings->reading[1]);
	snapshot_unref(more);
	more = snapshot_builder_finish(snapshot_builder_new(0), NULL, clock_real());
	g_assert_cmpint(inspect(&h, &more->list, VMT_GROUP_ALL, 30, &error), ==, 0);
	snapshot_unref(more);
	snapshot_unref(list);
	host_fini(&h);
}

/* A hypervisor that is not there: it opens all the same, and each call says why, within its time. */
static void test_absent(const void *data)
{
	const struct subject *s = data;
	struct vmt_error error = { .text = "" };
	struct snapshot *list = NULL;
	struct host h, there;
	int64_t began = clock_monotonic();

	host_init(&h, s, s->absent);
	g_assert_cmpint(discover(&h, 5, &list, &error), <, 0);
	g_assert_null(list);
	assert_reason(&error);
	error.text[0] = '\0';
	host_init(&there, s, s->conf);
	list = must_discover(&there);
	g_assert_cmpint(inspect(&h, &list->list, VMT_GROUP_ALL, 5, &error), <, 0);
	assert_reason(&error);
	for (size_t i = 0; i < h.readings->count; i++) {
		int outcome = h.readings->reading[i].outcome;

		g_assert_true(outcome == VMT_UNREACHABLE || outcome == VMT_UNREAD);
		g_assert_cmpuint(h.readings->reading[i].present, ==, 0);
	}
	g_assert_cmpint(clock_monotonic() - began, <, 60 * NS_PER_S);
	snapshot_unref(list);
	host_fini(&there);
	host_fini(&h);
}

/* A call that is cancelled, or out of time, comes back at once and breaks nothing for the next. */
static void test_cancelled(const void *data)
{
	const struct subject *s = data;
	struct vmt_error error = { .text = "" };
	struct snapshot *list;
	struct host h;

	host_init(&h, s, s->conf);
	list = must_discover(&h);
	atomic_store(&h.cancel, true);
	inspect(&h, &list->list, VMT_GROUP_ALL, 3600, &error);
	atomic_store(&h.cancel, false);
	inspect(&h, &list->list, VMT_GROUP_ALL, 0, &error);
	g_assert_cmpint(inspect(&h, &list->list, VMT_GROUP_ALL, 30, &error), ==, 0);
	for (size_t i = 0; i < h.readings->count; i++) {
		check_reading(h.readings, &h.readings->reading[i]);
	}
	snapshot_unref(list);
	host_fini(&h);
}

static void test_close_null(const void *data)
{
	const struct subject *s = data;

	s->discovery->ops.discovery->close(NULL);
	s->inspector->ops.inspector->close(NULL);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fn)(const void *data);
	} tests[] = {
		{ "discovery", test_discovery }, { "inspector", test_inspector },
		{ "gone", test_gone },           { "absent", test_absent },
		{ "cancelled", test_cancelled }, { "close-null", test_close_null },
	};

	g_test_init(&argc, &argv, NULL);
	for (size_t s = 0; s < G_N_ELEMENTS(subjects); s++) {
		for (size_t t = 0; t < G_N_ELEMENTS(tests); t++) {
			char *path = g_strdup_printf("/conformance/%s/%s", subjects[s].name,
						     tests[t].name);

			g_test_add_data_func(path, &subjects[s], tests[t].fn);
			g_free(path);
		}
	}
	return g_test_run();
}

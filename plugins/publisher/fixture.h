/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests and benchmarks of publishers: frames with so many resources and meters, made by hand and
 * written over for the next cycle.  Nothing here is built into the program.
 */
#ifndef PUBLISHER_FIXTURE_H
#define PUBLISHER_FIXTURE_H

#include <glib.h>
#include <stdatomic.h>
#include <string.h>
#include <virtmeter/plugin.h>

#include "base/hash.h"

#define FIXTURE_TIME INT64_C(1784642172123456000) /* 2026-07-21T13:56:12.123456 */

struct fixture {
	struct vmt_frame frame;
	uint32_t resources, meters;
	struct vmt_batch *batch; /* one per meter, a row per resource */
	struct vmt_resource *resource;
	const struct vmt_resource **column;
	union vmt_num *value; /* meters × resources */
	char (*name)[32];
};

static const atomic_bool fixture_go_on;

/* A call with `seconds` to go. */
static inline struct vmt_call fixture_call(int64_t seconds)
{
	return (struct vmt_call){ .deadline_ns =
					  vmt_clock_monotonic() + seconds * INT64_C(1000000000),
				  .cancel = &fixture_go_on };
}

static inline void fixture_digest(struct vmt_resource *r)
{
	const char *texts[] = { r->id,           r->source,    r->project_id, r->user_id,
				r->project_name, r->user_name, r->meta_head };
	uint64_t digest = 1;

	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		digest = hash64(texts[i] ? texts[i] : "-", texts[i] ? strlen(texts[i]) : 1, digest);
	}
	r->digest = digest;
}

/* Other metadata from now on (JSON text of an object). */
static inline void fixture_metadata(struct vmt_resource *r, const char *metadata)
{
	g_free((char *)r->meta_head);
	r->meta_head = g_strndup(metadata, strlen(metadata) - 1);
	r->meta_head_len = (uint32_t)strlen(metadata) - 1;
	r->meta_tail = "}";
	r->meta_tail_len = 1;
	fixture_digest(r);
}

static inline void fixture_init(struct fixture *f, uint32_t resources, uint32_t meters)
{
	memset(f, 0, sizeof *f);
	f->resources = resources;
	f->meters = meters;
	f->batch = g_new0(struct vmt_batch, meters);
	f->resource = g_new0(struct vmt_resource, resources);
	f->column = g_new0(const struct vmt_resource *, resources);
	f->value = g_new0(union vmt_num, (size_t)resources * meters);
	f->name = g_malloc0_n(meters, sizeof *f->name);
	for (uint32_t i = 0; i < resources; i++) {
		struct vmt_resource *r = &f->resource[i];
		char *metadata =
			g_strdup_printf("{\"display_name\": \"vm-%u\", \"status\": \"active\","
					" \"flavor\": {\"name\": \"m1.small\", \"ram\": 512}}",
					i);

		r->id = g_strdup_printf("00000000-0000-4000-8000-%012u", i);
		r->project_id = g_strdup_printf("project-%u", i % 3);
		r->user_id = g_strdup_printf("user-%u", i % 2);
		r->source = "openstack";
		fixture_metadata(r, metadata);
		g_free(metadata);
		f->column[i] = r;
	}
	for (uint32_t m = 0; m < meters; m++) {
		struct vmt_batch *b = &f->batch[m];

		g_snprintf(f->name[m], sizeof f->name[m], "meter.%u", m);
		b->name = f->name[m];
		b->unit = m % 2 ? "B" : "ns";
		b->type = m % 3;
		b->kind = m % 3;
		b->count = resources;
		b->resource = f->column;
		b->value = f->value + (size_t)m * resources;
		b->publishers = 1;
		b->mono_ns = INT64_C(98765000000000);
		memcpy(b->id, "\x10\0\0\0\x20\x30\x11\xf0\x80\0\x01\x02\x03\x04\x05\x06", 16);
		b->id[7] = (uint8_t)m;
	}
	f->frame.profile = VMT_PROFILE_26;
	f->frame.count = meters;
	f->frame.batch = f->batch;
}

/* The frame of cycle `cycle` at `time_ns`: values are m, resource and cycle put together. */
static inline void fixture_cycle(struct fixture *f, uint32_t cycle, int64_t time_ns)
{
	f->frame.sequence = cycle + 1;
	for (uint32_t m = 0; m < f->meters; m++) {
		f->batch[m].time_ns = time_ns;
		f->batch[m].id[0] = (uint8_t)cycle;
		for (uint32_t i = 0; i < f->resources; i++) {
			union vmt_num *v = &f->value[(size_t)m * f->resources + i];

			if (f->batch[m].kind == VMT_DOUBLE) {
				v->d = m + i / 1024.0 + cycle;
			} else {
				v->i = (int64_t)m * 1000000 + i * 1000 + cycle;
			}
		}
	}
}

/* The rows of each resource came in the message of that number. */
static inline void fixture_messages(struct fixture *f, const uint32_t *numbers)
{
	for (uint32_t m = 0; m < f->meters; m++) {
		f->batch[m].messages = numbers;
	}
}

/* The batches the other way round. */
static inline void fixture_reverse(struct fixture *f)
{
	for (uint32_t m = 0; m < f->meters / 2; m++) {
		struct vmt_batch b = f->batch[m];

		f->batch[m] = f->batch[f->meters - 1 - m];
		f->batch[f->meters - 1 - m] = b;
	}
}

static inline void fixture_fini(struct fixture *f)
{
	for (uint32_t i = 0; i < f->resources; i++) {
		g_free((char *)f->resource[i].id);
		g_free((char *)f->resource[i].project_id);
		g_free((char *)f->resource[i].user_id);
		g_free((char *)f->resource[i].meta_head);
	}
	g_free(f->batch);
	g_free(f->resource);
	g_free(f->column);
	g_free(f->value);
	g_free(f->name);
}

/* Sets one member of a configuration, as the host decodes it; for numbers the text in `value` is one. */
static inline void fixture_set(const struct vmt_plugin *plugin, void *conf, const char *name,
			       const char *value)
{
	static const struct vmt_pair no_pairs[] = { { NULL, NULL } };
	static const char *const empty[] = { NULL };

	for (const struct vmt_option *o = plugin->options; o->name; o++) {
		void *member = (char *)conf + o->offset;

		if (strcmp(o->name, name) != 0) {
			continue;
		}
		switch (o->type) {
		case VMT_OPT_BOOL:
			*(bool *)member = value && strcmp(value, "true") == 0;
			break;
		case VMT_OPT_INT:
			*(int64_t *)member = value ? g_ascii_strtoll(value, NULL, 10) : 0;
			break;
		case VMT_OPT_DOUBLE:
			*(double *)member = value ? g_ascii_strtod(value, NULL) : 0;
			break;
		case VMT_OPT_SECONDS:
			*(int64_t *)member = value ? (int64_t)(g_ascii_strtod(value, NULL) * 1e9)
						   : 0;
			break;
		case VMT_OPT_STRING:
			*(const char **)member = value;
			break;
		case VMT_OPT_LIST:
			*(const char *const **)member = empty;
			break;
		case VMT_OPT_SCALAR:
			*(struct vmt_scalar *)member = (struct vmt_scalar){ .text = value };
			break;
		case VMT_OPT_DICT:
			*(const struct vmt_pair **)member = no_pairs;
			break;
		}
		return;
	}
	g_assert_not_reached();
}

/* A configuration of defaults, to be freed with g_free(). */
static inline void *fixture_conf(const struct vmt_plugin *plugin)
{
	void *conf = g_malloc0(plugin->conf_size);

	for (const struct vmt_option *o = plugin->options; o->name; o++) {
		fixture_set(plugin, conf, o->name, o->def);
	}
	return conf;
}

/* A folder for a test, and its end with all files in it. */
static inline char *fixture_folder(void)
{
	return g_dir_make_tmp("virtmeter-XXXXXX", NULL);
}

static inline void fixture_remove(char *folder)
{
	GDir *dir = g_dir_open(folder, 0, NULL);

	for (const char *name; dir && (name = g_dir_read_name(dir));) {
		char *path = g_build_filename(folder, name, NULL);

		if (remove(path)) {
			fixture_remove(g_strdup(path));
		}
		g_free(path);
	}
	g_dir_close(dir);
	remove(folder);
	g_free(folder);
}

#endif

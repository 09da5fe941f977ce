/* SPDX-License-Identifier: Apache-2.0 */
/* A counting publisher for scenarios; see tally.h.  On the publishers' threads. */
#include "tests/scenario/tally.h"

#include "tests/scenario/stage.h"

#include <errno.h>
#include <string.h>

struct tally tally_a, tally_b;

struct tally_conf {
	const char *secret;
};

struct tally_object {
	struct tally *tally;
	bool right;
};

static int tally_open(const void *conf, const struct vmt_url *url, bool read_only, void **ret_self,
		      struct vmt_error *error)
{
	const struct tally_conf *c = conf;
	struct tally_object *o = g_new0(struct tally_object, 1);

	o->tally = strcmp(url->host, "b") == 0 ? &tally_b : &tally_a;
	o->right = !g_str_has_prefix(c->secret, "wrong") && strcmp(url->host, "away") != 0;
	o->tally->opened++;
	if (!o->tally->ids) {
		o->tally->ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	}
	*ret_self = o;
	return 0;
}

static void tally_one(struct tally *t, const struct vmt_batch *b, uint32_t row)
{
	int64_t time_ns = b->times ? b->times[row] : b->time_ns;
	char *key =
		g_strdup_printf("%s %s %" G_GINT64_FORMAT, b->name, b->resource[row]->id, time_ns);

	t->samples++;
	t->doubled += !g_hash_table_add(t->ids, key);
	if (strcmp(b->name, "cpu") == 0) {
		if (t->cpu > 1) {
			t->widest_ns = MAX(t->widest_ns, time_ns - t->last_ns);
		}
		t->cpu++;
		t->last_ns = time_ns;
	}
}

static int tally_publish(void *self, const struct vmt_frame *frame, uint64_t bit,
			 const struct vmt_call *call, struct vmt_error *error)
{
	struct tally_object *o = self;

	if (!o->right) {
		return vmt_error_set(error, -EACCES, "tally: not with that secret");
	}
	for (size_t i = 0; i < frame->count; i++) {
		const struct vmt_batch *b = &frame->batch[i];

		for (uint32_t row = 0; b->publishers & bit && row < b->count; row++) {
			tally_one(o->tally, b, row);
		}
	}
	return 0;
}

static void tally_close(void *self)
{
	struct tally_object *o = self;

	if (o) {
		o->tally->closed++;
		g_free(o);
	}
}

static const struct vmt_option tally_options[] = {
	{ .group = "tally",
	  .name = "secret",
	  .type = VMT_OPT_STRING,
	  .offset = offsetof(struct tally_conf, secret),
	  .def = "",
	  .flags = VMT_OPT_SECRET | VMT_OPT_URL,
	  .help = "A secret." },
	{ .name = NULL },
};
static const struct vmt_publisher_ops tally_ops = { .open = tally_open,
						    .publish = tally_publish,
						    .close = tally_close };
const struct vmt_plugin tally_plugin = { .abi = VMT_ABI,
					 .ns = VMT_PUBLISHER,
					 .name = "tally",
					 .version = "1",
					 .help = "Counts.",
					 .options = tally_options,
					 .conf_size = sizeof(struct tally_conf),
					 .ops.publisher = &tally_ops };

void tally_clear(struct tally *t)
{
	if (t->ids) {
		g_hash_table_unref(t->ids);
	}
	*t = (struct tally){ .samples = 0 };
}

void tally_write_conf(struct stage *stage, const char *source, const char *secret)
{
	stage_write(stage, "virtmeter.conf",
		    "[DEFAULT]\nhost = compute-0\nhypervisor_inspector = simulated\n"
		    "sample_source = %s\n[tally]\nsecret = %s\n" TALLY_WORLD,
		    source, secret);
}

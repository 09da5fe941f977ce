/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The publisher and store sqlite:///path: the plugin, its options and its life.  Publishes on its own
 * thread; the database is opened by the first publish, so that a folder that is not there yet (or a full
 * disk) is a matter of trying again.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "ids.h"
#include "store.h"

static const char *const synchronous_choices[] = { "full", "normal", "off", NULL };

static const struct vmt_option options[] = {
	{ .group = "sqlite",
	  .name = "synchronous",
	  .type = VMT_OPT_STRING,
	  .offset = offsetof(struct store_conf, synchronous),
	  .def = "full",
	  .flags = VMT_OPT_URL,
	  .choices = synchronous_choices,
	  .help = "full: a stored sample survives a power cut; normal: the last cycles may not; off: the"
		  " database may not." },
	{ .group = "sqlite",
	  .name = "store_message_ids",
	  .type = VMT_OPT_BOOL,
	  .offset = offsetof(struct store_conf, store_message_ids),
	  .def = "false",
	  .flags = VMT_OPT_URL,
	  .help = "Keep message id and monotonic time of each sample, at about 45 bytes a sample." },
	{ .group = "sqlite",
	  .name = "page_cache",
	  .type = VMT_OPT_INT,
	  .offset = offsetof(struct store_conf, page_cache),
	  .def = "1024",
	  .flags = VMT_OPT_URL,
	  .min = 64,
	  .max = 1 << 20,
	  .help = "Memory for pages of the database, in KiB." },
	{ .group = "database",
	  .name = "time_to_live",
	  .type = VMT_OPT_INT,
	  .offset = offsetof(struct store_conf, time_to_live),
	  .def = "-1",
	  .flags = VMT_OPT_URL,
	  .deprecated = "metering_time_to_live",
	  .help = "Seconds after which a stored sample is deleted; 0 or less: never." },
	{ 0 },
};

static void store_close(void *self)
{
	struct store *s = self;

	if (!s) {
		return;
	}
	store_disconnect(s);
	ids_free(s->ids);
	points_free(s->points);
	digests_fini(&s->digests);
	g_free(s->path);
	g_free(s->text);
	g_free(s);
}

/* Our own copy of the word, which lives as long as the program; "full" unless said. */
static const char *synchronous_word(const char *word)
{
	for (size_t i = 0; word && synchronous_choices[i]; i++) {
		if (strcmp(word, synchronous_choices[i]) == 0) {
			return synchronous_choices[i];
		}
	}
	return synchronous_choices[0];
}

static int store_open(const void *conf, const struct vmt_url *url, bool read_only, void **ret_self,
		      struct vmt_error *error)
{
	struct store *s;
	int code = 0;

	if ((url->host && *url->host) || url->user || url->port) {
		return vmt_error_set(error, -EINVAL,
				     "%s: a host name has no place here;"
				     " write sqlite:///path/to/file with three slashes",
				     url->text);
	}
	if (!url->path || url->path[0] != '/' || !url->path[1]) {
		return vmt_error_set(error, -EINVAL,
				     "%s: no file named; write sqlite:///path/to/file", url->text);
	}
	if (url->query && url->query->key) {
		return vmt_error_set(error, -EINVAL,
				     "%s: unknown parameter %s; known are synchronous,"
				     " store_message_ids, page_cache, time_to_live",
				     url->text, url->query->key);
	}
	s = g_new0(struct store, 1);
	s->select.ops = &query_ops;
	s->conf = *(const struct store_conf *)conf;
	s->conf.synchronous = synchronous_word(s->conf.synchronous);
	s->path = g_strdup(url->path);
	s->text = g_strdup(url->text);
	s->read_only = read_only;
	s->ids = ids_new();
	s->points = points_new();
	s->data_version = -1;
	if (read_only) {
		store_call_begin(s, NULL);
		code = store_connect(s, error);
		store_call_end(s);
	}
	if (code) {
		store_close(s);
		return code;
	}
	*ret_self = s;
	return 0;
}

static int store_publish(void *self, const struct vmt_frame *frame, uint64_t bit,
			 const struct vmt_call *call, struct vmt_error *error)
{
	struct store *s = self;
	int code;

	if (s->read_only) {
		return vmt_error_set(error, -EROFS, "%s: opened for reading", s->text);
	}
	store_call_begin(s, call);
	code = store_call_check(s);
	if (code) {
		code = vmt_error_set(error, code, "%s: no time left", s->text);
	} else {
		code = store_connect(s, error);
	}
	if (code == 0) {
		code = points_publish(s, frame, bit, error);
	}
	store_call_end(s);
	/* Anything but a lack of time or room may come from the connection: begin with a new one. */
	if (code && code != -EAGAIN && code != -ENOSPC && code != -ETIMEDOUT &&
	    code != -ECANCELED) {
		store_disconnect(s);
	}
	return code;
}

static const struct vmt_publisher_ops ops = {
	.open = store_open,
	.publish = store_publish,
	.close = store_close,
	.store = &select_store,
};

VMT_PLUGIN(publisher, sqlite) = {
	.abi = VMT_ABI,
	.ns = VMT_PUBLISHER,
	.name = "sqlite",
	.version = "1",
	.help = "Stores samples in an SQLite file: sqlite:///path/to/file",
	.options = options,
	.conf_size = sizeof(struct store_conf),
	.ops.publisher = &ops,
};

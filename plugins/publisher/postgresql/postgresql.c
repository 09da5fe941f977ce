/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The publisher and store postgresql://: its life.  Opened on the main thread without a word to the server, which the
 * first publish connects to; the rest is on the publisher's own thread, or the one of a command.
 */
#include <errno.h>
#include <string.h>

#include "base/hash.h"
#include "ids.h"
#include "points.h"

static void pg_close(void *self)
{
	struct pg *p = self;

	if (!p) {
		return;
	}
	pg_disconnect(p);
	address_free(p->address);
	pgids_free(p->ids);
	pgrows_free(p->points);
	g_hash_table_destroy(p->partitions);
	g_free((char *)p->conf.schema);
	g_free((char *)p->conf.sslmode);
	g_free((char *)p->conf.sslrootcert);
	g_free((char *)p->conf.sslcert);
	g_free((char *)p->conf.sslkey);
	g_free((char *)p->conf.synchronous_commit);
	g_free(p->schema);
	g_free(p->text);
	g_free(p);
}

/* A name in SQL, whatever is in it. */
static char *quote(const char *name)
{
	GString *out = g_string_new("\"");

	for (; *name; name++) {
		if (*name == '"') {
			g_string_append_c(out, '"');
		}
		g_string_append_c(out, *name);
	}
	g_string_append_c(out, '"');
	return g_string_free(out, FALSE);
}

static struct pg *make(const struct pg_conf *conf, const struct vmt_url *url, bool read_only)
{
	struct pg *p = g_new0(struct pg, 1);
	p->select.ops = &pgquery_ops;

	p->conf = *conf;
	p->conf.host = p->conf.password = NULL; /* the address has them */
	p->conf.schema = g_strdup(conf->schema);
	p->conf.sslmode = g_strdup(conf->sslmode);
	p->conf.sslrootcert = g_strdup(conf->sslrootcert);
	p->conf.sslcert = g_strdup(conf->sslcert);
	p->conf.sslkey = g_strdup(conf->sslkey);
	p->conf.synchronous_commit = g_strdup(conf->synchronous_commit);
	p->text = g_strdup(url->text);
	p->read_only = read_only;
	p->schema = quote(conf->schema);
	p->lock = (int64_t)hash64(conf->schema, strlen(conf->schema), 0x766d7472);
	p->ids = pgids_new();
	p->points = pgrows_new();
	p->partitions = g_hash_table_new(NULL, NULL);
	return p;
}

static int pg_open(const void *conf, const struct vmt_url *url, bool read_only, void **ret_self,
		   struct vmt_error *error)
{
	const struct pg_conf *c = conf;
	struct pg *p;
	int code;

	if (url->query && url->query->key) {
		return vmt_error_set(error, -EINVAL,
				     "%s: unknown parameter %s; known are schema, host, password,"
				     " sslmode, sslrootcert, sslcert, sslkey, synchronous_commit,"
				     " timeout, store_message_ids, time_to_live",
				     url->text, url->query->key);
	}
	if (!c->schema || !*c->schema || strlen(c->schema) > 63 ||
	    g_str_has_prefix(c->schema, "pg_")) {
		return vmt_error_set(error, -EINVAL,
				     "%s: schema: write a name of 1 to 63 bytes that does not begin"
				     " with pg_",
				     url->text);
	}
	p = make(c, url, read_only);
	code = address_new(url, c, &p->address, error);
	if (code == 0 && read_only) {
		pg_call_begin(p, NULL);
		code = pg_connect(p, error);
	}
	if (code) {
		pg_close(p);
		return code;
	}
	*ret_self = p;
	return 0;
}

static int pg_publish(void *self, const struct vmt_frame *frame, uint64_t bit,
		      const struct vmt_call *call, struct vmt_error *error)
{
	struct pg *p = self;
	int code;

	if (p->read_only) {
		return vmt_error_set(error, -EROFS, "%s: opened for reading", p->text);
	}
	pg_call_begin(p, call);
	p->points->frame = frame;
	code = pgrows_publish(p, frame, bit, error);
	if (code == 0) {
		partition_expire(p);
	}
	p->call = NULL;
	return code == -EEXIST ? -EAGAIN : code;
}

static const struct vmt_publisher_ops ops = {
	.open = pg_open,
	.publish = pg_publish,
	.close = pg_close,
	.store = &select_store,
};

VMT_PLUGIN(publisher, postgresql) = {
	PG_PLUGIN,
	.ops.publisher = &ops,
};

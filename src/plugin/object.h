/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One plugin at work: its decoded configuration and what its `open` made.  Opened and closed on the main
 * thread.
 */
#ifndef PLUGIN_OBJECT_H
#define PLUGIN_OBJECT_H

#include <virtmeter/plugin.h>

#include "conf/ini.h"
#include "plugin/policy.h"
#include "plugin/registry.h"

struct plugin_object {
	const struct vmt_plugin *plugin;
	void *self; /* for the plugin's operations */
	struct policy policy; /* of a publisher */
	/* private */
	void *conf;
	struct arena *arena;
	struct url *url;
};

/* Decodes the options (of `url_text` too: publishers and receivers need one, the rest takes NULL) and
 * calls the plugin's `open`.  `url_at` is where the URL stands, or NULL.  `read_only` is for stores.
 * -EINVAL: an option or the URL is wrong; else what `open` answered; the reason in *error, and every
 * finding in `problems` (may be NULL). A transformer has no configuration file: -ENOTSUP. */
int plugin_object_open(const struct vmt_plugin *plugin, const struct ini *ini, const char *url_text,
		       const struct position *url_at, bool read_only,
		       struct plugin_object **ret_object, struct problems *problems,
		       struct vmt_error *error);
/* The publisher of a URL, looked up by its scheme; -ENOENT also when there is none. */
int plugin_object_open_url(struct registry *registry, const struct ini *ini, const char *url_text,
			   const struct position *url_at, struct plugin_object **ret_object,
			   struct problems *problems, struct vmt_error *error);
/* The same for a sink's publisher: what is wrong with its URL does not stop a start but leaves it out, and that is told in
 * `problems`. */
int plugin_object_open_sink(struct registry *registry, const struct ini *ini, const char *url_text,
			    const struct position *url_at, struct plugin_object **ret_object,
			    struct problems *problems, struct vmt_error *error);
/* Calls `close`, frees the configuration. */
void plugin_object_close(struct plugin_object *object);

/* The object's URL without secrets, "" when it has none. */
const char *plugin_object_url(const struct plugin_object *object);

/* A number that is the same as long as plugin, URL (secrets too) and every option's value are: whether a
 * reload needs a new object.  Opens nothing.  -EINVAL as plugin_object_open, without a reason. */
int plugin_object_fingerprint(const struct vmt_plugin *plugin, const struct ini *ini,
			      const char *url_text, uint64_t *ret_fingerprint);

/* Decodes as plugin_object_open does, opens nothing: for `check`. */
int plugin_object_check(const struct vmt_plugin *plugin, const struct ini *ini,
			const char *url_text, const struct position *url_at,
			struct problems *problems);

#endif

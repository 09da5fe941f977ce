/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plugins at work.  Main thread; `open` and `close` of a plugin do not block (contract), all else
 * blocks on nothing.
 */
#include "plugin/object.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/log.h"
#include "conf/option.h"
#include "plugin/registry.h"

static bool needs_url(const struct vmt_plugin *plugin)
{
	return plugin->ns == VMT_PUBLISHER || plugin->ns == VMT_RECEIVER ||
	       plugin->ns == VMT_COORDINATOR;
}

/* The text of the first error since `from`, without a reason nothing. */
static const char *error_since(const struct problems *problems, size_t from)
{
	for (size_t i = from; i < problems_count(problems); i++) {
		if (problems_at(problems, i)->level == PROBLEM_ERROR) {
			return problems_at(problems, i)->text;
		}
	}
	return "wrong configuration";
}

/* URL and options of the object; -EINVAL with each error in `problems`. */
static int configure(struct plugin_object *o, const struct ini *ini, const char *url_text,
		     const struct position *url_at, struct problems *problems)
{
	const struct vmt_plugin *p = o->plugin;
	struct vmt_error error = { "" };
	int ret = 0;

	if (needs_url(p) && !url_text) {
		problems_add(problems, PROBLEM_ERROR, url_at, "%s %s: no URL; write %s://...",
			     registry_namespace(p->ns), p->name, p->name);
		return -EINVAL;
	}
	if (url_text && url_parse(url_text, &o->url, &error) < 0) {
		problems_add(problems, PROBLEM_ERROR, url_at, "%s", error.text);
		return -EINVAL;
	}
	if (p->ns == VMT_PUBLISHER) {
		ret = policy_decode(o->url, url_at, o->arena, &o->policy, problems);
	}
	o->conf = arena_alloc0(o->arena, p->conf_size ? p->conf_size : 1);
	if (options_decode(p->options, ini, o->url, url_at, o->arena, o->conf, problems) < 0) {
		ret = -EINVAL;
	}
	return ret;
}

static int call_open(struct plugin_object *o, bool read_only, struct vmt_error *error)
{
	const struct vmt_plugin *p = o->plugin;
	const struct vmt_url *url = o->url ? url_get(o->url) : NULL;

	switch (p->ns) {
	case VMT_DISCOVERY:
		return p->ops.discovery->open(o->conf, &o->self, error);
	case VMT_INSPECTOR:
		return p->ops.inspector->open(o->conf, &o->self, error);
	case VMT_POLLSTER:
		return p->ops.pollster->open(o->conf, &o->self, error);
	case VMT_PUBLISHER:
		return p->ops.publisher->open(o->conf, url, read_only, &o->self, error);
	case VMT_RECEIVER:
		return p->ops.receiver->open(o->conf, url, &o->self, error);
	case VMT_COORDINATOR:
		return p->ops.coordinator->open(o->conf, url, &o->self, error);
	case VMT_TRANSFORMER:
	case VMT_NAMESPACES:
		break;
	}
	return vmt_error_set(error, -ENOTSUP, "%s %s: has no configuration file",
			     registry_namespace(p->ns), p->name);
}

static void call_close(struct plugin_object *o)
{
	const struct vmt_plugin *p = o->plugin;
	void (*close)(void *) = NULL;

	switch (p->ns) {
	case VMT_DISCOVERY:
		close = p->ops.discovery->close;
		break;
	case VMT_INSPECTOR:
		close = p->ops.inspector->close;
		break;
	case VMT_POLLSTER:
		close = p->ops.pollster->close;
		break;
	case VMT_PUBLISHER:
		close = p->ops.publisher->close;
		break;
	case VMT_RECEIVER:
		close = p->ops.receiver->close;
		break;
	case VMT_COORDINATOR:
		close = p->ops.coordinator->close;
		break;
	case VMT_TRANSFORMER:
	case VMT_NAMESPACES:
		break;
	}
	if (close) {
		close(o->self);
	}
}

static struct plugin_object *object_new(const struct vmt_plugin *plugin)
{
	struct plugin_object *o = g_new0(struct plugin_object, 1);

	o->plugin = plugin;
	o->arena = arena_new(1024);
	return o;
}

static void object_free(struct plugin_object *o)
{
	url_free(o->url);
	arena_free(o->arena);
	g_free(o);
}

int plugin_object_open(const struct vmt_plugin *plugin, const struct ini *ini, const char *url_text,
		       const struct position *url_at, bool read_only,
		       struct plugin_object **ret_object, struct problems *problems,
		       struct vmt_error *error)
{
	struct plugin_object *o = object_new(plugin);
	struct problems *list = problems ? problems : problems_new();
	struct vmt_error why = { "" };
	size_t before = problems_count(list);
	const char *logger;
	int ret = configure(o, ini, url_text, url_at, list);

	if (ret < 0) {
		vmt_error_set(error, ret, "%s", error_since(list, before));
	} else {
		logger = log_plugin(plugin->name);
		ret = call_open(o, read_only, &why);
		log_plugin(logger);
		if (ret < 0) {
			vmt_error_set(error, ret, "%s", why.text[0] ? why.text : g_strerror(-ret));
		}
	}
	if (!problems) {
		problems_free(list);
	}
	if (ret < 0) {
		object_free(o);
		return ret;
	}
	*ret_object = o;
	return 0;
}

int plugin_object_open_url(struct registry *registry, const struct ini *ini, const char *url_text,
			   const struct position *url_at, struct plugin_object **ret_object,
			   struct problems *problems, struct vmt_error *error)
{
	const struct vmt_plugin *plugin =
		registry_find_url(registry, VMT_PUBLISHER, url_text, error);

	return plugin ? plugin_object_open(plugin, ini, url_text, url_at, false, ret_object,
					   problems, error)
		      : -ENOENT;
}

/* A finding without the place that its text begins with. */
static const char *bare_text(const struct problem *p)
{
	struct buf place = BUF_INIT;
	size_t n;

	position_print(&p->at, &place);
	n = place.len;
	buf_fini(&place);
	return p->text + n;
}

static bool same_place(const struct position *a, const struct position *b)
{
	return a->file == b->file && a->line == b->line && a->column == b->column;
}

int plugin_object_open_sink(struct registry *registry, const struct ini *ini, const char *url_text,
			    const struct position *url_at, struct plugin_object **ret_object,
			    struct problems *problems, struct vmt_error *error)
{
	struct problems *own = problems_new();
	int ret = plugin_object_open_url(registry, ini, url_text, url_at, ret_object, own, error);

	for (size_t i = 0; i < problems_count(own); i++) {
		const struct problem *p = problems_at(own, i);

		if (p->level == PROBLEM_ERROR && same_place(&p->at, url_at)) {
			problems_add_failed(problems, url_at, "%s; its sink goes on without",
					    bare_text(p));
		} else {
			problems_add(problems, p->level, &p->at, "%s", bare_text(p));
		}
	}
	if (ret < 0 && problems_of(own, PROBLEM_ERROR) == 0) {
		problems_add_failed(problems, url_at, "%s; its sink goes on without", error->text);
	}
	problems_free(own);
	return ret;
}

void plugin_object_close(struct plugin_object *o)
{
	const char *logger;

	if (!o) {
		return;
	}
	logger = log_plugin(o->plugin->name);
	call_close(o);
	log_plugin(logger);
	object_free(o);
}

const char *plugin_object_url(const struct plugin_object *o)
{
	return o->url ? url_get(o->url)->text : "";
}

int plugin_object_fingerprint(const struct vmt_plugin *plugin, const struct ini *ini,
			      const char *url_text, uint64_t *ret_fingerprint)
{
	struct plugin_object *o = object_new(plugin);
	int ret = configure(o, ini, url_text, NULL, NULL);
	uint64_t h = hash64(plugin->name, strlen(plugin->name), (uint64_t)plugin->ns);

	if (ret == 0) {
		h = hash64(url_text, url_text ? strlen(url_text) : 0, h);
		*ret_fingerprint = options_hash(plugin->options, o->conf, h);
	}
	object_free(o);
	return ret;
}

int plugin_object_check(const struct vmt_plugin *plugin, const struct ini *ini,
			const char *url_text, const struct position *url_at,
			struct problems *problems)
{
	struct plugin_object *o = object_new(plugin);
	int ret = configure(o, ini, url_text, url_at, problems);

	object_free(o);
	return ret;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* From the configuration to a store that is open for reading.  Main thread; blocks on reading files. */
#include "cmd/store.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/arena.h"
#include "builtin.h"
#include "conf/polling.h"
#include "conf/settings.h"
#include "plugin/object.h"
#include "plugin/registry.h"

/* The publisher that a URL names, or NULL. */
static const struct vmt_plugin *find(struct registry *registry, const char *url)
{
	char *scheme = g_strndup(url, strcspn(url, ":"));
	const struct vmt_plugin *plugin = registry_find(registry, VMT_PUBLISHER, scheme, NULL);

	g_free(scheme);
	return plugin;
}

/* The first publisher of pipeline.yaml that is a store; NULL when there is none.  Valid as long as the
 * pipeline. */
static const char *store_of(struct registry *registry, const struct polling *pipeline)
{
	for (size_t s = 0; s < pipeline->sink_count; s++) {
		const struct polling_list *urls = &pipeline->sinks[s].publishers;

		for (size_t i = 0; i < urls->count; i++) {
			const struct vmt_plugin *plugin = find(registry, urls->item[i].text);

			if (plugin && plugin->ops.publisher->store) {
				return urls->item[i].text;
			}
		}
	}
	return NULL;
}

/* The configured store, to be freed. */
static int configured(struct registry *registry, const struct ini *ini,
		      const struct settings *settings, char **ret_url, struct vmt_error *error)
{
	struct problems *problems = problems_new();
	struct arena *arena = arena_new(0);
	struct polling *pipeline = NULL;
	const char *path, *url = settings->store;
	int code = 0;

	path = url ? NULL : ini_find_file(ini, settings->pipeline_cfg_file, arena);
	if (path) {
		code = polling_read_file(path, PIPELINE_OF_PAIR, &pipeline, problems);
		url = pipeline ? store_of(registry, pipeline) : NULL; /* whatever else is wrong */
	}
	if (code && !url) {
		vmt_error_set(error, code, "%s", problems_first_error(problems));
	} else if (!url) {
		code = vmt_error_set(error, -ENOENT,
				     "no store is configured%s%s; name one with"
				     " --store sqlite:///path",
				     path ? " in " : "", path ? path : "");
	} else {
		*ret_url = g_strdup(url);
		code = 0;
	}
	polling_free(pipeline);
	arena_free(arena);
	problems_free(problems);
	return code;
}

static int open_url(struct registry *registry, const struct ini *ini, const char *url,
		    struct plugin_object **ret_object, struct vmt_error *error)
{
	const struct vmt_plugin *plugin = find(registry, url);
	char *example = plugin ? NULL : g_strndup(url, strcspn(url, ":/?"));
	int code;

	if (!plugin && !strstr(url, "://")) {
		g_free(example);
		return vmt_error_set(error, -EINVAL, "--store: '%s' is no URL; write sqlite://%s",
				     url, *url == '/' ? url : "/path/to/file");
	}
	if (!plugin) {
		code = vmt_error_set(error, -EINVAL,
				     "--store: no store is called '%s';"
				     " write sqlite:///path/to/file",
				     example);
		g_free(example);
		return code;
	}
	if (!plugin->ops.publisher->store) {
		return vmt_error_set(error, -EINVAL,
				     "--store: %s:// cannot be read;"
				     " write sqlite:///path/to/file",
				     plugin->name);
	}
	return plugin_object_open(plugin, ini, url, NULL, true, ret_object, NULL, error);
}

int cmd_store_open(const struct vmt_plugin *const *builtin, const struct ini_search *search,
		   const char *url, struct cmd_store *ret_store, struct vmt_error *error)
{
	struct problems *problems = problems_new();
	struct registry *registry = registry_new(builtin);
	struct ini *ini = ini_new();
	struct plugin_object *object = NULL;
	struct settings settings;
	char *found = NULL;
	int code = ini_search(ini, search, problems);
	int read = settings_read(&settings, ini, problems);

	code = code ? code : read;
	if (code) {
		vmt_error_set(error, code, "%s", problems_first_error(problems));
	} else {
		registry_load_dir(registry, builtin_plugin_folder(), NULL);
		registry_load_dir(registry, settings.plugin_dir, NULL);
		if (!url) {
			code = configured(registry, ini, &settings, &found, error);
		}
	}
	url = url ? url : found;
	g_assert(code || url);
	if (code == 0) {
		code = open_url(registry, ini, url, &object, error);
	}
	settings_fini(&settings);
	g_free(found);
	ini_free(ini);
	problems_free(problems);
	if (code) {
		registry_free(registry);
		return code;
	}
	g_assert(object);
	*ret_store = (struct cmd_store){
		.ops = object->plugin->ops.publisher->store,
		.self = object->self,
		.object = object,
		.registry = registry,
	};
	return 0;
}

void cmd_store_close(struct cmd_store *store)
{
	if (store) {
		plugin_object_close(store->object);
		registry_free(store->registry);
	}
}

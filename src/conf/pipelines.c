/* SPDX-License-Identifier: Apache-2.0 */
/* Which YAML files count, and where samples go.  Main thread; blocks on reading files. */
#include "conf/pipelines.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/arena.h"
#include "conf/yaml_tree.h"

#define NO_FILE                                                                                    \
	"%s: no such file, neither here nor beside the configuration; write one or set %s in [%s]"

/* What every sample takes to a notification agent.  "vm." meters do not: none knows them. */
static const char to_notifications[] =
	"sources:\n  - {name: notifications, meters: ['*'], sinks: [notifications]}\n"
	"sinks:\n  - {name: notifications, publishers: ['polling://']}\n";

/* Publishers that only Ceilometer's notification agent has. */
static const char *const of_notification_agent[] = {
	"gnocchi", "zaqar",    "prometheus", "opentelemetry", "opentelemetryhttp",
	"monasca", "database", "direct",     "panko",         NULL
};

static bool is_bus_configured(const struct ini *ini)
{
	static const struct {
		const char *group, *name;
	} options[] = {
		{ NULL, "transport_url" },
		{ "oslo_messaging_notifications", "transport_url" },
		{ NULL, "rabbit_host" },
		{ NULL, "rabbit_hosts" },
		{ "oslo_messaging_rabbit", "rabbit_host" },
		{ "oslo_messaging_rabbit", "rabbit_hosts" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
		if (ini_find(ini, options[i].group, options[i].name, NULL)) {
			return true;
		}
	}
	return false;
}

static bool is_for_notification_agent(const char *url)
{
	for (const char *const *s = of_notification_agent; *s; s++) {
		size_t n = strlen(*s);

		if (g_ascii_strncasecmp(url, *s, n) == 0 && (url[n] == ':' || url[n] == '\0')) {
			return true;
		}
	}
	return false;
}

/* Whether this process could use none of the file's publishers. */
static bool has_only_foreign(const struct polling *p)
{
	for (size_t i = 0; i < p->sink_count; i++) {
		const struct polling_list *list = &p->sinks[i].publishers;

		for (size_t k = 0; k < list->count; k++) {
			if (!is_for_notification_agent(list->item[k].text)) {
				return false;
			}
		}
	}
	return true;
}

static int read_yaml(const char *path, enum polling_role role, struct arena *arena,
		     struct problems *problems, struct pipelines *p, struct polling **ret_polling)
{
	p->file[p->files++] = arena_strdup(arena, path);
	return polling_read_file(path, role, ret_polling, problems);
}

/* What is wrong with it has the place of what asks for it: `deliver`, else the bus. */
static int read_notify(const struct ini *ini, struct problems *problems,
		       struct polling **ret_polling)
{
	const struct ini_value *asks = ini_find(ini, "virtmeter", "deliver", NULL);
	struct yaml_origin origin = { .made = true };

	if (!is_bus_configured(ini)) {
		problems_add(
			problems, PROBLEM_WARNING, asks ? &asks->value_at : NULL,
			"deliver: no transport_url says where the bus is; it is looked for on this host "
			"(rabbit://guest@127.0.0.1:5672)");
	}
	asks = asks ? asks : ini_find(ini, "oslo_messaging_notifications", "transport_url", NULL);
	asks = asks ? asks : ini_find(ini, NULL, "transport_url", NULL);
	if (asks) {
		origin.at = asks->value_at;
	}
	return polling_read_part(&origin, to_notifications, strlen(to_notifications), PIPELINE_FILE,
				 ret_polling, problems);
}

/* Whether a polling.yaml belongs to the pipeline file: it lies beside it, or is named.  Then the two are a pair as since
 * Ocata, where intervals left over in the pipeline have no effect. */
static bool is_pair(const struct ini *ini, const struct settings *s, const char *pipeline,
		    struct arena *arena)
{
	const char *polling = ini_find_file(ini, s->cfg_file, arena);
	char *a, *b;
	bool same;

	if (!polling || ini_find(ini, "polling", "cfg_file", NULL)) {
		return polling != NULL;
	}
	a = g_path_get_dirname(pipeline);
	b = g_path_get_dirname(polling);
	same = strcmp(a, b) == 0;
	g_free(a);
	g_free(b);
	return same;
}

/* A file that an option names is nowhere: told where the option stands. */
static int tell_missing(const struct ini *ini, const char *group, const char *option,
			const char *name, unsigned without, struct problems *problems)
{
	const struct ini_value *v = ini_find(ini, group, option, NULL);

	if (!(without & PIPELINES_OPTIONAL)) {
		problems_add(problems, PROBLEM_ERROR, v ? &v->value_at : NULL, NO_FILE, name,
			     option, group ? group : "DEFAULT");
	}
	return -ENOENT;
}

/* deliver = auto, of which the file was read, or is not there (NULL). */
static enum settings_deliver choose(const struct ini *ini, const struct settings *s,
				    const struct polling *pipeline, struct problems *problems)
{
	bool can = s->enable_notifications && is_bus_configured(ini);

	if (!pipeline) {
		return can ? DELIVER_NOTIFICATIONS : DELIVER_SINKS;
	}
	if (!polling_has_intervals(pipeline) && can && has_only_foreign(pipeline)) {
		problems_add(problems, PROBLEM_NOTE, &(struct position){ .file = pipeline->file },
			     "has only publishers of the notification agent: samples go there "
			     "(deliver = sinks or both would use the file)");
		return DELIVER_NOTIFICATIONS;
	}
	return DELIVER_SINKS;
}

/* Where samples go: p->pipeline and p->beside. */
static int read_pipeline(const struct ini *ini, const struct settings *s, unsigned without,
			 struct arena *arena, struct problems *problems, struct pipelines *p)
{
	const char *path = s->deliver == DELIVER_NOTIFICATIONS
				   ? NULL
				   : ini_find_file(ini, s->pipeline_cfg_file, arena);
	enum settings_deliver deliver = s->deliver;
	enum polling_role role = path && is_pair(ini, s, path, arena) ? PIPELINE_OF_PAIR
								      : PIPELINE_FILE;
	int ret = path ? read_yaml(path, role, arena, problems, p, &p->pipeline) : 0;

	if (ret < 0) {
		return ret;
	}
	if (role == PIPELINE_OF_PAIR && polling_has_intervals(p->pipeline)) {
		problems_add(problems, PROBLEM_WARNING,
			     &(struct position){ .file = p->pipeline->file },
			     "says how often to poll, as Juno's did: %s is not read", s->cfg_file);
	}
	if (deliver == DELIVER_AUTO) {
		deliver = choose(ini, s, p->pipeline, problems);
	}
	if (deliver == DELIVER_NOTIFICATIONS) {
		polling_free(p->pipeline);
		p->pipeline = NULL;
		return read_notify(ini, problems, &p->pipeline);
	}
	if (!path) {
		return tell_missing(ini, NULL, "pipeline_cfg_file", s->pipeline_cfg_file, without,
				    problems);
	}
	return deliver == DELIVER_BOTH ? read_notify(ini, problems, &p->beside) : 0;
}

/* What is polled, when the pipelines do not say it. */
static int read_polling(const struct ini *ini, const struct settings *s, unsigned without,
			struct arena *arena, struct problems *problems, struct pipelines *p)
{
	const char *path = ini_find_file(ini, s->cfg_file, arena);

	if (!path) {
		return tell_missing(ini, "polling", "cfg_file", s->cfg_file, without, problems);
	}
	return read_yaml(path, POLLING_FILE, arena, problems, p, &p->polling);
}

int pipelines_read(const struct ini *ini, const struct settings *settings, unsigned without,
		   struct arena *arena, struct problems *problems, struct pipelines *p)
{
	int ret = 0, other;

	*p = (struct pipelines){ .polling = NULL };
	if (!(without & PIPELINES_NO_SINKS)) {
		ret = read_pipeline(ini, settings, without, arena, problems, p);
	}
	if (without & PIPELINES_NO_POLLING) {
		return ret;
	}
	if (p->pipeline && polling_has_intervals(p->pipeline)) {
		p->polling = p->pipeline; /* Juno: one file says it all */
		return ret;
	}
	other = read_polling(ini, settings, without, arena, problems, p);
	return ret ? ret : other;
}

void pipelines_fini(struct pipelines *p)
{
	if (!p) {
		return;
	}
	if (p->polling != p->pipeline) {
		polling_free(p->polling);
	}
	polling_free(p->pipeline);
	polling_free(p->beside);
	*p = (struct pipelines){ .polling = NULL };
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Dispatchers of Ceilometer's collector as sinks.  Main thread; blocks on nothing. */
#include "conf/dispatchers.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/buf.h"
#include "conf/yaml_tree.h"

/* The names of the eras; of the first that is there, the place is told. */
static const struct {
	const char *group, *name;
} options[] = { /* as settings' dispatchers */
		{ NULL, "dispatcher" },
		{ "collector", "dispatcher" },
		{ NULL, "meter_dispatchers" }
};

static void add_escaped(struct buf *url, const char *text, const char *kept)
{
	char *escaped = g_uri_escape_string(text, kept, false);

	buf_puts(url, escaped);
	g_free(escaped);
}

/* What is wrong with the option, or NULL and the URL of what takes its place. */
static const char *file_url(const struct settings *s, struct buf *url)
{
	if (s->dispatcher_file_path[0] != '/') {
		return "a relative path depends on where the collector starts; write an absolute one";
	}
	buf_puts(url, "file://");
	add_escaped(url, s->dispatcher_file_path, "/");
	buf_printf(url,
		   "?format=message&max_bytes=%" G_GINT64_FORMAT "&backup_count=%" G_GINT64_FORMAT,
		   s->dispatcher_max_bytes, s->dispatcher_backup_count);
	return NULL;
}

static const char *http_url(const struct settings *s, struct buf *url)
{
	const char *target = s->dispatcher_target;

	if (!g_str_has_prefix(target, "http://") && !g_str_has_prefix(target, "https://")) {
		return "is not http:// or https://";
	}
	buf_printf(url, "%s%cform=message&batch=%s&timeout=%" G_GINT64_FORMAT, target,
		   strchr(target, '?') ? '&' : '?', s->dispatcher_batch ? "true" : "false",
		   s->dispatcher_timeout_s);
	if (s->dispatcher_verify_ssl && s->dispatcher_verify_ssl[0]) {
		buf_puts(url, "&verify_ssl=");
		add_escaped(url, s->dispatcher_verify_ssl, "/");
	}
	return NULL;
}

static const struct kind {
	const char *name;
	const char *group, *option; /* without which it writes nothing */
	size_t offset; /* of that one's value */
	const char *(*url)(const struct settings *s, struct buf *url);
} kinds[] = {
	{ "file", "dispatcher_file", "file_path", offsetof(struct settings, dispatcher_file_path),
	  file_url },
	{ "http", "dispatcher_http", "target", offsetof(struct settings, dispatcher_target),
	  http_url },
};

static const struct kind *find_kind(const char *name)
{
	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
		if (strcmp(kinds[i].name, name) == 0) {
			return &kinds[i];
		}
	}
	return NULL;
}

/* A sink of the kind, unless there is something wrong with it. */
static void add_sink(const struct kind *kind, const struct settings *s, const struct ini *ini,
		     const struct position *at, struct buf *sinks, struct buf *names,
		     struct problems *problems)
{
	const char *value = *(const char *const *)(const void *)((const char *)s + kind->offset);
	const struct ini_value *v = ini_find(ini, kind->group, kind->option, NULL);
	const struct position *place = v ? &v->value_at : at;
	struct buf url = BUF_INIT;
	const char *wrong;

	if (!value || !value[0]) {
		problems_add(problems, PROBLEM_WARNING, place,
			     "dispatcher %s: without [%s] %s it writes nothing", kind->name,
			     kind->group, kind->option);
		return;
	}
	wrong = kind->url(s, &url);
	if (wrong) {
		problems_add(problems, PROBLEM_WARNING, place, "%s: %s; nothing is written there",
			     kind->option, wrong);
	} else {
		problems_add(problems, PROBLEM_NOTE, place,
			     "dispatcher %s: a collector writes every sample to [%s] %s, too",
			     kind->name, kind->group, kind->option);
		buf_printf(names, "%sdispatcher_%s", names->len ? ", " : "", kind->name);
		buf_printf(sinks, "  - name: dispatcher_%s\n    publishers: ['", kind->name);
		for (const char *p = url.data; *p; p++) {
			buf_puts(sinks, *p == '\'' ? "''" : (char[]){ *p, '\0' });
		}
		buf_puts(sinks, "']\n");
	}
	buf_fini(&url);
}

struct names {
	bool given, database;
	struct position at; /* of the first */
	GPtrArray *kinds; /* each once, in their order */
};

static void add_name(struct names *names, const char *name, const struct position *at,
		     struct problems *problems)
{
	const struct kind *kind = find_kind(name);

	if (strcmp(name, "database") == 0) {
		names->database = true;
	} else if (!kind) {
		problems_add(
			problems, PROBLEM_WARNING, at,
			"dispatcher %s: is left out; there are database, file and http here, and "
			"publishers in pipeline.yaml",
			name);
	} else if (!g_ptr_array_find(names->kinds, kind, NULL)) {
		g_ptr_array_add(names->kinds, (void *)(uintptr_t)kind);
	}
}

static void gather_names(const struct settings *s, const struct ini *ini, struct problems *problems,
			 struct names *names)
{
	for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
		const struct ini_value *v = ini_find(ini, options[i].group, options[i].name, NULL);

		if (v && !names->given) {
			names->at = v->value_at;
			names->given = true;
		}
		for (const char *const *n = s->dispatchers[i]; v && *n; n++) {
			add_name(names, *n, &v->value_at, problems);
		}
	}
	if (names->kinds->len > 0 && !names->database) {
		problems_add(problems, PROBLEM_NOTE, &names->at,
			     "dispatcher: database is not among them; a collector has the "
			     "publishers of pipeline.yaml all the same");
	}
}

int dispatchers_read(const struct settings *s, const struct ini *ini, struct problems *problems,
		     struct polling **ret_sinks)
{
	struct names names = { .kinds = g_ptr_array_new() };
	struct buf yaml = BUF_INIT, sinks = BUF_INIT, list = BUF_INIT;
	int ret = 0;

	*ret_sinks = NULL;
	gather_names(s, ini, problems, &names);
	for (guint i = 0; i < names.kinds->len; i++) {
		add_sink(g_ptr_array_index(names.kinds, i), s, ini, &names.at, &sinks, &list,
			 problems);
	}
	if (sinks.len > 0) {
		const struct yaml_origin origin = { .at = names.at, .made = true };

		buf_printf(&yaml,
			   "sources:\n  - {name: dispatchers, meters: ['*', 'vm.*'], sinks: [%s]}\n"
			   "sinks:\n%s",
			   list.data, sinks.data);
		ret = polling_read_part(&origin, yaml.data, yaml.len, PIPELINE_FILE, ret_sinks,
					problems);
	}
	buf_fini(&yaml);
	buf_fini(&sinks);
	buf_fini(&list);
	g_ptr_array_unref(names.kinds);
	return ret;
}

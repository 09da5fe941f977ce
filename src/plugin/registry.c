/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plugins there are.  Main thread only; blocks on the disk while it opens shared objects, and on what
 * their libraries do when they are loaded.
 */
#include "plugin/registry.h"

#include <dirent.h>
#include <errno.h>
#include <gmodule.h>
#include <string.h>

#include "base/intern.h"
#include "conf/settings.h"
#include "conf/url.h"
#include "plugin/registry_private.h"

struct entry {
	const struct vmt_plugin *plugin; /* a declaration (without operations) until it is opened */
	char *file; /* NULL: built in, or declared and not found in any folder */
};

/* A shared object whose name says what it holds, not opened yet. */
struct waiting {
	enum vmt_namespace ns;
	char **names;
	char *file;
};

struct registry {
	GArray *entries; /* struct entry */
	GPtrArray *waiting; /* struct waiting * */
	GPtrArray *failures; /* char * */
	char *folder; /* read last */
};

static const char *const namespaces[VMT_NAMESPACES] = {
	[VMT_DISCOVERY] = "discovery",     [VMT_INSPECTOR] = "inspector",
	[VMT_POLLSTER] = "pollster",       [VMT_TRANSFORMER] = "transformer",
	[VMT_PUBLISHER] = "publisher",     [VMT_RECEIVER] = "receiver",
	[VMT_COORDINATOR] = "coordinator",
};

const char *registry_namespace(enum vmt_namespace ns)
{
	return namespaces[ns];
}

static void free_entry(void *data)
{
	g_free(((struct entry *)data)->file);
}

static void free_waiting(void *data)
{
	struct waiting *w = data;

	g_strfreev(w->names);
	g_free(w->file);
	g_free(w);
}

/* ---- what is known */

static bool has_name(const struct vmt_plugin *p, const char *name)
{
	if (strcmp(p->name, name) == 0) {
		return true;
	}
	for (const char *const *a = p->aliases; a && *a; a++) {
		if (strcmp(*a, name) == 0) {
			return true;
		}
	}
	return false;
}

static bool is_declaration(const struct vmt_plugin *p)
{
	return !p->ops.publisher;
}

static struct entry *find(const struct registry *r, enum vmt_namespace ns, const char *name)
{
	for (size_t i = 0; i < r->entries->len; i++) {
		struct entry *e = &g_array_index(r->entries, struct entry, i);

		if (e->plugin->ns == ns && has_name(e->plugin, name)) {
			return e;
		}
	}
	return NULL;
}

static void fail(struct registry *r, const char *file, struct problems *problems,
		 const char *format, ...) __attribute__((format(printf, 4, 5)));

static void fail(struct registry *r, const char *file, struct problems *problems,
		 const char *format, ...)
{
	struct position at = { .file = intern(file) };
	va_list args;
	char *text;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	problems_add_failed(problems, &at, "%s; the plugin is left out", text);
	g_ptr_array_add(r->failures, g_strdup_printf("%s: %s", file, text));
	g_free(text);
}

/* ---- whether one can be used */

static const char *bad_option(const struct vmt_plugin *p)
{
	static const size_t sizes[] = {
		[VMT_OPT_BOOL] = sizeof(bool),
		[VMT_OPT_INT] = sizeof(int64_t),
		[VMT_OPT_DOUBLE] = sizeof(double),
		[VMT_OPT_SECONDS] = sizeof(int64_t),
		[VMT_OPT_STRING] = sizeof(char *),
		[VMT_OPT_LIST] = sizeof(char **),
		[VMT_OPT_SCALAR] = sizeof(struct vmt_scalar),
		[VMT_OPT_DICT] = sizeof(struct vmt_pair *),
	};

	for (const struct vmt_option *o = p->options; o && o->name; o++) {
		if ((size_t)o->type >= G_N_ELEMENTS(sizes) || o->offset > p->conf_size ||
		    p->conf_size - o->offset < sizes[o->type]) {
			return o->name;
		}
	}
	return NULL;
}

/* What is wrong with the plugin, to be freed; NULL: nothing.  `declared`: it may lack operations. */
static char *fault(const struct registry *r, const struct vmt_plugin *p, bool declared)
{
	const struct entry *other;
	const char *option;

	if (p->abi != VMT_ABI) {
		return g_strdup_printf(
			"ABI %u, this virtmeter has %d; build it against this version's "
			"virtmeter/plugin.h",
			p->abi, VMT_ABI);
	}
	if ((unsigned)p->ns >= VMT_NAMESPACES || !p->name || !p->name[0] ||
	    (is_declaration(p) && !declared)) {
		return g_strdup(
			"no namespace, name or operations in its struct vmt_plugin; fill them in");
	}
	option = bad_option(p);
	if (option) {
		return g_strdup_printf(
			"%s %s: option %s lies outside of its configuration; set conf_size, "
			"offset and type",
			namespaces[p->ns], p->name, option);
	}
	for (size_t i = 0; i == 0 || (p->aliases && p->aliases[i - 1]); i++) {
		const char *name = i ? p->aliases[i - 1] : p->name;

		other = find(r, p->ns, name);
		if (other) {
			return g_strdup_printf("%s %s is already there (%s); remove one of them",
					       namespaces[p->ns], name,
					       other->file ? other->file : "built in");
		}
	}
	return NULL;
}

static const struct vmt_plugin *add(struct registry *r, const struct vmt_plugin *plugin,
				    const char *file, struct problems *problems)
{
	struct entry e = { .plugin = plugin };
	char *why = fault(r, plugin, !file);

	if (why) {
		fail(r, file ? file : "built in", problems, "%s", why);
		g_free(why);
		return NULL;
	}
	e.file = g_strdup(file);
	g_array_append_val(r->entries, e);
	/* cppcheck-suppress memleak ; the array has it */
	return plugin;
}

/* ---- shared objects */

/* The loader's words without the file's name, which stands before them anyway. */
static const char *module_error(const char *file)
{
	const char *text = g_module_error();
	size_t n = strlen(file);

	if (!text) {
		return "cannot be loaded";
	}
	return strncmp(text, file, n) == 0 && strncmp(text + n, ": ", 2) == 0 ? text + n + 2 : text;
}

static const struct vmt_plugin *open_symbol(struct registry *r, const char *file,
					    struct problems *problems)
{
	GModule *module = g_module_open(file, G_MODULE_BIND_LOCAL);
	void *symbol = NULL;

	if (!module) {
		fail(r, file, problems, "%s", module_error(file));
		return NULL;
	}
	if (!g_module_symbol(module, "vmt_plugin", &symbol) || !symbol) {
		fail(r, file, problems,
		     "no symbol vmt_plugin in it; define it by VMT_PLUGIN, compile with "
		     "-DVMT_SHARED");
		g_module_close(module);
		return NULL;
	}
	g_module_make_resident(module); /* calls written off may still be inside */
	return symbol;
}

static void open_file(struct registry *r, const char *file, struct problems *problems)
{
	const struct vmt_plugin *plugin = open_symbol(r, file, problems);

	if (plugin) {
		add(r, plugin, file, problems);
	}
}

static bool waits_for(const struct waiting *w, enum vmt_namespace ns, const char *name)
{
	return w->ns == ns && g_strv_contains((const char *const *)w->names, name);
}

/* Opens the one that waits at `i`, which is gone afterwards. */
static void open_waiting(struct registry *r, size_t i, struct problems *problems)
{
	struct waiting *w = g_ptr_array_steal_index(r->waiting, (guint)i);
	const struct vmt_plugin *p = open_symbol(r, w->file, problems);

	if (p && p->abi == VMT_ABI && p->name &&
	    (p->ns != w->ns || !waits_for(w, p->ns, p->name))) {
		fail(r, w->file, problems, "holds %s %s, not what its name says; rename the file",
		     (unsigned)p->ns < VMT_NAMESPACES ? namespaces[p->ns] : "?", p->name);
	} else if (p) {
		add(r, p, w->file, problems);
	}
	free_waiting(w);
}

/* Puts the opened plugin in its declaration's place. */
static void open_declared(struct registry *r, struct entry *e)
{
	const struct vmt_plugin *d = e->plugin, *p;

	if (!e->file) {
		char *file = g_strdup_printf("%s-%s.so", namespaces[d->ns], d->name);

		fail(r, file, NULL, "not found beside the program's other plugins; install it");
		g_free(file);
		return;
	}
	p = open_symbol(r, e->file, NULL);
	if (p && (p->abi != VMT_ABI || p->ns != d->ns || g_strcmp0(p->name, d->name) != 0 ||
		  p->conf_size != d->conf_size || g_strcmp0(p->version, d->version) != 0 ||
		  is_declaration(p))) {
		fail(r, e->file, NULL,
		     "not of this virtmeter (%s); install program and plugins of one version, restart",
		     d->version);
	} else if (p) {
		e->plugin = p;
	}
}

/* A file of a plugin that is declared already: remembers where it is. */
static bool is_declared(struct registry *r, const struct waiting *w)
{
	struct entry *e = find(r, w->ns, w->names[0]);

	if (!e || !is_declaration(e->plugin) || e->file) {
		return false;
	}
	e->file = g_strdup(w->file);
	return true;
}

/* "publisher-rpc+meter.so": whether the name says what is in it; then it waits. */
static bool let_wait(struct registry *r, const char *base, const char *file)
{
	for (int ns = 0; ns < VMT_NAMESPACES; ns++) {
		size_t n = strlen(namespaces[ns]), all = strlen(base) - 3;
		struct waiting *w;
		char *names;

		if (strncmp(base, namespaces[ns], n) != 0 || base[n] != '-' || all <= n + 1) {
			continue;
		}
		names = g_strndup(base + n + 1, all - n - 1);
		w = g_new0(struct waiting, 1);
		w->ns = (enum vmt_namespace)ns;
		w->names = g_strsplit(names, "+", -1);
		w->file = g_strdup(file);
		g_free(names);
		if (is_declared(r, w)) {
			free_waiting(w);
		} else {
			g_ptr_array_add(r->waiting, w);
		}
		return true;
	}
	return false;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int registry_load_dir(struct registry *r, const char *path, struct problems *problems)
{
	struct position at = { .file = intern(path) };
	DIR *dir;
	struct dirent *entry;
	GPtrArray *names;

	if (!path || (r->folder && strcmp(path, r->folder) == 0)) {
		return 0;
	}
	dir = path[0] ? opendir(path) : NULL;
	if (!dir) {
		int code = path[0] ? errno : ENOENT;

		if (code == ENOENT) {
			return 0;
		}
		problems_add_failed(problems, &at, "plugin_dir: %s; no plugins from there",
				    g_strerror(code));
		return -code;
	}
	g_free(r->folder);
	r->folder = g_strdup(path);
	names = g_ptr_array_new_with_free_func(g_free);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.' && g_str_has_suffix(entry->d_name, ".so")) {
			g_ptr_array_add(names, g_strdup(entry->d_name));
		}
	}
	closedir(dir);
	g_ptr_array_sort(names, by_name);
	for (size_t i = 0; i < names->len; i++) {
		const char *base = g_ptr_array_index(names, i);
		char *file = g_build_filename(path, base, NULL);

		if (!let_wait(r, base, file)) {
			open_file(r, file, problems);
		}
		g_free(file);
	}
	g_ptr_array_unref(names);
	return 0;
}

void registry_load_all(struct registry *r, struct problems *problems)
{
	while (r->waiting->len > 0) {
		open_waiting(r, 0, problems);
	}
}

/* ---- the registry */

struct registry *registry_new(const struct vmt_plugin *const *builtin)
{
	struct registry *r = g_new0(struct registry, 1);

	g_assert(registry_api[0]); /* keeps the contract's functions in the program */
	r->entries = g_array_new(FALSE, FALSE, sizeof(struct entry));
	g_array_set_clear_func(r->entries, free_entry);
	r->waiting = g_ptr_array_new_with_free_func(free_waiting);
	r->failures = g_ptr_array_new_with_free_func(g_free);
	for (; builtin && *builtin; builtin++) {
		add(r, *builtin, NULL, NULL);
	}
	return r;
}

void registry_free(struct registry *r)
{
	if (r) {
		g_array_unref(r->entries);
		g_ptr_array_unref(r->waiting);
		g_ptr_array_unref(r->failures);
		g_free(r->folder);
		g_free(r);
	}
}

static struct entry *open_named(struct registry *r, enum vmt_namespace ns, const char *name)
{
	struct entry *e = find(r, ns, name);

	if (e && is_declaration(e->plugin)) {
		open_declared(r, e);
		return is_declaration(e->plugin) ? NULL : e;
	}
	for (size_t i = 0; !e && i < r->waiting->len; i++) {
		if (waits_for(g_ptr_array_index(r->waiting, i), ns, name)) {
			open_waiting(r, i, NULL);
			return find(r, ns, name);
		}
	}
	return e;
}

bool registry_comes_later(const char *url)
{
	static const char *const later[] = { "gnocchi", "prometheus", "opentelemetryhttp", "kafka",
					     "zaqar" };
	size_t n = strcspn(url, ":");

	for (size_t i = 0; i < G_N_ELEMENTS(later); i++) {
		if (strlen(later[i]) == n && g_ascii_strncasecmp(url, later[i], n) == 0) {
			return true;
		}
	}
	return false;
}

const struct vmt_plugin *registry_find(struct registry *r, enum vmt_namespace ns, const char *name,
				       struct vmt_error *error)
{
	size_t failures = r->failures->len;
	const struct entry *e = open_named(r, ns, name);

	if (e) {
		return e->plugin;
	}
	if (r->failures->len > failures) {
		vmt_error_set(error, 0, "%s", registry_failure(r, r->failures->len - 1));
	} else if (ns == VMT_PUBLISHER && registry_comes_later(name)) {
		vmt_error_set(error, 0, "this publisher comes with a later version of virtmeter");
	} else {
		vmt_error_set(error, 0, "no %s of that %s in this virtmeter", namespaces[ns],
			      ns == VMT_PUBLISHER || ns == VMT_RECEIVER || ns == VMT_COORDINATOR
				      ? "scheme"
				      : "name");
	}
	return NULL;
}

const struct vmt_plugin *registry_find_url(struct registry *r, enum vmt_namespace ns,
					   const char *text, struct vmt_error *error)
{
	const struct vmt_plugin *plugin;
	struct vmt_error why;
	struct url *url;

	if (url_parse(text, &url, error) < 0) {
		return NULL;
	}
	plugin = registry_find(r, ns, url_get(url)->scheme, &why);
	if (!plugin) {
		vmt_error_set(error, 0, "%s: %s", url_get(url)->text, why.text);
	}
	url_free(url);
	return plugin;
}

size_t registry_count(const struct registry *r)
{
	return r->entries->len;
}

const struct vmt_plugin *registry_at(const struct registry *r, size_t i)
{
	return g_array_index(r->entries, struct entry, i).plugin;
}

const char *registry_file(const struct registry *r, size_t i)
{
	return g_array_index(r->entries, struct entry, i).file;
}

size_t registry_failures(const struct registry *r)
{
	return r->failures->len;
}

const char *registry_failure(const struct registry *r, size_t i)
{
	return g_ptr_array_index(r->failures, i);
}

const char **registry_names(const struct registry *r, enum vmt_namespace ns)
{
	GPtrArray *names = g_ptr_array_new();

	for (size_t i = 0; i < r->entries->len; i++) {
		if (registry_at(r, i)->ns == ns) {
			g_ptr_array_add(names, (void *)registry_at(r, i)->name);
		}
	}
	for (size_t i = 0; i < r->waiting->len; i++) {
		const struct waiting *w = g_ptr_array_index(r->waiting, i);

		if (w->ns == ns) {
			g_ptr_array_add(names, w->names[0]);
		}
	}
	g_ptr_array_add(names, NULL);
	return (const char **)g_ptr_array_free(names, FALSE);
}

const struct vmt_option **registry_options(const struct registry *r)
{
	GPtrArray *tables = g_ptr_array_new();

	g_ptr_array_add(tables, (void *)settings_options);
	for (size_t i = 0; i < r->entries->len; i++) {
		/* a transformer's are parameters in pipeline.yaml */
		if (registry_at(r, i)->options && registry_at(r, i)->ns != VMT_TRANSFORMER) {
			g_ptr_array_add(tables, (void *)registry_at(r, i)->options);
		}
	}
	g_ptr_array_add(tables, NULL);
	return (const struct vmt_option **)g_ptr_array_free(tables, FALSE);
}

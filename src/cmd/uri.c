/* SPDX-License-Identifier: Apache-2.0 */
/* Makes the text of a configuration file of a hypervisor's URI.  Main thread; blocks on nothing. */
#include "cmd/uri.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/buf.h"
#include "conf/nearest.h"
#include "conf/url.h"

static const struct scheme {
	const char *name; /* of the scheme and of its inspector */
	const char *section;
	const char *host, *port, *user, *password; /* options of the section */
} schemes[] = {
	{ "vsphere", "vmware", "host_ip", "host_port", "host_username", "host_password" },
	{ "hyperv", "hyperv", "host", "port", "username", "password" },
};

/* A line of a configuration file, whatever is in the value. */
static void add_line(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "%s = \"", name);
	for (const char *p = value; *p; p++) {
		buf_puts(out, *p == '$' ? "$$" : (char[]){ *p, '\0' });
	}
	buf_puts(out, "\"\n");
}

static const struct scheme *find_scheme(const char *uri)
{
	for (size_t i = 0; i < G_N_ELEMENTS(schemes); i++) {
		size_t len = strlen(schemes[i].name);

		if (strncmp(uri, schemes[i].name, len) == 0 && g_str_has_prefix(uri + len, "://")) {
			return &schemes[i];
		}
	}
	return NULL;
}

/* The options of the section, to be freed; the names stay the plugins'. */
static GPtrArray *names_of(const struct vmt_plugin *const *plugins, const struct scheme *s)
{
	GPtrArray *names = g_ptr_array_new();

	for (; *plugins; plugins++) {
		const struct vmt_option *o = (*plugins)->options;

		if (strcmp((*plugins)->name, s->name) != 0) {
			continue;
		}
		for (; o && o->name; o++) {
			if (g_strcmp0(o->group, s->section) == 0) {
				g_ptr_array_add(names, (void *)(uintptr_t)o->name);
			}
		}
	}
	return names;
}

/* An option that the section has not is a mistake here: there is no file in which it could be for others. */
static int check_option(GPtrArray *names, const struct scheme *s, const struct vmt_url *u,
			const char *key, struct vmt_error *error)
{
	const char *near;

	if (g_ptr_array_find_with_equal_func(names, key, g_str_equal, NULL)) {
		return 0;
	}
	g_ptr_array_add(names, NULL);
	near = conf_nearest(key, (const char *const *)names->pdata);
	return vmt_error_set(error, -EINVAL, "%s: '%s' is no option of [%s]%s%s%s", u->text, key,
			     s->section, near ? "; did you mean " : "", near ? near : "",
			     near ? "?" : "");
}

static int read_options(const struct vmt_plugin *const *plugins, const struct scheme *s,
			const struct vmt_url *u, struct buf *out, struct vmt_error *error)
{
	GPtrArray *names = names_of(plugins, s);
	int ret = 0;

	for (const struct vmt_pair *q = u->query; q && q->key && ret == 0; q++) {
		ret = check_option(names, s, u, q->key, error);
		if (ret == 0) {
			add_line(out, q->key, q->value ? q->value : "");
		}
	}
	g_ptr_array_unref(names);
	return ret;
}

static int read_section(const struct vmt_plugin *const *plugins, const struct scheme *s,
			const struct vmt_url *u, struct buf *out, struct vmt_error *error)
{
	char port[16];

	if (!u->host || !*u->host) {
		return vmt_error_set(error, -EINVAL, "%s: names no host; write %s://USER@HOST",
				     u->text, s->name);
	}
	buf_printf(out, "[%s]\n", s->section);
	add_line(out, s->host, u->host);
	if (u->port) {
		g_snprintf(port, sizeof(port), "%d", u->port);
		add_line(out, s->port, port);
	}
	if (u->user) {
		add_line(out, s->user, u->user);
	}
	if (u->password) {
		add_line(out, s->password, u->password);
	}
	return read_options(plugins, s, u, out, error);
}

int uri_read(const struct vmt_plugin *const *plugins, const char *uri, char **ret_text,
	     const char **ret_inspector, struct vmt_error *error)
{
	const struct scheme *s = find_scheme(uri);
	struct buf out = BUF_INIT;
	struct url *url;
	int ret;

	if (!s) {
		buf_printf(&out, "[DEFAULT]\nlibvirt_uri = %s\n", uri);
		*ret_text = buf_steal(&out);
		*ret_inspector = NULL;
		return 0;
	}
	ret = url_parse(uri, &url, error);
	if (ret < 0) {
		return ret;
	}
	ret = read_section(plugins, s, url_get(url), &out, error);
	url_free(url);
	if (ret < 0) {
		buf_fini(&out);
		return ret;
	}
	*ret_text = buf_steal(&out);
	*ret_inspector = s->name;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes the URL and the options of http:// apart.
 * Main thread; blocks on the disk for a moment.
 */
#include "target.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

static void add_escaped(struct buf *out, const char *text, const char *allowed)
{
	char *escaped = g_uri_escape_string(text, allowed, FALSE);

	buf_puts(out, escaped);
	g_free(escaped);
}

static char *build_url(const struct vmt_url *url)
{
	bool v6 = strchr(url->host, ':') != NULL;
	struct buf out = BUF_INIT;

	buf_printf(&out, "%s://%s%s%s", url->scheme, v6 ? "[" : "", url->host, v6 ? "]" : "");
	if (url->port) {
		buf_printf(&out, ":%d", url->port);
	}
	add_escaped(&out, url->path && *url->path ? url->path : "/", "/:@!$&'()*+,;=~");
	for (const struct vmt_pair *q = url->query; q && q->key; q++) {
		buf_putc(&out, q == url->query ? '?' : '&');
		add_escaped(&out, q->key, NULL);
		buf_putc(&out, '=');
		add_escaped(&out, q->value ? q->value : "", "/:,@");
	}
	return buf_steal(&out);
}

static bool is_word(const char *text, const char *const *words)
{
	for (; *words; words++) {
		if (g_ascii_strcasecmp(text, *words) == 0) {
			return true;
		}
	}
	return false;
}

static void set_verify(struct http_target *t, const char *verify, const char *text)
{
	static const char *const yes[] = { "true", "yes", "on", "1", "t", "y", "", NULL };
	static const char *const no[] = { "false", "no", "off", "0", "f", "n", NULL };

	t->verify = !is_word(verify, no);
	if (!t->verify && g_str_has_prefix(text, "https:")) {
		vmt_log(VMT_LOG_WARNING,
			"%s: verify_ssl is off; anybody on the way can read and change the samples",
			text);
	}
	if (t->verify && !is_word(verify, yes)) {
		t->file[HTTP_CA] = g_strdup(verify);
		t->ca_folder = g_file_test(verify, G_FILE_TEST_IS_DIR);
	}
}

static int check_files(const struct http_target *t, const char *text, struct vmt_error *error)
{
	static const char *const options[] = {
		[HTTP_CA] = "verify_ssl", [HTTP_CERT] = "clientcert", [HTTP_KEY] = "clientkey"
	};

	for (int i = 0; i < HTTP_FILES; i++) {
		if (t->file[i] && access(t->file[i], R_OK) < 0) {
			return vmt_error_set(error, -EINVAL, "%s: %s: %s: %s", text, options[i],
					     t->file[i], g_strerror(errno));
		}
	}
	if (t->file[HTTP_KEY] && !t->file[HTTP_CERT]) {
		return vmt_error_set(error, -EINVAL,
				     "%s: clientkey without clientcert; give both or neither",
				     text);
	}
	return 0;
}

int http_target_init(struct http_target *t, const struct http_conf *conf, const struct vmt_url *url,
		     struct vmt_error *error)
{
	int ret;

	if (!url->host || !*url->host) {
		return vmt_error_set(error, -EINVAL, "%s: names no host; write %s://HOST/PATH",
				     url->text, url->scheme);
	}
	*t = (struct http_target){ .url = build_url(url) };
	t->user = g_strdup(url->user ? url->user : conf->username);
	t->password = g_strdup(url->password ? url->password : conf->password);
	set_verify(t, conf->verify_ssl ? conf->verify_ssl : "true", url->text);
	t->file[HTTP_CERT] = g_strdup(conf->clientcert);
	t->file[HTTP_KEY] = g_strdup(conf->clientkey);
	ret = check_files(t, url->text, error);
	if (ret < 0) {
		http_target_fini(t);
	}
	return ret;
}

void http_target_fini(struct http_target *t)
{
	g_free(t->url);
	g_free(t->user);
	g_free(t->password);
	for (int i = 0; i < HTTP_FILES; i++) {
		g_free(t->file[i]);
	}
	*t = (struct http_target){ 0 };
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the URL to the parameters of a connection.  libpq takes the URL apart, without what is ours in its query;
 * names of hosts are asked of a resolver that has a deadline, for libpq's has none.  Opened on the main thread,
 * which blocks on nothing; address_parameters() on the publisher's, which waits for name servers.
 */
#include <errno.h>
#include <netdb.h>
#include <string.h>

#include "base/clock.h"
#include "base/resolve.h"
#include "pg.h"

enum { PARAMETERS_MOST = 16 };

struct host {
	char *name, *port;
	struct resolver *resolver; /* NULL: a folder with a socket */
};

struct address {
	char *text; /* the URL, for messages */
	char *user, *password, *database;
	GArray *hosts; /* struct host */
	/* of the last call */
	GString *name, *number, *port;
	const char *key[PARAMETERS_MOST], *value[PARAMETERS_MOST];
};

void address_free(struct address *a)
{
	if (!a) {
		return;
	}
	for (guint i = 0; i < a->hosts->len; i++) {
		struct host *h = &g_array_index(a->hosts, struct host, i);

		resolver_free(h->resolver);
		g_free(h->name);
		g_free(h->port);
	}
	g_array_free(a->hosts, TRUE);
	g_string_free(a->name, TRUE);
	g_string_free(a->number, TRUE);
	g_string_free(a->port, TRUE);
	g_free(a->text);
	g_free(a->user);
	g_free(a->password);
	g_free(a->database);
	g_free(a);
}

static int add_hosts(struct address *a, const char *names, const char *ports,
		     struct vmt_error *error)
{
	char **name = g_strsplit(names && *names ? names : "", ",", -1);
	char **port = g_strsplit(ports ? ports : "", ",", -1);
	guint count = MAX(g_strv_length(name), 1), given = g_strv_length(port);
	int code = 0;

	for (guint i = 0; i < count && code == 0; i++) {
		const char *n = name[0] ? name[i] : "";
		const char *word = given == 1 ? port[0] : i < given ? port[i] : "";
		guint64 number = 5432;
		struct host h = { .name = g_strdup(*n ? n : "localhost") };

		if (*word && !g_ascii_string_to_unsigned(word, 10, 1, 65535, &number, NULL)) {
			code = vmt_error_set(
				error, -EINVAL,
				"%s: port '%s' will not do; write a number up to 65535", a->text,
				word);
		}
		h.port = g_strdup_printf("%u", (guint)number);
		if (*h.name != '/') {
			h.resolver = resolver_new(h.name, (int)number, SOCK_STREAM);
		}
		g_array_append_val(a->hosts, h);
	}
	g_strfreev(name);
	g_strfreev(port);
	return code;
}

/* What libpq makes of the URL: a list of keywords and values, or NULL. */
static PQconninfoOption *take_apart(const struct vmt_url *url, char **ret_reason)
{
	char *path = g_uri_escape_string(url->path && *url->path ? url->path + 1 : "", NULL, true);
	char *plain =
		g_strconcat("postgresql://", url->authority ? url->authority : "", "/", path, NULL);
	PQconninfoOption *options = PQconninfoParse(plain, ret_reason);

	g_free(path);
	g_free(plain);
	return options;
}

static const char *find(const PQconninfoOption *options, const char *keyword)
{
	for (; options->keyword; options++) {
		if (strcmp(options->keyword, keyword) == 0) {
			return options->val;
		}
	}
	return NULL;
}

int address_new(const struct vmt_url *url, const struct pg_conf *conf, struct address **ret_address,
		struct vmt_error *error)
{
	char *reason = NULL;
	PQconninfoOption *options = take_apart(url, &reason);
	struct address *a;
	const char *host;
	int code = 0;

	if (!options) {
		/* the reason may repeat what is a secret */
		PQfreemem(reason);
		return vmt_error_set(error, -EINVAL,
				     "%s: cannot be read; write"
				     " postgresql://USER:PASSWORD@HOST:PORT/DATABASE",
				     url->text);
	}
	a = g_new0(struct address, 1);
	a->text = g_strdup(url->text);
	a->hosts = g_array_new(FALSE, TRUE, sizeof(struct host));
	a->name = g_string_new(NULL);
	a->number = g_string_new(NULL);
	a->port = g_string_new(NULL);
	a->user = g_strdup(find(options, "user"));
	a->database = g_strdup(find(options, "dbname"));
	a->password =
		g_strdup(find(options, "password") ? find(options, "password") : conf->password);
	host = find(options, "host");
	if (!a->database || !*a->database) {
		code = vmt_error_set(error, -EINVAL,
				     "%s: no database named; write"
				     " postgresql://USER@HOST/DATABASE",
				     url->text);
	} else {
		code = add_hosts(a, host && *host ? host : conf->host, find(options, "port"),
				 error);
	}
	PQconninfoFree(options);
	if (code) {
		address_free(a);
		return code;
	}
	*ret_address = a;
	return 0;
}

static void add(struct address *a, size_t *count, const char *key, const char *value)
{
	if (value && *value) {
		g_assert(*count < PARAMETERS_MOST - 1);
		a->key[*count] = key;
		a->value[(*count)++] = value;
	}
}

/* One host of libpq's lists. */
static void list_host(struct address *a, const struct host *h, const char *number)
{
	const char *comma = a->port->len ? "," : "";

	g_string_append_printf(a->name, "%s%s", comma, h->name);
	g_string_append_printf(a->number, "%s%s", comma, number);
	g_string_append_printf(a->port, "%s%s", comma, h->port);
}

static int list_hosts(struct address *a, const struct pg *p, struct vmt_error *error)
{
	const atomic_bool never = false;
	struct vmt_call call = { .deadline_ns = p->deadline_ns, .cancel = &never };
	char number[64];
	int code = 0;

	g_string_truncate(a->name, 0);
	g_string_truncate(a->number, 0);
	g_string_truncate(a->port, 0);
	for (guint i = 0; i < a->hosts->len; i++) {
		const struct host *h = &g_array_index(a->hosts, struct host, i);
		const struct addrinfo *list = NULL;
		int found;

		if (!h->resolver) {
			list_host(a, h, "");
			continue;
		}
		found = resolver_get(h->resolver, -1, p->call ? p->call : &call, a->text, &list,
				     error);
		code = found ? found : code;
		for (; found == 0 && list; list = list->ai_next) {
			if (getnameinfo(list->ai_addr, list->ai_addrlen, number, sizeof number,
					NULL, 0, NI_NUMERICHOST) == 0) {
				list_host(a, h, number);
			}
		}
	}
	return a->port->len ? 0 : code ? code : -EHOSTUNREACH;
}

int address_parameters(struct address *a, const struct pg *p, const char *const **ret_keys,
		       const char *const **ret_values, struct vmt_error *error)
{
	size_t count = 0;
	int code = list_hosts(a, p, error);

	if (code) {
		return code;
	}
	add(a, &count, "host", a->name->str);
	add(a, &count, "hostaddr", a->number->str);
	add(a, &count, "port", a->port->str);
	add(a, &count, "dbname", a->database);
	add(a, &count, "user", a->user);
	add(a, &count, "password", a->password);
	add(a, &count, "sslmode", p->conf.sslmode);
	add(a, &count, "sslrootcert", p->conf.sslrootcert);
	add(a, &count, "sslcert", p->conf.sslcert);
	add(a, &count, "sslkey", p->conf.sslkey);
	add(a, &count, "application_name", "virtmeter");
	add(a, &count, "client_encoding", "UTF8");
	add(a, &count, "gssencmode", "disable");
	add(a, &count, "target_session_attrs", p->read_only ? "any" : "read-write");
	a->key[count] = a->value[count] = NULL;
	*ret_keys = a->key;
	*ret_values = a->value;
	return 0;
}

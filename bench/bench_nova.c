/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The discovery nova: 1000 servers of a host listed, read, and swapped for the list before, beside the limits in the same
 * run: the same requests whose answers nobody looks at, and a mere walk over their JSON.  The answers are Nova's own
 * (tests/golden/nova), the servers multiplied, from a process of the benchmark's own on loopback.  Prints CPU time of
 * this process; exit status 1 when the target is missed.  Usage: nova-bench [ROUNDS]
 */
#include <errno.h>
#include <glib.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "model/snapshot.h"
#include "plugins/discovery/nova/listing.h"
#include "plugins/openstack/session.h"
#include "wire/json.h"

enum { SERVERS = 1000, IMAGES = 10, REQUESTS = 1 + IMAGES + 1 }; /* a flavor, images, the list */

static const double most_ms = 50;
static atomic_bool never;
static const struct vmt_call call = { .deadline_ns = INT64_MAX, .cancel = &never };

/* ------------------------------------------------------------------ the far side */

static char *golden(const char *name)
{
	char *path = g_build_filename(GOLDEN, "nova", name, NULL);
	GMappedFile *file = g_mapped_file_new(path, FALSE, NULL);
	char *text;

	if (!file) {
		fprintf(stderr, "%s: cannot be read\n", path);
		exit(1);
	}
	text = g_strndup(g_mapped_file_get_contents(file), g_mapped_file_get_length(file));
	g_mapped_file_unref(file);
	g_free(path);
	return text;
}

/* The first server of Nova's answer, as often as there are servers, each with an id and one of the images. */
static char *many_servers(void)
{
	char *text = golden("servers.json"), *begin = strchr(strstr(text, "\"servers\""), '{');
	const char *id = strstr(text, "\"id\": \"") + 7, *image = strstr(text, "/images/") + 8;
	char *old = g_strndup(id, 36), *old_image = g_strndup(image, 36);
	GString *list = g_string_new("{\"servers\": [");
	struct json_reader r;
	char *one;

	json_reader_init(&r, begin, strlen(begin));
	json_skip(&r, json_next(&r));
	one = g_strndup(begin, (gsize)(r.at - begin));
	for (int i = 0; i < SERVERS; i++) {
		char *fresh = g_strdup_printf("00000000-0000-4000-8000-%012x", i);
		char *fresh_image = g_strdup_printf("00000000-0000-4000-9000-%012x", i % IMAGES);
		GString *server = g_string_new(one);

		g_string_replace(server, old, fresh, 0);
		g_string_replace(server, old_image, fresh_image, 0);
		g_string_append_printf(list, "%s%s", i ? ", " : "", server->str);
		g_string_free(server, TRUE);
		g_free(fresh);
		g_free(fresh_image);
	}
	g_string_append(list, "]}");
	g_free(one);
	g_free(old);
	g_free(old_image);
	g_free(text);
	return g_string_free(list, FALSE);
}

static char *token(int port)
{
	return g_strdup_printf(
		"{\"token\": {\"issued_at\": \"2026-11-23T01:00:00Z\", \"expires_at\": \"2026-11-23T02:00:00Z\", "
		"\"catalog\": [{\"type\": \"compute\", \"endpoints\": [{\"interface\": \"public\", \"url\": "
		"\"http://127.0.0.1:%d/v2.1\"}]}, {\"type\": \"image\", \"endpoints\": [{\"interface\": "
		"\"public\", \"url\": \"http://127.0.0.1:%d/image\"}]}]}}",
		port, port);
}

static void send_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n <= 0) {
			_exit(0);
		}
		text += n;
		len -= (size_t)n;
	}
}

/* One connection, until the far side leaves. */
static void serve_one(int fd, const char *servers, const char *log_in)
{
	char *flavor = golden("flavor.json"), *image = golden("image.json"), request[8192];
	ssize_t n;

	while ((n = recv(fd, request, sizeof(request) - 1, 0)) > 0) {
		const char *body = strstr(request, "/servers/")   ? servers
				   : strstr(request, "/flavors/") ? flavor
				   : strstr(request, "/images/")  ? image
								  : log_in;
		char *head = g_strdup_printf("HTTP/1.1 200 OK\r\nX-Subject-Token: t\r\n"
					     "Content-Type: application/json\r\n"
					     "Content-Length: %zu\r\n\r\n",
					     strlen(body));

		memset(request, 0, sizeof(request));
		send_all(fd, head, strlen(head));
		send_all(fd, body, strlen(body));
		g_free(head);
	}
	close(fd);
}

static pid_t serve(int listening, int port)
{
	pid_t child = fork();
	char *servers, *log_in;

	if (child != 0) {
		return child;
	}
	servers = many_servers();
	log_in = token(port);
	for (;;) {
		serve_one(accept(listening, NULL, NULL), servers, log_in);
	}
}

static int listen_anywhere(int *ret_port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (void *)&address, len) < 0 || listen(fd, 4) < 0 ||
	    getsockname(fd, (void *)&address, &len) < 0) {
		abort();
	}
	*ret_port = ntohs(address.sin_port);
	return fd;
}

/* ------------------------------------------------------------------ this side */

static void must(int ret, const struct vmt_error *error)
{
	if (ret < 0) {
		fprintf(stderr, "nova-bench: %s\n", error->text);
		exit(1);
	}
}

static double best(double known, int64_t begin_ns)
{
	double ms = (double)(clock_cpu_process() - begin_ns) / 1e6;

	return known == 0 || ms < known ? ms : known;
}

/* A whole list: asked for with flavors and images, read, made into a snapshot, the one before given back. */
static double measure(const struct nova_conf *conf, int rounds)
{
	struct vmt_error error = { .text = "" };
	struct snapshot *snapshot = NULL;
	struct roster *roster = NULL;
	struct session *session;
	struct listing *listing;
	double ours = 0;

	must(session_new(&conf->openstack, &session, &error), &error);
	listing = listing_new(conf, session);
	for (int i = -1; i < rounds; i++) { /* the first logs in */
		int64_t begin = clock_cpu_process();
		struct vmt_snapshot_builder *builder = snapshot_builder_new(0);
		struct roster *fresh;
		struct snapshot *made;

		must(listing_update(listing, roster, true, &call, &fresh, &error), &error);
		roster_list(fresh, false, builder);
		made = snapshot_builder_finish(builder, NULL, clock_real());
		roster_unref(roster);
		snapshot_unref(snapshot);
		roster = fresh;
		snapshot = made;
		ours = i < 0 ? 0 : best(ours, begin);
	}
	if (snapshot->list.count != SERVERS || !snapshot->list.instances[0].image.name) {
		fprintf(stderr, "nova-bench: %zu instances\n", snapshot->list.count);
		exit(1);
	}
	snapshot_unref(snapshot);
	roster_unref(roster);
	listing_free(listing);
	session_free(session);
	return ours;
}

/* The same requests, the answers not looked at (*ret_bare), and walked over (*ret_walk). */
static void measure_limits(const struct nova_conf *conf, int port, int rounds, double *ret_bare,
			   double *ret_walk, size_t *ret_bytes)
{
	struct vmt_error error = { .text = "" };
	const struct http_answer *answer;
	struct session *session;

	must(session_new(&conf->openstack, &session, &error), &error);
	*ret_bare = *ret_walk = 0;
	for (int i = -1; i < rounds; i++) {
		int64_t begin = clock_cpu_process();
		struct json_reader r;

		for (int k = 0; k < REQUESTS; k++) {
			const char *path = k == 0        ? "flavors/1"
					   : k <= IMAGES ? "images/1"
							 : "servers/detail?all_tenants=True&host=h";
			char *url = g_strdup_printf("http://127.0.0.1:%d/v2.1/%s", port, path);

			must(session_get(session, url, NULL, &call, &answer, &error), &error);
			g_free(url);
		}
		*ret_bare = i < 0 ? 0 : best(*ret_bare, begin);
		begin = clock_cpu_process();
		json_reader_init(&r, answer->body.data, answer->body.len);
		while (json_next(&r) > JSON_END) {
		}
		*ret_walk = i < 0 ? 0 : best(*ret_walk, begin);
		*ret_bytes = answer->body.len;
	}
	session_free(session);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 20, port;
	int listening = listen_anywhere(&port);
	pid_t child = serve(listening, port);
	char *auth_url = g_strdup_printf("http://127.0.0.1:%d/v3", port);
	const struct nova_conf conf = { .openstack = { .auth_url = auth_url,
						       .username = "u",
						       .password = "p",
						       .project_name = "service",
						       .timeout_ns = 30 * NS_PER_S,
						       .compute = "compute",
						       .image = "image" },
					.host = "compute-0" };
	double ours, bare, walk;
	size_t bytes;

	ours = measure(&conf, rounds);
	measure_limits(&conf, port, rounds, &bare, &walk, &bytes);
	kill(child, SIGTERM);
	waitpid(child, NULL, 0);
	close(listening);
	g_free(auth_url);
	printf("Nova     %d servers, %zu KiB: bare requests %.2f ms, walk over JSON %.2f ms, listed, read and "
	       "swapped %.2f ms: %.1f x both  <= %.0f ms  %s\n",
	       SERVERS, bytes >> 10, bare, walk, ours, ours / (bare + walk), most_ms,
	       ours <= most_ms ? "met" : "MISSED");
	return ours <= most_ms ? 0 : 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Where a coordinator is.  Main thread; blocks on nothing. */
#include "plugins/coordinator/place.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/clock.h"
#include "base/resolve.h"

#define LEASE_MIN_NS NS_PER_S

/* Options of tooz that change nothing here. */
static const char *const others[] = { "encoding",
				      "retry_on_timeout",
				      "socket_keepalive",
				      "socket_timeout",
				      "lock_timeout",
				      "leader_timeout",
				      "max_pool_size",
				      "namespace",
				      "health_check_interval",
				      NULL };

void place_tell_unknown(const struct vmt_url *url)
{
	for (const struct vmt_pair *q = url->query; q && q->key; q++) {
		if (!g_strv_contains(others, q->key)) {
			vmt_log(VMT_LOG_WARNING, "%s: there is no option %s, ignored", url->text,
				q->key);
		}
	}
}

int place_init(struct place *place, const struct vmt_url *url, const struct place_conf *conf,
	       int port, struct vmt_error *error)
{
	int64_t lease = conf->membership_timeout_ns ? conf->membership_timeout_ns
						    : conf->timeout_ns;

	if (lease < LEASE_MIN_NS) {
		return vmt_error_set(error, -EINVAL,
				     "%s: membership_timeout: less than a second; write 30",
				     url->text);
	}
	if (!url->host[0] && strlen(url->path) < 2) {
		return vmt_error_set(error, -EINVAL, "%s: no host; write %s://HOST:%d", url->text,
				     url->scheme, port);
	}
	if (strchr(url->host, ',')) {
		return vmt_error_set(error, -EINVAL, "%s: one host, and not a list", url->text);
	}
	*place = (struct place){ .text = g_strdup(url->text), .lease_ns = lease };
	if (url->host[0]) {
		place->resolver =
			resolver_new(url->host, url->port ? url->port : port, SOCK_STREAM);
	} else {
		place->path = g_strdup(url->path);
	}
	return 0;
}

void place_fini(struct place *place)
{
	resolver_free(place->resolver);
	g_free(place->path);
	g_free(place->text);
}

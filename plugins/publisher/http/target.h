/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where requests go and what is needed on the way: the URL without what is ours in it, user and password,
 * files of certificates.  Main thread; blocks on the disk for a moment.
 */
#ifndef PUBLISHER_HTTP_TARGET_H
#define PUBLISHER_HTTP_TARGET_H

#include "options.h"

enum { HTTP_CA, HTTP_CERT, HTTP_KEY, HTTP_FILES };

struct http_target {
	char *url; /* what is no option of ours stays in its query */
	char *user, *password; /* NULL: none */
	bool verify;
	bool ca_folder; /* file[HTTP_CA] is a folder */
	char *file[HTTP_FILES]; /* NULL: none */
};

/* -EINVAL: no host, a file that cannot be read, a key without a certificate. */
int http_target_init(struct http_target *t, const struct http_conf *conf, const struct vmt_url *url,
		     struct vmt_error *error);
void http_target_fini(struct http_target *t);

#endif

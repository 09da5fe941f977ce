/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URLs of publishers, receivers and stores: scheme://user:password@host:port/path?key=value&key
 * Any thread; blocks on nothing.
 */
#ifndef CONF_URL_H
#define CONF_URL_H

#include <virtmeter/plugin.h>

struct url;

enum { URL_MAX = 64 << 10, URL_QUERY_MAX = 256 };

/* Parts are percent-decoded; the query keeps its order and its repetitions, a key without '=' has the
 * value "".  In `text` a password, and the value of each query key whose name says that it is one
 * (password, secret, token, …), is "****".  Without "://" there is no URL: -EINVAL, but Juno's "rpc"
 * is written so: it is read as "rpc://".  Also -EINVAL: control characters, a zero byte, text that is
 * not UTF-8, a port outside 1-65535, an IPv6 address without brackets. */
int url_parse(const char *text, struct url **ret_url, struct vmt_error *error);
void url_free(struct url *url);

/* Valid as long as the URL. */
const struct vmt_url *url_get(const struct url *url);

/* Takes a key out of the query.  Its value ("" without one), or NULL when it is not there; of several
 * the last.  With `secret` the text shows **** for it from now on.  Valid as long as the URL. */
const char *url_take(struct url *url, const char *key, bool secret);

#endif

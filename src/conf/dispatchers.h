/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the dispatchers of Ceilometer's collector wrote (Juno to Pike), as sinks that every sample goes to beside the
 * pipelines:
 *
 *	file      [dispatcher_file] file_path, max_bytes, backup_count   file://PATH?…&format=message
 *	http      [dispatcher_http] target, timeout, verify_ssl, …       TARGET?…&form=message
 *	database  the store, which is what pipeline.yaml publishes to
 *
 * Main thread; blocks on nothing.
 */
#ifndef CONF_DISPATCHERS_H
#define CONF_DISPATCHERS_H

#include "conf/polling.h"
#include "conf/settings.h"

/* Of the dispatchers configured; *ret_sinks is NULL where none of them needs a sink.  What comes of each, and what is
 * left out, is in `problems`.  0, or -EINVAL. */
int dispatchers_read(const struct settings *settings, const struct ini *ini,
		     struct problems *problems, struct polling **ret_sinks);

#endif

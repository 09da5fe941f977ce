/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a whole file with a limit; blocks on the disk. */
#ifndef CONF_READ_H
#define CONF_READ_H

#include "base/buf.h"
#include "conf/problem.h"

/* Adds the file to `out`.  -errno; -EISDIR, -EFBIG past `max` bytes. Pipes and sockets are refused. */
int conf_read(const char *path, size_t max, struct buf *out);
/* "cannot be read: Permission denied; …": what to do about it. */
const char *conf_read_error(int code);
/* Reads it; a failure is told as an error of that file. */
int conf_read_told(const char *path, size_t max, struct buf *out, struct problems *problems);

#endif

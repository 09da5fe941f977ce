/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One value of a JSON object, by its path: keys joined by dots, places of an array in brackets
 * ("flavor.name", "disks[0].bus").  A key that has dots itself counts with them.  Any thread.
 */
#ifndef WIRE_JSON_PATH_H
#define WIRE_JSON_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Whether the text, number, true, false or null at `path` is `value`.  The three words count in any case,
 * null also as "none". */
bool json_path_is(const char *json, size_t len, const char *path, const char *value);

/* Adds the first text, number or word at `path` to `out`.  False where there is none, or null. */
bool json_path_text(const char *json, size_t len, const char *path, struct buf *out);

#endif

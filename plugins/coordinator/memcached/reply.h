/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memcached's text protocol, as far as it is answered to us, and the list of a group's members, which is what other
 * agents left there.  Any thread; blocks on nothing.
 */
#ifndef MEMCACHED_REPLY_H
#define MEMCACHED_REPLY_H

#include <glib.h>
#include <stdbool.h>
#include <virtmeter/plugin.h>

enum {
	REPLY_LINE = 1024, /* bytes of a line */
	REPLY_VALUE = 64 << 10, /* bytes of a value */
};

/* A line, or a value with the line that announces it.  Points into the bytes it was read from. */
struct mc_reply {
	const char *word; /* "STORED", "END", "VALUE", …; not terminated */
	size_t word_len;
	const char *line; /* all of it, without its end */
	size_t line_len;
	const char *key, *value; /* of a value; NULL: none */
	size_t key_len, value_len;
	uint64_t cas;
};

/* Bytes of the first answer in `data`; 0: more are needed; -EBADMSG. */
ssize_t mc_reply_parse(const char *data, size_t len, struct mc_reply *ret);
bool mc_reply_is(const struct mc_reply *reply, const char *word);
/* The line in printable ASCII, cut to fit. */
void mc_reply_tell(const struct mc_reply *reply, char *out, size_t size);

/* The names in a list, by spaces: char *, to be freed; what is no name is left out, and none comes twice. */
GPtrArray *mc_list_parse(const char *text, size_t len);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the form of memcached's answers, and of names in them.  The thread of the connection; blocks on nothing. */
#include "reply.h"

#include <errno.h>
#include <string.h>

#include "model/members.h"

/* The next word of a line; "" at its end. */
static const char *next_word(const char **at, const char *end, size_t *ret_len)
{
	const char *word;

	while (*at < end && **at == ' ') {
		++*at;
	}
	word = *at;
	while (*at < end && **at != ' ') {
		++*at;
	}
	*ret_len = (size_t)(*at - word);
	return word;
}

static bool next_number(const char **at, const char *end, uint64_t *ret)
{
	char digits[24];
	size_t len;
	const char *word = next_word(at, end, &len);

	if (len == 0 || len >= sizeof(digits)) {
		return false;
	}
	memcpy(digits, word, len);
	digits[len] = '\0';
	return g_ascii_string_to_unsigned(digits, 10, 0, UINT64_MAX, ret, NULL);
}

/* "VALUE key flags bytes [cas]" and then the value with its end. */
static ssize_t parse_value(const char *at, const char *end, const char *behind, size_t left,
			   struct mc_reply *ret)
{
	uint64_t flags, size;
	const char *cas;

	ret->key = next_word(&at, end, &ret->key_len);
	if (!next_number(&at, end, &flags) || !next_number(&at, end, &size) || size > REPLY_VALUE) {
		return -EBADMSG;
	}
	cas = at;
	if (!next_number(&at, end, &ret->cas) && cas != end) {
		return -EBADMSG;
	}
	if (left < size + 2) {
		return 0;
	}
	if (memcmp(behind + size, "\r\n", 2) != 0) {
		return -EBADMSG;
	}
	ret->value = behind;
	ret->value_len = size;
	return (ssize_t)size + 2;
}

ssize_t mc_reply_parse(const char *data, size_t len, struct mc_reply *ret)
{
	const char *end = memchr(data, '\n', MIN(len, (size_t)REPLY_LINE)), *at = data;
	size_t used;
	ssize_t more;

	*ret = (struct mc_reply){ .word = NULL };
	if (!end) {
		return len >= REPLY_LINE ? -EBADMSG : 0;
	}
	if (end == data || end[-1] != '\r') {
		return -EBADMSG;
	}
	used = (size_t)(end + 1 - data);
	ret->line = data;
	ret->line_len = used - 2;
	ret->word = next_word(&at, end - 1, &ret->word_len);
	if (!mc_reply_is(ret, "VALUE")) {
		return (ssize_t)used;
	}
	more = parse_value(at, end - 1, end + 1, len - used, ret);
	return more <= 0 ? more : (ssize_t)used + more;
}

bool mc_reply_is(const struct mc_reply *reply, const char *word)
{
	return strlen(word) == reply->word_len && memcmp(word, reply->word, reply->word_len) == 0;
}

void mc_reply_tell(const struct mc_reply *reply, char *out, size_t size)
{
	size_t n = 0;

	for (; n < reply->line_len && n + 1 < size; n++) {
		out[n] = reply->line[n] >= ' ' && reply->line[n] <= '~' ? reply->line[n] : '?';
	}
	out[n] = '\0';
}

GPtrArray *mc_list_parse(const char *text, size_t len)
{
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
	const char *at = text, *end = text + len;
	struct vmt_members good;

	members_init(&good);
	while (at < end) {
		size_t n;
		const char *word = next_word(&at, end, &n);

		if (vmt_members_add(&good, word, n) == 0) {
			const char *name = g_ptr_array_index(good.names, good.names->len - 1);

			if (!g_ptr_array_find_with_equal_func(names, name, g_str_equal, NULL)) {
				g_ptr_array_add(names, g_strdup(name));
			}
		}
	}
	members_fini(&good);
	return names;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes encrypted bodies and takes them apart.  Any thread; never blocks.
 */
#include "plugins/wsman/sealed.h"

#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <string.h>

#define BOUNDARY "--Encrypted Boundary"
#define OCTETS "application/octet-stream\r\n"
#define LENGTH ";Length="

enum { SIGNATURE_MAX = 4096 };

/* Where `what` ends in what is left, or NULL; *at moves behind it. */
static bool skip_to(const char **at, const char *end, const char *what)
{
	size_t n = strlen(what);
	const char *found = memmem(*at, (size_t)(end - *at), what, n);

	*at = found ? found + n : *at;
	return found != NULL;
}

static bool take_length(const char **at, const char *end, size_t *ret)
{
	size_t n = 0;

	if (*at == end || !g_ascii_isdigit(**at)) {
		return false;
	}
	for (; *at < end && g_ascii_isdigit(**at); ++*at) {
		n = n * 10 + (size_t)(**at - '0');
		if (n > WSMAN_ANSWER_MAX) {
			return false;
		}
	}
	*ret = n;
	return true;
}

/* The last boundary, with or without an end of line before or behind it. */
static const char *find_tail(const char *at, const char *end)
{
	static const char tail[] = BOUNDARY "--";
	size_t n = sizeof(tail) - 1;

	while (end > at && (end[-1] == '\r' || end[-1] == '\n')) {
		end--;
	}
	return (size_t)(end - at) >= n && memcmp(end - n, tail, n) == 0 ? end - n : NULL;
}

int sealed_parse(const char *body, size_t len, struct sealed *ret)
{
	const char *at = body, *end = body + len, *tail;
	uint32_t signature;
	size_t length;

	if (!skip_to(&at, end, BOUNDARY "\r\n") || !skip_to(&at, end, LENGTH) ||
	    !take_length(&at, end, &length) || !skip_to(&at, end, BOUNDARY "\r\n") ||
	    !skip_to(&at, end, OCTETS)) {
		return -EBADMSG;
	}
	tail = find_tail(at, end);
	if (!tail || tail - at < 4) {
		return -EBADMSG;
	}
	memcpy(&signature, at, sizeof(signature));
	signature = GUINT32_FROM_LE(signature);
	at += 4;
	if (signature > SIGNATURE_MAX || signature > (size_t)(tail - at)) {
		return -EBADMSG;
	}
	*ret = (struct sealed){ .length = length, .data = at, .len = (size_t)(tail - at) };
	return 0;
}

int sealed_make(struct auth *a, const struct buf *plain, struct buf *out, struct vmt_error *error)
{
	struct buf data = BUF_INIT;
	size_t signature = 0;
	uint32_t le;
	int err = auth_seal(a, plain->data, plain->len, &signature, &data, error);

	buf_reset(out);
	if (err == 0) {
		le = GUINT32_TO_LE((uint32_t)signature);
		buf_puts(out,
			 BOUNDARY "\r\n"
				  "\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n"
				  "\tOriginalContent: type=application/soap+xml;charset=UTF-8");
		buf_printf(out, LENGTH "%zu\r\n", plain->len);
		buf_puts(out, BOUNDARY "\r\n\tContent-Type: " OCTETS);
		buf_add(out, &le, sizeof(le));
		buf_add(out, data.data, data.len);
		buf_puts(out, BOUNDARY "--\r\n");
	}
	buf_fini(&data);
	return err;
}

int sealed_open(struct auth *a, const struct buf *body, struct buf *out, struct vmt_error *error)
{
	struct sealed s;
	int err;

	buf_reset(out);
	if (sealed_parse(body->data, body->len, &s) < 0) {
		return vmt_error_set(error, -EBADMSG, "the encrypted answer is not one");
	}
	err = auth_unseal(a, s.data, s.len, out, error);
	if (err == 0 && out->len != s.length) {
		err = vmt_error_set(error, -EBADMSG, "the answer is not as long as it says");
	}
	return err;
}

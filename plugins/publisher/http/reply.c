/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judges HTTP replies.  Any thread, one at a time for an object; blocks on nothing.
 *
 * A status that is about the samples (what they say, how long they are) refuses them for good.  One that is
 * about the far side or about the way to it (a path, a password, a redirection) can be mended: samples wait.
 */
#include "reply.h"

#include <glib.h>
#include <string.h>

static const struct {
	int status;
	enum reply_verdict verdict;
	const char *text;
} known[] = {
	{ 301, REPLY_LATER, "moved: write the new address into the publisher's URL" },
	{ 302, REPLY_LATER, "found elsewhere: write that address into the publisher's URL" },
	{ 307, REPLY_LATER, "redirected: write that address into the publisher's URL" },
	{ 308, REPLY_LATER, "moved: write the new address into the publisher's URL" },
	{ 400, REPLY_REFUSED, "bad request" },
	{ 401, REPLY_LATER, "not authorised: check user and password" },
	{ 403, REPLY_LATER, "forbidden: check user, password and client certificate" },
	{ 404, REPLY_LATER, "not found: check the URL's path" },
	{ 405, REPLY_LATER, "takes no POST: check the URL's path" },
	{ 406, REPLY_REFUSED, "not acceptable" },
	{ 408, REPLY_LATER, "request timeout" },
	{ 411, REPLY_REFUSED, "length required" },
	{ 413, REPLY_SMALLER, "too large" },
	{ 414, REPLY_REFUSED, "URI too long" },
	{ 415, REPLY_REFUSED, "unsupported media type" },
	{ 422, REPLY_REFUSED, "unprocessable content" },
	{ 425, REPLY_LATER, "too early" },
	{ 429, REPLY_LATER, "too many requests" },
	{ 431, REPLY_REFUSED, "header fields too large" },
	{ 500, REPLY_LATER, "internal server error" },
	{ 502, REPLY_LATER, "bad gateway" },
	{ 503, REPLY_LATER, "service unavailable" },
	{ 504, REPLY_LATER, "gateway timeout" },
};

void reply_reset(struct reply *r)
{
	*r = (struct reply){ 0 };
}

bool reply_body(struct reply *r, const char *p, size_t n)
{
	for (size_t i = 0; i < n && r->excerpt_len < REPLY_EXCERPT; i++) {
		bool printable = p[i] > 0x20 && p[i] < 0x7f;

		if (printable || (r->excerpt_len > 0 && r->excerpt[r->excerpt_len - 1] != ' ')) {
			r->excerpt[r->excerpt_len++] = printable ? p[i] : ' ';
		}
	}
	r->excerpt[r->excerpt_len] = '\0';
	r->bytes += MIN(n, (size_t)REPLY_BODY_MAX + 1);
	return r->bytes <= REPLY_BODY_MAX;
}

enum reply_verdict reply_judge(const struct reply *r)
{
	if (r->status >= 200 && r->status < 300) {
		return REPLY_TAKEN;
	}
	for (size_t i = 0; i < G_N_ELEMENTS(known); i++) {
		if (known[i].status == r->status) {
			return known[i].verdict;
		}
	}
	return REPLY_LATER;
}

void reply_tell(const struct reply *r, char *text, size_t size)
{
	size_t len = r->excerpt_len;
	const char *what = NULL;

	for (size_t i = 0; i < G_N_ELEMENTS(known); i++) {
		what = known[i].status == r->status ? known[i].text : what;
	}
	if (len > 0 && r->excerpt[len - 1] == ' ') {
		len--;
	}
	g_snprintf(text, size, "HTTP status %ld%s%s%s%s%.*s", r->status, what ? " (" : "",
		   what ? what : "", what ? ")" : "", len ? ": " : "", (int)len, r->excerpt);
}

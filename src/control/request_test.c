/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reading of requests.  One thread.
 */
#include "control/request.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

static const struct {
	const char *text;
	int ret;
	enum control_verb verb;
} cases[] = {
	{ "status\n", 0, CONTROL_STATUS },      { "reload\r\n", 0, CONTROL_RELOAD },
	{ "ping  \nmore", 0, CONTROL_PING },    { "", -EAGAIN, CONTROL_VERBS },
	{ "stat", -EAGAIN, CONTROL_VERBS },     { "\n", -ENOENT, CONTROL_VERBS },
	{ "stat\n", -ENOENT, CONTROL_VERBS },   { "statuses\n", -ENOENT, CONTROL_VERBS },
	{ "STATUS\n", -ENOENT, CONTROL_VERBS }, { "sta\x01tus\n", -EBADMSG, CONTROL_VERBS },
};

static void test_cases(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		enum control_verb verb = CONTROL_VERBS;

		g_assert_cmpint(control_request_parse(cases[i].text, strlen(cases[i].text), &verb),
				==, cases[i].ret);
		g_assert_cmpint(verb, ==, cases[i].verb);
	}
}

static void test_bound(void)
{
	char text[CONTROL_REQUEST_MAX + 10];
	enum control_verb verb;

	memset(text, ' ', sizeof(text));
	memcpy(text, "ping", 4);
	g_assert_cmpint(control_request_parse(text, CONTROL_REQUEST_MAX - 1, &verb), ==, -EAGAIN);
	g_assert_cmpint(control_request_parse(text, CONTROL_REQUEST_MAX, &verb), ==, -EMSGSIZE);
	text[CONTROL_REQUEST_MAX] = '\n'; /* one too late */
	g_assert_cmpint(control_request_parse(text, sizeof(text), &verb), ==, -EMSGSIZE);
	text[CONTROL_REQUEST_MAX - 1] = '\n';
	g_assert_cmpint(control_request_parse(text, sizeof(text), &verb), ==, 0);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/request/cases", test_cases);
	g_test_add_func("/request/bound", test_bound);
	return g_test_run();
}

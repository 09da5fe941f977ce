/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean". */
#include "conf/nearest.h"

#include <glib.h>
#include <string.h>

static const char *const names[] = { "host",     "libvirt_uri", "libvirt_type",
				     "cfg_file", "interval",    NULL };

static void test_nearest(void)
{
	static const struct {
		const char *word, *wanted;
	} rows[] = {
		{ "libvirt_url", "libvirt_uri" }, /* one replaced */
		{ "libvirt-uri", "libvirt_uri" }, /* '-' is '_' */
		{ "LIBVIRT_URI", "libvirt_uri" }, /* case */
		{ "librivt_type", "libvirt_type" }, /* swapped neighbours are one */
		{ "hosts", "host" },
		{ "hots", "host" }, /* 1 of 4 */
		{ "cfgfile", "cfg_file" },
		{ "intervall", "interval" },
		{ "zebra", NULL },
		{ "ho", NULL }, /* half is missing */
		{ "", NULL },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_assert_cmpstr(conf_nearest(rows[i].word, names), ==, rows[i].wanted);
	}
}

static void test_first_of_equals(void)
{
	static const char *const two[] = { "abcx", "abcy", NULL };

	g_assert_cmpstr(conf_nearest("abcz", two), ==, "abcx");
}

static void test_long(void)
{
	char word[200];
	const char *const list[] = { word, "host", NULL };

	memset(word, 'a', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	g_assert_null(conf_nearest(word, list));
	g_assert_cmpstr(conf_nearest("host", list), ==, "host");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/conf/nearest/rows", test_nearest);
	g_test_add_func("/conf/nearest/first-of-equals", test_first_of_equals);
	g_test_add_func("/conf/nearest/long", test_long);
	return g_test_run();
}

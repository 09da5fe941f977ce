/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of a subcommand.  Main thread; blocks on stderr and stdout. */
#include "cmd/parse.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "conf/nearest.h"

int cmd_usage(const char *command, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	fprintf(stderr, "virtmeter %s: %s; see virtmeter %s --help\n", command, text, command);
	g_free(text);
	return CMD_USAGE;
}

/* Words of an option that is not known: "--formt=json" -> "format", or NULL. */
static const char *suggestion(const GOptionEntry *entries, const char *word)
{
	GPtrArray *names = g_ptr_array_new();
	char *name = g_strndup(word, strcspn(word, "="));
	const char *near;

	for (; entries->long_name; entries++) {
		g_ptr_array_add(names, (void *)entries->long_name);
	}
	g_ptr_array_add(names, NULL);
	near = conf_nearest(name, (const char *const *)names->pdata);
	g_ptr_array_unref(names);
	g_free(name);
	return near;
}

static int refuse(const char *command, const GOptionEntry *entries, const GError *error)
{
	const char *word = strstr(error->message, "--"), *near = NULL;

	if (error->code == G_OPTION_ERROR_UNKNOWN_OPTION && word) {
		near = suggestion(entries, word + 2);
	}
	if (near) {
		return cmd_usage(command, "%s (did you mean --%s?)", error->message, near);
	}
	return cmd_usage(command, "%s", error->message);
}

static char
	*order; /* of --config-file ('f') and --config-dir ('d') on this process's command line */

static void note_order(int argc, char *const *argv)
{
	GString *found = g_string_new(NULL);

	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		size_t n = strcspn(argv[i], "=");

		if (n == strlen("--config-file") && strncmp(argv[i], "--config-file", n) == 0) {
			g_string_append_c(found, 'f');
		} else if (n == strlen("--config-dir") &&
			   strncmp(argv[i], "--config-dir", n) == 0) {
			g_string_append_c(found, 'd');
		}
	}
	g_free(order);
	order = g_string_free(found, FALSE);
}

struct ini_search cmd_search(char *const *files, char *const *dirs)
{
	return (struct ini_search){ .files = (const char *const *)files,
				    .dirs = (const char *const *)dirs,
				    .order = order };
}

int cmd_parse(int *argc, char ***argv, const GOptionEntry *entries, const char *usage,
	      const char *about)
{
	const char *command = (*argv)[0];
	gboolean help = FALSE;
	const GOptionEntry common[] = {
		{ "help", 'h', 0, G_OPTION_ARG_NONE, &help, "Show this text", NULL },
		{ NULL },
	};
	GOptionContext *context = g_option_context_new(usage);
	char *name = g_strconcat("virtmeter ", command, NULL);
	GError *error = NULL;
	int ret = -1;

	note_order(*argc, *argv);
	g_option_context_set_help_enabled(context, FALSE);
	g_option_context_set_summary(context, about);
	g_option_context_add_main_entries(context, entries, NULL);
	g_option_context_add_main_entries(context, common, NULL);
	g_set_prgname(name);
	if (!g_option_context_parse(context, argc, argv, &error)) {
		ret = refuse(command, entries, error);
		g_error_free(error);
	} else if (help) {
		char *text = g_option_context_get_help(context, TRUE, NULL);

		fputs(text, stdout);
		g_free(text);
		ret = CMD_OK;
	}
	g_option_context_free(context);
	g_set_prgname("virtmeter");
	g_free(name);
	return ret;
}

int cmd_format(const char *command, const char *text, enum table_format *ret_format)
{
	if (!text || strcmp(text, "table") == 0) {
		*ret_format = TABLE_TEXT;
		return 0;
	}
	if (strcmp(text, "json") == 0) {
		*ret_format = TABLE_JSON;
		return 0;
	}
	cmd_usage(command, "--format: '%s' will not do; write table or json", text);
	return -EINVAL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of the program and of its built-in plugins, printed from their tables: as the part
 * OPTIONS of virtmeter.conf(5), and as the commented sample etc/virtmeter.conf; and what each inspector gives, for
 * virtmeter-meters(7).  scripts/options-doc.py puts them into the files, or tells when they differ.
 * Usage: options_doc mdoc|conf|inspectors
 */
#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "builtin.h"
#include "conf/option.h"
#include "conf/settings.h"
#include "inspectors_doc.h"
#include "plugin/registry.h"

struct row {
	const struct vmt_option *option;
	const struct vmt_plugin *plugin; /* NULL: the program's own */
};

static GPtrArray *rows;

static bool known(const struct vmt_option *o)
{
	for (guint i = 0; i < rows->len; i++) {
		const struct row *r = g_ptr_array_index(rows, i);

		if (strcmp(r->option->name, o->name) == 0 &&
		    strcmp(option_group(r->option), option_group(o)) == 0) {
			return true;
		}
	}
	return false;
}

static void add(const struct vmt_option *options, const struct vmt_plugin *plugin)
{
	for (const struct vmt_option *o = options; o && o->name; o++) {
		if (!known(o)) {
			struct row *r = g_new(struct row, 1);

			*r = (struct row){ o, plugin };
			g_ptr_array_add(rows, r);
		}
	}
}

/* Text as words of an mdoc line: nothing in it is a macro, an escape or a control line. */
static char *mdoc(const char *text)
{
	char **words = g_strsplit(text, " ", -1);
	GString *out = g_string_new(NULL);

	for (char **w = words; *w; w++) {
		char **parts = g_strsplit(*w, "\\", -1);

		g_free(*w);
		*w = g_strjoinv("\\e", parts);
		g_strfreev(parts);
		if (g_regex_match_simple("^([A-Z%][A-Za-z0-9]{1,2}|[.,:;()\\[\\]?!|'].*)$", *w, 0,
					 0)) {
			char *escaped = g_strconcat("\\&", *w, NULL);

			g_free(*w);
			*w = escaped;
		}
	}
	for (char **w = words; *w; w++) {
		if (w > words) {
			/* a sentence begins a line */
			bool sentence = g_str_has_suffix(w[-1], ".") && g_ascii_isupper(**w);

			g_string_append_c(out, sentence ? '\n' : ' ');
		}
		g_string_append(out, *w);
	}
	g_strfreev(words);
	return g_string_free(out, FALSE);
}

static void print_mdoc(const struct row *r)
{
	const struct vmt_option *o = r->option;
	char *help = mdoc(o->help);

	printf(".It Va %s Pq %s", o->name, option_type_name(o));
	if (o->def && o->def[0]) {
		char *def = mdoc(o->def);

		printf(" , No default Li %s", def);
		g_free(def);
	}
	printf("\n%s\n", help);
	if (o->choices) {
		char *choices = g_strjoinv(" , ", (char **)(uintptr_t)o->choices);

		printf("One of\n.Cm %s .\n", choices);
		g_free(choices);
	}
	if (o->deprecated) {
		printf("Older name:\n.Va %s .\n", o->deprecated);
	}
	if (r->plugin) {
		printf("Of the %s\n.Cm %s", registry_namespace(r->plugin->ns), r->plugin->name);
		printf(o->flags & VMT_OPT_URL ? " ;\nalso in the query of its URL.\n" : " .\n");
	}
	g_free(help);
}

/* Options that no operator needs are left out of the sample. */
static bool for_operators(const char *group)
{
	return strcmp(group, "simulated") != 0 && strcmp(group, "test") != 0;
}

static void print_conf(const struct row *r)
{
	const struct vmt_option *o = r->option;

	printf("\n# %s", o->help);
	if (o->choices) {
		char *choices = g_strjoinv(", ", (char **)(uintptr_t)o->choices);

		printf(" One of %s.", choices);
		g_free(choices);
	}
	printf("\n#%s =%s%s\n", o->name, o->def && o->def[0] ? " " : "", o->def ? o->def : "");
}

/* One section after the other, [DEFAULT] and the program's own first. */
static void print(bool as_mdoc)
{
	GHashTable *done = g_hash_table_new(g_str_hash, g_str_equal);

	for (guint i = 0; i < rows->len; i++) {
		const char *group =
			option_group(((struct row *)g_ptr_array_index(rows, i))->option);

		if (!g_hash_table_add(done, (void *)(uintptr_t)group) ||
		    (!as_mdoc && !for_operators(group))) {
			continue;
		}
		printf(as_mdoc ? ".Ss [%s]\n.Bl -tag -width Ds\n" : "\n[%s]\n", group);
		for (guint k = i; k < rows->len; k++) {
			const struct row *r = g_ptr_array_index(rows, k);

			if (strcmp(option_group(r->option), group) == 0) {
				(as_mdoc ? print_mdoc : print_conf)(r);
			}
		}
		if (as_mdoc) {
			printf(".El\n");
		}
	}
	g_hash_table_destroy(done);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "inspectors") == 0) {
		return inspectors_doc();
	}
	if (argc != 2 || (strcmp(argv[1], "mdoc") != 0 && strcmp(argv[1], "conf") != 0)) {
		fprintf(stderr, "usage: options_doc mdoc|conf|inspectors\n");
		return 2;
	}
	rows = g_ptr_array_new_with_free_func(g_free);
	add(settings_options, NULL);
	for (const struct vmt_plugin *const *p = builtin_plugins; *p; p++) {
		if ((*p)->ns != VMT_TRANSFORMER) { /* theirs are parameters in pipeline.yaml */
			add((*p)->options, *p);
		}
	}
	print(strcmp(argv[1], "mdoc") == 0);
	g_ptr_array_free(rows, TRUE);
	return 0;
}

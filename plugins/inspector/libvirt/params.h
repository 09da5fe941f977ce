/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests and fuzz targets: statistics from text, one "NAME TYPE VALUE" per line; TYPE is i, u (long), s, d or
 * l (signed long).
 */
#ifndef INSPECTOR_LIBVIRT_PARAMS_H
#define INSPECTOR_LIBVIRT_PARAMS_H

#include <glib.h>
#include <libvirt/libvirt.h>
#include <stdlib.h>
#include <string.h>

/* Free with params_free(). */
static inline GArray *params_parse(const char *text)
{
	GArray *params = g_array_new(FALSE, TRUE, sizeof(virTypedParameter));
	char **lines = g_strsplit(text, "\n", -1);

	for (char **line = lines; *line; line++) {
		char **word = g_strsplit(*line, " ", 3);
		virTypedParameter p = { .type = 0 };

		if (g_strv_length(word) == 3) {
			g_strlcpy(p.field, word[0], sizeof(p.field));
			switch (word[1][0]) {
			case 'i':
				p.type = VIR_TYPED_PARAM_INT;
				p.value.i = (int)g_ascii_strtoll(word[2], NULL, 10);
				break;
			case 'u':
				p.type = VIR_TYPED_PARAM_ULLONG;
				p.value.ul = g_ascii_strtoull(word[2], NULL, 10);
				break;
			case 'l':
				p.type = VIR_TYPED_PARAM_LLONG;
				p.value.l = g_ascii_strtoll(word[2], NULL, 10);
				break;
			case 'd':
				p.type = VIR_TYPED_PARAM_DOUBLE;
				p.value.d = g_ascii_strtod(word[2], NULL);
				break;
			default:
				p.type = VIR_TYPED_PARAM_STRING;
				p.value.s = g_strdup(word[2]);
			}
			g_array_append_val(params, p);
		}
		g_strfreev(word);
	}
	g_strfreev(lines);
	return params;
}

static inline void params_free(GArray *params)
{
	for (guint i = 0; i < params->len; i++) {
		virTypedParameter *p = &g_array_index(params, virTypedParameter, i);

		if (p->type == VIR_TYPED_PARAM_STRING) {
			g_free(p->value.s);
		}
	}
	g_array_free(params, TRUE);
}

#endif

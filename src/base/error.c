/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the writing of reasons for persons: vmt_error_set() of the plugin contract.  Any thread; blocks
 * on nothing.
 */
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <virtmeter/plugin.h>

int vmt_error_set(struct vmt_error *error, int code, const char *format, ...)
{
	va_list args;
	int n;

	if (!error) {
		return code;
	}
	va_start(args, format);
	n = vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	if (n >= (int)sizeof(error->text)) {
		error->text[utf8_cut(error->text, sizeof(error->text) - 1)] = '\0';
	}
	for (char *p = error->text; *p; p++) {
		if ((unsigned char)*p < ' ') {
			*p = ' '; /* one line, whatever the far side said */
		}
	}
	return code;
}

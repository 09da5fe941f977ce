/* SPDX-License-Identifier: Apache-2.0 */
/* What a transformer finds in its parameters goes to its host, or to the log.  Blocks on nothing. */
#include "transform/stage.h"

#include <errno.h>
#include <glib.h>
#include <stdarg.h>

static void tell(const struct vmt_stage *stage, bool wrong, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));

static void tell(const struct vmt_stage *stage, bool wrong, const char *format, va_list args)
{
	char *text = g_strdup_vprintf(format, args);

	if (stage->host) {
		stage->host->tell(stage->host->context, wrong, text);
	} else {
		vmt_log(wrong ? VMT_LOG_ERROR : VMT_LOG_WARNING, "%s: %s", stage->name, text);
	}
	g_free(text);
}

VMT_API void vmt_stage_warn(const struct vmt_stage *stage, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	tell(stage, false, format, args);
	va_end(args);
}

VMT_API int vmt_stage_refuse(const struct vmt_stage *stage, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	tell(stage, true, format, args);
	va_end(args);
	return -EINVAL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judges faults.  Any thread; never blocks.
 */
#include "plugins/vim/fault.h"

#include "base/utf8.h"

#include <glib.h>
#include <string.h>

static const struct {
	const char *type;
	enum vim_fault_kind kind;
} types[] = {
	{ "NotAuthenticated", VIM_FAULT_SESSION },
	{ "SessionExpired", VIM_FAULT_SESSION },
	{ "InvalidLogin", VIM_FAULT_LOGIN },
	{ "PasswordExpired", VIM_FAULT_LOGIN }, /* these two extend InvalidLogin */
	{ "InvalidClientCertificate", VIM_FAULT_LOGIN },
	{ "NoPermission", VIM_FAULT_PERMISSION },
	{ "ManagedObjectNotFound", VIM_FAULT_GONE },
	{ "InvalidProperty", VIM_FAULT_ARGUMENT },
	{ "InvalidArgument", VIM_FAULT_ARGUMENT },
	{ "InvalidRequest", VIM_FAULT_ARGUMENT },
	{ "InvalidName", VIM_FAULT_ARGUMENT },
	{ "InvalidType", VIM_FAULT_ARGUMENT },
	{ "NotSupported", VIM_FAULT_ARGUMENT },
	{ "NotImplemented", VIM_FAULT_ARGUMENT },
	{ "MethodNotFound", VIM_FAULT_ARGUMENT },
	{ "RestrictedByAdministrator", VIM_FAULT_TOO_MUCH },
	{ "HostNotConnected", VIM_FAULT_HOST },
	{ "HostNotReachable", VIM_FAULT_HOST },
	{ "HostCommunication", VIM_FAULT_HOST },
	{ "TooManyHosts", VIM_FAULT_HOST },
	{ "Timedout", VIM_FAULT_HOST },
	{ "RequestCanceled", VIM_FAULT_HOST },
};

/* Words that say more than the type, which releases differ in. */
static const struct {
	const char *words;
	enum vim_fault_kind kind;
} texts[] = {
	{ "maxQueryMetrics", VIM_FAULT_TOO_MUCH },
	{ "querySpec.size", VIM_FAULT_TOO_MUCH },
	{ "Unsupported version", VIM_FAULT_VERSION },
};

enum vim_fault_kind vim_fault_kind(const struct vim_fault *fault)
{
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		if (strstr(fault->text, texts[i].words)) {
			return texts[i].kind;
		}
	}
	for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
		if (strcmp(fault->type, types[i].type) == 0) {
			return types[i].kind;
		}
	}
	return VIM_FAULT_TRANSIENT;
}

void vim_fault_tell(const struct vim_fault *fault, char *text, size_t size)
{
	size_t n = 0;

	g_snprintf(text, size, "%s: %s%s%s%s", *fault->type ? fault->type : "fault",
		   *fault->text ? fault->text : "no reason given", *fault->name ? " (" : "",
		   fault->name, *fault->name ? ")" : "");
	for (char *c = text; *c; c++) { /* one line, spaces folded */
		char next = (unsigned char)*c <= ' ' ? ' ' : *c;

		if (next != ' ' || n == 0 || text[n - 1] != ' ') {
			text[n++] = next;
		}
	}
	text[utf8_cut(text, n)] = '\0';
}

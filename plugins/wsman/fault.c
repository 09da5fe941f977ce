/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judges faults.  Any thread; never blocks.
 */
#include "plugins/wsman/fault.h"

#include "base/utf8.h"

#include <glib.h>
#include <inttypes.h>
#include <string.h>

/* Windows' own words, where it has them, say more than the standard's: codes of WS-Management (0x8033…), of WMI
 * (0x80041…), of Windows. */
static const struct {
	uint64_t code;
	enum wsman_fault fault;
} codes[] = {
	{ 0x8033801B, WSMAN_FAULT_CONTEXT }, /* no such context */
	{ 0x8033801C, WSMAN_FAULT_CONTEXT }, /* the context has timed out */
	{ 0x80041010, WSMAN_FAULT_CLASS }, /* WBEM_E_INVALID_CLASS */
	{ 0x8004100E, WSMAN_FAULT_CLASS }, /* WBEM_E_INVALID_NAMESPACE */
	{ 5, WSMAN_FAULT_ACCESS },
	{ 0x80070005, WSMAN_FAULT_ACCESS },
	{ 0x80041003, WSMAN_FAULT_ACCESS }, /* WBEM_E_ACCESS_DENIED */
	{ 0x80338111, WSMAN_FAULT_TOO_LARGE },
	{ 2150859174, WSMAN_FAULT_QUOTA }, /* too many concurrent operations */
};

static const struct {
	const char *subcode;
	enum wsman_fault fault;
	enum wsman_fault pull; /* what it means of a context */
} subcodes[] = {
	{ "InvalidEnumerationContext", WSMAN_FAULT_CONTEXT, WSMAN_FAULT_CONTEXT },
	{ "DestinationUnreachable", WSMAN_FAULT_CLASS, WSMAN_FAULT_CONTEXT },
	{ "InvalidResourceURI", WSMAN_FAULT_CLASS, WSMAN_FAULT_CLASS },
	{ "AccessDenied", WSMAN_FAULT_ACCESS, WSMAN_FAULT_ACCESS },
	{ "EncodingLimit", WSMAN_FAULT_TOO_LARGE, WSMAN_FAULT_TOO_LARGE },
	{ "TimedOut", WSMAN_FAULT_TIMEOUT, WSMAN_FAULT_TIMEOUT },
	{ "QuotaLimit", WSMAN_FAULT_QUOTA, WSMAN_FAULT_QUOTA },
	{ "CannotProcessFilter", WSMAN_FAULT_QUERY, WSMAN_FAULT_QUERY },
	{ "InvalidParameter", WSMAN_FAULT_QUERY, WSMAN_FAULT_QUERY },
};

enum wsman_fault wsman_fault_of(const struct wsman_answer *answer, bool pull)
{
	for (unsigned i = 0; i < WSMAN_CODES && answer->code[i]; i++) {
		for (size_t k = 0; k < G_N_ELEMENTS(codes); k++) {
			if (codes[k].code == answer->code[i]) {
				return codes[k].fault;
			}
		}
	}
	for (size_t k = 0; k < G_N_ELEMENTS(subcodes); k++) {
		if (strcmp(subcodes[k].subcode, answer->subcode) == 0) {
			return pull ? subcodes[k].pull : subcodes[k].fault;
		}
	}
	return g_str_has_prefix(answer->subcode, "InvalidResourceURI") ? WSMAN_FAULT_CLASS
								       : WSMAN_FAULT_OTHER;
}

void wsman_fault_tell(const struct wsman_answer *answer, char *text, size_t size)
{
	char code[32] = "";
	size_t n = 0;

	if (answer->code[0]) {
		g_snprintf(code, sizeof(code), " 0x%08" PRIX64, answer->code[0]);
	}
	g_snprintf(text, size, "%.64s%s: %.300s", *answer->subcode ? answer->subcode : "fault",
		   code, *answer->reason ? answer->reason : "no reason given");
	for (char *c = text; *c; c++) { /* one line, spaces folded */
		char next = (unsigned char)*c <= ' ' ? ' ' : *c;

		if (next != ' ' || n == 0 || text[n - 1] != ' ') {
			text[n++] = next;
		}
	}
	text[utf8_cut(text, n)] = '\0';
}

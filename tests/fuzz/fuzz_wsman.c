/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of WS-Management servers, as envelopes and as encrypted bodies: whatever is told of them is text that ends,
 * within its bounds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/wsman/fault.h"
#include "plugins/wsman/sealed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct wsman_wanted wanted = { "Msvm_MetricForME",
					    (const char *const[]){ "Antecedent", "Dependent",
								   "Name", "MetricValue", NULL } };

static void look(void *context, const struct wsman_item *item)
{
	size_t *items = context;

	++*items;
	for (size_t i = 0; i < WSMAN_PROPERTIES; i++) {
		if (item->value[i] && (i > 3 || strlen(item->value[i]) > WSMAN_TEXT_MAX)) {
			abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wsman_reader *reader = wsman_reader_new();
	struct wsman_answer answer;
	struct vmt_error error;
	struct sealed sealed;
	size_t items = 0;
	char told[64];

	if (wsman_read(reader, (const char *)data, size, &wanted, look, &items, &answer, &error) ==
	    0) {
		wsman_fault_tell(&answer, told, sizeof(told));
		wsman_fault_of(&answer, size % 2);
		if (items > answer.items || strlen(answer.context) > WSMAN_CONTEXT_MAX ||
		    strchr(told, '\n')) {
			abort();
		}
	}
	wsman_reader_free(reader);
	if (sealed_parse((const char *)data, size, &sealed) == 0 &&
	    (sealed.data < (const char *)data || sealed.len > size)) {
		abort();
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: the file of counters that outlasts a restart (model/meter.h).  What is taken must come out again as
 * what is taken.
 */
#include "model/meter.h"

#include <glib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct meter_settings settings = { .metadata.reserved_length = 256 };
	struct meter_state *s = meter_state_new(&settings);
	struct buf text = BUF_INIT;
	int n = meter_state_load(s, "b", (const char *)data, size);

	if (n >= 0) {
		struct meter_state *again = meter_state_new(&settings);

		meter_state_save(s, "b", &text);
		g_assert_cmpint(meter_state_load(again, "b", text.data, text.len), ==, n);
		meter_state_free(again);
	}
	buf_fini(&text);
	meter_state_free(s);
	return 0;
}

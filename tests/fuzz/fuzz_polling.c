/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: polling.yaml and pipeline.yaml, in both roles. */
#include <stddef.h>
#include <stdint.h>

#include "conf/polling.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (int role = POLLING_FILE; role <= PIPELINE_FILE; role++) {
		struct problems *problems = problems_new();
		struct polling *polling = NULL;

		if (polling_read_text("fuzz", (const char *)data, size, (enum polling_role)role,
				      &polling, problems) == 0) {
			polling_free(polling);
		}
		problems_free(problems);
	}
	return 0;
}

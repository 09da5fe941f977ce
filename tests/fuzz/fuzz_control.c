/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: requests on the control socket, whole and byte by byte.  One thread.
 */
#include "control/request.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum control_verb verb = CONTROL_VERBS, early = CONTROL_VERBS;
	int ret = control_request_parse((const char *)data, size, &verb), piece = -EAGAIN;

	if (ret == 0 ? verb >= CONTROL_VERBS : verb != CONTROL_VERBS) {
		abort();
	}
	/* What is answered does not depend on how the bytes come in. */
	for (size_t n = 0; n <= size && piece == -EAGAIN; n++) {
		piece = control_request_parse((const char *)data, n, &early);
	}
	if (piece != ret || early != verb) {
		abort();
	}
	return 0;
}

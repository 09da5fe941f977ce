/* SPDX-License-Identifier: Apache-2.0 */
/* Where no processor has what a pair needs.  Any thread; blocks on nothing. */
#include "wire/sha256_pair.h"

#include <glib.h>

bool sha256_pair_here(void)
{
	return false;
}

void sha256_pair(struct sha256_states *states, const unsigned char *const text[2], size_t blocks)
{
	g_assert_not_reached();
}

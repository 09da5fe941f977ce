/* SPDX-License-Identifier: Apache-2.0 */
/* Words of options, for the shared objects and for their declarations in the program alike. */
#include "plugins/hyperv/options.h"

const char *const hyperv_auths[] = { "basic", "negotiate", "kerberos", NULL };

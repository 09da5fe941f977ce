/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inspection: where an inspector puts its readings (vmt_inspection_stamp, _disk, _nic of the
 * contract).  Its arrays are kept from cycle to cycle: once they have grown, filling them costs no
 * heap call. One thread at a time.
 */
#ifndef MODEL_INSPECTION_H
#define MODEL_INSPECTION_H

#include <virtmeter/plugin.h>

struct vmt_inspection *inspection_new(void);
void inspection_free(struct vmt_inspection *in);

/* Empties it for `count` instances: every reading is VMT_UNREAD with nothing present, no disks, no
 * NICs, no stamps, no calls. */
void inspection_reset(struct vmt_inspection *in, size_t count);

/* Bytes held from the heap. */
size_t inspection_bytes(const struct vmt_inspection *in);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a sample is fit to be sent unsigned, as JSON (wire/sample.h): its volume finite, its texts UTF-8, its
 * metadata a JSON object.  Of a resource version it is found out once.  One thread at a time.
 */
#ifndef WIRE_SAMPLE_CHECK_H
#define WIRE_SAMPLE_CHECK_H

#include <virtmeter/plugin.h>

struct sample_check;

struct sample_check *sample_check_new(void);
void sample_check_free(struct sample_check *c); /* NULL is fine */

/* NULL: it is fit; else why not, a constant, valid for ever. */
const char *sample_check_row(struct sample_check *c, const struct vmt_batch *batch, uint32_t row);

/* Whether the text is a JSON object and nothing else. */
bool sample_check_object(const char *json, size_t n);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a null:// publisher has counted, for tests in the same process.  `self` is what its open made; on
 * the publisher's thread, or while nothing is published.
 */
#ifndef PUBLISHER_NULL_H
#define PUBLISHER_NULL_H

#include <virtmeter/plugin.h>

uint64_t null_publisher_samples(const void *self);
uint64_t null_publisher_frames(const void *self);

#endif

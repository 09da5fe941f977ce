/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a test:// publisher was given, for tests in the same process.  `self` is what its open made; on the
 * publisher's thread, or while nothing is published.
 */
#ifndef PUBLISHER_TEST_H
#define PUBLISHER_TEST_H

#include <virtmeter/plugin.h>

/* One sample; strings are the publisher's, until the sample is the oldest and makes room. */
struct test_sample {
	const char *name, *unit, *resource, *metadata, *source;
	const char *project, *user; /* NULL for null */
	enum vmt_meter_type type;
	enum vmt_kind kind;
	union vmt_num value;
	int64_t time_ns, mono_ns;
	uint64_t frame; /* its sequence */
	uint8_t id[16];
};

/* Samples kept, and the i-th of them, oldest first; NULL past the end. */
size_t test_publisher_count(const void *self);
const struct test_sample *test_publisher_at(const void *self, size_t i);
/* Samples confirmed, kept or not; publishes that failed because of `fail` or were refused. */
uint64_t test_publisher_confirmed(const void *self);
uint64_t test_publisher_failed(const void *self);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's side of vmt_intake_*: whoever takes messages in puts this first into its object.  The collector does
 * (collector/intake.h), and tests of receivers.
 */
#ifndef MODEL_INTAKE_H
#define MODEL_INTAKE_H

#include <virtmeter/plugin.h>

struct intake_ops {
	int (*message)(struct vmt_intake *intake, enum vmt_message_form form, const void *bytes,
		       size_t len, uint64_t tag);
	void (*flush)(struct vmt_intake *intake);
	size_t (*settled)(struct vmt_intake *intake, struct vmt_settled *ret_settled, size_t max);
	void (*lost)(struct vmt_intake *intake, uint64_t messages);
};

struct vmt_intake {
	const struct intake_ops *ops;
	int fd; /* readable when something was settled */
	size_t limit; /* bytes of a message */
	atomic_bool closing;
};

#endif

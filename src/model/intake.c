/* SPDX-License-Identifier: Apache-2.0 */
/* What receivers call, led to the host's object.  The receiver's thread. */
#include "model/intake.h"

VMT_API int vmt_intake_message(struct vmt_intake *intake, enum vmt_message_form form,
			       const void *bytes, size_t len, uint64_t tag)
{
	return intake->ops->message(intake, form, bytes, len, tag);
}

VMT_API void vmt_intake_flush(struct vmt_intake *intake)
{
	intake->ops->flush(intake);
}

VMT_API size_t vmt_intake_settled(struct vmt_intake *intake, struct vmt_settled *ret_settled,
				  size_t max)
{
	return intake->ops->settled(intake, ret_settled, max);
}

VMT_API void vmt_intake_lost(struct vmt_intake *intake, uint64_t messages)
{
	intake->ops->lost(intake, messages);
}

VMT_API int vmt_intake_fd(const struct vmt_intake *intake)
{
	return intake->fd;
}

VMT_API size_t vmt_intake_limit(const struct vmt_intake *intake)
{
	return intake->limit;
}

VMT_API bool vmt_intake_closing(const struct vmt_intake *intake)
{
	return atomic_load(&intake->closing);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The digest of a message is the sum of those of its samples.  Any thread; blocks on nothing. */
#include "digests.h"

#include <glib.h>
#include <string.h>

#include "base/hash.h"

static void want(struct digests *d, uint32_t count)
{
	if (count > d->room) {
		d->room = MAX(count, d->room * 2);
		d->item = g_renew(struct digest, d->item, d->room);
	}
	if (count > d->count) {
		memset(d->item + d->count, 0, (count - d->count) * sizeof(*d->item));
		d->count = count;
	}
}

static void add_row(struct digest *digest, const struct vmt_batch *b, uint64_t meter, uint32_t row)
{
	struct {
		uint64_t meter, kind, row, resource;
		uint8_t id[16];
		int64_t time_ns;
		union vmt_num value;
	} r = { .meter = meter,
		.kind = b->kinds ? b->kinds[row] : b->kind,
		.row = b->ids ? 0 : row,
		.resource = b->resource[row]->digest,
		.time_ns = b->times ? b->times[row] : b->time_ns,
		.value = b->value[row] };

	uint64_t hash;

	memcpy(r.id, b->ids ? b->ids[row] : b->id, sizeof(r.id));
	hash = hash64(&r, sizeof(r), 1);
	digest->half[0] += hash;
	digest->half[1] += hash64(&hash, sizeof(hash), 2);
	digest->time_ns = digest->rows ? MAX(digest->time_ns, r.time_ns) : r.time_ns;
	digest->rows++;
}

void digests_make(struct digests *d, const struct vmt_frame *frame, uint64_t bit)
{
	d->count = 0;
	want(d, 1);
	for (size_t i = 0; i < frame->count; i++) {
		const struct vmt_batch *b = &frame->batch[i];
		uint64_t meter = hash64(b->name, strlen(b->name), 0);

		if (!(b->publishers & bit)) {
			continue;
		}
		meter = b->derived ? hash64(b->derived, strlen(b->derived), meter) : meter;
		for (uint32_t row = 0; row < b->count; row++) {
			want(d, b->messages ? b->messages[row] + 2 : 1);
			add_row(digests_of(d, b, row), b, meter, row);
		}
	}
}

void digests_fini(struct digests *d)
{
	g_free(d->item);
	*d = (struct digests){ .item = NULL };
}

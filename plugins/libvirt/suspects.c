/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the book of suspects.  Any thread; never blocks but on its lock.
 */
#include "plugins/libvirt/suspects.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "base/uuid.h"
#include "base/wait.h"

#include <glib.h>
#include <string.h>

#define PENDING_NS                                                                                 \
	(10 * NS_PER_S) /* for so long a call left behind keeps others from asking the same */

struct row {
	struct suspect public; /* its uuid is the key; first */
	struct flight *flight; /* counted; NULL: none waits */
};

/* A call left behind. */
struct left {
	struct flight *flight; /* counted */
	uint8_t (*uuid)[16];
	size_t count;
	int64_t limit_ns;
	int64_t left_ns; /* when */
};

struct suspects {
	struct wait lock; /* guards all; nobody waits on it */
	GHashTable *table; /* of struct row, by uuid */
	GArray *left; /* of struct left */
	uint64_t found, cleared;
	int64_t hang_ns;
};

static const char *const reasons[SUSPECT_REASONS] = {
	[SUSPECT_NONE] = "answers",
	[SUSPECT_STOPPED] = "QEMU is stopped (signal)",
	[SUSPECT_TRACED] = "QEMU is stopped by a debugger",
	[SUSPECT_BLOCKED] = "QEMU sleeps uninterruptibly in the kernel",
	[SUSPECT_HUNG] = "its monitor does not answer",
};

const char *suspect_reason(enum suspect_why why)
{
	return reasons[why];
}

enum suspect_why suspect_why_of(enum process_state state)
{
	switch (state) {
	case PROCESS_STOPPED:
		return SUSPECT_STOPPED;
	case PROCESS_TRACED:
		return SUSPECT_TRACED;
	case PROCESS_BLOCKED:
		return SUSPECT_BLOCKED;
	default:
		return SUSPECT_NONE;
	}
}

static void row_free(gpointer p)
{
	struct row *r = p;

	flight_unref(r->flight);
	g_free(r);
}

static void left_clear(gpointer p)
{
	struct left *l = p;

	flight_unref(l->flight);
	g_free(l->uuid);
}

struct suspects *suspects_new(void)
{
	struct suspects *s = g_new0(struct suspects, 1);

	wait_init(&s->lock);
	s->table = g_hash_table_new_full(uuid_key_hash, uuid_key_equal, NULL, row_free);
	s->left = g_array_new(FALSE, FALSE, sizeof(struct left));
	g_array_set_clear_func(s->left, left_clear);
	return s;
}

void suspects_free(struct suspects *s)
{
	if (s) {
		g_hash_table_destroy(s->table);
		g_array_free(s->left, TRUE);
		wait_fini(&s->lock);
		g_free(s);
	}
}

bool suspects_get(struct suspects *s, const uint8_t uuid[16], struct suspect *ret_suspect)
{
	const struct row *r;

	wait_lock(&s->lock);
	r = g_hash_table_lookup(s->table, uuid);
	if (r && ret_suspect) {
		*ret_suspect = r->public;
	}
	wait_unlock(&s->lock);
	return r != NULL;
}

void suspects_count(struct suspects *s, struct suspects_count *ret_count)
{
	int result;

	wait_lock(&s->lock);
	*ret_count = (struct suspects_count){ .quarantined = g_hash_table_size(s->table),
					      .found = s->found,
					      .cleared = s->cleared };
	for (guint i = 0; i < s->left->len; i++) {
		const struct left *l = &g_array_index(s->left, struct left, i);

		ret_count->outstanding += !flight_done(l->flight, &result);
	}
	wait_unlock(&s->lock);
}

void suspects_hung(struct suspects *s, int64_t begun_ns)
{
	wait_lock(&s->lock);
	s->hang_ns = MAX(s->hang_ns, begun_ns);
	wait_unlock(&s->lock);
}

int64_t suspects_last_hang(struct suspects *s)
{
	int64_t ns;

	wait_lock(&s->lock);
	ns = s->hang_ns;
	wait_unlock(&s->lock);
	return ns;
}

bool suspects_put(struct suspects *s, const uint8_t uuid[16], uint64_t epoch, enum suspect_why why,
		  int64_t latency_ns, struct flight *flight)
{
	int64_t now = clock_monotonic();
	struct row *r;
	bool new;

	wait_lock(&s->lock);
	r = g_hash_table_lookup(s->table, uuid);
	new = !r;
	if (new) {
		r = g_new0(struct row, 1);
		memcpy(r->public.uuid, uuid, sizeof(r->public.uuid));
		r->public.since_ns = now;
		g_hash_table_insert(s->table, r->public.uuid, r);
		s->found++;
	}
	r->public.epoch = epoch;
	r->public.why = why;
	r->public.latency_ns = latency_ns;
	if (flight && r->flight != flight) {
		flight_unref(r->flight);
		r->flight = flight_ref(flight);
		r->public.outstanding = true;
	}
	wait_unlock(&s->lock);
	return new;
}

bool suspects_clear(struct suspects *s, const uint8_t uuid[16], int64_t *ret_since_ns)
{
	struct row *r;

	wait_lock(&s->lock);
	r = g_hash_table_lookup(s->table, uuid);
	if (r && ret_since_ns) {
		*ret_since_ns = r->public.since_ns;
	}
	if (r) {
		g_hash_table_remove(s->table, uuid);
		s->cleared++;
	}
	wait_unlock(&s->lock);
	return r != NULL;
}

bool suspects_probe(struct suspects *s, const uint8_t uuid[16])
{
	static const struct backoff_limits limits = { NS_PER_S, 60 * NS_PER_S };
	int64_t now = clock_monotonic();
	struct row *r;
	bool may;

	wait_lock(&s->lock);
	r = g_hash_table_lookup(s->table, uuid);
	may = r && !r->public.outstanding && now >= r->public.probe_ns;
	if (may) {
		r->public.probe_ns = now + backoff_after(r->public.probes++, &limits);
	}
	wait_unlock(&s->lock);
	return may;
}

void suspects_hope(struct suspects *s, const uint8_t uuid[16])
{
	struct row *r;

	wait_lock(&s->lock);
	r = g_hash_table_lookup(s->table, uuid);
	if (r) {
		r->public.why = SUSPECT_HUNG;
		r->public.latency_ns = 0;
		r->public.probes = 0;
		r->public.probe_ns = 0;
	}
	wait_unlock(&s->lock);
}

/* ------------------------------------------------------------------ calls left behind */

void suspects_leave(struct suspects *s, struct flight *flight, const uint8_t (*uuid)[16],
		    size_t count, int64_t limit_ns)
{
	struct left l = { .flight = flight_ref(flight),
			  .uuid = g_memdup2(uuid, count * sizeof(*uuid)),
			  .count = count,
			  .limit_ns = limit_ns,
			  .left_ns = clock_monotonic() };

	wait_lock(&s->lock);
	g_array_append_val(s->left, l);
	wait_unlock(&s->lock);
}

/* Called locked: this call has come back. */
static void settle(struct suspects *s, const struct flight *flight, int result)
{
	GHashTableIter it;
	gpointer p;

	g_hash_table_iter_init(&it, s->table);
	while (g_hash_table_iter_next(&it, NULL, &p)) {
		struct row *r = p;

		if (r->flight != flight) {
			continue;
		}
		if (result >= 0) {
			g_hash_table_iter_remove(&it);
			s->cleared++;
			continue;
		}
		flight_unref(r->flight);
		r->flight = NULL;
		r->public.outstanding = false;
		r->public.probe_ns = 0;
	}
}

void suspects_sweep(struct suspects *s)
{
	int result;

	wait_lock(&s->lock);
	for (guint i = 0; i < s->left->len;) {
		const struct left *l = &g_array_index(s->left, struct left, i);

		if (flight_done(l->flight, &result)) {
			settle(s, l->flight, result);
			g_array_remove_index_fast(s->left, i);
		} else {
			i++;
		}
	}
	wait_unlock(&s->lock);
}

/* Called locked: does somebody we know hold it up? */
static bool is_held(struct suspects *s, const struct flight *flight)
{
	GHashTableIter it;
	gpointer p;

	g_hash_table_iter_init(&it, s->table);
	while (g_hash_table_iter_next(&it, NULL, &p)) {
		if (((const struct row *)p)->flight == flight) {
			return true;
		}
	}
	return false;
}

static bool is_in(const struct left *l, const uint8_t uuid[16])
{
	for (size_t i = 0; i < l->count; i++) {
		if (memcmp(l->uuid[i], uuid, 16) == 0) {
			return true;
		}
	}
	return false;
}

struct flight *suspects_flight(struct suspects *s, const uint8_t uuid[16], int64_t *ret_limit_ns)
{
	struct flight *found = NULL;
	int result;

	wait_lock(&s->lock);
	for (guint i = 0; i < s->left->len && !found; i++) {
		const struct left *l = &g_array_index(s->left, struct left, i);

		if (!flight_done(l->flight, &result) && is_in(l, uuid) && !is_held(s, l->flight)) {
			found = flight_ref(l->flight);
			*ret_limit_ns = l->limit_ns;
		}
	}
	wait_unlock(&s->lock);
	return found;
}

bool suspects_is_pending(struct suspects *s, const uint8_t uuid[16])
{
	int64_t now = clock_monotonic();
	bool pending = false;
	int result;

	wait_lock(&s->lock);
	for (guint i = 0; i < s->left->len && !pending; i++) {
		const struct left *l = &g_array_index(s->left, struct left, i);

		/* One that hangs on nobody we can find must not keep all in it from being asked for ever. */
		pending = now - l->left_ns < MAX(l->limit_ns, PENDING_NS) &&
			  !flight_done(l->flight, &result) && is_in(l, uuid) &&
			  !is_held(s, l->flight);
	}
	wait_unlock(&s->lock);
	return pending;
}

size_t suspects_watched(struct suspects *s, uint8_t (**ret_uuid)[16])
{
	GArray *out = g_array_new(FALSE, FALSE, 16);
	GHashTable *seen = g_hash_table_new(uuid_key_hash, uuid_key_equal);
	GHashTableIter it;
	gpointer p;
	size_t n;

	wait_lock(&s->lock);
	g_hash_table_iter_init(&it, s->table);
	while (g_hash_table_iter_next(&it, NULL, &p)) {
		const struct row *r = p;

		g_hash_table_add(seen, p);
		g_array_append_vals(out, r->public.uuid, 1);
	}
	for (guint i = 0; i < s->left->len; i++) {
		const struct left *l = &g_array_index(s->left, struct left, i);

		for (size_t k = 0; k < l->count; k++) {
			if (g_hash_table_add(seen, l->uuid[k])) {
				g_array_append_vals(out, l->uuid[k], 1);
			}
		}
	}
	wait_unlock(&s->lock);
	g_hash_table_destroy(seen);
	n = out->len;
	*ret_uuid = (uint8_t(*)[16])(void *)g_array_free(out, FALSE);
	return n;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the order of questions, and who is left alone.  On a worker, one at a time; blocks on the network until the
 * call's deadline.
 */
#include "plugins/inspector/vsphere/query.h"

#include "base/backoff.h"
#include "base/clock.h"

#include <errno.h>

#define SHORTEST_NS (200 * NS_PER_MS) /* in less nobody can answer */
#define PROBE_NS (5 * NS_PER_S) /* for a server to say that it is there */
#define BREATH_NS NS_PER_S /* before a fault that may pass is asked about again */
#define RELOAD_NS (600 * NS_PER_S) /* between two looks at the counters' numbers in a session */
#define ARENA_MOST ((size_t)256 << 20)

enum {
	UNLIMITED = 1024, /* entities times metrics, where the server has no limit */
	SPARE = 64, /* questions of a cycle beyond those that it takes when all goes well */
	AGAIN = 1, /* the same once more, with less at a time or without one */
};

/* How long who was found out is left alone. */
static const struct backoff_limits pauses[FATES] = {
	[FATE_SILENT] = { 60 * NS_PER_S, 600 * NS_PER_S },
	[FATE_REFUSED] = { 60 * NS_PER_S, 600 * NS_PER_S },
	[FATE_SKIPPED] = { 60 * NS_PER_S, 300 * NS_PER_S },
};

/* Whom it was not to be had of. */
struct suspect {
	enum fate fate;
	struct backoff alone; /* after it: asked behind all others, and found by halves */
	uint64_t cycle; /* that it was wanted in last */
	uint64_t found; /* the cycle that it was found out in last */
};

/* Places of `order` that are asked together. */
struct slice {
	size_t first, count;
	bool again; /* one that a fault was about which may pass */
};

/* ------------------------------------------------------------------ one question */

static const struct vim_machine *machine_at(const struct query *q, size_t place)
{
	return &q->machines->machine[g_array_index(q->order, uint32_t, place)];
}

static struct values *values_at(const struct query *q, size_t place)
{
	return &q->values[g_array_index(q->order, uint32_t, place)];
}

static void write_question(struct buf *out, struct vim_client *c, void *asker)
{
	struct query *q = asker;

	vim_request_perf_begin(out, (struct vim_ref){ "PerformanceManager",
						      vim_client_service(c)->perf_manager });
	for (size_t i = 0; i < q->count; i++) {
		vim_request_perf_add(out, machine_at(q, q->first + i)->ref, q->samples,
				     q->metric + q->from, q->width);
	}
	vim_request_perf_end(out);
	q->at = q->first;
}

/* Answers come in the order of questions, most times. */
static void on_machine(void *context, const char *id, size_t len)
{
	struct query *q = context;

	if (q->at < q->first + q->count && strcmp(machine_at(q, q->at)->ref, id) == 0) {
		q->machine = g_array_index(q->order, uint32_t, q->at++);
	} else {
		q->machine = (size_t)GPOINTER_TO_UINT(g_hash_table_lookup(q->refs, id)) - 1;
	}
}

static void on_series(void *context, const struct vim_series *series)
{
	struct query *q = context;

	if (q->machine != SIZE_MAX) {
		values_take(&q->values[q->machine], &q->counters,
			    q->machines->machine[q->machine].ref, q->cycle, series, q->arena);
	}
}

/* Half of what time there is left, so that one that hangs leaves something to the others. */
static int ask_once(struct query *q, const struct vmt_call *call, struct vmt_error *error)
{
	const struct vim_question question = {
		.write = write_question,
		.asker = q,
		.once = true, /* whom it is about is found by halves */
		.shape = &vim_perf_shape,
		.context = &q->perf,
	};
	int64_t now = clock_monotonic(), share = (call->deadline_ns - now) / 2;
	struct vmt_call part = { .deadline_ns = now + share, .cancel = call->cancel };

	if (share < SHORTEST_NS) {
		return vmt_error_set(error, -ETIME, "%s: no time is left",
				     vim_client_address(q->client));
	}
	q->machine = SIZE_MAX;
	return vim_client_ask(q->client, &question, &part, error);
}

/* ------------------------------------------------------------------ whom it was not to be had of */

static void set_fate(struct query *q, size_t first, size_t count, enum fate fate)
{
	for (size_t i = first; i < first + count; i++) {
		values_at(q, i)->fate = fate;
	}
}

static void clear(struct query *q, size_t first, size_t count)
{
	for (size_t i = first; i < first + count && g_hash_table_size(q->suspects); i++) {
		g_hash_table_remove(q->suspects, machine_at(q, i)->ref);
	}
}

static struct suspect *suspect_at(struct query *q, size_t place)
{
	const char *ref = machine_at(q, place)->ref;
	struct suspect *s = g_hash_table_lookup(q->suspects, ref);

	if (!s) {
		s = g_new0(struct suspect, 1);
		g_hash_table_insert(q->suspects, g_strdup(ref), s);
	}
	s->cycle = q->cycle;
	return s;
}

static void tell_silent(const struct query *q, size_t place, const struct suspect *s)
{
	vmt_log(VMT_LOG_WARNING, "%s: machine %s (%s) does not answer; left alone for %d s",
		vim_client_address(q->client), machine_at(q, place)->ref, machine_at(q, place)->id,
		(int)(s->alone.pause_ns / NS_PER_S));
}

/* Of those that a fault is about, the first of a cycle is named. */
static void note_trouble(struct query *q, size_t place, enum fate fate)
{
	const struct vim_fault *f = vim_client_fault(q->client);
	struct trouble *t = &q->trouble[fate];

	if (t->machines++ == 0) {
		g_snprintf(t->machine, sizeof(t->machine), "machine %.60s (%.60s)",
			   machine_at(q, place)->ref, machine_at(q, place)->id);
		g_snprintf(t->privilege, sizeof(t->privilege), "%s", f->privilege);
		vim_fault_tell(f, t->fault, sizeof(t->fault));
	}
}

/* It is the one, and is left alone for a while, longer each time. */
static void leave_alone(struct query *q, size_t place, enum fate fate)
{
	struct suspect *s = suspect_at(q, place);
	bool known = s->fate == fate && s->alone.pause_ns > 0;

	if (s->found == q->cycle && known) { /* with other counters the same is asked again */
		return;
	}
	s->found = q->cycle;
	s->fate = fate;
	s->alone.pause_ns = known ? s->alone.pause_ns : 0;
	backoff_fail(&s->alone, &pauses[fate], clock_monotonic());
	q->alone[fate]++;
	if (fate == FATE_SILENT) {
		tell_silent(q, place, s);
	} else if (!known) {
		note_trouble(q, place, fate);
	}
}

/* It may be any of these: they are asked behind all others, when there is time. */
static void suspect(struct query *q, size_t first, size_t count)
{
	for (size_t i = first; i < first + count; i++) {
		suspect_at(q, i);
	}
}

static void push(struct query *q, size_t first, size_t count, bool again)
{
	struct slice s = { first, count, again };

	if (count) {
		g_array_append_val(q->slices, s);
	}
}

/* Who is to be found out when no more questions may be asked: if nobody has answered, it is all of them. */
static void give_up(struct query *q, size_t first, size_t count, enum fate fate)
{
	if (q->answered) {
		suspect(q, first, count);
		return;
	}
	for (size_t i = first; i < first + count; i++) {
		leave_alone(q, i, fate);
	}
}

/* Each half is asked by itself, behind what is still to be asked; one alone is the one. */
static void divide(struct query *q, size_t first, size_t count, enum fate fate)
{
	set_fate(q, first, count, fate);
	if (count == 1) {
		leave_alone(q, first, fate);
		return;
	}
	if (fate == FATE_SILENT) { /* it is time that ends these, not their number */
		suspect(q, first, count);
	} else if (q->spare < 2) {
		give_up(q, first, count, fate);
		return;
	} else {
		q->spare -= 2;
	}
	push(q, first, count / 2, false);
	push(q, first + count / 2, count - count / 2, false);
}

static void tell_troubles(const struct query *q)
{
	static const char *const ways[FATES] = {
		[FATE_REFUSED] =
			"its counters may not be read; the account needs the role Read-only there",
		[FATE_SKIPPED] = "its counters are left out",
	};

	for (int f = 0; f < FATES; f++) {
		const struct trouble *t = &q->trouble[f];
		char more[40] = "";

		if (!ways[f] || t->machines == 0) {
			continue;
		}
		if (t->machines > 1) {
			g_snprintf(more, sizeof(more), " and %u more", t->machines - 1);
		}
		vmt_log(VMT_LOG_WARNING, "%s: %s%s: %s%s%s%s; %s; asked again in at most %d s",
			vim_client_address(q->client), t->machine, more, t->fault,
			t->privilege[0] ? " (lacks " : "", t->privilege, t->privilege[0] ? ")" : "",
			ways[f], (int)(pauses[f].first_ns / NS_PER_S));
	}
}

/* ------------------------------------------------------------------ what a fault means */

/* Takes the machine that the fault names out of the question. */
static bool drop(struct query *q, enum fate fate)
{
	const char *ref = vim_client_fault(q->client)->object;
	uint32_t *order = (uint32_t *)(void *)q->order->data;

	for (size_t i = q->first; i < q->first + q->count; i++) {
		if (strcmp(machine_at(q, i)->ref, ref) == 0) {
			uint32_t gone = order[i];

			memmove(order + q->first + 1, order + q->first,
				(i - q->first) * sizeof(*order));
			order[q->first] = gone;
			set_fate(q, q->first, 1, fate);
			if (fate != FATE_GONE) {
				leave_alone(q, q->first, fate);
			}
			q->first++;
			q->count--;
			q->spare--;
			return true;
		}
	}
	return false;
}

static int on_gone(struct query *q)
{
	if (q->count == 1) {
		set_fate(q, q->first, 1, FATE_GONE);
		return 0;
	}
	if (q->spare && drop(q, FATE_GONE)) {
		return AGAIN;
	}
	divide(q, q->first, q->count, FATE_SKIPPED);
	return 0;
}

static int on_permission(struct query *q)
{
	if (q->count > 1 && q->spare && drop(q, FATE_REFUSED)) {
		return AGAIN;
	}
	divide(q, q->first, q->count, FATE_REFUSED);
	return 0;
}

static int64_t limit_of(const struct query *q)
{
	return q->counters.limit > 0 ? q->counters.limit : UNLIMITED;
}

static int on_too_much(struct query *q)
{
	size_t asked = q->count * q->width;

	if (asked == 1) {
		set_fate(q, q->first, 1, FATE_SKIPPED);
		return 0;
	}
	/* what was asked was at most three quarters */
	q->counters.limit = (int64_t)((asked / 2) * 4 + 2) / 3;
	return AGAIN;
}

/* A counter may have got another number; else it is a machine that does not have it. */
static int on_argument(struct query *q)
{
	int64_t now = clock_monotonic();

	if (q->reload_ns <= now) {
		q->reload_ns = now + RELOAD_NS;
		q->counters.session = 0;
		return -ESTALE;
	}
	divide(q, q->first, q->count, FATE_SKIPPED);
	return 0;
}

/* Nobody knows what it means, nor whether it passes: who is alone with it is asked once more, behind all others. */
static int on_unknown(struct query *q)
{
	if (q->count > 1 || q->again || q->spare == 0) {
		divide(q, q->first, q->count, FATE_SKIPPED);
		return 0;
	}
	set_fate(q, q->first, 1, FATE_SKIPPED);
	q->spare--;
	push(q, q->first, 1, true);
	return 0;
}

static int on_fault(struct query *q, int err)
{
	switch (vim_fault_kind(vim_client_fault(q->client))) {
	case VIM_FAULT_GONE:
		return on_gone(q);
	case VIM_FAULT_TOO_MUCH:
		return on_too_much(q);
	case VIM_FAULT_ARGUMENT:
		return on_argument(q);
	case VIM_FAULT_HOST:
		divide(q, q->first, q->count, FATE_SKIPPED);
		return 0;
	case VIM_FAULT_PERMISSION:
		return on_permission(q);
	case VIM_FAULT_TRANSIENT:
		return on_unknown(q);
	default: /* who we are is not known: it is about all */
		return err;
	}
}

/* ------------------------------------------------------------------ many questions */

static bool is_over(const struct vmt_call *call)
{
	return atomic_load(call->cancel) || clock_monotonic() >= call->deadline_ns;
}

/* Whether it is a machine that does not answer, or the server. */
static bool is_server_there(struct query *q, const struct vmt_call *call)
{
	int64_t now = clock_monotonic();
	struct vmt_call part = { .deadline_ns = now + MIN((call->deadline_ns - now) / 2, PROBE_NS),
				 .cancel = call->cancel };

	return vim_client_is_there(q->client, &part);
}

/* The question in hand, of all its counters.  0: what became of it is noted; AGAIN; -errno: there is no use in
 * going on, or -ESTALE: only with other counters. */
static int ask(struct query *q, const struct vmt_call *call, struct vmt_error *error)
{
	for (q->from = 0; q->from < q->metrics; q->from += q->width) {
		int err;

		q->width = MIN(q->width, q->metrics - q->from);
		err = ask_once(q, call, error);
		if (err == -ETIMEDOUT && !is_over(call) && is_server_there(q, call)) {
			divide(q, q->first, q->count, FATE_SILENT);
			return 0;
		}
		if (err == -EREMOTEIO) {
			return on_fault(q, err);
		}
		if (err < 0) {
			return err;
		}
		if (vim_client_session(q->client) != q->counters.session) {
			return -ESTALE;
		}
	}
	set_fate(q, q->first, q->count, FATE_ANSWERED);
	clear(q, q->first, q->count);
	q->answered += q->count;
	return 0;
}

/* As many at a time as the server allows: a quarter is left, for it may count "all devices" as more than one. */
static size_t room(const struct query *q, size_t *ret_width)
{
	size_t pairs = (size_t)MAX(limit_of(q) * 3 / 4, 1);

	*ret_width = MIN(pairs, q->metrics);
	return MAX(pairs / *ret_width, 1);
}

static int ask_slice(struct query *q, struct slice s, const struct vmt_call *call,
		     struct vmt_error *error)
{
	int err = 0;

	if (s.again && !q->breathed) {
		q->breathed = true;
		vim_client_pause(BREATH_NS, call);
	}
	q->again = s.again;
	while (s.count && err == 0) {
		q->first = s.first;
		q->count = MIN(room(q, &q->width), s.count);
		err = ask(q, call, error);
		if (err == 0) {
			s.count -= q->first + q->count - s.first;
			s.first = q->first + q->count;
		} else if (err == AGAIN) { /* without those before `first` */
			s.count -= q->first - s.first;
			s.first = q->first;
			err = 0;
		}
	}
	return err;
}

static void choose_metrics(struct query *q, unsigned groups)
{
	q->metrics = 0;
	q->asked = 0;
	for (int i = 0; i < COUNTERS; i++) {
		if (counter_rows[i].groups & groups && q->counters.id[i] >= 0) {
			q->metric[q->metrics++] =
				(struct vim_metric){ q->counters.id[i],
						     counter_rows[i].kind != NO_DEVICE };
			q->asked |= 1U << i;
		}
	}
}

static int run_once(struct query *q, size_t sound, unsigned groups, const struct vmt_call *call,
		    struct vmt_error *error)
{
	int err = counters_learn(&q->counters, q->client, call, error);

	if (err < 0) {
		return err;
	}
	choose_metrics(q, groups);
	if (q->metrics == 0) {
		set_fate(q, 0, q->order->len, FATE_ANSWERED);
		return 0;
	}
	g_array_set_size(q->slices, 0);
	push(q, 0, sound, false);
	push(q, sound, (q->order->len - sound) / 2, false);
	push(q, sound + (q->order->len - sound) / 2, (q->order->len - sound + 1) / 2, false);
	for (guint i = 0; i < q->slices->len && err == 0; i++) {
		err = ask_slice(q, g_array_index(q->slices, struct slice, i), call, error);
	}
	return err;
}

/* ------------------------------------------------------------------ the cycle */

/* Suspects come last; answers how many come before them. */
static size_t arrange(struct query *q, const uint8_t *wanted)
{
	int64_t now = clock_monotonic();
	size_t sound;

	g_array_set_size(q->order, 0);
	for (uint32_t i = 0; i < q->machines->count; i++) {
		if (wanted[i] && !g_hash_table_lookup(q->suspects, q->machines->machine[i].ref)) {
			g_array_append_val(q->order, i);
		}
	}
	sound = q->order->len;
	for (uint32_t i = 0; i < q->machines->count && g_hash_table_size(q->suspects); i++) {
		struct suspect *s = g_hash_table_lookup(q->suspects, q->machines->machine[i].ref);

		if (!s || !wanted[i]) {
			continue;
		}
		s->cycle = q->cycle;
		if (now < s->alone.until_ns) {
			q->values[i].fate = s->fate;
			q->alone[s->fate]++;
		} else {
			g_array_append_val(q->order, i);
		}
	}
	return sound;
}

static gboolean is_forgotten(gpointer ref, gpointer value, gpointer data)
{
	const struct query *q = data;

	return ((struct suspect *)value)->cycle + 100 < q->cycle;
}

/* Nobody has answered: then a fault may as well be the server's, and nobody is left alone for it. */
static void absolve(const struct query *q)
{
	GHashTableIter i;
	gpointer value;

	g_hash_table_iter_init(&i, q->suspects);
	while (q->answered == 0 && g_hash_table_iter_next(&i, NULL, &value)) {
		struct suspect *s = value;

		if (s->fate == FATE_SKIPPED && s->found == q->cycle) {
			s->alone.until_ns = 0;
		}
	}
}

int query_run(struct query *q, const uint8_t *wanted, unsigned groups, int samples,
	      const struct vmt_call *call, struct vmt_error *error)
{
	size_t sound = arrange(q, wanted);
	int err = -ESTALE;

	q->samples = samples;
	q->spare = SPARE;
	q->answered = 0;
	q->breathed = false;
	memset(q->trouble, 0, sizeof(q->trouble));
	g_hash_table_foreach_remove(q->suspects, is_forgotten, q);
	for (int attempt = 0; attempt < 3 && err == -ESTALE && q->order->len; attempt++) {
		err = run_once(q, sound, groups, call, error);
	}
	tell_troubles(q);
	absolve(q);
	if (err == -ESTALE && q->order->len) {
		return vmt_error_set(error, -EPROTO, "%s: its counters do not stay as they are",
				     vim_client_address(q->client));
	}
	return q->order->len ? err : 0;
}

static void renew(struct query *q, const struct vim_machines *machines)
{
	struct arena *arena = q->before;

	q->before = q->arena;
	q->arena = arena;
	arena_reset(arena);
	q->version = machines->version;
	q->values = ARENA_ARRAY(arena, struct values, machines->count);
	g_hash_table_remove_all(q->refs);
	for (size_t i = 0; i < machines->count; i++) {
		g_hash_table_insert(q->refs, (char *)machines->machine[i].ref,
				    GUINT_TO_POINTER((guint)i + 1));
	}
}

void query_begin(struct query *q, const struct vim_machines *machines)
{
	q->machines = machines;
	q->cycle++;
	memset(q->alone, 0, sizeof(q->alone));
	q->asked = 0;
	if (q->version != machines->version || arena_bytes(q->arena) > ARENA_MOST) {
		renew(q, machines);
	}
	for (size_t i = 0; i < machines->count; i++) {
		q->values[i].fate = FATE_UNASKED;
	}
}

void query_init(struct query *q, struct vim_client *client)
{
	*q = (struct query){
		.client = client,
		.suspects = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free),
		.arena = arena_new(256 << 10),
		.before = arena_new(256 << 10),
		.refs = g_hash_table_new(g_str_hash, g_str_equal),
		.order = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
		.slices = g_array_new(FALSE, FALSE, sizeof(struct slice)),
		.perf = { .machine = on_machine, .series = on_series, .context = q },
	};
	counters_init(&q->counters);
}

void query_fini(struct query *q)
{
	counters_fini(&q->counters);
	vim_perf_fini(&q->perf);
	g_hash_table_destroy(q->suspects);
	g_hash_table_destroy(q->refs);
	g_array_free(q->order, TRUE);
	g_array_free(q->slices, TRUE);
	arena_free(q->arena);
	arena_free(q->before);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the messages of one receiver from their coming in until they are settled.  The receiver's thread, but for
 * the end of a frame, which may come under the lock of the log: it only moves numbers.  Blocks on nothing but, for
 * moments, the pipeline thread's queue.
 */
#include "collector/intake.h"

#include <assert.h>
#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LOG_NAME "collector"
#include "base/clock.h"
#include "base/log.h"
#include "base/wait.h"
#include "pipeline/pipeline.h"
#include "spool/ledger_file.h"
#include "spool/spool.h"

enum {
	FRAME_ROWS = 8000, /* a frame that has so many goes on its way */
	FRAMES_AHEAD = 1, /* while so many are under way, the next one may still grow */
	FRAMES_MAX = 24, /* under way */
	ROWS_MAX = 200000,
};
#define SUBMIT_AGAIN_NS NS_PER_MS
#define COMMIT_NS NS_PER_S /* dead letters that nobody waits for are written so often */
#define TELL_NS (60 * NS_PER_S) /* rejects are told of so often */
#define FORGED                                                                                     \
	"message signature invalid, discarding message: " /* as Ceilometer's operators look for it */
#define QUIET_NS (10 * NS_PER_S) /* without one a burst of them is over */

/* Places in the durable log's file, too: a change, also of enum message_reject, is another LEDGER_VERSION. */
enum {
	MESSAGES,
	RECEIVED,
	ACCEPTED,
	DUPLICATES,
	CONFLICTS,
	RETURNED,
	INTERRUPTED,
	LOST,
	DEAD_LETTERS,
	UNKEPT,
	REJECTED,
	COUNTERS = REJECTED + MESSAGE_REJECTS
};
static_assert((int)COUNTERS <= (int)LEDGER_COUNTERS, "a slot has room for them");

/* A frame under way, and the messages in it. */
struct handover {
	struct intake *intake; /* one reference */
	struct handover *next; /* of those to use again */
	uint64_t *tag;
	size_t tags, room;
	uint64_t rows;
};

/* Rejects, as the log tells of them: the first at once, those behind it as a sum. */
struct burst {
	uint64_t untold; /* samples since the last line */
	bool forged; /* with a wrong signature or none among them */
	enum message_reject reason; /* of the last one */
	int64_t last_ns, told_ns;
};

struct intake {
	struct vmt_intake public; /* first */
	atomic_uint refs; /* the owner's, and one per frame under way */
	char *name;
	struct pipeline_runner *runner;
	enum vmt_profile profile;
	struct spool *spool; /* NULL: no dead letters */
	unsigned source; /* its number there */
	/* the receiver's thread's */
	struct message_reader *reader;
	struct frame_builder builder;
	struct handover *gathering; /* the tags of the frame to be */
	struct burst burst;
	/* of dead letters that are not on the disk yet */
	unsigned letters;
	bool letter_urgent; /* the far side waits for it */
	int64_t committed_ns; /* when the last were written */
	GArray *refused; /* uint64_t: tags of messages of which nothing was taken */
	/* below: under `lock` */
	pthread_mutex_t lock;
	struct pipeline_set *set;
	uint64_t pending; /* rows that are gathered or under way */
	struct handover *free;
	unsigned frames; /* under way */
	uint64_t gathered; /* rows that are not yet under way */
	unsigned refusing; /* tags that wait for a dead letter */
	bool wanting; /* the receiver was told to wait, or what is gathered does */
	/* settled and not yet asked for: a ring */
	struct vmt_settled *settled;
	size_t head, length, room;
	/* They only grow, so that whoever is killed between two additions leaves a ledger that is right: what was received
	 * and has come to no end is pending. */
	atomic_uint_fast64_t *count; /* `own`, or the durable log's */
	atomic_uint_fast64_t own[COUNTERS];
};

static struct intake *intake_of(struct vmt_intake *public)
{
	return (struct intake *)public;
}

/* ------------------------------------------------------------------ the ledger */

static void add(struct intake *in, unsigned counter, uint64_t samples)
{
	if (samples > 0) {
		atomic_fetch_add(&in->count[counter], samples);
	}
}

/* Samples that came to an end. */
static uint64_t ended(const struct intake_ledger *l)
{
	uint64_t n = l->accepted + l->duplicates + l->conflicts + l->returned + l->interrupted;

	for (int i = 0; i < MESSAGE_REJECTS; i++) {
		n += l->rejected[i];
	}
	return n;
}

void intake_ledger(struct intake *intake, struct intake_ledger *ret_ledger)
{
	const atomic_uint_fast64_t *c = intake->count;
	struct intake_ledger l = {
		.accepted = atomic_load(&c[ACCEPTED]),
		.duplicates = atomic_load(&c[DUPLICATES]),
		.conflicts = atomic_load(&c[CONFLICTS]),
		.returned = atomic_load(&c[RETURNED]),
		.interrupted = atomic_load(&c[INTERRUPTED]),
		.lost = atomic_load(&c[LOST]),
		.dead_letters = atomic_load(&c[DEAD_LETTERS]),
		.unkept = atomic_load(&c[UNKEPT]),
	};
	uint64_t sum;

	for (int i = 0; i < MESSAGE_REJECTS; i++) {
		l.rejected[i] = atomic_load(&c[REJECTED + i]);
	}
	sum = ended(&l);
	/* after those, as others count meanwhile: never less than they */
	l.received = MAX(atomic_load(&c[RECEIVED]), sum);
	l.pending = l.received - sum;
	l.messages = atomic_load(&c[MESSAGES]);
	*ret_ledger = l;
}

bool intake_same_ledger(const struct intake *one, const struct intake *other)
{
	return one->count == other->count;
}

/* Where the log keeps the ledger it goes on, and what has no end there will have none. */
static void keep_ledger(struct intake *in, struct spool *spool)
{
	char *name = g_strconcat("receiver ", in->name, NULL);
	bool left = false;
	atomic_uint_fast64_t *count = spool ? spool_counters(spool, name, &left) : NULL;
	struct intake_ledger l;

	g_free(name);
	in->count = count ? count : in->own;
	intake_ledger(in, &l);
	if (left && l.pending > 0) {
		add(in, INTERRUPTED, l.pending);
		log_warn("%s: %" G_GUINT64_FORMAT
			 " samples were on their way when the process before this one ended; "
			 "only a broker brings them again",
			 in->name, l.pending);
	}
}

static void intake_unref(struct intake *in)
{
	if (atomic_fetch_sub(&in->refs, 1) != 1) {
		return;
	}
	while (in->free) {
		struct handover *h = in->free;

		in->free = h->next;
		g_free(h->tag);
		g_free(h);
	}
	pipeline_set_unref(in->set);
	close(in->public.fd);
	pthread_mutex_destroy(&in->lock);
	g_free(in->settled);
	g_free(in->name);
	g_free(in);
}

/* ------------------------------------------------------------------ settled, with the lock held */

static void grow_ring(struct intake *in)
{
	size_t room = in->room ? in->room * 2 : 64;
	struct vmt_settled *ring = g_new(struct vmt_settled, room);

	for (size_t i = 0; i < in->length; i++) {
		ring[i] = in->settled[(in->head + i) % in->room];
	}
	g_free(in->settled);
	in->settled = ring;
	in->room = room;
	in->head = 0;
}

static void push_settled(struct intake *in, uint64_t tag, bool again)
{
	if (in->length == in->room) {
		grow_ring(in);
	}
	in->settled[(in->head + in->length++) % in->room] =
		(struct vmt_settled){ .tag = tag, .again = again };
}

static void wake(struct intake *in)
{
	uint64_t one = 1;
	ssize_t n = write(in->public.fd, &one, sizeof(one));

	(void)n; /* it can only be full, which is readable too */
}

/* ------------------------------------------------------------------ telling of rejects */

static uint64_t rejected_of(const uint64_t rejected[MESSAGE_REJECTS])
{
	uint64_t n = 0;

	for (int i = 0; i < MESSAGE_REJECTS; i++) {
		n += rejected[i];
	}
	return n;
}

static void tell_burst(struct intake *in, int64_t now_ns)
{
	struct burst *b = &in->burst;

	log_warn("%s%s: %" G_GUINT64_FORMAT
		 " samples refused, the last for its %s; `virtmeter status` "
		 "counts them by reason",
		 b->forged ? FORGED : "", in->name, b->untold, message_reject_name(b->reason));
	b->untold = 0;
	b->forged = false;
	b->told_ns = now_ns;
}

static void note_rejected(struct intake *in, const struct message_tally *tally)
{
	struct burst *b = &in->burst;
	int reason = 0;

	while (!tally->rejected[reason]) {
		reason++;
	}
	b->reason = (enum message_reject)reason;
	b->forged |= tally->rejected[REJECT_SIGNATURE] || tally->rejected[REJECT_UNSIGNED];
	b->untold += rejected_of(tally->rejected);
	b->last_ns = clock_monotonic();
	if (b->last_ns - b->told_ns >= TELL_NS) {
		tell_burst(in, b->last_ns);
	}
}

/* What came behind the line, when the burst is over, or lasts. */
static void tell_rest(struct intake *in)
{
	const struct burst *b = &in->burst;
	int64_t now_ns = b->untold ? clock_monotonic() : 0;

	if (b->untold && (now_ns - b->last_ns >= QUIET_NS || now_ns - b->told_ns >= TELL_NS)) {
		tell_burst(in, now_ns);
	}
}

/* ------------------------------------------------------------------ frames */

static struct handover *take_handover(struct intake *in)
{
	struct handover *h;

	pthread_mutex_lock(&in->lock);
	h = in->free;
	if (h) {
		in->free = h->next;
	}
	pthread_mutex_unlock(&in->lock);
	if (!h) {
		h = g_new0(struct handover, 1);
		h->intake = in;
	}
	h->tags = 0;
	return h;
}

/* Nobody has the frame any more: every publisher has taken it, or one could not. */
static void frame_gone(void *context, const struct frame_fate *fate)
{
	struct handover *h = context;
	struct intake *in = h->intake;
	bool tell;

	pthread_mutex_lock(&in->lock);
	for (size_t i = 0; i < h->tags; i++) {
		push_settled(in, h->tag[i], fate->lost);
	}
	in->pending -= h->rows;
	if (fate->lost) {
		add(in, RETURNED, h->rows);
	} else {
		add(in, ACCEPTED, h->rows - fate->repeats - fate->conflicts);
		add(in, DUPLICATES, fate->repeats);
		add(in, CONFLICTS, fate->conflicts);
	}
	in->frames--;
	tell = h->tags > 0 || in->wanting;
	in->wanting = false;
	h->next = in->free;
	in->free = h;
	pthread_mutex_unlock(&in->lock);
	if (tell) {
		wake(in);
	}
	intake_unref(in);
}

/* Rejected messages are on the disk before the far side hears of them. */
static void commit_letters(struct intake *in)
{
	int64_t now_ns = clock_monotonic();

	if (!in->letters || (!in->letter_urgent && now_ns - in->committed_ns < COMMIT_NS)) {
		return;
	}
	(void)spool_commit(in->spool); /* tells of a failure, and tries again by itself */
	in->letters = 0;
	in->letter_urgent = false;
	in->committed_ns = now_ns;
	pthread_mutex_lock(&in->lock);
	for (guint i = 0; i < in->refused->len; i++) {
		push_settled(in, g_array_index(in->refused, uint64_t, i), false);
	}
	in->refusing = 0;
	pthread_mutex_unlock(&in->lock);
	if (in->refused->len) {
		wake(in);
	}
	g_array_set_size(in->refused, 0);
}

static void submit(struct intake *in)
{
	struct handover *h = in->gathering;
	struct frame *frame =
		message_reader_frame(in->reader, &in->builder, in->profile, clock_real());
	struct pipeline_set *set;

	if (!frame) {
		return;
	}
	h->rows = frame->rows;
	frame_watch(frame, frame_gone, h);
	atomic_fetch_add(&in->refs, 1);
	pthread_mutex_lock(&in->lock);
	in->frames++;
	in->gathered = 0;
	set = pipeline_set_ref(in->set);
	pthread_mutex_unlock(&in->lock);
	in->gathering = NULL;
	while (pipeline_runner_submit(in->runner, frame, set) == -EAGAIN) {
		wait_sleep(SUBMIT_AGAIN_NS);
	}
	pipeline_set_unref(set);
	in->gathering = take_handover(in);
}

/* Where stores are the bottleneck, what comes meanwhile is one transaction, not many.  Only what the far side keeps until
 * it is settled: all else may be lost as long as it is not in the log. */
static bool may_grow(struct intake *in)
{
	bool grows;

	if (vmt_intake_closing(&in->public)) {
		return false;
	}
	pthread_mutex_lock(&in->lock);
	grows = in->gathering->tags > 0 && in->frames >= FRAMES_AHEAD;
	in->wanting |= grows;
	pthread_mutex_unlock(&in->lock);
	return grows;
}

static void intake_flush(struct vmt_intake *public)
{
	struct intake *in = intake_of(public);

	tell_rest(in);
	commit_letters(in);
	if (!may_grow(in)) {
		submit(in);
	}
}

/* ------------------------------------------------------------------ messages */

/* "signature", "shape, type". */
static void name_reasons(const struct message_tally *tally, char *ret_text, size_t size)
{
	size_t n = 0;

	ret_text[0] = '\0';
	for (int i = 0; i < MESSAGE_REJECTS && n < size; i++) {
		if (tally->rejected[i]) {
			n += (size_t)g_snprintf(ret_text + n, size - n, "%s%s", n ? ", " : "",
						message_reject_name((enum message_reject)i));
		}
	}
}

/* The message becomes a dead letter.  A sender that waits for an answer waits for the disk, too, where much is to be
 * written; others do not. */
static bool keep_letter(struct intake *in, const void *bytes, size_t len,
			const struct message_tally *tally, uint64_t tag)
{
	uint64_t rejected = rejected_of(tally->rejected);
	size_t kept = bytes ? MIN(len, INTAKE_LETTER) : 0;
	char reasons[128];
	int ret;

	if (!rejected || !in->spool) {
		return false;
	}
	name_reasons(tally, reasons, sizeof(reasons));
	ret = spool_reject(in->spool, in->source, rejected, reasons, kept ? bytes : NULL, kept);
	if (ret == -ENOBUFS && tag && spool_commit(in->spool) == 0) {
		ret = spool_reject(in->spool, in->source, rejected, reasons, kept ? bytes : NULL,
				   kept);
	}
	if (ret < 0) {
		return false;
	}
	in->letters++;
	in->letter_urgent |= tag != 0;
	if (tag && !tally->taken) {
		g_array_append_val(in->refused, tag);
	}
	return true;
}

static void count_message(struct intake *in, const struct message_tally *tally, uint64_t tag,
			  bool kept)
{
	uint64_t rejected = rejected_of(tally->rejected);

	pthread_mutex_lock(&in->lock);
	add(in, MESSAGES, 1);
	add(in, RECEIVED, tally->taken + rejected); /* before it comes to an end */
	in->pending += tally->taken;
	in->gathered += tally->taken;
	for (unsigned i = 0; i < MESSAGE_REJECTS; i++) {
		add(in, REJECTED + i, tally->rejected[i]);
	}
	if (tag && !tally->taken && !kept) {
		push_settled(in, tag, false);
		wake(in);
	}
	in->refusing += tag && !tally->taken && kept;
	add(in, kept ? DEAD_LETTERS : UNKEPT, rejected);
	pthread_mutex_unlock(&in->lock);
}

static void remember_tag(struct handover *h, uint64_t tag)
{
	if (h->tags == h->room) {
		h->room = h->room ? h->room * 2 : 16;
		h->tag = g_renew(uint64_t, h->tag, h->room);
	}
	h->tag[h->tags++] = tag;
}

static bool is_full(struct intake *in)
{
	bool full;

	pthread_mutex_lock(&in->lock);
	full = in->frames >= FRAMES_MAX || in->pending >= ROWS_MAX;
	in->wanting = full;
	pthread_mutex_unlock(&in->lock);
	return full;
}

static int intake_message(struct vmt_intake *public, enum vmt_message_form form, const void *bytes,
			  size_t len, uint64_t tag)
{
	struct intake *in = intake_of(public);
	struct message_tally tally = { .taken = 0 };
	int ret;

	if (is_full(in)) {
		return -EAGAIN;
	}
	ret = form == VMT_MESSAGE_JSON
		      ? message_read_json(in->reader, bytes, len, clock_real(), &tally)
		      : message_read_msgpack(in->reader, bytes, len, clock_real(), &tally);
	count_message(in, &tally, tag, keep_letter(in, bytes, len, &tally, tag));
	if (tag && tally.taken) {
		remember_tag(in->gathering, tag);
	}
	if (ret < 0) {
		note_rejected(in, &tally);
	}
	if (message_reader_rows(in->reader) >= FRAME_ROWS) {
		commit_letters(in);
		submit(in);
	}
	return 0;
}

static size_t intake_settled(struct vmt_intake *public, struct vmt_settled *ret_settled, size_t max)
{
	struct intake *in = intake_of(public);
	uint64_t count;
	size_t n;

	pthread_mutex_lock(&in->lock);
	n = MIN(max, in->length);
	for (size_t i = 0; i < n; i++) {
		ret_settled[i] = in->settled[(in->head + i) % in->room];
	}
	in->head = in->room ? (in->head + n) % in->room : 0;
	in->length -= n;
	if (in->length == 0) {
		ssize_t got = read(in->public.fd, &count, sizeof(count));

		(void)got; /* EAGAIN: it was not readable */
	}
	pthread_mutex_unlock(&in->lock);
	return n;
}

static void intake_lost(struct vmt_intake *public, uint64_t messages)
{
	add(intake_of(public), LOST, messages);
}

/* ------------------------------------------------------------------ the object */

static const struct intake_ops ops = {
	.message = intake_message,
	.flush = intake_flush,
	.settled = intake_settled,
	.lost = intake_lost,
};

struct vmt_intake *intake_public(struct intake *intake)
{
	return &intake->public;
}

void intake_set_pipelines(struct intake *intake, struct pipeline_set *set)
{
	struct pipeline_set *before;

	pthread_mutex_lock(&intake->lock);
	before = intake->set;
	intake->set = pipeline_set_ref(set);
	pthread_mutex_unlock(&intake->lock);
	pipeline_set_unref(before);
}

void intake_close(struct intake *intake)
{
	atomic_store(&intake->public.closing, true);
	wake(intake);
}

bool intake_idle(struct intake *intake)
{
	bool idle;

	pthread_mutex_lock(&intake->lock);
	idle = intake->frames == 0 && intake->gathered == 0 && intake->length == 0 &&
	       intake->refusing == 0;
	pthread_mutex_unlock(&intake->lock);
	return idle;
}

struct intake *intake_new(const struct intake_parts *parts)
{
	struct message_reader *reader = message_reader_new(&parts->read);
	struct intake *in;
	int source;

	if (!reader) {
		return NULL;
	}
	in = g_new0(struct intake, 1);
	in->public.ops = &ops;
	in->public.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	in->public.limit = MIN(parts->read.bytes_max, MESSAGE_BYTES_MAX);
	atomic_init(&in->public.closing, false);
	atomic_init(&in->refs, 1);
	in->name = g_strdup(parts->name);
	in->burst.told_ns = clock_monotonic() - TELL_NS;
	in->runner = parts->runner;
	in->profile = parts->profile;
	in->reader = reader;
	in->refused = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	source = parts->spool ? spool_source_add(parts->spool, parts->name) : -ENOTSUP;
	if (source >= 0) {
		in->spool = parts->spool;
		in->source = (unsigned)source;
	}
	frame_builder_init(&in->builder, parts->pool);
	pthread_mutex_init(&in->lock, NULL);
	keep_ledger(in, parts->spool);
	in->gathering = take_handover(in);
	return in;
}

void intake_free(struct intake *intake)
{
	if (!intake) {
		return;
	}
	if (intake->burst.untold) {
		tell_burst(intake, clock_monotonic());
	}
	add(intake, INTERRUPTED, intake->gathered); /* nobody will hand it on */
	message_reader_free(intake->reader);
	frame_builder_fini(&intake->builder);
	g_array_unref(intake->refused);
	g_free(intake->gathering->tag);
	g_free(intake->gathering);
	intake_unref(intake);
}

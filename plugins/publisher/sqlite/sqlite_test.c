/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sqlite store through its contract: what goes in comes out, once, with the metadata of its time.
 */
#include "../select_cases.h"
#include "place.h"

/* ------------------------------------------------------------------ in and out */

static void test_round_trip(void)
{
	const struct vmt_query all = { 0 };
	struct place p;
	struct fixture f;
	void *self;

	place_init(&p);
	fixture_init(&f, 2, 3);
	self = open_store(&p, false);
	fixture_cycle(&f, 0, FIXTURE_TIME);
	must_publish(&p, self, &f);
	fixture_cycle(&f, 1, FIXTURE_TIME + 61 * NS_PER_S);
	must_publish(&p, self, &f);
#define VM(n)                                                                                      \
	"{\"display_name\": \"vm-" n "\", \"status\": \"active\", \"flavor\":"                     \
	" {\"name\": \"m1.small\", \"ram\": 512}}\n"
	ASSERT_SAMPLES(&p, self, &all,
		       "meter.0 0 ns 1 0 project-0 @61000000 " VM("0") "meter.1 1 B 1000001 0 project-0 @61000000 " VM("0") "meter.2 2 ns 3 0 project-0 @61000000 " VM("0") "meter.0 0 ns 1001 1 project-1 @61000000 " VM("1") "meter.1 1 B 1001001 1 project-1 @61000000 " VM(
			       "1") "meter.2 2 ns 3.0009765625 1 project-1 @61000000 " VM("1") "meter.0 0 ns 0 0 project-0 @0 " VM("0") "meter.1 1 B 1000000 0 project-0 @0 " VM("0") "meter.2 2 ns 2 0 project-0 @0 " VM("0") "meter.0 0 ns 1000 1 project-1 @0 " VM("1") "meter.1 1 B 1001000 1 project-1 @0 " VM("1") "meter.2 2 ns 2.0009765625 1 project-1 @0 " VM("1"));
	OPS->close(self);
	g_assert_cmpint(ask(&p, "SELECT count(*) FROM sample WHERE name = 'meter.2' AND unit = 'ns'"
				" AND timestamp = '2026-07-21T13:56:12.123456'"
				" AND resource_id LIKE '%1' AND volume = 2.0009765625"),
			==, 1);
	fixture_fini(&f);
	place_fini(&p);
}

/* Values at the edges of their kinds; what is no number is left out and counted. */
static void test_values(void)
{
	const uint64_t edge[] = { UINT64_MAX, (uint64_t)INT64_MAX + 1, INT64_MAX, 0 };
	const int64_t whole[] = { INT64_MIN, -1, 0, INT64_MAX };
	const double real[] = { -0.0, 512.0, NAN, 5e-324 };
	const struct vmt_query all = { 0 };
	struct place p;
	struct fixture f;
	uint8_t kinds[4] = { VMT_UINT64, VMT_INT64, VMT_DOUBLE, VMT_INT64 };
	char *text;
	void *self;

	place_init(&p);
	fixture_init(&f, 4, 4);
	fixture_cycle(&f, 0, FIXTURE_TIME);
	for (int i = 0; i < 4; i++) {
		f.value[i].u = edge[i];
		f.value[4 + i].i = whole[i];
		f.value[8 + i].d = real[i];
	}
	f.value[12].u = UINT64_MAX;
	f.value[13].i = -5;
	f.value[14].d = INFINITY;
	f.value[15].i = 7;
	f.batch[0].kind = VMT_UINT64;
	f.batch[1].kind = VMT_INT64;
	f.batch[2].kind = VMT_DOUBLE;
	f.batch[3].kinds = kinds;
	self = open_store(&p, false);
	must_publish(&p, self, &f);
	g_assert_cmpuint(counts(self)->stored, ==, 14);
	g_assert_cmpuint(counts(self)->rejected, ==, 2);
	must_publish(&p, self, &f);
	g_assert_cmpuint(counts(self)->repeats, ==, 14);
	g_assert_cmpuint(counts(self)->conflicts, ==, 0);
	text = samples(&p, self, &all);
	g_assert_nonnull(strstr(text, " 18446744073709551615u "));
	g_assert_nonnull(strstr(text, " 9223372036854775808u "));
	g_assert_nonnull(strstr(text, " 9223372036854775807 "));
	g_assert_nonnull(strstr(text, " -9223372036854775808 "));
	g_assert_nonnull(strstr(text, " 4.9406564584124654e-324 "));
	g_free(text);
	OPS->close(self);
	g_assert_cmpint(ask(&p, "SELECT count(*) FROM point WHERE typeof(value) = 'real'"), ==, 3);
	g_assert_cmpint(ask(&p, "SELECT value FROM counter WHERE name = 'rejected'"), ==, 4);
	fixture_fini(&f);
	place_fini(&p);
}

static void test_repeats(void)
{
	const struct vmt_query all = { 0 };
	struct place p;
	struct fixture f;
	void *self;

	place_init(&p);
	fixture_init(&f, 3, 6);
	self = open_store(&p, false);
	fixture_cycle(&f, 0, FIXTURE_TIME);
	must_publish(&p, self, &f);
	must_publish(&p, self, &f);
	g_assert_cmpuint(counts(self)->stored, ==, 18);
	g_assert_cmpuint(counts(self)->repeats, ==, 18);
	f.value[4].i += 1; /* another value under a key that is taken */
	must_publish(&p, self, &f);
	g_assert_cmpuint(counts(self)->conflicts, ==, 1);
	g_assert_cmpuint(counts(self)->repeats, ==, 35);
	g_assert_cmpuint(count(&p, self, &all), ==, 18);
	OPS->close(self);
	g_assert_cmpint(ask(&p, "SELECT volume FROM sample WHERE name = 'meter.1'"
				" AND resource_id LIKE '%1'"),
			==, 1001000);
	g_assert_cmpint(ask(&p, "SELECT value FROM counter WHERE name = 'conflicts'"), ==, 1);
	/* Across a restart. */
	self = open_store(&p, false);
	must_publish(&p, self, &f);
	g_assert_cmpuint(counts(self)->stored, ==, 0);
	g_assert_cmpuint(counts(self)->conflicts, ==, 1);
	OPS->close(self);
	fixture_fini(&f);
	place_fini(&p);
}

/* A message that comes again is known as a whole, in whatever frame, whatever becomes of its points; what is not all
 * there is not known. */
static void test_messages(void)
{
	static const uint32_t one_by_one[] = { 2, 0, 1 }, other[] = { 0, 1, 1 };
	struct place p;
	struct fixture f;
	void *self;

	place_init(&p);
	fixture_init(&f, 3, 4);
	self = open_store(&p, false);
	fixture_cycle(&f, 0, vmt_clock_real() - 10 * INT64_C(1000000000));
	fixture_messages(&f, one_by_one);
	must_publish(&p, self, &f);
	g_assert_cmpuint(counts(self)->stored, ==, 12);
	g_assert_cmpint(ask(&p, "SELECT count(*) FROM digest"), ==, 3);
	OPS->close(self);
	execute(p.path, "DELETE FROM point");
	self = open_store(&p, false);
	fixture_reverse(&f);
	fixture_messages(&f, other); /* the first came alone again, the others as one */
	must_publish(&p, self, &f);
	g_assert_cmpuint(counts(self)->repeats, ==, 4);
	g_assert_cmpuint(counts(self)->stored, ==, 8);
	g_assert_cmpint(ask(&p, "SELECT count(*) FROM digest"), ==, 4);

	fixture_messages(&f, one_by_one);
	f.batch[0].value = f.value; /* another value for each of this meter */
	f.batch[0].kind = VMT_INT64;
	must_publish(&p, self, &f);
	must_publish(&p, self, &f);
	g_assert_cmpuint(counts(self)->conflicts, ==, 2 * 2); /* the first has no point there */
	g_assert_cmpint(ask(&p, "SELECT count(*) FROM digest"), ==, 5);
	OPS->close(self);
	fixture_fini(&f);
	place_fini(&p);
}

/* For seven days. */
static void test_messages_old(void)
{
	const int64_t now = vmt_clock_real(), day = INT64_C(86400) * 1000000000;
	struct place p;
	struct fixture f;
	void *self;

	place_init(&p);
	fixture_init(&f, 3, 4);
	self = open_store(&p, false);
	for (uint32_t i = 0; i < 10; i++) {
		fixture_cycle(&f, i, now - i * day);
		must_publish(&p, self, &f);
	}
	g_assert_cmpint(ask(&p, "SELECT count(*) FROM digest"), ==, 7);
	OPS->close(self);
	execute(p.path, "INSERT INTO digest SELECT minute - 10081, high, low FROM digest");
	for (uint32_t i = 0; i < 7; i++) { /* an hour of the oldest each time */
		self = open_store(&p, false);
		must_publish(&p, self, &f);
		OPS->close(self);
	}
	g_assert_cmpint(ask(&p, "SELECT count(*) FROM digest"), ==, 7);
	fixture_fini(&f);
	place_fini(&p);
}

/* Only the batches of this publisher. */
static void test_bits(void)
{
	const struct vmt_query all = { 0 };
	struct place p;
	struct fixture f;
	void *self;

	place_init(&p);
	fixture_init(&f, 2, 2);
	fixture_cycle(&f, 0, FIXTURE_TIME);
	f.batch[1].publishers = 2;
	self = open_store(&p, false);
	must_publish(&p, self, &f);
	g_assert_cmpuint(count(&p, self, &all), ==, 2);
	OPS->close(self);
	fixture_fini(&f);
	place_fini(&p);
}

/* ------------------------------------------------------------------ restrictions */

static void test_queries(void)
{
	const char *const meters[] = { "meter.[12]", "nothing", NULL };
	const char *const none[] = { "cpu*", NULL };
	const struct vmt_pair nested[] = { { .key = "flavor.name", .value = "m1.small" },
					   { .key = "display_name", .value = "vm-4" },
					   { 0 } };
	const struct vmt_pair number[] = { { .key = "flavor.ram", .value = "512" }, { 0 } };
	const struct vmt_pair wrong[] = { { .key = "flavor", .value = "m1.small" }, { 0 } };
	const struct {
		struct vmt_query query;
		unsigned count;
	} cases[] = {
		{ { .meters = meters }, 2 * 10 * 10 },
		{ { .meters = none }, 0 },
		{ { .resource = "00000000-0000-4000-8000-000000000003" }, 5 * 10 },
		{ { .resource = "' OR 1 --" }, 0 },
		{ { .project = "project-2" }, 3 * 5 * 10 },
		{ { .project = "project-2", .user = "user-0" }, 2 * 5 * 10 },
		{ { .metadata = nested }, 5 * 10 },
		{ { .metadata = number }, 5 * 10 * 10 },
		{ { .metadata = wrong }, 0 },
		{ { .limit = 7 }, 7 },
		{ { .limit = 7, .meters = meters, .user = "user-1" }, 7 },
		{ { .start_ns = FIXTURE_TIME + 20 * NS_PER_S }, 5 * 10 * 8 },
		{ { .end_ns = FIXTURE_TIME + 20 * NS_PER_S }, 5 * 10 * 2 },
		{ { .start_ns = FIXTURE_TIME + 20 * NS_PER_S,
		    .end_ns = FIXTURE_TIME + 20 * NS_PER_S + 1 },
		  5 * 10 },
		{ { .start_ns = FIXTURE_TIME + 20 * NS_PER_S + 1,
		    .end_ns = FIXTURE_TIME + 30 * NS_PER_S },
		  0 },
		{ { .start_ns = INT64_MIN, .end_ns = INT64_MAX }, 5 * 10 * 10 },
		{ { .resource = "00000000-0000-4000-8000-000000000003",
		    .meters = meters,
		    .start_ns = FIXTURE_TIME + 85 * NS_PER_S },
		  2 },
	};
	struct place p;
	struct fixture f;
	void *self;

	place_init(&p);
	fixture_init(&f, 10, 5);
	self = open_store(&p, false);
	for (uint32_t cycle = 0; cycle < 10; cycle++) {
		fixture_cycle(&f, cycle, FIXTURE_TIME + cycle * 10 * NS_PER_S);
		must_publish(&p, self, &f);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("case %zu", i);
		g_assert_cmpuint(count(&p, self, &cases[i].query), ==, cases[i].count);
	}
	OPS->close(self);
	fixture_fini(&f);
	place_fini(&p);
}

/* Few of many series (looked up one by one) and most of them (read by the minute) answer alike. */
static void test_few_of_many(void)
{
	struct vmt_query query = { .resource = "00000000-0000-4000-8000-000000000077" };
	const struct vmt_query most = { .user = "user-1", .start_ns = FIXTURE_TIME + NS_PER_S };
	struct place p;
	struct fixture f;
	void *self;

	place_init(&p);
	fixture_init(&f, 100, 20);
	self = open_store(&p, false);
	for (uint32_t cycle = 0; cycle < 3; cycle++) {
		fixture_cycle(&f, cycle, FIXTURE_TIME + cycle * 30 * NS_PER_S);
		must_publish(&p, self, &f);
	}
	g_assert_cmpuint(count(&p, self, &query), ==, 60);
	g_assert_cmpuint(count(&p, self, &most), ==, 50 * 20 * 2);
	OPS->close(self);
	fixture_fini(&f);
	place_fini(&p);
}

static int stop_at_two(void *context, const struct vmt_store_row *row)
{
	(void)row;
	return ++*(unsigned *)context == 2 ? 42 : 0;
}

static void test_stop(void)
{
	const struct vmt_query all = { 0 };
	struct place p;
	struct fixture f;
	unsigned n = 0;
	void *self;

	place_init(&p);
	fixture_init(&f, 2, 2);
	fixture_cycle(&f, 0, FIXTURE_TIME);
	self = open_store(&p, false);
	must_publish(&p, self, &f);
	g_assert_cmpint(OPS->store->samples(self, &all, stop_at_two, &n, &p.error), ==, 42);
	g_assert_cmpuint(n, ==, 2);
	OPS->close(self);
	fixture_fini(&f);
	place_fini(&p);
}

/* ------------------------------------------------------------------ metadata of its time */

#define META(status) "{\"status\": \"" status "\", \"stopped\": false}"

static void publish_at(struct place *p, void *self, struct fixture *f, int64_t second,
		       const char *metadata)
{
	fixture_metadata(&f->resource[0], metadata);
	fixture_cycle(f, 0, FIXTURE_TIME + second * NS_PER_S);
	must_publish(p, self, f);
}

#define LINE(second, status) "meter.0 0 ns 0 0 project-0 @" second "000000 " META(status) "\n"

/* Each sample keeps the metadata that came with it: in order, between others, before all, after a
 * restart, and when two processes write. */
static void test_versions(void)
{
	const struct vmt_pair paused[] = { { .key = "status", .value = "paused" },
					   { .key = "stopped", .value = "False" },
					   { 0 } };
	const struct vmt_query all = { 0 }, only = { .metadata = paused };
	struct place p;
	struct fixture f;
	void *self, *other;

	place_init(&p);
	fixture_init(&f, 1, 1);
	self = open_store(&p, false);
	publish_at(&p, self, &f, 10, META("active"));
	publish_at(&p, self, &f, 20, META("active"));
	publish_at(&p, self, &f, 30, META("paused"));
	publish_at(&p, self, &f, 40, META("active"));
	publish_at(&p, self, &f, 15, META("paused")); /* late */
	publish_at(&p, self, &f, 12, META("active"));
	publish_at(&p, self, &f, 1, META("build")); /* before all */
	publish_at(&p, self, &f, 50, META("active"));
	publish_at(&p, self, &f, 30, META("build")); /* a repeat: its time keeps what it had */
	OPS->close(self);
	self = open_store(&p, false);
	publish_at(&p, self, &f, 45, META("build")); /* late, after a restart */
	publish_at(&p, self, &f, 60, META("paused"));
	other = open_store(&p, false);
	publish_at(&p, other, &f, 70, META("active"));
	publish_at(&p, self, &f, 80, META("paused"));
	publish_at(&p, other, &f, 90, META("active"));
	ASSERT_SAMPLES(&p, self, &all,
		       LINE("90", "active") LINE("80", "paused") LINE("70", "active")
			       LINE("60", "paused") LINE("50", "active") LINE("45", "build")
				       LINE("40", "active") LINE("30", "paused")
					       LINE("20", "active") LINE("15", "paused")
						       LINE("12", "active") LINE("10", "active")
							       LINE("1", "build"));
	ASSERT_SAMPLES(&p, other, &only,
		       LINE("80", "paused") LINE("60", "paused") LINE("30", "paused")
			       LINE("15", "paused"));
	OPS->close(self);
	OPS->close(other);
	g_assert_cmpint(ask(&p, "SELECT count(*) FROM version"), ==, 3);
	g_assert_cmpint(ask(&p, "SELECT count(*) FROM series"), ==, 1);
	fixture_fini(&f);
	place_fini(&p);
}

/* A meter whose unit changes keeps each sample's own; the key does not change with it. */
static void test_units(void)
{
	const struct vmt_query all = { 0 };
	struct place p;
	struct fixture f;
	void *self;

	place_init(&p);
	fixture_init(&f, 1, 1);
	self = open_store(&p, false);
	publish_at(&p, self, &f, 1, META("active"));
	f.batch[0].unit = "s";
	publish_at(&p, self, &f, 2, META("active"));
	publish_at(&p, self, &f, 1, META("active"));
	ASSERT_SAMPLES(&p, self, &all,
		       "meter.0 0 s 0 0 project-0 @2000000 " META("active") "\n" LINE("1",
										      "active"));
	g_assert_cmpuint(counts(self)->repeats, ==, 1);
	OPS->close(self);
	fixture_fini(&f);
	place_fini(&p);
}

static void test_message_ids(void)
{
	const struct vmt_query all = { 0 };
	struct place p;
	struct fixture f;
	void *self;

	place_init(&p);
	p.conf.store_message_ids = true;
	fixture_init(&f, 3, 2);
	f.batch[1].mono_ns = INT64_MIN;
	fixture_cycle(&f, 0, FIXTURE_TIME);
	self = open_store(&p, false);
	must_publish(&p, self, &f);
	g_assert_cmpuint(count(&p, self, &all), ==, 6);
	OPS->close(self);
	g_assert_cmpint(ask(&p, "SELECT count(DISTINCT id) FROM message WHERE length(id) = 16"), ==,
			6);
	g_assert_cmpint(ask(&p, "SELECT sum(mono) FROM message"), ==, 3 * f.batch[0].mono_ns);
	fixture_fini(&f);
	place_fini(&p);
}

/* ------------------------------------------------------------------ resources and meters */

static int as_list(void *context, const struct vmt_store_row *row)
{
	g_string_append_printf(context, "%s %s %s %" G_GINT64_FORMAT "-%" G_GINT64_FORMAT " %.*s\n",
			       row->name ? row->name : "-", row->unit ? row->unit : "-",
			       row->resource->id + 35,
			       (gint64)((row->first_ns - FIXTURE_TIME) / NS_PER_S),
			       (gint64)((row->last_ns - FIXTURE_TIME) / NS_PER_S), 12,
			       row->resource->meta_head);
	return 0;
}

static void test_lists(void)
{
	const char *const patterns[] = { "meter.1", NULL };
	struct vmt_query query = { 0 };
	struct place p;
	struct fixture f;
	GString *out = g_string_new(NULL);
	void *self;

	place_init(&p);
	fixture_init(&f, 2, 2);
	self = open_store(&p, false);
	fixture_cycle(&f, 0, FIXTURE_TIME);
	must_publish(&p, self, &f);
	fixture_metadata(&f.resource[1], "{\"now\": \"b\", \"then\": 1}");
	f.batch[0].count = f.batch[1].count = 1;
	f.batch[0].resource = f.batch[1].resource = f.column + 1;
	fixture_cycle(&f, 1, FIXTURE_TIME + 10 * NS_PER_S);
	must_publish(&p, self, &f);
	g_assert_cmpint(OPS->store->resources(self, &query, as_list, out, &p.error), ==, 0);
	g_assert_cmpstr(out->str, ==, "- - 1 0-10 {\"now\": \"b\",\n- - 0 0-0 {\"display_na\n");
	g_string_truncate(out, 0);
	query.limit = 1;
	g_assert_cmpint(OPS->store->resources(self, &query, as_list, out, &p.error), ==, 0);
	g_assert_cmpstr(out->str, ==, "- - 1 0-10 {\"now\": \"b\",\n");
	g_string_truncate(out, 0);
	query.limit = 0;
	query.meters = patterns;
	g_assert_cmpint(OPS->store->meters(self, &query, as_list, out, &p.error), ==, 0);
	g_assert_cmpstr(out->str, ==,
			"meter.1 B 0 0-0 {\"display_na\nmeter.1 B 1 10-10 {\"now\": \"b\",\n");
	g_string_truncate(out, 0);
	query.meters = NULL;
	query.start_ns = FIXTURE_TIME + 5 * NS_PER_S;
	g_assert_cmpint(OPS->store->resources(self, &query, as_list, out, &p.error), ==, 0);
	g_assert_cmpstr(out->str, ==, "- - 1 10-10 {\"now\": \"b\",\n");
	g_string_free(out, TRUE);
	OPS->close(self);
	fixture_fini(&f);
	place_fini(&p);
}

/* ------------------------------------------------------------------ time_to_live */

static void test_time_to_live(void)
{
	const struct vmt_query all = { 0 };
	struct place p;
	struct fixture f, g;
	void *self;
	int64_t now = clock_real();

	place_init(&p);
	fixture_init(&f, 2, 3);
	fixture_init(&g, 3, 1);
	self = open_store(&p, false);
	for (int i = 0; i < 5; i++) {
		fixture_cycle(&g, 0, now - (10 * 3600 + i) * NS_PER_S);
		must_publish(&p, self, &g);
	}
	OPS->close(self);
	p.conf.time_to_live = 3600;
	self = open_store(&p, false);
	fixture_cycle(&f, 0, now);
	must_publish(&p, self, &f);
	g_assert_cmpuint(counts(self)->expired, ==, 15);
	g_assert_cmpuint(count(&p, self, &all), ==, 6);
	must_publish(&p, self, &f);
	OPS->close(self);
	/* Resource 2 has gone with its last point, and so has what hung on it. */
	g_assert_cmpint(ask(&p, "SELECT count(*) FROM resource"), ==, 2);
	g_assert_cmpint(ask(&p, "SELECT count(*) FROM version"), ==, 2);
	g_assert_cmpint(ask(&p, "SELECT count(*) FROM run"), ==, 6);
	g_assert_cmpint(ask(&p, "SELECT count(*) FROM series"), ==, 6);
	g_assert_cmpint(ask(&p, "SELECT value FROM counter WHERE name = 'expired'"), ==, 15);
	/* What was swept away is not remembered either. */
	unlink(p.path);
	self = open_store(&p, false);
	fixture_cycle(&g, 0, now - 10 * 3600 * NS_PER_S);
	must_publish(&p, self, &g);
	g_assert_cmpuint(count(&p, self, &all), ==, 0);
	fixture_cycle(&g, 0, now);
	must_publish(&p, self, &g);
	g_assert_cmpuint(count(&p, self, &all), ==, 3);
	OPS->close(self);
	fixture_fini(&f);
	fixture_fini(&g);
	place_fini(&p);
}

static struct {
	struct store *store;
	bool all_versions;
	unsigned points; /* statements that looked for them */
} looked;

static void look_for(bool all_versions)
{
	looked.all_versions = all_versions;
}

/* Tables that may be read from their first row to the last. */
static bool may_be_scanned(const char *name)
{
	static const char *const small[] = { "meter", "form", "minutes", "ranges", NULL };
	static const char *const versions[] = { "v", "n", "r", "s", NULL };

	return g_strv_contains(small, name) ||
	       (looked.all_versions && g_strv_contains(versions, name));
}

/* Looks at the plan, then begins. */
static int explain_begin(void *db, const char *sql, const char *const *texts, size_t count,
			 bool bulk, void **ret_rows, struct vmt_error *error)
{
	char *explain = g_strconcat("EXPLAIN QUERY PLAN ", sql, NULL);
	sqlite3_stmt *plan;

	g_assert_cmpint(sqlite3_prepare_v2(looked.store->db, explain, -1, &plan, NULL), ==,
			SQLITE_OK);
	while (sqlite3_step(plan) == SQLITE_ROW) {
		const char *step = (const char *)sqlite3_column_text(plan, 3);
		char **words = g_strsplit(step, " ", 3);

		if (strcmp(words[0], "SCAN") == 0 && strncmp(words[1], "CONSTANT", 8) != 0 &&
		    !g_ascii_isdigit(words[1][0]) && !may_be_scanned(words[1])) {
			g_error("%s: %s", step, sql);
		}
		looked.points += strstr(step, "SEARCH p USING PRIMARY KEY (minute") != NULL;
		g_strfreev(words);
	}
	sqlite3_finalize(plan);
	g_free(explain);
	return query_ops.begin(db, sql, texts, count, bulk, ret_rows, error);
}

static void test_no_scan(void)
{
	struct select_ops ops = query_ops;
	struct place p;
	struct fixture f;
	struct store *s;

	place_init(&p);
	p.conf.store_message_ids = true;
	fixture_init(&f, 200, 4);
	cases_fixture(&f);
	s = open_store(&p, false);
	for (uint32_t cycle = 0; cycle < 3; cycle++) {
		fixture_cycle(&f, cycle, FIXTURE_TIME + cycle * 60 * NS_PER_S);
		must_publish(&p, s, &f);
	}
	ops.begin = explain_begin;
	s->select.ops = &ops;
	looked.store = s;
	cases_ask(s, look_for);
	g_assert_cmpuint(looked.points, >=, G_N_ELEMENTS(select_cases));
	OPS->close(s);
	fixture_fini(&f);
	place_fini(&p);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/sqlite/round-trip", test_round_trip);
	g_test_add_func("/sqlite/values", test_values);
	g_test_add_func("/sqlite/repeats", test_repeats);
	g_test_add_func("/sqlite/messages", test_messages);
	g_test_add_func("/sqlite/messages-old", test_messages_old);
	g_test_add_func("/sqlite/bits", test_bits);
	g_test_add_func("/sqlite/queries", test_queries);
	g_test_add_func("/sqlite/few-of-many", test_few_of_many);
	g_test_add_func("/sqlite/stop", test_stop);
	g_test_add_func("/sqlite/versions", test_versions);
	g_test_add_func("/sqlite/units", test_units);
	g_test_add_func("/sqlite/message-ids", test_message_ids);
	g_test_add_func("/sqlite/lists", test_lists);
	g_test_add_func("/sqlite/no-scan", test_no_scan);
	g_test_add_func("/sqlite/time-to-live", test_time_to_live);
	return g_test_run();
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The postgresql store on a real server: what goes in comes out, once, with the metadata of its time, and the same as
 * from the sqlite store.
 */
#include <errno.h>
#include <math.h>

#include "../select_cases.h"
#include "base/clock.h"
#include "points.h"
#include "server.h"

extern const struct vmt_plugin vmt_plugin, vmt_plugin_publisher_sqlite;

#define OPS (vmt_plugin.ops.publisher)

static struct server server;
static unsigned schemas;

struct place {
	struct fixture f;
	struct pg_conf *conf;
	char *path, *authority, *schema;
	struct vmt_error error;
	struct pg *pg;
};

static struct pg *open_pg(struct place *p, bool read_only)
{
	struct vmt_url url = { .text = "postgresql://test",
			       .scheme = "postgresql",
			       .host = "",
			       .authority = "tester@",
			       .path = "/postgres" };
	void *self = NULL;
	int code;

	p->conf->host = server.folder;
	p->conf->schema = p->schema;
	code = OPS->open(p->conf, &url, read_only, &self, &p->error);
	g_assert_cmpstr(code ? p->error.text : "", ==, "");
	return self;
}

static void place_init(struct place *p, uint32_t resources, uint32_t meters)
{
	memset(p, 0, sizeof *p);
	fixture_init(&p->f, resources, meters);
	fixture_cycle(&p->f, 0, FIXTURE_TIME);
	p->conf = fixture_conf(&vmt_plugin);
	p->schema = g_strdup_printf("t%u", schemas++);
	p->pg = open_pg(p, false);
}

static void place_fini(struct place *p)
{
	OPS->close(p->pg);
	fixture_fini(&p->f);
	g_free(p->conf);
	g_free(p->schema);
}

static int publish(struct place *p)
{
	struct vmt_call call = fixture_call(60);

	p->error.text[0] = '\0';
	return OPS->publish(p->pg, &p->f.frame, 1, &call, &p->error);
}

static void must_publish(struct place *p)
{
	int code = publish(p);

	g_assert_cmpstr(p->error.text, ==, "");
	g_assert_cmpint(code, ==, 0);
}

/* The number that `sql` answers. */
static int64_t ask(struct place *p, const char *sql)
{
	char *info = server_conninfo(&server);
	char *all = g_strdup_printf("SET search_path = %s; %s", p->schema, sql);
	PGconn *c = PQconnectdb(info);
	PGresult *result = PQexec(c, all);
	int64_t answer = -1;

	g_assert_cmpstr(PQresultErrorMessage(result), ==, "");
	if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result)) {
		answer = g_ascii_strtoll(PQgetvalue(result, 0, 0), NULL, 10);
	}
	PQclear(result);
	PQfinish(c);
	g_free(all);
	g_free(info);
	return answer;
}

static int as_text(void *context, const struct vmt_store_row *row)
{
	const struct vmt_resource *r = row->resource;
	GString *out = context;

	g_string_append_printf(
		out,
		"%s %d %s %d %" G_GUINT64_FORMAT " %s %s %s %s %s %s %.*s%.*s @%" G_GINT64_FORMAT
		" %" G_GINT64_FORMAT "-%" G_GINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GINT64_FORMAT
		" %d\n",
		row->name ? row->name : "-", row->type, row->unit ? row->unit : "-", row->kind,
		(guint64)row->value.u, r->id, r->source, r->project_id ? r->project_id : "null",
		r->user_id ? r->user_id : "null", r->project_name ? r->project_name : "null",
		r->user_name ? r->user_name : "null", (int)r->meta_head_len, r->meta_head,
		(int)r->meta_tail_len, r->meta_tail, (gint64)row->time_ns, (gint64)row->first_ns,
		(gint64)row->last_ns, (guint64)r->digest,
		(gint64)(row->mono_ns == INT64_MIN ? -1 : row->mono_ns),
		row->message_id ? row->message_id[0] : -1);
	return 0;
}

typedef int (*list_fn)(void *self, const struct vmt_query *query, vmt_row_fn row, void *context,
		       struct vmt_error *error);

static char *list(list_fn fn, void *self, const struct vmt_query *query)
{
	GString *out = g_string_new(NULL);
	struct vmt_error error = { "" };

	fn(self, query, as_text, out, &error);
	g_assert_cmpstr(error.text, ==, "");
	return g_string_free(out, FALSE);
}

static unsigned rows_of(struct place *p, const struct vmt_query *query)
{
	char *text = list(OPS->store->samples, p->pg, query);
	unsigned lines = 0;

	for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++) {
		lines++;
	}
	g_free(text);
	return lines;
}

static unsigned count(struct place *p)
{
	const struct vmt_query all = { 0 };

	return rows_of(p, &all);
}

/* ------------------------------------------------------------------ both stores */

/* What may stand in a text, and numbers of all kinds. */
static void make_odd(struct fixture *f)
{
	static const char odd[] =
		"'; DROP TABLE point; -- \"\\ {a,b} $1 %s \n\t NULL \xf0\x9f\x98\x80";

	g_free((char *)f->resource[1].id);
	f->resource[1].id = g_strdup(odd);
	f->resource[1].project_name = odd;
	f->resource[1].user_name = "NULL";
	f->resource[2].source = "";
	g_free((char *)f->resource[2].project_id);
	f->resource[2].project_id = NULL;
	fixture_metadata(&f->resource[1],
			 "{\"a\\u0000b\": \"\\u0000\", \"n\": null, \"l\": [1, {\"x\": 0.50}]}");
	fixture_digest(&f->resource[2]);
	f->batch[1].unit = "'\"\\{}";
	f->batch[1].name = "meter.'; --";
}

static void odd_values(struct fixture *f)
{
	f->batch[0].kind = VMT_UINT64;
	f->value[0].u = UINT64_MAX;
	f->value[1].u = (uint64_t)INT64_MAX + 1;
	f->batch[1].kind = VMT_INT64;
	f->value[f->resources].i = INT64_MIN;
	f->batch[2].kind = VMT_DOUBLE;
	f->value[2 * f->resources].d = -0.0;
	f->value[2 * f->resources + 1].d = 5e-324;
	f->value[2 * f->resources + 2].d = 1.7976931348623157e308;
	f->value[2 * f->resources + 3].d = NAN; /* rejected */
}

static void compare(struct place *p, void *sqlite)
{
	const struct vmt_store_ops *a = OPS->store;
	const struct vmt_store_ops *b = vmt_plugin_publisher_sqlite.ops.publisher->store;
	const char *const meters[] = { "meter.[0'3]*", NULL };
	const struct vmt_pair metadata[] = { { "l[1].x", "0.50", false }, { NULL, NULL, false } },
			      null[] = { { "n", "None", false }, { NULL, NULL, false } };
	const struct vmt_query cases[] = {
		{ 0 },
		{ .bare = true },
		{ .limit = 7 },
		{ .meters = meters },
		{ .resource = p->f.resource[1].id },
		{ .project = "project-1", .meters = meters },
		{ .user = "user-1", .start_ns = FIXTURE_TIME + NS_PER_S },
		{ .metadata = metadata },
		{ .metadata = null, .end_ns = FIXTURE_TIME + NS_PER_S },
		{ .metadata = metadata, .project = "x' OR true --" },
	};
	const list_fn fns[][2] = { { a->samples, b->samples },
				   { a->resources, b->resources },
				   { a->meters, b->meters } };

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		for (size_t k = 0; k < G_N_ELEMENTS(fns); k++) {
			char *one = list(fns[k][0], p->pg, &cases[i]);
			char *other = list(fns[k][1], sqlite, &cases[i]);

			g_test_message("case %zu, list %zu: %zu bytes", i, k, strlen(one));
			g_assert_cmpstr(one, ==, other);
			g_assert_true(*one || i == 9);
			g_free(one);
			g_free(other);
		}
	}
}

static void test_same_as_sqlite(void)
{
	const struct vmt_publisher_ops *sqlite = vmt_plugin_publisher_sqlite.ops.publisher;
	struct vmt_call call = fixture_call(60);
	char *folder = fixture_folder(), *path = g_build_filename(folder, "s.db", NULL);
	void *conf = fixture_conf(&vmt_plugin_publisher_sqlite);
	struct vmt_url url = { .text = path, .scheme = "sqlite", .host = "", .path = path };
	struct place p;
	void *self = NULL;

	place_init(&p, 20, 5);
	OPS->close(p.pg);
	p.conf->store_message_ids = true;
	p.pg = open_pg(&p, false);
	fixture_set(&vmt_plugin_publisher_sqlite, conf, "synchronous", "off");
	fixture_set(&vmt_plugin_publisher_sqlite, conf, "store_message_ids", "true");
	g_assert_cmpint(sqlite->open(conf, &url, false, &self, &p.error), ==, 0);
	make_odd(&p.f);
	for (uint32_t cycle = 0; cycle < 8; cycle++) {
		/* the seventh comes late, between the second and the third, the last before all */
		fixture_cycle(&p.f, cycle,
			      FIXTURE_TIME + (cycle == 6   ? 15
					      : cycle == 7 ? -9
							   : (int64_t)cycle * 10) *
						     NS_PER_S);
		if (cycle == 1) {
			odd_values(&p.f);
		} else if (cycle == 2) {
			fixture_metadata(&p.f.resource[4], "{\"now\": \"other\"}");
		} else if (cycle == 3) {
			p.f.batch[3].unit = "KiB";
		}
		must_publish(&p);
		g_assert_cmpint(sqlite->publish(self, &p.f.frame, 1, &call, &p.error), ==, 0);
	}
	g_assert_cmpuint(p.pg->counts.stored, ==, 8 * 100 - 1);
	g_assert_cmpuint(p.pg->counts.rejected, ==, 1);
	compare(&p, self);
	sqlite->close(self);
	g_free(conf);
	g_free(path);
	fixture_remove(folder);
	p.f.resource[1].user_name = NULL;
	place_fini(&p);
}

/* ------------------------------------------------------------------ once */

static void test_repeats(void)
{
	struct place p;

	place_init(&p, 10, 4);
	must_publish(&p);
	must_publish(&p);
	g_assert_cmpuint(p.pg->counts.stored, ==, 40);
	g_assert_cmpuint(p.pg->counts.repeats, ==, 40);
	g_assert_cmpuint(p.pg->counts.direct, ==, 1);
	g_assert_cmpuint(p.pg->counts.staged, ==, 0);
	/* other ids, one other value, two new points */
	fixture_cycle(&p.f, 7, FIXTURE_TIME);
	for (uint32_t i = 0; i < 40; i++) {
		p.f.value[i] = (union vmt_num){ .i = 0 };
	}
	fixture_cycle(&p.f, 0, FIXTURE_TIME);
	p.f.batch[0].id[1] = 9;
	p.f.value[3].i = 77;
	{
		int64_t times[10];

		for (int i = 0; i < 10; i++) {
			times[i] = FIXTURE_TIME + (i < 2 ? NS_PER_S : 0);
		}
		p.f.batch[1].times = times;
		must_publish(&p);
		p.f.batch[1].times = NULL;
	}
	g_assert_cmpuint(p.pg->counts.stored, ==, 42);
	g_assert_cmpuint(p.pg->counts.conflicts, ==, 1);
	g_assert_cmpuint(p.pg->counts.repeats, ==, 40 + 37);
	g_assert_cmpuint(p.pg->counts.staged, ==, 1);
	g_assert_cmpuint(count(&p), ==, 42);
	g_assert_cmpint(ask(&p, "SELECT value FROM counter WHERE name = 'conflicts'"), ==, 1);
	g_assert_cmpint(ask(&p, "SELECT count(*) FROM sample WHERE volume = 77"), ==, 0);
	place_fini(&p);
}

/* A frame of many parts, all of it and where the server refuses its first point while the others are still sent. */
static void test_parts(void)
{
	enum { RESOURCES = 400, METERS = 20 };
	struct place p;

	place_init(&p, RESOURCES, METERS);
	must_publish(&p);
	g_assert_cmpuint(p.pg->counts.direct, ==, 1);
	g_assert_cmpuint(count(&p), ==, RESOURCES * METERS);
	g_assert_cmpint(ask(&p, "SELECT count(*) FROM sample WHERE name = 'meter.0' AND volume ="
				" 1000 * right(resource_id, 4)::integer"),
			==, RESOURCES);
	fixture_cycle(&p.f, 1, FIXTURE_TIME + NS_PER_S);
	p.f.batch[0].time_ns = FIXTURE_TIME; /* its points are there, with another value */
	must_publish(&p);
	g_assert_cmpuint(p.pg->counts.staged, ==, 1);
	g_assert_cmpuint(p.pg->counts.conflicts, ==, RESOURCES);
	g_assert_cmpuint(count(&p), ==, RESOURCES * (2 * METERS - 1));
	place_fini(&p);
}

/* A message that comes again is known as a whole, in whatever frame and by whichever writer; its points are not looked
 * at. */
static void test_messages(void)
{
	static const uint32_t one_by_one[] = { 2, 0, 1 }, other[] = { 0, 1, 1 },
			      twice[] = { 0, 1, 2 };
	static const uint8_t ids[3][16] = { { 1 }, { 2 }, { 2 } };
	struct place p;

	place_init(&p, 3, 4);
	fixture_messages(&p.f, one_by_one);
	must_publish(&p);
	g_assert_cmpuint(p.pg->counts.stored, ==, 12);
	g_assert_cmpint(ask(&p, "SELECT count(*) FROM digest"), ==, 3);
	ask(&p, "DELETE FROM point");
	OPS->close(p.pg);
	p.pg = open_pg(&p, false);
	fixture_reverse(&p.f);
	fixture_messages(&p.f, other);
	must_publish(&p);
	g_assert_cmpuint(p.pg->counts.repeats, ==, 4);
	g_assert_cmpuint(p.pg->counts.stored, ==, 8);
	g_assert_cmpuint(p.pg->counts.direct, ==, 1);
	g_assert_cmpint(ask(&p, "SELECT count(*) FROM digest"), ==, 4);
	/* the same message twice in one frame */
	for (uint32_t m = 0; m < 4; m++) {
		p.f.batch[m].ids = ids;
		p.f.batch[m].time_ns = FIXTURE_TIME + NS_PER_S;
	}
	p.f.column[2] = p.f.column[1];
	for (uint32_t i = 0; i < 12; i += 3) {
		p.f.value[i + 2] = p.f.value[i + 1];
	}
	fixture_messages(&p.f, twice);
	must_publish(&p);
	g_assert_cmpuint(p.pg->counts.stored, ==, 8 + 8);
	g_assert_cmpuint(p.pg->counts.repeats, ==, 4 + 4);
	g_assert_cmpuint(p.pg->counts.direct, ==, 2);
	p.f.column[2] = &p.f.resource[2];
	place_fini(&p);
}

/* Two writers beside each other on one schema, with new resources and versions of both. */
static void test_two_writers(void)
{
	struct place p, q;

	place_init(&p, 30, 4);
	place_init(&q, 30, 4);
	g_free(q.schema);
	q.schema = g_strdup(p.schema);
	OPS->close(q.pg);
	q.pg = open_pg(&q, false);
	for (uint32_t cycle = 0; cycle < 10; cycle++) {
		struct place *first = cycle % 2 ? &p : &q, *second = cycle % 2 ? &q : &p;

		fixture_cycle(&p.f, cycle, FIXTURE_TIME + (int64_t)cycle * 10 * NS_PER_S);
		fixture_cycle(&q.f, cycle, FIXTURE_TIME + (int64_t)cycle * 10 * NS_PER_S);
		if (cycle == 4) {
			fixture_metadata(&p.f.resource[0], "{\"new\": 1}");
			fixture_metadata(&q.f.resource[0], "{\"new\": 1}");
		}
		must_publish(first);
		must_publish(second);
	}
	g_assert_cmpuint(p.pg->counts.stored + q.pg->counts.stored, ==, 1200);
	g_assert_cmpuint(p.pg->counts.repeats + q.pg->counts.repeats, ==, 1200);
	g_assert_cmpuint(p.pg->counts.conflicts + q.pg->counts.conflicts, ==, 0);
	g_assert_cmpint(ask(&p, "SELECT count(*) FROM point"), ==, 1200);
	g_assert_cmpint(ask(&p, "SELECT count(*) FROM version"), ==, 31);
	g_assert_cmpint(ask(&p, "SELECT count(*) FROM run"), ==, 124);
	/* neither makes the other forget what it knows, but for the new runs */
	g_assert_cmpint(ask(&p, "SELECT generation FROM state"), ==, 2);
	place_fini(&p);
	place_fini(&q);
}

/* ------------------------------------------------------------------ trouble */

static void test_server_restarts(void)
{
	struct place p;

	place_init(&p, 10, 4);
	must_publish(&p);
	server_stop(&server, SIGQUIT);
	fixture_cycle(&p.f, 1, FIXTURE_TIME + NS_PER_S);
	g_assert_cmpint(publish(&p), <, 0);
	g_test_message("%s", p.error.text);
	g_assert_true(g_str_has_prefix(p.error.text, "postgresql://test: "));
	g_assert_null(strchr(p.error.text, '\n'));
	server_start(&server);
	must_publish(&p);
	server_stop(&server, SIGINT);
	server_start(&server);
	fixture_cycle(&p.f, 2, FIXTURE_TIME + 2 * NS_PER_S);
	must_publish(&p); /* the lost connection is noticed and made again in one call */
	g_assert_cmpuint(count(&p), ==, 120);
	place_fini(&p);
}

/* Somebody holds what the frame needs: back in time, nothing of it stored; then all of it. */
static void test_deadline(void)
{
	struct place p;
	struct vmt_call call;
	char *info = server_conninfo(&server), *sql;
	PGconn *other = PQconnectdb(info);
	int64_t start;

	place_init(&p, 10, 4);
	must_publish(&p);
	sql = g_strdup_printf("BEGIN; LOCK TABLE %s.point, %s.seen IN ACCESS EXCLUSIVE MODE",
			      p.schema, p.schema);
	PQclear(PQexec(other, sql));
	fixture_cycle(&p.f, 1, FIXTURE_TIME + NS_PER_S);
	start = clock_monotonic();
	call = fixture_call(0);
	call.deadline_ns = start + 300 * NS_PER_MS;
	g_assert_cmpint(OPS->publish(p.pg, &p.f.frame, 1, &call, &p.error), ==, -ETIMEDOUT);
	g_assert_cmpint(clock_monotonic() - start, >=, 200 * NS_PER_MS);
	g_assert_cmpint(clock_monotonic() - start, <, 5 * NS_PER_S);
	PQclear(PQexec(other, "ROLLBACK"));
	PQfinish(other);
	must_publish(&p);
	g_assert_cmpuint(p.pg->counts.repeats, ==, 0);
	g_assert_cmpuint(count(&p), ==, 80);
	g_free(sql);
	g_free(info);
	place_fini(&p);
}

static void test_schema(void)
{
	struct place p;

	place_init(&p, 1, 1);
	ask(&p, "SELECT 1; SET search_path = public; CREATE SCHEMA newer; CREATE TABLE newer.state"
		" (version integer, generation bigint); INSERT INTO newer.state VALUES (99, 1);"
		" SELECT 1");
	g_free(p.schema);
	p.schema = g_strdup("newer");
	OPS->close(p.pg);
	p.pg = open_pg(&p, false);
	g_assert_cmpint(publish(&p), ==, -ENOTSUP);
	g_assert_nonnull(strstr(p.error.text, "newer virtmeter (schema 99"));
	g_free(p.schema);
	p.schema = g_strdup("odd \"name; --");
	OPS->close(p.pg);
	p.pg = open_pg(&p, false);
	must_publish(&p);
	g_assert_cmpuint(count(&p), ==, 1);
	place_fini(&p);
}

/* Points of half an hour lie together; what a query wants of it is some minutes, or microseconds. */
static void test_slots(void)
{
	enum { CYCLES = 120, RESOURCES = 3, METERS = 2 };
	const int64_t step = INT64_C(37000001) * NS_PER_US;
	struct place p;

	place_init(&p, RESOURCES, METERS);
	for (uint32_t cycle = 0; cycle < CYCLES; cycle++) {
		fixture_cycle(&p.f, cycle, FIXTURE_TIME + cycle * step);
		must_publish(&p);
	}
	for (int64_t first = 0; first < CYCLES; first += 7) {
		for (int64_t cycles = 1; cycles < CYCLES; cycles *= 4) {
			struct vmt_query q = { .start_ns = FIXTURE_TIME + first * step,
					       .end_ns = FIXTURE_TIME + (first + cycles) * step };
			unsigned wanted = (unsigned)MIN(cycles, CYCLES - first) * METERS;

			g_assert_cmpuint(rows_of(&p, &q), ==, wanted * RESOURCES);
			q.limit = wanted * RESOURCES + 1; /* in small steps */
			g_assert_cmpuint(rows_of(&p, &q), ==, wanted * RESOURCES);
			q.resource = p.f.resource[1].id;
			g_assert_cmpuint(rows_of(&p, &q), ==, wanted);
			q.limit = 5;
			g_assert_cmpuint(rows_of(&p, &q), ==, MIN(wanted, 5));
		}
	}
	/* as they lay before */
	ask(&p, "UPDATE point SET minute = minute + micros / 60000000, micros = micros % 60000000;"
		" DELETE FROM digest; UPDATE state SET version = 1");
	OPS->close(p.pg);
	p.pg = open_pg(&p, false);
	must_publish(&p);
	g_assert_cmpuint(p.pg->counts.repeats, ==, RESOURCES * METERS);
	g_assert_cmpuint(p.pg->counts.stored, ==, 0);
	g_assert_cmpuint(count(&p), ==, CYCLES * RESOURCES * METERS);
	place_fini(&p);
}

/* What comes in the order of last to first does not change the runs each time. */
static void test_backwards(void)
{
	struct vmt_pair other[] = { { "n", "1", false }, { NULL, NULL, false } };
	const struct vmt_query of_other = { .metadata = other };
	struct place p;
	int64_t before;

	place_init(&p, 5, 2);
	fixture_cycle(&p.f, 100, FIXTURE_TIME);
	must_publish(&p);
	before = ask(&p, "SELECT generation FROM state");
	for (uint32_t cycle = 0; cycle < 50; cycle++) {
		fixture_cycle(&p.f, cycle, FIXTURE_TIME - (int64_t)(cycle + 1) * 60 * NS_PER_S);
		must_publish(&p);
	}
	/* once for the runs; to read them again changes nothing */
	g_assert_cmpint(ask(&p, "SELECT generation FROM state"), ==, before + 1);
	fixture_metadata(&p.f.resource[1], "{\"n\": 1}");
	fixture_cycle(&p.f, 60, FIXTURE_TIME - INT64_C(7200) * NS_PER_S);
	must_publish(&p);
	g_assert_cmpuint(rows_of(&p, &of_other), ==, 2);
	g_assert_cmpuint(count(&p), ==, 52 * 10);
	place_fini(&p);
}

/* However many of a frame are late, statements are the same few; one that has another version costs some more. */
static void test_late_many(void)
{
	enum { RESOURCES_OF = 4, COUNT = 200 };
	struct vmt_pair other[] = { { "n", "1", false }, { NULL, NULL, false } };
	const struct vmt_query of_other = { .metadata = other };
	int64_t times[RESOURCES_OF * COUNT];
	uint64_t asked;
	struct place p;

	place_init(&p, RESOURCES_OF * COUNT, 1);
	must_publish(&p);
	for (unsigned round = 0; round < 2; round++) {
		/* of few resources, hours before what is there, from the last to the first */
		for (int i = 0; i < RESOURCES_OF * COUNT; i++) {
			p.f.column[i] = &p.f.resource[i % RESOURCES_OF];
			times[i] = FIXTURE_TIME -
				   (int64_t)(i / RESOURCES_OF + 1 + (int)round * COUNT) * NS_PER_S;
		}
		if (round == 1) {
			fixture_metadata(&p.f.resource[0], "{\"n\": 1}");
		}
		p.f.batch[0].times = times;
		asked = p.pg->asked;
		must_publish(&p);
		asked = p.pg->asked - asked;
		if (round == 0) {
			g_assert_cmpuint(asked, <, 30);
		} else {
			g_assert_cmpuint(asked, >, COUNT);
		}
	}
	g_assert_cmpuint(rows_of(&p, &of_other), ==, COUNT);
	g_assert_cmpuint(count(&p), ==, 3 * RESOURCES_OF * COUNT);
	place_fini(&p);
}

/* ------------------------------------------------------------------ partitions */

static void test_time_to_live(void)
{
	const int64_t day = INT64_C(86400) * NS_PER_S;
	int64_t now = clock_real();
	struct place p;

	place_init(&p, 5, 2);
	OPS->close(p.pg);
	p.conf->time_to_live = 3 * 86400;
	p.pg = open_pg(&p, false);
	/* in its own partition, in the rest (too far away), and of now */
	for (int i = 0; i < 3; i++) {
		static const int64_t days[] = { 10, 1000, 0 };

		fixture_cycle(&p.f, (uint32_t)i, now - days[i] * day);
		if (i == 2) {
			g_free((char *)p.f.resource[0].id);
			p.f.resource[0].id = g_strdup("new");
			fixture_digest(&p.f.resource[0]);
			p.pg->expire_ns = 0;
		}
		must_publish(&p);
	}
	g_assert_cmpint(ask(&p, "SELECT count(*) FROM point"), ==, 10);
	g_assert_cmpint(ask(&p, "SELECT count(*) FROM pg_inherits WHERE inhparent ="
				" 'point'::regclass"),
			==, 2);
	g_assert_cmpint(ask(&p, "SELECT count(*) FROM version"), ==, 5);
	g_assert_cmpint(ask(&p, "SELECT count(*) FROM resource"), ==, 5);
	g_assert_cmpint(ask(&p, "SELECT count(*) FROM series"), ==, 10);
	g_assert_cmpuint(count(&p), ==, 10);
	place_fini(&p);
}

/* Old versions go in steps, the next one soon, however many there are. */
static void test_many_old(void)
{
	enum { ALL = 450, LIVE = 5, STEP = 200 };
	int64_t now = clock_real(), left = ALL;
	struct place p;

	place_init(&p, ALL, 1);
	OPS->close(p.pg);
	p.conf->time_to_live = 3 * 86400;
	p.pg = open_pg(&p, false);
	p.pg->expire_ns = INT64_MAX;
	fixture_cycle(&p.f, 0, now - INT64_C(864000) * NS_PER_S);
	must_publish(&p);
	p.f.batch[0].count = LIVE; /* the others have no more samples */
	fixture_cycle(&p.f, 1, now);
	must_publish(&p);
	for (uint32_t cycle = 2; left > LIVE; cycle++) {
		left = MAX(left - STEP, LIVE);
		p.pg->expire_ns = 0;
		fixture_cycle(&p.f, cycle, now + cycle * NS_PER_S);
		must_publish(&p);
		g_assert_cmpint(ask(&p, "SELECT count(*) FROM version"), ==, left);
		g_assert_cmpint(p.pg->expire_ns - clock_monotonic() <= 5 * NS_PER_S, ==,
				left > LIVE);
	}
	place_fini(&p);
}

static struct {
	bool all_versions;
	unsigned points; /* plans that looked for them */
} looked;

static void look_for(bool all_versions)
{
	looked.all_versions = all_versions;
}

/* Whether the table that the plan's line is about may be read from its first row to the last. */
static bool may_be_scanned(const char *table)
{
	static const char *const small[] = { "meter", "form", NULL };
	static const char *const versions[] = {
		"version", "seen", "resource", "series", "run", NULL
	};

	return g_strv_contains(small, table) ||
	       (looked.all_versions && g_strv_contains(versions, table));
}

/* A scan of a table must have a condition for the index. */
static void look_at_plan(const PGresult *plan, const char *sql)
{
	for (int i = 0; i < PQntuples(plan); i++) {
		const char *line = PQgetvalue(plan, i, 0), *on = strstr(line, " on ");
		const char *next = i + 1 < PQntuples(plan) ? PQgetvalue(plan, i + 1, 0) : "";
		char *table;

		if (!strstr(line, " Scan ") || strstr(line, "Subquery") || !on ||
		    strstr(line, "\"")) {
			continue; /* of VALUES, of what a node below gives */
		}
		table = g_strndup(on + 4, strcspn(on + 4, " "));
		if (!strstr(line, " using ") || !strstr(next, "Index Cond:")) {
			if (!may_be_scanned(table)) {
				g_error("%s: %s", line, sql);
			}
		} else if (g_str_has_prefix(table, "point_")) {
			g_assert_nonnull(strstr(next, "(minute "));
			looked.points++;
		}
		g_free(table);
	}
}

static int explain_begin(void *db, const char *sql, const char *const *texts, size_t count,
			 bool bulk, void **ret_rows, struct vmt_error *error)
{
	char *explain = g_strconcat("EXPLAIN ", sql, NULL);
	PGresult *plan = NULL;

	g_assert_cmpint(pg_ask(db, explain, texts, (int)count, &plan, error), ==, 0);
	look_at_plan(plan, sql);
	PQclear(plan);
	g_free(explain);
	return pgquery_ops.begin(db, sql, texts, count, bulk, ret_rows, error);
}

/* What grows with time is found by its key, whether the server has statistics or not. */
static void test_no_scan(void)
{
	struct select_ops ops = pgquery_ops;
	struct place p;
	struct pg *reader;

	place_init(&p, 2000, 4);
	cases_fixture(&p.f);
	for (uint32_t cycle = 0; cycle < 20; cycle++) {
		fixture_cycle(&p.f, cycle, FIXTURE_TIME + (int64_t)cycle * 60 * NS_PER_S);
		must_publish(&p);
	}
	ops.begin = explain_begin;
	reader = open_pg(&p, true);
	reader->select.ops = &ops;
	cases_ask(reader, look_for);
	ask(&p, "ANALYZE");
	cases_ask(reader, look_for);
	g_assert_cmpuint(looked.points, >=, 2 * G_N_ELEMENTS(select_cases));
	OPS->close(reader);
	place_fini(&p);
}

int main(int argc, char **argv)
{
	const char *missing = server_missing();
	int status;

	g_test_init(&argc, &argv, NULL);
	if (missing) {
		g_print("1..0 # SKIP %s\n", missing);
		return 0;
	}
	server_init(&server, "-c fsync=off");
	g_test_add_func("/postgresql/same-as-sqlite", test_same_as_sqlite);
	g_test_add_func("/postgresql/repeats", test_repeats);
	g_test_add_func("/postgresql/parts", test_parts);
	g_test_add_func("/postgresql/messages", test_messages);
	g_test_add_func("/postgresql/two-writers", test_two_writers);
	g_test_add_func("/postgresql/server-restarts", test_server_restarts);
	g_test_add_func("/postgresql/deadline", test_deadline);
	g_test_add_func("/postgresql/schema", test_schema);
	g_test_add_func("/postgresql/slots", test_slots);
	g_test_add_func("/postgresql/backwards", test_backwards);
	g_test_add_func("/postgresql/late-many", test_late_many);
	g_test_add_func("/postgresql/time-to-live", test_time_to_live);
	g_test_add_func("/postgresql/many-old", test_many_old);
	g_test_add_func("/postgresql/no-scan", test_no_scan);
	status = g_test_run();
	server_fini(&server);
	return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection: libpq without blocking and poll(2), so that nothing waits longer than the call allows.  When its
 * time is over the connection is given up, whatever was under way; the server ends it by statement_timeout.
 * One thread; blocks on the server.
 */
#include "pg.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/thread.h"
#include "ids.h"

enum { SLICE_MS = 100 };

void pg_call_begin(struct pg *p, const struct vmt_call *call)
{
	p->call = call;
	p->deadline_ns = call ? call->deadline_ns : clock_monotonic() + p->conf.timeout_ns;
	p->state[0] = '\0';
}

/* 0, -ETIMEDOUT or -ECANCELED. */
static int over(const struct pg *p)
{
	if (p->call && atomic_load_explicit(p->call->cancel, memory_order_relaxed)) {
		return -ECANCELED;
	}
	return clock_monotonic() >= p->deadline_ns ? -ETIMEDOUT : 0;
}

/* ------------------------------------------------------------------ reasons */

/* Texts of libpq have lines; a reason has one. */
static int failed(struct pg *p, int code, const char *text, struct vmt_error *error)
{
	char *line = g_strdup(text ? text : "");

	g_strdelimit(line, "\r\n\t", ' ');
	vmt_error_set(error, code, "%s: %s", p->text, g_strstrip(line));
	g_free(line);
	return code;
}

/* Gives the connection up. */
static int lost(struct pg *p, int code, struct vmt_error *error)
{
	code = failed(p, code,
		      code == -ECANCELED   ? "cancelled"
		      : code == -ETIMEDOUT ? "no answer in the time allowed"
		      : p->c               ? PQerrorMessage(p->c)
					   : "no connection",
		      error);
	pg_disconnect(p);
	return code;
}

/* What a failure that the server reports means to the host. */
static int code_of(const char *state)
{
	static const struct {
		const char *begin;
		int code;
	} table[] = {
		{ "40", -EAGAIN }, /* serialization failure, deadlock */
		{ "55P03", -EAGAIN }, /* lock not available */
		{ "57014", -ETIMEDOUT }, /* statement_timeout */
		{ "57P", -ECONNRESET }, /* the server shuts down or starts */
		{ "08", -ECONNRESET },   { "25006", -ECONNRESET }, /* it is a standby by now */
		{ "53100", -ENOSPC }, /* disk full */
		{ "53", -EAGAIN }, /* memory, connections */
		{ "58", -EIO }, /* of its system; "no space left" too */
		{ "23505", -EEXIST },    { "22", -EBADMSG },
		{ "42501", -EACCES },    { "28", -EACCES },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
		if (g_str_has_prefix(state, table[i].begin)) {
			return table[i].code;
		}
	}
	return -EIO;
}

static int refused(struct pg *p, const PGresult *result, struct vmt_error *error)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	int code;

	if (PQstatus(p->c) == CONNECTION_BAD) {
		return lost(p, -ECONNRESET, error);
	}
	g_strlcpy(p->state, state ? state : "", sizeof p->state);
	code = failed(p, code_of(p->state), text ? text : PQresultErrorMessage(result), error);
	if (code == -ECONNRESET) {
		pg_disconnect(p);
	}
	return code;
}

/* ------------------------------------------------------------------ waiting */

/* Waits for the socket.  0, or the connection is given up. */
static int wait_for(struct pg *p, short events, struct vmt_error *error)
{
	int socket = PQsocket(p->c);

	for (;;) {
		struct pollfd fd = { .fd = socket, .events = events };
		int64_t left = (p->deadline_ns - clock_monotonic()) / NS_PER_MS;
		int code = over(p), ready;

		if (code) {
			return lost(p, code, error);
		}
		if (socket < 0) {
			return lost(p, -ECONNRESET, error);
		}
		thread_block_begin();
		ready = poll(&fd, 1, (int)CLAMP(left, 1, SLICE_MS));
		thread_block_end();
		if (ready > 0) {
			return 0;
		}
		if (ready < 0 && errno != EINTR) {
			return lost(p, -errno, error);
		}
	}
}

/* Sends what libpq holds, and takes what comes meanwhile. */
static int flush(struct pg *p, struct vmt_error *error)
{
	for (;;) {
		int left = PQflush(p->c), code;

		if (left <= 0) {
			return left ? lost(p, -ECONNRESET, error) : 0;
		}
		code = wait_for(p, POLLIN | POLLOUT, error);
		if (code) {
			return code;
		}
		if (!PQconsumeInput(p->c)) {
			return lost(p, -ECONNRESET, error);
		}
	}
}

int pg_next(struct pg *p, PGresult **ret_result, struct vmt_error *error)
{
	int code = flush(p, error);

	while (code == 0 && PQisBusy(p->c)) {
		code = wait_for(p, POLLIN, error);
		if (code == 0 && !PQconsumeInput(p->c)) {
			code = lost(p, -ECONNRESET, error);
		}
	}
	if (code == 0) {
		*ret_result = PQgetResult(p->c);
	}
	return code;
}

/* All results up to the last; that one or the first failure counts. */
static int finish(struct pg *p, PGresult **ret_result, struct vmt_error *error)
{
	PGresult *last = NULL, *next = NULL;
	int code = 0, result = 0;

	while (p->c && (code = pg_next(p, &next, error)) == 0 && next) {
		ExecStatusType status = PQresultStatus(next);

		PQclear(last);
		last = next;
		if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT) {
			break;
		}
		if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && result == 0) {
			result = refused(p, next, error);
		}
	}
	code = result ? result : code;
	if (code || !ret_result) {
		PQclear(last);
	} else {
		*ret_result = last;
	}
	return code;
}

/* ------------------------------------------------------------------ statements */

int pg_send(struct pg *p, const char *sql, const char *const *values, int count, bool parts,
	    struct vmt_error *error)
{
	if (!pg_is_alive(p)) {
		return lost(p, -ECONNRESET, error);
	}
	if (!PQsendQueryParams(p->c, sql, count, NULL, values, NULL, NULL, 1)) {
		return lost(p, -ECONNRESET, error);
	}
	if (parts) {
		PQsetSingleRowMode(p->c);
	}
	return 0;
}

int pg_ask(struct pg *p, const char *sql, const char *const *values, int count,
	   PGresult **ret_result, struct vmt_error *error)
{
	int code = pg_send(p, sql, values, count, false, error);

	p->asked++;
	return code ? code : finish(p, ret_result, error);
}

int pg_run(struct pg *p, const char *sql, PGresult **ret_result, struct vmt_error *error)
{
	if (!pg_is_alive(p) || !PQsendQuery(p->c, sql)) {
		return lost(p, -ECONNRESET, error);
	}
	return finish(p, ret_result, error);
}

int pg_copy_in(struct pg *p, const char *sql, struct vmt_error *error)
{
	PGresult *result = NULL;
	int code = pg_run(p, sql, &result, error);
	bool copying = code == 0 && PQresultStatus(result) == PGRES_COPY_IN;

	PQclear(result);
	return code || copying ? code : lost(p, -EPROTO, error);
}

int pg_copy_part(struct pg *p, const struct buf *bytes, struct vmt_error *error)
{
	if (PQputCopyData(p->c, bytes->data, (int)bytes->len) < 0) {
		return lost(p, -ECONNRESET, error);
	}
	return flush(p, error);
}

int pg_copy_end(struct pg *p, struct vmt_error *error)
{
	if (PQputCopyEnd(p->c, NULL) < 0) {
		return lost(p, -ECONNRESET, error);
	}
	return finish(p, NULL, error);
}

int pg_begin_copy(struct pg *p, const char *sql, struct vmt_error *error)
{
	PGresult *result = NULL;
	int code = pg_run(p, sql, &result, error);
	bool copying = code == 0 && PQresultStatus(result) == PGRES_COPY_OUT;

	PQclear(result);
	return code || copying ? code : lost(p, -EPROTO, error);
}

int pg_read_copy(struct pg *p, char **ret_bytes, int *ret_len, struct vmt_error *error)
{
	int code = 0;

	for (;;) {
		int len = PQgetCopyData(p->c, ret_bytes, 1);

		if (len > 0) {
			*ret_len = len;
			return 1;
		}
		if (len < 0) { /* -1: the end, or what stopped it */
			return len == -1 ? finish(p, NULL, error) : lost(p, -ECONNRESET, error);
		}
		p->deadline_ns = clock_monotonic() + p->conf.timeout_ns;
		code = wait_for(p, POLLIN, error);
		if (code == 0 && !PQconsumeInput(p->c)) {
			code = lost(p, -ECONNRESET, error);
		}
		if (code) {
			return code;
		}
	}
}

int64_t pg_integer(const char *bytes, int len)
{
	uint64_t v = 0;

	for (int i = 0; i < len; i++) {
		v = v << 8 | (unsigned char)bytes[i];
	}
	return len == 2 ? (int16_t)v : len == 4 ? (int32_t)v : (int64_t)v;
}

int64_t pg_number(const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column) ? INT64_MIN
						: pg_integer(PQgetvalue(result, row, column),
							     PQgetlength(result, row, column));
}

/* ------------------------------------------------------------------ life */

static void ignore_notice(void *context, const PGresult *result)
{
}

bool pg_is_alive(const struct pg *p)
{
	return p->c && PQstatus(p->c) == CONNECTION_OK;
}

void pg_disconnect(struct pg *p)
{
	PQfinish(p->c);
	p->c = NULL;
	p->staging = false;
	pgids_clear(p->ids);
	g_hash_table_remove_all(p->partitions);
}

static int set_up(struct pg *p, struct vmt_error *error)
{
	const char *encoding = PQparameterStatus(p->c, "server_encoding");
	char *sql;
	int code;

	if (PQserverVersion(p->c) < 120000) {
		failed(p, -ENOTSUP, "the server is older than PostgreSQL 12; use a newer one",
		       error);
		pg_disconnect(p);
		return -ENOTSUP;
	}
	if (!encoding || strcmp(encoding, "UTF8") != 0) {
		failed(p, -EINVAL,
		       "the database is not in UTF8; make one with CREATE DATABASE … ENCODING 'UTF8'"
		       " TEMPLATE template0",
		       error);
		pg_disconnect(p);
		return -EINVAL;
	}
	PQsetnonblocking(p->c, 1);
	/* who reads looks points up by their key, minute by minute; of what is written at this moment there are
	 * no statistics that would lead the planner to it */
	sql = g_strdup_printf(
		"SET search_path = %s, pg_catalog; SET synchronous_commit = %s;"
		" SET client_min_messages = error; SET jit = off;"
		" SET idle_in_transaction_session_timeout = 600000%s",
		p->schema, p->conf.synchronous_commit,
		p->read_only ? "; SET default_transaction_read_only = on; SET enable_seqscan = off;"
			       " SET enable_bitmapscan = off; SET enable_hashjoin = off;"
			       " SET enable_mergejoin = off; SET join_collapse_limit = 1"
			     : "; SET default_transaction_read_only = off");
	code = pg_run(p, sql, NULL, error);
	g_free(sql);
	return code;
}

int pg_connect(struct pg *p, struct vmt_error *error)
{
	const char *const *keys, *const *values;
	PostgresPollingStatusType next = PGRES_POLLING_WRITING;
	int code;

	if (pg_is_alive(p)) {
		return 0;
	}
	pg_disconnect(p);
	code = over(p);
	if (code) {
		return failed(p, code, code == -ECANCELED ? "cancelled" : "no time left", error);
	}
	code = address_parameters(p->address, p, &keys, &values, error);
	if (code) {
		return code;
	}
	p->c = PQconnectStartParams(keys, values, 0);
	if (!p->c || PQstatus(p->c) == CONNECTION_BAD) {
		return lost(p, -ECONNREFUSED, error);
	}
	PQsetNoticeReceiver(p->c, ignore_notice, NULL);
	while (next != PGRES_POLLING_OK) {
		code = wait_for(p, next == PGRES_POLLING_READING ? POLLIN : POLLOUT, error);
		if (code) {
			return code;
		}
		next = PQconnectPoll(p->c);
		if (next == PGRES_POLLING_FAILED) {
			return lost(p, -ECONNREFUSED, error);
		}
	}
	code = set_up(p, error);
	if (code == 0) {
		code = pgschema_take(p, error);
	}
	if (code) {
		pg_disconnect(p);
	}
	return code;
}

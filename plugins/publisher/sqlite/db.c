/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening the database, prepared statements, deadlines, and what a failure of SQLite means to a person and
 * to the host.  On the publisher's thread (or the one of a command); blocks on disk and locks until the
 * deadline of the call.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ids.h"
#include "schema.h"
#include "store.h"

enum {
	PROGRESS_STEPS = 4000, /* of SQLite's machine, between two looks at the clock */
	BUSY_SLEEP_MS = 10,
	WAL_LIMIT = 16 << 20, /* the log file is cut to this after a checkpoint */
};

#define BUSY_DEFAULT_NS INT64_C(5000000000) /* patience with locks without a deadline */
#define NS_PER_MS INT64_C(1000000)

static const char *const sql[STORE_STATEMENTS] = {
	[STORE_BEGIN] = "BEGIN IMMEDIATE",
	[STORE_COMMIT] = "COMMIT",
	[STORE_DATA_VERSION] = "PRAGMA data_version",
	[STORE_POINT_ADD] = "INSERT INTO point VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
	[STORE_POINT_GET] =
		"SELECT value FROM point WHERE minute = ? AND series = ? AND micros = ?",
	[STORE_MESSAGE_ADD] = "INSERT INTO message VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
	[STORE_METER_GET] = "SELECT id FROM meter WHERE name = ?",
	[STORE_METER_ADD] = "INSERT INTO meter (name) VALUES (?)",
	[STORE_FORM_GET] = "SELECT id FROM form WHERE type = ? AND unit = ?",
	[STORE_FORM_ADD] = "INSERT INTO form (type, unit) VALUES (?, ?)",
	[STORE_RESOURCE_GET] = "SELECT id FROM resource WHERE resource_id = ? AND source = ?",
	[STORE_RESOURCE_ADD] = "INSERT INTO resource (resource_id, source) VALUES (?, ?)",
	[STORE_VERSION_GET] = "SELECT v.id, v.resource, s.first, s.last FROM version v"
			      " LEFT JOIN seen s ON s.version = v.id WHERE v.digest = ?",
	[STORE_VERSION_ADD] =
		"INSERT INTO version (digest, resource, project_id, user_id, project_name,"
		" user_name, metadata) VALUES (?, ?, ?, ?, ?, ?, ?)",
	[STORE_SEEN_PUT] =
		"INSERT INTO seen VALUES (?, ?, ?) ON CONFLICT (version) DO UPDATE"
		" SET first = min(first, excluded.first), last = max(last, excluded.last)",
	[STORE_SEEN_LAST] = "SELECT max(s.last) FROM version v JOIN seen s ON s.version = v.id"
			    " WHERE v.resource = ?",
	[STORE_SERIES_GET] = "SELECT id FROM series WHERE resource = ? AND meter = ?",
	[STORE_SERIES_MAX] = "SELECT max(id) FROM series WHERE resource = ?",
	[STORE_SERIES_END] = "SELECT max(id) FROM series",
	[STORE_SERIES_ADD] = "INSERT INTO series VALUES (?, ?, ?)",
	[STORE_RUN_LAST] =
		"SELECT version, form FROM run WHERE series = ? ORDER BY since DESC LIMIT 1",
	[STORE_RUN_AT] = "SELECT version, form, since FROM run WHERE series = ? AND since <= ?"
			 " ORDER BY since DESC LIMIT 1",
	[STORE_RUN_NEXT] = "SELECT version, form, since FROM run WHERE series = ? AND since > ?"
			   " ORDER BY since LIMIT 1",
	[STORE_RUN_MOVE] = "UPDATE run SET since = ? WHERE series = ? AND since = ?",
	[STORE_RUN_PUT] = "INSERT OR REPLACE INTO run VALUES (?, ?, ?, ?)",
	[STORE_RUN_KEEP] = "INSERT INTO run VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
	[STORE_COUNTER_ADD] = "INSERT INTO counter VALUES (?, ?) ON CONFLICT (name) DO UPDATE"
			      " SET value = value + excluded.value",
	[STORE_DIGEST_GET] = "SELECT 1 FROM digest WHERE minute = ? AND high = ? AND low = ?",
	[STORE_DIGEST_ADD] = "INSERT INTO digest VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
	[STORE_DIGEST_CUT] =
		"DELETE FROM digest WHERE minute < ?1 AND minute <= (SELECT minute FROM digest"
		" ORDER BY minute LIMIT 1) + 60",
};

/* ------------------------------------------------------------------ calls and deadlines */

int store_call_check(const struct store *s)
{
	if (!s->call) {
		return 0;
	}
	if (atomic_load_explicit(s->call->cancel, memory_order_relaxed)) {
		return -ECANCELED;
	}
	return vmt_clock_monotonic() >= s->call->deadline_ns ? -ETIMEDOUT : 0;
}

static int on_progress(void *context)
{
	return store_call_check(context) != 0;
}

/* Waits for a lock.  The waits are added up as well, for a clock that stands still in simulation. */
static int on_busy(void *context, int tries)
{
	struct store *s = context;

	if (store_call_check(s) || s->busy_ns <= 0) {
		return 0;
	}
	(void)tries;
	s->busy_ns -= BUSY_SLEEP_MS * NS_PER_MS;
	sqlite3_sleep(BUSY_SLEEP_MS);
	return 1;
}

void store_call_begin(struct store *s, const struct vmt_call *call)
{
	s->call = call;
	s->busy_ns = call ? call->deadline_ns - vmt_clock_monotonic() : BUSY_DEFAULT_NS;
}

void store_call_end(struct store *s)
{
	if (s->db && !sqlite3_get_autocommit(s->db)) {
		sqlite3_progress_handler(s->db, 0, NULL, NULL);
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
		sqlite3_progress_handler(s->db, PROGRESS_STEPS, on_progress, s);
	}
	s->call = NULL;
}

/* ------------------------------------------------------------------ reasons */

/* Why the file could not be opened: SQLite only says that it could not. */
static int cannot_open(const struct store *s, int system, struct vmt_error *error)
{
	char *folder = g_path_get_dirname(s->path);
	struct stat st;
	int code;

	if (s->read_only && stat(s->path, &st) == -1) {
		code = vmt_error_set(error, -errno,
				     "%s: %s; name an existing store with --store; what"
				     " writes it makes it with the first sample",
				     s->text, g_strerror(errno));
	} else if (stat(folder, &st) == -1) {
		code = vmt_error_set(error, -errno,
				     "%s: folder %s: %s; create it, writable for this user",
				     s->text, folder, g_strerror(errno));
	} else if (!S_ISDIR(st.st_mode)) {
		code = vmt_error_set(error, -ENOTDIR, "%s: %s is not a folder; name another path",
				     s->text, folder);
	} else if (stat(s->path, &st) == 0 && S_ISDIR(st.st_mode)) {
		code = vmt_error_set(error, -EISDIR, "%s: is a folder; name a file in it", s->text);
	} else {
		system = system ? system : EACCES;
		code = vmt_error_set(error, -system,
				     "%s: open: %s; file and folder must be %s for this user",
				     s->text, g_strerror(system),
				     s->read_only ? "readable" : "writable");
	}
	g_free(folder);
	return code;
}

static int failed_code(struct store *s, int extended, struct vmt_error *error)
{
	int system = s->db ? sqlite3_system_errno(s->db) : 0;
	int code = store_call_check(s);

	switch (extended & 0xff) {
	case SQLITE_INTERRUPT:
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		if (code == -ECANCELED) {
			return vmt_error_set(error, code, "%s: cancelled", s->text);
		}
		if ((extended & 0xff) == SQLITE_INTERRUPT) {
			return vmt_error_set(error, -ETIMEDOUT,
					     "%s: the disk is too slow for the time allowed",
					     s->text);
		}
		return vmt_error_set(error, -EAGAIN, "%s: locked by another process", s->text);
	case SQLITE_FULL:
		return vmt_error_set(error, -ENOSPC, "%s: disk full; make room on its file system",
				     s->text);
	case SQLITE_READONLY:
		return vmt_error_set(
			error, -EROFS,
			"%s: read-only; file and folder must be writable for this user", s->text);
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return cannot_open(s, system, error);
	case SQLITE_NOTADB:
		return vmt_error_set(error, -EINVAL,
				     "%s: is not an SQLite database; name another file", s->text);
	case SQLITE_CORRUPT:
		return vmt_error_set(
			error, -EUCLEAN,
			"%s: damaged; move it away (a new one is begun) or mend it with"
			" sqlite3's .recover",
			s->text);
	case SQLITE_NOMEM:
		g_error("%s: out of memory", s->text);
	default:
		break;
	}
	if ((extended & 0xff) == SQLITE_IOERR &&
	    (system == ENOSPC || system == EDQUOT || system == EFBIG)) {
		return vmt_error_set(error, -ENOSPC, "%s: %s; make room on its file system",
				     s->text, g_strerror(system));
	}
	return vmt_error_set(error, system && (extended & 0xff) == SQLITE_IOERR ? -system : -EIO,
			     "%s: %s%s%s", s->text, sqlite3_errstr(extended), system ? ": " : "",
			     system ? g_strerror(system) : "");
}

int store_late(struct store *s, struct vmt_error *error)
{
	return failed_code(s, SQLITE_INTERRUPT, error);
}

int store_failed(struct store *s, struct vmt_error *error)
{
	return failed_code(s, sqlite3_extended_errcode(s->db), error);
}

/* ------------------------------------------------------------------ connection */

static int pragma(struct store *s, const char *format, const char *word, int64_t number)
{
	char text[96];

	if (word) {
		sqlite3_snprintf(sizeof text, text, format, word);
	} else {
		sqlite3_snprintf(sizeof text, text, format, number);
	}
	return sqlite3_exec(s->db, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : -1;
}

static int configure(struct store *s)
{
	sqlite3_extended_result_codes(s->db, 1);
	sqlite3_busy_handler(s->db, on_busy, s);
	sqlite3_progress_handler(s->db, PROGRESS_STEPS, on_progress, s);
	if (pragma(s, "PRAGMA cache_size = -%lld", NULL, s->conf.page_cache) ||
	    pragma(s, "PRAGMA temp_store = %s", "memory", 0) ||
	    pragma(s, "PRAGMA trusted_schema = %s", "off", 0)) {
		return -1;
	}
	if (s->read_only) {
		return pragma(s, "PRAGMA query_only = %s", "on", 0);
	}
	if (pragma(s, "PRAGMA secure_delete = %s", "off", 0) ||
	    pragma(s, "PRAGMA synchronous = %s", s->conf.synchronous, 0) ||
	    pragma(s, "PRAGMA journal_size_limit = %lld", NULL, WAL_LIMIT)) {
		return -1;
	}
	return 0;
}

/* Tells a foreign or newer database before anything in it is changed. */
static int take_schema(struct store *s, struct vmt_error *error)
{
	int found = 0, code = 0;
	enum schema_result result =
		schema_apply(s->db, schema_steps, schema_version, s->read_only, &found, &code);

	switch (result) {
	case SCHEMA_OK:
		return 0;
	case SCHEMA_FOREIGN:
		return vmt_error_set(error, -EINVAL,
				     "%s: is the database of another program; name another file",
				     s->text);
	case SCHEMA_NEWER:
		return vmt_error_set(
			error, -ENOTSUP,
			"%s: written by a newer virtmeter (schema %d, this one knows %d);"
			" use that one, or name another file",
			s->text, found, (int)schema_version);
	case SCHEMA_OLDER:
		return vmt_error_set(error, -ENOTSUP,
				     "%s: %s; it is made ready when an agent writes to it", s->text,
				     found ? "written by an older virtmeter" : "empty");
	case SCHEMA_FAILED:
		break;
	}
	return failed_code(s, code, error);
}

/* Mode 0640, which SQLite then gives its two companion files too. */
static int create(struct store *s, struct vmt_error *error)
{
	int fd = open(s->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);

	if (fd == -1 && errno != EEXIST) {
		return errno == ENOSPC || errno == EDQUOT ? failed_code(s, SQLITE_FULL, error)
							  : cannot_open(s, errno, error);
	}
	if (fd != -1) {
		close(fd);
	}
	return 0;
}

/* Nobody has it open when it has no log file; then it is read as it is, so that none is made. */
static bool unused(const struct store *s)
{
	char *log = g_strconcat(s->path, "-wal", NULL);
	bool none = access(log, F_OK) == -1 && errno == ENOENT;

	g_free(log);
	return none;
}

static int open_file(struct store *s)
{
	char *escaped = g_uri_escape_string(s->path, "/", true);
	char *uri = g_strconcat("file://", escaped, s->immutable ? "?immutable=1" : "", NULL);
	int flags = SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX |
		    (s->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
	int code = sqlite3_open_v2(uri, &s->db, flags, NULL);

	g_free(uri);
	g_free(escaped);
	return code == SQLITE_OK ? 0 : -1;
}

void store_disconnect(struct store *s)
{
	for (size_t i = 0; i < STORE_STATEMENTS; i++) {
		sqlite3_finalize(s->statement[i]);
		s->statement[i] = NULL;
	}
	sqlite3_close_v2(s->db);
	s->db = NULL;
	ids_clear(s->ids);
}

static int connect_new(struct store *s, struct vmt_error *error)
{
	struct stat st;
	int code = s->read_only ? 0 : create(s, error);

	if (code) {
		return code;
	}
	s->immutable = s->read_only && unused(s);
	if (stat(s->path, &st) == -1) {
		return cannot_open(s, errno, error);
	}
	if (S_ISDIR(st.st_mode)) {
		return cannot_open(s, EISDIR, error);
	}
	if (open_file(s) || configure(s)) {
		return store_failed(s, error);
	}
	code = take_schema(s, error);
	if (code) {
		return code;
	}
	if (!s->read_only && pragma(s, "PRAGMA journal_mode = %s", "wal", 0)) {
		return store_failed(s, error);
	}
	s->device = st.st_dev;
	s->inode = st.st_ino;
	return 0;
}

int store_connect(struct store *s, struct vmt_error *error)
{
	struct stat st;
	int code;

	if (s->db &&
	    (stat(s->path, &st) == -1 || st.st_dev != s->device || st.st_ino != s->inode)) {
		vmt_log(VMT_LOG_WARNING, "%s: moved away; a new one is begun", s->text);
		/* SQLite closes a moved file without taking over what is still in the log beside it. */
		sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
		store_disconnect(s);
	}
	if (s->db && s->read_only && s->immutable && !unused(s)) {
		store_disconnect(s);
	}
	if (s->db) {
		return 0;
	}
	code = connect_new(s, error);
	if (code) {
		store_disconnect(s);
	}
	return code;
}

/* ------------------------------------------------------------------ queries */

int store_read_begin(struct store *s, struct vmt_error *error)
{
	int code;

	store_call_begin(s, NULL);
	code = store_connect(s, error);
	if (code == 0 && sqlite3_exec(s->db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK) {
		code = store_failed(s, error);
	}
	return code;
}

int store_read_end(struct store *s, int code, struct vmt_error *error)
{
	store_call_end(s);
	if (s->db && s->immutable && !unused(s)) {
		return vmt_error_set(error, -EAGAIN, "%s: an agent began to write to it; ask again",
				     s->text);
	}
	return code;
}

/* ------------------------------------------------------------------ statements */

sqlite3_stmt *store_statement(struct store *s, enum store_statement which)
{
	sqlite3_stmt *statement = s->statement[which];

	if (statement) {
		return statement;
	}
	sqlite3_prepare_v3(s->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT, &s->statement[which],
			   NULL);
	return s->statement[which];
}

int store_step(sqlite3_stmt *statement)
{
	int code = sqlite3_step(statement);

	if (code == SQLITE_ROW) {
		return 1;
	}
	return sqlite3_reset(statement) == SQLITE_OK && code == SQLITE_DONE ? 0 : -1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening, closing and the surroundings of a durable log's database: folder, lock, versions, reserve.
 * Any thread; blocks on the disk.
 *
 * The database has a rollback journal that keeps its size, and one connection in exclusive locking mode.
 * In WAL mode a commit would be one fsync instead of four; but what is committed there needs room in the
 * file later, and on a full disk neither the journal could be emptied nor anything deleted.  Here what is
 * deleted makes room in the file at once, and the journal of it is small and already there.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_NAME "queue"
#include "base/clock.h"
#include "base/log.h"
#include "spool/disk_private.h"

enum {
	APPLICATION_ID = 0x766d7370, /* "vmsp" */
	PAGE_SIZE = 32 << 10,
	JOURNAL_BYTES = 1 << 20, /* more than what a deletion needs */
	RESERVE_BYTES = 4 << 20,
	CACHE_KIB = 4096,
};

#define RESERVE_AGAIN_NS (60 * NS_PER_S)

/* What brings the tables from version i to i + 1; 0 is an empty file. */
static const char *const upgrades[DISK_VERSION] = {
	"CREATE TABLE cursor (id INTEGER PRIMARY KEY, name TEXT NOT NULL, url TEXT NOT NULL);"
	"CREATE TABLE ledger (cursor INTEGER NOT NULL, name TEXT NOT NULL, samples INTEGER NOT NULL,"
	" PRIMARY KEY (cursor, name)) WITHOUT ROWID;"
	"CREATE TABLE entry (sequence INTEGER PRIMARY KEY, time INTEGER NOT NULL,"
	" bytes INTEGER NOT NULL, audience INTEGER NOT NULL, pending INTEGER NOT NULL,"
	" shares BLOB NOT NULL);"
	"CREATE TABLE body (sequence INTEGER PRIMARY KEY, frame BLOB NOT NULL);"
	"CREATE TABLE dead (id INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL,"
	" cursor INTEGER NOT NULL, samples INTEGER NOT NULL, reason TEXT NOT NULL, frame BLOB,"
	" message BLOB);",
};

static char *file_name(const char *dir, const char *name)
{
	return g_build_filename(dir, name, NULL);
}

/* ---- lock */

/* The process that holds the lock, as it wrote it down. */
static long holder(int fd)
{
	char text[32] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0) {
		return 0;
	}
	return strtol(text, NULL, 10);
}

static int take_lock(struct disk *d, struct vmt_error *error)
{
	char *name = file_name(d->dir, "lock"), text[32];
	int flags = d->mode == DISK_WRITE ? O_RDWR | O_CREAT : O_RDWR, ret = 0;
	long other;

	d->lock = open(name, flags | O_CLOEXEC, 0600);
	if (d->lock < 0) {
		ret = errno == ENOENT && d->mode == DISK_READ
			      ? vmt_error_set(error, -ENOENT, "queue %s: there is no queue here",
					      d->dir)
			      : vmt_error_set(error, -errno, "queue %s: lock: %s", d->dir,
					      g_strerror(errno));
	} else if (flock(d->lock, LOCK_EX | LOCK_NB) < 0) {
		other = holder(d->lock);
		ret = vmt_error_set(error, -EBUSY,
				    "queue %s: in use by process %ld; stop it, or give this one a "
				    "queue_dir of its own",
				    d->dir, other);
	} else if (d->mode == DISK_WRITE) {
		g_snprintf(text, sizeof(text), "%ld\n", (long)getpid());
		if (ftruncate(d->lock, 0) < 0 || pwrite(d->lock, text, strlen(text), 0) < 0) {
			ret = 0; /* only a help for people; the disk may be full */
		}
	}
	g_free(name);
	return ret;
}

/* ---- reserve */

void disk_make_reserve(struct disk *d)
{
	char *name;
	int fd;

	if (d->reserved || d->mode != DISK_WRITE || clock_monotonic() < d->reserve_next_ns) {
		return;
	}
	d->reserve_next_ns = clock_monotonic() + RESERVE_AGAIN_NS;
	name = file_name(d->dir, "reserve");
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0) {
		d->reserved = posix_fallocate(fd, 0, RESERVE_BYTES) == 0;
		close(fd);
		if (!d->reserved) {
			g_unlink(name);
		}
	}
	g_free(name);
}

/* Gives the journal its blocks in advance; its size stays what SQLite makes it.  Where that cannot be
 * done, there is still the reserve. */
static void allot_journal(struct disk *d)
{
	char *name = file_name(d->dir, "spool.db-journal");
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd >= 0) {
		if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, JOURNAL_BYTES) < 0) {
			log_debug("queue %s: journal: %s", d->dir, g_strerror(errno));
		}
		close(fd);
	}
	g_free(name);
}

bool disk_release_reserve(struct disk *d)
{
	char *name = file_name(d->dir, "reserve");
	bool released = d->reserved && g_unlink(name) == 0;

	g_free(name);
	d->reserved = false;
	d->reserve_next_ns = clock_monotonic() + RESERVE_AGAIN_NS;
	return released;
}

/* ---- database */

static int exec(struct disk *d, const char *text, const char *doing, struct vmt_error *error)
{
	return sqlite3_exec(d->db, text, NULL, NULL, NULL) == SQLITE_OK
		       ? 0
		       : disk_error(d, doing, error);
}

static int ask(struct disk *d, const char *text, int64_t *ret, struct vmt_error *error)
{
	sqlite3_stmt *st;
	int code;

	if (sqlite3_prepare_v2(d->db, text, -1, &st, NULL) != SQLITE_OK) {
		return disk_error(d, "open", error);
	}
	code = sqlite3_step(st);
	if (code == SQLITE_ROW) {
		*ret = sqlite3_column_int64(st, 0);
	}
	sqlite3_finalize(st);
	return code == SQLITE_ROW ? 0 : disk_error(d, "open", error);
}

static int upgrade(struct disk *d, int64_t version, struct vmt_error *error)
{
	char done[64];
	int ret = exec(d, "BEGIN IMMEDIATE", "upgrade", error);

	for (int64_t v = version; ret == 0 && v < DISK_VERSION; v++) {
		ret = exec(d, upgrades[v], "upgrade", error);
	}
	g_snprintf(done, sizeof(done), "PRAGMA application_id = %d; PRAGMA user_version = %d",
		   APPLICATION_ID, DISK_VERSION);
	if (ret == 0) {
		ret = exec(d, done, "upgrade", error);
	}
	if (ret == 0) {
		ret = exec(d, "COMMIT", "upgrade", error);
	}
	if (ret < 0) {
		disk_abort(d);
	}
	return ret;
}

static int check_version(struct disk *d, struct vmt_error *error)
{
	int64_t application = 0, version = 0, tables = 0;
	int ret = ask(d, "PRAGMA application_id", &application, error);

	ret = ret ? ret : ask(d, "PRAGMA user_version", &version, error);
	ret = ret ? ret : ask(d, "SELECT count(*) FROM sqlite_schema", &tables, error);
	if (ret < 0) {
		return ret;
	}
	if ((tables > 0 && application != APPLICATION_ID) || version < 0) {
		return vmt_error_set(error, -EBADMSG,
				     "queue %s: spool.db is not a queue of virtmeter", d->dir);
	}
	if (version > DISK_VERSION) {
		return vmt_error_set(error, -EPROTO,
				     "queue %s: written by a newer virtmeter (version %" PRId64
				     ", this one knows %d); use that one, or another queue_dir",
				     d->dir, version, DISK_VERSION);
	}
	if (version == DISK_VERSION) {
		return 0;
	}
	if (d->mode == DISK_READ && version == 0) {
		return vmt_error_set(error, -ENOENT, "queue %s: there is no queue here", d->dir);
	}
	return upgrade(d, version, error);
}

/* Says how the file is to be used.  On one that exists nothing is written: its disk may be full. */
static int set_up(struct disk *d, bool fresh, struct vmt_error *error)
{
	char pragmas[256];
	int ret = exec(d, "PRAGMA locking_mode = EXCLUSIVE", "open", error); /* first: else there
									      * is shared memory */

	if (ret == 0 && fresh) {
		g_snprintf(pragmas, sizeof(pragmas),
			   "PRAGMA page_size = %d; PRAGMA auto_vacuum = INCREMENTAL", PAGE_SIZE);
		ret = exec(d, pragmas, "open", error);
	}
	g_snprintf(pragmas, sizeof(pragmas),
		   "PRAGMA journal_mode = PERSIST; PRAGMA synchronous = FULL;"
		   "PRAGMA secure_delete = OFF;" /* or what is deleted is written once more */
		   "PRAGMA cache_size = -%d",
		   CACHE_KIB);
	return ret < 0 ? ret : exec(d, pragmas, "open", error);
}

static int open_database(struct disk *d, struct vmt_error *error)
{
	char *name = file_name(d->dir, "spool.db");
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
		    (d->mode == DISK_WRITE ? SQLITE_OPEN_CREATE : 0);
	struct stat st;
	bool fresh = stat(name, &st) < 0 || st.st_size == 0;
	int code = sqlite3_open_v2(name, &d->db, flags, NULL), ret;

	if (code != SQLITE_OK) {
		ret = d->db ? disk_error(d, "open", error) : -ENOMEM;
		g_free(name);
		return ret;
	}
	g_chmod(name, 0600);
	g_free(name);
	sqlite3_extended_result_codes(d->db, 1);
	ret = set_up(d, fresh, error);
	return ret < 0 ? ret : check_version(d, error);
}

int disk_open(const char *dir, enum disk_mode mode, struct disk **ret_disk, struct vmt_error *error)
{
	struct disk *d;
	int ret = 0;

	if (mode == DISK_WRITE && g_mkdir_with_parents(dir, 0700) < 0) {
		return vmt_error_set(error, -errno, "queue %s: cannot be made: %s", dir,
				     g_strerror(errno));
	}
	d = g_new0(struct disk, 1);
	d->dir = g_strdup(dir);
	d->mode = mode;
	d->lock = -1;
	ret = take_lock(d, error);
	if (ret == 0) {
		ret = open_database(d, error);
	}
	if (ret == -ENOSPC) { /* what is needed to open it is little */
		d->reserved = true;
		disk_release_reserve(d);
		sqlite3_close(d->db);
		d->db = NULL;
		ret = open_database(d, error);
	}
	if (ret < 0) {
		disk_close(d);
		return ret;
	}
	if (mode == DISK_WRITE) {
		allot_journal(d);
		disk_make_reserve(d);
	}
	*ret_disk = d;
	return 0;
}

void disk_close(struct disk *d)
{
	if (!d) {
		return;
	}
	for (size_t i = 0; i < DISK_STATEMENTS; i++) {
		sqlite3_finalize(d->statement[i]);
	}
	sqlite3_close(d->db);
	if (d->lock >= 0) {
		close(d->lock);
	}
	g_free(d->dir);
	g_free(d);
}

int disk_put_aside(const char *dir, char **ret_name, struct vmt_error *error)
{
	static const char *const ends[] = { "", "-wal", "-journal" };
	int64_t now_s = clock_real() / NS_PER_S;
	int ret = 0;

	for (size_t i = 0; i < G_N_ELEMENTS(ends); i++) {
		char *from = g_strdup_printf("%s/spool.db%s", dir, ends[i]);
		char *to = g_strdup_printf("%s/damaged-%" PRId64 ".db%s", dir, now_s, ends[i]);

		if (g_rename(from, to) < 0 && errno != ENOENT) {
			ret = vmt_error_set(error, -errno, "queue %s: rename: %s", dir,
					    g_strerror(errno));
		} else if (i == 0) {
			*ret_name = g_strdup(to);
		}
		g_free(from);
		g_free(to);
	}
	return ret;
}

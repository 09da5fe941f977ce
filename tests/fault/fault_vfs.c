/* SPDX-License-Identifier: Apache-2.0 */
/* A layer below SQLite; see fault_vfs.h.  Runs on whatever thread uses SQLite. */
#include "fault_vfs.h"

#include "child.h"

#include <glib.h>
#include <sqlite3.h>
#include <unistd.h>

struct fault_disk fault_disk;

struct fault_file {
	sqlite3_file base;
	sqlite3_file *real; /* lies behind this structure */
};

#define REAL(f) (((struct fault_file *)(f))->real)

/* Counts; the code to answer instead of doing it, or SQLITE_OK. */
static int strike(int failure)
{
	long count = ++fault_disk.count;

	if (!fault_disk.at || count < fault_disk.at ||
	    count > MAX(fault_disk.at, fault_disk.last)) {
		return SQLITE_OK;
	}
	switch (fault_disk.fault) {
	case FAULT_FAIL:
		return failure;
	case FAULT_FULL:
		return SQLITE_FULL;
	case FAULT_DIE:
		_exit(CHILD_DIED);
	default:
		return SQLITE_OK;
	}
}

static int f_close(sqlite3_file *f)
{
	return REAL(f)->pMethods->xClose(REAL(f));
}

static int f_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	return REAL(f)->pMethods->xRead(REAL(f), p, n, at);
}

static int f_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	int code;

	if (fault_disk.fault == FAULT_DIE_TORN && fault_disk.count + 1 == fault_disk.at) {
		REAL(f)->pMethods->xWrite(REAL(f), p, n / 2, at);
		_exit(CHILD_DIED);
	}
	code = strike(SQLITE_IOERR_WRITE);
	return code ? code : REAL(f)->pMethods->xWrite(REAL(f), p, n, at);
}

static int f_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	int code = strike(SQLITE_IOERR_TRUNCATE);

	return code ? code : REAL(f)->pMethods->xTruncate(REAL(f), size);
}

static int f_sync(sqlite3_file *f, int flags)
{
	/* Not passed on: the death of a process does not lose what the kernel has. */
	(void)f;
	(void)flags;
	return strike(SQLITE_IOERR_FSYNC);
}

static int f_size(sqlite3_file *f, sqlite3_int64 *size)
{
	return REAL(f)->pMethods->xFileSize(REAL(f), size);
}

static int f_lock(sqlite3_file *f, int level)
{
	return REAL(f)->pMethods->xLock(REAL(f), level);
}

static int f_unlock(sqlite3_file *f, int level)
{
	return REAL(f)->pMethods->xUnlock(REAL(f), level);
}

static int f_reserved(sqlite3_file *f, int *out)
{
	return REAL(f)->pMethods->xCheckReservedLock(REAL(f), out);
}

static int f_control(sqlite3_file *f, int op, void *arg)
{
	return REAL(f)->pMethods->xFileControl(REAL(f), op, arg);
}

static int f_sector(sqlite3_file *f)
{
	return REAL(f)->pMethods->xSectorSize(REAL(f));
}

static int f_device(sqlite3_file *f)
{
	return REAL(f)->pMethods->xDeviceCharacteristics(REAL(f));
}

static int f_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **p)
{
	return REAL(f)->pMethods->xShmMap(REAL(f), page, size, extend, p);
}

static int f_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	return REAL(f)->pMethods->xShmLock(REAL(f), offset, n, flags);
}

static void f_shm_barrier(sqlite3_file *f)
{
	REAL(f)->pMethods->xShmBarrier(REAL(f));
}

static int f_shm_unmap(sqlite3_file *f, int gone)
{
	return REAL(f)->pMethods->xShmUnmap(REAL(f), gone);
}

static const sqlite3_io_methods methods = {
	2,          f_close,       f_read,      f_write,   f_truncate, f_sync,   f_size,
	f_lock,     f_unlock,      f_reserved,  f_control, f_sector,   f_device, f_shm_map,
	f_shm_lock, f_shm_barrier, f_shm_unmap, NULL,      NULL,
};

static sqlite3_vfs *system_vfs, vfs;

static int v_open(sqlite3_vfs *v, const char *name, sqlite3_file *file, int flags, int *out)
{
	struct fault_file *f = (struct fault_file *)file;
	int code;

	(void)v;
	f->base.pMethods = NULL;
	f->real = (sqlite3_file *)(f + 1);
	code = system_vfs->xOpen(system_vfs, name, f->real, flags, out);
	if (f->real->pMethods) {
		f->base.pMethods = &methods;
	}
	return code;
}

static int v_delete(sqlite3_vfs *v, const char *name, int sync)
{
	int code = strike(SQLITE_IOERR_DELETE);

	(void)v;
	return code ? code : system_vfs->xDelete(system_vfs, name, sync);
}

void fault_vfs_put(void)
{
	system_vfs = sqlite3_vfs_find(NULL);
	vfs = *system_vfs;
	vfs.zName = "fault";
	vfs.szOsFile = (int)sizeof(struct fault_file) + system_vfs->szOsFile;
	vfs.xOpen = v_open;
	vfs.xDelete = v_delete;
	g_assert_cmpint(sqlite3_vfs_register(&vfs, 1), ==, SQLITE_OK);
}

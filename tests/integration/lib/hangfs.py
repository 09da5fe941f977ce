#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A file system whose files do not answer while a file exists, like those of an NFS server that went away: FUSE over
another folder.  Usage: hangfs.py MOUNTPOINT FOLDER HOLD"""
import os
import sys
import time

import fusepy

mountpoint, folder, hold = sys.argv[1:4]
STAT = ("st_mode", "st_nlink", "st_uid", "st_gid", "st_size", "st_blocks", "st_atime", "st_mtime", "st_ctime")
SPACE = ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_files", "f_ffree", "f_frsize", "f_namemax")


class Through(fusepy.Operations):
    def __call__(self, op, path, *args):
        while os.path.exists(hold):
            time.sleep(0.05)
        if not hasattr(self, op):
            raise fusepy.FuseOSError(38)        # ENOSYS
        return getattr(self, op)(folder + path, *args)

    def getattr(self, path, _fh=None):
        st = os.lstat(path)
        return {k: getattr(st, k) for k in STAT}

    def statfs(self, path):
        st = os.statvfs(path)
        return {k: getattr(st, k) for k in SPACE}

    def readdir(self, path, _fh):
        return [".", "..", *os.listdir(path)]

    def open(self, path, flags):
        return os.open(path, flags & ~os.O_DIRECT)

    def read(self, _path, size, offset, fh):
        return os.pread(fh, size, offset)

    def write(self, _path, data, offset, fh):
        return os.pwrite(fh, data, offset)

    def truncate(self, path, size, _fh=None):
        os.truncate(path, size)

    def fsync(self, _path, _data_only, fh):
        os.fsync(fh)

    def chmod(self, path, mode):
        os.chmod(path, mode)

    def chown(self, path, uid, gid):
        os.chown(path, uid, gid)

    def release(self, _path, fh):
        os.close(fh)


fusepy.FUSE(Through(), mountpoint, foreground=True, attr_timeout=0, entry_timeout=0, nonempty=True)

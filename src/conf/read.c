/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a whole file with a limit.  Any thread; blocks on the disk. */
#include "conf/read.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/intern.h"

static const struct {
	int code;
	const char *text;
} reasons[] = {
	{ ENOENT, "there is no such file; check the path" },
	{ EACCES, "cannot be read: permission denied; make it readable for this user" },
	{ EISDIR, "is a folder; name a file" },
	{ ENOTDIR, "is not a folder; check the path" },
	{ EFBIG, "too large for a configuration; is it the right file?" },
	{ EINVAL, "is not an ordinary file; name one" },
};

const char *conf_read_error(int code)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (reasons[i].code == -code) {
			return reasons[i].text;
		}
	}
	return strerror(-code);
}

static int read_all(int fd, size_t max, struct buf *out)
{
	for (;;) {
		char *to = buf_reserve(out, 16384);
		ssize_t n = read(fd, to, 16384);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return -errno;
		}
		if (n == 0) {
			return 0;
		}
		buf_commit(out, (size_t)n);
		if (out->len > max) {
			return -EFBIG;
		}
	}
}

int conf_read(const char *path, size_t max, struct buf *out)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int ret;

	if (fd < 0) {
		return -errno;
	}
	if (fstat(fd, &st) < 0) {
		ret = -errno;
	} else if (S_ISDIR(st.st_mode)) {
		ret = -EISDIR;
	} else if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode)) {
		ret = -EINVAL;
	} else if (S_ISREG(st.st_mode) && (unsigned long long)st.st_size > max) {
		ret = -EFBIG;
	} else {
		ret = read_all(fd, max, out);
	}
	close(fd);
	return ret;
}

int conf_read_told(const char *path, size_t max, struct buf *out, struct problems *problems)
{
	int ret = conf_read(path, max, out);

	if (ret < 0) {
		problems_add(problems, PROBLEM_ERROR, &(struct position){ .file = intern(path) },
			     "%s", conf_read_error(ret));
	}
	return ret;
}

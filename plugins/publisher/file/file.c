/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The publisher file://PATH?max_bytes=N&backup_count=M[&json]: one line per sample, appended.  A frame
 * that could not be written whole leaves nothing in the file (what went into a rotated file stays, and is not
 * written again), so the file always ends on a record.  On the publisher's thread; blocks on the disk.
 *
 * Rotation follows publishers' practice since Juno: before a record that would make the file reach
 * max_bytes, PATH becomes PATH.1, PATH.1 becomes PATH.2, … up to backup_count.  An empty file is not
 * rotated.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wire/message_conf.h"
#include "wire/pytext.h"
#include "wire/sample.h"

enum {
	/* Bytes handed to write() at a time, in memory that is kept: file systems take more in larger pages, for less CPU
	 * each (1.4 MB on ext4: 0.49 ms in parts of 37 kB, 0.39 ms of 65 kB, 0.34 ms of 98 kB).  With a record of up to
	 * 4 KiB behind it `out` stays within 64 KiB. */
	CHUNK = 60 << 10,
	TAIL = 1 << 20, /* of the file, in which the end of the last whole record is looked for */
	WAIT_MS = 100, /* for the reader of a pipe, between two looks at the clock */
};

struct file_conf {
	int64_t max_bytes, backup_count;
	const char *json; /* in the query, whatever its value */
	const char *format; /* of `formats` */
	struct message_conf message; /* with format = message */
};

struct file_publisher {
	int64_t max_bytes, backup_count;
	struct message_conf message;
	enum { FORM_BY_PROFILE, FORM_JSON, FORM_PYTHON, FORM_MESSAGE } form; /* by `formats` */
	char *path, *text; /* text: the URL, for messages */

	int fd; /* -1: not open */
	bool regular; /* else a pipe or a device: no rotation, no way back */
	dev_t device;
	ino_t inode;
	int64_t size; /* of the file, with what is in `out` */
	int64_t start; /* where this frame begins in the file */
	int64_t cut; /* a way back that is still to be gone; -1: none */

	struct sample_encoder encoder;
	struct message_encoder *messages; /* in its place with FORM_MESSAGE */
	struct buf json; /* of the message in hand */
	bool encoding; /* one of them is set up */
	enum vmt_profile profile;
	struct buf out; /* whole records not yet written */

	uint64_t sequence; /* of the frame begun; UINT64_MAX: none */
	uint64_t done; /* its records that are written for good */
	uint64_t torn; /* pipe: bytes of the next record that went already */
	const struct vmt_call *call;
};

static const char *const formats[] = { "auto", "json", "python", "message", NULL };

static const struct vmt_option options[] = {
	MESSAGE_OPTIONS(file_conf),
	{ .group = "publisher_file",
	  .name = "max_bytes",
	  .type = VMT_OPT_INT,
	  .offset = offsetof(struct file_conf, max_bytes),
	  .def = "0",
	  .flags = VMT_OPT_URL,
	  .min = 0,
	  .max = INT64_MAX,
	  .help = "The file is rotated before it reaches this size; 0: never." },
	{ .group = "publisher_file",
	  .name = "backup_count",
	  .type = VMT_OPT_INT,
	  .offset = offsetof(struct file_conf, backup_count),
	  .def = "0",
	  .flags = VMT_OPT_URL,
	  .min = 0,
	  .max = 1000000,
	  .help = "Rotated files that are kept; 0: the file is not rotated." },
	{ .group = "publisher_file",
	  .name = "json",
	  .type = VMT_OPT_STRING,
	  .offset = offsetof(struct file_conf, json),
	  .flags = VMT_OPT_URL,
	  .help = "Given with any value or none: write JSON." },
	{ .group = "publisher_file",
	  .name = "format",
	  .type = VMT_OPT_STRING,
	  .offset = offsetof(struct file_conf, format),
	  .def = "auto",
	  .flags = VMT_OPT_URL,
	  .choices = formats,
	  .help = "json, python (the text of a Python dict), or auto: json with meter_profile 26,"
		  " python with the older ones; message: the text of a Python list with the signed"
		  " message, as the collector's dispatcher file wrote it." },
	{ 0 },
};

/* ------------------------------------------------------------------ the file */

static int fail(struct file_publisher *p, int system, const char *what, struct vmt_error *error)
{
	const char *hint = system == ENOSPC || system == EDQUOT || system == EFBIG
				   ? "; make room on its file system"
			   : system == EACCES || system == EROFS || system == EPERM
				   ? "; file and folder must be writable for this user"
				   : "";

	return vmt_error_set(error, -system, "%s: %s: %s%s", p->text, what, g_strerror(system),
			     hint);
}

static void shut(struct file_publisher *p)
{
	if (p->fd != -1) {
		close(p->fd);
	}
	p->fd = -1;
	p->cut = -1;
}

static int cannot_open(struct file_publisher *p, int system, struct vmt_error *error)
{
	char *folder = g_path_get_dirname(p->path);
	unsigned user = (unsigned)geteuid();
	struct stat st;
	int code, hidden = stat(folder, &st) == -1 ? errno : 0;

	if (hidden == EACCES) {
		code = vmt_error_set(
			error, -EACCES,
			"%s: folder %s: user %u may not look into the folders above it;"
			" name another folder, or let this user pass",
			p->text, folder, user);
	} else if (hidden) {
		code = vmt_error_set(error, -hidden,
				     "%s: folder %s: %s; create it, writable for this user",
				     p->text, folder, g_strerror(hidden));
	} else if (system == EACCES && faccessat(AT_FDCWD, p->path, F_OK, AT_EACCESS) == -1 &&
		   errno == ENOENT) {
		code = vmt_error_set(error, -EACCES,
				     "%s: folder %s: user %u may not create files there (%s);"
				     " make the folder writable for this user, or name another",
				     p->text, folder, user, g_strerror(EACCES));
	} else if (system == EACCES) {
		code = vmt_error_set(
			error, -EACCES,
			"%s: open: %s for user %u; file and folder must be writable for"
			" this user",
			p->text, g_strerror(EACCES), user);
	} else if (system == EISDIR) {
		code = vmt_error_set(error, -EISDIR, "%s: is a folder; name a file in it", p->text);
	} else if (system == ENXIO) {
		code = vmt_error_set(error, -ENXIO, "%s: nobody reads from this pipe", p->text);
	} else {
		code = fail(p, system, "open", error);
	}
	g_free(folder);
	return code;
}

/* Where the last whole record ends.  A torn one of ours begins with `first` and is left out; anything else
 * that lacks its newline is somebody's and is kept (*ret_newline: it needs one). */
static int64_t whole_records(int fd, int64_t size, char first, bool *ret_newline)
{
	size_t length = (size_t)MIN(size, TAIL), at = length;
	char *tail = g_malloc(length + 1);
	ssize_t got = pread(fd, tail, length, size - (int64_t)length);
	int64_t end = size;

	*ret_newline = false;
	if (got == (ssize_t)length && length && tail[length - 1] != '\n') {
		while (at && tail[at - 1] != '\n') {
			at--;
		}
		if (tail[at] == first && (at || (int64_t)length == size)) {
			end = size - (int64_t)(length - at);
		} else {
			*ret_newline = true;
		}
	}
	g_free(tail);
	return end;
}

/* A process that was killed in the middle of a write has left half a record. */
static int mend(struct file_publisher *p, struct vmt_error *error)
{
	bool newline;
	char first = p->form == FORM_MESSAGE ? '[' : '{';
	int64_t end = whole_records(p->fd, p->size, first, &newline);

	if (end < p->size) {
		vmt_log(VMT_LOG_WARNING, "%s: its last record is torn; cut off", p->text);
		if (ftruncate(p->fd, end) == -1) {
			return fail(p, errno, "cut off a torn record", error);
		}
		p->size = end;
	}
	if (newline) {
		if (write(p->fd, "\n", 1) != 1) {
			return fail(p, errno, "write", error);
		}
		p->size++;
	}
	return 0;
}

/* Opens without reading or creating, where the file is there. */
static int open_to_write(const char *path)
{
	return open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

static int open_file(struct file_publisher *p, struct vmt_error *error)
{
	struct stat st;
	int code = 0;

	/* Reading is for mend(); a pipe or device may not allow it.  O_NONBLOCK: a pipe without reader. */
	p->fd = open(p->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		     0640);
	if (p->fd != -1 && fstat(p->fd, &st) == 0 && !S_ISREG(st.st_mode)) {
		close(p->fd);
		p->fd = open_to_write(p->path);
	} else if (p->fd == -1 && errno == EACCES) {
		p->fd = open_to_write(p->path);
		if (p->fd == -1 && errno == ENOENT) {
			errno = EACCES; /* it is not there, and may not be created */
		}
	}
	if (p->fd == -1 || fstat(p->fd, &st) == -1) {
		return cannot_open(p, errno, error);
	}
	p->regular = S_ISREG(st.st_mode);
	p->device = st.st_dev;
	p->inode = st.st_ino;
	p->size = p->regular ? st.st_size : 0;
	p->cut = -1;
	if (p->regular && p->size) {
		code = mend(p, error);
	}
	if (code) {
		shut(p);
	}
	return code;
}

/* Open, at the path it should be at, without what failed the last time. */
static int ready(struct file_publisher *p, struct vmt_error *error)
{
	struct stat at, st;

	if (p->fd != -1 &&
	    (stat(p->path, &at) == -1 || at.st_dev != p->device || at.st_ino != p->inode)) {
		if (p->cut >= 0 && ftruncate(p->fd, p->cut) == -1) {
			return fail(p, errno, "cut off a torn record", error);
		}
		shut(p);
	}
	if (p->fd == -1) {
		return open_file(p, error);
	}
	if (p->cut >= 0) {
		if (ftruncate(p->fd, p->cut) == -1) {
			return fail(p, errno, "cut off a torn record", error);
		}
		p->cut = -1;
	}
	if (p->regular) {
		if (fstat(p->fd, &st) == -1) {
			return fail(p, errno, "stat", error);
		}
		p->size = st.st_size; /* somebody may have emptied it */
	}
	return 0;
}

/* ------------------------------------------------------------------ writing */

static int out_of_time(const struct file_publisher *p)
{
	if (atomic_load_explicit(p->call->cancel, memory_order_relaxed)) {
		return -ECANCELED;
	}
	return vmt_clock_monotonic() >= p->call->deadline_ns ? -ETIMEDOUT : 0;
}

static int late(struct file_publisher *p, int code, struct vmt_error *error)
{
	return vmt_error_set(error, code, "%s: %s", p->text,
			     code == -ECANCELED ? "cancelled" : "too slow for the time allowed");
}

/* Writes the first n bytes of `out`; *ret_written even when it fails. */
static int write_all(struct file_publisher *p, size_t n, size_t *ret_written,
		     struct vmt_error *error)
{
	struct pollfd ready_fd = { .fd = p->fd, .events = POLLOUT };

	*ret_written = 0;
	while (*ret_written < n) {
		int code = out_of_time(p);
		ssize_t got;

		if (code) {
			return late(p, code, error);
		}
		got = write(p->fd, p->out.data + *ret_written, n - *ret_written);
		if (got > 0) {
			*ret_written += (size_t)got;
		} else if (got == -1 && errno == EAGAIN) {
			poll(&ready_fd, 1, WAIT_MS);
		} else if (got == 0 || errno != EINTR) {
			return fail(p, got == 0 ? EIO : errno, "write", error);
		}
	}
	return 0;
}

/* Of a pipe, what went is gone: the next try goes on behind it. */
static void went(struct file_publisher *p, size_t written)
{
	size_t last = 0;

	for (size_t i = 0; i < written; i++) {
		if (p->out.data[i] == '\n') {
			p->done++;
			p->torn = 0;
			last = i + 1;
		}
	}
	p->torn += written - last;
}

/* Writes the first n bytes of `out`, which are whole records, and takes them out. */
static int flush(struct file_publisher *p, size_t n, struct vmt_error *error)
{
	size_t written;
	int code = write_all(p, n, &written, error);

	if (!p->regular) {
		went(p, written);
	} else if (code) {
		p->cut = p->start;
		if (ftruncate(p->fd, p->cut) == 0) {
			p->cut = -1;
		}
	}
	if (code == 0) {
		buf_consume(&p->out, n);
	}
	return code;
}

static int move_up(struct file_publisher *p, int64_t number, struct vmt_error *error)
{
	char *from = number ? g_strdup_printf("%s.%" G_GINT64_FORMAT, p->path, (gint64)number)
			    : g_strdup(p->path);
	char *to = g_strdup_printf("%s.%" G_GINT64_FORMAT, p->path, (gint64)number + 1);
	int code = rename(from, to) == -1 && errno != ENOENT ? fail(p, errno, "rotate", error) : 0;

	g_free(from);
	g_free(to);
	return code;
}

/* How many rotated files there are in a row, at most backup_count - 1: those that move. */
static int64_t backups(const struct file_publisher *p)
{
	int64_t number = 0;

	while (number < p->backup_count - 1) {
		char *path = g_strdup_printf("%s.%" G_GINT64_FORMAT, p->path, (gint64)number + 1);
		bool there = access(path, F_OK) == 0;

		g_free(path);
		if (!there) {
			break;
		}
		number++;
	}
	return number;
}

/* Before record number `index` of the frame: what lies in the file by now stays. */
static int rotate(struct file_publisher *p, uint64_t index, struct vmt_error *error)
{
	int code = 0;

	p->done = index;
	p->start = p->size;
	for (int64_t i = backups(p); i >= 0 && code == 0; i--) {
		code = move_up(p, i, error);
	}
	if (code) {
		return code;
	}
	shut(p);
	code = open_file(p, error);
	p->start = p->size;
	return code;
}

/* ------------------------------------------------------------------ a frame */

static void drop_encoder(struct file_publisher *p)
{
	if (p->encoding && !p->messages) {
		sample_encoder_fini(&p->encoder);
	}
	message_encoder_free(p->messages);
	p->messages = NULL;
	p->encoding = false;
}

static int set_up(struct file_publisher *p, const struct vmt_frame *frame, struct vmt_error *error)
{
	bool json = p->form == FORM_JSON ||
		    (p->form == FORM_BY_PROFILE && frame->profile == VMT_PROFILE_26);

	if (p->encoding && p->profile == (enum vmt_profile)frame->profile) {
		return 0;
	}
	drop_encoder(p);
	p->profile = (enum vmt_profile)frame->profile;
	if (p->form == FORM_MESSAGE) {
		p->messages = message_conf_encoder(&p->message, MESSAGE_JSON, p->profile, NULL);
		if (!p->messages) {
			return vmt_error_set(error, -ENOTSUP, "%s: the library has no HMAC-SHA256",
					     p->text);
		}
	} else {
		sample_encoder_init(&p->encoder, json ? SAMPLE_JSON : SAMPLE_PYTEXT, p->profile);
	}
	p->encoding = true;
	return 0;
}

/* The message of a row as Python 2 shows the list that it comes in, as RPC and notifications have it.  NULL, or why it can
 * never be written. */
static const char *put_message(struct file_publisher *p, uint32_t row)
{
	int status;

	buf_reset(&p->json);
	buf_putc(&p->json, '[');
	status = message_encoder_row(p->messages, row, &p->json);
	buf_putc(&p->json, ']');
	if (status == 0) {
		status = pytext_add_json(&p->out, p->json.data, p->json.len, PYTEXT_PY2_UNICODE);
	}
	return status < 0 ? message_refusal(status) : NULL;
}

/* A record; false: it is refused, and nothing is to be written. */
static bool put_record(struct file_publisher *p, uint32_t batch, uint32_t row)
{
	const struct vmt_rows rows = { .batch = batch, .first = row, .count = 1 };
	const char *fault;

	if (!p->messages) {
		sample_encoder_row(&p->encoder, row, &p->out);
		return true;
	}
	fault = put_message(p, row);
	if (fault) {
		vmt_delivery_refuse(p->call->delivery, &rows, 1, fault, NULL, 0);
	}
	return fault == NULL;
}

/* One record; its number in the frame is `index`. */
static int put_row(struct file_publisher *p, uint32_t batch, uint32_t row, uint64_t index,
		   struct vmt_error *error)
{
	size_t before = p->out.len, length;
	int code;

	if (!put_record(p, batch, row)) {
		return 0;
	}
	buf_putc(&p->out, '\n');
	length = p->out.len - before;
	if (index == p->done && p->torn && p->torn < length) {
		buf_consume(&p->out, p->torn); /* `out` has nothing else yet */
	}
	if (p->regular && p->max_bytes > 0 && p->backup_count > 0 && p->size > 0 &&
	    p->size + (int64_t)length >= p->max_bytes) {
		code = flush(p, before, error);
		if (code == 0) {
			code = rotate(p, index, error);
		}
		if (code) {
			return code;
		}
	}
	p->size += (int64_t)length;
	return p->out.len >= CHUNK ? flush(p, p->out.len, error) : 0;
}

static int put_frame(struct file_publisher *p, const struct vmt_frame *frame, uint64_t bit,
		     struct vmt_error *error)
{
	uint64_t index = 0, done = p->done;
	int code = 0;

	for (size_t i = 0; i < frame->count && code == 0; i++) {
		const struct vmt_batch *batch = &frame->batch[i];

		if (!(batch->publishers & bit)) {
			continue;
		}
		if (p->messages) {
			message_encoder_batch(p->messages, batch);
		} else {
			sample_encoder_batch(&p->encoder, batch);
		}
		for (uint32_t row = 0; row < batch->count && code == 0; row++, index++) {
			code = index < done ? 0 : put_row(p, (uint32_t)i, row, index, error);
		}
	}
	return code ? code : flush(p, p->out.len, error);
}

static int file_publish(void *self, const struct vmt_frame *frame, uint64_t bit,
			const struct vmt_call *call, struct vmt_error *error)
{
	struct file_publisher *p = self;
	int code;

	p->call = call;
	code = out_of_time(p);
	if (code) {
		return late(p, code, error);
	}
	code = ready(p, error);
	if (code) {
		return code;
	}
	if (p->sequence != frame->sequence) {
		p->sequence = frame->sequence;
		p->done = p->torn = 0;
	}
	code = set_up(p, frame, error);
	if (code) {
		return code;
	}
	p->start = p->size;
	buf_reset(&p->out);
	code = put_frame(p, frame, bit, error);
	if (code == 0) {
		p->sequence = UINT64_MAX;
		p->done = p->torn = 0;
	} else if (code == -EPIPE) {
		shut(p);
		p->torn = 0; /* whoever reads next gets whole records */
	}
	return code;
}

static void file_close(void *self)
{
	struct file_publisher *p = self;

	if (!p) {
		return;
	}
	shut(p);
	drop_encoder(p);
	buf_fini(&p->json);
	buf_fini(&p->out);
	g_free(p->path);
	g_free(p->text);
	g_free(p);
}

static int file_open(const void *conf, const struct vmt_url *url, bool read_only, void **ret_self,
		     struct vmt_error *error)
{
	const struct file_conf *c = conf;
	struct file_publisher *p;

	if ((url->host && *url->host) || url->user || url->port) {
		return vmt_error_set(error, -EINVAL,
				     "%s: a host name has no place here;"
				     " write file:///path/to/file with three slashes",
				     url->text);
	}
	if (!url->path || url->path[0] != '/' || !url->path[1]) {
		return vmt_error_set(error, -EINVAL,
				     "%s: no file named; write file:///path/to/file", url->text);
	}
	if (url->query && url->query->key) {
		return vmt_error_set(error, -EINVAL,
				     "%s: unknown parameter %s; known are max_bytes,"
				     " backup_count, json, format",
				     url->text, url->query->key);
	}
	if (read_only) {
		return vmt_error_set(error, -ENOTSUP,
				     "%s: a file cannot be asked; name a store"
				     " (sqlite:///path)",
				     url->text);
	}
	p = g_new0(struct file_publisher, 1);
	p->max_bytes = c->max_bytes;
	p->backup_count = c->backup_count;
	p->message = c->message;
	p->form = c->json || g_strcmp0(c->format, "json") == 0 ? FORM_JSON
		  : g_strcmp0(c->format, "python") == 0        ? FORM_PYTHON
		  : g_strcmp0(c->format, "message") == 0       ? FORM_MESSAGE
							       : FORM_BY_PROFILE;
	p->path = g_strdup(url->path);
	p->text = g_strdup(url->text);
	p->fd = -1;
	p->cut = -1;
	p->sequence = UINT64_MAX;
	buf_init(&p->out);
	buf_init(&p->json);
	*ret_self = p;
	return 0;
}

static const struct vmt_publisher_ops ops = {
	.open = file_open,
	.publish = file_publish,
	.close = file_close,
};

VMT_PLUGIN(publisher, file) = {
	.abi = VMT_ABI,
	.ns = VMT_PUBLISHER,
	.name = "file",
	.version = "1",
	.help = "Appends samples to a file, one per line: file:///path",
	.options = options,
	.conf_size = sizeof(struct file_conf),
	.ops.publisher = &ops,
};

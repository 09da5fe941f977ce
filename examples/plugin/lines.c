/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Example of a publisher: lines:///path?separator=; writes a line per sample (time, meter, resource,
 * volume, unit) to a file.  `open` and `close` run on the program's main thread, `publish` on the publisher's own
 * thread, where it may block on the file.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <virtmeter/plugin.h>

struct lines_conf {
	const char *separator;
};

struct lines {
	FILE *out;
	const char *separator; /* the host's, valid until close */
};

static const struct vmt_option lines_options[] = {
	{
		.group = "lines",
		.name = "separator",
		.type = VMT_OPT_STRING,
		.offset = offsetof(struct lines_conf, separator),
		.def = " ",
		.help = "What stands between two columns.",
		.flags = VMT_OPT_URL,
	},
	{ .name = NULL },
};

static int lines_open(const void *conf, const struct vmt_url *url, bool read_only, void **ret_self,
		      struct vmt_error *error)
{
	const struct lines_conf *c = conf;
	struct lines *self;
	FILE *out;

	if (read_only) {
		return vmt_error_set(error, -ENOTSUP, "%s: not a store", url->text);
	}
	if (url->path[0] == '\0') {
		return vmt_error_set(error, -EINVAL, "%s: no path; write lines:///path", url->text);
	}
	out = fopen(url->path, "ae");
	if (!out) {
		int code = errno;

		return vmt_error_set(error, -code, "%s: %s", url->path, strerror(code));
	}
	self = malloc(sizeof(*self));
	if (!self) {
		abort();
	}
	self->out = out;
	self->separator = c->separator;
	*ret_self = self;
	return 0;
}

static void write_row(const struct lines *self, const struct vmt_batch *b, uint32_t row)
{
	const char *s = self->separator;
	enum vmt_kind kind = b->kinds ? b->kinds[row] : b->kind;
	int64_t time_ns = b->times ? b->times[row] : b->time_ns;
	union vmt_num value = b->value[row];

	fprintf(self->out, "%" PRId64 "%s%s%s%s%s", time_ns, s, b->name, s, b->resource[row]->id,
		s);
	switch (kind) {
	case VMT_INT64:
		fprintf(self->out, "%" PRId64, value.i);
		break;
	case VMT_UINT64:
		fprintf(self->out, "%" PRIu64, value.u);
		break;
	case VMT_DOUBLE:
		fprintf(self->out, "%.17g", value.d);
		break;
	}
	fprintf(self->out, "%s%s\n", s, b->unit);
}

static int lines_publish(void *data, const struct vmt_frame *frame, uint64_t bit,
			 const struct vmt_call *call, struct vmt_error *error)
{
	const struct lines *self = data;

	for (size_t i = 0; i < frame->count; i++) {
		const struct vmt_batch *b = &frame->batch[i];

		for (uint32_t row = 0; (b->publishers & bit) && row < b->count; row++) {
			write_row(self, b, row);
		}
	}
	if (fflush(self->out) != 0) {
		int code = errno;

		clearerr(self->out);
		return vmt_error_set(error, -code, "lines: write: %s", strerror(code));
	}
	return 0;
}

static void lines_close(void *data)
{
	struct lines *self = data;

	if (self) {
		fclose(self->out);
		free(self);
	}
}

static const struct vmt_publisher_ops lines_ops = {
	.open = lines_open,
	.publish = lines_publish,
	.close = lines_close,
};

VMT_PLUGIN(publisher, lines) = {
	.abi = VMT_ABI,
	.ns = VMT_PUBLISHER,
	.name = "lines",
	.version = "1.0",
	.help = "A line of text per sample, appended to a file.",
	.options = lines_options,
	.conf_size = sizeof(struct lines_conf),
	.ops.publisher = &lines_ops,
};

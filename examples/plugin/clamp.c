/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Example of a transformer: clamp holds values between `min` and `max`, under a name of their own if one is given.
 * In pipeline.yaml:
 *
 *	transformers:
 *	  - name: clamp
 *	    parameters: {max: 100, target: {name: cpu_util.clamped}}
 *
 * Everything runs on the program's pipeline thread and blocks on nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <virtmeter/plugin.h>

struct clamp_conf {
	double min, max;
	const char *name;
};

static const struct vmt_option clamp_options[] = {
	{
		.name = "min",
		.type = VMT_OPT_DOUBLE,
		.offset = offsetof(struct clamp_conf, min),
		.def = "0",
		.help = "What is less becomes this.",
	},
	{
		.name = "max",
		.type = VMT_OPT_DOUBLE,
		.offset = offsetof(struct clamp_conf, max),
		.def = "1e308",
		.help = "What is more becomes this.",
	},
	{
		.name = "target.name", /* a dot: a mapping in the YAML file */
		.type = VMT_OPT_STRING,
		.offset = offsetof(struct clamp_conf, name),
		.help = "Name of the samples made; without it, their own.",
	},
	{ .name = NULL },
};

static int clamp_open(const void *conf, const struct vmt_stage *stage, void **ret_self,
		      struct vmt_error *error)
{
	const struct clamp_conf *c = conf;
	struct clamp_conf *self;

	if (c->min > c->max) {
		return vmt_error_set(error, -EINVAL, "max: is less than min");
	}
	self = malloc(sizeof(*self));
	if (!self) {
		abort();
	}
	*self = *c; /* its texts are the host's, valid until close */
	*ret_self = self;
	return 0;
}

static double as_double(const struct vmt_batch *b, uint32_t row)
{
	switch (b->kinds ? b->kinds[row] : b->kind) {
	case VMT_INT64:
		return (double)b->value[row].i;
	case VMT_UINT64:
		return (double)b->value[row].u;
	default:
		return b->value[row].d;
	}
}

static int clamp_handle(void *data, const struct vmt_batch *in, struct vmt_transform *out,
			struct vmt_error *error)
{
	const struct clamp_conf *self = data;
	union vmt_num *value = vmt_transform_alloc(out, in->count * sizeof(*value));
	struct vmt_batch made = *in; /* all but the values, and perhaps the name */

	for (uint32_t row = 0; row < in->count; row++) {
		double v = as_double(in, row);

		value[row].d = v < self->min ? self->min : v > self->max ? self->max : v;
	}
	made.value = value;
	made.kind = VMT_DOUBLE;
	made.kinds = NULL;
	made.name = self->name ? self->name : in->name;
	vmt_transform_make(out, &made);
	return 0;
}

static void clamp_close(void *data)
{
	free(data);
}

static const struct vmt_transformer_ops clamp_ops = {
	.open = clamp_open,
	.handle = clamp_handle,
	.close = clamp_close,
};

VMT_PLUGIN(transformer, clamp) = {
	.abi = VMT_ABI,
	.ns = VMT_TRANSFORMER,
	.name = "clamp",
	.version = "1.0",
	.help = "Holds values between two bounds.",
	.options = clamp_options,
	.conf_size = sizeof(struct clamp_conf),
	.ops.transformer = &clamp_ops,
};

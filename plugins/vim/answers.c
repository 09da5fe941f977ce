/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the shapes of answers.  Any thread; never blocks.
 */
#include "plugins/vim/answers.h"

#include <glib.h>
#include <stdlib.h>

#define ABSENT SIZE_MAX

enum { MISSING = -1 }; /* in place of a sample */

static void copy(char *to, size_t size, const char *text, size_t len)
{
	if (len < size) { /* what is cut would mean something else */
		memcpy(to, text, len + 1);
	}
}

/* ------------------------------------------------------------------ of the service */

enum { S_RETURN = 1, S_ABOUT, S_TEXT };

/* By node, from S_TEXT on. */
static const size_t service_texts[] = {
	offsetof(struct vim_service, root_folder),
	offsetof(struct vim_service, property_collector),
	offsetof(struct vim_service, view_manager),
	offsetof(struct vim_service, session_manager),
	offsetof(struct vim_service, perf_manager),
	offsetof(struct vim_service, setting),
	offsetof(struct vim_service, custom_fields),
	offsetof(struct vim_service, full_name),
	offsetof(struct vim_service, api_type),
	offsetof(struct vim_service, api_version),
};

static void service_end(void *context, unsigned node, char *text, size_t len)
{
	struct vim_service *s = context;

	if (node >= S_TEXT && len) {
		const char **to = (const char **)((char *)s + service_texts[node - S_TEXT]);

		*to = *to ? *to : arena_strndup(s->arena, text, len);
	}
}

const struct vim_shape vim_service_shape = {
	.steps = (const struct vim_step[]){ { VIM_RESPONSE, S_RETURN, "returnval" },
					    { S_RETURN, S_ABOUT, "about" },
					    { S_RETURN, S_TEXT + 0, "rootFolder" },
					    { S_RETURN, S_TEXT + 1, "propertyCollector" },
					    { S_RETURN, S_TEXT + 2, "viewManager" },
					    { S_RETURN, S_TEXT + 3, "sessionManager" },
					    { S_RETURN, S_TEXT + 4, "perfManager" },
					    { S_RETURN, S_TEXT + 5, "setting" },
					    { S_RETURN, S_TEXT + 6, "customFieldsManager" },
					    { S_ABOUT, S_TEXT + 7, "fullName" },
					    { S_ABOUT, S_TEXT + 8, "apiType" },
					    { S_ABOUT, S_TEXT + 9, "apiVersion" },
					    { 0, 0, NULL } },
	.end = service_end,
};

/* ------------------------------------------------------------------ texts */

enum { T_RETURN = 1, T_KEY, T_VALUE, T_USER };

static void texts_end(void *context, unsigned node, char *text, size_t len)
{
	struct vim_texts *t = context;

	switch (node) {
	case T_KEY:
		copy(t->key, sizeof(t->key), text, len);
		break;
	case T_VALUE:
		copy(t->value, sizeof(t->value), text, len);
		break;
	case T_USER:
		copy(t->user, sizeof(t->user), text, len);
		break;
	case T_RETURN:
		copy(t->result, sizeof(t->result), text, len);
		break;
	default:
		break;
	}
}

const struct vim_shape vim_texts_shape = {
	.steps = (const struct vim_step[]){ { VIM_RESPONSE, T_RETURN, "returnval" },
					    { T_RETURN, T_KEY, "key" },
					    { T_RETURN, T_VALUE, "value" },
					    { T_RETURN, T_USER, "userName" },
					    { 0, 0, NULL } },
	.end = texts_end,
};

/* ------------------------------------------------------------------ objects */

enum {
	O_RETURN = 1,
	O_TOKEN,
	O_OBJECT,
	O_ID,
	O_PROPERTY,
	O_NAME,
	O_VALUE,
	O_MISSING,
	O_MISSING_FAULT,
	O_MISSING_KIND,
	O_ELEMENT,
	O_NAME_INFO,
	O_GROUP_INFO,
	O_PART, /* and the others: in the order of struct vim_element */
	O_PARTS = O_PART + 6,
};

static void objects_start(void *context, unsigned node, const struct vim_attributes *a)
{
	struct vim_objects *o = context;
	const char *type;
	size_t len = 0;

	switch (node) {
	case O_OBJECT:
		buf_reset(&o->text);
		o->type = o->id = ABSENT;
		o->unauthenticated = o->refused = false;
		for (size_t i = 0; i < VIM_PATHS; i++) {
			o->value[i] = ABSENT;
		}
		break;
	case O_ID:
		type = vim_reference_type(a, &len);
		o->type = o->text.len;
		buf_add(&o->text, type ? type : "", len);
		buf_add(&o->text, "", 1);
		break;
	case O_PROPERTY:
		o->path = VIM_PATHS;
		break;
	case O_VALUE:
		o->array = false;
		break;
	case O_ELEMENT:
		o->array = true;
		o->mark = o->text.len;
		for (size_t i = 0; i < G_N_ELEMENTS(o->part); i++) {
			o->part[i] = ABSENT;
		}
		break;
	case O_MISSING_KIND:
		o->unauthenticated |= vim_is_type(a, "NotAuthenticated");
		o->refused |= vim_is_type(a, "InvalidProperty");
		break;
	default:
		break;
	}
}

static size_t keep(struct vim_objects *o, const char *text, size_t len)
{
	size_t at = o->text.len;

	buf_add(&o->text, text, len + 1); /* with its zero */
	return at;
}

static const char *at(const struct vim_objects *o, size_t offset)
{
	return offset == ABSENT ? NULL : o->text.data + offset;
}

static unsigned path_of(const struct vim_objects *o, const char *name)
{
	for (unsigned i = 0; i < VIM_PATHS && o->paths[i]; i++) {
		if (strcmp(o->paths[i], name) == 0) {
			return i;
		}
	}
	return VIM_PATHS;
}

static void end_element(struct vim_objects *o)
{
	struct vim_element e = { .key = at(o, o->part[0]),
				 .value = at(o, o->part[1]),
				 .name = at(o, o->part[2]),
				 .name_key = at(o, o->part[3]),
				 .group_key = at(o, o->part[4]),
				 .rollup = at(o, o->part[5]) };

	if (o->element && o->path < VIM_PATHS) {
		o->element(o->context, o->path, &e);
	}
	buf_cut(&o->text, o->mark);
}

static void end_object(struct vim_objects *o)
{
	struct vim_object object = { .type = at(o, o->type),
				     .id = at(o, o->id),
				     .unauthenticated = o->unauthenticated,
				     .refused = o->refused };

	o->count++;
	for (size_t i = 0; i < VIM_PATHS; i++) {
		object.value[i] = at(o, o->value[i]);
	}
	if (o->object && object.id) {
		o->object(o->context, &object);
	}
}

static void objects_end(void *context, unsigned node, char *text, size_t len)
{
	struct vim_objects *o = context;

	switch (node) {
	case O_TOKEN:
		buf_reset(&o->token);
		buf_add(&o->token, text, len);
		break;
	case O_ID:
		o->id = keep(o, text, len);
		break;
	case O_NAME:
		o->path = path_of(o, text);
		break;
	case O_VALUE:
		if (!o->array && o->path < VIM_PATHS) {
			o->value[o->path] = keep(o, text, len);
		}
		break;
	case O_ELEMENT:
		end_element(o);
		break;
	case O_OBJECT:
		end_object(o);
		break;
	default:
		if (node >= O_PART && node < O_PARTS && o->path < VIM_PATHS) {
			o->part[node - O_PART] = keep(o, text, len);
		}
		break;
	}
}

const struct vim_shape vim_objects_shape = {
	.steps = (const struct vim_step[]){ { O_PROPERTY, O_NAME, "name" },
					    { O_PROPERTY, O_VALUE, "val" },
					    { O_OBJECT, O_PROPERTY, "propSet" },
					    { O_OBJECT, O_ID, "obj" },
					    { O_VALUE, O_ELEMENT, NULL },
					    { O_ELEMENT, O_PART + 0, "key" },
					    { O_ELEMENT, O_PART + 1, "value" },
					    { O_ELEMENT, O_PART + 2, "name" },
					    { O_ELEMENT, O_NAME_INFO, "nameInfo" },
					    { O_NAME_INFO, O_PART + 3, "key" },
					    { O_ELEMENT, O_GROUP_INFO, "groupInfo" },
					    { O_GROUP_INFO, O_PART + 4, "key" },
					    { O_ELEMENT, O_PART + 5, "rollupType" },
					    { O_RETURN, O_OBJECT, "objects" },
					    { O_RETURN, O_TOKEN, "token" },
					    { O_OBJECT, O_MISSING, "missingSet" },
					    { O_MISSING, O_MISSING_FAULT, "fault" },
					    { O_MISSING_FAULT, O_MISSING_KIND, "fault" },
					    { VIM_RESPONSE, O_RETURN, "returnval" },
					    { 0, 0, NULL } },
	.start = objects_start,
	.end = objects_end,
};

void vim_objects_fini(struct vim_objects *o)
{
	buf_fini(&o->token);
	buf_fini(&o->text);
}

/* ------------------------------------------------------------------ performance */

enum { P_MACHINE = 1, P_ID, P_SERIES, P_SERIES_ID, P_COUNTER, P_INSTANCE, P_VALUE };

static void perf_start(void *context, unsigned node, const struct vim_attributes *a)
{
	struct vim_perf *p = context;

	if (node == P_SERIES) {
		p->in = (struct vim_series){ .counter = -1 };
		buf_reset(&p->instance);
	}
}

/* One number, or, in the CSV form, several with commas between: which one it is shows here, too. */
static void add_samples(struct vim_series *s, const char *text)
{
	while (*text) {
		bool negative = *text == '-';
		int64_t value = 0;

		text += negative;
		if (*text < '0' || *text > '9') {
			return;
		}
		for (; *text >= '0' && *text <= '9'; text++) {
			value = value < INT64_MAX / 100 ? value * 10 + (*text - '0') : value;
		}
		value = negative ? -value : value;
		if (value != MISSING && !__builtin_add_overflow(s->sum, value, &s->sum)) {
			s->count++;
		}
		text += *text == ',';
	}
}

static void perf_end(void *context, unsigned node, char *text, size_t len)
{
	struct vim_perf *p = context;

	switch (node) {
	case P_ID:
		p->machine(p->context, text, len);
		break;
	case P_COUNTER:
		p->in.counter = (int32_t)strtol(text, NULL, 10);
		break;
	case P_INSTANCE:
		buf_reset(&p->instance);
		buf_add(&p->instance, text, len);
		break;
	case P_VALUE:
		add_samples(&p->in, text);
		break;
	case P_SERIES:
		p->in.instance = p->instance.len ? p->instance.data : "";
		p->in.instance_len = p->instance.len;
		p->series(p->context, &p->in);
		break;
	default:
		break;
	}
}

const struct vim_shape vim_perf_shape = {
	.steps = (const struct vim_step[]){ { P_SERIES, P_SERIES_ID, "id" },
					    { P_SERIES_ID, P_COUNTER, "counterId" },
					    { P_SERIES_ID, P_INSTANCE, "instance" },
					    { P_SERIES, P_VALUE, "value" },
					    { P_MACHINE, P_SERIES, "value" },
					    { P_MACHINE, P_ID, "entity" },
					    { VIM_RESPONSE, P_MACHINE, "returnval" },
					    { 0, 0, NULL } },
	.start = perf_start,
	.end = perf_end,
};

void vim_perf_fini(struct vim_perf *p)
{
	buf_fini(&p->instance);
}

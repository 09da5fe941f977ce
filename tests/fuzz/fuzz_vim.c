/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of vim25 servers, read as each of the answers that there are: whatever is told of them is text that ends,
 * within its bounds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/vim/answers.h"
#include "plugins/vim/fault.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const paths[] = { "name",        "runtime.powerState", "config.instanceUuid",
				     "perfCounter", "customValue",        NULL };

static struct vim_reader *reader;

static void look(const char *text)
{
	if (text && strlen(text) > VIM_TEXT_MAX) {
		abort();
	}
}

static void on_element(void *context, unsigned path, const struct vim_element *e)
{
	if (path >= sizeof(paths) / sizeof(*paths)) {
		abort();
	}
	look(e->key);
	look(e->value);
	look(e->name);
	look(e->name_key);
	look(e->group_key);
	look(e->rollup);
}

static void on_object(void *context, const struct vim_object *o)
{
	look(o->type);
	look(o->id);
	for (size_t i = 0; i < VIM_PATHS; i++) {
		if (i > 4 && o->value[i]) {
			abort();
		}
		look(o->value[i]);
	}
}

static void on_machine(void *context, const char *id, size_t len)
{
	if (strlen(id) > len) {
		abort();
	}
	look(id);
}

static void on_series(void *context, const struct vim_series *s)
{
	if (s->count > VIM_TEXT_MAX || strlen(s->instance) > s->instance_len) {
		abort();
	}
	look(s->instance);
}

static void read_as(const uint8_t *data, size_t size, const struct vim_shape *shape, void *context)
{
	struct vim_fault fault;
	struct vmt_error error;
	char text[64];

	if (vim_read(reader, (const char *)data, size, shape, context, &fault, &error) == 0 &&
	    fault.there) {
		vim_fault_tell(&fault, text, sizeof(text));
		vim_fault_kind(&fault);
		if (strchr(text, '\n')) {
			abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vim_objects o = { .paths = paths, .element = on_element, .object = on_object };
	struct vim_perf p = { .machine = on_machine, .series = on_series };
	struct vim_service s = { .arena = arena_new(0) };
	struct vim_texts t = { .key = "" };

	reader = vim_reader_new();
	read_as(data, size, &vim_service_shape, &s);
	read_as(data, size, &vim_texts_shape, &t);
	read_as(data, size, &vim_objects_shape, &o);
	read_as(data, size, &vim_perf_shape, &p);
	look(t.result);
	vim_reader_free(reader);
	vim_objects_fini(&o);
	vim_perf_fini(&p);
	arena_free(s.arena);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: what is asked of a store.  A line is an option, by its first letter, and its value; the commands run on
 * a store of three samples, so that times, metadata filters, groups, periods and aggregates are parsed and applied.
 */
#include <fcntl.h>
#include <glib.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "builtin.h"
#include "cmd/cmd.h"
#include "wire/json_path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINES_MOST = 12, FIXED = 3 };

/* ------------------------------------------------------------------ the store */

static const char metadata[] =
	"{\"status\": \"active\", \"flavor\": {\"name\": \"m1.small\", \"ram\": 512},"
	" \"disks\": [{\"bus\": \"virtio\"}], \"a.b\": null, \"\\u00e9\": 1e3";

static int open_store(const void *conf, const struct vmt_url *url, bool read_only, void **ret_self,
		      struct vmt_error *error)
{
	static int self;

	*ret_self = &self;
	return 0;
}

static int publish(void *self, const struct vmt_frame *frame, uint64_t bit,
		   const struct vmt_call *call, struct vmt_error *error)
{
	return 0;
}

static void close_store(void *self)
{
}

static int give(void *self, const struct vmt_query *query, vmt_row_fn row, void *context,
		struct vmt_error *error)
{
	const struct vmt_resource r = { .id = "vm \"1\", a",
					.source = "openstack",
					.project_id = "p",
					.meta_head = metadata,
					.meta_head_len = sizeof metadata - 1,
					.meta_tail = "}",
					.meta_tail_len = 1,
					.digest = 1 };
	char *whole = g_strconcat(metadata, "}", NULL);
	int code = 0;

	for (const struct vmt_pair *p = query->metadata; p && p->key; p++) {
		g_assert(p->key[0] && p->value);
		code |= json_path_is(whole, strlen(whole), p->key, p->value) ? 0 : 1;
	}
	g_free(whole);
	g_assert(query->start_ns == INT64_MIN || query->end_ns == INT64_MAX ||
		 query->start_ns < query->end_ns);
	for (int64_t i = 0; i < 3 && code == 0; i++) {
		struct vmt_store_row s = { .name = "cpu",
					   .unit = "ns",
					   .type = VMT_CUMULATIVE,
					   .kind = (enum vmt_kind)i,
					   .value.i = i == 2 ? INT64_C(0x7fe0000000000000) : -i,
					   .resource = &r,
					   .time_ns = (3 - i) * INT64_C(3000000000000000000),
					   .mono_ns = INT64_MIN,
					   .series = 1 };

		code = row(context, &s);
	}
	return MIN(code, 0);
}

static const struct vmt_store_ops store = { .samples = give, .resources = give, .meters = give };
static const struct vmt_publisher_ops ops = {
	.open = open_store, .publish = publish, .close = close_store, .store = &store
};
static const struct vmt_plugin plugin = {
	.abi = VMT_ABI, .ns = VMT_PUBLISHER, .name = "fuzz", .version = "1", .ops.publisher = &ops
};

const struct vmt_plugin *const builtin_plugins[] = { &plugin, NULL };

const char *builtin_plugin_folder(void)
{
	return "";
}

/* ------------------------------------------------------------------ the commands */

/* Output goes nowhere meanwhile. */
static void run(int (*command)(int argc, char **argv), int argc, char **argv)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC), out, err, status;

	fflush(stdout);
	out = dup(STDOUT_FILENO);
	err = dup(STDERR_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	status = command(argc, argv);
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	close(out);
	close(err);
	close(null);
	g_assert_cmpint(status, >=, CMD_OK);
	g_assert_cmpint(status, <=, CMD_USAGE);
}

static const char *option(char letter, bool statistics)
{
	static const struct {
		char letter;
		bool statistics;
		const char *name;
	} table[] = {
		{ 'm', false, "meter" }, { 'r', false, "resource" }, { 'p', false, "project" },
		{ 'u', false, "user" },  { 'M', false, "metadata" }, { 's', false, "start" },
		{ 'e', false, "end" },   { 'n', false, "limit" },    { 'f', false, "format" },
		{ 'P', true, "period" }, { 'g', true, "groupby" },   { 'a', true, "aggregate" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
		if (table[i].letter == letter && (statistics || !table[i].statistics)) {
			return table[i].name;
		}
	}
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char one[] = "samples", two[] = "statistics", from[] = "--store=fuzz://",
		    none[] = "--config-file=/dev/null";
	char *text = g_strndup((const char *)data, size);
	char **lines = g_strsplit(text, "\n", LINES_MOST);

	for (int statistics = 0; statistics < 2; statistics++) {
		char *argv[FIXED + LINES_MOST + 1] = { statistics ? two : one, from, none };
		char *used[LINES_MOST];
		int argc = FIXED, count = 0;

		for (char **line = lines; *line; line++) {
			const char *name = option(**line, statistics);

			if (name) {
				used[count] = g_strdup_printf("--%s=%s", name, *line + 1);
				argv[argc++] = used[count++];
			}
		}
		run(statistics ? cmd_statistics : cmd_samples, argc, argv);
		while (count) {
			g_free(used[--count]);
		}
	}
	g_strfreev(lines);
	g_free(text);
	return 0;
}

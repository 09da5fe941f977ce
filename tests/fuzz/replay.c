/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replays a corpus through one fuzz target, as an ordinary test (TAP): every file of the folders and
 * files given, then cut short at every length and with every byte changed in three ways (with -N first:
 * at every Nth, for a target that takes milliseconds).  The input
 * lies in memory of exactly its size, so that a sanitizer sees the first byte read too far.  What is
 * tested is that the target returns: no crash, no sanitizer's complaint, no hang (the test's
 * time-out).  One thread; reads files.
 */
#include <glib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	VARIED = 2048
}; /* bytes; longer files are replayed as they are, cuts and changes take turns */

static unsigned tests;
static size_t every = 1;

static void run_one(const uint8_t *data, size_t size)
{
	uint8_t *copy = calloc(1, size ? size : 1);

	if (!copy) {
		abort();
	}
	if (size) {
		memcpy(copy, data, size);
	}
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static void run_varied(uint8_t *data, size_t size)
{
	static const uint8_t masks[] = { 0x01, 0x80, 0xff };
	size_t step = every * (size / VARIED + 1);

	run_one(data, size);
	for (size_t i = tests % step; i < size; i += step) {
		run_one(data, i);
		for (size_t k = 0; k < G_N_ELEMENTS(masks); k++) {
			data[i] ^= masks[k];
			run_one(data, size);
			data[i] ^= masks[k];
		}
	}
}

static int replay_file(const char *path)
{
	char *data;
	size_t size;
	GError *error = NULL;

	if (!g_file_get_contents(path, &data, &size, &error)) {
		printf("not ok %u - %s\n", ++tests, error->message);
		g_error_free(error);
		return 1;
	}
	run_varied((uint8_t *)data, size);
	g_free(data);
	printf("ok %u - %s\n", ++tests, path);
	fflush(stdout);
	return 0;
}

static int replay(const char *path)
{
	GDir *dir = g_dir_open(path, 0, NULL);
	const char *name;
	int bad = 0;

	if (!dir) {
		return replay_file(path);
	}
	while ((name = g_dir_read_name(dir)) != NULL) {
		char *inner = g_build_filename(path, name, NULL);

		bad += replay(inner);
		g_free(inner);
	}
	g_dir_close(dir);
	return bad;
}

int main(int argc, char **argv)
{
	int bad = 0;

	run_one(NULL, 0);
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-') {
			every = strtoul(argv[i] + 1, NULL, 10);
		} else {
			bad += replay(argv[i]);
		}
	}
	if (tests == 0) {
		printf("not ok %u - the corpus is empty\n", ++tests);
		bad++;
	}
	printf("1..%u\n", tests);
	return bad > 0;
}

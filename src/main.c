/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtmeter: the table of its commands.  Runs on the main thread; what a command may block on stands
 * in its file.
 */
#include <locale.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "conf/nearest.h"
#include "version.h"

static const struct {
	const char *name;
	const char *summary;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "agent", "poll the instances of this host and publish samples (the daemon)", cmd_agent },
	{ "collector", "receive samples and publish or store them (the daemon)", cmd_collector },
	{ "poll", "poll once without publishing, and print", cmd_poll },
	{ "list", "list instances, meters or plugins", cmd_list },
	{ "check", "read all configuration and say what is wrong", cmd_check },
	{ "send", "send one sample to the configured publishers, to test the way", cmd_send },
	{ "samples", "read samples from a store", cmd_samples },
	{ "statistics", "sum up the samples of a store", cmd_statistics },
	{ "resources", "read resources from a store", cmd_resources },
	{ "meters", "read which meters a store holds", cmd_meters },
	{ "spool", "look at and mend a durable queue", cmd_spool },
	{ "status", "ask the running agent how it is", cmd_status },
	{ "reload", "make the running agent read its configuration anew", cmd_reload },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void help(void)
{
	printf("virtmeter meters virtual machines from outside.\n\n"
	       "Usage: virtmeter COMMAND [OPTION...]\n\n");
	for (size_t i = 0; i < COMMANDS; i++) {
		printf("  %-10s %s\n", commands[i].name, commands[i].summary);
	}
	printf("\n  --help     this text; `virtmeter COMMAND --help` tells of one command\n"
	       "  --version  which version this is\n\n"
	       "See it work: virtmeter agent --demo --cycles 2\n");
}

static int unknown(const char *word)
{
	const char *names[COMMANDS + 1] = { NULL };
	const char *near;

	for (size_t i = 0; i < COMMANDS; i++) {
		names[i] = commands[i].name;
	}
	near = conf_nearest(word, names);
	fprintf(stderr, "virtmeter: %s: no such command%s%s%s; `virtmeter --help` lists them\n",
		word, near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
	return CMD_USAGE;
}

int main(int argc, char **argv)
{
	setlocale(LC_CTYPE,
		  ""); /* for the width of tables; our words and numbers are the same everywhere */
	/* Few threads allocate at the same time: one arena keeps the process small. */
	mallopt(M_ARENA_MAX, 1);
	if (argc < 2) {
		fprintf(stderr, "virtmeter: no command given; `virtmeter --help` lists them\n");
		return CMD_USAGE;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
		printf("virtmeter %s\n", VIRTMETER_VERSION);
		return CMD_OK;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		help();
		return CMD_OK;
	}
	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(argv[1], commands[i].name) == 0) {
			return commands[i].run(argc - 1, argv + 1);
		}
	}
	return unknown(argv[1]);
}

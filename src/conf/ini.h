/* SPDX-License-Identifier: Apache-2.0 */
/*
 * INI files in oslo.config's grammar, several of them, as one set of values with the place of each.
 *
 *	[section]            groups are equal in any case; keys are equal with '-' and '_'
 *	key = value          also "key: value"; a repeated key: the last counts, or all (multi-valued)
 *	  continued          begins with white space; joined by a newline
 *	key = "value"        one pair of quotes, " or ', is removed
 *	other = $key ${group.key} $$
 *	# comment            so is ';'; only at the beginning of a line
 *
 * A later file wins.  The environment's OS_<GROUP>__<KEY> wins over files.
 *
 * Built once on one thread, then constant and for any thread.  Reading files blocks on the disk.
 * Source of the grammar: oslo_config.iniparser, oslo_config.cfg.
 */
#ifndef CONF_INI_H
#define CONF_INI_H

#include <stdbool.h>
#include <stddef.h>
#include <virtmeter/plugin.h>

#include "conf/problem.h"

struct arena;
struct ini;

enum {
	INI_FILE_MAX = 4 << 20, /* bytes of one file */
	INI_VALUES_MAX = 100000, /* in all files */
	INI_TEXT_MAX = 1 << 20, /* bytes of one value after substitution */
};

struct ini_value {
	const char *group; /* "DEFAULT", others in lower case */
	const char *name; /* with '_' */
	const char *text; /* as written: without quotes, not yet substituted */
	struct position at; /* of the key; of the value's first byte: value_at */
	struct position value_at;
	size_t source; /* which file: grows; the environment is the greatest */
};

struct ini *ini_new(void);
void ini_free(struct ini *ini);

/* Each adds its values and its grammar's errors.  0, or -EINVAL (added to `problems`), -E2BIG, or the
 * -errno of reading the file (also added). */
int ini_read_file(struct ini *ini, const char *path, struct problems *problems);
/* `name` stands for the file in messages. */
int ini_read_text(struct ini *ini, const char *name, const char *text, size_t size,
		  struct problems *problems);
/* All *.conf of a folder by name.  0 for a folder without any; -errno when it cannot be read. */
int ini_read_dir(struct ini *ini, const char *path, struct problems *problems);
/* `environment` is NULL-terminated ("OS_DEFAULT__HOST=a"); after all files. */
void ini_read_environment(struct ini *ini, const char *const *environment);

/* Where files are searched. */
struct ini_search {
	const char *const *files; /* --config-file, NULL-terminated; NULL: searched */
	const char *const *dirs; /* --config-dir, likewise */
	const char *order; /* how they stand on the command line: "fdf"; NULL: files first */
	const char *root; /* what stands before /etc, for tests; NULL: "" */
};

/* Reads what the command line names, else /etc/virtmeter/virtmeter.conf and virtmeter.conf.d/, else
 * /etc/ceilometer/ceilometer.conf and ceilometer.conf.d/, then the environment.  As with oslo.config files alone, when
 * they are named, take the place of the file searched for but not of its folder (here the one beside them, "file.d"), and
 * folders alone not that of the file.  That none is there is no error.  The program's own options are known from then on.  0, or -errno with everything in
 * `problems`. */
int ini_search(struct ini *ini, const struct ini_search *search, struct problems *problems);

/* Files read so far, in order. */
size_t ini_files(const struct ini *ini);
const char *ini_file(const struct ini *ini, size_t i);

/* Every value in the order read. */
size_t ini_count(const struct ini *ini);
const struct ini_value *ini_at(const struct ini *ini, size_t i);

/* The value in force, or NULL.  `group` NULL is DEFAULT; `older` (or NULL) is another name of the same,
 * which a later file may use and then wins. */
const struct ini_value *ini_find(const struct ini *ini, const char *group, const char *name,
				 const char *older);

/* What counts for the endpoint of that name (in any case): the same values, but those of a section "group:name" after all
 * others of "group".  *ini stays the caller's and must outlive it. */
struct ini *ini_overlay(const struct ini *ini, const char *name);

/* Makes a table's options known: their defaults are found by substitution.  The table stays the
 * caller's and must outlive *ini. */
void ini_know(struct ini *ini, const struct vmt_option *options);

/* The same for the options of the program itself, of which [DEFAULT] host is this host's name by default. */
void ini_know_settings(struct ini *ini);

/* Text of a value with $name, ${group.name} and $$ replaced; in `arena`.  NULL with the reason, which
 * was added to `problems`: no such option, a circle, too long. */
const char *ini_substitute(const struct ini *ini, const struct ini_value *value,
			   struct arena *arena, struct problems *problems);

/* A file that an option names (polling.yaml): as it is if it exists (absolute or below the working
 * directory), else beside the configuration files read, the last first, else in the folders searched.
 * Its path in `arena`, NULL when it is nowhere. */
const char *ini_find_file(const struct ini *ini, const char *name, struct arena *arena);

#endif

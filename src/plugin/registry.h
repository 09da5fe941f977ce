/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All plugins there are: those built in, and the shared objects of folders.  A shared object that cannot
 * be used is named, with the reason, and skipped.
 *
 * What brings a heavy library is in the process only when it is configured.  The program's own such
 * plugins are *declared* among the built-in ones: a struct vmt_plugin without operations, so that names,
 * help and options are known while the shared object (NAMESPACE-NAME.so) is not opened.  Of other
 * plugins the file name has to do: NAMESPACE-NAME.so (publisher-http.so; with further names as
 * publisher-rpc+meter.so) is opened when that plugin is first looked for.  Any other *.so is opened at
 * once.  Never unloaded.
 *
 * Main thread only; blocks on the disk.
 */
#ifndef PLUGIN_REGISTRY_H
#define PLUGIN_REGISTRY_H

#include <virtmeter/plugin.h>

#include "conf/problem.h"

struct registry;

/* `builtin` is NULL-terminated; NULL for none. */
struct registry *registry_new(const struct vmt_plugin *const *builtin);
void registry_free(struct registry *registry);

/* Looks at all *.so of the folder, by name.  A folder that is not there, NULL, or the one read last is no error.  0 or -errno; what
 * was skipped is added to `problems` (failed) and to the failures. */
int registry_load_dir(struct registry *registry, const char *dir, struct problems *problems);
/* Opens those that wait to be looked for as well. */
void registry_load_all(struct registry *registry, struct problems *problems);

/* By name or alias, opened if need be; NULL when there is none or it cannot be opened (that is also among
 * the failures then), with the reason in *error (may be NULL): "no publisher of that name in this
 * virtmeter", "lib/publisher-rpc.so: cannot open …". */
const struct vmt_plugin *registry_find(struct registry *registry, enum vmt_namespace ns,
				       const char *name, struct vmt_error *error);
/* The one of a URL's scheme, publisher or receiver; the reason begins with the URL, without its secrets. */
const struct vmt_plugin *registry_find_url(struct registry *registry, enum vmt_namespace ns,
					   const char *url, struct vmt_error *error);

/* Whether it is a scheme of Ceilometer's publishers that a later version of this program will have; `url`
 * may go on behind the scheme. */
bool registry_comes_later(const char *url);

/* Those opened or declared; the latter have no operations. */
size_t registry_count(const struct registry *registry);
const struct vmt_plugin *registry_at(const struct registry *registry, size_t i);
/* NULL: built in, or declared and not found. */
const char *registry_file(const struct registry *registry, size_t i);

/* "lib/x.so: ABI 99, this virtmeter has 0; build it against this version's virtmeter/plugin.h" */
size_t registry_failures(const struct registry *registry);
const char *registry_failure(const struct registry *registry, size_t i);

/* Names (not aliases) of a namespace's plugins, those not yet opened too; NULL-terminated, to be freed
 * with g_free(); the names stay the registry's. */
const char **registry_names(const struct registry *registry, enum vmt_namespace ns);
/* The option tables of the program itself and of all plugins opened or declared, NULL-terminated, to be
 * freed with g_free(). */
const struct vmt_option **registry_options(const struct registry *registry);

/* "publisher" */
const char *registry_namespace(enum vmt_namespace ns);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the question where the control socket lies.  Any thread; blocks on nothing.
 */
#include "control/path.h"
#include "control/control.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

static char *in_folder(const char *folder, const char *sub, const char *role)
{
	return g_strdup_printf("%s%s/%s.sock", folder, sub, role);
}

/* systemd gives a list when there are several. */
static char *in_runtime_directory(const char *role)
{
	const char *list = g_getenv("RUNTIME_DIRECTORY");
	char *folder, *path;

	if (!list || list[0] != '/') {
		return NULL;
	}
	folder = g_strndup(list, strcspn(list, ":"));
	path = in_folder(folder, "", role);
	g_free(folder);
	return path;
}

static char *in_user_directory(const char *role)
{
	const char *folder = g_getenv("XDG_RUNTIME_DIR");

	return folder && folder[0] == '/' ? in_folder(folder, "/virtmeter", role) : NULL;
}

char *control_path(const char *role)
{
	char *path = in_runtime_directory(role);

	if (!path && geteuid() == 0) {
		return in_folder("/run", "/virtmeter", role);
	}
	return path ? path : in_user_directory(role);
}

size_t control_paths(const char *role, char *ret[CONTROL_PLACES])
{
	char *places[CONTROL_PLACES] = { in_runtime_directory(role), in_user_directory(role),
					 in_folder("/run", "/virtmeter", role) };
	size_t n = 0;

	for (size_t i = 0; i < CONTROL_PLACES; i++) {
		if (places[i]) {
			ret[n++] = places[i];
		}
	}
	return n;
}

int control_address(const char *path, struct sockaddr_un *ret, struct vmt_error *error)
{
	if (strlen(path) >= CONTROL_PATH_MAX) {
		return vmt_error_set(
			error, -ENAMETOOLONG,
			"control socket %s: the name is longer than %d bytes; give a shorter one",
			path, CONTROL_PATH_MAX - 1);
	}
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(ret->sun_path, path, strlen(path) + 1);
	return 0;
}

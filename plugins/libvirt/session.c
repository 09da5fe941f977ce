/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns a connection to a hypervisor and what libvirt says of its calls.  Its seat's thread, but for libvirt_prepare();
 * blocks in libvirt, without limit.
 */
#define LOG_NAME "libvirt"

#include "plugins/libvirt/session.h"
#include "plugins/libvirt/event_loop.h"
#include "plugins/libvirt/hub.h"

#include "base/log.h"

#include <errno.h>
#include <glib.h>
#include <libxml/parser.h>
#include <stdatomic.h>

enum { KEEPALIVE_S = 10, KEEPALIVE_COUNT = 3 }; /* a frozen daemon is seen after 40 s */

static _Atomic uint64_t serials;

/* ------------------------------------------------------------------ libvirt itself */

static void ignore_error(void *data, virErrorPtr error)
{
	/* libvirt would write it to stderr; whoever made the call has it from virGetLastError(). */
}

static void ignore_xml(void *data, const char *format, ...)
{
	/* likewise libxml2, of a file that it cannot open */
}

void libvirt_prepare(void)
{
	static bool done;
	int err;

	if (done) {
		return;
	}
	done = true;
	xmlInitParser();
	/* Nor warnings of its log, unless somebody wants them somewhere. */
	if (!g_getenv("LIBVIRT_LOG_OUTPUTS")) {
		g_setenv("LIBVIRT_DEBUG", "4", FALSE);
	}
	virSetErrorFunc(NULL, ignore_error);
	err = event_loop_register();
	if (err < 0) {
		log_warn("libvirt: event loop: %s; events will not be seen", g_strerror(-err));
	}
	if (virInitialize() < 0) {
		log_warn("libvirt: %s", virGetLastErrorMessage());
	}
}

/* libvirt's messages can have several lines. */
static void one_line(char *text)
{
	for (char *c = text; *c; c++) {
		if (*c == '\n' || *c == '\r') {
			*c = ' ';
		}
	}
	g_strchomp(text);
}

static int errno_of(const virError *e)
{
	switch (e ? e->code : VIR_ERR_OK) {
	case VIR_ERR_NO_DOMAIN:
		return -ENOENT;
	case VIR_ERR_NO_SUPPORT:
	case VIR_ERR_CONFIG_UNSUPPORTED:
	case VIR_ERR_ARGUMENT_UNSUPPORTED:
		return -ENOTSUP;
	case VIR_ERR_AUTH_FAILED:
	case VIR_ERR_AUTH_UNAVAILABLE:
	case VIR_ERR_OPERATION_DENIED:
	case VIR_ERR_ACCESS_DENIED:
		return -EACCES;
	case VIR_ERR_OPERATION_TIMEOUT:
		return -ETIMEDOUT;
	default:
		return -EIO;
	}
}

int libvirt_error(const struct session *s, const char *what, struct vmt_error *error)
{
	const virError *e = virGetLastError();
	int err = vmt_error_set(error, errno_of(e), "libvirt %s: %s: %s", s->uri, what,
				e && e->message ? e->message : "failed without a reason");

	one_line(error->text);
	return err;
}

bool libvirt_unsupported(void)
{
	const virError *e = virGetLastError();

	return errno_of(e) == -ENOTSUP;
}

bool session_is_lost(const struct session *s)
{
	const virError *e = virGetLastError();

	if (e && (e->domain == VIR_FROM_REMOTE || e->domain == VIR_FROM_RPC) &&
	    (e->code == VIR_ERR_SYSTEM_ERROR || e->code == VIR_ERR_INTERNAL_ERROR)) {
		return true;
	}
	return virConnectIsAlive(s->conn) == 0;
}

/* ------------------------------------------------------------------ connection */

void session_close(struct session *s)
{
	if (!s->conn) {
		return;
	}
	if (s->on_close) {
		s->on_close(s, s->data);
	}
	s->on_close = NULL;
	s->data = NULL;
	virConnectClose(s->conn);
	s->conn = NULL;
}

static void session_connect(struct hub *h, struct session *s, bool events)
{
	event_loop_refuse(!events);
	xmlSetGenericErrorFunc(NULL, ignore_xml); /* of this thread */
	s->conn =
		RPC(s, hub_read_write(h) ? virConnectOpen(s->uri) : virConnectOpenReadOnly(s->uri));
	event_loop_refuse(false);
	if (s->conn && events) {
		virConnectSetKeepAlive(s->conn, KEEPALIVE_S,
				       KEEPALIVE_COUNT); /* not every driver can */
	}
}

/* Answers what the hub says of it. */
static int refused(struct hub *h, struct vmt_error *error)
{
	const virError *e = virGetLastError();
	struct vmt_error reason;

	vmt_error_set(&reason, 0, "%s", e && e->message ? e->message : "failed without a reason");
	one_line(reason.text);
	return hub_refused(h,
			   errno_of(e) == -EACCES || strstr(reason.text, "Permission denied")
				   ? -EACCES
				   : -ENOTCONN,
			   reason.text, error);
}

int session_open(struct session *s, struct hub *h, bool events, struct vmt_error *error)
{
	int err;

	if (s->conn && virConnectIsAlive(s->conn) == 0) {
		session_close(s);
	}
	if (s->conn) {
		return 0;
	}
	err = hub_may_connect(h, error);
	if (err < 0) {
		return err;
	}
	s->uri = hub_uri(h);
	session_connect(h, s, events);
	if (!s->conn) {
		return refused(h, error);
	}
	s->serial = ++serials;
	hub_connected(h);
	return 0;
}

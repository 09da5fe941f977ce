/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the GSS-API's objects.  NTLM is worked out here and now; everything else may ask a KDC, which libkrb5 does
 * with waits of its own: on a thread that is left behind at the deadline, at most LOST_MAX of them in a process.
 */
#include "plugins/wsman/auth.h"

#include "base/clock.h"
#include "base/thread.h"
#include "base/wait.h"

#include <errno.h>
#include <glib.h>
#include <gssapi/gssapi.h>
#include <gssapi/gssapi_ext.h>

#define NAP_NS (100 * NS_PER_MS)

enum { LOST_MAX = 4 };

enum mechanism { NTLM, KRB5, SPNEGO };

static struct {
	gss_OID_desc oid;
	const char *name;
} mechanisms[] = {
	[NTLM] = { { 10, (void *)"\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a" }, "NTLM" },
	[KRB5] = { { 9, (void *)"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02" }, "Kerberos" },
	[SPNEGO] = { { 6, (void *)"\x2b\x06\x01\x05\x05\x02" }, "SPNEGO" },
};

static gss_OID_desc user_name = { 10, (void *)"\x2a\x86\x48\x86\xf7\x12\x01\x02\x01\x01" };
static gss_OID_desc host_service = { 10, (void *)"\x2a\x86\x48\x86\xf7\x12\x01\x02\x01\x04" };

static atomic_int lost; /* threads that were left behind and have not come back */

/* All that a step touches: it may outlive the caller. */
struct dialog {
	enum mechanism mechanism;
	char *user, *password, *service;
	gss_cred_id_t cred;
	gss_name_t target;
	gss_ctx_id_t context;
	bool begun, complete, sealing;
	/* the step in hand */
	struct wait wait;
	bool done, left_behind;
	gss_buffer_desc in, out;
	char why[256]; /* "" when it went well */
};

struct auth {
	const struct wsman_conf *conf;
	struct dialog *dialog; /* NULL: not begun */
	char said[320];
};

/* ------------------------------------------------------------------ dialogs */

static struct dialog *dialog_new(const struct wsman_conf *c)
{
	struct dialog *d = g_new0(struct dialog, 1);
	bool domain = c->domain && *c->domain;

	wait_init(&d->wait);
	d->mechanism = c->auth == WSMAN_KERBEROS ? KRB5 : c->password ? NTLM : SPNEGO;
	if (c->user && *c->user) {
		bool whole = !domain || strpbrk(c->user, "\\@");

		d->user = whole                  ? g_strdup(c->user)
			  : d->mechanism == KRB5 ? g_strdup_printf("%s@%s", c->user, c->domain)
						 : g_strdup_printf("%s\\%s", c->domain, c->user);
	}
	d->password = g_strdup(c->password);
	d->service = g_strdup_printf("HTTP@%s", c->host);
	return d;
}

static void dialog_free(struct dialog *d)
{
	OM_uint32 minor;

	if (!d) {
		return;
	}
	gss_delete_sec_context(&minor, &d->context, GSS_C_NO_BUFFER);
	gss_release_cred(&minor, &d->cred);
	gss_release_name(&minor, &d->target);
	gss_release_buffer(&minor, &d->out);
	wait_fini(&d->wait);
	g_free(d->in.value);
	g_free(d->user);
	g_free(d->password);
	g_free(d->service);
	g_free(d);
}

/* What the library's words leave out: where a person would mend it. */
static const char *hint(const struct dialog *d, OM_uint32 major)
{
	if (d->password || GSS_ERROR(major) != GSS_S_NO_CRED) {
		return "";
	}
	return d->user ? "no password is given, and there is no ticket of the user's (kinit): "
		       : "no username and password are given, and there is no ticket (kinit): ";
}

/* The library's words for both codes. */
static void tell(struct dialog *d, OM_uint32 major, OM_uint32 minor)
{
	const struct {
		OM_uint32 code;
		int type;
	} codes[] = { { major, GSS_C_GSS_CODE }, { minor, GSS_C_MECH_CODE } };
	size_t n = (size_t)g_snprintf(d->why, sizeof(d->why), "%s%s", hint(d, major),
				      mechanisms[d->mechanism].name);

	for (size_t i = 0; i < G_N_ELEMENTS(codes) && n < sizeof(d->why) - 1; i++) {
		gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
		OM_uint32 more = 0, ignored;

		if (codes[i].code && gss_display_status(&ignored, codes[i].code, codes[i].type,
							&mechanisms[d->mechanism].oid, &more,
							&text) == GSS_S_COMPLETE) {
			n += (size_t)g_snprintf(d->why + n, sizeof(d->why) - n, ": %.*s",
						(int)text.length, (const char *)text.value);
			gss_release_buffer(&ignored, &text);
		}
	}
	if (d->mechanism == NTLM && GSS_ERROR(major) == GSS_S_BAD_MECH) {
		g_snprintf(d->why, sizeof(d->why), "NTLM is not there: install gss-ntlmssp");
	}
}

static OM_uint32 import(OM_uint32 *minor, const char *text, gss_OID type, gss_name_t *ret)
{
	gss_buffer_desc buffer = { strlen(text), (void *)text };

	return gss_import_name(minor, &buffer, type, ret);
}

/* Credentials and the other side's name. */
static OM_uint32 prepare(struct dialog *d, OM_uint32 *minor)
{
	gss_OID_set_desc set = { 1, &mechanisms[d->mechanism].oid };
	gss_name_t name = GSS_C_NO_NAME;
	OM_uint32 ignored, major = import(minor, d->service, &host_service, &d->target);

	if (GSS_ERROR(major) || !d->user) {
		return major;
	}
	major = import(minor, d->user, &user_name, &name);
	if (!GSS_ERROR(major) && d->password) {
		gss_buffer_desc password = { strlen(d->password), d->password };

		major = gss_acquire_cred_with_password(minor, name, &password, 0, &set,
						       GSS_C_INITIATE, &d->cred, NULL, NULL);
	} else if (!GSS_ERROR(major)) {
		major = gss_acquire_cred(minor, name, 0, &set, GSS_C_INITIATE, &d->cred, NULL,
					 NULL);
	}
	gss_release_name(&ignored, &name);
	return major;
}

static void step(struct dialog *d)
{
	OM_uint32 minor = 0, flags = 0, major = GSS_S_COMPLETE;

	d->why[0] = '\0';
	if (!d->begun) {
		major = prepare(d, &minor);
		d->begun = true;
	}
	if (!GSS_ERROR(major)) {
		major = gss_init_sec_context(
			&minor, d->cred, &d->context, d->target, &mechanisms[d->mechanism].oid,
			GSS_C_MUTUAL_FLAG | GSS_C_CONF_FLAG | GSS_C_INTEG_FLAG | GSS_C_REPLAY_FLAG |
				GSS_C_SEQUENCE_FLAG,
			0, GSS_C_NO_CHANNEL_BINDINGS, &d->in, NULL, &d->out, &flags, NULL);
	}
	if (GSS_ERROR(major)) {
		tell(d, major, minor);
		return;
	}
	d->complete = major == GSS_S_COMPLETE;
	d->sealing = flags & GSS_C_CONF_FLAG;
}

/* ------------------------------------------------------------------ steps on a thread */

static void *run_step(void *data)
{
	struct dialog *d = data;
	bool mine;

	step(d);
	wait_lock(&d->wait);
	d->done = true;
	mine = d->left_behind;
	wait_wake(&d->wait);
	wait_unlock(&d->wait);
	if (mine) {
		dialog_free(d);
		atomic_fetch_sub(&lost, 1);
	}
	return NULL;
}

/* 0: it is done; else it is not, and the dialog belongs to the thread. */
static int wait_for(struct dialog *d, pthread_t thread, const struct vmt_call *call)
{
	int err = 0;

	wait_lock(&d->wait);
	while (!d->done && err == 0) {
		int64_t now = clock_monotonic();

		if (atomic_load(call->cancel)) {
			err = -ECANCELED;
		} else if (now >= call->deadline_ns) {
			err = -ETIMEDOUT;
		} else {
			wait_until(&d->wait, MIN(now + NAP_NS, call->deadline_ns));
		}
	}
	err = d->done ? 0 : err;
	if (err < 0) {
		d->left_behind = true;
		atomic_fetch_add(&lost, 1);
	}
	wait_unlock(&d->wait);
	if (err < 0) {
		pthread_detach(thread);
	} else {
		thread_join(thread);
	}
	return err;
}

static int step_aside(struct auth *a, const struct vmt_call *call, struct vmt_error *error)
{
	struct dialog *d = a->dialog;
	pthread_t thread;
	int err;

	if (atomic_load(&lost) >= LOST_MAX) {
		return vmt_error_set(error, -EBUSY,
				     "%d answers of a KDC are still missing; it is not asked again",
				     (int)LOST_MAX);
	}
	d->done = false;
	err = thread_start(&thread, "wsman-gss", run_step, d);
	if (err < 0) {
		return vmt_error_set(error, err, "no thread: %s", g_strerror(-err));
	}
	err = wait_for(d, thread, call);
	if (err < 0) {
		a->dialog = NULL;
		return vmt_error_set(error, err, "the KDC gives no ticket in time");
	}
	return 0;
}

/* ------------------------------------------------------------------ the handshake */

struct auth *auth_new(const struct wsman_conf *conf)
{
	struct auth *a = g_new0(struct auth, 1);

	a->conf = conf;
	return a;
}

void auth_reset(struct auth *a)
{
	dialog_free(a->dialog);
	a->dialog = NULL;
}

void auth_free(struct auth *a)
{
	if (a) {
		auth_reset(a);
		g_free(a);
	}
}

static int take(struct auth *a, const char *said, const struct vmt_call *call,
		struct vmt_error *error)
{
	struct dialog *d = a->dialog;
	OM_uint32 minor;
	int err = 0;

	gss_release_buffer(&minor, &d->out);
	g_free(d->in.value);
	d->in = (gss_buffer_desc)GSS_C_EMPTY_BUFFER;
	if (said) {
		gsize len = 0;

		d->in.value = g_base64_decode(said, &len);
		d->in.length = len;
	}
	if (d->mechanism == NTLM || !call) {
		step(d);
	} else {
		err = step_aside(a, call, error);
	}
	if (err == 0 && d->why[0]) {
		g_snprintf(a->said, sizeof(a->said), "%s", d->why);
		err = vmt_error_set(error, -EACCES, "%s: %s", d->service + 5, d->why);
	}
	return err;
}

int auth_step(struct auth *a, const char *said, struct buf *out, const struct vmt_call *call,
	      struct vmt_error *error)
{
	char *text;
	int err;

	if (!a->dialog) {
		a->dialog = dialog_new(a->conf);
		a->said[0] = '\0';
	}
	err = take(a, said, call, error);
	if (err < 0 || !a->dialog) { /* without one it was left behind */
		return err;
	}
	if (!a->dialog->out.length) {
		return vmt_error_set(error, -EACCES, "%s", auth_said(a));
	}
	text = g_base64_encode(a->dialog->out.value, a->dialog->out.length);
	buf_puts(out, text);
	g_free(text);
	return 0;
}

int auth_finish(struct auth *a, const char *said, struct vmt_error *error)
{
	int err = 0;

	if (!a->dialog->complete && *said) {
		err = take(a, said, NULL, error);
	}
	if (err == 0 && !a->dialog->complete) {
		err = vmt_error_set(error, -EACCES,
				    "%s: lets us in without having proved who it is",
				    a->dialog->service + 5);
	}
	return err;
}

const char *auth_said(const struct auth *a)
{
	return a->said[0] ? a->said : "the account is not accepted";
}

/* ------------------------------------------------------------------ sealing */

static int sealing_failed(struct auth *a, OM_uint32 major, OM_uint32 minor, const char *what,
			  struct vmt_error *error)
{
	tell(a->dialog, major, minor);
	return vmt_error_set(error, -EPROTO, "%s: %s", what, a->dialog->why);
}

/* Kerberos: a header, then as many bytes as there were. */
static int seal_in_place(struct auth *a, const char *plain, size_t len, size_t *ret_signature,
			 struct buf *out, struct vmt_error *error)
{
	struct buf copy = BUF_INIT;
	gss_iov_buffer_desc iov[3] = {
		{ .type = GSS_IOV_BUFFER_TYPE_HEADER | GSS_IOV_BUFFER_FLAG_ALLOCATE },
		{ .type = GSS_IOV_BUFFER_TYPE_DATA },
		{ .type = GSS_IOV_BUFFER_TYPE_PADDING | GSS_IOV_BUFFER_FLAG_ALLOCATE },
	};
	OM_uint32 minor, ignored, major;
	int sealed = 0;

	buf_add(&copy, plain, len);
	iov[1].buffer = (gss_buffer_desc){ copy.len, copy.data };
	major = gss_wrap_iov(&minor, a->dialog->context, 1, GSS_C_QOP_DEFAULT, &sealed, iov,
			     G_N_ELEMENTS(iov));
	if (!GSS_ERROR(major) && sealed) {
		*ret_signature = iov[0].buffer.length;
		for (size_t i = 0; i < G_N_ELEMENTS(iov); i++) {
			buf_add(out, iov[i].buffer.value, iov[i].buffer.length);
		}
	}
	gss_release_iov_buffer(&ignored, iov, G_N_ELEMENTS(iov));
	buf_fini(&copy);
	return GSS_ERROR(major) || !sealed
		       ? sealing_failed(a, major, minor, "what is to be sent cannot be encrypted",
					error)
		       : 0;
}

int auth_seal(struct auth *a, const char *plain, size_t len, size_t *ret_signature, struct buf *out,
	      struct vmt_error *error)
{
	gss_buffer_desc in = { len, (void *)plain }, sealed = GSS_C_EMPTY_BUFFER;
	OM_uint32 minor, major;
	int is_sealed = 0;

	if (!a->dialog || !a->dialog->complete || !a->dialog->sealing) {
		return vmt_error_set(error, -EPROTO, "what is to be sent cannot be encrypted");
	}
	if (a->dialog->mechanism == KRB5) {
		return seal_in_place(a, plain, len, ret_signature, out, error);
	}
	major = gss_wrap(&minor, a->dialog->context, 1, GSS_C_QOP_DEFAULT, &in, &is_sealed,
			 &sealed);
	if (GSS_ERROR(major) || !is_sealed || sealed.length < len) {
		return sealing_failed(a, major, minor, "what is to be sent cannot be encrypted",
				      error);
	}
	*ret_signature = sealed.length - len;
	buf_add(out, sealed.value, sealed.length);
	gss_release_buffer(&minor, &sealed);
	return 0;
}

int auth_unseal(struct auth *a, const char *sealed, size_t len, struct buf *out,
		struct vmt_error *error)
{
	gss_buffer_desc in = { len, (void *)sealed }, plain = GSS_C_EMPTY_BUFFER;
	OM_uint32 minor, major;
	int was_sealed = 0;

	if (!a->dialog || !a->dialog->complete) {
		return vmt_error_set(error, -EPROTO, "an encrypted answer without a context");
	}
	major = gss_unwrap(&minor, a->dialog->context, &in, &plain, &was_sealed, NULL);
	if (GSS_ERROR(major)) {
		return sealing_failed(a, major, minor, "the answer cannot be decrypted", error);
	}
	buf_add(out, plain.value, plain.length);
	gss_release_buffer(&minor, &plain);
	return was_sealed ? 0
			  : vmt_error_set(error, -EPROTO, "the answer is signed, not encrypted");
}

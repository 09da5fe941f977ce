/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who we are, by GSS-API: NTLM (package gss-ntlmssp) for a user with a password, Kerberos, or what the environment
 * has.  It is known on one connection; what is said there can be sealed afterwards.  One thread at a time.  A step
 * that has to ask a KDC runs on a thread of its own, which is left behind when it takes longer than the call may.
 */
#ifndef WSMAN_AUTH_H
#define WSMAN_AUTH_H

#include "plugins/wsman/session.h"

struct auth;

/* *conf has to stay. */
struct auth *auth_new(const struct wsman_conf *conf);
void auth_free(struct auth *a); /* accepts NULL */

/* Begins anew. */
void auth_reset(struct auth *a);

/* The next message of ours, in base64, is added to `out`; `said` is the other side's last one, NULL at first.
 * 0; -EACCES, -ETIMEDOUT, -ECANCELED, -EBUSY (too many steps were left behind), with the reason. */
int auth_step(struct auth *a, const char *said, struct buf *out, const struct vmt_call *call,
	      struct vmt_error *error);

/* The other side has let us in, with these last words ("" for none).  0; -EACCES when it did not prove who it is. */
int auth_finish(struct auth *a, const char *said, struct vmt_error *error);

/* Why the other side most likely does not want us. */
const char *auth_said(const struct auth *a);

/* Seals `plain`: the signature's length in *ret_signature, and signature and data are added to `out`. */
int auth_seal(struct auth *a, const char *plain, size_t len, size_t *ret_signature, struct buf *out,
	      struct vmt_error *error);
/* `sealed`: signature and data, without anything between. */
int auth_unseal(struct auth *a, const char *sealed, size_t len, struct buf *out,
		struct vmt_error *error);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of an account on a server, in the whole process: whether its login was refused, so that not each session
 * tries again by itself and it comes to be locked; and whether the server answers at the end.  Any thread; blocks only in
 * account_enter(), until the call's deadline.
 */
#ifndef VIM_ACCOUNT_H
#define VIM_ACCOUNT_H

#include <virtmeter/plugin.h>

struct account;

/* The same for the same three, whichever plugin asks; never NULL, never freed, and of the password a hash is kept. */
struct account *account_of(const char *address, const char *user, const char *password);

/* How long it is still to be left alone; 0: a login may be tried. */
int64_t account_left_ns(const struct account *a);

/* Before and after a login, of which there is one at a time.  0; -EACCES: it is to be left alone; -ETIMEDOUT and
 * -ECANCELED: as of the call, while another login went on. */
int account_enter(struct account *a, const struct vmt_call *call);
void account_leave(struct account *a);

/* What came of it.  A refusal answers for how long it is left alone: 1 min, and with `account`, where the account is to
 * blame, twice as long each time, up to 10 min. */
int64_t account_refuse(struct account *a, bool account);
void account_accept(struct account *a);

/* The server does not answer to a Logout: for a while nobody need wait for that again. */
void account_set_silent(struct account *a);
bool account_is_silent(const struct account *a);

#endif

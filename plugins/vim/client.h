/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session with a vCenter or an ESXi host: who we are there, its managers, and views of its inventory.  It is opened
 * when it is needed, and anew, once a cycle, when the server has forgotten it; what may go better is tried again.  Runs
 * on a worker, one at a time; blocks on the network until a call's deadline.
 */
#ifndef VIM_CLIENT_H
#define VIM_CLIENT_H

#include "plugins/vim/answers.h"
#include "plugins/vim/fault.h"
#include "plugins/vim/http.h"
#include "plugins/vim/request.h"

enum vim_view {
	VIM_NO_VIEW,
	VIM_VIEW_MACHINES,
	VIM_VIEW_PLACES, /* hosts, clusters, folders */
	VIM_VIEWS
};

struct vim_client;

/* As vim_http_new().  All clients of a process that have one account on one server know when it was refused. */
int vim_client_new(const struct vim_conf *conf, struct vim_client **ret, struct vmt_error *error);
/* Logs out, for which there are two seconds; for all clients of a server that does not answer to it, too.  Accepts
 * NULL. */
void vim_client_free(struct vim_client *c);

/* A cycle begins, in which there may be one login, and so many bytes of answers. */
void vim_client_begin(struct vim_client *c, uint64_t bytes);

/* Opens the session, if it is not.  0; -EACCES: the account, which is left alone for a while; as vim_http_post(). */
int vim_client_open(struct vim_client *c, const struct vmt_call *call, struct vmt_error *error);
/* Opens the session, if need be, and the view; without the latter the session stays. */
int vim_client_see(struct vim_client *c, enum vim_view view, const struct vmt_call *call,
		   struct vmt_error *error);
/* It is to be opened anew; or the view alone. */
void vim_client_lose(struct vim_client *c);
void vim_client_lose_view(struct vim_client *c, enum vim_view view);
/* Whether the server still knows the session; asks it. */
bool vim_client_is_known(struct vim_client *c, const struct vmt_call *call);

/* Whether the server answers anything at all, when something else was not answered; asks it once for its time. */
bool vim_client_is_there(struct vim_client *c, const struct vmt_call *call);
/* False: there was no time for it, or the call was cancelled. */
bool vim_client_pause(int64_t ns, const struct vmt_call *call);

/* A question: how it is written (the session is open then), and how its answer is read. */
struct vim_question {
	void (*write)(struct buf *out, struct vim_client *c, void *asker);
	/* The answer is the same as before and need not be read; NULL: no. */
	bool (*known)(void *asker, const struct buf *answer);
	void *asker;
	enum vim_view view; /* that it is asked of, and that is open then */
	bool once; /* a fault is the asker's affair, and no reason to ask again */
	const struct vim_shape *shape;
	void *context; /* of the shape */
};

/* 0: the answer was read.  -EREMOTEIO: the server says no, see vim_client_fault().  -EACCES, -EBADMSG, and as
 * vim_http_post(). */
int vim_client_ask(struct vim_client *c, const struct vim_question *question,
		   const struct vmt_call *call, struct vmt_error *error);

const struct vim_fault *vim_client_fault(const struct vim_client *c); /* the last one */
const struct vim_service *vim_client_service(const struct vim_client *c); /* of the open session */
struct vim_ref vim_client_view(const struct vim_client *c, enum vim_view view);
const char *vim_client_address(const struct vim_client *c);
/* The session's number; another one: counters have other ids, maybe. */
uint64_t vim_client_session(const struct vim_client *c);
uint64_t vim_client_requests(const struct vim_client *c); /* since it was made */
int64_t vim_client_slowest_ns(const struct vim_client *c); /* in this cycle */

#endif

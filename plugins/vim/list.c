/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the way from page to page.  On a worker, one at a time; blocks on the network until the call's deadline.
 */
#include "plugins/vim/list.h"

#include "base/hash.h"

#include <errno.h>
#include <glib.h>

static struct vim_ref collector_of(const struct vim_client *c)
{
	return (struct vim_ref){ "PropertyCollector", vim_client_service(c)->property_collector };
}

static void write_first(struct buf *out, struct vim_client *c, void *asker)
{
	struct vim_list *l = asker;
	bool all = l->view != VIM_NO_VIEW;

	vim_request_properties(out, collector_of(c), l->wanted, l->types,
			       all ? vim_client_view(c, l->view) : l->object(c), all, VIM_PAGE);
}

static void write_token(struct buf *out, struct vim_client *c, const char *method,
			const struct buf *token)
{
	const struct vim_argument arguments[] = { { "token", token->data, NULL },
						  { NULL, NULL, NULL } };

	vim_request_call(out, method, collector_of(c), arguments);
}

static void write_next(struct buf *out, struct vim_client *c, void *asker)
{
	struct vim_list *l = asker;

	write_token(out, c, "ContinueRetrievePropertiesEx", &l->objects.token);
	buf_reset(&l->objects.token); /* it is good once */
}

/* Reading an answer costs most of what a quiet server costs; the same text says the same. */
static bool is_known(void *asker, const struct buf *answer)
{
	struct vim_list *l = asker;

	l->seen = hash64(answer->data, answer->len, 1) | 1;
	l->same = l->digest == l->seen;
	return l->same;
}

static int ask(struct vim_list *l, struct vim_client *c, bool first, const struct vmt_call *call,
	       struct vmt_error *error)
{
	struct vim_question q = { .write = first ? write_first : write_next,
				  .known = l->remember && first ? is_known : NULL,
				  .asker = l,
				  .view = l->view,
				  .shape = &vim_objects_shape,
				  .context = &l->objects };

	return vim_client_ask(c, &q, call, error);
}

static int read_pages(struct vim_list *l, struct vim_client *c, const struct vmt_call *call,
		      struct vmt_error *error)
{
	int pages = 1, err;

	l->objects.count = 0;
	l->seen = 0;
	l->same = false;
	buf_reset(&l->objects.token);
	l->begin(l->objects.context);
	err = ask(l, c, true, call, error);
	while (err == 0 && l->objects.token.len && !l->same) {
		if (++pages > VIM_PAGES_MAX) {
			return vmt_error_set(error, -E2BIG, "%s: a list does not end",
					     vim_client_address(c));
		}
		l->seen = 0; /* with its pages' tokens no list is as it was */
		err = ask(l, c, false, call, error);
	}
	return err;
}

/* A page that the server does not know any more, as after a session's end. */
static bool is_lost(const struct vim_client *c, int err)
{
	return err == -EREMOTEIO && strcmp(vim_client_fault(c)->name, "token") == 0;
}

/* A view is not there any more, though the session may be. */
static bool is_gone(const struct vim_client *c, int err)
{
	return err == -EREMOTEIO && vim_fault_kind(vim_client_fault(c)) == VIM_FAULT_GONE;
}

/* Some servers show nothing to whom they do not know, in place of a fault. */
static bool is_empty_for_strangers(struct vim_list *l, struct vim_client *c, int err,
				   const struct vmt_call *call)
{
	return err == 0 && !l->same && l->objects.count == 0 && l->last > 0 &&
	       !vim_client_is_known(c, call);
}

int vim_list_read(struct vim_list *l, struct vim_client *c, const struct vmt_call *call,
		  struct vmt_error *error)
{
	int err = 0;

	for (int attempt = 0; attempt < 2; attempt++) {
		err = read_pages(l, c, call, error);
		if (is_gone(c, err) && l->view != VIM_NO_VIEW) {
			vim_client_lose_view(c, l->view);
		} else if (is_empty_for_strangers(l, c, err, call)) {
			vim_client_lose(c);
		} else if (!is_lost(c, err)) {
			break;
		}
	}
	if (err < 0) {
		l->digest = 0;
		return err;
	}
	if (l->same) {
		return 0;
	}
	l->digest = l->seen;
	l->last = l->objects.count;
	return 1;
}

void vim_list_fini(struct vim_list *l)
{
	vim_objects_fini(&l->objects);
}

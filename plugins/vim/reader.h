/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads answers of a vim25 server as they stream by: no tree is built.  What counts of an answer is said by a table of
 * elements (a shape); all others are skipped, and names count by namespace and local name alone.  There is no
 * document type and so no entity but XML's own five.  Any thread, one at a time for a reader; never blocks.
 */
#ifndef VIM_READER_H
#define VIM_READER_H

#include <virtmeter/plugin.h>

enum { VIM_DEPTH = 48, VIM_TEXT_MAX = 1 << 20 };

struct vim_attributes; /* of an element, while it begins */

/* The local part of its xsi:type is this. */
bool vim_is_type(const struct vim_attributes *a, const char *name);
/* The attribute `type` of a reference, in no namespace; NULL for none.  Not terminated: *ret_len bytes. */
const char *vim_reference_type(const struct vim_attributes *a, size_t *ret_len);

enum { VIM_RESPONSE = 0 }; /* the node that every shape begins at: <…Response> in the body */

/* Which child of which node counts; `name` NULL: any.  The first row that fits holds. */
struct vim_step {
	unsigned char from, to;
	const char *name;
};

struct vim_shape {
	const struct vim_step *steps; /* ends with `to` 0 */
	/* NULL for either: nothing to do.  `text` is what stood in the element between its last child and its end,
	 * terminated; it may be changed and holds during the call. */
	void (*start)(void *context, unsigned node, const struct vim_attributes *a);
	void (*end)(void *context, unsigned node, char *text, size_t len);
};

/* A SOAP fault. */
struct vim_fault {
	bool there;
	char type[64]; /* "NotAuthenticated" */
	char text[256]; /* faultstring */
	char name
		[160]; /* what was wrong: `name` of InvalidProperty, `invalidProperty` of InvalidArgument */
	char object[96]; /* the object that it is about */
	char privilege[96]; /* of NoPermission: the one that is missing, "System.Read" */
};

struct vim_reader;

struct vim_reader *vim_reader_new(void);
void vim_reader_free(struct vim_reader *r); /* accepts NULL */

/* 0: the answer was read, or *ret_fault tells the fault that it is; -EBADMSG: it is no answer, with the reason.  What was
 * called before stands. */
int vim_read(struct vim_reader *r, const char *xml, size_t len, const struct vim_shape *shape,
	     void *context, struct vim_fault *ret_fault, struct vmt_error *error);

#endif

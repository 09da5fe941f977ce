/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a fault of a vim25 server means.  Pure: any thread, never blocks.
 */
#ifndef VIM_FAULT_H
#define VIM_FAULT_H

#include "plugins/vim/reader.h"

enum vim_fault_kind {
	VIM_FAULT_TRANSIENT, /* and all that is not known: it may go better at the next attempt */
	VIM_FAULT_SESSION, /* who we are is not known any more: log in, once */
	VIM_FAULT_LOGIN, /* user or password */
	VIM_FAULT_PERMISSION,
	VIM_FAULT_GONE, /* an object is not there any more */
	VIM_FAULT_ARGUMENT, /* the request was not understood */
	VIM_FAULT_VERSION, /* the version of the API is not known there */
	VIM_FAULT_TOO_MUCH, /* ask for less at a time */
	VIM_FAULT_HOST, /* the host behind an object does not answer */
};

enum vim_fault_kind vim_fault_kind(const struct vim_fault *fault);

/* One line of its words for a log. */
void vim_fault_tell(const struct vim_fault *fault, char *text, size_t size);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A handle of libcurl as all set it up that speak HTTP through it: HTTP/1.1 with whom the URL names and with nobody
 * else, as redirects are not followed and other protocols not spoken; TLS 1.2 or later, with authorities that are read
 * anew for each connection; no signals.  One thread at a time; making it blocks on nothing.
 */
#ifndef CURL_HANDLE_H
#define CURL_HANDLE_H

#include <curl/curl.h>
#include <virtmeter/plugin.h>

/* What is zero is left as libcurl has it.  Texts are copied. */
struct handle_conf {
	/* the far side */
	const char *url; /* NULL: it comes with each request */
	bool https_only; /* else HTTP, too */
	bool direct; /* through no proxy, whatever the environment says */
	/* TLS */
	const char *ca_file; /* of authorities; NULL: the system's */
	bool ca_folder; /* it is a folder, beside the system's file */
	const char *cert_file, *key_file; /* our own; NULL: none */
	bool insecure; /* any certificate will do */
	/* who we are, told by HTTP Basic with each request */
	const char *user, *password; /* NULL: nobody; no password is an empty one */
	/* how */
	int64_t connect_ns; /* that a connection may take to be there */
	long buffer; /* bytes that are read at a time */
	bool compressed; /* answers may be, by whatever libcurl can undo */
	/* what it calls, with `self` */
	curl_write_callback on_body, on_head;
	void *self;
	/* Where the caller notes the call in hand: a transfer ends with CURLE_ABORTED_BY_CALLBACK about a second after
	 * its cancel or deadline, at most.  NULL: the caller looks itself. */
	const struct vmt_call *const *call;
	char *ret_error; /* CURL_ERROR_SIZE bytes that live as long as the handle: libcurl's reason */
};

/* For curl_easy_cleanup().  NULL: it cannot be had. */
CURL *handle_new(const struct handle_conf *conf);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Which meters each inspector gives, in each profile, as a table of mdoc. */
#ifndef TESTS_STATIC_INSPECTORS_DOC_H
#define TESTS_STATIC_INSPECTORS_DOC_H

/* Prints it for the inspectors of hypervisors.  1, with a line on stderr, when a profile hides a meter that another
 * one has. */
int inspectors_doc(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers as Python writes them.  The receiver of a sample reads a number, writes it again and hashes
 * that text, so the form matters to the last character.  Any thread; nothing is allocated, and no
 * locale is asked.
 *
 * All functions write at most PYNUM_MAX bytes to `out`, without a zero, and answer how many.
 */
#ifndef WIRE_PYNUM_H
#define WIRE_PYNUM_H

#include <stddef.h>
#include <stdint.h>

enum { PYNUM_MAX = 32 };

/* Two decimal digits for each of 0..99. */
extern const char pynum_pairs[201];

size_t pynum_uint(char *out, uint64_t v);
size_t pynum_int(char *out, int64_t v);

/* repr() of Python 2.7 and 3: the fewest digits that give the same double again, of those the nearest
 * to it; scientific when the exponent is < -4 or >= 16 ("1e-05", "1e+16"), else with a point ("512.0",
 * "-0.0"); "inf", "-inf", "nan".  The digits are found as in R. Giulietti, "The Schubfach way to render
 * doubles" (2020), except where a shorter way gives the same. */
size_t pynum_double(char *out, double v);

/* str() of a Python 2 float: rounded to 12 significant digits, scientific when the exponent is < -4 or
 * >= 11; else like pynum_double. */
size_t pynum_py2(char *out, double v);

#endif

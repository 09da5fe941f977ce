#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes src/wire/pow10.h: the powers of ten that shortest doubles need, 128 bits each.

Usage: pow10-table.py >src/wire/pow10.h

Row k - FIRST is the least g with g * 2^r >= 10^k, where r is such that 2^127 <= g < 2^128.  The range of
k covers every finite double.  src/wire/pynum_test.c checks each row with exact arithmetic.
"""
FIRST, LAST = -292, 324


def row(k):
    if k >= 0:
        r = (10**k).bit_length() - 128
        return -(-10**k // 2**r) if r > 0 else 10**k << -r
    n = 10**-k
    r = n.bit_length() + 127  # 10^k = 2^r / n * 2^-r
    if n & (n - 1) == 0:
        r -= 1
    return -(-2**r // n)


print("""/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Made by scripts/pow10-table.py.  Row k - POW10_FIRST: the least g with g * 2^r >= 10^k, where r is such
 * that 2^127 <= g < 2^128; high and low half.
 */
#ifndef WIRE_POW10_H
#define WIRE_POW10_H

#include <stdint.h>

enum { POW10_FIRST = %d, POW10_LAST = %d };

/* clang-format off */
static const struct pow10 {
	uint64_t high, low;
} pow10_table[] = {""" % (FIRST, LAST))
for k in range(FIRST, LAST + 1):
    g = row(k)
    assert g.bit_length() == 128
    print("\t{ UINT64_C(0x%016x), UINT64_C(0x%016x) }," % (g >> 64, g & (2**64 - 1)))
print("""};
/* clang-format on */

#endif""")

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a scalar of a YAML tree means, by the resolvers of YAML 1.1 that PyYAML has.  Any thread; blocks on
 * nothing.
 */
#include <glib.h>
#include <math.h>
#include <string.h>

#include "conf/yaml_tree.h"

static bool is_plain(const struct yaml_node *n)
{
	return n && n->kind == YAML_SCALAR && !n->quoted;
}

static const char *skip_sign(const char *p, bool *ret_negative)
{
	*ret_negative = *p == '-';
	return p + (*p == '-' || *p == '+');
}

/* Digits of a base with '_' among them; false when there is something else, none, or too much. */
static bool digits(const char *p, unsigned base, uint64_t *ret)
{
	uint64_t value = 0;
	bool any = false;

	for (; *p; p++) {
		int digit = g_ascii_xdigit_value(*p);

		if (*p == '_') {
			continue;
		}
		if (digit < 0 || (unsigned)digit >= base ||
		    value > (UINT64_MAX - (unsigned)digit) / base) {
			return false;
		}
		value = value * base + (unsigned)digit;
		any = true;
	}
	*ret = value;
	return any;
}

/* 1:30, hours and minutes of a time; the parts after the first are below 60. */
static bool sexagesimal(const char *p, uint64_t *ret)
{
	char **parts = g_strsplit(p, ":", -1);
	uint64_t value = 0, part;
	bool good = parts[0] && parts[1] && parts[0][0] != '0';

	for (char **q = parts; *q && good; q++) {
		good = digits(*q, 10, &part) &&
		       (q == parts || (part < 60 && strlen(*q) <= 2 && !strchr(*q, '_'))) &&
		       value <= (UINT64_MAX - part) / 60;
		value = value * 60 + (good ? part : 0);
	}
	g_strfreev(parts);
	*ret = value;
	return good;
}

static bool magnitude(const char *p, uint64_t *ret)
{
	if (!g_ascii_isdigit(*p)) {
		return false;
	}
	if (strchr(p, ':')) {
		return sexagesimal(p, ret);
	}
	if (p[0] == '0' && (p[1] == 'x' || p[1] == 'b')) {
		return digits(p + 2, p[1] == 'x' ? 16 : 2, ret);
	}
	return digits(p, p[0] == '0' ? 8 : 10, ret);
}

static bool set_signed(uint64_t size, bool negative, int64_t *ret)
{
	if (size > (uint64_t)INT64_MAX) {
		return false;
	}
	*ret = negative ? -(int64_t)size : (int64_t)size;
	return true;
}

static bool resolve_int(const char *text, int64_t *ret)
{
	bool negative;
	uint64_t size;

	return magnitude(skip_sign(text, &negative), &size) && set_signed(size, negative, ret);
}

/* Digits, a point that must be there, an exponent that must have a sign: 1e3 is text. */
static bool resolve_float(const char *text, double *ret)
{
	bool negative;
	const char *p = skip_sign(text, &negative);
	char plain[64];
	size_t n = 0;
	bool point = false;

	if (g_ascii_strcasecmp(p, ".inf") == 0) {
		*ret = negative ? -INFINITY : INFINITY;
		return true;
	}
	if (g_ascii_strcasecmp(text, ".nan") == 0) {
		*ret = NAN;
		return true;
	}
	if (!(g_ascii_isdigit(*p) || (p == text && *p == '.' && g_ascii_isdigit(p[1])))) {
		return false; /* -.5 is text */
	}
	for (; *p == '_' || *p == '.' || g_ascii_isdigit(*p); p++) {
		if ((*p == '.' && point) || n >= sizeof(plain) - 8) {
			return false;
		}
		point = point || *p == '.';
		if (*p != '_') {
			plain[n++] = *p;
		}
	}
	if (point && (*p == 'e' || *p == 'E') && (p[1] == '+' || p[1] == '-') &&
	    g_ascii_isdigit(p[2]) && strlen(p) < 7 &&
	    strspn(p + 2, "0123456789") == strlen(p + 2)) {
		n += g_strlcpy(plain + n, p, sizeof(plain) - n);
		p += strlen(p);
	}
	plain[n] = '\0';
	if (!point || *p) {
		return false;
	}
	*ret = g_ascii_strtod(plain, NULL) * (negative ? -1 : 1);
	return true;
}

/* Python's int(text): white space around, a sign, digits with single '_' between them. */
static bool python_int(const char *text, int64_t *ret)
{
	char *copy = g_strstrip(g_strdup(text));
	bool negative, good;
	const char *p = skip_sign(copy, &negative);
	uint64_t size = 0;

	good = g_ascii_isdigit(*p) && !strstr(p, "__") && !g_str_has_suffix(p, "_") &&
	       digits(p, 10, &size) && set_signed(size, negative, ret);
	g_free(copy);
	return good;
}

bool yaml_bool(const struct yaml_node *node, bool *ret_value)
{
	static const char *const words[2][3] = { { "false", "no", "off" },
						 { "true", "yes", "on" } };

	for (size_t i = 0; is_plain(node) && i < 6; i++) {
		const char *word = words[i / 3][i % 3], *text = node->text;
		char *upper = g_ascii_strup(word, -1);
		/* true, True, TRUE and no other */
		bool same = strcmp(text, word) == 0 || strcmp(text, upper) == 0 ||
			    (text[0] == upper[0] && strcmp(text + 1, word + 1) == 0);

		g_free(upper);
		if (same) {
			*ret_value = i / 3 == 1;
			return true;
		}
	}
	return false;
}

/* A decimal integer of any length. */
static bool resolve_long(const char *text, double *ret)
{
	bool negative;
	const char *p = skip_sign(text, &negative);

	if (*p < '1' || *p > '9' || p[strspn(p, "0123456789")]) {
		return false;
	}
	*ret = g_ascii_strtod(text, NULL);
	return true;
}

bool yaml_number(const struct yaml_node *node, double *ret_value)
{
	int64_t whole;

	if (!is_plain(node)) {
		return false;
	}
	if (resolve_int(node->text, &whole)) {
		*ret_value = (double)whole;
		return true;
	}
	return resolve_long(node->text, ret_value) || resolve_float(node->text, ret_value);
}

bool yaml_is_text(const struct yaml_node *node)
{
	double number;
	bool word;

	return node && node->kind == YAML_SCALAR &&
	       (node->quoted || (!yaml_bool(node, &word) && !yaml_number(node, &number)));
}

bool yaml_int(const struct yaml_node *node, int64_t *ret_value)
{
	double number;
	bool word;

	if (!node || node->kind != YAML_SCALAR || yaml_bool(node, &word)) {
		return false;
	}
	if (is_plain(node) && resolve_int(node->text, ret_value)) {
		return true;
	}
	if (is_plain(node) && resolve_float(node->text, &number)) {
		if (!(fabs(number) < 9e18)) {
			return false;
		}
		*ret_value = (int64_t)number;
		return true;
	}
	return python_int(node->text, ret_value);
}
